"""Keeps what runs on this machine in step with what the emulated EC2 says is running."""

from __future__ import annotations

import json
import shutil
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3.session

import contract
from sandbox.calls import Call
from sandbox.edge import Edges
from sandbox.emulator import COMMANDS
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
REFUSAL = (
    "this machine is a stand-in of the sandbox and runs this checkout's app/backend: "
    "`make up` brings what was changed there"
)
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
Place = tuple[str, str]
"""Stack and role: what a machine's addresses on this machine go by, so that only one may hold it."""


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
    _stopping: dict[Place, threading.Thread] = field(default_factory=dict[Place, threading.Thread])
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
        self._edges = Edges(
            endpoint,
            self.region,
            self.addresses.port,
            dist=ROOT / contract.FRONTEND_ROOT / "dist",
            configs=self.folder.parent / "page",
        )
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
            for instance_id in list(self.machines):
                self._power_off(instance_id)
        for stopping in list(self._stopping.values()):
            stopping.join()
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
                    self._refuse_commands()
                for machine in list(self.machines.values()):
                    machine.keep()
            except Exception as error:  # one bad look must not end all machines
                print(f"machines: {type(error).__name__}: {error}", flush=True)
            self._nudged.wait(TICK_S)

    def _refuse_commands(self) -> None:
        """What runs here is a stand-in of the machine: it has none of the scripts that a command of SSM asks for."""
        for instance in list(self.machines):
            for command in self._say_to_emulator("GET", f"?instance={instance}"):
                said = {"id": command["id"], "instance": instance, "code": 1, "stderr": REFUSAL}
                self._say_to_emulator("POST", body=said)

    def _say_to_emulator(self, method: str, query: str = "", body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.endpoint}{COMMANDS}{query}", data, method=method)  # noqa: S310  # our own
        with _direct.open(request, timeout=10) as answer:
            return json.load(answer)

    def _reconcile(self) -> None:
        with self._calls:
            halted, self._halted = self._halted, set[str]()
        running = self._current()
        self._failed &= running.keys() - halted
        for instance_id in list(self.machines):
            if instance_id not in running or instance_id in halted:
                self._power_off(instance_id)
        for instance_id, (place, instance) in running.items():
            known = instance_id in self.machines or instance_id in self._failed
            if not known and place not in self._stopping:
                self._begin(place, instance)

    def _current(self) -> dict[str, tuple[Place, dict[str, Any]]]:
        """By id, the instances that run; in a place the youngest, as one may be made before the other is ended."""
        current: dict[Place, dict[str, Any]] = {}
        for instance in sorted(self._running(), key=lambda one: one["LaunchTime"]):
            tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
            if contract.TAG_STACK in tags:
                current[tags[contract.TAG_STACK], tags["Role"]] = instance
        return {instance["InstanceId"]: (place, instance) for place, instance in current.items()}

    def _running(self) -> list[dict[str, Any]]:
        answer = self._ec2.describe_instances(
            Filters=[
                {"Name": "tag:Role", "Values": list(PROGRAMS)},
                {"Name": "instance-state-name", "Values": ["pending", "running"]},
            ]
        )
        return [one for reservation in answer["Reservations"] for one in reservation["Instances"]]

    def _begin(self, place: Place, instance: dict[str, Any]) -> None:
        instance_id, (stack, role) = instance["InstanceId"], place
        told = self._ec2.describe_instance_attribute(InstanceId=instance_id, Attribute="userData")
        boot = Boot(
            instance_id=instance_id,
            role=role,
            stack=stack,
            private_ip=instance["PrivateIpAddress"],
            user_data=told.get("UserData", {}).get("Value", ""),
            folder=self.folder / instance_id,
            root=ROOT,
            endpoint=self.endpoint,
            addresses=self.addresses,
            bucket_changes=lambda: self.bucket_changes,
        )
        machine = Machine(boot, PROGRAMS[role])
        with self._starting:
            if self._ended.is_set():
                return
            try:
                machine.start()
            except (ValueError, KeyError) as error:
                # An instance of a test, with user data of its own: nothing to boot.
                self._failed.add(instance_id)
                print(f"machines: {instance_id} ({role}) cannot boot: {error}", flush=True)
                return
            self.machines[instance_id] = machine

    def _power_off(self, instance_id: str) -> None:
        """In a thread of its own: a service may take its time to end, and other machines must not wait for it."""
        machine = self.machines.pop(instance_id, None)
        if machine is None:
            return
        place = (machine.boot.stack, machine.boot.role)

        def stop() -> None:
            try:
                machine.stop()
            finally:
                del self._stopping[place]
                self._nudged.set()  # its place is free now

        self._stopping[place] = threading.Thread(target=stop, name=f"stop {instance_id}", daemon=True)
        self._stopping[place].start()
