"""AWS having a bad time, on demand: errors, throttling and slowness of S3, DynamoDB and SQS for a while.

`POST /_sandbox/faults` with a list of `{"service", "kind", "share", "seconds", "action"?}`: of the service's calls (of
that action, such as PutObject), this share goes wrong for so many seconds. `GET` tells what is set and how many calls
went wrong so far, `DELETE` ends all of it.
"""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, cast

SLOW_S = 1.0
"""How much longer a slow call takes."""
LONGEST_S = 600.0


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """How a service words that something is wrong: status, code, message."""

    status: int
    code: str
    message: str


ERRORS: dict[str, dict[str, Wrong]] = {
    "s3": {
        "error": Wrong(
            status=500,
            code="InternalError",
            message="We encountered an internal error. Please try again.",
        ),
        "throttle": Wrong(status=503, code="SlowDown", message="Please reduce your request rate."),
    },
    "dynamodb": {
        "error": Wrong(
            status=500,
            code="com.amazonaws.dynamodb.v20120810#InternalServerError",
            message="The request processing has failed because of an unknown error",
        ),
        "throttle": Wrong(
            status=400,
            code="com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
            message="The level of configured provisioned throughput for the table was exceeded. Consider increasing "
            "your provisioning level with the UpdateTable API.",
        ),
    },
    "sqs": {
        "error": Wrong(
            status=500,
            code="com.amazonaws.sqs#InternalFailure",
            message="The request processing has failed because of an unknown error, exception or failure.",
        ),
        "throttle": Wrong(
            status=400, code="com.amazonaws.sqs#RequestThrottled", message="Request is throttled."
        ),
    },
}
"""By service and kind; of each service's API reference: S3 "Error responses", DynamoDB "Error handling", SQS "Common
errors"."""
SERVICES = tuple(ERRORS)
KINDS = ("error", "throttle", "slow")
FIELDS = ("service", "kind", "share", "seconds", "action")


class WrongFault(ValueError):
    """A fault that can't be set; the message names the field and what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is answered in place of the service."""

    status: int
    headers: list[tuple[str, str]]
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
    """The faults that are set. Deterministic, as far as the order of calls is."""

    _set: list[Fault] = field(default_factory=list[Fault])
    _random: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311  # no secret
    _lock: threading.Lock = field(default_factory=threading.Lock)
    happened: dict[str, int] = field(default_factory=dict[str, int])
    """How many calls went wrong, by service and kind, since the last `clear`."""

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

    def shown(self) -> list[dict[str, Any]]:
        """The faults that are set now; `seconds` are those that are left."""
        now = time.monotonic()
        with self._lock:
            return [
                {
                    "service": one.service,
                    "kind": one.kind,
                    "share": one.share,
                    "action": one.action,
                    "seconds": round(one.ends - now, 1),
                }
                for one in self._set
                if one.ends > now
            ]

    def strike(self, service: str, action: str) -> Answer | None:
        """What to answer instead of asking the service; None: ask it. Slowness passes here."""
        if not self._set:
            return None
        kind = self._choose(service, action)
        if kind == "slow":
            time.sleep(SLOW_S)
        wrong = ERRORS[service].get(kind) if kind else None
        if wrong is None:
            return None
        return _in_xml(wrong) if service == "s3" else _in_json(wrong)

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


def _in_xml(wrong: Wrong) -> Answer:
    """As S3 words it."""
    request = uuid.uuid4().hex[:16].upper()
    body = (
        "<?xml version='1.0' encoding='UTF-8'?>\n"
        f"<Error><Code>{wrong.code}</Code><Message>{wrong.message}</Message><RequestId>{request}</RequestId></Error>"
    )
    return Answer(
        status=wrong.status,
        headers=[("Content-Type", "application/xml"), ("x-amz-request-id", request)],
        body=body.encode(),
    )


def _in_json(wrong: Wrong) -> Answer:
    """As services of AWS's JSON protocol word it; the header is for clients that know SQS's older protocol."""
    headers = [("Content-Type", "application/x-amz-json-1.0"), ("x-amzn-RequestId", str(uuid.uuid4()))]
    if wrong.code.startswith("com.amazonaws.sqs#"):
        blame = "Sender" if wrong.status < 500 else "Receiver"
        headers.append(("x-amzn-query-error", f"{wrong.code.partition('#')[2]};{blame}"))
    body = {"__type": wrong.code, "message": wrong.message}
    return Answer(status=wrong.status, headers=headers, body=json.dumps(body).encode())


def _read(one: object) -> Fault:
    if not isinstance(one, dict):
        raise WrongFault("a fault is an object")
    given = cast("dict[str, Any]", one)
    unknown = given.keys() - {*FIELDS}
    if unknown:
        raise WrongFault(f"{', '.join(sorted(unknown))}: not known; allowed: {', '.join(FIELDS)}")
    service, kind, action = given.get("service"), given.get("kind"), given.get("action")
    if service not in SERVICES:
        raise WrongFault(f"service: {service!r} is not allowed; allowed: {', '.join(SERVICES)}")
    if kind not in KINDS:
        raise WrongFault(f"kind: {kind!r} is not allowed; allowed: {', '.join(KINDS)}")
    if action is not None and not isinstance(action, str):
        raise WrongFault(
            f"action: {action!r} is not allowed; allowed: the name of an action, such as PutObject"
        )
    share, seconds = _number(given, "share", 1.0), _number(given, "seconds", LONGEST_S)
    return Fault(service=service, kind=kind, share=share, ends=time.monotonic() + seconds, action=action)


def _number(given: dict[str, Any], name: str, most: float) -> float:
    value = given.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise WrongFault(f"{name}: {value!r} is not allowed; allowed: more than 0, up to {most:g}")
    return float(value)
