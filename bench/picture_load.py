"""Designers at work, as load: one picture through the whole path, the same picture from ComfyUI alone, and many of them."""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

import contract
from bench.picture_rig import SECRET, Rig, token

SIDE = 64
"""Pixels: drawing them is no part of what is measured."""

LIMIT = aiohttp.ClientTimeout(total=900)
FEATURES = {"type": "feature_flags", "data": {"supports_preview_metadata": True}}
Event = tuple[str, dict[str, Any]]


class Wrong(Exception):
    """A picture did not come out, so the figures mean nothing; the message says why."""


@dataclass(frozen=True)
class Took:
    """Seconds: until the wish was accepted, and until the picture's bytes were there."""

    accepted: float
    picture: float


class Designer:
    """One user of the API."""

    def __init__(self, rig: Rig, session: aiohttp.ClientSession) -> None:
        self._rig, self._session = rig, session
        self.headers = {
            "Authorization": f"Bearer {token(str(uuid.uuid4()))}",
            contract.ORIGIN_SECRET_HEADER: SECRET,
        }

    async def submit(self) -> str:
        """Ask for a picture; its id. Raises Wrong when refused."""
        wish = {
            "prompt": "a bright living room with an oak floor",
            "width": SIDE,
            "height": SIDE,
            "steps": self._rig.args.steps,
        }
        async with self._session.post(
            f"{self._rig.api}/api/generations", json=wish, headers=self.headers
        ) as answer:
            if answer.status != 202:
                raise Wrong(f"{answer.status}: {await answer.text()}")
            return str((await answer.json())["id"])

    async def events(self, generation: str) -> AsyncGenerator[Event]:
        """What its stream tells, to its end."""
        url = f"{self._rig.api}/api/generations/{generation}/events"
        async with self._session.get(url, headers=self.headers) as stream:
            if stream.status != 200:
                raise Wrong(f"events: {stream.status}: {await stream.text()}")
            event = ""
            async for line in _lines(stream):
                if line.startswith(b"event: "):
                    event = line[7:].decode()
                elif line.startswith(b"data: "):
                    yield event, json.loads(line[6:])

    async def fetch(self, path: str) -> bytes:
        """Bytes at one of the API's paths."""
        async with self._session.get(self._rig.api + path, headers=self.headers) as answer:
            if answer.status != 200:
                raise Wrong(f"{path}: {answer.status}")
            return await answer.read()

    async def picture(self) -> Took:
        """The whole way: ask, follow, fetch."""
        start = time.perf_counter()
        generation = await self.submit()
        accepted = time.perf_counter() - start
        async for event, data in self.events(generation):
            if event == "done":
                if data["state"] != "succeeded":
                    raise Wrong(f"{generation} has {data['state']}: {data.get('error')}")
                await self.fetch(data["images"][0]["url"])
                return Took(accepted, time.perf_counter() - start)
        raise Wrong(f"the events of {generation} ended before it did")


class Direct:
    """One who asks ComfyUI itself, with the graph of our own recipe and the WebSocket open."""

    def __init__(
        self, rig: Rig, session: aiohttp.ClientSession, graph: Mapping[str, Any], name: str, socket: Any
    ) -> None:
        self._rig, self._session, self._graph, self._name, self._socket = rig, session, graph, name, socket

    async def picture(self) -> Took:
        """Ask, follow, fetch."""
        start, prompt = time.perf_counter(), str(uuid.uuid4())
        body = {"prompt": _reseeded(self._graph), "prompt_id": prompt, "client_id": self._name}
        async with self._session.post(f"{self._rig.comfyui}/prompt", json=body) as answer:
            if answer.status != 200:
                raise Wrong(f"ComfyUI: {answer.status}: {await answer.text()}")
        accepted = time.perf_counter() - start
        place: dict[str, str] = {}
        async for message in self._socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            said = json.loads(message.data)
            data = said["data"]
            if data.get("prompt_id") != prompt:
                continue
            if said["type"] == "executed":
                place = data["output"]["images"][0]
            if said["type"] == "execution_success":
                break
        async with self._session.get(f"{self._rig.comfyui}/view", params=place) as answer:
            await answer.read()
        return Took(accepted, time.perf_counter() - start)


@asynccontextmanager
async def client() -> AsyncGenerator[aiohttp.ClientSession]:
    """As many connections as are asked for."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=LIMIT, trust_env=False
    ) as session:
        yield session


@asynccontextmanager
async def direct_users(
    rig: Rig, session: aiohttp.ClientSession, graph: Mapping[str, Any], count: int
) -> AsyncGenerator[list[Direct]]:
    """So many of them, each with a WebSocket."""
    users: list[Direct] = []
    sockets: list[aiohttp.ClientWebSocketResponse] = []
    try:
        for _ in range(count):
            name = uuid.uuid4().hex
            socket = await session.ws_connect(f"{rig.comfyui}/ws", params={"clientId": name}, max_msg_size=0)
            await socket.send_json(FEATURES)
            sockets.append(socket)
            users.append(Direct(rig, session, graph, name, socket))
        yield users
    finally:
        for socket in sockets:
            await socket.close()


async def warm_up(designer: Designer, pictures: int) -> dict[str, Any]:
    """A few pictures, so that nothing is done for the first time later; the graph that they were made by."""
    for _ in range(pictures):
        await designer.picture()
    generation = await designer.submit()
    async for _ in designer.events(generation):
        pass
    return json.loads(await designer.fetch(f"/api/generations/{generation}"))["recipe"]["graph"]


async def closed_loop(
    makers: Sequence[Callable[[], Awaitable[Took]]], total: int
) -> tuple[float, list[Took]]:
    """Each asks again as soon as they have their picture, until `total` are made; seconds it took, and each one's."""
    left, made = total, list[Took]()

    async def one(make: Callable[[], Awaitable[Took]]) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            made.append(await make())

    start = time.perf_counter()
    await asyncio.gather(*(one(make) for make in makers))
    return time.perf_counter() - start, made


async def at_times(
    makers: Sequence[Callable[[], Awaitable[Took]]], starts: Sequence[Sequence[float]]
) -> list[Took]:
    """Each asks at their own times, in seconds from now, or later, when they still wait for the picture before."""
    begun = time.perf_counter()

    async def one(make: Callable[[], Awaitable[Took]], times: Sequence[float]) -> list[Took]:
        made: list[Took] = []
        for at in times:
            await asyncio.sleep(max(0.0, begun + at - time.perf_counter()))
            made.append(await make())
        return made

    every = await asyncio.gather(*(one(make, times) for make, times in zip(makers, starts, strict=True)))
    return [took for made in every for took in made]


def _reseeded(graph: Mapping[str, Any]) -> dict[str, Any]:
    """With another seed, so that ComfyUI has no result of it in its cache."""
    return {
        node: {**one, "inputs": {**one["inputs"], "seed": random.getrandbits(32)}}
        if one["class_type"] == "KSampler"
        else one
        for node, one in graph.items()
    }


async def _lines(stream: aiohttp.ClientResponse) -> AsyncGenerator[bytes]:
    """Lines of any length; the stream's own have a limit that a preview may pass."""
    rest = b""
    async for part, _ in stream.content.iter_chunks():
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            yield line
