"""`ops wait` ends when the machine itself is ready, and tells the stage that failed; `start` and `stop` reach the end."""

import json
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

import pytest

import contract
from ops import cli, machines, wait
from ops.errors import OpsError
from ops.stack import Stack, connect
from tests.unit.ops_cloud import STACK, Cloud, cloud_for_ops

ROLE = contract.ML_SERVER
SHORT = 0.02
"""Seconds between two looks, and minutes until a wait that can't succeed gives up (about a second)."""


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with cloud_for_ops(monkeypatch) as made:
        yield made


@pytest.fixture
def stack(cloud: Cloud) -> Stack:
    return connect(STACK)


def waiting(stack: Stack, instance_id: str, *, minutes: float = 1, json: bool = False) -> int:
    args = wait.WaitArgs(role=ROLE, instance_id=instance_id, minutes=minutes, poll_seconds=SHORT)
    return wait.run(stack, args, json=json)


@contextmanager
def meanwhile(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], object]) -> Generator[None]:
    """Between two looks of `wait`, one step each time: the world goes on."""
    left = list(steps)

    def pause(seconds: float) -> None:
        if left:
            left.pop(0)()
        else:
            threading.Event().wait(seconds)

    with monkeypatch.context() as patched:
        patched.setattr("ops.wait.sleep", pause)
        yield
    assert not left, "the wait ended before the world had gone on"


def test_it_tells_each_new_stage_and_ends_when_ready(
    cloud: Cloud, stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = cloud.make_machine()
    cloud.put_boot(ROLE, state="pending")

    def stage(state: str, name: str) -> Callable[[], None]:
        return lambda: cloud.put_boot(ROLE, state=state, stage=name, instanceId=machine)

    steps = [
        stage("running", "packages"),
        stage("running", "packages"),
        stage("running", "models"),
        stage("ready", "done"),
    ]
    with meanwhile(monkeypatch, *steps):
        assert waiting(stack, machine) == 0
    told = [line.rpartition(" (")[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert told == ["ml-server: packages", "ml-server: models", "ml-server: ready"]


def test_it_looks_often_at_first_and_then_as_often_as_it_was_told(
    cloud: Cloud, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = cloud.make_machine()
    cloud.put_boot(ROLE, state="pending")
    began, now, pauses = time.monotonic(), [0.0], list[float]()

    def pause(seconds: float) -> None:
        now[0] += seconds
        pauses.append(seconds)
        if now[0] > 120:
            cloud.put_boot(ROLE, state="ready", instanceId=machine)

    monkeypatch.setattr("ops.wait.sleep", pause)
    monkeypatch.setattr("ops.wait.monotonic", lambda: began + now[0])
    assert wait.run(stack, wait.WaitArgs(role=ROLE, instance_id=machine, minutes=40), json=False) == 0
    assert pauses[:4] == [0.5] * 4 and pauses[-1] == wait.POLL_SECONDS
    assert pauses == sorted(pauses) and len(pauses) < 60


def test_it_fails_with_the_stage_and_message(cloud: Cloud, stack: Stack) -> None:
    machine = cloud.make_machine()
    cloud.put_boot(ROLE, state="failed", stage="torch", message="no space left", instanceId=machine)
    with pytest.raises(OpsError, match="failed at torch: no space left") as caught:
        waiting(stack, machine)
    assert caught.value.status == 1
    assert contract.log_group(STACK, ROLE) in str(caught.value), "where to look"


def test_time_is_up_with_the_last_stage(cloud: Cloud, stack: Stack) -> None:
    machine = cloud.make_machine()
    cloud.put_boot(ROLE, state="running", stage="models", message="3 of 9", instanceId=machine)
    with pytest.raises(OpsError, match="time is up; last stage: models: 3 of 9") as caught:
        waiting(stack, machine, minutes=SHORT)
    assert caught.value.status == 1


@pytest.mark.parametrize("state", ["ready", "failed"])
def test_the_record_of_another_machine_is_not_believed(cloud: Cloud, stack: Stack, state: str) -> None:
    machine = cloud.make_machine()
    cloud.put_boot(ROLE, state=state, stage="old", instanceId="i-0000000000000beef")
    with pytest.raises(OpsError, match="has not written its readiness record yet"):
        waiting(stack, machine, minutes=SHORT)


@pytest.mark.parametrize(
    ("end", "told"),
    [("terminate_instances", "the machine was ended"), ("stop_instances", "the machine was stopped")],
)
def test_a_machine_that_ends_is_not_waited_for(
    cloud: Cloud, stack: Stack, monkeypatch: pytest.MonkeyPatch, end: str, told: str
) -> None:
    machine = cloud.make_machine()
    cloud.put_boot(ROLE, state="running", stage="models", instanceId=machine)
    ending = getattr(cloud.client("ec2"), end)
    with (
        meanwhile(monkeypatch, lambda: ending(InstanceIds=[machine])),
        pytest.raises(OpsError, match=told) as caught,
    ):
        waiting(stack, machine)
    assert "models" in str(caught.value), "the last stage"


def test_a_machine_that_is_not_there_is_not_waited_for(cloud: Cloud, stack: Stack) -> None:
    cloud.put_boot(ROLE, state="pending")
    with pytest.raises(OpsError, match="EC2 knows no such machine"):
        waiting(stack, "i-0123456789abcdef0")


def test_a_server_that_fails_for_a_while_is_asked_again(
    cloud: Cloud, stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = cloud.make_machine()
    cloud.put_boot(ROLE, state="ready", stage="done", instanceId=machine)
    cloud.refuse = lambda method, path: True

    def recover() -> None:
        cloud.refuse = lambda method, path: False

    with meanwhile(monkeypatch, recover):
        assert waiting(stack, machine) == 0
    assert "can't look now" in capsys.readouterr().out


def test_a_role_without_a_record_is_an_error_at_once(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["--stack", STACK, "wait", ROLE, "--instance", "i-0123456789abcdef0", "--minutes", "30"]
    assert cli.main(command) == 2
    assert "ParameterNotFound" in capsys.readouterr().err


def test_the_command_line_of_the_program(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    """As components/machine.py writes it; `--json` keeps stdout for the result."""
    machine = cloud.make_machine()
    cloud.put_boot(ROLE, state="ready", stage="done", instanceId=machine)
    command = ["--stack", STACK, "wait", ROLE, "--instance", machine, "--minutes", "40"]
    assert cli.main(command) == 0
    assert cli.main([*command, "--json"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out[out.index("{") :])["ready"] is True


@pytest.mark.parametrize("minutes", ["0", "-1", "soon", "nan", "inf", "1441"])
def test_a_wrong_time_is_refused(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["wait", ROLE, "--instance", "i-0", f"--minutes={minutes}"])
    assert caught.value.code == 2
    assert "no number of minutes" in capsys.readouterr().err


def switch(stack: Stack, goal: machines.Goal) -> int:
    return machines.run(stack, machines.SwitchArgs(role=ROLE, goal=goal, poll_seconds=SHORT), json=False)


def test_stop_and_start_reach_the_end_and_leave_alone_what_is_there(
    cloud: Cloud, stack: Stack, capsys: pytest.CaptureFixture[str]
) -> None:
    machine = cloud.make_machine()
    cloud.put_outputs({"mlServerInstanceId": machine, "mlServerPrivateIp": "172.20.16.10"})

    def state() -> str:
        found = cloud.client("ec2").describe_instances(InstanceIds=[machine])
        return found["Reservations"][0]["Instances"][0]["State"]["Name"]

    assert switch(stack, "stopped") == 0
    assert state() == "stopped"
    assert switch(stack, "stopped") == 0
    assert switch(stack, "running") == 0
    assert state() == "running"
    assert capsys.readouterr().out.splitlines() == [
        f"ml-server is stopped ({machine}, 172.20.16.10)",
        f"ml-server is already stopped ({machine}, 172.20.16.10)",
        f"ml-server is running ({machine}, 172.20.16.10)",
    ]


def test_a_machine_that_is_gone_can_not_be_started(cloud: Cloud, stack: Stack) -> None:
    machine = cloud.make_machine()
    cloud.put_outputs({"mlServerInstanceId": machine})
    cloud.client("ec2").terminate_instances(InstanceIds=[machine])
    with pytest.raises(OpsError, match="is terminated"):
        switch(stack, "running")
