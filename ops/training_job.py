"""A training job on SageMaker: what it is given, started, and started again from where another one ended."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

import contract
from ops.errors import BAD, OpsError, explain
from ops.show import progress
from ops.stack import ROOT, Stack
from ops.training_checks import CHECKPOINTS, JobParts

ENTRY = "/opt/ml/input/data/code/training/job.sh"
CHECKPOINT_FOLDER = "/opt/ml/checkpoints"
NAME_MAX = 63
"""Characters of a job's name (API reference of SageMaker, CreateTrainingJob)."""
SPOT_PATIENCE = 2
"""A spot job may wait for capacity as long as it may run; then it ends."""
CODE = ("*.py", "*.sh", "*.json", "requirements*.txt", "requirements.lock")
"""Files of training/ that a job needs."""


@dataclass(frozen=True, kw_only=True)
class JobPlan:
    """What a job is to do. `settings`: the job's hyperparameters (training/job.py). `seconds`: it may run so long."""

    style: str
    base: str
    settings: Mapping[str, str]
    spot: bool
    seconds: int


def allowed_seconds(parts: JobParts, minutes: float | None, dollars: float | None) -> int:
    """Run time within both limits; OpsError when the stack's are passed, or nothing is left."""
    for given, most, name, unit in (
        (minutes, parts.max_minutes, "minutes", "minutes"),
        (dollars, parts.max_dollars, "dollars", "US dollars"),
    ):
        if given is not None and not 0 < given <= most:
            raise OpsError(
                f"--max-{name} {given:g}: allowed: above 0, up to the stack's own {most:g} {unit}"
                f" (sd-app:training.max{name.capitalize()})"
            )
    by_time = (minutes or parts.max_minutes) * 60
    by_money = (dollars or parts.max_dollars) / parts.dollars_per_hour * 3600
    return max(1, int(min(by_time, by_money)))


def job_name(stack: str, style: str, now: datetime | None = None) -> str:
    """`sd-app-dev-indochine-20261128-101500`; unique to the second, and the role may write its log."""
    ending = (now or datetime.now(UTC)).strftime("-%Y%m%d-%H%M%S")
    plain = re.sub(r"[^a-z0-9]+", "-", style.lower()).strip("-") or "style"
    room = NAME_MAX - len(contract.training_job_prefix(stack)) - len(ending)
    return f"{contract.training_job_prefix(stack)}{plain[:room].strip('-')}{ending}"


def place_of(style: str, job: str) -> str:
    """Prefix of all that belongs to a job, in the bucket."""
    return f"{contract.DATASETS_PREFIX}{style}/{job}/"


def send(stack: Stack, bucket: str, place: str, data_set: Path) -> None:
    """The set and the package into the bucket. What went up stays when it breaks off: no job reads half a set."""
    files = [(path, f"{place}set/{path.relative_to(data_set)}") for path in _files(data_set)]
    package = ROOT / "training"
    files += [
        (path, f"{place}code/training/{path.name}")
        for pattern in CODE
        for path in sorted(package.glob(pattern))
    ]
    files.append((ROOT / "cloud_init" / "versions.env", f"{place}code/versions.env"))
    client = stack.client("s3")
    with progress() as bars:
        bar = bars.add_task("uploading", total=sum(path.stat().st_size for path, _ in files))
        for path, key in files:
            bars.update(bar, description=f"uploading {path.name}")
            client.upload_file(str(path), bucket, key)
            bars.advance(bar, path.stat().st_size)


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]


def start(stack: Stack, parts: JobParts, plan: JobPlan, name: str, place: str) -> None:
    """Start it. `place` may be an earlier job's: then it goes on from that one's checkpoints. Raises OpsError."""
    bucket = stack.output("bucketName")
    at = f"s3://{bucket}/{place}"
    stopping = {"MaxRuntimeInSeconds": plan.seconds}
    if plan.spot:
        stopping["MaxWaitTimeInSeconds"] = plan.seconds * SPOT_PATIENCE
    try:
        stack.client("sagemaker").create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={
                "TrainingImage": parts.image_uri,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["bash", ENTRY],
            },
            RoleArn=parts.role_arn,
            HyperParameters=dict(plan.settings),
            InputDataConfig=[
                _channel("set", f"{at}set/"),
                _channel("code", f"{at}code/"),
                _channel("base", f"s3://{bucket}/{CHECKPOINTS}{plan.base}"),
            ],
            OutputDataConfig={"S3OutputPath": f"{at}results"},
            CheckpointConfig={"S3Uri": f"{at}checkpoints/", "LocalPath": CHECKPOINT_FOLDER},
            ResourceConfig={
                "InstanceType": parts.instance_type,
                "InstanceCount": 1,
                "VolumeSizeInGB": parts.volume_gib,
            },
            VpcConfig={"Subnets": parts.subnet_ids, "SecurityGroupIds": parts.security_group_ids},
            StoppingCondition=stopping,
            EnableManagedSpotTraining=plan.spot,
            Tags=[
                {"Key": contract.TAG_PROJECT, "Value": contract.PROJECT},
                {"Key": contract.TAG_STACK, "Value": stack.name},
                {"Key": "Style", "Value": plan.style},
            ],
        )
    except ClientError as error:
        raise OpsError(f"the job was not started: {explain(error)}", BAD) from error


def _channel(name: str, uri: str) -> dict[str, Any]:
    return {
        "ChannelName": name,
        "DataSource": {
            "S3DataSource": {
                "S3DataType": "S3Prefix",
                "S3Uri": uri,
                "S3DataDistributionType": "FullyReplicated",
            }
        },
    }


def describe(stack: Stack, name: str) -> dict[str, Any]:
    """The job as SageMaker tells it; OpsError when it has none of that name, or it is another stack's."""
    if not name.startswith(contract.training_job_prefix(stack.name)):
        raise OpsError(
            f"{name} is no job of stack {stack.name}: its jobs begin with {contract.training_job_prefix(stack.name)}"
        )
    try:
        return stack.client("sagemaker").describe_training_job(TrainingJobName=name)
    except ClientError as error:
        if "not found" not in str(error).lower():
            raise
        raise OpsError(f"SageMaker knows no job {name} in {stack.region}") from error


def place_in(described: Mapping[str, Any]) -> str:
    """The prefix of a job that there is already."""
    uri: str = described["OutputDataConfig"]["S3OutputPath"]
    return uri.removeprefix("s3://").partition("/")[2].removesuffix("results")
