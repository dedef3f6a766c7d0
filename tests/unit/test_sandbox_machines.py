"""What runs is what the emulated EC2 says is running. The emulator is the real one, the machines' programs are small."""

from __future__ import annotations

import base64
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3.session
import pytest
import requests

import contract
from cloud_init.render import render_user_data
from sandbox import emulator
from sandbox.calls import Call
from sandbox.machines import supervisor as supervisor_module
from sandbox.machines import user_data
from sandbox.machines.machine import BootFailed, Machine
from sandbox.machines.processes import MARK, Service
from sandbox.machines.supervisor import LOOK_S, Supervisor

REGION = "us-east-1"
IMAGE = "ami-12c6146b"
LIMIT_S = 30.0


def until(done: Callable[[], Any], what: str, limit_s: float = LIMIT_S) -> Any:
    deadline = time.monotonic() + limit_s
    while not (said := done()):
        assert time.monotonic() < deadline, f"not in {limit_s} s: {what}"
        time.sleep(0.03)
    return said


def alive(pid: int) -> bool:
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(told.stdout.strip()) and not told.stdout.startswith("Z")


def sleeper(machine: Machine) -> None:
    """A machine's program: one service, which writes its number, and the machine is ready."""
    script = "echo $$ >> $0; exec sleep 600"
    machine.run(
        [
            Service(
                name="sleeper",
                command=["bash", "-c", script, str(machine.folder / "pids")],
                environment=machine.environment,
                folder=machine.folder,
                log=machine.folder / "sleeper.log",
            )
        ]
    )
    until(lambda: numbers(machine.folder), "the service runs")
    machine.readiness.tell("ready", "", f"{machine.boot.role} at {machine.boot.private_ip}")


def numbers(folder: Path) -> list[int]:
    """Process numbers of the services that ran in a machine's folder, newest last."""
    file = folder / "pids"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


@dataclass
class Ground:
    """The emulator, what watches it, and a few words for what is done to it."""

    endpoint: str
    folder: Path
    supervisor: Supervisor
    clients: dict[str, Any] = field(default_factory=dict[str, Any])

    def client(self, service: str) -> Any:
        if service not in self.clients:
            session: Any = boto3.session.Session("test", "test", region_name=REGION)
            self.clients[service] = session.client(service, endpoint_url=self.endpoint)
        return self.clients[service]

    def launch(self, role: str = "backend", data: bytes | None = None, **tags: str) -> str:
        """A new instance of the stack `test`; its id."""
        environment = {"AWS_REGION": REGION, "SD_APP_BOOT_PARAMETER": self.parameter(role)}
        rendered = base64.b64decode(render_user_data(role, environment)) if data is None else data
        named = {"Role": role, "Stack": "test"} | tags
        specification = {
            "ResourceType": "instance",
            "Tags": [{"Key": key, "Value": value} for key, value in named.items() if value],
        }
        answer = self.client("ec2").run_instances(
            ImageId=IMAGE, MinCount=1, MaxCount=1, UserData=rendered, TagSpecifications=[specification]
        )
        return str(answer["Instances"][0]["InstanceId"])

    def parameter(self, role: str) -> str:
        return contract.boot_parameter("test", role)

    def record(self, role: str = "backend") -> dict[str, Any]:
        """The readiness record; empty when there is none."""
        ssm = self.client("ssm")
        try:
            return json.loads(ssm.get_parameter(Name=self.parameter(role))["Parameter"]["Value"])
        except ssm.exceptions.ParameterNotFound:
            return {}

    def home(self, instance: str) -> Path:
        return self.folder / "machines" / instance

    def is_ready(self, instance: str, role: str = "backend") -> bool:
        record = self.record(role)
        return record.get("instanceId") == instance and record.get("state") == "ready"

    def ready(self, role: str = "backend") -> tuple[str, int]:
        """A new instance that has booted, and the number of its process."""
        instance = self.launch(role)
        until(lambda: self.is_ready(instance, role), f"{role} is ready")
        return instance, numbers(self.home(instance))[-1]

    def call(self, action: str, instance: str, **more: Any) -> None:
        getattr(self.client("ec2"), f"{action}_instances")(InstanceIds=[instance], **more)

    def started_anew(self, instance: str, pid: int) -> int:
        """Wait until another process runs, and not this one; its number."""
        until(
            lambda: numbers(self.home(instance))[-1] != pid and self.is_ready(instance), "it has booted anew"
        )
        until(lambda: not alive(pid), "the process from before is gone")
        return numbers(self.home(instance))[-1]


@pytest.fixture(scope="module")
def watcher() -> list[Callable[[Call], None]]:
    """Who is told of calls; changed by each test."""
    return []


@pytest.fixture(scope="module")
def endpoint(watcher: list[Callable[[Call], None]]) -> str:

    def tell(call: Call) -> None:
        for watching in watcher:
            watching(call)

    made = emulator.serve("test", 0, list, tell)
    requests.post(f"{made}/moto-api/reset", timeout=30)
    return made


@pytest.fixture
def ground(
    endpoint: str,
    watcher: list[Callable[[Call], None]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Generator[Ground]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    for name in ("COMFY_UI_ADDRESS", "SANDBOX_BOOT_SECONDS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(supervisor_module, "PROGRAMS", {"backend": sleeper, "ml-server": sleeper})
    supervisor = Supervisor(tmp_path / "machines", REGION)
    watcher[:] = [supervisor.saw_call]
    made = Ground(endpoint, tmp_path, supervisor)
    supervisor.start(endpoint)
    yield made
    supervisor.close()
    watcher.clear()
    living = made.client("ec2").describe_instances()["Reservations"]
    ids = [one["InstanceId"] for reservation in living for one in reservation["Instances"]]
    if ids:
        made.client("ec2").terminate_instances(InstanceIds=ids)
    for role in ("backend", "ml-server"):
        made.client("ssm").delete_parameters(Names=[made.parameter(role)])


def test_an_instance_that_appears_boots_with_what_its_user_data_says(ground: Ground) -> None:
    instance, pid = ground.ready()
    assert alive(pid)
    file = ground.home(instance) / "machine.env"
    assert user_data.parse_environment(file.read_text()) == {
        "AWS_REGION": REGION,
        "SD_APP_BOOT_PARAMETER": "/sd-app/test/machines/backend/boot",
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(ground.home(instance).stat().st_mode) == 0o700
    assert (ground.home(instance) / "files/opt/sd-app/bin/machine.sh").is_file()
    told = ground.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"][0]["Instances"][0]
    assert ground.record()["message"] == f"backend at {told['PrivateIpAddress']}"


def test_stop_and_start_follow_and_the_other_machine_runs_on(ground: Ground) -> None:
    instance, pid = ground.ready()
    _, other = ground.ready("ml-server")
    boot = ground.record()["bootId"]
    ground.call("stop", instance)
    until(lambda: not alive(pid), "a stopped machine runs nothing")
    assert ground.record()["bootId"] == boot, "the record stays as it was, as on AWS"
    ground.call("start", instance)
    again = ground.started_anew(instance, pid)
    assert alive(again) and ground.record()["bootId"] != boot
    assert alive(other) and len(numbers(ground.home(instance))) == 2


def test_a_reboot_boots_anew(ground: Ground) -> None:
    instance, pid = ground.ready()
    boot = ground.record()["bootId"]
    ground.call("reboot", instance)
    ground.started_anew(instance, pid)
    assert ground.record()["bootId"] != boot


def test_a_stop_and_a_start_that_nobody_saw_between_boot_anew_too(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance, pid = ground.ready()
    looking = Supervisor._running  # pyright: ignore[reportPrivateUsage]

    def slow(supervisor: Supervisor) -> Any:
        time.sleep(0.5)
        return looking(supervisor)

    monkeypatch.setattr(Supervisor, "_running", slow)
    ground.call("stop", instance)
    ground.call("start", instance)
    ground.started_anew(instance, pid)


def test_a_call_that_was_refused_changes_nothing(ground: Ground) -> None:
    instance, pid = ground.ready()
    for action in ("reboot", "stop"):
        with pytest.raises(Exception, match="DryRun"):
            ground.call(action, instance, DryRun=True)
    time.sleep(1)
    assert numbers(ground.home(instance)) == [pid] and alive(pid)


def test_a_replaced_instance_gives_way_to_the_new_one(ground: Ground) -> None:
    old, pid = ground.ready()
    ground.call("terminate", old)
    new, other = ground.ready()
    assert new != old and alive(other)
    until(lambda: not alive(pid), "the old one is gone")
    assert list(ground.supervisor.machines) == [new]


STRANGERS: list[tuple[bytes | None, dict[str, str]]] = [
    (b"", {}),
    (b"#!/bin/sh\necho an instance of a test\n", {}),
    (b"\x1f\x8bnot gzip", {}),
    (b"#cloud-config\nwrite_files: []\n", {}),
    (None, {"Role": "nat"}),
    (None, {"Role": ""}),
    (None, {"Stack": ""}),
]


def test_instances_that_are_no_machines_of_ours_are_left_alone_and_trouble_no_other(ground: Ground) -> None:
    strangers = [ground.launch(data=data, **tags) for data, tags in STRANGERS]
    instance, _ = ground.ready()
    assert list(ground.supervisor.machines) == [instance]
    assert not [one for one in strangers if ground.home(one).exists()]


def test_a_killed_process_runs_again(ground: Ground) -> None:
    instance, pid = ground.ready()
    os.kill(pid, signal.SIGKILL)
    until(lambda: len(numbers(ground.home(instance))) == 2, "it is started again")
    assert ground.is_ready(instance), "the machine itself did not boot anew"


def test_a_boot_takes_as_long_as_was_chosen_and_a_stop_ends_it(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SANDBOX_BOOT_SECONDS", "1.5")
    started = time.monotonic()
    instance = ground.launch()
    until(ground.record, "it says that it starts")
    assert (ground.record()["state"], ground.record()["stage"]) == ("running", "start")
    until(lambda: ground.is_ready(instance), "it is ready")
    assert time.monotonic() - started > 1.5
    monkeypatch.setenv("SANDBOX_BOOT_SECONDS", "600")
    second = ground.launch()
    until(lambda: ground.record()["instanceId"] == second, "the second starts")
    ground.call("stop", second)
    until(lambda: second not in ground.supervisor.machines, "it is stopped while it boots")
    assert not numbers(ground.home(second))


def test_one_made_before_the_other_is_ended_takes_its_place(ground: Ground) -> None:
    """As Pulumi replaces a backend: both would want the same ports."""
    old, pid = ground.ready()
    new, other = ground.ready()
    assert list(ground.supervisor.machines) == [new] and alive(other) and not alive(pid)
    ground.call("terminate", new)
    until(lambda: ground.is_ready(old), "the old one is there again")


def test_a_service_that_takes_long_to_end_holds_nothing_up(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, _ = ground.ready()
    _, pid = ground.ready("ml-server")
    halting, stop = threading.Event(), Machine.stop

    def slowly(machine: Machine) -> None:
        if machine.boot.instance_id == slow:
            halting.wait(LIMIT_S)
        stop(machine)

    monkeypatch.setattr(Machine, "stop", slowly)
    ground.call("reboot", slow)
    until(lambda: slow not in ground.supervisor.machines, "it is being stopped")
    os.kill(pid, signal.SIGKILL)
    home = next(ground.home(one) for one in ground.supervisor.machines)
    until(lambda: len(numbers(home)) == 2, "the other's service is started again meanwhile", 5)
    assert slow not in ground.supervisor.machines, "its place is not free yet"
    halting.set()
    until(lambda: ground.is_ready(slow), "it boots when it has ended")


@pytest.mark.parametrize(
    ("error", "stage", "message"),
    [
        (BootFailed("models", "no such bucket | last words"), "models", "no such bucket | last words"),
        (RuntimeError("what nobody thought of"), "start", "RuntimeError: what nobody thought of"),
    ],
)
def test_a_boot_that_fails_tells_its_stage_and_last_words(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, error: Exception, stage: str, message: str
) -> None:
    def failing(machine: Machine) -> None:
        raise error

    monkeypatch.setitem(supervisor_module.PROGRAMS, "backend", failing)
    instance = ground.launch()
    until(lambda: ground.record().get("state") == "failed", "it says so")
    record = ground.record()
    assert (record["instanceId"], record["stage"], record["message"]) == (instance, stage, message)
    assert message in (ground.home(instance) / "machine.log").read_text()
    monkeypatch.setitem(supervisor_module.PROGRAMS, "backend", sleeper)
    ground.call("reboot", instance)
    until(lambda: ground.is_ready(instance), "a reboot tries it again")


def test_looking_at_ec2_makes_nobody_look_again(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """It once did: a core was busy for as long as the sandbox ran."""
    ground.ready()
    looks: list[float] = []
    looking = Supervisor._running  # pyright: ignore[reportPrivateUsage]

    def counted(supervisor: Supervisor) -> Any:
        looks.append(time.monotonic())
        return looking(supervisor)

    monkeypatch.setattr(Supervisor, "_running", counted)
    started = time.monotonic()
    for _ in range(10):
        ground.client("ec2").describe_instances()
        ground.client("cloudfront").list_distributions()
        time.sleep(0.1)
    passed = time.monotonic() - started
    assert len(looks) <= 1 + passed / LOOK_S, "only the look that comes every few seconds"


def test_only_changed_models_count_as_changes_of_the_bucket(ground: Ground) -> None:
    s3 = ground.client("s3")
    s3.create_bucket(Bucket="models")
    for key, expected in (("outputs/1/0.png", 0), ("models/checkpoints/a", 1), ("loras/b", 2)):
        s3.put_object(Bucket="models", Key=key, Body=b"")
        assert ground.supervisor.bucket_changes == expected, key
    s3.list_objects_v2(Bucket="models")
    assert ground.supervisor.bucket_changes == 2


def test_closing_ends_all_processes_and_nothing_starts_after_it(ground: Ground) -> None:
    first, second = ground.ready()[1], ground.ready("ml-server")[1]
    late = ground.launch()
    ground.supervisor.close()
    until(lambda: not alive(first) and not alive(second), "none is left", 2)
    time.sleep(0.5)
    assert not [pid for pid in numbers(ground.home(late)) if alive(pid)]
    told = subprocess.run(["ps", "axeww", "-o", "command="], capture_output=True, text=True, check=True)
    assert f"{MARK}={ground.folder}" not in told.stdout


def test_what_a_killed_supervisor_left_is_ended_and_its_files_are_removed(
    endpoint: str, tmp_path: Path
) -> None:
    folder = tmp_path / "machines"
    (folder / "i-old").mkdir(parents=True)
    environment = {**os.environ, MARK: str(folder / "i-old")}
    stray = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env=environment)
    supervisor = Supervisor(folder, REGION)
    supervisor.start(endpoint)
    try:
        assert stray.wait(5) == -signal.SIGKILL
        assert list(folder.iterdir()) == []
    finally:
        stray.kill()
        supervisor.close()
