"""What a training job tells of the style that it made: `report.json` beside it, all that a sidecar is written from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from training.faults import TrainingFault
from training.sidecar import BaseModel, DataSet, Made

REPORT = "report.json"


class ReportWrong(TrainingFault):
    """The file isn't there, or is none of ours."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """file, thumbnail, evaluation, epoch_files: names in the report's folder (empty: there is none). seconds, dollars: of
    all runs together. why_strength: why it is recommended. evaluation_fault: why there is no evaluation."""

    style: str
    trigger: str
    file: str
    sha256: str
    base_name: str
    base_sha256: str
    set_sha256: str
    pictures: int
    settings: Mapping[str, Any]
    steps: int
    epochs: int
    loss: float | None
    seconds: float
    dollars: float | None
    job: str = ""
    device: str = ""
    recommended_strength: float
    why_strength: str
    thumbnail: str = ""
    evaluation: str = ""
    evaluation_fault: str = ""
    epoch_files: list[str] = field(default_factory=list[str])

    def made(self) -> Made:
        """For the sidecar."""
        return Made(
            base=BaseModel(name=self.base_name, sha256=self.base_sha256),
            dataset=DataSet(name=self.style, sha256=self.set_sha256, pictures=self.pictures),
            settings=dict(self.settings),
            steps=self.steps,
            epochs=self.epochs,
            loss=self.loss,
            job=self.job,
        )


def write_report(folder: Path, report: Report) -> Path:
    place = folder / REPORT
    place.write_text(json.dumps(asdict(report), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return place


def read_report(folder: Path) -> Report:
    """Raises ReportWrong. What a newer package wrote besides is passed over."""
    place = folder / REPORT
    try:
        found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        known = {name: one for name, one in found.items() if name in Report.__dataclass_fields__}
        return Report(**known)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ReportWrong(f"{place} is no report of a training job: {error}") from error
