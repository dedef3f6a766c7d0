"""The emulator holds what DynamoDB and S3 promise to two callers at once, which moto by itself does not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import boto3.session
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox import emulator

CALLERS = 50
LIMIT = 8
TABLE = "atomic"


@pytest.fixture(scope="module")
def table() -> Any:
    """boto3's DynamoDB client of an emulator with an empty table."""
    endpoint = emulator.serve("test", 0, list)
    requests.post(f"{endpoint}/moto-api/reset", timeout=30)
    session: Any = boto3.session.Session("test", "test", region_name="us-east-1")
    config = Config(max_pool_connections=CALLERS, retries={"total_max_attempts": 1})
    client = session.client("dynamodb", endpoint_url=endpoint, config=config)
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


def at_once(work: Callable[[int], object]) -> list[str]:
    """What came of `work(number)` for each of the callers, all begun at the same moment: `done` or the error's code."""
    gate = threading.Barrier(CALLERS)

    def one(number: int) -> str:
        gate.wait()
        try:
            work(number)
        except ClientError as error:
            return str(cast(Any, error.response)["Error"]["Code"])
        return "done"

    with ThreadPoolExecutor(CALLERS) as pool:
        return list(pool.map(one, range(CALLERS)))


def item(client: Any, id: str) -> dict[str, Any]:
    return client.get_item(TableName=TABLE, Key={"id": {"S": id}}, ConsistentRead=True)["Item"]


def test_of_many_who_put_the_same_id_one_wins(table: Any) -> None:
    def put(number: int) -> None:
        table.put_item(
            TableName=TABLE,
            Item={"id": {"S": "claim"}, "by": {"N": str(number)}},
            ConditionExpression="attribute_not_exists(id)",
        )

    came = at_once(put)
    assert sorted(came) == ["ConditionalCheckFailedException"] * (CALLERS - 1) + ["done"]
    assert item(table, "claim")["by"]["N"] == str(came.index("done"))


def test_of_many_who_count_none_is_lost(table: Any) -> None:
    def add(number: int) -> None:
        table.update_item(
            TableName=TABLE,
            Key={"id": {"S": "counter"}},
            UpdateExpression="ADD n :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )

    assert at_once(add) == ["done"] * CALLERS
    assert item(table, "counter")["n"]["N"] == str(CALLERS)


def test_a_limit_in_a_transaction_holds_and_a_refused_one_leaves_nothing(table: Any) -> None:
    """As the API accepts a generation: the record, and its id among the owner's unfinished, if there is room."""

    def accept(number: int) -> None:
        table.transact_write_items(
            TransactItems=[
                {
                    "Put": {
                        "TableName": TABLE,
                        "Item": {"id": {"S": f"generation-{number}"}},
                        "ConditionExpression": "attribute_not_exists(id)",
                    }
                },
                {
                    "Update": {
                        "TableName": TABLE,
                        "Key": {"id": {"S": "owner#1"}},
                        "UpdateExpression": "ADD unfinished :id",
                        "ConditionExpression": "attribute_not_exists(unfinished) OR size(unfinished) < :limit",
                        "ExpressionAttributeValues": {
                            ":id": {"SS": [f"generation-{number}"]},
                            ":limit": {"N": str(LIMIT)},
                        },
                    }
                },
            ]
        )

    came = at_once(accept)
    assert sorted(came) == ["TransactionCanceledException"] * (CALLERS - LIMIT) + ["done"] * LIMIT
    accepted = {f"generation-{number}" for number, one in enumerate(came) if one == "done"}
    assert set(item(table, "owner#1")["unfinished"]["SS"]) == accepted
    there = table.scan(TableName=TABLE, ConsistentRead=True)["Items"]
    assert {one["id"]["S"] for one in there if one["id"]["S"].startswith("generation-")} == accepted


@pytest.mark.parametrize("condition", [{"IfNoneMatch": "*"}, {"IfMatch": ""}], ids=["new", "changed"])
def test_of_many_who_write_an_object_under_a_condition_one_wins(
    table: Any, condition: dict[str, str]
) -> None:
    session: Any = boto3.session.Session("test", "test", region_name="us-east-1")
    config = Config(max_pool_connections=CALLERS, retries={"total_max_attempts": 1})
    s3 = session.client("s3", endpoint_url=table.meta.endpoint_url, config=config)
    bucket = f"atomic-{'-'.join(condition).lower()}"
    s3.create_bucket(Bucket=bucket)
    if "IfMatch" in condition:
        condition = {"IfMatch": s3.put_object(Bucket=bucket, Key="alias", Body=b"before")["ETag"]}
    outcomes = at_once(
        lambda number: s3.put_object(Bucket=bucket, Key="alias", Body=str(number).encode(), **condition)
    )
    assert sorted(set(outcomes)) == ["PreconditionFailed", "done"] and outcomes.count("done") == 1
