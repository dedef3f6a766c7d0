"""Keeps what runs on this machine in step with what the emulated EC2 says is running."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3.session

import contract
from sandbox.calls import Call
from sandbox.edge import Edges
from sandbox.machines import backend, ml_server
from sandbox.machines.addresses import Addresses
from sandbox.machines.machine import Boot, Machine
from sandbox.machines.processes import end_strays

PROGRAMS: dict[str, Callable[[Machine], None]] = {
    contract.ML_SERVER: ml_server.boot,
    contract.BACKEND: backend.boot,
}
"""Roles that have a stand-in. A NAT instance has none: nothing is filtered here."""
HALTING = ("RebootInstances", "StopInstances")
"""After these nothing of a machine runs on, even when it is started again before anybody looked."""
CHANGING = ("RunInstances", "StartInstances", "TerminateInstances", *HALTING)
"""EC2's calls after which other machines may run than before."""
MODELS = (contract.MODELS_PREFIX, contract.LORAS_PREFIX)
TICK_S = 0.25
LOOK_S = 5.0
"""EC2 is looked at this often even when no call was seen that could have changed it."""
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Supervisor:
    """Machines of every stack in one emulator. All its files are in `folder`."""

    folder: Path
    region: str
    machines: dict[str, Machine] = field(default_factory=dict[str, Machine])
    bucket_changes: int = 0
    _nudged: threading.Event = field(default_factory=threading.Event)
    _halted: set[str] = field(default_factory=set[str])
    _calls: threading.Lock = field(default_factory=threading.Lock)
    _starting: threading.Lock = field(default_factory=threading.Lock)
    _failed: set[str] = field(default_factory=set[str])
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self, endpoint: str) -> None:
        """Begin, in a thread, with the emulator at `endpoint`; what a process before this one left is ended first, and its
        files removed."""
        end_strays(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o700, parents=True)
        self.addresses = Addresses(self.folder.parent / "addresses.json")
        self.endpoint = endpoint
        self._edges = Edges(endpoint, self.region, self.addresses.port)
        self._ec2: Any = boto3.session.Session(region_name=self.region).client(
            "ec2", endpoint_url=self.endpoint
        )
        self._thread = threading.Thread(target=self._run, name="machines", daemon=True)
        self._thread.start()

    def saw_call(self, call: Call) -> None:
        """The emulator answered a call that may have changed something. Fine before `start`, too."""
        with self._calls:
            # DeleteObjects names its keys in its body.
            if call.service == "s3" and (call.key.startswith(MODELS) or call.action == "DeleteObjects"):
                self.bucket_changes += 1
            if call.action in HALTING:
                self._halted.update(call.instances)
        if call.service == "cloudfront" or call.action in CHANGING:
            self._nudged.set()

    def close(self) -> None:
        """Power everything off."""
        self._ended.set()
        if self._thread is None:
            return
        # No longer: it may be stopping a machine, which is done here just as well.
        self._thread.join(TICK_S * 8)
        with self._starting:
            self._stop_all(list(self.machines))
        self._edges.close()

    def _run(self) -> None:
        looked = 0.0
        while not self._ended.is_set():
            try:
                if self._nudged.is_set() or time.monotonic() - looked > LOOK_S:
                    self._nudged.clear()
                    looked = time.monotonic()
                    self._reconcile()
                    self._edges.follow()
                for machine in list(self.machines.values()):
                    machine.keep()
            except Exception as error:  # one bad look must not end all machines
                print(f"machines: {type(error).__name__}: {error}", flush=True)
            self._nudged.wait(TICK_S)

    def _reconcile(self) -> None:
        with self._calls:
            halted, self._halted = self._halted, set[str]()
        running = {one["InstanceId"]: one for one in self._running()}
        gone = [instance_id for instance_id in self.machines if instance_id not in running]
        again = [
            instance_id for instance_id in self.machines if instance_id in halted and instance_id in running
        ]
        self._failed &= running.keys() - halted
        self._stop_all([*gone, *again])
        for instance_id, instance in running.items():
            if instance_id not in self.machines and instance_id not in self._failed:
                self._begin(instance)

    def _running(self) -> list[dict[str, Any]]:
        answer = self._ec2.describe_instances(
            Filters=[
                {"Name": "tag:Role", "Values": list(PROGRAMS)},
                {"Name": "instance-state-name", "Values": ["pending", "running"]},
            ]
        )
        return [one for reservation in answer["Reservations"] for one in reservation["Instances"]]

    def _begin(self, instance: dict[str, Any]) -> None:
        instance_id = instance["InstanceId"]
        tags = {tag["Key"]: tag["Value"] for tag in instance.get("Tags", [])}
        if contract.TAG_STACK not in tags or (
            tags["Role"] == contract.ML_SERVER and os.environ.get(backend.REAL_COMFYUI)
        ):
            return
        told = self._ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="userData")
        boot = Boot(
            instance_id=instance_id,
            role=tags["Role"],
            stack=tags[contract.TAG_STACK],
            private_ip=instance["PrivateIpAddress"],
            user_data=told.get("UserData", {}).get("Value", ""),
            folder=self.folder / instance_id,
            root=ROOT,
            endpoint=self.endpoint,
            addresses=self.addresses,
            bucket_changes=lambda: self.bucket_changes,
        )
        machine = Machine(boot, PROGRAMS[boot.role])
        with self._starting:
            if self._ended.is_set():
                return
            try:
                machine.start()
            except (ValueError, KeyError) as error:
                self._failed.add(
                    instance_id
                )  # an instance of a test, with user data of its own: nothing to boot
                print(f"machines: {instance_id} ({boot.role}) cannot boot: {error}", flush=True)
                return
            self.machines[instance_id] = machine

    def _stop_all(self, instance_ids: list[str]) -> None:
        machines = [machine for one in instance_ids if (machine := self.machines.get(one))]
        stopping = [threading.Thread(target=machine.stop) for machine in machines]
        for thread in stopping:
            thread.start()
        for thread in stopping:
            thread.join()
        for one in instance_ids:
            self.machines.pop(one, None)
