"""SQS queues and their policies."""

from __future__ import annotations

import threading
from typing import Any

from botocore.exceptions import ClientError

from sandbox.aws.table import Aws, Props, ResourceType, absent

SETTINGS: dict[str, tuple[str, Any]] = {
    "delaySeconds": ("DelaySeconds", 0),
    "maxMessageSize": ("MaximumMessageSize", 262144),
    "messageRetentionSeconds": ("MessageRetentionPeriod", 345600),
    "receiveWaitTimeSeconds": ("ReceiveMessageWaitTimeSeconds", 0),
    "visibilityTimeoutSeconds": ("VisibilityTimeout", 30),
    "policy": ("Policy", ""),
    "redrivePolicy": ("RedrivePolicy", ""),
    "redriveAllowPolicy": ("RedriveAllowPolicy", ""),
    "kmsMasterKeyId": ("KmsMasterKeyId", ""),
    "kmsDataKeyReusePeriodSeconds": ("KmsDataKeyReusePeriodSeconds", 300),
    "sqsManagedSseEnabled": ("SqsManagedSseEnabled", True),
    "contentBasedDeduplication": ("ContentBasedDeduplication", False),
    "deduplicationScope": ("DeduplicationScope", "queue"),
    "fifoThroughputLimit": ("FifoThroughputLimit", "perQueue"),
}
"""Input -> SQS attribute and the value that SQS gives it when nobody sets one."""

FIFO_ONLY = {"contentBasedDeduplication", "deduplicationScope", "fifoThroughputLimit"}


def _attribute(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(text: str, default: Any) -> Any:
    """An attribute's text as the type of its default."""
    if isinstance(default, bool):
        return text == "true"
    return int(text) if isinstance(default, int) else text


def _create_queue(aws: Aws, inputs: Props) -> str:
    attributes = {name: _attribute(inputs[key]) for key, (name, _) in SETTINGS.items() if key in inputs}
    if inputs.get("fifoQueue"):
        attributes["FifoQueue"] = "true"
    sqs = aws.client("sqs")
    made = sqs.create_queue(QueueName=inputs["name"], Attributes=attributes, tags=inputs.get("tagsAll", {}))
    return made["QueueUrl"]


def _attributes(aws: Aws, url: str) -> dict[str, str] | None:
    try:
        return aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    except ClientError as error:
        if absent(error):
            return None
        raise


_changing = threading.Lock()


def _set(aws: Aws, url: str, attributes: dict[str, str]) -> None:
    """Set attributes and leave the others: moto drops the policy of a queue whenever it is set without one."""
    with _changing:
        policy = (_attributes(aws, url) or {}).get("Policy")
        kept = {"Policy": policy} if policy else {}
        aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={**kept, **attributes})


def _read_queue(aws: Aws, id: str, last: Props) -> Props | None:
    found = _attributes(aws, id)
    if found is None:
        return None
    fifo = found.get("FifoQueue") == "true"
    return {
        **{
            key: _value(found[name], default) if name in found else default
            for key, (name, default) in SETTINGS.items()
            if fifo or key not in FIFO_ONLY
        },
        "arn": found["QueueArn"],
        "fifoQueue": fifo,
        "name": found["QueueArn"].rsplit(":", 1)[1],
        "url": id,
        "tagsAll": aws.client("sqs").list_queue_tags(QueueUrl=id).get("Tags", {}),
    }


def _update_queue(aws: Aws, id: str, old: Props, new: Props) -> None:
    sqs = aws.client("sqs")
    changed = {
        name: _attribute(new.get(key, default))
        for key, (name, default) in SETTINGS.items()
        if new.get(key, default) != old.get(key, default)
    }
    if changed:
        _set(aws, id, changed)
    before, after = old.get("tagsAll", {}), new.get("tagsAll", {})
    if stale := sorted(before.keys() - after.keys()):
        sqs.untag_queue(QueueUrl=id, TagKeys=stale)
    if after != before:
        sqs.tag_queue(QueueUrl=id, Tags=after)


def _delete_queue(aws: Aws, id: str, last: Props) -> None:
    try:
        aws.client("sqs").delete_queue(QueueUrl=id)
    except ClientError as error:
        if not absent(error):
            raise


def _document(token: str, key: str, *, kept: bool = False) -> ResourceType:
    """A resource that is nothing but one JSON attribute of a queue: its id is the queue's URL.

    kept: moto takes the attribute and forgets it, so the store remembers it as long as the queue is there.
    """
    name = SETTINGS[key][0]

    def create(aws: Aws, inputs: Props) -> str:
        _set(aws, inputs["queueUrl"], {name: inputs[key]})
        if kept:
            aws.store.put(token, inputs["queueUrl"], {key: inputs[key]})
        return inputs["queueUrl"]

    def read(aws: Aws, id: str, last: Props) -> Props | None:
        attributes = _attributes(aws, id)
        if attributes is None:
            return None
        document = (aws.store.get(token, id) or {}).get(key) if kept else attributes.get(name)
        return {"queueUrl": id, key: document} if document else None

    def update(aws: Aws, id: str, old: Props, new: Props) -> None:
        create(aws, new)

    def delete(aws: Aws, id: str, last: Props) -> None:
        aws.store.delete(token, id)
        if _attributes(aws, id) is not None:
            _set(aws, id, {name: ""})

    return ResourceType(
        token=token, create=create, read=read, update=update, delete=delete, immutable=frozenset({"queueUrl"})
    )


RESOURCES = (
    ResourceType(
        token="aws:sqs/queue:Queue",
        create=_create_queue,
        read=_read_queue,
        update=_update_queue,
        delete=_delete_queue,
        immutable=frozenset({"name", "namePrefix", "fifoQueue"}),
        autoname="name",
        autoname_max=80,
    ),
    _document("aws:sqs/queuePolicy:QueuePolicy", "policy"),
    _document("aws:sqs/redrivePolicy:RedrivePolicy", "redrivePolicy"),
    _document("aws:sqs/redriveAllowPolicy:RedriveAllowPolicy", "redriveAllowPolicy", kept=True),
)
