"""Runs the Pulumi CLI on one stack: quietly with progress lines, for its output, or with its own screen."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tools.engine_events import Report
from tools.progress import say

EVERY_S = 5.0
"""Seconds between two progress lines."""

STOP_LIMIT_S = 60.0
"""How long the engine may take to finish what is under way, once it was asked to stop."""

SHORT_LIMIT_S = 120.0
"""Longest that a command which only reads the state may take."""


class EngineFailed(Exception):
    """The CLI ended badly; the message tells what it said."""


@dataclass(frozen=True)
class Engine:
    """The CLI with its environment, for one stack of the project in `cwd`."""

    cli: Path
    stack: str
    cwd: Path
    env: Mapping[str, str]
    config: Sequence[str] = field(default_factory=tuple[str, ...])
    """Arguments that name the stack's config file, when it isn't the one beside Pulumi.yaml."""

    def command(self, *words: str) -> list[str]:
        """The argument vector of a command on this stack."""
        return [str(self.cli / "pulumi"), *words, "--stack", self.stack]

    def ask(self, *words: str, limit_s: float = SHORT_LIMIT_S) -> str:
        """Standard output of a short command. Raises EngineFailed."""
        return _read([*self.command(*words), "--non-interactive"], self.cwd, self.env, limit_s)

    def show(self, *words: str) -> int:
        """Run a command with the CLI's own screen and questions; its exit status."""
        process = subprocess.Popen(self.command(*words), cwd=self.cwd, env=dict(self.env))
        before = signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # Ctrl-C reaches the CLI itself, which ends in order
        try:
            return process.wait()
        finally:
            signal.signal(signal.SIGINT, before)

    def work(self, title: str, *words: str) -> Report:
        """Run `up`, `preview`, `refresh` or `destroy` with a progress line now and then.

        Raises EngineFailed with everything that the engine and the program said was wrong; what was done until then
        stands in the state. Ctrl-C stops in order: what is under way is finished first.
        """
        process = subprocess.Popen(
            [*self.command(*words), "--json", "--non-interactive", *self.config],
            cwd=self.cwd,
            env={**self.env, "PULUMI_ENABLE_STREAMING_JSON_PREVIEW": "true"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        report, started = Report(), time.monotonic()
        readers = [
            threading.Thread(target=_take_all, args=(pipe, report.take), daemon=True)
            for pipe in (process.stdout, process.stderr)
        ]
        for reader in readers:
            reader.start()
        try:
            _follow(process, title, report, started)
        except BaseException:
            _stop(process, title)
            raise
        finally:
            _kill_group(process)
            for reader in readers:
                reader.join(timeout=5)
            report.seconds = time.monotonic() - started
        if process.returncode != 0:
            raise EngineFailed(_failure(title, report))
        return report


def ask_plain(cli: Path, cwd: Path, env: Mapping[str, str], *words: str) -> str:
    """Standard output of a short command that is about no stack. Raises EngineFailed."""
    return _read([str(cli / "pulumi"), *words, "--non-interactive"], cwd, env, SHORT_LIMIT_S)


def _read(argv: Sequence[str], cwd: Path, env: Mapping[str, str], limit_s: float) -> str:
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineFailed(f"pulumi {argv[1]}: {error}") from error
    if done.returncode != 0:
        raise EngineFailed((done.stderr or done.stdout).strip().removeprefix("error: "))
    return done.stdout


def _take_all(pipe: IO[str], take: Callable[[str], None]) -> None:
    for line in pipe:
        take(line)


def _follow(process: "subprocess.Popen[str]", title: str, report: Report, started: float) -> None:
    while True:
        try:
            process.wait(timeout=EVERY_S)
            return
        except subprocess.TimeoutExpired:
            pass
        elapsed = f"  {title}: {time.monotonic() - started:.0f} s, "
        now = f", now {report.now}" if report.now else ""
        say((elapsed + (f"{len(report.done)} resources{now}" if report.done else "loading the program"))[:79])


def _stop(process: "subprocess.Popen[str]", title: str) -> None:
    """Ask the engine to finish what is under way; a second Ctrl-C, or too long a wait, ends it at once."""
    say(f"  {title}: stopping when what is under way is finished (again Ctrl-C: at once)")
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
        process.wait(timeout=STOP_LIMIT_S)


def _kill_group(process: "subprocess.Popen[str]") -> None:
    """Leave no process of the engine behind, however it ended."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _failure(title: str, report: Report) -> str:
    what = f"{title}: failed after {report.seconds:.0f} s"
    if report.changes or report.failed:
        what += f" ({report.summary()}{f', {len(report.failed)} failed' if report.failed else ''})"
    said = [line for text in report.printed for line in text.splitlines()]
    return "\n".join([what, *(f"    {line}" for line in said)])
