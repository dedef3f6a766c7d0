"""An emulated account in which training jobs run as processes, with a package that does what a test asks for."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from ops.stack import Stack, connect
from sandbox import emulator
from sandbox.training_jobs import TrainingJobs
from sandbox.training_run import Runner

BUCKET = "sd-app-s3-dev"
ROLE = "sd-app-dev-training"
IMAGE = "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.6.0-gpu-py312-cu126-ubuntu22.04-sagemaker"
WAIT_S = 60.0

PACKAGE = """
import json, os, signal, sys, time
from pathlib import Path

root = Path(os.environ["SM_ROOT"])
asked = json.loads((root / "input/config/hyperparameters.json").read_text())
steps = int(asked.get("steps", "3"))
mark = root / "checkpoints/step.txt"
step = int(mark.read_text()) if mark.exists() else 0
print(f"begins at step {step} with {len(list((root / 'input/data/set').rglob('*.png')))} pictures", flush=True)

def leave(*_):
    print("told to end", flush=True)
    sys.exit(143)

signal.signal(signal.SIGTERM, leave)
while step < steps:
    step += 1
    time.sleep(float(asked.get("pace", "0.05")))
    mark.write_text(str(step))
    print("sd-app: " + json.dumps({"stage": "train", "step": step, "steps": steps, "loss": 1 / step}), flush=True)
    if str(step) == asked.get("fails_at"):
        (root / "output/failure").write_text("the GPU is on fire")
        sys.exit(1)
(root / "model/report.json").write_text(json.dumps({"steps": step}))
"""
"""Of the job's own code: nothing here is sd-app's."""


@dataclass
class Ground:
    """The account; `jobs` is what the emulator knows of them."""

    endpoint: str
    stack: Stack
    jobs: TrainingJobs

    def client(self, service: str) -> Any:
        return self.stack.client(service)

    def say(self, told: Mapping[str, Any]) -> int:
        """To the emulator, as a test may; the HTTP status."""
        return requests.post(f"{self.endpoint}{emulator.TRAINING}", json=dict(told), timeout=10).status_code

    def put(self, key: str, body: bytes | str) -> None:
        self.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)

    def start(
        self, name: str = "sd-app-dev-a", *, spot: bool = False, seconds: int = 600, **settings: str
    ) -> None:
        """A job with a set of two pictures and PACKAGE as its code."""
        place = f"s3://{BUCKET}/datasets/a/{name}"
        for at in (1, 2):
            self.put(f"datasets/a/{name}/set/images/{at}.png", b"png")
        self.put(f"datasets/a/{name}/code/job.py", PACKAGE)
        self.client("sagemaker").create_training_job(
            TrainingJobName=name,
            AlgorithmSpecification={
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "ContainerEntrypoint": [sys.executable, "/opt/ml/input/data/code/job.py"],
            },
            RoleArn=f"arn:aws:iam::123456789012:role/{ROLE}",
            HyperParameters=settings,
            InputDataConfig=[
                {
                    "ChannelName": channel,
                    "DataSource": {
                        "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"{place}/{channel}/"}
                    },
                }
                for channel in ("set", "code")
            ],
            OutputDataConfig={"S3OutputPath": f"{place}/results"},
            CheckpointConfig={"S3Uri": f"{place}/checkpoints/"},
            ResourceConfig={"InstanceType": "ml.g5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 50},
            StoppingCondition={
                "MaxRuntimeInSeconds": seconds,
                **({"MaxWaitTimeInSeconds": seconds} if spot else {}),
            },
            EnableManagedSpotTraining=spot,
        )

    def describe(self, name: str = "sd-app-dev-a") -> dict[str, Any]:
        return self.client("sagemaker").describe_training_job(TrainingJobName=name)

    def wait(self, name: str = "sd-app-dev-a", *, until: str = "") -> dict[str, Any]:
        """Until it has ended, or is in that secondary status."""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            job = self.describe(name)
            if job["SecondaryStatus"] == until or job["TrainingJobStatus"] in (
                "Completed",
                "Failed",
                "Stopped",
            ):
                return job
            time.sleep(0.05)
        raise AssertionError(f"{name} did not get there in {WAIT_S:g} s: {self.describe(name)}")

    def log(self, name: str = "sd-app-dev-a") -> list[str]:
        logs = self.client("logs")
        group = "/aws/sagemaker/TrainingJobs"
        (stream,) = logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=f"{name}/")[
            "logStreams"
        ]
        events = logs.get_log_events(
            logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
        )
        return [one["message"] for one in events["events"]]

    def keys(self, prefix: str) -> set[str]:
        found = self.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return {one["Key"].removeprefix(prefix) for one in found.get("Contents", [])}


def ground(folder: Path) -> Ground:
    """A new account with the stack's bucket and the role; keys must be in the environment."""
    runner = Runner(folder, "us-east-1", surroundings=dict)
    jobs = TrainingJobs(emulator.ACCOUNT, "us-east-1", runner)
    runner.endpoint = emulator.serve("test", 0, list, training=jobs)
    requests.post(f"{runner.endpoint}/moto-api/reset", timeout=30)
    made = Ground(runner.endpoint, connect("dev", "us-east-1", {"AWS_ENDPOINT_URL": runner.endpoint}), jobs)
    made.client("s3").create_bucket(Bucket=BUCKET)
    made.client("iam").create_role(RoleName=ROLE, AssumeRolePolicyDocument="{}")
    return made
