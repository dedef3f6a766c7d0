"""`ops loras train`: what stands in a job's way is told before it costs anything; what came of it is brought and published.

The job's code is a small one of the test's: training/ itself is tried in tests/training, and both together in tests/e2e.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import contract
from ops import cli_training, train, training_follow, training_job
from ops.errors import OpsError
from tests.unit.lora_files import write_lora
from tests.unit.training_ground import BUCKET, IMAGE, ROLE, Ground
from tests.unit.training_ground import ground as new_ground

BASE = train.DEFAULT_BASE
SHORT = 0.05
JOB = """
import json, os, shutil, sys, time
from pathlib import Path

root = Path(os.environ["SM_ROOT"])
asked = json.loads((root / "input/config/hyperparameters.json").read_text())
mark = root / "checkpoints/step.txt"
step, steps = int(mark.read_text()) if mark.exists() else 0, int(asked["steps"])
print(f"{len(list((root / 'input/data/set/images').glob('*.png')))} pictures, step {step}", flush=True)
while step < steps:
    step += 1
    mark.write_text(str(step))
    time.sleep(0.02)
    print("sd-app: " + json.dumps({"stage": "train", "step": step, "steps": steps, "loss": 0.5, "etaSeconds": 60}), flush=True)
if asked["rank"] == "13":
    (root / "output/failure").write_text("the GPU is on fire")
    sys.exit("traceback of a fire")
shutil.copy(root / "input/data/code/training/lora.json", root / "model/Verde.safetensors")
told = dict(style=asked["name"], trigger=asked["trigger"], file="Verde.safetensors", sha256="", base_name="b", base_sha256="",
            set_sha256="", pictures=9, settings=asked, steps=steps, epochs=2, loss=0.25, seconds=61, dollars=None,
            recommended_strength=0.7, why_strength="it is the test's")
(root / "model/report.json").write_text(json.dumps(told))
"""


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Ground]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.chdir(tmp_path)
    made = new_ground(tmp_path / "jobs")
    outputs(made, {"bucketName": BUCKET, "training": parts()})
    made.put(f"models/checkpoints/{BASE}", b"base")
    package = tmp_path / "checkout" / "training"
    package.mkdir(parents=True)
    (package / "job.py").write_text(JOB)
    (package / "job.sh").write_text('exec python3 "$SM_ROOT/input/data/code/training/job.py"')
    write_lora(package, "lora.json")
    (tmp_path / "checkout" / "cloud_init").mkdir()
    (tmp_path / "checkout" / "cloud_init" / "versions.env").write_text("")
    monkeypatch.setattr(training_job, "ROOT", tmp_path / "checkout")
    yield made
    made.jobs.close()


def parts(**changed: Any) -> dict[str, Any]:
    return {
        "roleArn": f"arn:aws:iam::123456789012:role/{ROLE}",
        "imageUri": IMAGE,
        "instanceType": "ml.g5.xlarge",
        "spot": True,
        "subnetIds": ["subnet-1"],
        "securityGroupIds": ["sg-1"],
        "volumeGib": 50,
        "maxMinutes": 60,
        "maxDollars": 1.0,
        "dollarsPerHour": 1.5,
        **changed,
    }


def outputs(ground: Ground, told: dict[str, Any]) -> None:
    name = contract.outputs_parameter("dev")
    ground.client("ssm").put_parameter(Name=name, Value=json.dumps(told), Type="String", Overwrite=True)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Ten pictures that differ and are sharp."""
    folder = tmp_path / "rooms"
    folder.mkdir()
    for at in range(10):
        blocks = Image.frombytes("RGB", (12, 12), random.Random(at).randbytes(432))
        blocks.resize((520, 520), Image.Resampling.NEAREST).save(folder / f"{at}.png")
    return folder


def run(ground: Ground, *words: str, json: bool = False) -> int:
    parser = argparse.ArgumentParser()
    cli_training.add_actions(parser.add_subparsers(dest="action"), argparse.ArgumentParser(add_help=False))
    return cli_training.run(parser.parse_args(words), ground.stack, json)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_follow, "POLL_S", SHORT)
    plain = train.TrainArgs

    def soon(**told: Any) -> train.TrainArgs:
        return plain(**told, poll_s=SHORT)

    monkeypatch.setattr(train, "TrainArgs", soon)


def trained(ground: Ground, images: Path, *more: str, json: bool = False) -> int:
    named = ("train", "Verde", "--trigger", "studioverde", "--steps", "20", "--images", str(images))
    return run(ground, *named, *more, json=json)


def jobs(ground: Ground) -> list[str]:
    return [
        one["Key"]
        for one in ground.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="datasets/").get("Contents", [])
    ]


def test_a_folder_of_pictures_becomes_a_published_style(
    ground: Ground, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert trained(ground, images, "--yes", "--title", "Verde, the green one") == 0
    said = capsys.readouterr()
    assert "ml.g5.xlarge, on spot, at most 40 minutes and $1.00" in said.err
    assert "Verde: 9 pictures, 20 steps in 2 epochs, loss 0.2500" in said.out
    assert "published: Verde-v1 (" in said.out
    body = ground.client("s3").get_object(Bucket=BUCKET, Key="loras/Verde-v1.json")["Body"].read()
    sidecar = json.loads(body)
    assert (sidecar["title"], sidecar["triggerWord"], sidecar["recommendedStrength"]) == (
        "Verde, the green one",
        "studioverde",
        0.7,
    )
    assert sidecar["settings"]["steps"] == "20" and sidecar["steps"] == 20
    assert list(Path("trained").glob("sd-app-dev-verde-*/Verde.safetensors"))


def test_nothing_is_published_unasked(
    ground: Ground, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert trained(ground, images) == 0
    assert (
        "Not published. To do it: python -m ops --stack dev loras publish trained/sd-app-dev-verde"
        in capsys.readouterr().out
    )
    assert not ground.keys("loras/")


@pytest.mark.parametrize(("answer", "published"), [("y", True), ("", False), ("no", False)])
def test_who_sits_at_the_terminal_is_asked(
    ground: Ground, images: Path, monkeypatch: pytest.MonkeyPatch, answer: str, published: bool
) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)

    def say(question: str) -> str:
        return answer

    monkeypatch.setattr("builtins.input", say)
    assert trained(ground, images) == 0
    assert ("Verde-v1.safetensors" in ground.keys("loras/")) is published


def test_a_program_gets_json(ground: Ground, images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trained(ground, images, "--yes", json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["published"]["version"] == "Verde-v1" and told["loss"] == 0.25
    assert told["job"].startswith("sd-app-dev-verde-")


def no_role(ground: Ground) -> None:
    ground.client("iam").delete_role(RoleName=ROLE)


def no_image(ground: Ground) -> None:
    gone = IMAGE.replace("pytorch-training", "gone")
    outputs(ground, {"bucketName": BUCKET, "training": parts(imageUri=gone)})


def no_base(ground: Ground) -> None:
    ground.client("s3").delete_object(Bucket=BUCKET, Key=f"models/checkpoints/{BASE}")


def no_quota(ground: Ground) -> None:
    ground.say({"quotas": {"ml.g5.xlarge for spot training job usage": 0}})


def taken(ground: Ground) -> None:
    ground.put("loras/Verde.safetensors", b"plain")


def off(ground: Ground) -> None:
    outputs(ground, {"bucketName": BUCKET, "training": None, "leftOut": {"training": "switched off"}})


@pytest.mark.parametrize(
    ("stands", "told"),
    [
        (no_role, "role sd-app-dev-training is gone"),
        (no_image, "gone:2.6.0.* is not there .any more.*sd-app:training.imageUri"),
        (
            no_base,
            f"base model s3://{BUCKET}/models/checkpoints/{BASE} is not there: `python -m ops models push",
        ),
        (
            no_quota,
            '"ml.g5.xlarge for spot training job usage" is 0: ask for 1 at https://.*/sagemaker/quotas/L-',
        ),
        (taken, "the name Verde is taken by s3://.*/loras/Verde.safetensors"),
        (off, "stack dev trains nothing: switched off"),
    ],
)
def test_what_stands_in_its_way_is_told_before_anything_goes_up(
    ground: Ground, images: Path, stands: Callable[[Ground], object], told: str
) -> None:
    stands(ground)
    with pytest.raises(OpsError, match=f"(?s){told}"):
        trained(ground, images)
    assert not jobs(ground)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--set", "rank"], "--set rank: write NAME=VALUE"),
        (["--set", "rnk=3"], "rnk is no setting; there are name, trigger, steps"),
        (["--set", "rank=500"], "rank 500: a whole number from 1 to 128"),
        (["--steps", "many"], "steps 'many': no whole number"),
        (["--max-dollars", "2"], "--max-dollars 2: allowed: above 0, up to the stack's own 1 US dollars"),
        (["--max-minutes", "0"], "--max-minutes 0: allowed: above 0, up to the stack's own 60 minutes"),
    ],
)
def test_a_wrong_option_is_named(ground: Ground, images: Path, words: list[str], told: str) -> None:
    with pytest.raises(OpsError, match=told):
        trained(ground, images, *words)
    assert not jobs(ground)


def test_too_few_pictures_cost_nothing(ground: Ground, images: Path) -> None:
    for one in sorted(images.iterdir())[3:]:
        one.unlink()
    (images / "notes.txt").write_text("no picture")
    with pytest.raises(OpsError, match=r"(?s)no job was started: 3 usable pictures.*notes.txt: "):
        trained(ground, images)
    assert not jobs(ground)


def test_without_the_right_to_look_it_says_so_and_goes_on(
    ground: Ground, images: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(asked: object) -> tuple[str, str]:
        return "AccessDeniedException", "servicequotas:ListServiceQuotas"

    monkeypatch.setattr(ground.jobs, "_quotas", denied)
    assert trained(ground, images, "--no") == 0
    assert "not looked at, for want of the right to" in capsys.readouterr().err


def test_a_failed_job_tells_why_with_the_end_of_its_log(ground: Ground, images: Path) -> None:
    with pytest.raises(
        OpsError, match=r"(?s)failed; nothing was published: AlgorithmError: the GPU is on fire.*a fire"
    ) as failed:
        trained(ground, images, "--set", "rank=13", "--yes")
    assert failed.value.status == 1
    assert not ground.keys("loras/")


def test_out_of_time_its_checkpoints_are_kept_and_it_is_resumed(
    ground: Ground, images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        OpsError, match=r"(?s)ran out of its time.*--resume (sd-app-dev-verde-\d+-\d+)"
    ) as ended:
        trained(ground, images, "--steps", "300", "--max-minutes", "0.02", "--yes")
    job = str(ended.value).partition("--resume ")[2].split()[0]
    time.sleep(1.1)  # names are unique to the second
    assert run(ground, "train", "--resume", job, "--yes") == 0
    assert f"checkpoints of {job}" in capsys.readouterr().err
    assert "Verde-v1.safetensors" in ground.keys("loras/")


def test_resumed_it_takes_nothing_of_its_own(ground: Ground, images: Path) -> None:
    trained(ground, images, "--no")
    (job,) = [name.name for name in Path("trained").iterdir()]
    with pytest.raises(OpsError, match="leave them off"):
        run(ground, "train", "--resume", job, "--steps", "5")
    with pytest.raises(OpsError, match="no job of stack dev"):
        run(ground, "train", "--resume", "sd-app-prod-verde-1")
    with pytest.raises(OpsError, match="SageMaker knows no job"):
        run(ground, "follow", "sd-app-dev-nobody")


def test_an_interrupted_terminal_leaves_the_job_running(
    ground: Ground, images: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(training_follow, "_pause", interrupt)
        with pytest.raises(KeyboardInterrupt):
            trained(ground, images, "--steps", "200")
    said = capsys.readouterr().err
    job = said.partition("loras follow ")[2].split()[0]
    assert ground.describe(job)["TrainingJobStatus"] == "InProgress"
    again = threading.Thread(target=run, args=(ground, "follow", job, "--yes"))
    again.start()
    again.join(60)
    assert "Verde-v1.safetensors" in ground.keys("loras/")


def test_it_is_stopped_by_a_command(ground: Ground, images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ground.start(steps="1000")
    ground.wait(until="Training")
    assert run(ground, "stop", "sd-app-dev-a") == 0
    assert "loras train --resume sd-app-dev-a" in capsys.readouterr().out
    assert ground.wait()["TrainingJobStatus"] == "Stopped"
    with pytest.raises(OpsError, match="sd-app-dev-a runs no more: stopped"):
        run(ground, "stop", "sd-app-dev-a")


def test_both_ceilings_hold() -> None:
    made = training_job.allowed_seconds
    stack = train.JobParts(
        role_arn="",
        image_uri="",
        instance_type="",
        spot=True,
        subnet_ids=[],
        security_group_ids=[],
        volume_gib=1,
        max_minutes=120,
        max_dollars=1.0,
        dollars_per_hour=2.0,
    )
    assert made(stack, None, None) == 1800
    assert made(stack, 10, None) == 600
    assert made(stack, None, 0.5) == 900


def test_job_names_fit_sagemaker_and_the_roles_log() -> None:
    name = training_job.job_name("prod", "A_very-Long_Name" * 6)
    assert len(name) <= 63 and name.startswith("sd-app-prod-a-very-long-name")
    assert shutil.which("python3"), "the tests' jobs run on it"
