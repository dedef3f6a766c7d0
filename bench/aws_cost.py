"""What the emulated AWS costs by itself: the calls of one generation, one after another, while ours is idle."""

from __future__ import annotations

import json
import statistics
import time
import uuid
from http.client import HTTPConnection
from typing import Any

from bench.picture_figures import Rows, ms
from bench.picture_load import Wrong
from bench.picture_rig import BUCKET, Rig
from sandbox.emulator import ACCOUNT

PICTURE_BYTES = 8000
RECIPE_BYTES = 2500
"""About what a picture of 64 x 64 and a record's graph have."""

Call = tuple[str, str, str, str, bytes]
"""Name, service, method, path, body."""


def of(rig: Rig, rounds: int) -> Rows:
    """Median time of each call of a generation, and their sum."""
    rows = Rows(f"AWS's own cost, calls made alone: {rig.args.aws}")
    took: dict[str, list[float]] = {}
    connection = HTTPConnection("127.0.0.1", int(rig.aws.rpartition(":")[2]))
    for _ in range(rounds):
        generation, handle = str(uuid.uuid4()), ""
        for name, service, method, path, body in _calls(rig.aws, generation):
            said = body.replace(b"HANDLE", handle.encode())
            start = time.perf_counter()
            answer = _ask(rig, connection, name, service, method, path, said)
            took.setdefault(name, []).append(time.perf_counter() - start)
            if name == "ReceiveMessage":
                handle = json.loads(answer)["Messages"][0]["ReceiptHandle"]
    for name, times in took.items():
        rows.add(
            name, ms(statistics.median(times) * len(times) / rounds), f"{len(times) // rounds} a generation"
        )
    total = sum(statistics.median(times) * len(times) / rounds for times in took.values())
    rows.add("a generation", ms(total), "one after another, the client's own time included")
    return rows


def _calls(url: str, generation: str) -> list[Call]:
    """As app/backend makes them for one generation that succeeds."""
    key = {"id": {"S": generation}}
    item = {
        **key,
        **{name: {"S": name} for name in ("owner", "kind", "state", "createdAt")},
        "queue": {"S": "bench"},
        "version": {"N": "1"},
        "recipe": {"S": "x" * RECIPE_BYTES},
    }
    table: dict[str, Any] = {"TableName": "generations"}
    owner = {**table, "Key": {"id": {"S": "owner#bench"}}}
    ids = {"ExpressionAttributeValues": {":ids": {"SS": [generation]}}}
    state = {
        "UpdateExpression": "SET #state = :state REMOVE queue ADD version :one",
        "ConditionExpression": "#state <> :state",
        "ExpressionAttributeNames": {"#state": "state"},
    }

    def change(to: str) -> dict[str, Any]:
        values = {":state": {"S": to}, ":one": {"N": "1"}}
        return {**table, "Key": key, **state, "ExpressionAttributeValues": values}

    def own(expression: str) -> dict[str, Any]:
        return {"Update": {**owner, "UpdateExpression": expression, **ids}}

    # A queue and a partition of the index that our worker does not look at.
    queue = {"QueueUrl": f"{url}/{ACCOUNT}/dead"}
    note = {**table, "Key": {"id": {"S": "stats#text"}}}
    learned = {
        **note,
        "UpdateExpression": "SET seconds = :s",
        "ExpressionAttributeValues": {":s": {"N": "1"}},
    }
    accept = {"TransactItems": [{"Put": {**table, "Item": item}}, own("ADD unfinished :ids")]}
    finish = {"TransactItems": [{"Update": change("succeeded")}, own("DELETE unfinished :ids")]}
    return [
        _dynamo("TransactWriteItems", accept),
        _sqs("SendMessage", {**queue, "MessageBody": json.dumps({"id": generation})}),
        _sqs("ReceiveMessage", {**queue, "VisibilityTimeout": 40}),
        _dynamo("UpdateItem", change("running")),
        *(
            (
                f"PutObject {kind}",
                "s3",
                "PUT",
                f"/{BUCKET}/outputs/{generation}/0.{kind}",
                b"x" * PICTURE_BYTES,
            )
            for kind in ("png", "webp")
        ),
        _dynamo("TransactWriteItems", finish),
        _sqs("DeleteMessage", {**queue, "ReceiptHandle": "HANDLE"}),
        _dynamo("GetItem", note),
        _dynamo("UpdateItem", learned),
    ]


def _dynamo(action: str, call: dict[str, Any]) -> Call:
    return action, "dynamodb", "POST", "/", json.dumps(call).encode()


def _sqs(action: str, call: dict[str, Any]) -> Call:
    return action, "sqs", "POST", "/", json.dumps(call).encode()


def _ask(
    rig: Rig, connection: HTTPConnection, action: str, service: str, method: str, path: str, body: bytes
) -> bytes:
    # Neither moto nor the stand-in checks a signature; moto reads the service from it.
    signed = f"AWS4-HMAC-SHA256 Credential=bench/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    headers = {"Authorization": signed, "Content-Type": "application/x-amz-json-1.0"}
    target = {"dynamodb": "DynamoDB_20120810", "sqs": "AmazonSQS"}.get(service)
    if target:
        headers["X-Amz-Target"] = f"{target}.{action}"
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    said = answer.read()
    if answer.status != 200:
        raise Wrong(f"{rig.args.aws}: {action}: {answer.status}: {said[:300]!r}")
    return said
