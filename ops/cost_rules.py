"""What each type of resource uses up in a month: the amounts that `prices.json` has prices for.

Every type that a stack declares has its rule here, or its reason in `cost_free.py`; without either, counting stops.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import contract
from ops import cost_usage as use
from ops.cost_hours import MONTH_HOURS, Clock, Span, calls_a_month, hours_a_month, work
from ops.cost_usage import Usage
from settings import Settings

NAT_DISK_GIB = 8
"""The NAT's disk has the size of its image: Amazon Linux 2023."""
DAYS_A_MONTH = 30.4


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A declared resource, as far as its price goes. `component`: the part of the stack that it stands in."""

    token: str
    name: str
    component: str
    inputs: Mapping[str, Any]


@dataclass(frozen=True)
class Use:
    """So much of an item in a month, in the unit that the item's price has."""

    item: str
    amount: float


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A month: the stack's settings, how it is used, and how long each machine runs."""

    settings: Settings
    usage: Usage
    hours: Mapping[str, float]
    """Hours a month by role."""


Rule = Callable[[Resource, Scene], list[Use]]


def scene(settings: Settings, usage: Usage) -> Scene:
    """The month that follows from the settings when the stack is used so."""
    times, worked = settings.operations, work(usage.hours_a_day, usage.days_a_month)
    clocks = {
        contract.ML_SERVER: Clock(
            start=times.ml_server_start,
            stop=times.ml_server_stop,
            idle_minutes=settings.ml_server.idle_stop_minutes,
        ),
        contract.BACKEND: Clock(start=times.backend_start, stop=times.backend_stop, idle_minutes=0),
    }
    hours = {role: hours_a_month(clock, worked) for role, clock in clocks.items()}
    notebook = _notebook_hours(settings, usage)
    return Scene(
        settings=settings,
        usage=usage,
        hours={**hours, contract.NAT: MONTH_HOURS, contract.NOTEBOOK: notebook},
    )


def _notebook_hours(settings: Settings, usage: Usage) -> float:
    """The hours asked for, and for each day with work the idle time after it; a schedule's starts besides."""
    times, days = settings.operations, min(usage.days_a_month, round(usage.notebook_hours / 4 + 0.49))
    worked: list[Span] = work(usage.notebook_hours / days, days) if days else []
    clock = Clock(
        start=times.notebook_start,
        stop=times.notebook_stop,
        idle_minutes=settings.notebook.idle_stop_minutes,
    )
    return hours_a_month(clock, worked)


def _instance(one: Resource, at: Scene) -> list[Use]:
    role = str(one.inputs.get("tags", {}).get("Role", contract.NAT))
    kind, hours = one.inputs["instanceType"], at.hours[role]
    market = "spot " if is_spot(one, at) else ""
    disk = one.inputs["rootBlockDevice"]
    uses = [
        Use(f"ec2 {market}{kind}", hours),
        Use(f"ebs {disk['volumeType']}", disk.get("volumeSize", NAT_DISK_GIB)),
    ]
    if one.inputs.get("associatePublicIpAddress"):
        uses.append(Use("public ipv4", hours))
    metrics = {contract.ML_SERVER: 2, contract.BACKEND: 1}.get(role, 0)
    if metrics:
        uses.append(Use("cloudwatch metric", metrics * hours / MONTH_HOURS))
        uses.append(Use("cloudwatch request", use.METRIC_REQUESTS_AN_HOUR * hours))
    return uses


def is_spot(one: Resource, at: Scene) -> bool:
    """Whether the machine runs on spare capacity: as declared, or as the usage has it for the ML server."""
    role = one.inputs.get("tags", {}).get("Role")
    if role == contract.ML_SERVER and at.usage.market is not None:
        return at.usage.market == "spot"
    return "instanceMarketOptions" in one.inputs


def _nat_gateway(one: Resource, at: Scene) -> list[Use]:
    behind = at.hours[contract.ML_SERVER] + at.hours[contract.NOTEBOOK]
    data = behind * use.NAT_GB_AN_HOUR + at.usage.loras_a_month * use.LORA_NAT_GB
    network = at.settings.network
    gateways = network.zone_count if network.nat == "gateway_per_az" else 1
    return [Use("nat gateway", MONTH_HOURS), Use("nat gateway data", data / gateways)]


def _endpoint(one: Resource, at: Scene) -> list[Use]:
    if one.inputs.get("vpcEndpointType", "Gateway") == "Gateway":
        return []
    return [Use("vpc endpoint", MONTH_HOURS * len(one.inputs.get("subnetIds", [])))]


def _log_group(one: Resource, at: Scene) -> list[Use]:
    role = str(one.inputs["name"]).rpartition("/")[2]
    if role not in at.hours:  # of the network: what flows into it is the flow log's
        taken_in = _flow_gb(at)
        return [Use("logs kept", taken_in * _months(one.inputs["retentionInDays"]))]
    taken_in = at.hours[role] * use.MACHINE_LOG_GB_AN_HOUR
    kept = taken_in * _months(one.inputs["retentionInDays"])
    return [Use("logs taken in", taken_in), Use("logs kept", kept)]


def _flow_gb(at: Scene) -> float:
    return sum(at.hours.values()) * use.FLOW_LOG_GB_AN_HOUR


def _months(days: float) -> float:
    """How many months of data lie there once as much goes as comes."""
    return days / DAYS_A_MONTH


def _bucket(one: Resource, at: Scene) -> list[Use]:
    usage, kept = at.usage, at.settings.storage
    pictures = usage.pictures * use.PICTURE_GB * _months(kept.outputs_retention_days)
    old_versions = usage.pictures * use.PICTURE_GB * _months(kept.old_version_retention_days)
    styles = usage.loras_a_month * use.LORA_GB * 12
    awake = at.hours[contract.ML_SERVER]
    looks = awake * 3600 / at.settings.ml_server.model_sync_seconds * use.LISTS_A_LOOK
    wakes = usage.days_a_month if awake else 0
    return [
        Use("s3 storage", use.MODELS_GB + pictures + old_versions + styles),
        Use("s3 write", usage.pictures * use.PICTURE_S3_WRITES + looks),
        Use("s3 read", usage.pictures * use.PICTURE_S3_READS + wakes * use.MODEL_READS),
    ]


def _table(one: Resource, at: Scene) -> list[Use]:
    pictures = at.usage.pictures
    kept = pictures * use.RECORD_GB * _months(at.settings.storage.outputs_retention_days)
    uses = [
        Use("dynamodb write", pictures * use.PICTURE_WRITE_UNITS),
        Use("dynamodb read", pictures * use.PICTURE_READ_UNITS),
        Use("dynamodb storage", kept),
    ]
    if one.inputs.get("pointInTimeRecovery", {}).get("enabled"):
        uses.append(Use("dynamodb recovery", kept))
    return uses


def _queue(one: Resource, at: Scene) -> list[Use]:
    """A worker waits at each queue of work; nobody does at the one for jobs given up on."""
    if not one.inputs.get("receiveWaitTimeSeconds"):
        return []
    pictures = at.usage.pictures / len(contract.KINDS)
    polls = at.hours[contract.BACKEND] * use.POLLS_AN_HOUR
    return [Use("sqs request", polls + pictures * use.PICTURE_QUEUE_REQUESTS)]


def _distribution(one: Resource, at: Scene) -> list[Use]:
    pictures, requests = at.usage.pictures, at.usage.pictures * use.PICTURE_API_REQUESTS
    return [
        Use("cloudfront request", requests),
        Use("cloudfront data", requests * use.API_GB + pictures * use.PICTURE_GB * use.VIEWS),
    ]


def _page(one: Resource, at: Scene) -> list[Use]:
    busy = 1 if at.usage.days_a_month else 0
    return [
        Use("amplify build", busy * use.BUILDS_A_MONTH * use.BUILD_MINUTES),
        Use("amplify data", at.usage.people * at.usage.days_a_month * use.PAGE_GB),
        Use("amplify storage", use.PAGE_GB),
    ]


def _notebook(one: Resource, at: Scene) -> list[Use]:
    return [
        Use(f"sagemaker notebook {one.inputs['instanceType']}", at.hours[contract.NOTEBOOK]),
        Use("sagemaker notebook disk", one.inputs["volumeSize"]),
    ]


def _training(one: Resource, at: Scene) -> list[Use]:
    """No resource of AWS: jobs are made and gone. The component that lets them run stands for them."""
    if not at.settings.training.enabled:
        return []
    return [Use(each.item, each.amount * at.usage.loras_a_month) for each in lora(at)]


def lora(at: Scene, *, spot: bool | None = None) -> list[Use]:
    """What one training job uses; `spot` None: as the settings have it."""
    training = at.settings.training
    hours = min(at.usage.lora_minutes, training.max_minutes) / 60
    market = "spot " if (training.spot if spot is None else spot) else ""
    return [
        Use(f"sagemaker training {market}{training.instance_type}", hours),
        Use("sagemaker training disk", training.volume_gib * hours / MONTH_HOURS),
    ]


def _schedule(one: Resource, at: Scene) -> list[Use]:
    return [Use("scheduler call", calls_a_month(one.inputs["scheduleExpression"]))]


def _subscription(one: Resource, at: Scene) -> list[Use]:
    return [Use("sns email", use.MAILS_A_MONTH if at.usage.days_a_month else 0)]


def _always(item: str, amount: float) -> Rule:
    return lambda one, at: [Use(item, amount)]


RULES: dict[str, Rule] = {
    "aws:amplify/app:App": _page,
    "aws:cloudfront/distribution:Distribution": _distribution,
    "aws:cloudwatch/dashboard:Dashboard": _always("cloudwatch dashboard", 1),
    "aws:cloudwatch/logGroup:LogGroup": _log_group,
    "aws:cloudwatch/metricAlarm:MetricAlarm": _always("cloudwatch alarm", 1),
    "aws:dynamodb/table:Table": _table,
    "aws:ec2/eip:Eip": _always("public ipv4", MONTH_HOURS),
    "aws:ec2/flowLog:FlowLog": lambda one, at: [Use("flow logs taken in", _flow_gb(at))],
    "aws:ec2/instance:Instance": _instance,
    "aws:ec2/natGateway:NatGateway": _nat_gateway,
    "aws:ec2/vpcEndpoint:VpcEndpoint": _endpoint,
    "aws:s3/bucket:Bucket": _bucket,
    "aws:sagemaker/notebookInstance:NotebookInstance": _notebook,
    "aws:scheduler/schedule:Schedule": _schedule,
    "aws:sns/topicSubscription:TopicSubscription": _subscription,
    "aws:sqs/queue:Queue": _queue,
    "sd-app:training:Training": _training,
}
