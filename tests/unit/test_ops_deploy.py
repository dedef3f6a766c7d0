"""`ops deploy` gives the machine its command and tells how it went, in the machine's own words."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

import contract
from ops import cli, deploy, run_command
from ops.errors import OpsError
from ops.stack import Stack, connect
from sandbox import emulator

MACHINE = "i-0123456789abcdef0"
SHORT = 0.02
"""Seconds between two looks."""


@dataclass
class Ground:
    """An emulated account with a stack's outputs; `commands` is what its agent was given."""

    endpoint: str
    stack: Stack
    commands: list[str] = field(default_factory=list[str])

    def put(self, name: str, value: Any) -> None:
        self.stack.client("ssm").put_parameter(
            Name=name, Value=json.dumps(value), Type="String", Overwrite=True
        )


@pytest.fixture
def ground(monkeypatch: pytest.MonkeyPatch) -> Ground:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    endpoint = emulator.serve("test", 0, list)
    requests.post(f"{endpoint}/moto-api/reset", timeout=30)
    made = Ground(endpoint, connect("dev", "us-east-1", {"AWS_ENDPOINT_URL": endpoint}))
    made.put(contract.outputs_parameter("dev"), {"backendInstanceId": MACHINE})
    made.put(contract.boot_parameter("dev", "backend"), {"state": "ready", "instanceId": MACHINE})
    return made


@pytest.fixture
def agent(ground: Ground) -> Generator[Callable[..., None]]:
    """Call it with how the next command shall end; it takes one as a machine's agent does."""
    threads: list[threading.Thread] = []
    over = threading.Event()

    def work(code: int, stdout: str, stderr: str, meanwhile: Callable[[], object]) -> None:
        while not over.wait(SHORT):
            for taken in requests.get(
                f"{ground.endpoint}/_sandbox/commands?instance={MACHINE}", timeout=10
            ).json():
                ground.commands += taken["commands"]
                meanwhile()
                said = {
                    "id": taken["id"],
                    "instance": MACHINE,
                    "code": code,
                    "stdout": stdout,
                    "stderr": stderr,
                }
                assert requests.post(f"{ground.endpoint}/_sandbox/commands", json=said, timeout=10).ok
                return

    def start(
        code: int = 0, stdout: str = "", stderr: str = "", meanwhile: Callable[[], object] = lambda: None
    ) -> None:
        threads.append(threading.Thread(target=work, args=(code, stdout, stderr, meanwhile)))
        threads[-1].start()

    yield start
    over.set()
    for one in threads:
        one.join()


def deployed(ground: Ground, ref: str | None = "v2", *, rollback: bool = False, json: bool = False) -> int:
    args = deploy.DeployArgs(ref=ref, rollback=rollback, poll_seconds=SHORT)
    return deploy.run(ground.stack, args, json=json)


def test_the_machine_is_told_the_release_and_its_last_words_are_passed_on(
    ground: Ground, agent: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    agent(stdout="a lot\nsd-app: v2 (abc) serves, v1 before it\n")
    assert deployed(ground) == 0
    assert ground.commands == ["/opt/sd-app/bin/backend.sh release v2"]
    told = capsys.readouterr()
    assert "sd-app: v2 (abc) serves, v1 before it" in told.out
    assert "repository.ref" in told.out
    assert f"backend {MACHINE}: v2" in told.err


def test_the_stage_is_told_while_it_goes_on(
    ground: Ground, agent: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    name = contract.boot_parameter("dev", "backend")

    def meanwhile() -> None:
        ground.put(name, {"state": "running", "stage": "dependencies", "instanceId": MACHINE})
        threading.Event().wait(SHORT * 10)

    agent(meanwhile=meanwhile)
    deployed(ground)
    assert "  dependencies\n" in capsys.readouterr().err


def test_the_one_before_comes_back(ground: Ground, agent: Callable[..., None]) -> None:
    agent(stdout="sd-app: v1 (abc) serves\n")
    assert deployed(ground, None, rollback=True) == 0
    assert ground.commands == ["/opt/sd-app/bin/backend.sh rollback"]


def test_json_is_all_on_stdout(
    ground: Ground, agent: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    agent(stdout="sd-app: v2 serves\n")
    deployed(ground, json=True)
    assert json.loads(capsys.readouterr().out) == {
        "instanceId": MACHINE,
        "ref": "v2",
        "rollback": False,
        "told": ["sd-app: v2 serves"],
    }


def test_a_refusal_ends_badly_with_the_machine_s_words(ground: Ground, agent: Callable[..., None]) -> None:
    agent(code=1, stdout="fetching\n", stderr="v2 does not answer: SyntaxError in app.js\n")
    with pytest.raises(OpsError, match=r"(?s)v2 was not taken:.*SyntaxError") as error:
        deployed(ground)
    assert error.value.status == 1


def test_a_second_release_at_once_is_told_to_wait(ground: Ground, agent: Callable[..., None]) -> None:
    agent(code=deploy.BUSY)
    with pytest.raises(OpsError, match="another release is being rolled out"):
        deployed(ground)


def test_a_machine_whose_agent_is_away_is_told_in_time(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = itertools.count(0, run_command.DELIVERY_SECONDS)
    monkeypatch.setattr("sandbox.run_command.time", SimpleNamespace(monotonic=lambda: next(seconds)))
    with pytest.raises(OpsError, match=r"took no command .DeliveryTimedOut."):
        deployed(ground)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "name a release"),
        (["v1", "--rollback"], "not both"),
        (["--", "-rf"], "is no tag, branch or commit"),
        (["v1;reboot"], "is no tag, branch or commit"),
        (["$(reboot)"], "is no tag, branch or commit"),
    ],
)
def test_what_is_no_release_is_refused_before_anything_is_sent(
    ground: Ground,
    arguments: list[str],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", ground.endpoint)
    command = ["--stack", "dev", "--region", "us-east-1", "deploy", "backend", *arguments]
    assert cli.main(command) == 2
    assert told in capsys.readouterr().err
    waiting = requests.get(f"{ground.endpoint}/_sandbox/commands?instance={MACHINE}", timeout=10)
    assert waiting.json() == []


def test_other_documents_and_unknown_commands_are_refused_as_aws_does(ground: Ground) -> None:
    ssm = ground.stack.client("ssm")
    with pytest.raises(ClientError, match="InvalidDocument"):
        ssm.send_command(DocumentName="AWS-RunPowerShellScript", InstanceIds=[MACHINE])
    with pytest.raises(ClientError, match="InvocationDoesNotExist"):
        ssm.get_command_invocation(CommandId="0" * 36, InstanceId=MACHINE)
