"""The websockets: who is connected, and the messages to them, in the order in which they were sent.

What is done here is what ComfyUI's `server.py` does, traps included: a second socket with the same clientId replaces
the first, and when the first closes afterwards the second gets nothing any more either.
"""

from __future__ import annotations

import asyncio
import json
import logging
import struct
import uuid
from collections.abc import Callable
from typing import Any

from aiohttp import WSMsgType, web

PREVIEW = 1
PREVIEW_WITH_METADATA = 4
"""Kinds of binary messages."""

_JPEG = 1
_LOST = (ConnectionError, RuntimeError)
"""What aiohttp raises when the other side is gone."""

_log = logging.getLogger(__name__)


class Sockets:
    """All that are connected. `client_id` and `last_node` say whose prompt runs, and where it is."""

    def __init__(self, features: dict[str, Any], queue_info: Callable[[], dict[str, Any]]) -> None:
        """`features`: what is answered to a client that tells its own."""
        self.client_id: str | None = None
        self.last_node: str | None = None
        self._features = features
        self._queue_info = queue_info
        self._sockets: dict[str, web.WebSocketResponse] = {}
        self._flags: dict[str, dict[str, Any]] = {}
        self._requests: dict[web.WebSocketResponse, web.Request] = {}
        self._messages: asyncio.Queue[tuple[str | bytes, str | None]] = asyncio.Queue()

    def send(self, event: str, data: dict[str, Any], to: str | None = None) -> None:
        """Queue a message for one client, or for all; there and then it is put into words."""
        if self._is_heard(to):
            self.send_text(event, json.dumps(data), to)

    def send_text(self, event: str, data: str, to: str | None = None) -> None:
        """As `send`, of data that is JSON already."""
        if self._is_heard(to):
            self._messages.put_nowait((f'{{"type": "{event}", "data": {data}}}', to))

    def send_status(self) -> None:
        """Tell everybody how long the queue is."""
        self.send("status", {"status": self._queue_info()})

    def send_preview(self, jpeg: bytes, about: dict[str, Any] | None = None) -> None:
        """Queue a preview for the client whose prompt runs; `about`: what a preview with metadata says."""
        if about is None:
            message = struct.pack(">II", PREVIEW, _JPEG) + jpeg
        else:
            text = json.dumps({**about, "image_type": "image/jpeg"}).encode()
            message = struct.pack(">II", PREVIEW_WITH_METADATA, len(text)) + text + jpeg
        self._messages.put_nowait((message, self.client_id))

    def is_running_client_heard(self) -> bool:
        """Whether a message to the client whose prompt runs would reach anybody."""
        return self._is_heard(self.client_id)

    def takes_metadata(self) -> bool:
        """Whether the client whose prompt runs announced that it understands previews with metadata."""
        return bool(self._flags.get(self.client_id or "", {}).get("supports_preview_metadata", False))

    async def publish(self) -> None:
        """Send what is queued, for as long as it isn't cancelled; a slow reader keeps the others waiting."""
        while True:
            message, to = await self._messages.get()
            if to is None:
                readers = list(self._sockets.values())
            else:
                readers = [self._sockets[to]] if to in self._sockets else []
            for reader in readers:
                await _deliver(reader, message)
            self._messages.task_done()

    async def flush(self) -> None:
        """Wait until what is queued has been sent."""
        await self._messages.join()

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """One client, from its connecting to its end."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        sid = request.query.get("clientId", "") or uuid.uuid4().hex
        self._sockets[sid] = socket
        self._flags[sid] = {}
        self._requests[socket] = request
        try:
            await self._greet(socket, sid)
            is_first = True
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    if is_first:
                        await self._hear_flags(socket, sid, message.data)
                    is_first = False
        finally:
            del self._requests[socket]
            self._sockets.pop(sid, None)  # also if another has taken its place: so does ComfyUI
            self._flags.pop(sid, None)
        return socket

    def cut(self) -> None:
        """Cut all connections, without a goodbye."""
        for request in self._requests.values():
            if request.transport is not None:
                request.transport.abort()

    async def close(self) -> None:
        """Close all, because the server ends."""
        for socket in list(self._requests):
            await socket.close(code=1001, message=b"Server shutdown")

    async def _greet(self, socket: web.WebSocketResponse, sid: str) -> None:
        status = {"status": self._queue_info(), "sid": sid}
        await _deliver(socket, json.dumps({"type": "status", "data": status}))
        if self.client_id == sid and self.last_node is not None:
            await _deliver(socket, json.dumps({"type": "executing", "data": {"node": self.last_node}}))

    async def _hear_flags(self, socket: web.WebSocketResponse, sid: str, text: str) -> None:
        try:
            said = json.loads(text)
            if said.get("type") != "feature_flags":
                return
            self._flags[sid] = said.get("data", {})
        except (ValueError, AttributeError):
            _log.warning("a client's first message is not understood: %.100s", text)
            return
        await _deliver(socket, json.dumps({"type": "feature_flags", "data": self._features}))

    def _is_heard(self, to: str | None) -> bool:
        return bool(self._sockets) if to is None else to in self._sockets


async def _deliver(socket: web.WebSocketResponse, message: str | bytes) -> None:
    try:
        if isinstance(message, str):
            await socket.send_str(message)
        else:
            await socket.send_bytes(message)
    except _LOST as error:
        _log.warning("send error: %s", error)
