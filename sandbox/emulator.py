"""moto as a server on this machine, with a few words of our own added: which emulator it is, what is left in it,
and faults on demand. Whoever asks is told of each call that was answered."""

from __future__ import annotations

import io
import json
import logging
import re
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from sandbox.faults import Faults, WrongFault
from sandbox.long_poll import LongPoll

WHO = "/_sandbox"
"""Path that answers with the emulator's identity."""

LEFT = "/_sandbox/leftovers"
"""Path that lists the resources which are still there."""

FAULTS = "/_sandbox/faults"
"""Path at which faults are set (POST), shown (GET) and ended (DELETE)."""

ACCOUNT = DEFAULT_ACCOUNT_ID
"""The emulated AWS account."""

CHANGES = {
    "ec2": ("RunInstances", "StartInstances", "StopInstances", "RebootInstances", "TerminateInstances"),
    "cloudfront": ("POST", "PUT", "DELETE"),
    "s3": ("POST", "PUT", "DELETE"),
}
"""Calls that may change what runs; looking at something is none."""

Environ = dict[str, Any]
Start = Callable[..., Any]
Seen = Callable[[str, str, list[str]], None]
"""Told of a call: service, action, and the EC2 instances that it names."""


@dataclass
class Emulator:
    """The WSGI program: moto, our own paths before it, faults in between."""

    identity: str
    leftovers: Callable[[], list[str]]
    seen: Seen
    faults: Faults = field(default_factory=Faults)
    _moto: Any = field(default_factory=lambda: DomainDispatcherApplication(create_backend_app))
    # DynamoDB's writes are atomic, and its conditions hold between two callers; moto's threads know no such thing.
    _dynamodb: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._sqs = LongPoll(self._moto)

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith(WHO):
            return self._own(path, environ, start_response)
        service, action, instances = _call(environ)
        struck = self.faults.strike(service, action)
        if struck:
            start_response(f"{struck.status} Emulated", [("Content-Type", struck.content_type)])
            return [struck.body]
        if service == "dynamodb":
            with self._dynamodb:
                return self._moto(environ, start_response)
        if (service, action) == ("sqs", "ReceiveMessage"):
            return self._sqs.receive(environ, start_response)
        answer = self._moto(environ, start_response)
        if service == "sqs":
            self._sqs.changed()
        if action in CHANGES.get(service, ()):
            self.seen(service, action, instances)
        return answer

    def _own(self, path: str, environ: Environ, start_response: Start) -> Iterable[bytes]:
        status, said = "200 OK", None
        match path, environ["REQUEST_METHOD"]:
            case "/_sandbox", _:
                said = {"emulator": self.identity}
            case "/_sandbox/leftovers", _:
                said = self.leftovers()
            case "/_sandbox/faults", method:
                status, said = self._change_faults(method, environ)
            case _:
                status, said = "404 Not Found", {"error": f"there is no {path}"}
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(said).encode()]

    def _change_faults(self, method: str, environ: Environ) -> tuple[str, Any]:
        try:
            if method == "POST":
                self.faults.set(json.loads(_body(environ)))
            elif method == "DELETE":
                self.faults.clear()
        except (WrongFault, json.JSONDecodeError) as error:
            return "400 Bad Request", {"error": str(error)}
        return "200 OK", {"happened": self.faults.happened}


def _unseen(service: str, action: str, instance_ids: list[str]) -> None:
    """Nobody wants to know."""


def serve(identity: str, port: int, leftovers: Callable[[], list[str]], seen: Seen = _unseen) -> str:
    """Start moto on 127.0.0.1 in a thread, on this port or, if it's taken or 0, on a free one; its endpoint's URL."""
    logging.getLogger("werkzeug").setLevel(
        logging.WARNING
    )  # a line a request is too much for a log kept for long
    app = Emulator(identity, leftovers, seen)
    server = make_server(
        "127.0.0.1", port if _free(port) else 0, app, threaded=True, request_handler=MotoRequestHandler
    )
    threading.Thread(target=server.serve_forever, name="moto", daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def _call(environ: Environ) -> tuple[str, str, list[str]]:
    """Service and action of a call, as its signature and its headers name them; for S3 the HTTP method."""
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    service = scope.group(1) if scope else ""
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    if target:
        return service, target.rpartition(".")[2], []
    if service == "ec2":
        form = parse_qs(_body(environ).decode(errors="replace"))
        instances = [value for key, [value, *_] in form.items() if key.startswith("InstanceId")]
        return service, form.get("Action", [""])[0], instances
    return service, environ["REQUEST_METHOD"], []


def _body(environ: Environ) -> bytes:
    """The body, which stays to be read by whoever comes after."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
