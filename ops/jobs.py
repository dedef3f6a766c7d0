"""`ops jobs retry`, `dismiss` and `fail`: what an operator may do about a generation."""

import json as json_text
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import contract
from ops import job_records as records
from ops.dead_letters import DeadLetters, taken
from ops.errors import BAD, AwsError, OpsError, explain
from ops.job_records import FAILED, QUEUED, RUNNING, Job, Place, WrongState, job_id, place_of, unknown
from ops.show import as_json, console, counted, lines
from ops.stack import Stack

LONGEST_REASON = 500
"""Characters: a designer reads it beside the picture that didn't come."""


@dataclass(kw_only=True)
class _Outcome:
    """What was done, job by job, and what was not."""

    done: dict[str, str] = field(default_factory=dict[str, str])
    faults: dict[str, str] = field(default_factory=dict[str, str])


def retry(stack: Stack, ids: Sequence[str], *, json: bool) -> int:
    """Queue failed jobs again with all their attempts, and take their dead letters away.

    A job that is queued already gets its message once more, which does no harm: whatever broke off may be repeated.
    """
    return _each(stack, ids, _retry, json=json)


def dismiss(stack: Stack, ids: Sequence[str], *, json: bool) -> int:
    """Take the dead letters of ended jobs away without another try; their records stay as they are."""
    return _each(stack, ids, _dismiss, json=json)


def fail(stack: Stack, id: str, reason: str, *, json: bool) -> int:
    """End a job that waits or runs, with a reason that its designer reads."""
    told = " ".join(reason.split())
    if not 0 < len(told) <= LONGEST_REASON:
        raise OpsError(f"--reason: allowed: 1 to {LONGEST_REASON} characters, and not {len(told)}")
    place, id = place_of(stack), job_id(id)
    record = records.get(stack, place.table, id)
    if record is None:
        raise OpsError(unknown(id), BAD)
    job = records.job_of(record)
    try:
        records.fail(stack, place.table, job, told)
    except WrongState as error:
        why = f": {job.error}" if job.error and error.state == FAILED else ""
        raise OpsError(f"{id} is {error.state or 'gone'} already{why}; nothing was changed", BAD) from error
    if json:
        as_json({"id": id, "before": job.state, "state": FAILED, "reason": told})
    else:
        console().print(f"{id} has failed now (it was {_on(job)})", soft_wrap=True)
    return 0


Act = Callable[[Place, DeadLetters, str, Job | None], str]
"""What is done to one job; returns words for it, raises OpsError with why not."""


def _each(stack: Stack, ids: Sequence[str], act: Act, *, json: bool) -> int:
    """Do it to every job, whatever becomes of another; exit status 1 when one was refused."""
    wanted = [job_id(id) for id in dict.fromkeys(ids)]
    place, outcome = place_of(stack), _Outcome()
    with taken(stack, place.dead) as held:
        for id in wanted:
            try:
                record = records.get(stack, place.table, id)
                outcome.done[id] = act(place, held, id, records.job_of(record) if record else None)
            except OpsError as error:
                outcome.faults[id] = str(error)
            except AwsError as error:
                outcome.faults[id] = explain(error)
    if json:
        as_json([{"id": id, "done": outcome.done.get(id), "fault": outcome.faults.get(id)} for id in wanted])
    else:
        for id, words in outcome.done.items():
            console().print(f"{id}: {words}", soft_wrap=True)
    if outcome.faults:
        raise OpsError(lines([f"{id}: {fault}" for id, fault in outcome.faults.items()], ""), BAD)
    return 0


def _retry(place: Place, held: DeadLetters, id: str, job: Job | None) -> str:
    if job is None:
        raise OpsError("no such job")
    words = "its message was sent again"
    if job.state == FAILED:
        try:
            records.requeue(place.stack, place.table, job)
        except WrongState as error:
            raise OpsError(f"is {error.state or 'gone'} by now; nothing was changed") from error
        words = "queued again"
    elif job.state == RUNNING and not held.of(id):
        raise OpsError(f"is {_on(job)}; nothing was changed")
    elif job.state not in contract.UNFINISHED_STATES:
        raise OpsError(f"has {job.state}; only a failed job can be tried again")
    try:
        place.stack.client("sqs").send_message(
            QueueUrl=place.queues[job.kind], MessageBody=json_text.dumps({"id": id})
        )
    except AwsError as error:
        raise OpsError(
            f"is queued, but no worker knows yet ({explain(error)}); repeat the command"
        ) from error
    # Last: as long as the job's new message is not there, the old one tells of it.
    removed = held.remove(id)
    return f"{words}, {counted(removed, 'dead letter')} removed" if removed else words


def _dismiss(place: Place, held: DeadLetters, id: str, job: Job | None) -> str:
    if job is not None and job.state in contract.UNFINISHED_STATES:
        raise OpsError(f"is {_on(job)}: it would wait for ever; retry or fail it")
    if not held.of(id):
        return "has no dead letter"
    return f"{counted(held.remove(id), 'dead letter')} removed"


def _on(job: Job) -> str:
    """`queued`, or `running on worker-1 (attempt 2)`."""
    if job.state == QUEUED or not job.worker:
        return job.state
    return f"{job.state} on {job.worker} (attempt {job.attempts})"
