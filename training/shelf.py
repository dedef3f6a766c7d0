"""What lies under `loras/` in the bucket, and the alias that says which version of a style designers get
(docs/decisions/0017).

    loras/<Style>-v<N>.safetensors   a version, which never changes
    loras/<Style>-v<N>.json, .jpg    its sidecar (training/sidecar.py) and its thumbnail
    loras/<Style>.alias.json         which version designers get
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from botocore.exceptions import ClientError

PREFIX = "loras/"
FILE, SIDECAR, THUMBNAIL, ALIAS = ".safetensors", ".json", ".jpg", ".alias.json"
SHA256_KEY = "sha256"
"""Object metadata: SHA-256 in hex, as `ops models push` records it."""
VERSION = re.compile(r"(?P<style>.+)-v(?P<number>[1-9][0-9]{0,5})")
KEPT_PREVIOUS = 20
"""How far back rollbacks go."""
TAKEN = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
"""What S3 says when the condition of a write does not hold (docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html)."""


class Taken(Exception):
    """Somebody else wrote the object in the meantime: nothing was written."""


class AliasBroken(Exception):
    """What lies in an alias's place is none."""


@dataclass(frozen=True, kw_only=True)
class Alias:
    """Which version of a style designers get; `previous` are those before it, the last one at the end."""

    style: str
    version: str
    previous: tuple[str, ...] = ()
    retired: bool = False
    changed_at: str = ""

    def promoted(self, version: str) -> Alias:
        """Designers get this version from now on, also of a style that was retired."""
        before = self.previous if version == self.version else (*self.previous, self.version)
        return Alias(style=self.style, version=version, previous=before[-KEPT_PREVIOUS:])


def now() -> str:
    """This moment, as it is written down: `2026-11-28T05:10:27Z`."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def entries(client: Any, bucket: str) -> dict[str, Any]:
    """All that lies under `loras/`, by the name after the prefix, as ListObjectsV2 tells it."""
    found: dict[str, Any] = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PREFIX):
        found |= {entry["Key"].removeprefix(PREFIX): entry for entry in page.get("Contents", [])}
    found.pop("", None)  # consoles make an object of the folder itself
    return found


def next_number(names: Mapping[str, Any], style: str) -> int:
    """The number of the style's next version. One that somebody began and never ended stays free of others."""
    taken = [VERSION.match(name) for name in names]
    return 1 + max((int(one["number"]) for one in taken if one and one["style"] == style), default=0)


def read_alias(client: Any, bucket: str, style: str) -> tuple[Alias, str] | None:
    """The style's alias and its ETag; None without one. Raises AliasBroken."""
    try:
        answer = client.get_object(Bucket=bucket, Key=f"{PREFIX}{style}{ALIAS}")
    except ClientError as error:
        if _code(error) in ("NoSuchKey", "404"):
            return None
        raise
    return parse_alias(style, answer["Body"].read()), str(answer["ETag"])


def parse_alias(style: str, text: bytes) -> Alias:
    """The alias of a style from its JSON. Raises AliasBroken."""
    where = f"{PREFIX}{style}{ALIAS}"
    try:
        read = json.loads(text)
    except ValueError as error:
        raise AliasBroken(f"{where} is no JSON ({error})") from error
    told = cast(dict[str, Any], read) if isinstance(read, dict) else {}
    version, previous, retired = told.get("version"), told.get("previous", []), told.get("retired", False)
    if not isinstance(version, str) or not isinstance(previous, list) or not isinstance(retired, bool):
        raise AliasBroken(
            f"{where} is no alias: it needs version (text), previous (list), retired (true or false)"
        )
    before = tuple(str(one) for one in cast(list[Any], previous))
    return Alias(
        style=style,
        version=version,
        previous=before,
        retired=retired,
        changed_at=str(told.get("changedAt", "")),
    )


def write_alias(client: Any, bucket: str, alias: Alias, etag: str | None) -> None:
    """Write it in the place of the one with this ETag; None: of none. Raises Taken."""
    told = {
        "style": alias.style,
        "version": alias.version,
        "previous": list(alias.previous),
        "retired": alias.retired,
        "changedAt": now(),
    }
    condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag}
    body = (json.dumps(told, indent=2, ensure_ascii=False) + "\n").encode()
    put(client, bucket, f"{alias.style}{ALIAS}", body, "application/json", condition)


def put(
    client: Any, bucket: str, name: str, body: bytes, content_type: str, condition: Mapping[str, str]
) -> None:
    """Write an object under a condition, once: an answer that was lost on its way is no second writer. Raises Taken."""
    sha256 = hashlib.sha256(body).hexdigest()
    whole = {"Body": body, "ContentType": content_type, "Metadata": {SHA256_KEY: sha256}}
    put_once(client, bucket, name, sha256, {**whole, "ChecksumAlgorithm": "SHA256", **condition})


def put_once(client: Any, bucket: str, name: str, sha256: str, request: Mapping[str, Any]) -> None:
    """PutObject with its condition; what lies there with our own SHA-256 was written by us. Raises Taken."""
    key = f"{PREFIX}{name}"
    try:
        client.put_object(Bucket=bucket, Key=key, **request)
    except ClientError as error:
        if _code(error) in ("NoSuchKey", "404"):  # If-Match of what is no more
            raise Taken(key) from error
        if _code(error) not in TAKEN:
            raise
        if recorded(client, bucket, name) != sha256:
            raise Taken(key) from error


def recorded(client: Any, bucket: str, name: str) -> str | None:
    """SHA-256 that was recorded with an object (empty: none was); None when it is not there."""
    try:
        head = client.head_object(Bucket=bucket, Key=f"{PREFIX}{name}")
    except ClientError as error:
        if _code(error) in ("NoSuchKey", "404"):
            return None
        raise
    return str(head["Metadata"].get(SHA256_KEY, "")).lower()


def _code(error: ClientError) -> str:
    response: Any = error.response
    return str(response.get("Error", {}).get("Code", ""))
