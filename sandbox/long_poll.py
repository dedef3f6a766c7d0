"""SQS's long polling, in place of moto's, which hands a message to a caller who is gone: lost for its time of being unseen.

A poll asks moto, and again when a message may have come: after any other call to SQS, and twice a second for those whose
time of being unseen has run out; never for a caller whose connection is closed.
"""

from __future__ import annotations

import io
import json
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

LOOK_S = 0.5
LONGEST_S = 20
"""SQS's own limit of WaitTimeSeconds."""

Environ = dict[str, Any]
Ask = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class LongPoll:
    """Waits for messages in place of moto."""

    def __init__(self, moto: Ask) -> None:
        self._moto = moto
        self._changed = threading.Condition()
        self._changes = 0

    def changed(self) -> None:
        """SQS was called: there may be a message now."""
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    def receive(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a ReceiveMessage, after at most its WaitTimeSeconds (20, as our queues have it, if it names none)."""
        asked: dict[str, Any] = json.loads(
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        )
        deadline = time.monotonic() + min(float(asked.get("WaitTimeSeconds", LONGEST_S)), LONGEST_S)
        body = json.dumps({**asked, "WaitTimeSeconds": 0}).encode()
        while True:
            seen = self._changes
            answer, head = self._ask(
                {**environ, "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body)}
            )
            rest = deadline - time.monotonic()
            if rest <= 0 or not head[0].startswith("200") or json.loads(answer or b"{}").get("Messages"):
                break
            with self._changed:
                self._changed.wait_for(lambda seen=seen: self._changes != seen, min(rest, LOOK_S))
            if _has_gone(environ.get("werkzeug.socket")):
                break
        start_response(*head)
        return [answer]

    def _ask(self, environ: Environ) -> tuple[bytes, tuple[str, list[tuple[str, str]]]]:
        head: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
            head[:] = [status, headers]

        return b"".join(self._moto(environ, start)), (head[0], head[1])


def _has_gone(connection: socket.socket | None) -> bool:
    """Whether the caller has closed its end."""
    if connection is None or not select.select([connection], [], [], 0)[0]:
        return False
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True
