"""A stack that the smoke test can look at: an API and a page at one address, a user pool at moto's."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from ops_cloud import Cloud
from PIL import Image

import contract

IMAGES = {"mlServer": "ami-0123456789abcdef0", "backend": "ami-0fedcba9876543210"}
PAGE = b"<!doctype html><title>sd-app</title><script src='/assets/x.js'></script>"
SIGN_IN = "https://cognito-idp.us-east-1.amazonaws.com"


def picture() -> bytes:
    """A PNG of many colours."""
    png = io.BytesIO()
    Image.effect_noise((64, 64), 80).save(png, "PNG")
    return png.getvalue()


@dataclass
class Site:
    """What is served: `answers` by method and path win; `states` is how the picture of a kind ends."""

    url: str = ""
    config: dict[str, Any] = field(default_factory=dict[str, Any])
    headers: dict[str, str] = field(default_factory=dict[str, str])
    answers: dict[str, tuple[int, str, bytes]] = field(default_factory=dict[str, tuple[int, str, bytes]])
    states: dict[str, str] = field(default_factory=lambda: {"text": "succeeded", "sketch": "succeeded"})
    image: bytes = field(default_factory=picture)
    asked: list[tuple[str, str, Any]] = field(default_factory=list[tuple[str, str, Any]])

    def answer(self, method: str, path: str, body: bytes, is_signed_in: bool) -> tuple[int, str, bytes]:
        self.asked.append((method, path, body))
        if found := self.answers.get(f"{method} {path}"):
            return found
        if path == "/":
            return 200, "text/html; charset=utf-8", PAGE
        if path == "/config.json":
            return 200, "application/json", json.dumps(self.config).encode()
        if path.startswith("/api/") and not is_signed_in:
            return 401, "application/problem+json", b'{"detail": "sign in"}'
        return self._api(method, path, body)

    def _api(self, method: str, path: str, body: bytes) -> tuple[int, str, bytes]:
        if method == "POST" and path == "/api/sketches":
            return 201, "application/json", b'{"id": "drawing"}'
        if method == "POST":
            kind = "sketch" if "sketchId" in json.loads(body) else "text"
            return 202, "application/json", json.dumps({"id": kind}).encode()
        if path.endswith("/events"):
            kind = path.split("/")[3]
            state = self.states[kind]
            done: dict[str, Any] = {"state": state, "images": [{"url": "/api/picture"}]}
            if state != "succeeded":
                done["error"] = {"message": "the GPU is out of memory"}
            waking = {"position": 1, "gpu": {"state": "waking", "etaSeconds": 200}}
            events = [("queued", waking), ("done", done)]
            text = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
            return 200, "text/event-stream", text.encode()
        return 200, "image/png", self.image


@contextmanager
def site() -> Generator[Site]:
    """A site that is well, for as long as the block lasts."""
    made = Site()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            is_signed_in = self.headers.get("Authorization", "").startswith("Bearer ey")
            status, kind, answer = made.answer(self.command, self.path, body, is_signed_in)
            self.send_response(status)
            for name, value in {**made.headers, "Content-Type": kind}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = _do

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    made.headers = contract.page_headers(made.url, SIGN_IN)
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def put_stack(cloud: Cloud, site: Site) -> str:
    """The stack's outputs and its user pool; the pool's id."""
    cognito = cloud.client("cognito-idp")
    pool = str(cognito.create_user_pool(PoolName="dev")["UserPool"]["Id"])
    client = cognito.create_user_pool_client(
        UserPoolId=pool, ClientName="page", ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH"]
    )["UserPoolClient"]["ClientId"]
    site.config = {
        "stack": "dev",
        "region": "us-east-1",
        "backendUrl": site.url,
        "userPoolId": pool,
        "userPoolClientId": client,
    }
    cloud.put_outputs({"frontendConfig": site.config, "frontendUrl": f"{site.url}/", "imageIds": IMAGES})
    return pool
