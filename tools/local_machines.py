"""The local stack's machines before the first pictures: booted anew where that is needed, waited for, with their models."""

from __future__ import annotations

import contextlib
import io
import json
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

import contract
from ops import wait
from ops.boot import Boot, read_boot
from ops.errors import OpsError
from ops.machines import OUTPUTS
from ops.stack import Stack
from sandbox import daemon
from tools import emulated_models
from tools.progress import say

ROOT = Path(__file__).resolve().parents[1]
BACKEND = "app/backend"
NOT_RUN = ("node_modules", "test")
"""Folders of the backend that its machine doesn't run code from, or whose code only npm changes."""
PACKAGES = f"{BACKEND}/node_modules/.ready"
"""Written when npm has installed the packages anew (tools/node.sh)."""
WAIT_MINUTES = 3.0
POLL_S = 0.3
REBOOT_LIMIT_S = 30.0
MODELS_LIMIT_S = 60.0


class NotReady(Exception):
    """A machine doesn't get where it should; the message tells which, and where its logs are."""


@dataclass(frozen=True, kw_only=True)
class Machines:
    """Those of the local stack, whose sandbox's files are in `folder`. is_real: ComfyUI is a real one."""

    stack: Stack
    folder: Path
    outputs: dict[str, Any]
    is_real: bool
    root: Path = ROOT

    def get_ready(self) -> None:
        """Until both are, and ComfyUI offers the models. A sleeping ML server sleeps on. Raises NotReady, OSError."""
        roles = [contract.ML_SERVER, contract.BACKEND]
        if self._sleeps(contract.ML_SERVER):
            say("ml-server: asleep; the first picture wakes it")
            roles.remove(contract.ML_SERVER)
        for role in roles:
            self._reboot_if_needed(role)
        for role in roles:  # side by side until here
            self._wait(role)
        if contract.ML_SERVER in roles and not self.is_real:
            self._wait_for_models()

    def _id(self, role: str) -> str:
        return str(self.outputs[OUTPUTS[role]])

    def _sleeps(self, role: str) -> bool:
        try:
            answer = self.stack.client("ec2").describe_instances(InstanceIds=[self._id(role)])
        except ClientError:
            return False  # whoever waits for it says what is wrong
        [reservation] = answer["Reservations"]
        return reservation["Instances"][0]["State"]["Name"] in ("stopping", "stopped")

    def _reboot_if_needed(self, role: str) -> None:
        boot = read_boot(self.stack, role)
        if boot.instance_id != self._id(role):
            return  # it has yet to say its first word
        if boot.state == "failed":
            why = f"failed at {boot.stage}"
        elif role == contract.BACKEND and self._is_older_than_its_code(boot):
            why = "runs older code than this checkout's"
        else:
            return
        say(f"{role}: {why}: rebooting")
        self.stack.client("ec2").reboot_instances(InstanceIds=[boot.instance_id])
        deadline = time.monotonic() + REBOOT_LIMIT_S
        while read_boot(self.stack, role) == boot:
            if time.monotonic() > deadline:
                raise NotReady(f"{role}: does not reboot\n    {self._logs(boot.instance_id)}")
            time.sleep(POLL_S / 3)

    def _is_older_than_its_code(self, boot: Boot) -> bool:
        times = [file.stat().st_mtime for file in _code(self.root) if file.is_file()]
        return boot.updated_at is not None and max(times, default=0.0) > boot.updated_at.timestamp()

    def _wait(self, role: str) -> None:
        args = wait.WaitArgs(role=role, instance_id=self._id(role), minutes=WAIT_MINUTES, poll_seconds=POLL_S)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                wait.run(self.stack, args, json=False)
        except OpsError as error:
            raise NotReady(f"{error}\n  on this machine, {self._logs(self._id(role))}") from error
        say(f"{role}: ready")

    def _wait_for_models(self) -> None:
        """The machine may have booted before they were pushed."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        deadline = time.monotonic() + MODELS_LIMIT_S
        for port in contract.COMFYUI_PORTS.values():
            name = f"{self.stack.name}/{self.outputs['comfyUiAddress']}:{port}"
            url = daemon.url_of(self.folder, name)
            if url is None:
                raise NotReady(f"the sandbox has no address for {name}: see {self.folder / 'daemon.log'}")
            for kind, names in emulated_models.MODELS.items():
                wanted = {f"{name}.safetensors" for name in names}
                while not wanted <= {*json.load(direct.open(f"{url}/models/{kind}", timeout=10))}:
                    if time.monotonic() > deadline:
                        raise NotReady(
                            f"ComfyUI at {url} does not offer the models in {kind} after {MODELS_LIMIT_S:.0f} s\n"
                            f"    {self._logs(self._id(contract.ML_SERVER))}"
                        )
                    time.sleep(POLL_S)

    def _logs(self, instance_id: str) -> str:
        return f"logs: {self.folder / 'machines' / instance_id}/*.log"


def _code(root: Path) -> Iterator[Path]:
    """What the backend's machine runs, in this checkout."""
    for part in (root / BACKEND).iterdir():
        if part.name not in NOT_RUN:
            yield from part.rglob("*.js") if part.is_dir() else [part]
    yield from (root / "app" / "workflows").glob("*.json")
    yield from (root / "app" / "contract.json", root / PACKAGES)
