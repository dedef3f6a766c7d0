"""Where the emulated network's addresses lie on this machine: private IPs and ports become ports of 127.0.0.1.

Kept in a file, so that a machine that is started again, and whoever knows its address, find the same ports.
"""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

LOOPBACK = "127.0.0.1"


class Addresses:
    """Ports of this machine by what they stand for, such as `local/172.16.0.10:8188`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[str, int] = json.loads(path.read_text()) if path.is_file() else {}

    def port(self, name: str) -> int:
        """The port that stands for `name`; a free one is chosen the first time."""
        with self._lock:
            if name not in self._known:
                self._known[name] = free_port()
                draft = self._path.with_suffix(".new")
                draft.write_text(json.dumps(self._known, indent=1))
                draft.replace(self._path)
            return self._known[name]


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a server could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
