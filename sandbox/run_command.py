"""SSM's Run Command, in place of moto's, which says of every command at once that it went well.

A command waits until the instance's agent takes it. Agents are whoever asks at `/_sandbox/commands`: GET
`?instance=i-…` hands out what waits for that instance, POST `{"id", "instance", "code", "stdout", "stderr"}` says how it
ended. What no agent takes in its `TimeoutSeconds` ends as on AWS: `DeliveryTimedOut`.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DOCUMENT = "AWS-RunShellScript"
DELIVERY_S = 3600
"""SendCommand's default of TimeoutSeconds (API reference of SSM)."""
OUTPUT_CHARACTERS = 24_000
"""As much of each output as GetCommandInvocation returns (the same)."""
Fault = tuple[str, str]
"""AWS's code of an error, and its words."""


@dataclass
class Invocation:
    """A command on one instance."""

    id: str
    instance: str
    commands: list[str]
    deadline: float
    status: str = "Pending"
    code: int = -1
    stdout: str = ""
    stderr: str = ""

    def told(self) -> dict[str, Any]:
        """What GetCommandInvocation says."""
        late = self.status == "Pending" and time.monotonic() > self.deadline
        return {
            "CommandId": self.id,
            "InstanceId": self.instance,
            "DocumentName": DOCUMENT,
            "Status": "TimedOut" if late else self.status,
            "StatusDetails": "DeliveryTimedOut" if late else self.status,
            "ResponseCode": self.code,
            "StandardOutputContent": self.stdout[:OUTPUT_CHARACTERS],
            "StandardErrorContent": self.stderr[:OUTPUT_CHARACTERS],
        }


@dataclass
class RunCommand:
    """All commands of an emulator, by command and instance."""

    _known: dict[tuple[str, str], Invocation] = field(default_factory=dict[tuple[str, str], Invocation])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, action: str, asked: Mapping[str, Any]) -> dict[str, Any] | Fault:
        """Answer SendCommand or GetCommandInvocation."""
        return self._send(asked) if action == "SendCommand" else self._get(asked)

    def _send(self, asked: Mapping[str, Any]) -> dict[str, Any] | Fault:
        if asked.get("DocumentName") != DOCUMENT:
            return "InvalidDocument", f"the sandbox knows {DOCUMENT} alone"
        made = str(uuid.uuid4())
        late = time.monotonic() + asked.get("TimeoutSeconds", DELIVERY_S)
        with self._lock:
            for instance in asked["InstanceIds"]:
                commands = list(asked["Parameters"]["commands"])
                self._known[made, instance] = Invocation(made, instance, commands, late)
        return {"Command": {"CommandId": made, "InstanceIds": asked["InstanceIds"], "Status": "Pending"}}

    def _get(self, asked: Mapping[str, Any]) -> dict[str, Any] | Fault:
        found = self._known.get((asked["CommandId"], asked["InstanceId"]))
        return found.told() if found else ("InvocationDoesNotExist", "")

    def take(self, instance: str) -> list[dict[str, Any]]:
        """What waits for an instance; it is its agent's from now on."""
        with self._lock:
            waiting = [
                one
                for one in self._known.values()
                if one.instance == instance and one.told()["Status"] == "Pending"
            ]
            for one in waiting:
                one.status = "InProgress"
        return [{"id": one.id, "commands": one.commands} for one in waiting]

    def ended(self, said: Mapping[str, Any]) -> bool:
        """How a command ended; False for one that nobody knows."""
        one = self._known.get((str(said.get("id")), str(said.get("instance"))))
        if one is None:
            return False
        one.code = int(said["code"])
        one.stdout, one.stderr = str(said.get("stdout", "")), str(said.get("stderr", ""))
        one.status = "Success" if one.code == 0 else "Failed"
        return True
