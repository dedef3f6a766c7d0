"""SageMaker's training jobs, in place of moto's, which say of every job at once that it completed; and what is asked
before one is started: the image in AWS's own registry, and the quotas.

A job is real here up to its machine: its channels are brought from S3, the package that came with it runs as a process
(training_run.py), its log goes to CloudWatch Logs, its checkpoints and results to S3.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from instance_types import NOTEBOOK_TYPES

IMAGES = ("pytorch-training",)
"""Repositories of AWS's own registry that have every tag here."""
QUOTA = 1.0
TYPES = [f"ml.{family}.{size}" for family in ("g4dn", "g5", "g6") for size in ("xlarge", "2xlarge")]
QUOTA_NAMES = [f"{kind} for {how}training job usage" for kind in TYPES for how in ("", "spot ")] + [
    f"{kind} for notebook instance usage" for kind in NOTEBOOK_TYPES
]
Fault = tuple[str, str]
"""AWS's code of an error, and its words."""


@dataclass
class Job:
    """A job: what was asked for, and how far it is. Times in seconds since 1970."""

    asked: Mapping[str, Any]
    arn: str
    status: str = "InProgress"
    secondary: str = "Starting"
    reason: str = ""
    created: float = field(default_factory=time.time)
    started: float = 0.0
    ended: float = 0.0
    billable_s: int = 0
    """Spot is billed for what ran, without the pauses."""
    stopping: threading.Event = field(default_factory=threading.Event)
    interrupted: threading.Event = field(default_factory=threading.Event)
    """AWS takes the spot machine away; the job goes on with another."""
    transitions: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def go(self, secondary: str, message: str = "") -> None:
        """The next step of SecondaryStatus."""
        now = time.time()
        if self.transitions:
            self.transitions[-1]["EndTime"] = now
        self.secondary = secondary
        self.transitions.append({"Status": secondary, "StartTime": now, "StatusMessage": message})

    def end(self, status: str, secondary: str, reason: str = "") -> None:
        """Its last step."""
        self.go(secondary, reason)
        self.status, self.reason, self.ended = status, reason, time.time()

    @property
    def name(self) -> str:
        return str(self.asked["TrainingJobName"])

    @property
    def result(self) -> str:
        """S3 address of its archive."""
        return f"{self.asked['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{self.name}/output/model.tar.gz"

    def told(self) -> dict[str, Any]:
        """What DescribeTrainingJob says."""
        times = {"TrainingStartTime": self.started, "TrainingEndTime": self.ended}
        return {
            **self.asked,
            "TrainingJobArn": self.arn,
            "ModelArtifacts": {"S3ModelArtifacts": self.result},
            "TrainingJobStatus": "Stopping" if self.stopping.is_set() and not self.ended else self.status,
            "SecondaryStatus": self.secondary,
            "SecondaryStatusTransitions": self.transitions,
            "CreationTime": self.created,
            "BillableTimeInSeconds": self.billable_s,
            **{key: at for key, at in times.items() if at},
            **({"FailureReason": self.reason} if self.status == "Failed" else {}),
        }


class Runner(Protocol):
    """Runs a job to its end, in a thread of its own; tells the job how far it is."""

    def __call__(self, job: Job) -> None: ...


@dataclass
class TrainingJobs:
    """All jobs of an emulator."""

    SERVICES: ClassVar[tuple[str, ...]] = ("sagemaker", "ecr", "servicequotas")

    account: str
    region: str
    run: Runner
    quotas: dict[str, float] = field(default_factory=dict[str, float])
    """By name, where a test sets another one than QUOTA."""
    _jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, service: str, action: str, body: bytes) -> dict[str, Any] | Fault | None:
        """The answer, or None where this is not ours to answer."""
        answers: dict[tuple[str, str], Callable[[Mapping[str, Any]], dict[str, Any] | Fault]] = {
            ("sagemaker", "CreateTrainingJob"): self._create,
            ("sagemaker", "DescribeTrainingJob"): self._describe,
            ("sagemaker", "StopTrainingJob"): self._stop,
            ("ecr", "BatchGetImage"): _image,
            ("servicequotas", "ListServiceQuotas"): self._quotas,
        }
        answer = answers.get((service, action))
        return answer(json.loads(body)) if answer else None

    def told(self, said: Mapping[str, Any]) -> bool:
        """What a test says: `{"quotas": {name: value}}`, or `{"interrupt": job}` to take its spot machine away; False when
        there is none to take."""
        self.quotas.update(said.get("quotas", {}))
        if "interrupt" not in said:
            return True
        job = self._jobs.get(said["interrupt"])
        if job is None or job.ended or not job.asked.get("EnableManagedSpotTraining"):
            return False
        job.interrupted.set()
        return True

    def close(self) -> None:
        """End what runs."""
        for job in list(self._jobs.values()):
            job.stopping.set()

    def _create(self, asked: Mapping[str, Any]) -> dict[str, Any] | Fault:
        if fault := _wrong(asked):
            return fault
        arn = f"arn:aws:sagemaker:{self.region}:{self.account}:training-job/{asked['TrainingJobName']}"
        with self._lock:
            if asked["TrainingJobName"] in self._jobs:
                return "ResourceInUse", f"Job name must be unique within an AWS account and region: {arn}"
            job = self._jobs[asked["TrainingJobName"]] = Job(asked, arn)
        job.go("Starting", "Starting the training job")
        threading.Thread(target=self.run, args=(job,), name=job.name, daemon=True).start()
        return {"TrainingJobArn": arn}

    def _describe(self, asked: Mapping[str, Any]) -> dict[str, Any] | Fault:
        found = self._jobs.get(asked["TrainingJobName"])
        return found.told() if found else _gone()

    def _stop(self, asked: Mapping[str, Any]) -> dict[str, Any] | Fault:
        found = self._jobs.get(asked["TrainingJobName"])
        if found is None:
            return _gone()
        if found.ended:
            return (
                "ValidationException",
                f"The request was rejected because the training job is in status {found.status}.",
            )
        found.stopping.set()
        return {}

    def _quotas(self, asked: Mapping[str, Any]) -> dict[str, Any] | Fault:
        if asked["ServiceCode"] != "sagemaker":
            return {"Quotas": []}
        return {
            "Quotas": [
                {
                    "ServiceCode": "sagemaker",
                    "QuotaName": name,
                    "QuotaCode": f"L-SANDBOX{at:02}",
                    "Value": self.quotas.get(name, QUOTA),
                }
                for at, name in enumerate(QUOTA_NAMES)
            ]
        }


def _wrong(asked: Mapping[str, Any]) -> Fault | None:
    """What AWS refuses beyond the shapes, which boto3 has checked."""
    stop = asked["StoppingCondition"]
    longest = stop.get("MaxRuntimeInSeconds", 86_400)
    if asked.get("EnableManagedSpotTraining") and stop.get("MaxWaitTimeInSeconds", 0) < longest:
        return (
            "ValidationException",
            "MaxWaitTimeInSeconds must be equal to or greater than MaxRuntimeInSeconds",
        )
    if not asked.get("EnableManagedSpotTraining") and "MaxWaitTimeInSeconds" in stop:
        return "ValidationException", "MaxWaitTimeInSeconds is for managed spot training alone"
    if asked["ResourceConfig"]["InstanceType"] not in TYPES:
        return "ValidationException", f"the sandbox has no {asked['ResourceConfig']['InstanceType']}"
    return None


def _gone() -> Fault:
    return "ValidationException", "Requested resource not found."


def _image(asked: Mapping[str, Any]) -> dict[str, Any] | Fault:
    repository = asked["repositoryName"]
    if repository not in IMAGES:
        return "RepositoryNotFoundException", f"The repository with name '{repository}' does not exist"
    return {
        "images": [{"repositoryName": repository, "imageId": one} for one in asked["imageIds"]],
        "failures": [],
    }
