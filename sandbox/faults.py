"""AWS having a bad time, on demand: errors, throttling and slowness of S3, DynamoDB and SQS for a while.

`POST /_sandbox/faults` with a list of `{"service", "kind", "share", "seconds", "action"?}`; `DELETE` ends all of them.
"""

from __future__ import annotations

import json
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any, cast

SERVICES = ("s3", "dynamodb", "sqs")
KINDS = ("error", "throttle", "slow")
SLOW_S = 1.0
LONGEST_S = 600.0

THROTTLED = {
    "dynamodb": (400, "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"),
    "sqs": (400, "com.amazonaws.sqs#RequestThrottled"),
    "s3": (503, "SlowDown"),
}
"""How each service says that it is asked too often (its API reference, "Common errors")."""
FAILED = {
    "dynamodb": (500, "com.amazonaws.dynamodb.v20120810#InternalServerError"),
    "sqs": (500, "com.amazonaws.sqs#InternalFailure"),
    "s3": (500, "InternalError"),
}


class WrongFault(ValueError):
    """A fault that can't be set; the message names the field and what is allowed."""


@dataclass(frozen=True)
class Answer:
    """What is answered in place of the service."""

    status: int
    content_type: str
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A share of a service's calls that goes wrong until `ends` (monotonic seconds)."""

    service: str
    kind: str
    share: float
    ends: float
    action: str | None


@dataclass
class Faults:
    """The faults that are set. Deterministic for a seed, as far as the order of calls is."""

    _set: list[Fault] = field(default_factory=list[Fault])
    _random: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311  # no secret
    _lock: threading.Lock = field(default_factory=threading.Lock)
    happened: dict[str, int] = field(default_factory=dict[str, int])

    def set(self, wanted: object) -> None:
        """Add faults. Raises WrongFault, and then adds none."""
        if not isinstance(wanted, list):
            raise WrongFault("expected a list of faults")
        read = [_read(one) for one in cast("list[object]", wanted)]
        with self._lock:
            self._set.extend(read)

    def clear(self) -> None:
        """End all of them; what happened is counted from 0 again."""
        with self._lock:
            self._set.clear()
            self.happened.clear()

    def strike(self, service: str, action: str) -> Answer | None:
        """What to answer instead of asking the service; None: ask it. Slowness passes here."""
        kind = self._choose(service, action)
        if kind is None:
            return None
        if kind == "slow":
            time.sleep(SLOW_S)
            return None
        status, code = (THROTTLED if kind == "throttle" else FAILED)[service]
        if service == "s3":
            text = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>emulated</Message></Error>"
            return Answer(status, "application/xml", text.encode())
        return Answer(
            status, "application/x-amz-json-1.0", json.dumps({"__type": code, "message": "emulated"}).encode()
        )

    def _choose(self, service: str, action: str) -> str | None:
        now = time.monotonic()
        with self._lock:
            self._set = [one for one in self._set if one.ends > now]
            for one in self._set:
                if one.service != service or one.action not in (None, action):
                    continue
                if self._random.random() < one.share:
                    name = f"{service} {one.kind}"
                    self.happened[name] = self.happened.get(name, 0) + 1
                    return one.kind
        return None


def _read(one: object) -> Fault:
    if not isinstance(one, dict):
        raise WrongFault("a fault is an object")
    given = cast("dict[str, Any]", one)
    unknown = given.keys() - {"service", "kind", "share", "seconds", "action"}
    if unknown:
        raise WrongFault(
            f"{', '.join(sorted(unknown))}: not known; allowed: service, kind, share, seconds, action"
        )
    service, kind = given.get("service"), given.get("kind")
    if service not in SERVICES:
        raise WrongFault(f"service: {service!r} is not allowed; allowed: {', '.join(SERVICES)}")
    if kind not in KINDS:
        raise WrongFault(f"kind: {kind!r} is not allowed; allowed: {', '.join(KINDS)}")
    share, seconds = _number(given, "share", 1.0), _number(given, "seconds", LONGEST_S)
    return Fault(
        service=service, kind=kind, share=share, ends=time.monotonic() + seconds, action=given.get("action")
    )


def _number(given: dict[str, Any], name: str, most: float) -> float:
    value = given.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise WrongFault(f"{name}: {value!r} is not allowed; allowed: more than 0, up to {most:g}")
    return float(value)
