"""Where the emulated network's addresses lie on this machine: private IPs and ports become ports of 127.0.0.1.

Kept in a file, so that a machine that is started again, and whoever knows its address, find the same ports.
"""

from __future__ import annotations

import json
import random
import socket
import threading
from collections.abc import Collection
from pathlib import Path

LOOPBACK = "127.0.0.1"
PORTS = range(20_000, 32_000)
"""Below what Linux and macOS give to outgoing connections: one of those, even one just closed, would hold the port of a
service that is about to start again."""
TRIES = 200


class Addresses:
    """Ports of this machine by what they stand for, such as `local/172.16.0.10:8188`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        kept: dict[str, int] = json.loads(path.read_text()) if path.is_file() else {}
        # Nothing of ours runs yet: a port that is taken now is taken by somebody else.
        self._known = {name: port for name, port in kept.items() if is_free(port)}
        if self._known != kept:
            self._write()

    def port(self, name: str) -> int:
        """The port that stands for `name`; a free one is chosen the first time."""
        with self._lock:
            if name not in self._known:
                self._known[name] = free_port(self._known.values())
                self._write()
            return self._known[name]

    def _write(self) -> None:
        draft = self._path.with_suffix(".new")
        draft.write_text(json.dumps(self._known, indent=1))
        draft.replace(self._path)


def free_port(taken: Collection[int] = ()) -> int:
    """A port that nobody listens on just now, and that is none of `taken`. Raises OSError when none is found."""
    for port in random.sample(PORTS, TRIES):
        if port not in taken and is_free(port):
            return port
    raise OSError(f"none of {TRIES} ports from {PORTS.start} to {PORTS.stop - 1} is free")


def is_free(port: int) -> bool:
    """Whether a server could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
