"""The emulated training jobs: SageMaker's states, folders and signals, around a process that really runs."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Generator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.unit.training_ground import BUCKET, Ground
from tests.unit.training_ground import ground as new_ground

PLACE = "datasets/a/sd-app-dev-a/"


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Ground]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    made = new_ground(tmp_path / "jobs")
    yield made
    made.jobs.close()


def test_a_job_runs_the_package_that_came_with_it(ground: Ground) -> None:
    ground.start(steps="3")
    job = ground.wait()
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed")
    assert ground.log()[0] == "begins at step 0 with 2 pictures"
    assert [one["Status"] for one in job["SecondaryStatusTransitions"]] == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    bucket, _, key = job["ModelArtifacts"]["S3ModelArtifacts"].removeprefix("s3://").partition("/")
    assert (bucket, key) == (BUCKET, f"{PLACE}results/sd-app-dev-a/output/model.tar.gz")
    archive = ground.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert tar.getnames() == ["report.json"]
    assert ground.keys(f"{PLACE}checkpoints/") == {"step.txt"}


def test_a_failure_has_the_packages_own_words(ground: Ground) -> None:
    ground.start(steps="5", fails_at="2")
    job = ground.wait()
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"] == "AlgorithmError: the GPU is on fire, exit code: 1"
    assert not ground.keys(f"{PLACE}results/")


def test_a_channel_without_objects_fails_it(ground: Ground) -> None:
    ground.start("sd-app-dev-b")
    ground.wait("sd-app-dev-b")
    for key in ground.keys("datasets/a/sd-app-dev-b/set/"):
        ground.client("s3").delete_object(Bucket=BUCKET, Key=f"datasets/a/sd-app-dev-b/set/{key}")
    asked = ground.describe("sd-app-dev-b")
    wanted = (
        "AlgorithmSpecification",
        "RoleArn",
        "InputDataConfig",
        "OutputDataConfig",
        "ResourceConfig",
        "StoppingCondition",
    )
    ground.client("sagemaker").create_training_job(
        TrainingJobName="sd-app-dev-c", **{key: asked[key] for key in wanted}
    )
    assert "No S3 objects found under S3 URL" in ground.wait("sd-app-dev-c")["FailureReason"]


def test_its_time_ends_it_and_its_checkpoints_stay(ground: Ground) -> None:
    ground.start(steps="1000", seconds=1)
    job = ground.wait()
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert job["BillableTimeInSeconds"] >= 1
    assert "told to end" in ground.log()
    assert ground.keys(f"{PLACE}checkpoints/") == {"step.txt"}


def test_it_is_stopped_on_demand(ground: Ground) -> None:
    ground.start(steps="1000")
    ground.wait(until="Training")
    ground.client("sagemaker").stop_training_job(TrainingJobName="sd-app-dev-a")
    job = ground.wait()
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    with pytest.raises(ClientError, match="in status Stopped"):
        ground.client("sagemaker").stop_training_job(TrainingJobName="sd-app-dev-a")


def test_a_spot_machine_is_taken_away_and_it_goes_on_from_its_checkpoints(ground: Ground) -> None:
    ground.start(steps="40", spot=True, pace="0.05")
    ground.wait(until="Training")
    while not ground.keys(f"{PLACE}checkpoints/"):
        assert ground.describe()["TrainingJobStatus"] == "InProgress"
    assert ground.say({"interrupt": "sd-app-dev-a"}) == 200
    job = ground.wait()
    assert job["TrainingJobStatus"] == "Completed"
    states = [one["Status"] for one in job["SecondaryStatusTransitions"]]
    assert states == [
        "Starting",
        "Downloading",
        "Training",
        "Interrupted",
        "Starting",
        "Training",
        "Uploading",
        "Completed",
    ]
    begun = [line for line in ground.log() if line.startswith("begins at")]
    assert len(begun) == 2 and begun[1] != begun[0]


def test_only_spot_is_taken_away(ground: Ground) -> None:
    ground.start(steps="1000")
    assert ground.say({"interrupt": "sd-app-dev-a"}) == 404
    assert ground.say({"interrupt": "nobody"}) == 404


def test_what_aws_refuses_is_refused(ground: Ground) -> None:
    ground.start()
    with pytest.raises(ClientError, match="Job name must be unique"):
        ground.start()
    with pytest.raises(ClientError, match="not found"):
        ground.describe("nobody")


def test_image_and_quotas_are_told(ground: Ground) -> None:
    ecr, quotas = ground.client("ecr"), ground.client("service-quotas")
    one = {"registryId": "763104351884", "imageIds": [{"imageTag": "2.6.0"}]}
    assert ecr.batch_get_image(repositoryName="pytorch-training", **one)["images"]
    with pytest.raises(ClientError, match="does not exist"):
        ecr.batch_get_image(repositoryName="nobody", **one)
    name = "ml.g5.xlarge for spot training job usage"
    ground.say({"quotas": {name: 0}})
    found = {
        one["QuotaName"]: one["Value"]
        for one in quotas.list_service_quotas(ServiceCode="sagemaker")["Quotas"]
    }
    assert (found[name], found["ml.g5.xlarge for training job usage"]) == (0, 1)
