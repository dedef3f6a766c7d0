"""Sends how full disk and GPU memory are to CloudWatch. Alarms and dashboard wait for these two."""

import os
import shutil
import subprocess
from typing import Any, cast

import boto3.session

DISKS = ("/", "/opt/dlami/nvme")


def disk_used_percent() -> float:
    """Of the fullest disk, as `df` counts: what only root may fill is not free."""
    found: list[float] = []
    for path in DISKS:
        if os.path.isdir(path):
            usage = shutil.disk_usage(path)
            found.append(100 * usage.used / max(1, usage.used + usage.free))
    return max(found)


def gpu_memory_used_percent() -> float | None:
    """Of the fullest GPU; None on a machine without."""
    query = ("nvidia-smi", "--query-gpu=memory.used,memory.total", "--format=csv,noheader,nounits")
    try:
        told = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    pairs = [line.split(",") for line in told.splitlines() if line.strip()]
    return max((100 * float(used) / float(total) for used, total in pairs), default=None)


def data() -> list[dict[str, Any]]:
    """What is measured, as PutMetricData takes it; no GPU, no value."""
    values = {"DiskUsedPercent": disk_used_percent(), "GpuMemoryUsedPercent": gpu_memory_used_percent()}
    role = [{"Name": "Role", "Value": os.environ["SD_APP_ROLE"]}]
    return [
        {"MetricName": name, "Dimensions": role, "Unit": "Percent", "Value": value}
        for name, value in values.items()
        if value is not None
    ]


def main() -> None:
    client = cast(Any, boto3.session.Session(region_name=os.environ["AWS_REGION"])).client("cloudwatch")
    client.put_metric_data(Namespace=os.environ["SD_APP_METRIC_NAMESPACE"], MetricData=data())


if __name__ == "__main__":
    main()
