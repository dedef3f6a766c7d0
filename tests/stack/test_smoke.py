"""`ops smoke` on the local stack, with the real engine and everything that runs in it: it passes, and it finds what breaks."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Generator
from pathlib import Path

import pytest
from studio import ROOT, Studio, studio

from ops import machines, smoke
from sandbox import daemon
from tools import local_page


@pytest.fixture(scope="module")
def running(cli: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Studio]:
    subprocess.run([ROOT / "tools" / "page.sh"], check=True)
    with studio(cli, tmp_path_factory.mktemp("smoke") / ".sandbox") as made:
        local_page.publish(made.folder, "local", made.stack.endpoint or "", made.outputs)
        yield made


def look(running: Studio, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, list[str]]]:
    """Exit status, and the faults by check."""
    status = smoke.run(running.stack, json=True, minutes=2, root=running.folder.parent)
    return status, {one["name"]: one["faults"] for one in json.loads(capsys.readouterr().out)}


def test_a_stack_as_make_up_leaves_it_passes(running: Studio, capsys: pytest.CaptureFixture[str]) -> None:
    status, faults = look(running, capsys)
    assert status == 0, faults
    assert set(faults) == {"page", "API closed to strangers", "text picture", "sketch picture"}
    users = running.stack.client("cognito-idp").list_users(UserPoolId=running.outputs["userPoolId"])["Users"]
    assert len(users) == 1, "the demo user alone: the smoke test's own is gone"


def test_a_gpu_that_sleeps_is_woken(running: Studio, capsys: pytest.CaptureFixture[str]) -> None:
    machines.run(running.stack, machines.SwitchArgs(role="ml-server", goal="stopped"), json=False)
    capsys.readouterr()
    status, faults = look(running, capsys)
    assert status == 0, faults


def test_a_page_with_another_config_and_an_api_that_is_gone_fail(
    running: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    config = daemon.page_config(running.folder, "local")
    config.write_text(json.dumps({**json.loads(config.read_text()), "userPoolId": "us-east-1_other"}))
    machines.run(running.stack, machines.SwitchArgs(role="backend", goal="stopped"), json=False)
    capsys.readouterr()
    status, faults = look(running, capsys)
    assert status == 1
    assert any("userPoolId" in one for one in faults["page"]), faults
    assert faults["API closed to strangers"] and faults["text picture"] and faults["sketch picture"], faults
