"""Time, CPU and memory of a command with everything that it starts, read from Linux's /proc while it runs."""

import contextlib
import os
import resource
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_S = 0.1
"""Between two looks at the memory; a peak shorter than this may be missed."""

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class MeasuredFailed(Exception):
    """The command ended badly, so its figures mean nothing; the message holds its last words."""


@dataclass(frozen=True)
class Figures:
    """wall_s: from start to end. cpu_s: user and system time of the command and all its ended children.

    peak_mib: greatest sum over its living processes at one moment, each shared page counted by its share (PSS).
    """

    wall_s: float
    cpu_s: float
    peak_mib: float


def measure(argv: Sequence[str], cwd: Path, env: Mapping[str, str] | None = None) -> Figures:
    """Run the command and measure it. Raises MeasuredFailed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env=dict(env) if env is not None else None,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    watch = _Watch(process.pid)
    try:
        output, _ = process.communicate()
    except BaseException:
        process.send_signal(signal.SIGINT)
        process.wait()
        raise
    finally:
        peak = watch.end()
    wall = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode != 0:
        raise MeasuredFailed(f"{' '.join(argv)}: exit status {process.returncode}\n{output[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Figures(wall, cpu, peak)


class _Watch:
    """Looks at the memory of a process and its descendants until it is ended."""

    def __init__(self, pid: int) -> None:
        self._pid, self._peak, self._over = pid, 0.0, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(SAMPLE_S):
            self._peak = max(self._peak, sum(map(memory_mib, family(self._pid))))

    def end(self) -> float:
        """The peak, in MiB."""
        self._over.set()
        self._thread.join()
        return self._peak


def family(pid: int) -> set[int]:
    """The process and all its living descendants, those in other process groups too."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (fields := _stat(int(folder.name))):
            children.setdefault(int(fields[1]), []).append(int(folder.name))
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        found.add(one)
        waiting += children.get(one, [])
    return found


def memory_mib(pid: int) -> float:
    """Proportional set size of a process; 0 when it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return 0.0


def cpu_s(pid: int) -> float:
    """User and system time that a process and its ended children took so far, in seconds."""
    fields = _stat(pid)
    return sum(int(one) for one in fields[11:15]) / TICKS_PER_S if fields else 0.0


def peak_mib(pid: int) -> float:
    """Greatest resident size that a process ever had (VmHWM)."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from `state` on (proc(5): after the name in brackets); empty when it has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []
