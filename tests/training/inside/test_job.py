"""A training job as SageMaker runs it: from its folders into its folders, over interruptions, with a reason when it fails."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.training import stand_ins
from tests.training.ground import REPOSITORY, TRIGGER, captioned_set, settings
from tests.training.inside.models import PYTHON
from training.lora import SD_15, read_lora
from training.prepare import IMAGES
from training.report import ReportWrong, read_report
from training.sidecar import Sidecar, write

MARK = "sd-app: "


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return captioned_set(tmp_path_factory.mktemp("set"))


@pytest.fixture
def root(tmp_path: Path, prepared: Path) -> Path:
    """SageMaker's folders; the set has somebody's words for one picture."""
    data = tmp_path / "ml" / "input" / "data"
    shutil.copytree(prepared / IMAGES, data / "set" / IMAGES, ignore=shutil.ignore_patterns("*.txt"))
    (data / "set" / IMAGES / "room-0.txt").write_text(f"{TRIGGER}, my own words\n")
    shutil.copytree(REPOSITORY / "training", data / "code" / "training")
    shutil.copy(REPOSITORY / "cloud_init" / "versions.env", data / "code")
    (tmp_path / "ml" / "input" / "config").mkdir()
    ask(tmp_path / "ml", **settings().as_texts())
    return tmp_path / "ml"


def ask(root: Path, **given: str) -> None:
    (root / "input" / "config" / "hyperparameters.json").write_text(json.dumps(given))


def start(root: Path, **more: str) -> subprocess.Popen[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "PYTHON": str(PYTHON),
        "SM_ROOT": str(root),
        "TRAINING_JOB_NAME": "sd-app-dev-verde-1",
        **stand_ins.environment(PYTHON),
        **more,
    }
    argv = ["bash", str(root / "input" / "data" / "code" / "training" / "job.sh")]
    return subprocess.Popen(argv, cwd=root, env=environment, stdout=subprocess.PIPE, text=True)


def finished(process: subprocess.Popen[str]) -> tuple[int, list[dict[str, Any]], str]:
    """Status, lines of progress, and all that it said."""
    said, _ = process.communicate(timeout=240)
    told = [json.loads(line.removeprefix(MARK)) for line in said.splitlines() if line.startswith(MARK)]
    return process.returncode, told, said


def test_a_job_makes_a_style_and_all_that_is_to_be_known_of_it(root: Path) -> None:
    status, told, said = finished(start(root, SD_APP_DOLLARS_PER_HOUR="3.6"))
    assert status == 0, said
    stages = list(dict.fromkeys(line["stage"] for line in told))
    assert stages == ["prepare", "caption", "train", "evaluate", "done"]
    last = [line for line in told if line["stage"] == "train"][-1]
    assert (last["step"], last["steps"], last["epoch"], last["epochs"]) == (36, 36, 4, 4)
    assert last["dollars"] > 0

    model = root / "model"
    report = read_report(model)
    assert read_lora(model / report.file, SD_15).rank == 4
    for name in (
        report.thumbnail,
        report.evaluation,
        *report.epoch_files,
        "captions.csv",
        "loss.csv",
        "loss.png",
    ):
        assert (model / name).is_file(), name
    assert len(report.epoch_files) == 3
    assert len(list((model / "samples").iterdir())) == 12
    assert "my own words" in (model / "captions.csv").read_text(), "somebody's words are kept"
    assert not (root / "output" / "failure").exists()

    made = report.made()
    sidecar = Sidecar(
        style="Verde", version="Verde-v1", title="V", sha256=report.sha256, published_at="now", made=made
    )
    known = json.loads(write(sidecar))
    assert known["base"]["name"] == "tiny-sd15.safetensors"
    assert (known["steps"], known["epochs"], known["job"]) == (36, 4, "sd-app-dev-verde-1")
    assert known["dataset"]["pictures"] == 9


def test_an_interrupted_job_goes_on_where_it_was(root: Path) -> None:
    process = start(root, SANDBOX_TRAINER_FAULT="hang@20")
    wait_for(lambda: any((root / "checkpoints").rglob("Verde-000002-state/random_states_0.pkl")))
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    status, _, said = finished(process)
    assert status == 143, said
    assert time.monotonic() - asked < 60, "SageMaker waits for 120 s"
    assert not (root / "output" / "failure").exists(), "an interruption is no failure"
    assert not (root / "model").exists(), "nothing half-made comes back"

    status, _, said = finished(start(root))
    assert status == 0, said
    assert "going on after epoch 2, step 18" in said
    assert read_report(root / "model").steps == 36
    assert len(list((root / "checkpoints").glob("Verde-*"))) == 1, "it is the same training"


def wait_for(there: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not there():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def without_pictures(root: Path) -> dict[str, str]:
    shutil.rmtree(root / "input" / "data" / "set" / IMAGES)
    return {}


def with_few_pictures(root: Path) -> dict[str, str]:
    for one in sorted((root / "input" / "data" / "set" / IMAGES).glob("*.png"))[3:]:
        one.unlink()
    return {}


def with_an_unknown_setting(root: Path) -> dict[str, str]:
    ask(root, **settings().as_texts(), rnak="8")
    return {}


def without_base(root: Path) -> dict[str, str]:
    return {"SD_APP_BASE": ""}


def with_a_failing_trainer(root: Path) -> dict[str, str]:
    return {"SANDBOX_TRAINER_FAULT": "crash@3"}


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (without_pictures, "has no pictures"),
        (with_few_pictures, "has 3 pictures; a style needs at least 8"),
        (with_an_unknown_setting, "rnak is no setting"),
        (without_base, "base has 0 .safetensors files"),
        (with_a_failing_trainer, "emulated crash"),
    ],
)
def test_a_job_that_fails_says_why_in_one_line(
    root: Path, spoil: Callable[[Path], dict[str, str]], told: str
) -> None:
    status, _, said = finished(start(root, **spoil(root)))
    assert status == 1, said
    why = (root / "output" / "failure").read_text()
    assert told in why
    assert "\n" not in why
    assert len(why) <= 1024
    assert not (root / "model" / "report.json").exists()


def test_a_style_is_not_lost_for_want_of_its_evaluation(root: Path) -> None:
    status, _, said = finished(start(root, SD_APP_BASE_CONFIG=str(root / "none"), SANDBOX_TRAINER_FAULT=""))
    assert status == 0, said
    report = read_report(root / "model")
    assert report.evaluation == ""
    assert "can't be read" in report.evaluation_fault
    assert (root / "model" / report.thumbnail).is_file(), "a sample picture in its place"


def test_a_report_that_is_none_is_refused(tmp_path: Path) -> None:
    for text in (None, "{", "[]", '{"style": "x"}'):
        if text is not None:
            (tmp_path / "report.json").write_text(text)
        with pytest.raises(ReportWrong):
            read_report(tmp_path)
