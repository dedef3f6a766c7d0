"""Stops this notebook when it has had no work for IDLE_STOP_MINUTES; 0: never. Runs as long as the notebook does.

Work is: a kernel that computes, a kernel or terminal used of late, the GPU or the processors in use, a training or a
copy to S3 that runs in a terminal (which Jupyter knows nothing of), the install after a start. Standard library and
the aws command alone, and Python 3.9: that is what the notebook has.
"""

import json
import os
import ssl
import subprocess
import time
import urllib.request
from datetime import datetime
from pathlib import Path
from typing import Any, Dict, List, Optional  # noqa: UP035  # Python 3.9

JUPYTER = "https://localhost:8443"
LOOK_SECONDS = 60
GPU_BUSY_PERCENT = 5
LOAD_BUSY = 0.7
"""Mean processes at work over five minutes; a notebook without work stays near 0."""
WORK_COMMANDS = (
    "accelerate",
    "train_network",
    "make_captions",
    "aws s3 ",
    "pip install",
    "jupyter-lab-kohya.sh",
)
"""Parts of command lines that are work even while they wait for the network or the disk."""


def said(*command: str) -> str:
    """What a command prints; nothing when it fails or is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def jupyter(path: str) -> List[Dict[str, Any]]:  # noqa: UP006
    """Jupyter's answer on this machine, whose certificate is its own; empty when it does not answer."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(f"{JUPYTER}/api/{path}", timeout=10, context=context) as answer:  # noqa: S310  # this machine
            return json.load(answer)
    except (OSError, ValueError):
        return []


def age_minutes(text: str) -> float:
    """Minutes since a time as Jupyter writes it (UTC, `Z`)."""
    then = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return (time.time() - then.timestamp()) / 60


def jupyter_work(limit: float) -> Optional[str]:  # noqa: UP045
    for kernel in jupyter("kernels"):
        if kernel.get("execution_state") == "busy":
            return "a kernel computes"
        if age_minutes(kernel["last_activity"]) < limit:
            return "a kernel was used of late"
    if any(age_minutes(one["last_activity"]) < limit for one in jupyter("terminals")):
        return "a terminal was used of late"
    return None


def gpu_in_use() -> bool:
    told = said("nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits")
    return any(int(line) >= GPU_BUSY_PERCENT for line in told.splitlines() if line.strip().isdigit())


def work_command() -> Optional[str]:  # noqa: UP045
    """A running command that is work; its name."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        for name in WORK_COMMANDS:
            if name in line:
                return name.strip()
    return None


def work(limit: float) -> Optional[str]:  # noqa: UP045
    """What keeps the notebook up; None when nothing does."""
    command = work_command()
    if command:
        return f"{command} runs"
    if gpu_in_use():
        return "the GPU is in use"
    if os.getloadavg()[1] >= LOAD_BUSY:
        return "the processors are in use"
    return jupyter_work(limit)


def main() -> None:
    limit, name = int(os.environ["IDLE_STOP_MINUTES"]), os.environ["NOTEBOOK_NAME"]
    if limit == 0:
        print("idle stop is off")
        return
    busy_at = time.monotonic()
    while True:
        time.sleep(LOOK_SECONDS)
        if work(limit):
            busy_at = time.monotonic()
        elif time.monotonic() - busy_at >= limit * 60:
            print(f"no work for {limit} minutes: stopping {name}")
            stop = ("aws", "sagemaker", "stop-notebook-instance", "--notebook-instance-name", name)
            if subprocess.run((*stop, "--region", os.environ["AWS_REGION"]), check=False).returncode == 0:
                return


if __name__ == "__main__":
    main()
