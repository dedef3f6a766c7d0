"""Measures pictures through the whole path: `make bench-pictures`. Figures and ratios of one run (bench/README.md)."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from rich import box
from rich.console import Console
from rich.table import Table

from bench import aws_cost
from bench import picture_figures as figures
from bench.measure import TICKS_PER_S
from bench.picture_figures import Rows
from bench.picture_load import Wrong
from bench.picture_rig import BACKEND, Rig, RigArgs, running

CALM_SHARE = 0.1
"""Others may take this share of the machine; above it the figures are rather theirs."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is measured."""

    pictures: int
    pairs: int
    slow_pairs: int
    busy: int
    slow_busy: int
    submit_s: float
    stream_s: float
    memory: int
    moto: int
    calls: int


QUICK = Size(
    pictures=200,
    pairs=60,
    slow_pairs=4,
    busy=150,
    slow_busy=0,
    submit_s=15,
    stream_s=15,
    memory=600,
    moto=60,
    calls=40,
)
FULL = Size(
    pictures=1000,
    pairs=300,
    slow_pairs=15,
    busy=1000,
    slow_busy=100,
    submit_s=60,
    stream_s=60,
    memory=10_000,
    moto=200,
    calls=200,
)

Figure = Callable[[Rig, Size], Rows]


@dataclass(frozen=True)
class Part:
    """A figure and the rig it is taken from; `rig` says which ones may share it: memory needs one of its own."""

    name: str
    aws: str
    seconds: int
    rig: str
    figure: Figure


def parts(size: Size) -> list[Part]:
    """All figures, those of one rig together."""

    def part(name: str, aws: str, seconds: int, figure: Figure, own: str = "") -> Part:
        return Part(name, aws, seconds, f"{aws}-{seconds}-{own}", figure)

    all_parts = [
        part("aws", "stand-in", 0, lambda rig, size: aws_cost.of(rig, size.calls)),
        part(
            "throughput", "stand-in", 0, lambda rig, size: asyncio.run(figures.throughput(rig, size.pictures))
        ),
        part("added", "stand-in", 0, lambda rig, size: asyncio.run(figures.added_alone(rig, size.pairs))),
        part("busy", "stand-in", 0, lambda rig, size: asyncio.run(figures.added_busy(rig, size.busy))),
        part("submit", "stand-in", 0, lambda rig, size: asyncio.run(figures.submits(rig, size.submit_s))),
        part(
            "added", "stand-in", 2, lambda rig, size: asyncio.run(figures.added_alone(rig, size.slow_pairs))
        ),
        part("busy", "stand-in", 2, lambda rig, size: asyncio.run(figures.added_busy(rig, size.slow_busy))),
        part("streams", "stand-in", 2, lambda rig, size: asyncio.run(figures.streams(rig, size.stream_s))),
        part(
            "memory", "stand-in", 0, lambda rig, size: asyncio.run(figures.memory(rig, size.memory)), "memory"
        ),
        part("aws", "moto", 0, lambda rig, size: aws_cost.of(rig, size.calls)),
        part("throughput", "moto", 0, lambda rig, size: asyncio.run(figures.throughput(rig, size.moto))),
        part("added", "moto", 0, lambda rig, size: asyncio.run(figures.added_alone(rig, size.moto))),
    ]
    return [one for one in all_parts if not (one.name == "busy" and one.seconds and not size.slow_busy)]


def measured(chosen: list[Part], size: Size, options: argparse.Namespace, folder: Path) -> Iterator[Rows]:
    """Take the figures, each rig started anew and ended after its own."""
    while chosen:
        first = chosen[0]
        shared = [one for one in chosen if one.rig == first.rig]
        chosen = [one for one in chosen if one.rig != first.rig]
        args = RigArgs(
            aws=first.aws,
            seconds=first.seconds,
            folder=folder / first.rig,
            backend=options.backend.resolve(),
            profile=options.profile.resolve() if options.profile else None,
        )
        with running(args) as rig:
            for one in shared:
                before, own = _machine_cpu(), sum(rig.cpu().values())
                rows = one.figure(rig, size)
                busy, total = (now - was for now, was in zip(_machine_cpu(), before, strict=True))
                others = max(0.0, busy - (sum(rig.cpu().values()) - own)) / total
                note = "not calm: times are too long" if others > CALM_SHARE else ""
                rows.add("the machine's CPUs, taken by others", f"{others:.0%}", note)
                yield rows


def _machine_cpu() -> tuple[float, float]:
    """Seconds of CPU that the machine spent working, and all that it had (proc(5), /proc/stat)."""
    fields = [int(one) for one in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return (sum(fields) - idle) / TICKS_PER_S, sum(fields) / TICKS_PER_S


def show(rows: Rows) -> None:
    """Print a section; the machine's load beside it, since others' work is in the figures too."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, title_justify="left")
    table.add_column(rows.title)
    table.add_column(f"load {os.getloadavg()[0]:.1f}", justify="right")
    table.add_column("")
    for line in rows.lines:
        table.add_row(*line)
    Console(width=max(100, shutil.get_terminal_size().columns)).print(table)
    print(flush=True)


def _end(number: int, _: object) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(number).name)


def main() -> int:
    """Exit status 1 when something did not work, so that there are no figures."""
    names = sorted({part.name for part in parts(FULL)})
    parser = argparse.ArgumentParser(prog="python -m bench.pictures", description=__doc__)
    parser.add_argument("--full", action="store_true", help="all 10,000 pictures (about 40 minutes, not 3)")
    parser.add_argument("--only", nargs="+", choices=names, metavar="FIGURE", help=", ".join(names))
    parser.add_argument("--aws", choices=["stand-in", "moto"], help="only with this one")
    parser.add_argument("--backend", type=Path, default=BACKEND, help="another one, to compare with")
    parser.add_argument("--profile", type=Path, help="folder for Node's CPU profiles of backend and worker")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    size = FULL if options.full else QUICK
    chosen = [
        part
        for part in parts(size)
        if part.name in (options.only or names) and part.aws in (options.aws or part.aws)
    ]
    started, folder = time.monotonic(), Path(tempfile.mkdtemp(prefix="sd-app-bench-"))
    try:
        for rows in measured(chosen, size, options, folder):
            show(rows)
    except (Wrong, OSError) as error:
        print(f"make: {error}\n    logs: {folder}/*/*.log", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        shutil.rmtree(folder)
        return 130
    shutil.rmtree(folder)
    machine = f"{os.cpu_count()} CPUs, {os.uname().machine}, Python {sys.version.split()[0]}"
    print(f"{machine}; {time.monotonic() - started:.0f} s, load average now {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
