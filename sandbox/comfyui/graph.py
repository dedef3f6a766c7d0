"""The prompt as a graph: links, the order in which nodes run, and what makes two results the same.

The order is ComfyUI's own (`comfy_execution/graph.py`): what leads to an output node soonest goes first. It shows in
the messages, so it is held against the recorded ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any, TypeGuard, cast

Prompt = dict[str, dict[str, Any]]
"""Node ids to `{"class_type": …, "inputs": {…}}`, as posted."""


def is_link(value: object) -> TypeGuard[list[Any]]:
    """Whether an input's value is `[node id, slot]`."""
    if not isinstance(value, list):
        return False
    items = cast(list[object], value)
    return len(items) == 2 and isinstance(items[0], str) and isinstance(items[1], int | float)


class Order:
    """What is still to run of a prompt."""

    def __init__(
        self, prompt: Prompt, is_output: Callable[[str], bool], is_cached: Callable[[str], bool]
    ) -> None:
        """`is_output` takes a class, `is_cached` a node's id; a cached node, and what only it needs, isn't run."""
        self._prompt = prompt
        self._is_output = is_output
        self._is_cached = is_cached
        self._pending: dict[str, None] = {}
        self._blockers: dict[str, int] = {}
        self._blocking: dict[str, dict[str, None]] = {}

    def add(self, wanted: str) -> None:
        """This node is wanted, and so is all that it needs."""
        stack, links = [wanted], list[tuple[str, str]]()
        while stack:
            node = stack.pop()
            if node in self._pending:
                continue
            self._pending[node] = None
            self._blockers[node] = 0
            self._blocking[node] = {}
            for value in self._prompt[node]["inputs"].values():
                if is_link(value) and not self._is_cached(value[0]):
                    stack.append(value[0])
                    links.append((value[0], node))
        for source, target in links:
            if target not in self._blocking[source]:
                self._blocking[source][target] = None
                self._blockers[target] += 1

    def next(self) -> str | None:
        """The node to run now, None when all have run. It counts as pending until it's `done`."""
        ready = [node for node in self._pending if not self._blockers[node]]
        if not ready:
            return None
        for distance in range(3):
            for node in ready:
                if self._leads_to_output(node, distance):
                    return node
        return ready[0]

    def done(self, node: str) -> None:
        """This node has run."""
        del self._pending[node]
        for target in self._blocking.pop(node):
            self._blockers[target] -= 1

    def _leads_to_output(self, node: str, distance: int) -> bool:
        if distance == 0:
            return self._is_output(self._prompt[node]["class_type"])
        return any(self._leads_to_output(target, distance - 1) for target in self._blocking[node])


class Signatures:
    """A text for each node of a prompt that is the same exactly when its result is."""

    def __init__(self, prompt: Prompt, changes: Callable[[str], object]) -> None:
        """`changes` gives, for a node's id, what its result depends on besides its inputs (a file's content)."""
        self._prompt = prompt
        self._changes = changes
        self._known: dict[str, str] = {}

    def of(self, node: str) -> str:
        """A node's signature."""
        if node not in self._known:
            self._known[node] = node  # nodes that no output needs aren't validated, and may form a circle
            inputs: dict[str, Any] = self._prompt[node].get("inputs", {})
            said = [self._value(name, inputs[name]) for name in sorted(inputs)]
            text = json.dumps([self._prompt[node]["class_type"], self._changes(node), said], default=str)
            self._known[node] = hashlib.sha256(text.encode()).hexdigest()
        return self._known[node]

    def of_all(self, nodes: Iterable[str]) -> dict[str, str]:
        """Signatures by node."""
        return {node: self.of(node) for node in nodes}

    def _value(self, name: str, value: object) -> list[object]:
        if is_link(value) and value[0] in self._prompt:
            return [name, "link", self.of(value[0]), value[1]]
        return [name, "value", value]
