"""Objects in S3 that the program itself puts there."""

from __future__ import annotations

import base64
from typing import Any

from sandbox.aws.faithful import faithful, found_or_none
from sandbox.aws.table import Aws, Props, ResourceType


def _put(aws: Aws, bucket: str, inputs: Props) -> None:
    body = base64.b64decode(inputs["contentBase64"])
    kind = {"ContentType": inputs["contentType"]} if inputs.get("contentType") else {}
    aws.client("s3").put_object(Bucket=bucket, Key=inputs["key"], Body=body, **kind)


def _create(aws: Aws, inputs: Props) -> str:
    _put(aws, inputs["bucket"], inputs)
    return f"{inputs['bucket']}/{inputs['key']}"


def _read(aws: Aws, id: str, last: Props) -> Props | None:
    bucket, _, key = id.partition("/")
    found: Any = found_or_none(aws.client("s3").get_object, Bucket=bucket, Key=key)
    if found is None:
        return None
    return {
        "bucket": bucket,
        "key": key,
        "contentBase64": base64.b64encode(found["Body"].read()).decode(),
        "contentType": found["ContentType"],
        "etag": found["ETag"].strip('"'),
    }


def _update(aws: Aws, id: str, old: Props, new: Props) -> None:
    _put(aws, id.partition("/")[0], new)


def _delete(aws: Aws, id: str, last: Props) -> None:
    bucket, _, key = id.partition("/")
    aws.client("s3").delete_object(Bucket=bucket, Key=key)


RESOURCES = (
    faithful(
        ResourceType(
            token="aws:s3/bucketObjectv2:BucketObjectv2",
            create=_create,
            read=_read,
            update=_update,
            delete=_delete,
            immutable=frozenset({"bucket", "key"}),
        ),
        takes="bucket key contentBase64 contentType",
    ),
)
