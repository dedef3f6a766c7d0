"""What waits, what runs and what was: the queue and the history, both in memory only."""

from __future__ import annotations

import asyncio
import heapq
import json
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Any

from sandbox.comfyui.graph import Prompt

LONGEST_HISTORY = 10_000
"""Prompts that are remembered; ComfyUI's MAXIMUM_HISTORY_SIZE."""


@dataclass(frozen=True, order=True, kw_only=True)
class Item:
    """A prompt that was accepted; the least number goes first."""

    number: float
    prompt_id: str
    arrival: int
    prompt: Prompt = field(compare=False)
    extra_data: dict[str, Any] = field(compare=False)
    outputs: list[str] = field(compare=False)
    """Output nodes to run."""

    def told(self) -> list[Any]:
        """As `/queue` and `/history` tell it."""
        return [self.number, self.prompt_id, self.prompt, self.extra_data, self.outputs]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a prompt ended."""

    outputs: dict[str, Any]
    meta: dict[str, Any]
    is_success: bool
    messages: list[tuple[str, dict[str, Any]]]


class PromptQueue:
    """The queue and the history. `changed` is called whenever the number of unfinished prompts may have changed."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._pending: list[Item] = []
        self._running: Item | None = None
        self._arrivals = 0
        self._wake = asyncio.Event()
        self._history: dict[str, str] = {}
        """Entries as JSON: ten thousand of them as objects would take hundreds of megabytes."""

    def put(
        self, number: float, prompt_id: str, prompt: Prompt, extra_data: dict[str, Any], outputs: list[str]
    ) -> None:
        """Queue a prompt."""
        self._arrivals += 1
        item = Item(
            number=number,
            prompt_id=prompt_id,
            arrival=self._arrivals,
            prompt=prompt,
            extra_data=extra_data,
            outputs=outputs,
        )
        heapq.heappush(self._pending, item)
        self._changed()
        self._wake.set()

    async def get(self) -> Item | None:
        """The next prompt, which counts as running from now on. None when it was woken for something else."""
        while not self._pending:
            self._wake.clear()
            await self._wake.wait()
            if not self._pending:
                return None
        self._running = heapq.heappop(self._pending)
        self._changed()
        return self._running

    def wake(self) -> None:
        """Let `get` return, so that the worker sees what else there is to do."""
        self._wake.set()

    def done(self, item: Item, outcome: Outcome, *, is_remembered: bool = True) -> None:
        """A prompt has ended."""
        self._running = None
        if is_remembered:
            entry = {
                "prompt": item.told(),
                "outputs": outcome.outputs,
                "status": {
                    "status_str": "success" if outcome.is_success else "error",
                    "completed": outcome.is_success,
                    "messages": outcome.messages,
                },
                "meta": outcome.meta,
            }
            if len(self._history) >= LONGEST_HISTORY:
                del self._history[next(iter(self._history))]
            self._history.pop(item.prompt_id, None)
            self._history[item.prompt_id] = json.dumps(entry)
        self._changed()

    def remaining(self) -> int:
        """Prompts that wait or run."""
        return len(self._pending) + (self._running is not None)

    def running_id(self) -> str | None:
        """Id of the prompt that runs."""
        return self._running.prompt_id if self._running else None

    def told(self) -> dict[str, Any]:
        """As `GET /queue` tells it; the pending ones in the order of the heap, not of their turn."""
        running = [self._running.told()] if self._running else []
        return {"queue_running": running, "queue_pending": [item.told() for item in self._pending]}

    def clear(self) -> None:
        """Drop all that wait."""
        self._pending = []
        self._changed()

    def delete(self, prompt_id: object) -> None:
        """Drop a prompt that waits; no other is touched."""
        for item in self._pending:
            if item.prompt_id == prompt_id:
                self._pending.remove(item)
                heapq.heapify(self._pending)
                self._changed()
                return

    def history(self, prompt_id: str) -> str:
        """JSON of a prompt's entry by its id, `{}` when there is none."""
        return self._as_object([prompt_id] if prompt_id in self._history else [])

    def whole_history(self, most: int | None, offset: int) -> str:
        """JSON of the entries, oldest first: `most` of them from `offset` on; with an offset below 0, the latest."""
        ids = list(self._history)
        if offset < 0 and most is not None:
            offset = len(ids) - most
        ids = ids[max(offset, 0) :]
        return self._as_object(ids if most is None else ids[: max(most, 1)])

    def forget(self, prompt_ids: Container[str] | None = None) -> None:
        """Drop entries of the history, or all."""
        self._history = (
            {}
            if prompt_ids is None
            else {key: entry for key, entry in self._history.items() if key not in prompt_ids}
        )

    def _as_object(self, prompt_ids: list[str]) -> str:
        return "{" + ", ".join(f"{json.dumps(key)}: {self._history[key]}" for key in prompt_ids) + "}"
