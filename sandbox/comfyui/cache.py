"""Results that are kept from one prompt to the next: what was computed once isn't computed again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a node has given."""

    outputs: tuple[Any, ...]
    """A value for each slot."""
    shown: dict[str, Any] | None
    """What an output node shows (`{"images": […]}`); None for other nodes."""


class ResultCache:
    """Results by signature. Which ones outlive a prompt is decided as ComfyUI's `--cache-…` flags say."""

    def __init__(self, *, lru: int, none: bool) -> None:
        """`lru`: how many to keep; 0 keeps what the latest prompt names (classic). `none` keeps nothing."""
        self._lru = lru
        self._none = none
        self._results: dict[str, Result] = {}
        self._used: dict[str, int] = {}
        self._prompts = 0
        self._forgotten = 0

    def begin(self, signatures: set[str]) -> None:
        """A prompt begins whose nodes have these signatures; what need not be kept goes."""
        self._prompts += 1
        if self._none:
            self._results.clear()
        elif self._lru:
            self._used.update(dict.fromkeys(signatures, self._prompts))
            self._drop_oldest()
        else:
            self._results = {one: result for one, result in self._results.items() if one in signatures}

    def end(self) -> None:
        """The prompt is over."""
        if self._none:
            self._results.clear()

    def get(self, signature: str) -> Result | None:
        """A kept result."""
        if self._lru:
            self._used[signature] = self._prompts
        return self._results.get(signature)

    def put(self, signature: str, result: Result) -> None:
        """Keep a result."""
        self._results[signature] = result
        if self._lru:
            self._used[signature] = self._prompts

    def clear(self) -> None:
        """Forget all: `POST /free` with `free_memory`."""
        self._results.clear()
        self._used.clear()

    def _drop_oldest(self) -> None:
        """As ComfyUI does: by prompts, the oldest first, until few enough are left."""
        while len(self._results) > self._lru and self._forgotten < self._prompts:
            self._forgotten += 1
            for signature in [one for one in self._results if self._used.get(one, 0) < self._forgotten]:
                del self._results[signature]
                self._used.pop(signature, None)
        self._used = {
            one: at for one, at in self._used.items() if one in self._results or at == self._prompts
        }
