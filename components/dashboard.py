"""The CloudWatch dashboard's body: pure JSON, no AWS
(docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import contract

COLUMNS, WIDTH, HEIGHT = 3, 8, 6
"""The grid is 24 units wide."""
EDGE_REGION = "us-east-1"
"""CloudFront's metrics lie there alone."""


def body(stack: str, region: str, watched: Mapping[str, str]) -> str:
    """JSON of all widgets. `watched`: ids of ml_server, backend, distribution; names of table, dead_letters and of
    each kind's queue as `queue_<kind>`."""
    charts = _charts(stack, region, watched)
    widgets = [
        {
            "type": "metric",
            "x": WIDTH * (place % COLUMNS),
            "y": HEIGHT * (place // COLUMNS),
            "width": WIDTH,
            "height": HEIGHT,
            "properties": chart,
        }
        for place, chart in enumerate(charts)
    ]
    return json.dumps({"widgets": widgets})


def _charts(stack: str, region: str, watched: Mapping[str, str]) -> list[dict[str, Any]]:
    own = contract.metric_namespace(stack)
    roles = (contract.ML_SERVER, contract.BACKEND)
    kinds = contract.KINDS
    sqs = "AWS/SQS"
    return [
        _chart(
            "Jobs waiting",
            region,
            [[sqs, "ApproximateNumberOfMessagesVisible", "QueueName", watched[f"queue_{k}"]] for k in kinds],
        ),
        _chart(
            "Oldest job, seconds",
            region,
            [[sqs, "ApproximateAgeOfOldestMessage", "QueueName", watched[f"queue_{k}"]] for k in kinds],
        ),
        _chart(
            "Jobs given up on",
            region,
            [[sqs, "ApproximateNumberOfMessagesVisible", "QueueName", watched["dead_letters"]]],
        ),
        _chart(
            "GPU memory, %", region, [[own, contract.GPU_MEMORY_METRIC, contract.ROLE_DIMENSION, roles[0]]]
        ),
        _chart(
            "Disk, %", region, [[own, contract.DISK_METRIC, contract.ROLE_DIMENSION, role] for role in roles]
        ),
        _chart(
            "Processor, %",
            region,
            [["AWS/EC2", "CPUUtilization", "InstanceId", watched[m]] for m in ("ml_server", "backend")],
        ),
        _chart(
            "API: errors, %",
            EDGE_REGION,
            [
                ["AWS/CloudFront", metric, "DistributionId", watched["distribution"], "Region", "Global"]
                for metric in ("4xxErrorRate", "5xxErrorRate")
            ],
        ),
        _chart(
            "API: requests",
            EDGE_REGION,
            [["AWS/CloudFront", "Requests", "DistributionId", watched["distribution"], "Region", "Global"]],
            "Sum",
        ),
        _chart(
            "Generations: throttled",
            region,
            [["AWS/DynamoDB", "ThrottledRequests", "TableName", watched["table"]]],
            "Sum",
        ),
    ]


def _chart(
    title: str, region: str, metrics: Sequence[Sequence[str]], statistic: str = "Maximum"
) -> dict[str, Any]:
    return {
        "title": title,
        "region": region,
        "metrics": [list(metric) for metric in metrics],
        "stat": statistic,
        "period": 60,
        "view": "timeSeries",
    }
