"""The readiness record of an emulated machine: the same JSON, in the same parameter, as `cloud_init/machine.sh` writes."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

MESSAGE_LIMIT = 1000


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(kw_only=True)
class Readiness:
    """One boot's record. Written at each stage; never after `close`, when the machine is no more."""

    ssm: Any
    parameter: str
    instance_id: str
    boot_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    started_at: str = field(default_factory=_now)
    closed: bool = False

    def tell(self, state: str, stage: str = "", message: str = "") -> None:
        """Write the record: pending, running, ready or failed."""
        if self.closed:
            return
        record = {
            "state": state,
            "stage": stage,
            "message": message[:MESSAGE_LIMIT].replace("{{", "{ {").replace("}}", "} }"),
            "instanceId": self.instance_id,
            "bootId": self.boot_id,
            "startedAt": self.started_at,
            "updatedAt": _now(),
        }
        self.ssm.put_parameter(Name=self.parameter, Type="String", Overwrite=True, Value=json.dumps(record))
