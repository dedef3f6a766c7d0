"""Stops this machine when it has had no work for IDLE_STOP_MINUTES; 0: never. A timer runs it each minute.

Work is: a prompt that runs or waits, the GPU in use, somebody logged in, models arriving, the machine being prepared.
A ComfyUI that does not answer is no work: a machine whose servers are broken must not cost money for ever.
"""

import json
import os
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any, cast

import boto3.session

RUN = Path("/run/sd-app")
INSTANCE_ID = Path("/var/lib/cloud/data/instance-id")
GPU_BUSY_PERCENT = 5
SYNC_SECONDS = 90
"""How long after its last bytes a sync still counts; longer than the time between two looks."""
SESSION_PROCESS = "ssm-session-wor"
"""A Session Manager session, as the kernel shortens its process's name; it is no login that systemd knows of."""


def said(*command: str) -> str:
    """What a command prints; nothing when it fails or is not there."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def has_prompts(port: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/queue", timeout=10) as answer:
            queue = json.load(answer)
    except (OSError, ValueError):
        return False
    return bool(queue["queue_running"] or queue["queue_pending"])


def gpu_in_use() -> bool:
    told = said("nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits")
    return any(int(line) >= GPU_BUSY_PERCENT for line in told.splitlines() if line.strip().isdigit())


def somebody_in() -> bool:
    if said("loginctl", "list-sessions", "--no-legend").strip():
        return True
    names = (path.read_text().strip() for path in Path("/proc").glob("[0-9]*/comm") if path.exists())
    return SESSION_PROCESS in names


def models_arriving() -> bool:
    marker = RUN / "syncing"
    return marker.exists() and time.time() - marker.stat().st_mtime < SYNC_SECONDS


def being_prepared() -> bool:
    return (
        said("systemctl", "show", "--property=ActiveState", "--value", "sd-app-prepare.service").strip()
        == "activating"
    )


def work() -> str | None:
    """What keeps the machine up; None when nothing does."""
    for port in (os.environ["COMFYUI_TEXT_PORT"], os.environ["COMFYUI_SKETCH_PORT"]):
        if has_prompts(port):
            return f"prompts on port {port}"
    signs = {
        "the GPU is in use": gpu_in_use,
        "somebody is logged in": somebody_in,
        "models are arriving": models_arriving,
        "the machine is being prepared": being_prepared,
    }
    return next((sign for sign, seen in signs.items() if seen()), None)


def idle_minutes(sign: str | None, state: Path) -> float:
    """Minutes without work. Counted in time since boot, which no corrected clock moves; /run forgets it at boot."""
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    if sign or not state.exists():
        state.parent.mkdir(parents=True, exist_ok=True)
        state.write_text(str(now))
    return (now - float(state.read_text())) / 60


def main() -> None:
    limit = int(os.environ["IDLE_STOP_MINUTES"])
    sign = work()
    minutes = idle_minutes(sign, RUN / "busy-at")
    if limit == 0 or minutes < limit:
        return
    instance = INSTANCE_ID.read_text().strip()
    print(f"no work for {minutes:.0f} minutes: stopping {instance}", flush=True)
    client = cast(Any, boto3.session.Session(region_name=os.environ["AWS_REGION"])).client("ec2")
    client.stop_instances(InstanceIds=[instance])


if __name__ == "__main__":
    main()
