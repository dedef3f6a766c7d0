"""A command on a machine by SSM's Run Command, followed to its end; no port is opened for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ops.errors import BAD, OpsError, code
from ops.stack import Stack

POLL_SECONDS = 2.0
DELIVERY_SECONDS = 60
"""A running machine's agent takes a command within seconds; 30 is the least that SSM allows."""
WAITING = ("Pending", "InProgress", "Delayed", "Cancelling")
"""CommandInvocation.Status of what may still change (API reference of SSM, GetCommandInvocation)."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended: exit status, and the first 24,000 characters of what it said."""

    status: int
    output: str
    errors: str


def run(
    stack: Stack,
    instance_id: str,
    command: str,
    *,
    minutes: float,
    look: Callable[[], object],
    poll_seconds: float = POLL_SECONDS,
) -> Ended:
    """Run a shell command as root and wait; `look` is called between two looks. OpsError when it can't be run, or was not
    done in time."""
    ssm = stack.client("ssm")
    sent = ssm.send_command(
        DocumentName="AWS-RunShellScript",
        InstanceIds=[instance_id],
        TimeoutSeconds=DELIVERY_SECONDS,
        Comment="sd-app: python -m ops",
        Parameters={"commands": [command], "executionTimeout": [str(int(minutes * 60))]},
    )["Command"]["CommandId"]
    while True:
        time.sleep(poll_seconds)
        found = _look(ssm, sent, instance_id)
        if found["Status"] not in WAITING:
            break
        look()
    details = found.get("StatusDetails", found["Status"])
    if details in ("DeliveryTimedOut", "Undeliverable", "Terminated"):
        raise OpsError(
            f"{instance_id} took no command ({details}): is it running, and is its SSM agent? `python -m ops status` tells",
            BAD,
        )
    if details == "ExecutionTimedOut":
        raise OpsError(f"{instance_id} was not done after {minutes:g} minutes; the command was ended", BAD)
    return Ended(
        status=int(found.get("ResponseCode", -1)),
        output=found.get("StandardOutputContent", ""),
        errors=found.get("StandardErrorContent", ""),
    )


def _look(ssm: Any, command: str, instance_id: str) -> dict[str, Any]:
    try:
        return ssm.get_command_invocation(CommandId=command, InstanceId=instance_id)
    except ClientError as error:
        if code(error) == "InvocationDoesNotExist":  # not yet: it appears a moment after SendCommand
            return {"Status": "Pending"}
        raise
