"""The trainer's process: its output is read as it comes; it is ended whole, with all that it started."""

from __future__ import annotations

import contextlib
import math
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from training.faults import Interrupted, OutOfTime, TrainerFailed
from training.progress import Watch

LOOK_EVERY_S = 0.5
SAVING_GRACE_S = 30.0
"""How long a state that is being written may take when the trainer is to be ended."""
END_GRACE_S = 10.0
_READ = 1 << 16
_NO_MEMORY = ("CUDA out of memory", "OutOfMemoryError")


@dataclass(kw_only=True)
class Trainer:
    """argv: the command. keep: is called every `every_s` seconds when there is something new, to be written down.

    is_saved: whether the state that is being written has become whole.
    """

    argv: Sequence[str]
    cwd: Path
    environment: Mapping[str, str]
    log: Path
    watch: Watch
    keep: Callable[[], object]
    every_s: float
    limit_s: float | None
    is_saved: Callable[[], bool]

    def run(self) -> None:
        """Until it has ended. Raises TrainerFailed, OutOfTime, Interrupted."""
        with _signals() as asked, self.log.open("ab") as log, self._started() as process:
            try:
                self._follow(process, log, asked)
            finally:
                if process.poll() is None:
                    self._end(process)
        if process.returncode:
            raise TrainerFailed(self._why(process.returncode))

    def _started(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self.argv,
                cwd=self.cwd,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # so that Ctrl-C comes here, and all its processes can be ended at once
            )
        except OSError as error:
            raise TrainerFailed(f"the trainer can't be started: {error}") from error

    def _follow(self, process: subprocess.Popen[bytes], log: Any, asked: list[int]) -> None:
        started = told = time.monotonic()
        is_new = False
        for text in _pieces(process):
            log.write(text)
            log.flush()
            is_new = self.watch.take(text.decode(errors="replace")) or is_new
            now = time.monotonic()
            if is_new and now - told >= self.every_s:
                told, is_new = now, False
                self.keep()
            if asked:
                raise Interrupted(self._onward(f"{signal.Signals(asked[0]).name} ended the training"))
            if self.limit_s is not None and now - started > self.limit_s:
                raise OutOfTime(self._onward(f"the training's {_minutes(self.limit_s)} are over"))
            if self.watch.loss is not None and not math.isfinite(self.watch.loss):
                raise TrainerFailed(
                    f"the loss is no number any more at step {self.watch.step}: lower unet_rate and text_rate, "
                    "or take precision bf16"
                )
        process.wait()  # its output ends a moment before it does

    def _onward(self, what: str) -> str:
        return (
            f"{what} at step {self.watch.step} of {self.watch.now().steps}; what was saved is in {self.log.parent}, and the "
            "same call goes on from the last whole epoch"
        )

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """A state that is being written may become whole first."""
        until = time.monotonic() + SAVING_GRACE_S
        while (
            self.watch.is_saving
            and not self.is_saved()
            and process.poll() is None
            and time.monotonic() < until
        ):
            time.sleep(LOOK_EVERY_S / 5)
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(END_GRACE_S)
        process.wait()

    def _why(self, status: int) -> str:
        lines = self.watch.last_lines
        how = f"status {status}" if status > 0 else signal.Signals(-status).name
        hint = ""
        if any(sign in line for sign in _NO_MEMORY for line in lines):
            hint = "; the GPU's memory was too small: take a smaller batch, or a smaller rank"
        shown = "".join(f"\n  {line}" for line in lines)
        return f"the trainer failed ({how}) at step {self.watch.step}{hint}; its last lines ({self.log} has all):{shown}"


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:g} seconds"


def _pieces(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """What it prints, as it comes; an empty piece when there was nothing for a moment. Ends with its output."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while True:
            if not selector.select(LOOK_EVERY_S):
                yield b""
                continue
            piece = os.read(process.stdout.fileno(), _READ)
            if not piece:
                return
            yield piece


@contextlib.contextmanager
def _signals() -> Generator[list[int]]:
    """Which of Ctrl-C and SIGTERM came meanwhile. Only the main thread may listen; elsewhere none is heard."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
