"""What tests of the machines' own programs share: loading them, and fakes of what they talk to."""

import importlib.util
import json
import os
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from cloud_init.render import HERE


def load(path: str) -> Any:
    """A file that runs on the machines, as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, HERE / path)
    assert spec and spec.loader
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@contextmanager
def serving(answer: Callable[[str, bytes], Any]) -> Generator[str]:
    """An HTTP server on this machine that answers with JSON; its port. None: 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = answer(self.path, body)
            text = json.dumps(found).encode()
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield str(server.server_port)
    finally:
        server.shutdown()
        server.server_close()


def fake_command(folder: Path, name: str, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fake of a command, first on PATH."""
    path = folder / "fakes" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n# A fake of {name}.\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
