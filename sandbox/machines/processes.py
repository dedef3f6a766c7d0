"""Processes that stand in for a machine's services: kept alive as systemd and PM2 would, and ended with the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

STOP_LIMIT_S = 16.0
"""PM2 and systemd give a service so long before they kill it (cloud_init: 15 s, and a little)."""
BACKOFF_S = (0.2, 0.5, 1.0, 2.0, 5.0)
STEADY_S = 10.0
"""Alive for so long, a service starts anew with the shortest pause."""
LOG_LIMIT_BYTES = 20_000_000
"""A log larger than this is begun again: a crash loop must not fill the disk."""
MARK = "SANDBOX_MACHINE"
"""In the environment of all that runs for a machine: the machine's folder. A supervisor knows its strays by it."""
GONE_LIMIT_S = 5.0


@dataclass(kw_only=True)
class Service:
    """A command that should run while its machine does. `log` gets all that it says."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    next_start: float = 0.0
    failures: int = 0
    wanted: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def keep(self) -> None:
        """Start it when it should run and doesn't; called often."""
        with self.lock:
            if not self.wanted or (self.process and self.process.poll() is None):
                return
            now = time.monotonic()
            if self.process:  # it ended by itself
                _signal_group(self.process.pid, signal.SIGKILL)  # what it had started goes with it
                self.process = None
                self._failed(now, steady=now - self.started > STEADY_S)
            if now >= self.next_start:
                self._start(now)

    def _failed(self, now: float, steady: bool = False) -> None:
        self.failures = 0 if steady else self.failures + 1
        self.next_start = now + BACKOFF_S[min(self.failures, len(BACKOFF_S) - 1)]

    def _start(self, now: float) -> None:
        try:
            self._spawn()
        except OSError as error:
            # No such program, no room for its log: tried again like one that ends at once.
            self._failed(now)
            with suppress(OSError), self.log.open("a") as out:
                out.write(f"{self.name} does not start: {error}\n")
        self.started = now

    def _spawn(self) -> None:
        mode = "ab" if self.log.exists() and self.log.stat().st_size < LOG_LIMIT_BYTES else "wb"
        with self.log.open(mode) as out:
            self.process = subprocess.Popen(
                list(self.command),
                cwd=self.folder,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def is_running(self) -> bool:
        """Whether it runs now, and has never ended by itself before it was steady."""
        return self.process is not None and self.process.poll() is None and self.failures == 0

    def stop(self) -> None:
        """End it and all that it started: asked first, then killed."""
        with self.lock:
            self.wanted = False
            process = self.process
        if process is None:
            return
        _signal_group(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_LIMIT_S)
        _signal_group(process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(1)

    def tail(self, lines: int = 3) -> str:
        """The end of its log in a line."""
        with suppress(OSError):
            said = [
                line.strip() for line in self.log.read_text(errors="replace").splitlines() if line.strip()
            ]
            return " | ".join(said[-lines:])
        return ""


def stop_all(services: Sequence[Service]) -> None:
    """End them side by side."""
    threads = [threading.Thread(target=one.stop) for one in services]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def end_strays(folder: Path) -> int:
    """Kill what a supervisor that was killed left running for `folder`, and wait until it is gone; how many there were.

    Ours is what has a path under it in MARK of its environment, and nothing else: an editor or a `tail` of a log stays.
    """
    ended = set[int]()
    deadline = time.monotonic() + GONE_LIMIT_S
    # Their ports are free only once they are gone. Looked for again meanwhile: one that is just about to run another
    # program shows no environment, nor does one that ends.
    while (ours := _marked(folder)) or _any_alive(ended):
        for pid in ours:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        ended.update(ours)
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return len(ended)


def _marked(folder: Path) -> list[int]:
    """Processes with the mark, by `ps`: Linux and macOS both show the environment after the command."""
    mark = f" {MARK}={folder}{os.sep}"
    told = subprocess.run(["ps", "axeww", "-o", "pid=,command="], capture_output=True, text=True, check=False)
    return [int(line.split(None, 1)[0]) for line in told.stdout.splitlines() if mark in line]


def _any_alive(pids: Collection[int]) -> bool:
    """Whether one of these processes has not ended; one whose parent doesn't look after it counts as ended."""
    if not pids:
        return False
    command = ["ps", "-o", "stat=", "-p", ",".join(map(str, pids))]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    return any(line.strip()[:1] not in ("", "Z") for line in told.stdout.splitlines())


def _signal_group(leader: int, number: signal.Signals) -> None:
    """To all that is left of the group that this process led; nothing when none is."""
    with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        os.killpg(leader, number)
