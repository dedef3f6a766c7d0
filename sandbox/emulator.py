"""moto as a server on this machine, with a word of our own added: which emulator it is."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

WHO = "/_sandbox"
"""Path that answers with the emulator's identity."""

LEFT = "/_sandbox/leftovers"
"""Path that lists the resources which are still there."""

ACCOUNT = DEFAULT_ACCOUNT_ID
"""The emulated AWS account."""


def serve(identity: str, port: int, leftovers: Callable[[], list[str]]) -> str:
    """Start moto on 127.0.0.1 in a thread, on this port or, if it's taken or 0, on a free one; its endpoint's URL."""
    logging.getLogger("werkzeug").setLevel(
        logging.WARNING
    )  # a line a request is too much for a log kept for long
    moto = DomainDispatcherApplication(create_backend_app)

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answers: dict[str, Callable[[], Any]] = {WHO: lambda: {"emulator": identity}, LEFT: leftovers}
        answer = answers.get(environ.get("PATH_INFO", ""))
        if answer is None:
            return moto(environ, start_response)
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(answer()).encode()]

    server = make_server(
        "127.0.0.1", port if _free(port) else 0, app, threaded=True, request_handler=MotoRequestHandler
    )
    threading.Thread(target=server.serve_forever, name="moto", daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
