"""Generations as the table has them: what waits, what failed, and the two changes an operator may make.

Both changes are transactions with conditions, so that no worker's write in between is lost. The same fields are written
by the backend and the worker (`app/contract.json` has the states and indexes).
"""

import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, cast

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

import contract
from ops.errors import OpsError, code
from ops.stack import Stack

QUEUED, RUNNING = contract.UNFINISHED_STATES
FAILED = "failed"
STATES = (*contract.UNFINISHED_STATES, *contract.FINAL_STATES)
OPERATOR = "failed_by_operator"
"""Code of the error in a record that `ops jobs fail` ended."""
SEGMENTS = 4
"""Parts of the table that are scanned side by side."""
TRIES = 5
"""A write to the same user's record at the same moment refuses a transaction; after so many, something else is wrong."""
ID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
Record = dict[str, Any]

NAMES = {"#state": "state", "#owner": "owner", "#kind": "kind", "#error": "error"}
"""Attributes that DynamoDB has its own use of the word for, or that conditions need."""
SHOWN = "id, #owner, #kind, #state, createdAt, updatedAt, attempts, workerName, #error"
"""What a `Job` is made of: requests and recipes stay where they are."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What may be shown of a generation without asking: no prompt, nothing of the request."""

    id: str
    owner: str
    kind: str
    state: str
    created: datetime | None
    changed: datetime | None
    attempts: int
    worker: str
    error_code: str
    error: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a stack keeps its jobs: the table, the queue of each kind, the dead-letter queue."""

    stack: Stack
    table: str
    queues: Mapping[str, str]
    dead: str


class WrongState(Exception):
    """The record is in another state than the change needs; None: there is no such record."""

    def __init__(self, state: str | None) -> None:
        super().__init__(state)
        self.state = state


def place_of(stack: Stack) -> Place:
    """From the stack's outputs. OpsError when they name none."""
    outputs = stack.outputs()
    queues = cast(Mapping[str, Any], outputs.get("queueUrls") or {})
    if set(contract.KINDS) - set(queues):
        raise OpsError(
            f"the outputs of stack {stack.name} have no queueUrls: run `make up STACK={stack.name}` again"
        )
    return Place(
        stack=stack,
        table=stack.output("generationsTable"),
        queues={kind: str(queues[kind]) for kind in contract.KINDS},
        dead=stack.output("deadLetterQueueUrl"),
    )


def job_id(text: str) -> str:
    """The id, small letters. OpsError when it is none: the table holds other records too."""
    found = text.strip().lower()
    if not re.fullmatch(ID, found):
        raise OpsError(f'"{text}" is no job\'s id; it looks like 0f8fad5b-d9cb-469f-a165-70867728950e')
    return found


def unknown(id: str) -> str:
    """Words for an id that has no record."""
    return (
        f"no job {id}: records go by themselves some time after the pictures (python -m ops jobs list --all)"
    )


def unfinished(stack: Stack, table: str, kinds: Sequence[str]) -> list[Job]:
    """What waits or runs, by kind, oldest first."""
    found: list[Job] = []
    for kind in kinds:
        pages = (
            stack.client("dynamodb")
            .get_paginator("query")
            .paginate(
                TableName=table,
                IndexName=contract.GENERATIONS_QUEUE_INDEX,
                KeyConditionExpression="#queue = :kind",
                ProjectionExpression=SHOWN,
                ExpressionAttributeNames={**NAMES, "#queue": "queue"},
                ExpressionAttributeValues={":kind": {"S": kind}},
            )
        )
        found += _jobs(pages)
    return found


def scan(
    stack: Stack, table: str, states: Sequence[str], kinds: Sequence[str], since: datetime | None
) -> list[Job]:
    """Generations in these states that were made since then, newest first. Reads the whole table: no index has states."""
    of_state = {f":s{at}": {"S": state} for at, state in enumerate(states)}
    of_kind = {f":k{at}": {"S": kind} for at, kind in enumerate(kinds)}
    values = {**of_state, **of_kind}
    # What is known of the GPU has no owner: it is no generation, whatever else it says.
    condition = (
        f"attribute_exists(#owner) AND #state IN ({', '.join(of_state)}) AND #kind IN ({', '.join(of_kind)})"
    )
    if since is not None:
        values[":since"] = {"S": _iso(since)}
        condition += " AND createdAt >= :since"
    arguments = {
        "TableName": table,
        "FilterExpression": condition,
        "ProjectionExpression": SHOWN,
        "ExpressionAttributeNames": NAMES,
        "ExpressionAttributeValues": values,
        "TotalSegments": SEGMENTS,
    }
    with ThreadPoolExecutor(max_workers=SEGMENTS) as side_by_side:
        parts = side_by_side.map(partial(_segment, stack, arguments), range(SEGMENTS))
    found = [job for part in parts for job in part]
    return sorted(found, key=lambda job: job.created or datetime.min.replace(tzinfo=UTC), reverse=True)


def _segment(stack: Stack, arguments: Mapping[str, Any], segment: int) -> list[Job]:
    pages = stack.client("dynamodb").get_paginator("scan").paginate(**arguments, Segment=segment)
    return list(_jobs(pages))


def get(stack: Stack, table: str, id: str) -> Record | None:
    """The whole record as it is now, prompt and all."""
    key = {"id": {"S": id}}
    item = stack.client("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True).get("Item")
    return _plain_item(item) if item else None


def states(stack: Stack, table: str, ids: Iterable[str]) -> dict[str, Job]:
    """The jobs of these ids that have a record."""
    wanted, client = sorted(set(ids)), stack.client("dynamodb")
    found: dict[str, Job] = {}
    for at in range(0, len(wanted), 100):  # as many as DynamoDB gives at once
        ask: Any = {
            table: {
                "Keys": [{"id": {"S": id}} for id in wanted[at : at + 100]],
                "ConsistentRead": True,
                "ProjectionExpression": SHOWN,
                "ExpressionAttributeNames": NAMES,
            }
        }
        while ask:
            answer = client.batch_get_item(RequestItems=ask)
            found |= {job.id: job for job in map(_job, answer["Responses"].get(table, []))}
            ask = answer.get("UnprocessedKeys")
    return found


def fail(stack: Stack, table: str, job: Job, reason: str) -> None:
    """Queued or running -> failed, and off its owner's count. WrongState when it is neither by now."""
    error = {"M": {"code": {"S": OPERATOR}, "message": {"S": reason}}}
    _change(
        stack,
        table,
        job,
        change="SET #state = :state, finishedAt = :now, updatedAt = :now, #error = :error ADD version :one "
        "REMOVE #queue, leaseToken, leaseUntil",
        needs=contract.UNFINISHED_STATES,
        values={":state": {"S": FAILED}, ":error": error},
        owner="DELETE unfinished :id",
    )


def requeue(stack: Stack, table: str, job: Job) -> None:
    """Failed -> queued with all its attempts, and onto its owner's count. WrongState when it has not failed by now.

    Its message is the caller's to send.
    """
    _change(
        stack,
        table,
        job,
        change="SET #state = :state, #queue = :kind, attempts = :none, enqueuedAt = :now, retriedAt = :now, updatedAt = :now "
        "ADD version :one REMOVE #error, finishedAt, startedAt, workerName",
        needs=(FAILED,),
        values={":state": {"S": QUEUED}, ":kind": {"S": job.kind}, ":none": {"N": "0"}},
        owner="ADD unfinished :id",
    )


def _change(
    stack: Stack, table: str, job: Job, *, change: str, needs: Sequence[str], values: Record, owner: str
) -> None:
    needed = {f":needs{at}": {"S": state} for at, state in enumerate(needs)}
    of_record: dict[str, Any] = {
        "TableName": table,
        "Key": {"id": {"S": job.id}},
        "UpdateExpression": change,
        "ConditionExpression": f"#state IN ({', '.join(needed)})",
        "ExpressionAttributeNames": {"#state": "state", "#queue": "queue", "#error": "error"},
        "ExpressionAttributeValues": {
            **values,
            **needed,
            ":now": {"S": _iso(datetime.now(UTC))},
            ":one": {"N": "1"},
        },
    }
    of_owner: dict[str, Any] = {
        "TableName": table,
        "Key": {"id": {"S": f"owner#{job.owner}"}},
        "UpdateExpression": owner,
        "ExpressionAttributeValues": {":id": {"SS": [job.id]}},
    }
    for attempt in range(TRIES):
        try:
            stack.client("dynamodb").transact_write_items(
                TransactItems=[{"Update": of_record}, {"Update": of_owner}]
            )
            return
        except ClientError as error:
            why = _cancelled(error)
            if "ConditionalCheckFailed" in why:
                now = get(stack, table, job.id)
                raise WrongState(str(now["state"]) if now else None) from error
            if "TransactionConflict" not in why:
                raise
            time.sleep(0.05 * 2**attempt)
    raise OpsError(f"{job.id}: its record is being written all the time; nothing was changed, try again")


def _cancelled(error: ClientError) -> set[str]:
    """Codes for which a transaction was refused; none for any other error."""
    if code(error) != "TransactionCanceledException":
        return set()
    response: Any = error.response
    reasons: list[dict[str, str]] = response.get("CancellationReasons") or []
    return {one.get("Code", "") for one in reasons}


def job_of(record: Mapping[str, Any]) -> Job:
    """The part of a record that may be shown without asking."""
    error: Mapping[str, Any] = record.get("error") or {}
    return Job(
        id=str(record.get("id", "")),
        owner=str(record.get("owner", "")),
        kind=str(record.get("kind", "")),
        state=str(record.get("state", "")),
        created=_time(record.get("createdAt")),
        changed=_time(record.get("updatedAt")),
        attempts=int(record.get("attempts") or 0),
        worker=str(record.get("workerName") or ""),
        error_code=str(error.get("code") or ""),
        error=str(error.get("message") or ""),
    )


def _jobs(pages: Iterable[Any]) -> Iterator[Job]:
    for page in pages:
        yield from map(_job, page["Items"])


def _job(item: Mapping[str, Any]) -> Job:
    return job_of(_plain_item(item))


_DESERIALIZER = TypeDeserializer()


def _plain_item(item: Mapping[str, Any]) -> Record:
    return {key: _plain(_DESERIALIZER.deserialize(value)) for key, value in item.items()}


def _plain(value: Any) -> Any:
    """As JSON has it: DynamoDB's numbers are decimals, and its sets are no lists."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in cast(Record, value).items()}
    if isinstance(value, set):
        return sorted(_plain(one) for one in cast(set[Any], value))
    return [_plain(one) for one in cast(list[Any], value)] if isinstance(value, list) else value


def _time(value: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _iso(moment: datetime) -> str:
    """As JavaScript's `toISOString` writes it: texts of this form sort by time."""
    return re.sub(r"\+00:00$", "Z", moment.astimezone(UTC).isoformat(timespec="milliseconds"))
