"""How far each node of the running prompt is, and the messages that say so."""

from __future__ import annotations

import json
from typing import Any

from sandbox.comfyui.sockets import Sockets


class Progress:
    """State of the nodes that have begun, told whole whenever something in it changes."""

    def __init__(self, prompt_id: str, sockets: Sockets) -> None:
        self._prompt_id = prompt_id
        self._sockets = sockets
        self._most: dict[str, float] = {}
        self._told: dict[str, str] = {}
        """By node: its state as JSON. The whole goes out with every step, so a state is put into words but once."""

    def start(self, node: str) -> None:
        """A node begins."""
        self._set(node, 0.0, 1.0, "running")

    def step(self, node: str, step: int, steps: int) -> None:
        """A node that goes by steps has done one."""
        self._set(node, step, steps, "running")

    def finish(self, node: str) -> None:
        """A node has ended, or its result was there already."""
        most = self._most.get(node, 1)
        self._set(node, most, most, "finished")

    def about(self, node: str) -> dict[str, Any]:
        """What a preview with metadata says of its node."""
        return {
            "node_id": node,
            "prompt_id": self._prompt_id,
            "display_node_id": node,
            "parent_node_id": None,
            "real_node_id": node,
        }

    def _set(self, node: str, value: float, most: float, state: str) -> None:
        self._most[node] = most
        self._told[node] = json.dumps(
            {
                "value": value,
                "max": most,
                "state": state,
                "node_id": node,
                "prompt_id": self._prompt_id,
                "display_node_id": node,
                "parent_node_id": None,
                "real_node_id": node,
            }
        )
        nodes = ", ".join(f"{json.dumps(one)}: {told}" for one, told in self._told.items())
        data = f'{{"prompt_id": {json.dumps(self._prompt_id)}, "nodes": {{{nodes}}}}}'
        self._sockets.send_text("progress_state", data, self._sockets.client_id)
