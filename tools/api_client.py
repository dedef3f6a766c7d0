"""The API as a program uses it: sign in, upload a drawing, ask for pictures, follow them, fetch them."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ANSWER_LIMIT_S = 90.0
"""Longest that an answer may take to begin; event streams beat every 15 s."""


AGAIN_S = 0.5
"""Pause before a stream that broke is resumed."""


class ApiFailed(Exception):
    """The API refused or didn't answer, or a generation failed; the message says what and where.

    status: the HTTP status, 0 for none; retry_after: seconds that it asked to wait, if any.
    """

    def __init__(self, message: str, status: int = 0, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status, self.retry_after = status, retry_after


@dataclass(frozen=True)
class Api:
    """The API at `url` for the holder of `token` (an access token of the stack's user pool)."""

    url: str
    token: str

    def generate(self, wish: Mapping[str, Any], key: str | None = None) -> str:
        """Ask for pictures; the generation's id, the same one whenever the same key is sent."""
        headers = {"Content-Type": "application/json", **({"Idempotency-Key": key} if key else {})}
        body = json.dumps(wish).encode()
        return str(json.load(self._open("POST", "/api/generations", body, headers))["id"])

    def cancel(self, generation: str) -> None:
        """Cancel it. Raises ApiFailed, with status 409 when it has ended already."""
        self._open("DELETE", f"/api/generations/{generation}").close()

    def share(self, generation: str, seconds: int) -> str:
        """Token of a link to it, which holds for so long."""
        body = json.dumps({"seconds": seconds}).encode()
        path = f"/api/generations/{generation}/shares"
        return str(json.load(self._open("POST", path, body, {"Content-Type": "application/json"}))["token"])

    def upload(self, png: bytes) -> str:
        """Upload a drawing; its id."""
        return str(json.load(self._open("POST", "/api/sketches", png, {"Content-Type": "image/png"}))["id"])

    def follow(self, generation: str, tell: Callable[[str, Any], None], limit_s: float) -> dict[str, Any]:
        """Follow to the end by the event stream, resumed when it breaks; the generation then. Raises ApiFailed."""
        deadline, last = time.monotonic() + limit_s, ""
        while time.monotonic() < deadline:
            try:
                for event, data, number in self._events(generation, last):
                    last = number or last
                    tell(event, data)
                    if event == "done":
                        return dict(data)
                    if time.monotonic() > deadline:
                        break
            except ApiFailed as error:
                if error.status < 500:
                    raise
            except (OSError, http.client.HTTPException):
                pass  # cut off
            time.sleep(AGAIN_S)
        raise ApiFailed(f"generation {generation} is not done after {limit_s:.0f} s")

    def fetch(self, path: str) -> bytes:
        """Bytes at a signed path."""
        return self._open("GET", path).read()

    def _events(self, generation: str, last: str) -> Iterator[tuple[str, Any, str]]:
        headers = {"Last-Event-ID": last} if last else {}
        fields: dict[str, str] = {}
        with self._open("GET", f"/api/generations/{generation}/events", headers=headers) as stream:
            for raw in stream:
                line = raw.decode().rstrip("\n")
                if not line and "event" in fields:
                    yield fields["event"], json.loads(fields["data"]), fields.get("id", "")
                if not line:
                    fields = {}
                elif not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    fields[name] = value

    def _open(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        request = urllib.request.Request(  # noqa: S310  # the API's own address
            self.url + path,
            data=body,
            method=method,
            headers={"Authorization": f"Bearer {self.token}", **(headers or {})},
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            return direct.open(request, timeout=ANSWER_LIMIT_S)
        except urllib.error.HTTPError as error:
            wait = error.headers.get("Retry-After", "")
            raise ApiFailed(
                f"{method} {path.split('?')[0]}: {error.code}: {_detail(error)}",
                error.code,
                float(wait) if wait.isdigit() else None,
            ) from error


def _detail(error: urllib.error.HTTPError) -> str:
    text = error.read().decode(errors="replace")
    try:
        return str(json.loads(text)["detail"])
    except (ValueError, KeyError, TypeError):
        return text[:300]
