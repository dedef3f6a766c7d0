"""The API as a program uses it: sign in, upload a drawing, ask for pictures, follow them, fetch them."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

ANSWER_LIMIT_S = 90.0
"""Longest that an answer may take to begin; event streams beat every 15 s."""


class ApiFailed(Exception):
    """The API refused or didn't answer, or a generation failed; the message says what and where."""


@dataclass(frozen=True)
class Api:
    """The API at `url` for the holder of `token` (an access token of the stack's user pool)."""

    url: str
    token: str

    def generate(self, wish: Mapping[str, Any]) -> str:
        """Ask for pictures; the generation's id."""
        return str(
            self._json("POST", "/api/generations", json.dumps(wish).encode(), "application/json")["id"]
        )

    def upload(self, png: bytes) -> str:
        """Upload a drawing; its id."""
        return str(self._json("POST", "/api/sketches", png, "image/png")["id"])

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
            except (OSError, urllib.error.URLError):
                time.sleep(0.5)
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

    def _json(self, method: str, path: str, body: bytes, kind: str) -> Any:
        return json.load(self._open(method, path, body, {"Content-Type": kind}))

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
            raise ApiFailed(f"{method} {path.split('?')[0]}: {error.code}: {_detail(error)}") from error


def _detail(error: urllib.error.HTTPError) -> str:
    text = error.read().decode(errors="replace")
    try:
        return str(json.loads(text)["detail"])
    except (ValueError, KeyError, TypeError):
        return text[:300]
