"""What kinds of things may be left of a stack: how each is called, what it costs a month, and the command that removes it."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ops.cost_hours import MONTH_HOURS
from ops.prices import PriceMissing, load
from ops.stack import Stack

GB = 1e9
GONE_STATES = ("terminated", "shutting-down", "deleted", "deleting")
"""In which EC2 still shows for an hour what is no more."""

Dollars = Callable[[Stack, str], float]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of resource by its ARN. `remove` is a command with {id}; `usd` finds a month's dollars."""

    pattern: str
    told: str
    remove: str
    usd: Dollars | None = None


class Gone(Exception):
    """The tags still tell of it, but it is no more."""


def _price(stack: Stack, item: str) -> float:
    return load(stack.region).of(item).usd


def _bucket(stack: Stack, name: str) -> float:
    """All versions are paid for."""
    pages: Any = stack.client("s3").get_paginator("list_object_versions").paginate(Bucket=name)
    size = sum(one["Size"] for page in pages for one in page.get("Versions", []))
    return size / GB * _price(stack, "s3 storage")


def _table(stack: Stack, name: str) -> float:
    client = stack.client("dynamodb")
    size = client.describe_table(TableName=name)["Table"].get("TableSizeBytes", 0) / GB
    told = client.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    kept = told.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus") == "ENABLED"
    return size * (_price(stack, "dynamodb storage") + (_price(stack, "dynamodb recovery") if kept else 0))


def _instance(stack: Stack, id: str) -> float:
    """The machine alone: its disk is a volume of its own in the list."""
    [found] = stack.client("ec2").describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"]
    state = found["State"]["Name"]
    if state in GONE_STATES:
        raise Gone
    market = "spot " if found.get("InstanceLifecycle") == "spot" else ""
    return MONTH_HOURS * _price(stack, f"ec2 {market}{found['InstanceType']}") if state == "running" else 0.0


def _volume(stack: Stack, id: str) -> float:
    [found] = stack.client("ec2").describe_volumes(VolumeIds=[id])["Volumes"]
    return float(found["Size"]) * _price(stack, f"ebs {found['VolumeType']}")


def _nat(stack: Stack, id: str) -> float:
    [found] = stack.client("ec2").describe_nat_gateways(NatGatewayIds=[id])["NatGateways"]
    if found["State"] in GONE_STATES:
        raise Gone
    return MONTH_HOURS * _price(stack, "nat gateway")


def _logs(stack: Stack, name: str) -> float:
    found = stack.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    size = sum(one.get("storedBytes", 0) for one in found if one["logGroupName"] == name)
    return size / GB * _price(stack, "logs kept")


def _notebook(stack: Stack, name: str) -> float:
    found = stack.client("sagemaker").describe_notebook_instance(NotebookInstanceName=name)
    disk = float(found.get("VolumeSizeInGB", 0)) * _price(stack, "sagemaker notebook disk")
    runs = found["NotebookInstanceStatus"] == "InService"
    hourly = _price(stack, f"sagemaker notebook {found['InstanceType']}") if runs else 0.0
    return disk + MONTH_HOURS * hourly


def _training(stack: Stack, name: str) -> float:
    """Finished jobs stay in SageMaker's list for good, and cost nothing. A running one: what is left of its time at most."""
    found = stack.client("sagemaker").describe_training_job(TrainingJobName=name)
    if found["TrainingJobStatus"] not in ("InProgress", "Stopping"):
        raise Gone
    spot = "spot " if found.get("EnableManagedSpotTraining") else ""
    hourly = _price(stack, f"sagemaker training {spot}{found['ResourceConfig']['InstanceType']}")
    return hourly * float(found["StoppingCondition"]["MaxRuntimeInSeconds"]) / 3600


def _of(item: str, amount: float = 1) -> Dollars:
    return lambda stack, id: amount * _price(stack, item)


def _free(stack: Stack, id: str) -> float:
    return 0.0


EMPTY = "S3 console: Empty, then Delete (aws s3 rm leaves the old versions); bucket {id}"
SITE = "CloudFront console: Disable, wait, Delete; distribution {id}"
POOL = (
    "aws cognito-idp update-user-pool --user-pool-id {id} --deletion-protection INACTIVE && "
    "aws cognito-idp delete-user-pool --user-pool-id {id}"
)
TABLE = (
    "aws dynamodb update-table --table-name {id} --no-deletion-protection-enabled && "
    "aws dynamodb delete-table --table-name {id}"
)
NOTEBOOK = "aws sagemaker delete-notebook-instance --notebook-instance-name {id} (stop it first)"
TRAINING = "aws sagemaker stop-training-job --training-job-name {id}"
ROLE = "IAM console: delete the role {id} (its policies go with it)"


def _kind(pattern: str, told: str, remove: str, usd: Dollars | None = None) -> Kind:
    return Kind(pattern=pattern, told=told, remove=remove, usd=usd)


def _ec2(told: str, type: str, remove: str, usd: Dollars | None = _free) -> Kind:
    return _kind(rf":ec2:[^:]*:\d*:{type}/(?P<id>.+)", told, f"aws ec2 {remove} {{id}}", usd)


KINDS = (
    _kind(r":s3:::(?P<id>[^/]+)", "bucket", EMPTY, _bucket),
    _kind(r":dynamodb:.*:table/(?P<id>[^/]+)", "table", TABLE, _table),
    _kind(r":cognito-idp:.*:userpool/(?P<id>.+)", "user pool", POOL, _free),
    _ec2("machine", "instance", "terminate-instances --instance-ids", _instance),
    _ec2("disk", "volume", "delete-volume --volume-id", _volume),
    _ec2("snapshot", "snapshot", "delete-snapshot --snapshot-id", None),
    _ec2("machine image", "image", "deregister-image --image-id"),
    _ec2("address", "elastic-ip", "release-address --allocation-id", _of("public ipv4", MONTH_HOURS)),
    _ec2("NAT gateway", "natgateway", "delete-nat-gateway --nat-gateway-id", _nat),
    _ec2(
        "spot request", "spot-instances-request", "cancel-spot-instance-requests --spot-instance-request-ids"
    ),
    _ec2("security group", "security-group", "delete-security-group --group-id"),
    _ec2("route table", "route-table", "delete-route-table --route-table-id"),
    _ec2("gateway", "internet-gateway", "delete-internet-gateway --internet-gateway-id"),
    _ec2("endpoint", "vpc-endpoint", "delete-vpc-endpoints --vpc-endpoint-ids"),
    _ec2("flow log", r"(vpc-)?flow-logs?", "delete-flow-logs --flow-log-ids"),
    _ec2("subnet", "subnet", "delete-subnet --subnet-id"),
    _ec2("network", "vpc", "delete-vpc --vpc-id"),
    _kind(
        r":logs:.*:log-group:(?P<id>[^*]+?)(:\*)?",
        "log",
        "aws logs delete-log-group --log-group-name {id}",
        _logs,
    ),
    _kind(r":ssm:.*:parameter(?P<id>/.+)", "parameter", "aws ssm delete-parameter --name {id}", _free),
    _kind(r":cloudfront::\d*:distribution/(?P<id>.+)", "distribution", SITE, _free),
    _kind(r":sagemaker:.*:notebook-instance/(?P<id>.+)", "notebook", NOTEBOOK, _notebook),
    _kind(r":sagemaker:.*:training-job/(?P<id>.+)", "training job", TRAINING, _training),
    _kind(
        r":cloudwatch:.*:alarm:(?P<id>.+)",
        "alarm",
        "aws cloudwatch delete-alarms --alarm-names {id}",
        _of("cloudwatch alarm"),
    ),
    _kind(
        r":cloudwatch:.*:dashboard/(?P<id>.+)",
        "dashboard",
        "aws cloudwatch delete-dashboards --dashboard-names {id}",
        _of("cloudwatch dashboard"),
    ),
    _kind(r":sns:.*?:(?P<id>[^:]+)", "topic", "SNS console: delete the topic {id}", _free),
    _kind(r":sqs:[^:]*:\d*:(?P<id>.+)", "queue", "aws sqs delete-queue --queue-url (of {id})", _free),
    _kind(r":iam::\d*:role/(?P<id>.+)", "role", ROLE, _free),
    _kind(
        r":iam::\d*:instance-profile/(?P<id>.+)",
        "instance profile",
        "aws iam delete-instance-profile --instance-profile-name {id}",
        _free,
    ),
)


def kind_of(arn: str) -> tuple[Kind, str] | None:
    """The kind of an ARN and the id in it; None for kinds not known here."""
    for kind in KINDS:
        if found := re.fullmatch(f"arn:[a-z-]+{kind.pattern}", arn):
            return kind, found["id"]
    return None


def dollars(stack: Stack, kind: Kind, id: str) -> float | None:
    """A month's dollars; None when nobody knows. Raises Gone."""
    if kind.usd is None:
        return None
    try:
        return kind.usd(stack, id)
    except PriceMissing:
        return None
