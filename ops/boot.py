"""A machine's readiness record, as the machine itself writes it."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import contract
from ops.show import age
from ops.stack import Stack


@dataclass(frozen=True, kw_only=True)
class Boot:
    """How far a machine is. `instance_id` is empty until a machine has written the record."""

    state: str
    stage: str = ""
    message: str = ""
    instance_id: str = ""
    updated_at: datetime | None = None

    def told(self) -> str:
        """Stage, message and age in one line; empty when the machine is ready."""
        if self.state == "ready":
            return ""
        said = ": ".join(text for text in (self.stage, self.message) if text)
        return f"{said} ({age(self.updated_at)} ago)" if self.updated_at else said


def read_boot(stack: Stack, role: str) -> Boot:
    """The record of the machine in this role. AwsError when it can't be read."""
    name = contract.boot_parameter(stack.name, role)
    return parse(stack.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])


def parse(text: str) -> Boot:
    """The record from its JSON; what is no record counts as pending, as before the first word of the machine."""
    try:
        read = json.loads(text)
    except ValueError:
        read = None
    record = cast(dict[str, Any], read) if isinstance(read, dict) else dict[str, Any]()
    state = str(record.get("state", ""))
    if state not in contract.READY_STATES:
        return Boot(state="pending")
    return Boot(
        state=state,
        stage=str(record.get("stage") or ""),
        message=str(record.get("message") or ""),
        instance_id=str(record.get("instanceId") or ""),
        updated_at=_time(record.get("updatedAt")),
    )


def _time(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
