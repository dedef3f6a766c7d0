"""Queues, dead letters and records as a stack's backend and worker leave them, on the emulated account of `ops`."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

import contract
from tests.unit.ops_cloud import STACK, Cloud

PREFIX = contract.prefix(STACK)
TABLE = f"{PREFIX}-jobs-generations"
OWNER = "5f0c3b5e-1111-4222-8333-444455556666"
PROMPT = "a secret wish for a bedroom"


def make_table(cloud: Cloud) -> str:
    """The table of generations with its indexes; its name."""
    attributes = ("id", "owner", "queue", "createdAt")
    indexes = {contract.GENERATIONS_OWNER_INDEX: "owner", contract.GENERATIONS_QUEUE_INDEX: "queue"}
    cloud.client("dynamodb").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in attributes],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": index,
                "KeySchema": [
                    {"AttributeName": key, "KeyType": "HASH"},
                    {"AttributeName": "createdAt", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
            for index, key in indexes.items()
        ],
    )
    return TABLE


def make_queues(cloud: Cloud) -> dict[str, str]:
    """URL by role: each kind, and `dead`."""
    sqs = cloud.client("sqs")
    roles = (*contract.KINDS, "dead")
    return {role: sqs.create_queue(QueueName=f"{PREFIX}-jobs-{role}")["QueueUrl"] for role in roles}


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(kw_only=True)
class Ground:
    """The jobs of a stack: put records and messages, and look at what became of them."""

    cloud: Cloud
    queues: dict[str, str]

    def put(self, state: str, *, kind: str = "text", hours: float = 1, **more: Any) -> str:
        """A generation made so many hours ago; its id."""
        id, made = str(uuid.uuid4()), datetime.now(UTC) - timedelta(hours=hours)
        unfinished = state in contract.UNFINISHED_STATES
        record: dict[str, Any] = {
            "id": id,
            "owner": OWNER,
            "createdAt": iso(made),
            "updatedAt": iso(made),
            "kind": kind,
            "state": state,
            "request": {"prompt": PROMPT, "count": 1},
            "attempts": 1,
            "version": 4,
            **({"queue": kind} if unfinished else {"finishedAt": iso(made)}),
            **more,
        }
        self.write({key: value for key, value in record.items() if value is not None})
        if unfinished:
            self.cloud.client("dynamodb").update_item(
                TableName=TABLE,
                Key={"id": {"S": f"owner#{OWNER}"}},
                UpdateExpression="ADD unfinished :id",
                ExpressionAttributeValues={":id": {"SS": [id]}},
            )
        return id

    def failed(self, message: str = "The style is broken.", **more: Any) -> str:
        """A generation that failed, with its dead letter, as the worker leaves both; its id."""
        id = self.put("failed", error={"code": "comfyui", "message": message}, attempts=3, **more)
        self.bury(id, kind=str(more.get("kind", "text")), reason=message)
        return id

    def write(self, record: Mapping[str, Any]) -> None:
        item = {key: TypeSerializer().serialize(value) for key, value in record.items()}
        self.cloud.client("dynamodb").put_item(TableName=TABLE, Item=item)

    def record(self, id: str) -> dict[str, Any]:
        found = self.cloud.client("dynamodb").get_item(TableName=TABLE, Key={"id": {"S": id}})
        return {key: TypeDeserializer().deserialize(value) for key, value in found.get("Item", {}).items()}

    def unfinished_of_owner(self) -> set[str]:
        return set(self.record(f"owner#{OWNER}").get("unfinished", ()))

    def bury(self, id: str, **more: str) -> None:
        """A dead letter of this job."""
        self.send_dead(json.dumps({"id": id, **more}))

    def send_dead(self, body: str) -> None:
        self.cloud.client("sqs").send_message(QueueUrl=self.queues["dead"], MessageBody=body)

    def messages(self, role: str) -> list[dict[str, Any]]:
        """Bodies of the messages that may be received now; takes them out of the queue."""
        sqs, url, found = self.cloud.client("sqs"), self.queues[role], list[dict[str, Any]]()
        while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for one in batch:
                found.append(json.loads(one["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
        return found


def make_ground(cloud: Cloud) -> Ground:
    """An empty table and empty queues, and the outputs that name them."""
    queues = make_queues(cloud)
    cloud.put_outputs(
        {
            "generationsTable": make_table(cloud),
            "queueUrls": {kind: queues[kind] for kind in contract.KINDS},
            "deadLetterQueueUrl": queues["dead"],
        }
    )
    return Ground(cloud=cloud, queues=queues)
