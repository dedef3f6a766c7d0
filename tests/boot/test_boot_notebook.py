"""The notebook's start hook runs for real: it ends in time, the install goes on without it, and work keeps it awake."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from notebook_machine import HOOK_LIMIT_S, STATE, VOLUME, Notebook, notebook

from tests.boot.account import Account
from tests.boot.container import until

VENV = f"{VOLUME}/kohya/venv"
WATCH = """
import sys
sys.path.insert(0, "/opt/sd-app/bin")
import notebook_idle_stop as watch
watch.LOOK_SECONDS = 1
watch.LOAD_BUSY = 1e9  # the load is that of the computer on which the test runs
"""
"""The notebook's own watch, looking each second."""


@pytest.fixture(scope="module")
def machine(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Generator[Notebook]:
    with notebook(account, tmp_path_factory.mktemp("notebook")) as made:
        made.power_on()
        yield made


def watched(machine: Notebook, script: str) -> str:
    python = f"set -a; . /etc/sd-app/machine.env; exec python3 - <<'END'\n{WATCH}{script}\nEND"
    return machine.container.shell(python, limit_s=150).strip()


def test_the_hook_ends_at_once_and_the_install_goes_on(machine: Notebook) -> None:
    took = machine.start({})
    print(f"the hook took {took:.2f} s")
    assert took < HOOK_LIMIT_S / 10
    assert not machine.has(f"{STATE}/ready")
    until("the environment is made", lambda: machine.has(f"{VENV}/bin/pip"), 120)
    assert watched(machine, "print(watch.work(60))") in ("pip install runs", "jupyter-lab-kohya.sh runs")


def test_a_power_cut_in_the_middle_of_it_is_made_good_at_the_next_start(machine: Notebook) -> None:
    assert not machine.has(f"{STATE}/ready"), "it was too quick to be cut off"
    machine.container.cut_power()
    machine.power_on()
    machine.start({})
    machine.wait_ready()
    assert (
        machine.container.tell(f"{VENV}/bin/python", "-c", "import toml, library; print('there')")
        == "there\n"
    )
    owners = machine.container.tell("stat", "--format=%U", VENV, f"{VENV}/bin/python", f"{VOLUME}/loras")
    assert owners.split() == ["ec2-user"] * 3, "the model maker could not add to it"


def test_the_lab_sheet_is_there_and_finds_its_package(machine: Notebook) -> None:
    sheet = f"{VOLUME}/finetune.ipynb"
    assert machine.container.tell("stat", "--format=%U", sheet) == "ec2-user\n"
    said = machine.container.tell(f"{VENV}/bin/python", "-c", "import training; print(training.__file__)")
    assert said == f"{VOLUME}/kohya/package/training/__init__.py\n"
    machine.container.shell(f"echo mine >{sheet}; rm {VOLUME}/kohya/package/training/train.py")
    machine.start({})
    machine.wait_ready()
    assert machine.container.tell("cat", sheet) == "mine\n", "somebody works in it"
    assert machine.has(f"{VOLUME}/kohya/package/training/train.py")


def test_after_a_stop_only_what_the_volume_lacks_is_done(machine: Notebook) -> None:
    # A stop takes away all but the volume.
    machine.container.shell(f"rm -rf /opt/sd-app /etc/sd-app; : >{STATE}/prepare.log")
    machine.start({})
    machine.wait_ready()
    assert "dependencies: done before" in machine.log()


def test_a_start_that_fails_says_where_and_the_next_goes_on(machine: Notebook) -> None:
    machine.container.shell(f": >{STATE}/prepare.log")
    machine.start({"SD_SCRIPTS_REF": "0" * 40, "RETRY_SECONDS": "0"})
    until("it failed", lambda: "failed · code" in machine.log(), 60)
    assert not machine.has(f"{STATE}/ready")
    machine.start({})
    machine.wait_ready()


def test_a_training_in_a_terminal_keeps_it_awake_and_without_work_it_stops_itself(machine: Notebook) -> None:
    begun = machine.container.shell(
        "(exec -a 'accelerate launch train_network.py' sleep 600) >/dev/null 2>&1 & echo $!"
    ).strip()
    assert watched(machine, "print(watch.work(1))") == "accelerate runs"
    machine.container.tell("kill", begun)
    assert watched(machine, "print(watch.work(1))") == "None"
    before = machine.status()
    said = watched(machine, "import os; os.environ['IDLE_STOP_MINUTES'] = '1'; watch.main()")
    assert f"no work for 1 minutes: stopping {machine.name}" in said
    assert (before, machine.status()) == ("InService", "Stopped")
