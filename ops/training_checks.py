"""Before a training job is started: role, image, base model and quota, each asked for by reading alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

import contract
from ops.errors import BAD, DENIED, AwsError, OpsError, code, explain, is_gone
from ops.show import lines
from ops.stack import Stack

CHECKPOINTS = f"{contract.MODELS_PREFIX}checkpoints/"
QUOTAS = "https://console.aws.amazon.com/servicequotas/home/services/sagemaker/quotas"


@dataclass(frozen=True, kw_only=True)
class JobParts:
    """What the stack's output `training` says (components/training.py)."""

    role_arn: str
    image_uri: str
    instance_type: str
    spot: bool
    subnet_ids: list[str]
    security_group_ids: list[str]
    volume_gib: int
    max_minutes: int
    max_dollars: float
    dollars_per_hour: float


def job_parts(stack: Stack) -> JobParts:
    """The stack's own; OpsError with the reason when it has none."""
    outputs = stack.outputs()
    found: dict[str, Any] | None = outputs.get("training")
    if not found:
        left_out: dict[str, str] = outputs.get("leftOut") or {}
        reason = left_out.get("training")
        raise OpsError(
            f"stack {stack.name} trains nothing: {reason or 'it was made before training jobs were known'};"
            f" set sd-app:training.enabled and run `make up STACK={stack.name}`"
        )
    return JobParts(
        role_arn=found["roleArn"],
        image_uri=found["imageUri"],
        instance_type=found["instanceType"],
        spot=found["spot"],
        subnet_ids=found["subnetIds"],
        security_group_ids=found["securityGroupIds"],
        volume_gib=int(found["volumeGib"]),
        max_minutes=int(found["maxMinutes"]),
        max_dollars=found["maxDollars"],
        dollars_per_hour=found["dollarsPerHour"],
    )


def check(stack: Stack, parts: JobParts, base: str, *, spot: bool) -> list[str]:
    """Raises OpsError with all that stands in a job's way at once; returns what could not be looked at, and why."""
    faults, unseen = list[str](), list[str]()
    for look in (
        lambda: _role(stack, parts),
        lambda: _image(stack, parts),
        lambda: _base(stack, base),
        lambda: _quota(stack, parts, spot=spot),
    ):
        try:
            if fault := look():
                faults.append(fault)
        except AwsError as error:
            if code(error) not in DENIED:
                raise
            unseen.append(explain(error))
    if faults:
        raise OpsError(f"no job was started:\n{lines(faults)}", BAD)
    return unseen


def _role(stack: Stack, parts: JobParts) -> str | None:
    name = parts.role_arn.rpartition("/")[2]
    try:
        stack.client("iam").get_role(RoleName=name)
    except ClientError as error:
        if code(error) != "NoSuchEntity":
            raise
        return f"role {name} is gone: run `make up STACK={stack.name}`"
    return None


def _image(stack: Stack, parts: JobParts) -> str | None:
    registry, _, rest = parts.image_uri.partition("/")
    repository, _, tag = rest.partition(":")
    try:
        found: list[Any] = stack.client("ecr").batch_get_image(
            registryId=registry.partition(".")[0], repositoryName=repository, imageIds=[{"imageTag": tag}]
        )["images"]
    except ClientError as error:
        if code(error) != "RepositoryNotFoundException":
            raise
        found = []
    if found:
        return None
    return f"image {parts.image_uri} is not there (any more?): set sd-app:training.imageUri to one that is"


def _base(stack: Stack, base: str) -> str | None:
    bucket = stack.output("bucketName")
    try:
        stack.client("s3").head_object(Bucket=bucket, Key=f"{CHECKPOINTS}{base}")
    except ClientError as error:
        if not is_gone(error):
            raise
        return (
            f"base model s3://{bucket}/{CHECKPOINTS}{base} is not there: `python -m ops models push {base}`"
        )
    return None


def _quota(stack: Stack, parts: JobParts, *, spot: bool) -> str | None:
    """Quotas of training are by type, and often 0 in a new account; their codes are found by name."""
    name = f"{parts.instance_type} for {'spot ' if spot else ''}training job usage"
    pages = stack.client("service-quotas").get_paginator("list_service_quotas")
    for page in pages.paginate(ServiceCode="sagemaker"):
        for one in page["Quotas"]:
            if one["QuotaName"] == name:
                if one["Value"] >= 1:
                    return None
                return f'the quota "{name}" is {one["Value"]:g}: ask for 1 at {QUOTAS}/{one["QuotaCode"]}'
    return f'Service Quotas has no "{name}" in {stack.region}: is the type offered there?'
