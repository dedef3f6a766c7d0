"""How the work is: queues, dead letters, table, jobs; and who may sign in to make it."""

from collections.abc import Mapping
from typing import Any

import contract
from ops import job_records
from ops.job_records import QUEUED, RUNNING
from ops.part import Health, Outputs, Part, Reader, last
from ops.show import counted
from ops.stack import Stack


def _queue(stack: Stack, url: str) -> tuple[int, int]:
    """Messages that wait (also those held back for a while), and those being worked on."""
    wanted = (
        "ApproximateNumberOfMessages",
        "ApproximateNumberOfMessagesDelayed",
        "ApproximateNumberOfMessagesNotVisible",
    )
    answer = stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=list(wanted))
    waiting, delayed, busy = (int(answer["Attributes"].get(name, 0)) for name in wanted)
    return waiting + delayed, busy


def _work_queue(stack: Stack, outputs: Outputs, part: str, url: Any) -> list[Part]:
    waiting, busy = _queue(stack, url)
    state = "empty" if not waiting and not busy else f"{waiting} waiting, {busy} in work"
    return [Part(part=part, state=state, health="ok", address=url, shown=last(url))]


def _dead_letters(stack: Stack, outputs: Outputs, part: str, url: Any) -> list[Part]:
    waiting, busy = _queue(stack, url)
    dead = waiting + busy
    return [
        Part(
            part=part,
            state=f"{counted(dead, 'job')} given up" if dead else "empty",
            health="broken" if dead else "ok",
            address=url,
            shown=last(url),
            note=f"which, and why: python -m ops --stack {stack.name} jobs list" if dead else "",
        )
    ]


TABLE_HEALTH: Mapping[str, Health] = {"ACTIVE": "ok", "CREATING": "changing", "UPDATING": "changing"}


def _table(stack: Stack, outputs: Outputs, part: str, name: Any) -> list[Part]:
    found = stack.client("dynamodb").describe_table(TableName=name)["Table"]
    # DynamoDB counts its items every six hours only.
    items = f"~{counted(found.get('ItemCount', 0), 'item')}"
    return [
        Part(
            part=part,
            state=f"{found['TableStatus'].lower()}, {items}",
            health=TABLE_HEALTH.get(found["TableStatus"], "broken"),
            address=name,
            since=found.get("CreationDateTime"),
        )
    ]


def _jobs(stack: Stack, outputs: Outputs, part: str, name: Any) -> list[Part]:
    """What the table says of the unfinished; the age is that of the oldest."""
    found = job_records.unfinished(stack, name, contract.KINDS)
    counts = {state: sum(job.state == state for job in found) for state in (QUEUED, RUNNING)}
    return [
        Part(
            part=part,
            state=", ".join(f"{count} {state}" for state, count in counts.items())
            if found
            else "none unfinished",
            health="ok",
            since=min((job.created for job in found if job.created), default=None),
            shown=" ",
        )
    ]


MFA_WORDS = {"OFF": "no MFA", "OPTIONAL": "MFA optional", "ON": "MFA required"}


def _identity(stack: Stack, outputs: Outputs, part: str, pool_id: Any) -> list[Part]:
    pool = stack.client("cognito-idp").describe_user_pool(UserPoolId=pool_id)["UserPool"]
    users = pool.get("EstimatedNumberOfUsers", 0)
    return [
        Part(
            part=part,
            state=f"{counted(users, 'user')}, {MFA_WORDS[pool.get('MfaConfiguration') or 'OFF']}",
            health="ok",
            address=pool_id,
            shown=pool["Name"],
            since=pool.get("CreationDate"),
            note=""
            if users
            else f"nobody can sign in yet: python -m ops --stack {stack.name} users add EMAIL",
        )
    ]


WORK_READERS = (
    Reader(part="identity", output="userPoolId", ask=_identity),
    *(Reader(part=f"queue {kind}", output="queueUrls", key=kind, ask=_work_queue) for kind in contract.KINDS),
    Reader(part="dead letters", output="deadLetterQueueUrl", ask=_dead_letters),
    Reader(part="table", output="generationsTable", ask=_table),
    Reader(part="jobs", output="generationsTable", ask=_jobs),
)
