"""How far a training is: read from what the trainer prints, kept as `loss.csv`, told with time left and cost so far."""

from __future__ import annotations

import csv
import math
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import import_module
from itertools import pairwise
from pathlib import Path

LOSSES, CURVE = "loss.csv", "loss.png"
COLUMNS = ("step", "epoch", "loss", "seconds")
KEPT_LINES = 20
"""Last lines of the trainer that an error shows."""

# tqdm's line: `steps:  10%|█         | 12/120 [00:34<05:10,  2.87s/it, avr_loss=0.123]`
_BAR = re.compile(r"^steps:\s+\d+%\|[^|]*\|\s*(\d+)/(\d+) \[")
_LOSS = re.compile(r"avr_loss=([^\],\s]+)")
_EPOCH = re.compile(r"^epoch (\d+)/(\d+)$")
_OTHER_BAR = re.compile(r"^[^|]*\d+%\|[^|]*\|")
_SAVING = re.compile(r"saving (checkpoint|state)")


@dataclass(frozen=True)
class Progress:
    """A moment of a training. seconds: of all its runs. eta_seconds, dollars: None while nobody knows."""

    stage: str
    step: int
    steps: int
    epoch: int
    epochs: int
    loss: float | None
    seconds: float
    eta_seconds: float | None = None
    dollars: float | None = None

    def line(self) -> str:
        """For a person: `step 300 of 1500, epoch 2 of 10, loss 0.101, 12 min left, 0.28 $`."""
        parts = [f"step {self.step} of {self.steps}", f"epoch {self.epoch} of {self.epochs}"]
        if self.loss is not None:
            parts.append(f"loss {self.loss:.3g}")
        if self.eta_seconds is not None:
            parts.append(f"{math.ceil(self.eta_seconds / 60)} min left")
        if self.dollars is not None:
            parts.append(f"{self.dollars:.2f} $")
        return ", ".join(parts)

    def fields(self) -> dict[str, object]:
        """For a machine, as the job's log has them."""
        told = asdict(self)
        return {
            **{name: told[name] for name in ("stage", "step", "steps", "epoch", "epochs", "loss")},
            "seconds": round(self.seconds, 1),
            "etaSeconds": None if self.eta_seconds is None else round(self.eta_seconds),
            "dollars": None if self.dollars is None else round(self.dollars, 4),
        }


class Watch:
    """Reads the trainer's output, a piece at a time.

    A training that was resumed counts its bar from 0 again, to the whole number of steps (sd-scripts' own way): `before`
    is what was done until then. spent_s: of earlier runs.
    """

    def __init__(
        self,
        *,
        steps: int,
        epochs: int,
        before: int = 0,
        spent_s: float = 0.0,
        dollars_per_hour: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._steps, self._epochs, self._before, self._spent_s = steps, epochs, before, spent_s
        self._dollars_per_hour, self._clock = dollars_per_hour, clock
        self._started = clock()
        self._first: tuple[float, int] | None = None
        self._rest = ""
        self.step, self.epoch = before, 0
        self.loss: float | None = None
        self.is_saving = False
        self.losses: list[tuple[int, int, float, float]] = []
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)

    @property
    def seconds(self) -> float:
        return self._spent_s + self._clock() - self._started

    @property
    def last_lines(self) -> list[str]:
        """What it printed last, without its bars."""
        return [
            *self._lines,
            *([self._rest.strip()] if self._rest.strip() and not _OTHER_BAR.match(self._rest) else []),
        ]

    def take(self, text: str) -> bool:
        """More of the output; whether there is a new step to tell."""
        *lines, self._rest = re.split(r"[\r\n]", self._rest + text)
        # A bar has its end only when the next one begins; it is read when it looks whole.
        if _BAR.match(self._rest) and self._rest.endswith("]"):
            lines.append(self._rest)
        return any([self._line(line.strip()) for line in lines])

    def _line(self, line: str) -> bool:
        bar, epoch = _BAR.match(line), _EPOCH.match(line)
        if bar:
            self.is_saving = False
            return self._bar(int(bar[1]), _LOSS.search(line))
        if epoch:
            self.epoch, self.is_saving = int(epoch[1]), False
        elif line and not _OTHER_BAR.match(line):
            self.is_saving = bool(_SAVING.search(line)) or (self.is_saving and "model saved" not in line)
            self._lines.append(line)
        return False

    def _bar(self, done: int, loss: re.Match[str] | None) -> bool:
        step = min(self._before + done, self._steps)
        if done and self._first is None:
            self._first = (self._clock(), done)
        self.step = max(self.step, step)
        if not done or not loss or (self.losses and step < self.losses[-1][0]):
            return bool(done)
        try:
            self.loss = float(loss[1])
        except ValueError:
            return True
        row = (step, self.epoch, self.loss, round(self.seconds, 1))
        # tqdm may print a step twice: as it ends with the loss before, then with its own.
        if self.losses and self.losses[-1][0] == step:
            self.losses[-1] = row
        else:
            self.losses.append(row)
        return True

    def now(self) -> Progress:
        return Progress(
            "train",
            self.step,
            self._steps,
            self.epoch,
            self._epochs,
            self.loss if self.loss is not None and math.isfinite(self.loss) else None,
            self.seconds,
            self._eta_s(),
            None if self._dollars_per_hour is None else self._dollars_per_hour * self.seconds / 3600,
        )

    def _eta_s(self) -> float | None:
        if self._first is None or self.step <= self._before + self._first[1]:
            return None
        since, at = self._first
        each = (self._clock() - since) / (self.step - self._before - at)
        return each * (self._steps - self.step)


def keep_losses(place: Path, rows: list[tuple[int, int, float, float]]) -> None:
    """Add them to `loss.csv`. What stands there of the same or later steps was trained once more, and goes."""
    if not rows:
        return
    first = rows[0][0]
    kept = [row for row in read_losses(place) if row[0] < first]
    new = place.with_suffix(".new")
    with new.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([*kept, *rows])
    new.replace(place)


def read_losses(place: Path) -> list[tuple[int, int, float, float]]:
    """Rows of step, epoch, loss (an average over an epoch, as the trainer says it), seconds."""
    if not place.is_file():
        return []
    with place.open(newline="") as file:
        return [
            (int(row["step"]), int(row["epoch"]), float(row["loss"]), float(row["seconds"]))
            for row in csv.DictReader(file)
        ]


def draw_curve(rows: list[tuple[int, int, float, float]], place: Path) -> None:
    """The loss over the steps, as a picture."""
    figure = import_module("matplotlib.figure").Figure(figsize=(8, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.plot([row[0] for row in rows], [row[2] for row in rows], color="#2f6f6a", linewidth=1.4)
    for before, after in pairwise(rows):
        if after[1] != before[1]:
            axes.axvline(after[0], color="#dddddd", linewidth=0.8, zorder=0)
    axes.set(xlabel="step (a line for each epoch)", ylabel="loss, average of an epoch")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(place, dpi=110)
