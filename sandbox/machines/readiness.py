"""The readiness record of an emulated machine: the same JSON, in the same parameter, as `cloud_init/machine.sh` writes."""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

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
    _closed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def close(self) -> None:
        """The machine is no more: nothing is written from now on, and nothing is on its way."""
        with self._lock:
            self._closed = True

    def put_parameter(self, **request: Any) -> None:
        """SSM's PutParameter, for what else the machine writes: never after `close` either."""
        with self._lock:
            if not self._closed:
                self.ssm.put_parameter(**request)

    def tell(self, state: str, stage: str = "", message: str = "") -> None:
        """Write the record: pending, running, ready or failed. That it can't be sent stops nothing, as on a machine."""
        record = {
            "state": state,
            "stage": stage,
            "message": message[:MESSAGE_LIMIT].replace("{{", "{ {").replace("}}", "} }"),
            "instanceId": self.instance_id,
            "bootId": self.boot_id,
            "startedAt": self.started_at,
            "updatedAt": _now(),
        }
        with self._lock:
            if not self._closed:
                self._send(json.dumps(record))

    def _send(self, text: str) -> None:
        try:
            self.ssm.put_parameter(Name=self.parameter, Type="String", Overwrite=True, Value=text)
        except (BotoCoreError, ClientError) as error:
            print(
                f"machines: {self.instance_id}: the readiness record could not be sent: {error}", flush=True
            )
