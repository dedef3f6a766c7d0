"""The one worker: runs one prompt after another, and tells of each as ComfyUI does."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import logging
import random
import string
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageOps

from sandbox.comfyui import nodes
from sandbox.comfyui.arguments import Arguments
from sandbox.comfyui.cache import Result, ResultCache
from sandbox.comfyui.catalogue import Catalogue
from sandbox.comfyui.faults import Faults
from sandbox.comfyui.folders import Folders
from sandbox.comfyui.graph import Order, Prompt, Signatures, is_link
from sandbox.comfyui.misbehaviour import OUT_OF_MEMORY_TIPS, OutOfMemoryError, stumble
from sandbox.comfyui.progress import Progress
from sandbox.comfyui.prompt_queue import Item, Outcome, PromptQueue
from sandbox.comfyui.saving import PictureFolder
from sandbox.comfyui.sockets import Sockets
from sandbox.comfyui.validation import type_name

_log = logging.getLogger(__name__)
_PREVIEW_QUALITY = 95
_TEMP_NAME_LETTERS = 5


class Interrupted(Exception):
    """Somebody asked for the running prompt to end."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the worker works with."""

    arguments: Arguments
    catalogue: Catalogue
    folders: Folders
    faults: Faults
    queue: PromptQueue
    sockets: Sockets


class Worker:
    """Runs what is queued."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._cache = ResultCache(lru=parts.arguments.cache_lru, none=parts.arguments.cache_none)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="drawing")
        self._output = PictureFolder(directory=parts.arguments.output_directory, kind="output")
        self._temp = PictureFolder(directory=parts.arguments.temp_directory, kind="temp")
        letters = random.choices(string.ascii_lowercase, k=_TEMP_NAME_LETTERS)  # noqa: S311  # a name, no secret
        self._temp_prefix = f"ComfyUI_temp_{''.join(letters)}"
        self._is_interrupted = False
        self._is_to_forget = False

    def interrupt(self) -> None:
        """The prompt that runs is to end at its next step."""
        self._is_interrupted = True

    def forget(self) -> None:
        """All results are to be forgotten, between two prompts."""
        self._is_to_forget = True
        self._parts.queue.wake()

    async def work(self) -> None:
        """Run prompts, for as long as it isn't cancelled."""
        queue, sockets = self._parts.queue, self._parts.sockets
        while True:
            item = await queue.get()
            if item is not None:
                outcome = await self._run_safely(item)
                is_remembered = self._parts.faults.take("forget_history") is None
                queue.done(item, outcome, is_remembered=is_remembered)
                if sockets.client_id is not None:
                    sockets.send("executing", {"node": None, "prompt_id": item.prompt_id}, sockets.client_id)
            if self._is_to_forget:
                self._is_to_forget = False
                self._cache.clear()

    def stop(self) -> None:
        """Let go of the thread; what it draws is drawn to its end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _run_safely(self, item: Item) -> Outcome:
        """As `_run`; where ComfyUI's worker would end for good (an odd `client_id`), it fails this prompt only."""
        try:
            return await self._run(item)
        except Exception:
            _log.exception("prompt %s", item.prompt_id)
            self._parts.sockets.client_id = None
            return Outcome(outputs={}, meta={}, is_success=False, messages=[])

    async def _run(self, item: Item) -> Outcome:
        self._is_interrupted = False
        sockets = self._parts.sockets
        sockets.client_id = item.extra_data.get("client_id")
        run = _Run(item, self._parts, self._cache, self._context, self._check)
        outcome = await run.run()
        self._cache.end()
        sockets.last_node = None
        return outcome

    def _context(self, run: _Run) -> nodes.Context:
        loop = asyncio.get_running_loop()
        method = run.item.extra_data.get("preview_method", self._parts.arguments.preview_method)

        async def before_step(step: int) -> None:
            started = loop.time()
            if self._parts.faults.is_any_set():
                await stumble(
                    step,
                    self._parts.faults,
                    sockets=self._parts.sockets,
                    is_interrupted=lambda: self._is_interrupted,
                )
            await asyncio.sleep(max(0.0, started + self._parts.arguments.seconds_per_step - loop.time()))
            self._check()

        async def after_step(step: int, steps: int, picture: Callable[[], Image.Image]) -> None:
            jpeg: bytes | None = None
            if method != "none" and self._parts.sockets.is_running_client_heard():
                jpeg = await loop.run_in_executor(self._pool, lambda: self._preview(picture()))
            run.tell_step(step, steps, jpeg)

        async def in_thread(work: Callable[[], Any]) -> Any:
            return await loop.run_in_executor(self._pool, work)

        return nodes.Context(
            folders=self._parts.folders,
            faults=self._parts.faults,
            output=self._output,
            temp=self._temp,
            temp_prefix=self._temp_prefix,
            texts=run.texts() if self._parts.arguments.write_metadata else {},
            in_thread=in_thread,
            before_step=before_step,
            after_step=after_step,
        )

    def _preview(self, picture: Image.Image) -> bytes:
        size = self._parts.arguments.preview_size
        fitted = ImageOps.contain(picture, (size, size), Image.Resampling.BILINEAR)
        buffer = io.BytesIO()
        fitted.save(buffer, "JPEG", quality=_PREVIEW_QUALITY)
        return buffer.getvalue()

    def _check(self) -> None:
        if self._is_interrupted:
            self._is_interrupted = False
            raise Interrupted


class _Run:
    """One prompt that runs."""

    def __init__(
        self,
        item: Item,
        parts: Parts,
        cache: ResultCache,
        context: Callable[[_Run], nodes.Context],
        check: Callable[[], None],
    ) -> None:
        self.item = item
        self._prompt: Prompt = item.prompt
        self._parts = parts
        self._sockets = parts.sockets
        self._cache = cache
        self._check = check
        self._files: dict[str, str] = {}
        """By LoadImage node: digest of its file, so that another file under the same name is loaded anew."""
        for node, one in self._prompt.items():
            if one["class_type"] == "LoadImage":
                self._files[node] = self._file_digest(one.get("inputs", {}).get("image"))
        self._signatures = Signatures(self._prompt, self._files.get)
        self._progress = Progress(item.prompt_id, parts.sockets)
        self._messages: list[tuple[str, dict[str, Any]]] = []
        self._executed: dict[str, None] = {}
        self._node = ""
        self._context = context(self)

    async def run(self) -> Outcome:
        """Run it to its end, good or bad."""
        self._tell("execution_start", {})
        signatures = self._signatures.of_all(self._prompt)
        self._cache.begin(set(signatures.values()))
        cached = [node for node, one in signatures.items() if self._cache.get(one)]
        self._tell("execution_cached", {"nodes": cached})
        is_output = self._parts.catalogue.is_output
        order = Order(self._prompt, is_output, lambda node: self._cache.get(signatures[node]) is not None)
        for output in self.item.outputs:
            order.add(output)
        is_success = False
        try:
            while (node := order.next()) is not None:
                self._node = node
                await self._one(node, signatures[node])
                order.done(node)
            is_success = True
        except Interrupted:
            self._tell("execution_interrupted", self._where(), is_for_all=True)
        except Exception as error:
            self._tell("execution_error", self._failure(error))
        else:
            self._tell("execution_success", {})
        return self._outcome(signatures, is_success)

    async def _one(self, node: str, signature: str) -> None:
        result = self._cache.get(signature)
        if result is not None:
            self._tell_executed(node, result)
            self._progress.finish(node)
            return
        self._progress.start(node)
        self._sockets.last_node = node
        self._send("executing", {"node": node, "display_node": node})
        self._check()
        result = await nodes.run(self._prompt[node]["class_type"], self._context, self._inputs(node))
        if result.shown is not None:
            self._tell_executed(node, result)
        self._cache.put(signature, result)
        self._progress.finish(node)
        self._executed[node] = None

    def _inputs(self, node: str) -> dict[str, Any]:
        """A node's inputs with the links followed; what it doesn't know is left out, unless it is a link."""
        one = self._prompt[node]
        known = self._parts.catalogue.known_inputs(one["class_type"])
        values: dict[str, Any] = {}
        for name, value in one["inputs"].items():
            if is_link(value):
                source = self._cache.get(self._signatures.of(value[0]))
                if source is not None:
                    values[name] = source.outputs[int(value[1])]
            elif name in known:
                values[name] = value
        return values

    def tell_step(self, step: int, steps: int, jpeg: bytes | None) -> None:
        """A sampler's step is done; `jpeg`: the picture so far, if it is to be seen."""
        self._progress.step(self._node, step, steps)
        takes_metadata = self._sockets.takes_metadata()
        if jpeg is not None and takes_metadata:
            self._sockets.send_preview(jpeg, self._progress.about(self._node))
        told = {"value": step, "max": steps, "prompt_id": self.item.prompt_id, "node": self._node}
        self._sockets.send("progress", told, self._sockets.client_id)
        if jpeg is not None and not takes_metadata:
            self._sockets.send_preview(jpeg)

    def texts(self) -> dict[str, str]:
        """What is written into the files: the prompt, and what `extra_pnginfo` adds."""
        prompt = {
            node: {**one, "is_changed": [self._files[node]]} if node in self._files else one
            for node, one in self._prompt.items()
        }
        extra: dict[str, Any] = self.item.extra_data.get("extra_pnginfo") or {}
        return {"prompt": json.dumps(prompt), **{name: json.dumps(value) for name, value in extra.items()}}

    def _file_digest(self, name: object) -> str:
        path = self._parts.folders.input_file(name) if isinstance(name, str) else None
        return hashlib.sha256(path.read_bytes()).hexdigest() if path and path.is_file() else ""

    def _tell_executed(self, node: str, result: Result) -> None:
        self._send("executed", {"node": node, "display_node": node, "output": result.shown})

    def _send(self, event: str, data: dict[str, Any]) -> None:
        """Send to the client that posted the prompt; with none, nobody gets it."""
        if self._sockets.client_id is not None:
            self._sockets.send(event, {**data, "prompt_id": self.item.prompt_id}, self._sockets.client_id)

    def _tell(self, event: str, data: dict[str, Any], *, is_for_all: bool = False) -> None:
        """Send, and keep for the history. `is_for_all`: to everybody when the prompt has no client."""
        told: dict[str, Any] = {"prompt_id": self.item.prompt_id, **data}
        if event == "execution_cached":
            told = {**data, "prompt_id": self.item.prompt_id}  # in ComfyUI's order
        told["timestamp"] = int(time.time() * 1000)
        self._messages.append((event, told))
        if self._sockets.client_id is not None or is_for_all:
            self._sockets.send(event, told, self._sockets.client_id)

    def _where(self) -> dict[str, Any]:
        return {
            "node_id": self._node,
            "node_type": self._prompt[self._node]["class_type"],
            "executed": list(self._executed),
        }

    def _failure(self, error: Exception) -> dict[str, Any]:
        tips = OUT_OF_MEMORY_TIPS if isinstance(error, OutOfMemoryError) else ""
        inputs = {name: [_told(value)] for name, value in self._inputs(self._node).items()}
        for hidden in self._parts.catalogue.hidden_inputs(self._prompt[self._node]["class_type"]):
            inputs[hidden] = [_told(self._prompt if hidden == "prompt" else None)]
        return {
            **self._where(),
            "exception_message": f"{error}\n{tips}",
            "exception_type": type_name(type(error)),
            "traceback": traceback.format_tb(sys.exc_info()[2]),
            "current_inputs": inputs,
            "current_outputs": list(self._prompt),
        }

    def _outcome(self, signatures: dict[str, str], is_success: bool) -> Outcome:
        outputs: dict[str, Any] = {}
        meta: dict[str, Any] = {}
        for node, signature in signatures.items():
            result = self._cache.get(signature)
            if result is not None and result.shown is not None:
                outputs[node] = result.shown
                meta[node] = {
                    "node_id": node,
                    "display_node": node,
                    "parent_node": None,
                    "real_node_id": node,
                }
        return Outcome(outputs=outputs, meta=meta, is_success=is_success, messages=self._messages)


def _told(value: Any) -> Any:
    """A value as an error tells it."""
    return value if value is None or isinstance(value, int | float | str) else str(value)
