"""Trains a style: starts the trainer, watches it, keeps what it says, and goes on where an earlier run was cut off.

    from training.train import TrainArgs, train
    trained = train(TrainArgs(target=Path("dataset"), base=Path("base.safetensors"), output=Path("out"),
                              scripts=Path("sd-scripts"), settings=settings))

Each training has a folder of its own in `output`, named by what makes it: settings, pictures with captions, base model. So
the same call after an interruption goes on from the last whole state; after it was finished it trains nothing again; with
another setting it is another training.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from training.captions import pictures_of, starts_with
from training.command import DESCRIPTION, PROMPTS, SCRIPT, Paths, command, description, prompts
from training.device import Device, look
from training.faults import CaptionsRefused, SettingsRefused, TrainerFailed
from training.prepare import CAPTION, FEWEST, IMAGES
from training.progress import CURVE, LOSSES, Progress, Watch, draw_curve, keep_losses, read_losses
from training.settings import Plan, TrainSettings, plan
from training.states import State, is_whole, newest_state, sample_pictures, sha256, styles
from training.trainer import Trainer

METRICS, LOG = "metrics.json", "train.log"
TOLD_EVERY_S = 2.0


@dataclass(frozen=True, kw_only=True)
class TrainArgs:
    """target: of the prepared and captioned set. base: a .safetensors checkpoint or a diffusers folder.

    scripts: sd-scripts' folder. limit_s: how long this run may take. dollars_per_hour: of the machine, for the cost so
    far. fewest: pictures. python: that starts the trainer.
    """

    target: Path
    base: Path
    output: Path
    scripts: Path
    settings: TrainSettings
    limit_s: float | None = None
    dollars_per_hour: float | None = None
    fewest: int = FEWEST
    python: Path = field(default_factory=lambda: Path(sys.executable))
    device: Device = field(default_factory=look)


@dataclass(frozen=True)
class Trained:
    """A finished training. styles: files by epoch, the finished one last. seconds, dollars: of all its runs."""

    folder: Path
    styles: list[Path]
    samples: list[Path]
    plan: Plan
    loss: float | None
    seconds: float
    dollars: float | None
    set_sha256: str
    base_sha256: str


def train(
    args: TrainArgs,
    say: Callable[[str], object] = print,
    tell: Callable[[Progress], object] | None = None,
) -> Trained:
    """Train, or go on, or find it done. tell: is called with the progress, every two seconds at most.

    Raises SettingsRefused, CaptionsRefused, TrainerFailed, OutOfTime, Interrupted.
    """
    pictures = _checked(args)
    made = plan(args.settings, len(pictures), args.device)
    say(f"base model {args.base.name}: taking its checksum")
    sums = {"set": set_sha256(pictures), "base": sha256(args.base)}
    folder = args.output / f"{args.settings.name}-{_fingerprint(args.settings, sums)[:10]}"
    folder.mkdir(parents=True, exist_ok=True)
    metrics = _Metrics(folder)
    if metrics.is_finished and is_whole(folder / f"{args.settings.name}.safetensors"):
        say(f"{folder} has this training, finished: nothing is trained again")
        return _trained(folder, args, made, metrics, sums)
    state = newest_state(folder, args.settings.name)
    if state and state.epoch >= made.epochs:
        state = None  # of a plan that was longer, on another machine
    _describe(folder, args, made, pictures)
    say(_summary(args, made, state))
    _run(folder, args, made, state, metrics, say, tell)
    return _trained(folder, args, made, metrics, sums)


def _checked(args: TrainArgs) -> list[Path]:
    """The set's pictures, when all that a training needs is there."""
    pictures = pictures_of(args.target)
    if len(pictures) < args.fewest:
        raise CaptionsRefused(
            f"{args.target / IMAGES} has {len(pictures)} pictures; a style needs at least {args.fewest} (15 to 50 are good)"
        )
    without = [one.name for one in pictures if not one.with_suffix(CAPTION).is_file()]
    if without:
        raise CaptionsRefused(f"no caption for {_some(without)}: caption the set first")
    trigger = args.settings.trigger
    missing = [one.name for one in pictures if not starts_with(one.with_suffix(CAPTION).read_text(), trigger)]
    if missing:
        raise CaptionsRefused(
            f"the trigger word {trigger!r} isn't at the start of the caption of {_some(missing)}: "
            f"write it there, with a comma after it, or caption the set with this word"
        )
    if not args.base.exists():
        raise SettingsRefused(
            f"base model {args.base} isn't there: name a .safetensors checkpoint or a diffusers folder"
        )
    if args.base.is_file() and not is_whole(args.base):
        raise SettingsRefused(f"base model {args.base} is no whole .safetensors file: fetch it anew")
    if not (args.scripts / SCRIPT).is_file():
        raise SettingsRefused(f"{args.scripts} has no {SCRIPT}: name the folder of sd-scripts")
    return pictures


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def set_sha256(pictures: list[Path]) -> str:
    """Of pictures and captions: what a style was taught."""
    digest = hashlib.sha256()
    for one in pictures:
        words = " ".join(one.with_suffix(CAPTION).read_text().split())
        digest.update(f"{sha256(one)}  {one.name}  {words}\n".encode())
    return digest.hexdigest()


def _fingerprint(settings: TrainSettings, sums: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps([asdict(settings), sums], sort_keys=True).encode()).hexdigest()


def _describe(folder: Path, args: TrainArgs, made: Plan, pictures: list[Path]) -> None:
    images = pictures[0].parent.resolve()
    (folder / DESCRIPTION).write_text(description(args.settings, made, images), encoding="utf-8")
    (folder / PROMPTS).write_text(prompts(args.settings), encoding="utf-8")


def _summary(args: TrainArgs, made: Plan, state: State | None) -> str:
    onward = (
        f"; going on after epoch {state.epoch}, step {state.epoch * made.steps_per_epoch}" if state else ""
    )
    return (
        f"{args.settings.name}: {made.images} pictures x {made.repeats} repeats, {made.batch} at a time, "
        f"{made.epochs} epochs of {made.steps_per_epoch} steps = {made.steps} steps "
        f"on {args.device.name} ({made.precision}, {made.optimizer}){onward}"
    )


def _run(
    folder: Path,
    args: TrainArgs,
    made: Plan,
    state: State | None,
    metrics: _Metrics,
    say: Callable[[str], object],
    tell: Callable[[Progress], object] | None,
) -> None:
    paths = Paths(
        python=args.python,
        images=args.target / IMAGES,
        base=args.base.resolve(),
        output=folder.resolve(),
        resume=state.folder.resolve() if state else None,
        after_epoch=state.epoch if state else 0,
    )
    watch = Watch(
        steps=made.steps,
        epochs=made.epochs,
        before=state.epoch * made.steps_per_epoch if state else 0,
        spent_s=metrics.seconds,
        dollars_per_hour=args.dollars_per_hour,
    )

    def keep() -> None:
        keep_losses(folder / LOSSES, watch.losses)
        metrics.keep(watch)
        if tell:
            tell(watch.now())

    trainer = Trainer(
        argv=command(args.settings, made, paths),
        cwd=args.scripts,
        environment=_environment(args.scripts),
        log=folder / LOG,
        watch=watch,
        keep=keep,
        every_s=TOLD_EVERY_S,
        limit_s=args.limit_s,
        is_saved=lambda: _is_saved(folder, args.settings.name, watch.epoch),
    )
    try:
        trainer.run()
    finally:
        keep()
    final = folder / f"{args.settings.name}.safetensors"
    if not is_whole(final):  # sd-scripts ends well, too, when it found no pictures
        raise TrainerFailed(
            _failed(f"the trainer ended, and {final.name} isn't there or not whole", watch, folder)
        )
    metrics.finish(watch)
    draw_curve(read_losses(folder / LOSSES), folder / CURVE)
    say(f"trained: {watch.now().line()}; the style is {final}")


def _failed(what: str, watch: Watch, folder: Path) -> str:
    return "\n".join(
        [f"{what}; its last lines ({folder / LOG} has all):", *(f"  {one}" for one in watch.last_lines)]
    )


def _is_saved(folder: Path, name: str, epoch: int) -> bool:
    state = newest_state(folder, name)
    return state is not None and state.epoch >= epoch


def _environment(scripts: Path) -> dict[str, str]:
    # Its folder is where it is called from, and accelerate's child is to find `library` there.
    path = os.pathsep.join(filter(None, [str(scripts.resolve()), os.environ.get("PYTHONPATH", "")]))
    return {
        **os.environ,
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }


class _Metrics:
    """`metrics.json` of a training: seconds and steps of all its runs, its last loss, whether it is finished."""

    def __init__(self, folder: Path) -> None:
        self._place = folder / METRICS
        self._kept: dict[str, Any] = {}
        if self._place.is_file():
            try:
                self._kept = json.loads(self._place.read_text())
            except ValueError:
                self._kept = {}

    @property
    def seconds(self) -> float:
        return float(self._kept.get("seconds", 0.0))

    @property
    def loss(self) -> float | None:
        return self._kept.get("loss")

    @property
    def is_finished(self) -> bool:
        return bool(self._kept.get("finished"))

    def keep(self, watch: Watch) -> None:
        self._save({**watch.now().fields(), "finished": False})

    def finish(self, watch: Watch) -> None:
        self._save({**watch.now().fields(), "finished": True})

    def _save(self, kept: dict[str, Any]) -> None:
        self._kept = kept
        new = self._place.with_suffix(".new")
        new.write_text(json.dumps(kept, indent=1) + "\n")
        new.replace(self._place)


def _trained(folder: Path, args: TrainArgs, made: Plan, metrics: _Metrics, sums: dict[str, str]) -> Trained:
    dollars = None if args.dollars_per_hour is None else args.dollars_per_hour * metrics.seconds / 3600
    return Trained(
        folder=folder,
        styles=styles(folder, args.settings.name),
        samples=sample_pictures(folder),
        plan=made,
        loss=metrics.loss,
        seconds=metrics.seconds,
        dollars=dollars,
        set_sha256=sums["set"],
        base_sha256=sums["base"],
    )
