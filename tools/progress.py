"""Runs a long command quietly: a line now and then says what it does and for how long; its output shows if it fails.

Needs nothing but Python, so that it can show the set-up itself: `python -m tools.progress TITLE COMMAND…`
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

KEPT_LINES = 40
"""Last lines of output kept for an error's message."""

SET_UP_EVERY_S = 10.0
"""Seconds between two lines while packages are installed."""

SET_UP_LIMIT_S = 3600.0
"""Longest that installing the packages may take, on a slow network."""


class CommandFailed(Exception):
    """A command ended badly, or was ended at its time limit; `tail` holds the last lines that it wrote."""

    def __init__(self, what: str, tail: Sequence[str]) -> None:
        super().__init__("\n".join([what, *(f"    {line}" for line in tail)]))
        self.tail = list(tail)


def say(text: str) -> None:
    """One line for the person; on stderr, so that stdout stays for results."""
    print(text, file=sys.stderr, flush=True)


def run(
    title: str,
    argv: Sequence[str],
    *,
    limit_s: float,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    describe: Callable[[str], str | None] = lambda line: None,
    every_s: float = 5.0,
) -> str:
    """Run `argv` and return its output (stdout and stderr together).

    `describe` turns a line of output into what to tell with the next progress line, or None.
    Raises CommandFailed on a bad exit status, after `limit_s` seconds, or when the command isn't there.
    """
    started = time.monotonic()
    lines: deque[str] = deque()
    doing = ""
    try:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env=dict(env) if env is not None else None,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise CommandFailed(f"{title}: {error}", []) from error

    def read() -> None:
        nonlocal doing
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line.rstrip())
            doing = describe(lines[-1]) or doing

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        _wait(process, title, started, limit_s, every_s, lambda: doing)
    except subprocess.TimeoutExpired as error:
        raise CommandFailed(f"{title}: not done after {limit_s:.0f} s", _tail(lines)) from error
    finally:
        _end_group(process)
        reader.join(timeout=5)
    if process.returncode != 0:
        raise CommandFailed(f"{title}: exit status {process.returncode}", _tail(lines))
    return "\n".join(lines)


def _tail(lines: deque[str]) -> list[str]:
    return list(lines)[-KEPT_LINES:]


def _wait(
    process: subprocess.Popen[str],
    title: str,
    started: float,
    limit_s: float,
    every_s: float,
    doing: Callable[[], str],
) -> None:
    while True:
        elapsed = time.monotonic() - started
        if elapsed >= limit_s:
            raise subprocess.TimeoutExpired(process.args, limit_s)
        try:
            process.wait(timeout=min(every_s, limit_s - elapsed))
            return
        except subprocess.TimeoutExpired:
            what = doing()
            say(f"  {title}: {time.monotonic() - started:.0f} s{', ' + what if what else ''}")


def _end_group(process: subprocess.Popen[str]) -> None:
    """Leave no process of the command behind, however it ended."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def pip_progress() -> Callable[[str], str | None]:
    """Turns pip's lines into `12 packages fetched, now moto==5.2.5`."""
    count = 0

    def describe(line: str) -> str | None:
        nonlocal count
        if line.startswith("Collecting "):
            count += 1
            return f"{count} packages fetched, now {line.split()[1][:30]}"
        return "writing them to disk" if line.startswith("Installing collected packages") else None

    return describe


def main() -> int:
    """Run the command of the command line: pip, whose lines are turned into how far it is."""
    title, *argv = sys.argv[1:]
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run(title, argv, limit_s=SET_UP_LIMIT_S, describe=pip_progress(), every_s=SET_UP_EVERY_S)
    except CommandFailed as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
