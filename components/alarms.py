"""What the stack is watched for, each with the sentence that its e-mail carries: what happened and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

import contract
from setting_models import OperationsSettings

CLOUDFRONT = "AWS/CloudFront"
MINUTE = 60
"""Seconds."""


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One metric above its threshold for `periods` in a row. `peak` looks at the highest value, else the average."""

    role: str
    told: str
    namespace: str
    metric: str
    dimensions: Mapping[str, pulumi.Input[str]]
    threshold: float
    periods: int
    period_seconds: int = MINUTE
    peak: bool = True


def of_machine(
    role: str, instance_id: pulumi.Input[str], stack: str, settings: OperationsSettings
) -> list[Alarm]:
    """EC2's own checks of a machine, and its disk as the machine itself tells it."""
    return [
        Alarm(
            role=f"{role}-status",
            told=f"The {role} fails EC2's status checks. Stop it and start it: that moves it to other hardware.",
            namespace="AWS/EC2",
            metric="StatusCheckFailed",
            dimensions={"InstanceId": instance_id},
            threshold=0,
            periods=3,
        ),
        Alarm(
            role=f"{role}-disk",
            told=f"The {role}'s disk is over {settings.disk_percent} % full. Raise its diskGib, or delete models.",
            namespace=contract.metric_namespace(stack),
            metric=contract.DISK_METRIC,
            dimensions={contract.ROLE_DIMENSION: role},
            threshold=settings.disk_percent,
            periods=5,
        ),
    ]


def of_gpu_memory(stack: str, settings: OperationsSettings) -> Alarm:
    """Memory of the GPU, as the ML server tells it."""
    return Alarm(
        role="gpu-memory",
        told=f"The GPU's memory stays over {settings.gpu_memory_percent} % full; pictures may fail. Restart ComfyUI.",
        namespace=contract.metric_namespace(stack),
        metric=contract.GPU_MEMORY_METRIC,
        dimensions={contract.ROLE_DIMENSION: contract.ML_SERVER},
        threshold=settings.gpu_memory_percent,
        periods=10,
        peak=False,
    )


def of_queue(kind: str, queue: pulumi.Input[str], settings: OperationsSettings) -> Alarm:
    """Age of the oldest job that waits."""
    return Alarm(
        role=f"{kind}-queue-age",
        told=f"A {kind} job has waited over {settings.queue_age_minutes} minutes. Is the ML server awake, and the worker?",
        namespace="AWS/SQS",
        metric="ApproximateAgeOfOldestMessage",
        dimensions={"QueueName": queue},
        threshold=settings.queue_age_minutes * MINUTE,
        periods=1,
    )


def of_dead_letters(queue: pulumi.Input[str]) -> Alarm:
    """Jobs that were given up on."""
    return Alarm(
        role="dead-letters",
        told="A job was given up on after its last attempt. The generation's record tells the error.",
        namespace="AWS/SQS",
        metric="ApproximateNumberOfMessagesVisible",
        dimensions={"QueueName": queue},
        threshold=0,
        periods=1,
    )


def of_edge(distribution_id: pulumi.Input[str], settings: OperationsSettings) -> Alarm:
    """Server errors as CloudFront counts them: a stopped backend shows here too."""
    return Alarm(
        role="edge-errors",
        told=f"Over {settings.edge_error_percent} % of the API's answers are server errors. Is the backend running?",
        namespace=CLOUDFRONT,
        metric="5xxErrorRate",
        dimensions={"DistributionId": distribution_id, "Region": "Global"},
        threshold=settings.edge_error_percent,
        periods=5,
        peak=False,
    )
