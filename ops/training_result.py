"""What a training job made: brought here, shown, published."""

from __future__ import annotations

import shlex
import tarfile
import tempfile
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from ops import loras
from ops.errors import BAD, OpsError
from ops.show import console, counted, progress, span
from ops.stack import Stack
from training.faults import TrainingFault
from training.publish import PublishArgs, Published
from training.report import Report, read_report


@dataclass(frozen=True, kw_only=True)
class Result:
    """A job's report, and the folder that it and its files lie in."""

    folder: Path
    report: Report

    @property
    def style(self) -> str:
        return self.report.style

    @property
    def told(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self.report)

    def file(self, name: str) -> Path | None:
        """A file of the report by its name there; None where it has none."""
        return self.folder / name if name else None


def bring(stack: Stack, job: dict[str, Any], folder: Path) -> Result:
    """The job's archive from S3 into the folder. Raises OpsError; what was in the folder stays when it breaks off."""
    bucket, _, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    client = stack.client("s3")
    with tempfile.NamedTemporaryFile(suffix=".tar.gz") as archive, progress() as bars:
        size = client.head_object(Bucket=bucket, Key=key)["ContentLength"]
        bar = bars.add_task("fetching the result", total=size)
        client.download_file(
            bucket,
            key,
            archive.name,
            Callback=lambda count: bars.advance(bar, count),  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]  # boto3 has no types
        )
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with tarfile.open(archive.name) as tar:
                tar.extractall(folder, filter="data")  # the filter lets nothing out of the folder
            return Result(folder=folder, report=read_report(folder))
        except (tarfile.TarError, TrainingFault, OSError) as error:
            raise OpsError(f"s3://{bucket}/{key} is no result of a training job: {error}", BAD) from error


def show(result: Result, dollars: float) -> None:
    """What was made, what it cost, and where to look."""
    told, out = result.report, console()
    loss = f", loss {told.loss:.4f}" if told.loss is not None else ""
    out.print(
        f"{told.style}: {counted(told.pictures, 'picture')}, {counted(told.steps, 'step')} in {counted(told.epochs, 'epoch')}"
        f"{loss}, {span(timedelta(seconds=told.seconds))} of training, ${dollars:.2f} at the full price",
        soft_wrap=True,
    )
    for what, name in (("style", told.file), ("compare", told.evaluation), ("loss", "loss.png")):
        place = result.file(name)
        if place and place.is_file():
            out.print(f"  {what:9}{place}", soft_wrap=True)
    if told.evaluation_fault:
        out.print(f"  no comparison: {told.evaluation_fault}", soft_wrap=True)
    out.print(f"  strength {told.recommended_strength:g}: {told.why_strength}", soft_wrap=True)


def publish(stack: Stack, result: Result, *, title: str, promote: bool) -> Published:
    """As the next version of its style; what came of it. Raises OpsError."""
    report = result.report
    args = PublishArgs(
        file=result.folder / report.file,
        style=report.style,
        title=title,
        trigger_word=report.trigger,
        recommended_strength=report.recommended_strength,
        thumbnail=result.file(report.thumbnail),
        promote=promote,
        made=report.made(),
    )
    return loras.put_out(stack, args)


def command(stack: Stack, result: Result) -> str:
    """What publishes it later."""
    report = result.report
    words = [
        "python",
        "-m",
        "ops",
        "--stack",
        stack.name,
        "loras",
        "publish",
        str(result.folder / report.file),
    ]
    words += ["--style", report.style, "--trigger", report.trigger]
    if report.thumbnail:
        words += ["--thumbnail", str(result.folder / report.thumbnail)]
    return shlex.join(words)
