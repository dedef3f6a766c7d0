"""Runs an emulated training job: the package that came with it, as a process of this machine.

Folders, files and signals are SageMaker's (docs.aws.amazon.com/sagemaker/latest/dg/your-algorithms-training-algo.html);
`SM_ROOT` says where they lie, since `/opt/ml` is not ours. The image and its GPU are not there: `PYTHON` is that of the
training environment (tools/training.sh), and sandbox/training/stand_ins.py has what takes the place of sd-scripts and of
the weights.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tarfile
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3.session
from botocore.exceptions import ClientError

from sandbox.training import stand_ins
from sandbox.training_jobs import Job

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
KEEP_S = 1.0
"""Between two looks at the checkpoints; SageMaker's own pace is not told."""
GRACE_S = 120.0
"""From SIGTERM to SIGKILL, as on AWS."""
ROOT = Path(__file__).resolve().parent.parent
OPT_ML = "/opt/ml"


class JobFailed(Exception):
    """Why, as FailureReason has it."""


@dataclass
class Runner:
    """Where jobs run, and with which Python. endpoint: of the emulator, known once it serves."""

    folder: Path
    region: str
    endpoint: str = ""
    surroundings: Callable[[], Mapping[str, str]] = field(default_factory=lambda: training_environment)

    def __call__(self, job: Job) -> None:
        """The whole life of a job."""
        place = self.folder / job.name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        try:
            _Run(job, place, self._client("s3"), self._client("logs"), self.surroundings).whole()
        except (JobFailed, OSError, ClientError) as error:
            job.end("Failed", "Failed", str(error))
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def _client(self, service: str) -> Any:
        session: Any = boto3.session.Session(
            aws_access_key_id="sandbox", aws_secret_access_key="sandbox", region_name=self.region
        )
        return session.client(service, endpoint_url=self.endpoint)


def training_environment() -> Mapping[str, str]:
    """What an image has and a machine with a GPU. It is made when it is missing: that takes a minute or two. Raises
    JobFailed."""
    made = subprocess.run([ROOT / "tools" / "training.sh"], capture_output=True, text=True, check=False)
    if made.returncode:
        raise JobFailed(f"InternalServerError: {made.stderr.strip()[-500:]}")
    python = Path(made.stdout.strip())
    return {"PYTHON": str(python), **stand_ins.environment(python)}


class _Run:
    def __init__(
        self, job: Job, place: Path, s3: Any, logs: Any, surroundings: Callable[[], Mapping[str, str]]
    ) -> None:
        self._job, self._place, self._s3, self._surroundings = job, place, s3, surroundings
        self._log = _Log(logs, f"{job.name}/algo-1-{int(job.created)}")
        self._limit_s = float(job.asked["StoppingCondition"].get("MaxRuntimeInSeconds", 86_400))
        self._kept: dict[str, tuple[int, int]] = {}

    def whole(self) -> None:
        job = self._job
        job.go("Downloading", "Downloading the training data")
        self._bring()
        job.started = time.time()
        while True:
            job.go("Training", "Training image download completed. Training in progress.")
            code = self._process()
            self._keep_checkpoints()
            if not job.interrupted.is_set():
                break
            job.interrupted.clear()
            job.go("Interrupted", "Managed Spot Training job interrupted")
            job.go("Starting", "Launching requested ML instances")
        if job.stopping.is_set():
            job.end("Stopped", "Stopped", "Training job stopped by user")
            return
        if job.billable_s >= self._limit_s:
            self._upload_result()
            job.end(
                "Stopped", "MaxRuntimeExceeded", "Training job runtime exceeded MaxRuntimeInSeconds provided"
            )
            return
        if code:
            raise JobFailed(f"AlgorithmError: {self._failure()}, exit code: {code}")
        job.go("Uploading", "Uploading generated training model")
        self._upload_result()
        job.end("Completed", "Completed", "Training job completed")

    def _bring(self) -> None:
        for channel in self._job.asked["InputDataConfig"]:
            source = channel["DataSource"]["S3DataSource"]["S3Uri"]
            if not self._download(source, self._place / "input" / "data" / channel["ChannelName"]):
                raise JobFailed(
                    f"ClientError: Data download failed: No S3 objects found under S3 URL {source!r}"
                )
        if checkpoints := self._job.asked.get("CheckpointConfig"):
            self._download(checkpoints["S3Uri"].rstrip("/") + "/", self._place / "checkpoints")
        config = self._place / "input" / "config"
        config.mkdir(parents=True)
        (config / "hyperparameters.json").write_text(json.dumps(self._job.asked.get("HyperParameters", {})))
        for made in ("model", "output", "checkpoints"):
            (self._place / made).mkdir(exist_ok=True)

    def _download(self, uri: str, folder: Path) -> int:
        """Files under a prefix, with their paths below it; one file whose key the prefix is, by its name."""
        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        count = 0
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for entry in page.get("Contents", []):
                name = entry["Key"].removeprefix(prefix).lstrip("/") or entry["Key"].rpartition("/")[2]
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                self._s3.download_file(bucket, entry["Key"], str(target))
                count += 1
        return count

    def _process(self) -> int:
        """The package until it ends, is stopped, or its time is over; its exit status."""
        started = time.monotonic()
        process = subprocess.Popen(
            self._entry(),
            cwd=self._place,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        reader = threading.Thread(target=self._log.follow, args=(process.stdout,), daemon=True)
        reader.start()
        asked_at, before = 0.0, self._job.billable_s
        while process.poll() is None:
            time.sleep(KEEP_S / 5)
            now = time.monotonic()
            self._job.billable_s = before + round(now - started)
            over = (
                self._job.stopping.is_set()
                or self._job.interrupted.is_set()
                or self._job.billable_s >= self._limit_s
            )
            if over and not asked_at:
                asked_at = now
                process.send_signal(signal.SIGTERM)
            if asked_at and now - asked_at > GRACE_S:
                os.killpg(process.pid, signal.SIGKILL)
            self._keep_checkpoints()
            self._log.flush()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # what it left behind
        reader.join(timeout=10)
        self._log.flush()
        return process.returncode

    def _entry(self) -> list[str]:
        """The request's own command, with its folders where they are here. Raises JobFailed."""
        asked = self._job.asked["AlgorithmSpecification"].get("ContainerEntrypoint")
        if not asked:
            raise JobFailed(
                "ClientError: the sandbox has no images, and runs a job's own ContainerEntrypoint alone"
            )
        return [
            part.replace(OPT_ML, str(self._place), 1) if part.startswith(OPT_ML) else part for part in asked
        ]

    def _environment(self) -> Mapping[str, str]:
        kept = {
            name: os.environ[name]
            for name in ("PATH", "HOME", "LANG", "SANDBOX_SECONDS_PER_TRAINING_STEP")
            if name in os.environ
        }
        return {
            **kept,
            **self._job.asked.get("Environment", {}),
            "PYTHONUNBUFFERED": "1",
            # Small models gain nothing by threads, which wait for each other on a busy machine.
            "OMP_NUM_THREADS": "1",
            "SM_ROOT": str(self._place),
            "TRAINING_JOB_NAME": self._job.name,
            **self._surroundings(),
        }

    def _keep_checkpoints(self) -> None:
        """What is new under checkpoints/ to S3."""
        config = self._job.asked.get("CheckpointConfig")
        if not config:
            return
        bucket, _, prefix = config["S3Uri"].removeprefix("s3://").partition("/")
        folder = self._place / "checkpoints"
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = str(file.relative_to(folder))
            with suppress(FileNotFoundError):  # gone again meanwhile
                state = (file.stat().st_mtime_ns, file.stat().st_size)
                if self._kept.get(name) != state:
                    # Read once: a file that grows shorter under its upload would leave the other end waiting.
                    body = file.read_bytes()
                    self._s3.put_object(Bucket=bucket, Key=f"{prefix.rstrip('/')}/{name}", Body=body)
                    self._kept[name] = state

    def _upload_result(self) -> None:
        archive = self._place / "model.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            for file in sorted((self._place / "model").rglob("*")):
                tar.add(file, file.relative_to(self._place / "model"), recursive=False)
        bucket, _, key = self._job.result.removeprefix("s3://").partition("/")
        self._s3.upload_file(str(archive), bucket, key)

    def _failure(self) -> str:
        with suppress(OSError):
            return (self._place / "output" / "failure").read_text().strip()[:1024]
        return self._log.last or "no reason was given"


class _Log:
    """A stream of CloudWatch Logs."""

    def __init__(self, logs: Any, stream: str) -> None:
        self._logs, self._stream, self.last = logs, stream, ""
        self._waiting: deque[dict[str, Any]] = deque()
        with suppress(ClientError):
            logs.create_log_group(logGroupName=LOG_GROUP)
        with suppress(ClientError):
            logs.create_log_stream(logGroupName=LOG_GROUP, logStreamName=stream)

    def follow(self, output: Any) -> None:
        """Takes every line, until the process has no more to say."""
        for raw in output:
            line = raw.decode(errors="replace").rstrip()
            if line:
                self.last = line
                self._waiting.append({"timestamp": int(time.time() * 1000), "message": line})

    def flush(self) -> None:
        """What came since the last time, in one call: a call a line would take longer than the job."""
        events = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if events:
            with suppress(ClientError):
                self._logs.put_log_events(
                    logGroupName=LOG_GROUP, logStreamName=self._stream, logEvents=events
                )
