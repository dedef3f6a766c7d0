"""Measures the local stack's day: `make bench`. Figures and ratios of one run, on this machine (bench/README.md)."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from bench.measure import Figures, MeasuredFailed, cpu_s, measure, peak_mib
from sandbox import daemon

ROOT = Path(__file__).resolve().parents[1]
SANDBOX = ROOT / ".sandbox"
STACK = [sys.executable, "-m", "tools.stack"]
PROGRAM = [
    sys.executable,
    "-c",
    "from tests.unit.engine import run_program; run_program('local', config={'sd-app:githubToken': 'none'}, secret_keys=['sd-app:githubToken'])",
]
"""`__main__.py` with the unit tests' recording engine: the imports, our code and the SDK, without engine and AWS."""

BASE = "preview, no changes"
"""What all times are compared with: the command run most often."""


@dataclass(frozen=True)
class Row:
    """One thing measured; `share` is the emulator's part of its CPU time, where the emulator works for it."""

    what: str
    figures: Figures
    emulator_cpu_s: float | None = None


def measure_build() -> Row:
    """The CLI built with nothing kept: no build, no Go build cache, no fetched modules."""
    work = Path(tempfile.mkdtemp(prefix="sd-app-bench-"))
    env = {
        **os.environ,
        "SD_APP_PULUMI": "build",
        "SD_APP_CACHE": str(work / "cache"),
        "GOCACHE": str(work / "go-build"),
        "GOMODCACHE": str(work / "modules"),
    }
    try:
        return Row("CLI built from nothing", measure([sys.executable, "-m", "tools.pulumi_cli"], ROOT, env))
    finally:
        # Go writes its modules read-only.
        subprocess.run(["chmod", "-R", "u+w", str(work)], check=False)
        shutil.rmtree(work)


def measure_stack() -> tuple[list[Row], float]:
    """The day from `up` to `down`, and the emulator's peak in MiB."""
    rows = [Row("program alone", measure(PROGRAM, ROOT))]
    up = measure([*STACK, "up"], ROOT)
    sandbox = daemon.find(SANDBOX)
    if sandbox is None:
        raise MeasuredFailed("no emulator runs after `up`")
    rows.append(Row("up from nothing", up, cpu_s(sandbox.pid)))
    for what, words in (
        ("second up, 0 changes", ["up"]),
        (BASE, ["preview", "--expect-no-changes"]),
    ):
        before = cpu_s(sandbox.pid)
        figures = measure([*STACK, *words], ROOT)
        rows.append(Row(what, figures, cpu_s(sandbox.pid) - before))
    before = cpu_s(sandbox.pid)
    peak = peak_mib(sandbox.pid)
    rows.append(Row("down", measure([*STACK, "down"], ROOT)))
    return rows, peak


def table(rows: list[Row]) -> Table:
    """Seconds, MiB and ratios."""
    base = next(row.figures.wall_s for row in rows if row.what == BASE)
    view = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for name in ("measured", "time s", "ratio", "CPU s", "peak MiB", "emulator's CPU s", "its share"):
        view.add_column(name, justify="left" if name == "measured" else "right")
    for row in rows:
        its = row.emulator_cpu_s
        total = row.figures.cpu_s + (its or 0)
        view.add_row(
            row.what,
            f"{row.figures.wall_s:.1f}",
            f"{row.figures.wall_s / base:.2f}",
            f"{row.figures.cpu_s:.1f}",
            f"{row.figures.peak_mib:.0f}",
            "" if its is None else f"{its:.1f}",
            "" if its is None else f"{its / total:.0%}",
        )
    return view


def main() -> int:
    """Exit status 1 when a stack is up already, or a command fails."""
    options = argparse.ArgumentParser(prog="python -m bench.stack", description=__doc__)
    options.add_argument(
        "--with-build", action="store_true", help="build the CLI too, from nothing (minutes)"
    )
    chosen = options.parse_args()
    if SANDBOX.exists():
        print(
            "make: the local stack is up; `make down` first, so that `up from nothing` is measured",
            file=sys.stderr,
        )
        return 1
    try:
        rows, emulator = measure_stack()
        if chosen.with_build:
            rows.append(measure_build())
    except MeasuredFailed as error:
        print(f"make: {error}", file=sys.stderr)
        return 1
    Console(width=max(80, shutil.get_terminal_size().columns)).print(table(rows))
    if chosen.with_build:
        up = next(row.figures.wall_s for row in rows if row.what == "up from nothing")
        built = rows[-1].figures.wall_s
        print(
            f"\nup from nothing with the CLI built: {up + built:.0f} s, {(up + built) / up:.1f} times that without"
        )
    print(f"The emulator's process has its peak at {emulator:.0f} MiB; it is not in the other columns.")
    print(f"{os.cpu_count()} CPUs, {os.uname().machine}, Python {sys.version.split()[0]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
