"""The backend's machine meets what goes wrong: it says which stage failed and why, and goes on from there at its next boot."""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping
from pathlib import Path

import pytest
from backend_machine import READY_LIMIT_S, REPOSITORY_URL, BackendMachine, backend

from ops import wait
from ops.errors import OpsError
from tests.boot.account import Account
from tests.boot.container import until

NOWHERE = "http://127.0.0.1:9"
"""Where nothing listens."""
ONCE = ["tools", "node", "code", "dependencies"]
"""Stages that are not run again once they ended well, in their order."""
WRONG = "0" * 64
AGAIN_AT_ONCE = "0.2"
"""For RETRY_SECONDS: the six attempts take a minute otherwise."""


@pytest.fixture
def machine(account: Account, node: Mapping[str, str], tmp_path: Path) -> Generator[BackendMachine]:
    """A backend that was never on."""
    with backend(account, tmp_path, node) as made:
        yield made


def ops_wait(machine: BackendMachine) -> str:
    """What `ops wait` fails with."""
    args = wait.WaitArgs(role=machine.role, instance_id=machine.instance_id, minutes=0.1)
    with pytest.raises(OpsError) as failure:
        wait.run(machine.account.stack, args, json=False)
    return str(failure.value)


def test_a_failed_stage_names_itself_and_the_next_boot_goes_on_from_it(
    machine: BackendMachine, node: Mapping[str, str]
) -> None:
    [checksum] = [key for key in node if key.startswith("NODE_SHA256_")]
    machine.stand_in({checksum: WRONG, "RETRY_SECONDS": AGAIN_AT_ONCE})
    machine.redirect_git({REPOSITORY_URL: NOWHERE})
    machine.boot()
    failed = machine.wait("failed", READY_LIMIT_S)
    assert failed["stage"] == "node"
    assert "has another checksum than versions.env names: not used" in failed["message"]
    assert "failed at node: " in (told := ops_wait(machine))
    assert failed["message"] in told
    assert machine.container.run("ls", "/opt").stdout.split() == ["sd-app"], "what was refused is still there"

    machine.container.cut_power()
    machine.stand_in({checksum: node[checksum]})
    machine.boot()
    failed = machine.wait("failed", READY_LIMIT_S)
    assert failed["stage"] == "code"
    assert NOWHERE.removeprefix("http://").partition(":")[0] in failed["message"], "not git's own words"
    assert "tools" not in machine.stages(), "it began anew"

    machine.container.cut_power()
    machine.redirect_git(machine.git)
    machine.boot()
    machine.wait("ready", READY_LIMIT_S)
    assert machine.is_healthy()
    assert not {"tools", "node"} & machine.stages().keys(), "it began anew"


def test_a_registry_that_is_down_is_told_before_there_is_any_tool_to_tell_it_with(
    machine: BackendMachine,
) -> None:
    machine.stand_in({"PIP_INDEX_URL": NOWHERE, "PIP_RETRIES": "0", "RETRY_SECONDS": AGAIN_AT_ONCE})
    machine.boot()
    failed = machine.wait("failed", READY_LIMIT_S)
    assert (failed["state"], failed["stage"]) == ("failed", "tools")
    assert "boto3" in failed["message"], "not pip's own words"
    assert "failed at tools: " in ops_wait(machine)


@pytest.mark.parametrize("step", ["write_files", "runcmd", "scripts_user"])
def test_the_power_is_cut_before_cloud_init_has_come_to_its_end(machine: BackendMachine, step: str) -> None:
    """cloud-init notes a step as done when it begins it, and would not come back to it."""
    note = machine.container.disk / f"var/lib/cloud/instances/{machine.instance_id}/sem/config_{step}"
    machine.boot()
    until(f"cloud-init begins {step}", note.exists, 30, every_s=0.001)
    machine.container.cut_power()
    machine.boot()
    until("the machine is being prepared", lambda: machine.own_record().get("stage") == "tools", 30)


def test_the_power_is_cut_in_every_stage_and_each_boot_goes_on(machine: BackendMachine) -> None:
    """In the middle of what each stage does, as far as it can be told from outside; at the end all is as it should be."""
    moments = {
        "tools": "pgrep -x dpkg",
        "node": "ls /opt/*/node.tar.gz",
        "code": "test -d /srv/sd-app/repository/.git",
        "dependencies": "test -d /srv/sd-app/next/app/backend/node_modules",
        "settings": "pgrep -f get-parameter",
        "server": "pgrep -f startOrReload",
    }
    done = set[str]()
    for stage, moment in moments.items():
        machine.boot()

        def now(stage: str = stage, moment: str = moment) -> bool:
            record = machine.own_record()
            assert record.get("state") != "failed", record
            return record.get("stage") == stage and machine.container.run("sh", "-c", moment).returncode == 0

        begun = time.monotonic()
        until(f"in the middle of {stage}", now, 120, every_s=0.02)
        print(f"power cut in {stage} after {time.monotonic() - begun:.1f} s")
        assert not machine.stages().keys() & done, "a stage that was done was run again"
        done = set(ONCE[: ONCE.index(stage)]) if stage in ONCE else set(ONCE)
        machine.container.cut_power()
    machine.boot()
    machine.wait("ready", READY_LIMIT_S)
    assert machine.is_healthy()
    assert {one["status"] for one in machine.apps().values()} == {"online"}
