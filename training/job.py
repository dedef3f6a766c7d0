"""A training job as SageMaker runs it (docs/decisions/0018): captions, training, evaluation, from its folders into its folders.

    SM_ROOT/input/config/hyperparameters.json   training/settings.py's, all texts
    SM_ROOT/input/data/set/images/*.png         the squares, with captions (*.txt) where there are any already
    SM_ROOT/input/data/base/                    one checkpoint
    SM_ROOT/checkpoints/                        the captions' record and the training's folder; stays over interruptions
    SM_ROOT/model/                              what comes back: NAME.safetensors, epochs/, report.json, evaluation.jpg,
                                                evaluation.json, thumbnail.jpg, captions.csv, loss.csv, loss.png, samples/
    SM_ROOT/output/failure                      one line, when it failed

Progress is a line `sd-app: {…}` on stdout: stage (prepare, caption, train, evaluate, done), step, steps, epoch, epochs,
loss, seconds, etaSeconds, dollars, each as far as it is known.

What a machine without GPU and network has in the place of others (sandbox/training/stand_ins.py) comes by the environment:
SD_SCRIPTS_DIR, SD_APP_BASE, SD_APP_BASE_CONFIG, SD_APP_BLIP, SD_APP_EVALUATION (side:steps); SD_APP_DOLLARS_PER_HOUR may.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType

from training.captions import BLIP, RECORD, TABLE, CaptionArgs, caption
from training.device import Device, look
from training.evaluate import (
    GRID,
    THUMBNAIL,
    USUAL_STRENGTH,
    WHY_USUAL,
    EvaluateArgs,
    Evaluated,
    evaluate,
)
from training.faults import CaptionsRefused, EvaluationRefused, Interrupted, SettingsRefused, TrainingFault
from training.pictures import square
from training.prepare import IMAGES
from training.progress import CURVE, LOSSES, Progress
from training.report import Report, write_report
from training.settings import TrainSettings, from_texts
from training.states import sha256
from training.train import LOG, METRICS, TrainArgs, Trained, train

MARK = "sd-app: "
EPOCHS_KEPT = 4
"""Earlier epochs that come back with the finished style; all of them stay among the checkpoints."""
SCRIPTS = Path("/opt/sd-scripts")
INTERRUPTED_STATUS = 128 + signal.SIGTERM
THUMBNAIL_SIDE = 512
_OWN = "SM_"
"""Hyperparameters that SageMaker itself may add begin so, or with sagemaker_."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """Where everything is. environment: as above."""

    root: Path
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    device: Device = field(default_factory=look)

    def data(self, channel: str) -> Path:
        return self.root / "input" / "data" / channel

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints"

    @property
    def model(self) -> Path:
        return self.root / "model"

    @property
    def work(self) -> Path:
        """The set with its captions; made anew by each run."""
        return self.root / "work"


def run(job: Job) -> Report:
    """The whole job. Raises TrainingFault."""
    settings = read_settings(job.root / "input" / "config" / "hyperparameters.json")
    tell(stage="prepare")
    _bring_set(job)
    base = _base(job)
    tell(stage="caption")
    caption(
        CaptionArgs(
            target=job.work, trigger=settings.trigger, model=job.environment.get("SD_APP_BLIP") or BLIP
        ),
        say,
    )
    shutil.copy2(job.work / RECORD, job.checkpoints / RECORD)
    trained = train(_train_args(job, base, settings), say, tell=tell_progress)
    job.model.mkdir(parents=True, exist_ok=True)
    kept = _keep(job, trained)
    seen, fault = _evaluated(job, base, settings, trained)
    report = _report(job, settings, base, trained, kept, seen, fault)
    write_report(job.model, report)
    tell(stage="done", step=report.steps, steps=report.steps, loss=report.loss)
    return report


def read_settings(place: Path) -> TrainSettings:
    """Raises SettingsRefused."""
    try:
        found: dict[str, object] = json.loads(place.read_text())
    except (OSError, ValueError) as error:
        raise SettingsRefused(f"no hyperparameters: {error}") from error
    return from_texts(
        {name: str(one) for name, one in found.items() if not name.startswith((_OWN, "sagemaker_"))}
    )


def _bring_set(job: Job) -> None:
    """The set into a folder that may be written to, with the captions' record of an earlier run."""
    given = job.data("set")
    images = given / IMAGES if (given / IMAGES).is_dir() else given
    if not images.is_dir() or not any(images.glob("*.png")):
        raise CaptionsRefused(f"the job's data set has no pictures: {images}")
    shutil.rmtree(job.work, ignore_errors=True)
    shutil.copytree(images, job.work / IMAGES)
    job.checkpoints.mkdir(parents=True, exist_ok=True)
    for record in (given / RECORD, job.checkpoints / RECORD):
        if record.is_file():
            shutil.copy2(record, job.work / RECORD)


def _base(job: Job) -> Path:
    named = job.environment.get("SD_APP_BASE")
    if named:
        return Path(named)
    folder = job.data("base")
    if (folder / "model_index.json").is_file():
        return folder
    found = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    if len(found) != 1:
        raise SettingsRefused(f"the job's base has {len(found)} .safetensors files; it needs one: {folder}")
    return found[0]


def _train_args(job: Job, base: Path, settings: TrainSettings) -> TrainArgs:
    rate = job.environment.get("SD_APP_DOLLARS_PER_HOUR")
    return TrainArgs(
        target=job.work,
        base=base,
        output=job.checkpoints,
        scripts=Path(job.environment.get("SD_SCRIPTS_DIR") or SCRIPTS),
        settings=settings,
        dollars_per_hour=float(rate) if rate else None,
        device=job.device,
    )


def _keep(job: Job, trained: Trained) -> list[str]:
    """Styles, curve, captions and samples into the job's result; the names of the earlier epochs."""
    *earlier, last = trained.styles
    shutil.copy2(last, job.model / last.name)
    (job.model / "epochs").mkdir(exist_ok=True)
    for one in earlier[-EPOCHS_KEPT:]:
        shutil.copy2(one, job.model / "epochs" / one.name)
    for name in (LOSSES, CURVE, METRICS, LOG):
        if (trained.folder / name).is_file():
            shutil.copy2(trained.folder / name, job.model / name)
    for name in (TABLE, RECORD):
        shutil.copy2(job.work / name, job.model / name)
    (job.model / "samples").mkdir(exist_ok=True)
    for one in trained.samples:
        shutil.copy2(one, job.model / "samples" / one.name)
    return [f"epochs/{one.name}" for one in earlier[-EPOCHS_KEPT:]]


def _evaluated(
    job: Job, base: Path, settings: TrainSettings, trained: Trained
) -> tuple[Evaluated | None, str]:
    """What was seen, or why nothing was: a style that was paid for is not lost for want of a picture of it."""
    side, _, steps = job.environment.get("SD_APP_EVALUATION", "512:24").partition(":")
    args = EvaluateArgs(
        base=base,
        styles=trained.styles,
        trigger=settings.trigger,
        output=job.model,
        texts=settings.samples,
        negative=settings.negative,
        config=job.environment.get("SD_APP_BASE_CONFIG") or None,
        side=int(side),
        steps=int(steps),
    )
    tell(stage="evaluate", step=0)
    try:
        return evaluate(args, say, tell=lambda done, of: tell(stage="evaluate", step=done, steps=of)), ""
    except EvaluationRefused as refused:
        fault = str(refused)
    except RuntimeError as error:  # torch's, of a GPU that has not enough memory
        fault = f"{type(error).__name__}: {error}"
    say(f"no evaluation: {fault}")
    return None, fault


def _report(
    job: Job,
    settings: TrainSettings,
    base: Path,
    trained: Trained,
    epoch_files: list[str],
    seen: Evaluated | None,
    fault: str,
) -> Report:
    file = trained.styles[-1]
    return Report(
        style=settings.name,
        trigger=settings.trigger,
        file=file.name,
        sha256=sha256(file),
        base_name=base.name,
        base_sha256=trained.base_sha256,
        set_sha256=trained.set_sha256,
        pictures=trained.plan.images,
        settings={**asdict(settings), "plan": asdict(trained.plan)},
        steps=trained.plan.steps,
        epochs=trained.plan.epochs,
        loss=trained.loss,
        seconds=round(trained.seconds, 1),
        dollars=None if trained.dollars is None else round(trained.dollars, 4),
        job=job.environment.get("TRAINING_JOB_NAME", ""),
        device=job.device.name,
        recommended_strength=seen.recommended if seen else USUAL_STRENGTH,
        why_strength=seen.why if seen else WHY_USUAL,
        thumbnail=THUMBNAIL if seen else _sample_as_thumbnail(job, trained),
        evaluation=GRID if seen else "",
        evaluation_fault=fault,
        epoch_files=epoch_files,
    )


def _sample_as_thumbnail(job: Job, trained: Trained) -> str:
    """The last sample picture, where there is no evaluation."""
    if not trained.samples:
        return ""
    from PIL import Image

    with Image.open(trained.samples[-1]) as picture:
        square(picture.convert("RGB"), THUMBNAIL_SIDE).image.save(job.model / THUMBNAIL, "JPEG", quality=88)
    return THUMBNAIL


def say(text: str) -> None:
    print(text, flush=True)


def tell(**known: object) -> None:
    """A line of progress for `ops`."""
    print(MARK + json.dumps({name: one for name, one in known.items() if one is not None}), flush=True)


def tell_progress(progress: Progress) -> None:
    tell(**progress.fields())


def main() -> int:
    """The exit status: 0, 1 with a reason in output/failure, 143 when it was told to end."""
    root = Path(os.environ.get("SM_ROOT", "/opt/ml"))

    def end(number: int, frame: FrameType | None) -> None:
        raise Interrupted("told to end; what was saved stays")

    signal.signal(signal.SIGTERM, end)
    try:
        run(Job(root=root))
    except Interrupted as why:
        say(str(why))
        return INTERRUPTED_STATUS
    except TrainingFault as why:
        return _failed(root, str(why))
    except Exception as error:
        traceback.print_exc()
        return _failed(root, f"unexpected {type(error).__name__}: {error}")
    return 0


def _failed(root: Path, why: str) -> int:
    """One line for FailureReason, which SageMaker cuts at 1024 letters; all of it in the log."""
    say(why)
    output = root / "output"
    output.mkdir(parents=True, exist_ok=True)
    (output / "failure").write_text(
        " | ".join(line.strip() for line in why.splitlines() if line.strip())[:1024]
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
