"""How far each node of the running prompt is, and the messages that say so."""

from __future__ import annotations

from typing import Any

from sandbox.comfyui.sockets import Sockets


class Progress:
    """State of the nodes that have begun, told whole whenever something in it changes."""

    def __init__(self, prompt_id: str, sockets: Sockets) -> None:
        self._prompt_id = prompt_id
        self._sockets = sockets
        self._nodes: dict[str, dict[str, Any]] = {}

    def start(self, node: str) -> None:
        """A node begins."""
        self._nodes[node] = self._state(node, 0.0, 1.0, "running")
        self._tell()

    def step(self, node: str, step: int, steps: int) -> None:
        """A node that goes by steps has done one."""
        self._nodes[node] = self._state(node, step, steps, "running")
        self._tell()

    def finish(self, node: str) -> None:
        """A node has ended, or its result was there already."""
        most = self._nodes[node]["max"] if node in self._nodes else 1
        self._nodes[node] = self._state(node, most, most, "finished")
        self._tell()

    def about(self, node: str) -> dict[str, Any]:
        """What a preview with metadata says of its node."""
        return {
            "node_id": node,
            "prompt_id": self._prompt_id,
            "display_node_id": node,
            "parent_node_id": None,
            "real_node_id": node,
        }

    def _state(self, node: str, value: float, most: float, state: str) -> dict[str, Any]:
        return {
            "value": value,
            "max": most,
            "state": state,
            "node_id": node,
            "prompt_id": self._prompt_id,
            "display_node_id": node,
            "parent_node_id": None,
            "real_node_id": node,
        }

    def _tell(self) -> None:
        told = {"prompt_id": self._prompt_id, "nodes": self._nodes}
        self._sockets.send("progress_state", told, self._sockets.client_id)
