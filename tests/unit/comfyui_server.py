"""The ComfyUI emulator on a free port, in a thread, with a client that hides nothing; and what a real one answered."""

from __future__ import annotations

import asyncio
import copy
import http.client
import json
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

import aiohttp
from aiohttp import web
from PIL import Image

from sandbox.comfyui.arguments import parse
from sandbox.comfyui.server import Server

T = TypeVar("T")

RECORDED = Path(__file__).parent / "comfyui_recorded"
GRAPHS: dict[str, dict[str, Any]] = json.loads((RECORDED / "graphs.json").read_text())
EXCHANGES: dict[str, dict[str, Any]] = {
    one["name"]: one for one in map(json.loads, (RECORDED / "exchanges.jsonl").read_text().splitlines())
}
MESSAGES: dict[str, list[dict[str, Any]]] = {
    one["name"]: one["messages"] for one in json.loads((RECORDED / "messages.json").read_text())
}
MODELS = (
    "checkpoints/v1-5-pruned-emaonly.safetensors",
    "loras/detail.safetensors",
    "controlnet/control_v11p_sd15_scribble.pth",
)
"""What the recorded server had."""

LIMIT_S = 10.0
"""Longest that anything is waited for."""


def graph(name: str, **changes: Any) -> dict[str, Any]:
    """A recorded prompt; `changes` are by node and input: `n3_seed=1`."""
    made = copy.deepcopy(GRAPHS[name])
    for place, value in changes.items():
        node, one = place.removeprefix("n").split("_", 1)
        made[node]["inputs"][one] = value
    return made


def whole(value: Any) -> Any:
    """A recorded value with the shortened prompts in it as they were."""
    if isinstance(value, dict):
        fields = cast(dict[str, Any], value)
        if set(fields) == {"graph", "nodes"}:
            nodes: dict[str, Any] = {**GRAPHS[fields["graph"]], **fields["nodes"]}
            return copy.deepcopy({node: one for node, one in nodes.items() if one is not None})
        return {key: whole(one) for key, one in fields.items()}
    return [whole(one) for one in cast(list[Any], value)] if isinstance(value, list) else value


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An HTTP answer, nothing interpreted."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(kw_only=True)
class Listener:
    """A websocket that keeps what it gets; binary messages as `{"binary": True, "event", "bytes", "head"}`."""

    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    closed: threading.Event = field(default_factory=threading.Event)
    socket: aiohttp.ClientWebSocketResponse
    run: Callable[[Coroutine[Any, Any, Any]], Any]

    def types(self) -> list[str]:
        return ["binary" if "binary" in one else one["type"] for one in self.messages]

    def wait(self, is_there: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Wait until the messages are so."""
        wait_until(lambda: is_there(self.messages), lambda: f"only {self.types()} came")

    def wait_for_end(self, count: int = 1) -> None:
        """Wait for the last message of so many prompts."""
        self.wait(lambda messages: sum(map(is_end, messages)) >= count)

    def say(self, message: object) -> None:
        self.run(self.socket.send_json(message))

    def close(self) -> None:
        self.run(self.socket.close())


def is_end(message: dict[str, Any]) -> bool:
    """Whether this is the very last message of a prompt."""
    return message.get("type") == "executing" and message["data"]["node"] is None


def wait_until(is_so: Callable[[], bool], told: Callable[[], str] = lambda: "it never came") -> None:
    """Wait until it is so, or fail."""
    end = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < end, told()
        time.sleep(0.002)


class Emulator:
    """A running emulator, with a folder of its own."""

    def __init__(self, folder: Path, *flags: str, seconds_per_step: float = 0.0) -> None:
        self.folder = folder
        for model in MODELS:
            path = folder / "models" / model
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        (folder / "input").mkdir(exist_ok=True)
        Image.new("RGB", (128, 128)).save(folder / "input" / "sketch.png")
        arguments = parse(
            [
                "--base-directory",
                str(folder),
                "--emulate-seconds-per-step",
                str(seconds_per_step),
                *flags,
            ]
        )
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="emulator", daemon=True).start()
        self.port, self._runner, self._client = self._run(self._start(Server(arguments)))

    async def _start(self, server: Server) -> tuple[int, web.AppRunner, aiohttp.ClientSession]:
        app = server.app()
        app.on_shutdown.append(server.close_sockets)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner.addresses[0][1], runner, aiohttp.ClientSession()

    def stop(self) -> None:
        self._run(self._client.close())
        self._run(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(LIMIT_S)

    def call(
        self,
        method: str,
        path: str,
        said: object = None,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request over a connection of its own; `said` goes as JSON."""
        if said is not None:
            body = json.dumps(said).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT_S)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(status=answer.status, headers=dict(answer.getheaders()), body=answer.read())
        finally:
            connection.close()

    def listen(self, client_id: str | None = None, *, flags: object = None, path: str = "/ws") -> Listener:
        """Connect a websocket and wait for its first message; `flags`: feature flags to tell at once."""
        query = "" if client_id is None else f"?clientId={client_id}"
        socket = self._run(self._client.ws_connect(f"http://127.0.0.1:{self.port}{path}{query}"))
        listener = Listener(socket=socket, run=self._run)
        asyncio.run_coroutine_threadsafe(_keep(listener), self._loop)
        listener.wait(bool)
        if flags is not None:
            listener.say({"type": "feature_flags", "data": flags})
            listener.wait(lambda messages: len(messages) > 1)
        return listener

    def post(self, prompt: object, client_id: str | None = None, **more: object) -> str:
        """Post a prompt that is accepted; its id."""
        said = {"prompt": prompt, **({} if client_id is None else {"client_id": client_id}), **more}
        answer = self.call("POST", "/prompt", said)
        assert answer.status == 200, answer.body
        return answer.json["prompt_id"]

    def history(self, prompt_id: str) -> dict[str, Any]:
        """A prompt's entry, waited for."""
        wait_until(lambda: bool(self.call("GET", f"/history/{prompt_id}").json))
        return self.call("GET", f"/history/{prompt_id}").json[prompt_id]

    def wait_until_idle(self) -> None:
        wait_until(lambda: self.call("GET", "/prompt").json["exec_info"]["queue_remaining"] == 0)

    def faults(self, **wanted: object) -> None:
        """Set faults."""
        answer = self.call("POST", "/_emulator/faults", wanted)
        assert answer.status == 200, answer.body


async def _keep(listener: Listener) -> None:
    async for message in listener.socket:
        if message.type == aiohttp.WSMsgType.BINARY:
            event = int.from_bytes(message.data[:4])
            head = message.data[:16].hex()
            told = {"binary": True, "event": event, "bytes": len(message.data), "head": head}
            listener.messages.append({**told, "content": message.data})
        elif message.type == aiohttp.WSMsgType.TEXT:
            listener.messages.append(json.loads(message.data))
    listener.closed.set()
