"""What nodes there are, and what they take: `nodes.json`, with the files that are there filled in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from sandbox.comfyui.folders import Folders

_NODES: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "nodes.json").read_text())
"""Recorded from ComfyUI 0.3.64's `GET /object_info`, but for the lists of files: there, a kind of them is named."""

INPUT = "input"
"""The kind of files that are pictures in the input directory; the others are kinds of models."""


class Catalogue:
    """The nodes, with lists of files as they stand when asked."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders

    def __contains__(self, name: object) -> bool:
        return name in _NODES

    def definitions(self) -> dict[str, Any]:
        """All definitions, as `GET /object_info` has them."""
        return {name: self.definition(name) for name in _NODES}

    def definition(self, name: str) -> dict[str, Any]:
        """A node's definition. Raises KeyError for a node that isn't known."""
        node = _NODES[name]
        inputs = {
            category: {one: self._filled(spec) for one, spec in specs.items()}
            if category != "hidden"
            else specs
            for category, specs in node["input"].items()
        }
        return {**node, "input": inputs}

    def inputs(self, name: str) -> Iterator[tuple[str, str, list[Any]]]:
        """Name, category and `[type or list, options]` of each required and optional input of a node."""
        for category in ("required", "optional"):
            for one, spec in _NODES[name]["input"].get(category, {}).items():
                filled = self._filled(spec)
                yield one, category, filled if len(filled) > 1 else [*filled, {}]

    def outputs(self, name: str) -> tuple[str, ...]:
        """Types of a node's outputs, in the order of their slots."""
        return tuple(_NODES[name]["output"])

    def is_output(self, name: str) -> bool:
        """Whether the node is one that a prompt is run for."""
        return _NODES[name]["output_node"]

    def known_inputs(self, name: str) -> frozenset[str]:
        """Names of a node's required and optional inputs."""
        return frozenset(
            one for category in ("required", "optional") for one in _NODES[name]["input"].get(category, {})
        )

    def hidden_inputs(self, name: str) -> frozenset[str]:
        """Names of inputs that ComfyUI itself fills in."""
        return frozenset(_NODES[name]["input"].get("hidden", {}))

    def _filled(self, spec: list[Any]) -> list[Any]:
        if not isinstance(spec[0], dict):
            return spec
        kind = cast(dict[str, str], spec[0])["files"]
        files = self._folders.input_images() if kind == INPUT else self._folders.models(kind)
        return [files, *spec[1:]]
