"""The emulated DynamoDB stays right while it is quick: transactions hold whole or not at all. The emulated SQS's polls."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, cast

import boto3.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox import emulator

KEYS: dict[str, str] = {
    "aws_access_key_id": "test",
    "aws_secret_access_key": "test",
    "region_name": "us-east-1",
}


@pytest.fixture(scope="module")
def endpoint() -> str:
    return emulator.serve("light", 0, lambda: [])


def client(endpoint: str, service: str) -> Any:
    make = cast(Callable[..., Any], boto3.session.Session().client)
    return make(service, endpoint_url=endpoint, config=Config(retries={"total_max_attempts": 1}), **KEYS)


@pytest.fixture
def dynamodb(endpoint: str) -> Any:
    made = client(endpoint, "dynamodb")
    made.create_table(
        TableName="t",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
    )
    yield made
    made.delete_table(TableName="t")


def update(id: str, expression: str, values: dict[str, Any], condition: str | None = None) -> dict[str, Any]:
    made = {
        "TableName": "t",
        "Key": {"id": {"S": id}},
        "UpdateExpression": expression,
        "ExpressionAttributeValues": values,
    }
    return {"Update": {**made, **({"ConditionExpression": condition} if condition else {})}}


def read(dynamodb: Any, id: str) -> Any:
    return dynamodb.get_item(TableName="t", Key={"id": {"S": id}}).get("Item")


def test_a_transaction_whose_second_write_is_refused_leaves_the_first_undone(dynamodb: Any):
    dynamodb.put_item(TableName="t", Item={"id": {"S": "a"}, "list": {"L": [{"S": "x"}]}, "n": {"N": "1"}})
    one, refused = {":one": {"N": "1"}}, {":no": {"N": "9"}, ":one": {"N": "1"}}
    with pytest.raises(ClientError) as failure:
        dynamodb.transact_write_items(
            TransactItems=[
                update("a", "SET n = n + :one", one),
                update("new", "SET n = :one", one),
                update("b", "SET n = :one", refused, "n = :no"),
            ]
        )
    answer = cast(Any, failure.value).response
    assert [reason["Code"] for reason in answer["CancellationReasons"]] == [
        "None",
        "None",
        "ConditionalCheckFailed",
    ]
    assert read(dynamodb, "a")["n"] == {"N": "1"} and read(dynamodb, "new") is None


def test_a_set_that_lost_a_transaction_is_as_before(dynamodb: Any):
    dynamodb.put_item(TableName="t", Item={"id": {"S": "owner"}, "ids": {"SS": ["1", "2"]}})
    with pytest.raises(ClientError):
        dynamodb.transact_write_items(
            TransactItems=[
                update("owner", "ADD ids :more", {":more": {"SS": ["3"]}}),
                update("x", "SET n = :n", {":n": {"N": "1"}}, "attribute_exists(id)"),
            ]
        )
    assert sorted(read(dynamodb, "owner")["ids"]["SS"]) == ["1", "2"]


def test_of_many_at_once_as_many_are_taken_as_the_limit_says(dynamodb: Any, endpoint: str):
    limit, taken = {":limit": {"N": "8"}}, list[str]()

    def take(id: str) -> None:
        add = update(
            "owner",
            "ADD ids :id",
            {":id": {"SS": [id]}, **limit},
            "attribute_not_exists(ids) OR size(ids) < :limit",
        )
        put = {"Put": {"TableName": "t", "Item": {"id": {"S": id}}}}
        try:
            client(endpoint, "dynamodb").transact_write_items(TransactItems=[put, add])
        except ClientError:
            return
        taken.append(id)

    threads = [threading.Thread(target=take, args=(str(n),)) for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 8 and sorted(read(dynamodb, "owner")["ids"]["SS"]) == sorted(taken)


def test_a_poll_ends_as_soon_as_a_message_comes_and_no_sooner(endpoint: str):
    sqs = client(endpoint, "sqs")
    url = sqs.create_queue(QueueName="soon")["QueueUrl"]
    started = time.monotonic()
    threading.Timer(0.8, lambda: sqs.send_message(QueueUrl=url, MessageBody="hello")).start()
    [message] = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=20)["Messages"]
    assert message["Body"] == "hello" and 0.7 < time.monotonic() - started < 10


def test_a_poll_whose_caller_is_gone_takes_no_message(endpoint: str):
    sqs = client(endpoint, "sqs")
    url = sqs.create_queue(QueueName="gone")["QueueUrl"]
    host, port = endpoint.removeprefix("http://").split(":")
    body = json.dumps({"QueueUrl": url, "WaitTimeSeconds": 20})
    with socket.create_connection((host, int(port))) as caller:
        caller.sendall(
            "POST / HTTP/1.1\r\nHost: sqs\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\n"
            "Content-Type: application/x-amz-json-1.0\r\n"
            "Authorization: AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        time.sleep(0.5)
    time.sleep(1)
    sqs.send_message(QueueUrl=url, MessageBody="for the living")
    assert sqs.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"][0]["Body"] == "for the living"
