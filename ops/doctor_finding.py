"""What `ops doctor` finds, and how it asks: reads alone, and a refusal tells the right that is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from botocore.exceptions import ClientError

from ops.errors import DENIED, code
from ops.stack import Stack
from settings import Settings

Verdict = Literal["ok", "bad", "unseen", "unneeded"]
"""unseen: we could not look; unneeded: the settings, or the sandbox, have no use for it."""

READS = ("get_", "head_", "list_", "describe_")
RIGHTS = {
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListBuckets": "s3:ListAllMyBuckets",
}
"""Where the right to an operation has another name
(docs.aws.amazon.com/service-authorization/latest/reference/list_amazons3.html)."""
IAM_NAMES = {"service-quotas": "servicequotas"}
"""Services that IAM calls otherwise than boto3."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the table: what was looked at, what is there, and what to do about it."""

    check: str
    verdict: Verdict
    said: str
    todo: str = ""
    stops_up: bool = True
    """Of what is bad: False where `up` goes well, and something is to be done after it."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What the checks of an account need."""

    stack: Stack
    settings: Settings


Look = Callable[[Ground], list[Finding]]
"""May raise Denied, AwsError and OpsError."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """Something to look at in the account; `name` stands in the table when nothing could be seen."""

    name: str
    look: Look


class Denied(Exception):
    """The account refuses; `right` is what is missing."""

    def __init__(self, right: str, error: ClientError) -> None:
        super().__init__(f"the right {right} is missing")
        self.right, self.error = right, error


def good(check: str, said: str) -> Finding:
    """All is well."""
    return Finding(check=check, verdict="ok", said=said)


def bad(check: str, said: str, todo: str) -> Finding:
    """`up` would fail, or what it makes would not work."""
    return Finding(check=check, verdict="bad", said=said, todo=todo)


def unseen(check: str, why: str, todo: str = "") -> Finding:
    """Nobody knows."""
    return Finding(check=check, verdict="unseen", said=why, todo=todo)


def unneeded(check: str, why: str) -> Finding:
    """Nothing has to be there."""
    return Finding(check=check, verdict="unneeded", said=why)


def ask(
    stack: Stack, service: str, operation: str, *, region: str | None = None, **arguments: Any
) -> dict[str, Any]:
    """The answer of an operation that reads. Denied, or another AwsError."""
    client = stack.client(service, region)
    _only_reads(operation)
    try:
        return getattr(client, operation)(**arguments)
    except ClientError as error:
        raise _told(client, service, operation, error) from error


def ask_all(
    stack: Stack, service: str, operation: str, key: str, *, region: str | None = None, **arguments: Any
) -> Iterator[Any]:
    """What all pages of an operation that reads have under a key."""
    client = stack.client(service, region)
    _only_reads(operation)
    try:
        for page in client.get_paginator(operation).paginate(**arguments):
            yield from page.get(key) or ()
    except ClientError as error:
        raise _told(client, service, operation, error) from error


def _only_reads(operation: str) -> None:
    if not operation.startswith(READS):
        raise ValueError(f"{operation} is no operation that reads")


def _told(client: Any, service: str, operation: str, error: ClientError) -> Exception:
    if code(error) not in DENIED:
        return error
    right = f"{IAM_NAMES.get(service, service)}:{client.meta.method_to_api_mapping[operation]}"
    return Denied(RIGHTS.get(right, right), error)
