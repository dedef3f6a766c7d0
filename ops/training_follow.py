"""A training job followed in the terminal to its end: stages, steps, loss, time left, dollars; and its log when asked."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError
from rich.progress import BarColumn, Progress, TextColumn

from ops.errors import BAD, OpsError, is_gone
from ops.show import console, span
from ops.stack import Stack
from ops.training_job import describe

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
MARK = "sd-app: "
"""Begins a line of the log that is the job's word on its progress (training/job.py); JSON follows."""
POLL_S = 5.0
TAIL_LINES = 15
"""Of the log, shown when a job fails."""
DONE, FAILED, STOPPED = "Completed", "Failed", "Stopped"


@dataclass
class Seen:
    """What a job has said so far."""

    name: str
    dollars_per_hour: float
    told: dict[str, Any] = field(default_factory=dict[str, Any])
    tail: list[str] = field(default_factory=list[str])
    _streams: dict[str, str] = field(default_factory=dict[str, str])

    def lines(self, stack: Stack) -> Generator[str]:
        """New lines of its log; those of progress are kept in `told`, and not given."""
        logs = stack.client("logs")
        try:
            found = logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{self.name}/")
        except ClientError as error:
            if not is_gone(error):
                raise
            return
        for stream in found["logStreams"]:
            yield from self._of(logs, stream["logStreamName"])

    def _of(self, logs: Any, stream: str) -> Generator[str]:
        while True:
            token = {"nextToken": self._streams[stream]} if stream in self._streams else {}
            answer = logs.get_log_events(
                logGroupName=LOG_GROUP, logStreamName=stream, startFromHead=True, **token
            )
            for event in answer["events"]:
                line = str(event["message"]).rstrip()
                if line.startswith(MARK):
                    self._note(line)
                else:
                    self.tail = [*self.tail[-TAIL_LINES:], line]
                    yield line
            if answer["nextForwardToken"] == self._streams.get(stream) or not answer["events"]:
                self._streams[stream] = answer["nextForwardToken"]
                return
            self._streams[stream] = answer["nextForwardToken"]

    def _note(self, line: str) -> None:
        try:
            said = json.loads(line.removeprefix(MARK))
        except ValueError:
            return
        if isinstance(said, dict):
            self.told.update(said)  # pyright: ignore[reportUnknownArgumentType]  # JSON


def follow(
    stack: Stack, name: str, dollars_per_hour: float, *, verbose: bool = False, poll_s: float = POLL_S
) -> tuple[dict[str, Any], Seen]:
    """Until it has ended; SageMaker's last word on it, and what it said itself.

    Ctrl-C leaves the job running, and says how to come back to it.
    """
    seen = Seen(name, dollars_per_hour)
    try:
        with _bars() as bars:
            bar = bars.add_task("starting", total=None, rest="")
            while True:
                job = describe(stack, name)
                for line in seen.lines(stack):
                    if verbose:
                        bars.console.print(f"  {line}", soft_wrap=True)
                _show(bars, bar, job, seen)
                if job["TrainingJobStatus"] in (DONE, FAILED, STOPPED):
                    return job, seen
                _pause(poll_s)
    except KeyboardInterrupt:
        sys.stderr.write(
            f"\n{name} goes on. To see it again: python -m ops --stack {stack.name} loras follow {name}"
            f"\nTo end it: python -m ops --stack {stack.name} loras stop {name}\n"
        )
        raise


def _pause(seconds: float) -> None:
    time.sleep(seconds)


def _bars() -> Progress:
    """On stderr, a line that stays at the job's end."""
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[rest]}", markup=False),
        console=console(errors=True),
    )


def _show(bars: Progress, bar: Any, job: dict[str, Any], seen: Seen) -> None:
    stage = job["SecondaryStatus"]
    if stage == "Training" and seen.told.get("stage"):
        stage = str(seen.told["stage"])
    steps = seen.told.get("steps")
    bars.update(
        bar, description=stage.lower(), total=steps, completed=seen.told.get("step", 0), rest=rest(job, seen)
    )


def rest(job: dict[str, Any], seen: Seen) -> str:
    """Step, loss, time left and dollars so far, as far as they are known."""
    told, parts = seen.told, list[str]()
    if told.get("steps"):
        parts.append(f"step {told.get('step', 0)} of {told['steps']}")
    if told.get("loss") is not None:
        parts.append(f"loss {told['loss']:.4f}")
    if told.get("etaSeconds") is not None and job["SecondaryStatus"] == "Training":
        parts.append(f"{span(timedelta(seconds=told['etaSeconds']))} left")
    if billed := billed_seconds(job):
        parts.append(f"${billed / 3600 * seen.dollars_per_hour:.2f} so far")
    return ", ".join(parts)


def billed_seconds(job: dict[str, Any]) -> int:
    """Seconds of its machine; while it runs SageMaker has not added them up yet."""
    if billable := job.get("BillableTimeInSeconds"):
        return int(billable)
    if started := job.get("TrainingStartTime"):
        ended = job["TrainingEndTime"].timestamp() if job.get("TrainingEndTime") else time.time()
        return max(0, int(ended - started.timestamp()))
    return 0


def ended_well(stack: Stack, job: dict[str, Any], seen: Seen) -> None:
    """Raises OpsError with the reason and what to do, unless the job completed."""
    if job["TrainingJobStatus"] == DONE:
        return
    again = f"python -m ops --stack {stack.name} loras train --resume {seen.name}"
    if job["SecondaryStatus"] == "MaxRuntimeExceeded":
        raise OpsError(
            f"{seen.name} ran out of its time ({rest(job, seen)}); nothing was published. Its checkpoints are kept:\n"
            f"  {again}\nwith --max-minutes and --max-dollars as they are to be now",
            BAD,
        )
    if job["SecondaryStatus"] == "MaxWaitTimeExceeded":
        raise OpsError(
            f"{seen.name} found no spot machine in its time; nothing was published:\n  {again} --on-demand",
            BAD,
        )
    if job["TrainingJobStatus"] == STOPPED:
        raise OpsError(
            f"{seen.name} was stopped; nothing was published. To go on from its checkpoints:\n  {again}", BAD
        )
    tail = "".join(f"\n  {line}" for line in seen.tail)
    raise OpsError(
        f"{seen.name} failed; nothing was published: {job.get('FailureReason', 'no reason given')}{tail}", BAD
    )
