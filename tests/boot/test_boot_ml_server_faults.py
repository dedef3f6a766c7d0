"""The ML server's machine meets what goes wrong: it says what and goes on without, or fails at the stage by name; mended, its
next boot goes on from there."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from ml_server_machine import COMFYUI, HOME, READY_LIMIT_S, MlServerMachine, ml_server, switch_off

from tests.boot.account import Account
from tests.boot.comfyui_hosts import FIXTURE
from tests.boot.container import until
from tests.boot.stand_ins import aws_with_another_clock

AGAIN_AT_ONCE = "0.2"
"""For RETRY_SECONDS: attempts take a minute otherwise."""
AGAIN_LIMIT_S = 90
CONTROLNET_AUX, COMFYROLL = "comfyui_controlnet_aux", "ComfyUI_Comfyroll_CustomNodes"
INSTANCE_STORE = "/opt/dlami/nvme"
UNITS = "/etc/systemd/system"
STORE_UNITS = (f"{UNITS}/opt-dlami-nvme.mount", f"{UNITS}/local-fs.target.d/store.conf")


@pytest.fixture
def machine(ml_server_machine: MlServerMachine) -> Generator[MlServerMachine]:
    """An ML server that has been ready and is off, with the environment it began with."""
    switch_off(ml_server_machine)
    yield ml_server_machine
    ml_server_machine.container.cut_power()
    for name in STORE_UNITS:
        (ml_server_machine.container.disk / name.lstrip("/")).unlink(missing_ok=True)


def change(machine: MlServerMachine, name: str, place: str, text: str) -> None:
    """Let the machine, which is off, ask for another commit of a repository."""
    machine.stand_in(machine.hosts.change(name, place, text))


def instance_store(machine: MlServerMachine, size: str) -> None:
    """Mount a small disk of memory where the Deep Learning AMI mounts the instance store: empty after each stop, as that."""
    mount, wants = STORE_UNITS
    where = f"What=tmpfs\nType=tmpfs\nWhere={INSTANCE_STORE}\nOptions=size={size},mode=0755"
    machine.container.place(mount, f"[Unit]\nDescription=instance store\n[Mount]\n{where}\n")
    machine.container.place(wants, "[Unit]\nWants=opt-dlami-nvme.mount\n")


def test_broken_node_packs_are_left_out_by_name_and_taken_again_once_mended(machine: MlServerMachine) -> None:
    change(machine, CONTROLNET_AUX, "__init__.py", "import no_such_module\n")
    change(machine, COMFYROLL, "__init__.py", "print('no GPU here', flush=True)\nraise SystemExit(3)\n")
    machine.boot()
    message = machine.wait("ready", AGAIN_LIMIT_S)["message"]
    assert (
        f"node pack {CONTROLNET_AUX} is left out: its import failed: No module named 'no_such_module'"
        in message
    )
    assert f"node pack {COMFYROLL} is left out: ComfyUI ends with it: no GPU here" in message
    for port in machine.ports:
        told = machine.server_log(port)
        assert "custom_nodes/ComfyUI-Manager" in told and "IMPORT FAILED" not in told
        assert CONTROLNET_AUX not in told and COMFYROLL not in told

    machine.container.cut_power()
    for name in (CONTROLNET_AUX, COMFYROLL):
        change(machine, name, "__init__.py", (FIXTURE / name / "__init__.py").read_text())
    machine.boot()
    assert "left out" not in machine.wait("ready", AGAIN_LIMIT_S)["message"]
    for port in machine.ports:
        told = machine.server_log(port)
        assert f"custom_nodes/{CONTROLNET_AUX}\n" in told and f"custom_nodes/{COMFYROLL}\n" in told


def test_requirements_that_cannot_be_had_are_told_and_installed_by_the_next_boot(
    machine: MlServerMachine,
) -> None:
    change(machine, COMFYROLL, "requirements.txt", "iniconfig==2.1.0\n")
    machine.stand_in({"RETRY_SECONDS": AGAIN_AT_ONCE})
    registry_is_down(machine)
    machine.boot()
    message = machine.wait("ready", AGAIN_LIMIT_S)["message"]
    assert (
        f"requirements of node pack {COMFYROLL} could not be installed; the next boot tries again" in message
    )
    assert f"custom_nodes/{COMFYROLL}\n" in machine.server_log(machine.ports[0]), "it can do without"
    registry_is_mended(machine)
    machine.reboot()
    assert COMFYROLL not in machine.wait("ready", AGAIN_LIMIT_S)["message"]
    assert "code" not in machine.stages(), "the same commit was fetched again"
    machine.container.tell("/opt/comfyui/venv/bin/python", "-c", "import iniconfig")


def test_a_comfyui_that_ends_at_each_start_fails_the_boot_with_its_own_last_words(
    machine: MlServerMachine,
) -> None:
    right = (FIXTURE / "ComfyUI/main.py").read_text()
    broken = right.replace(
        "    return emulator.main(rest)\n",
        "    print('RuntimeError: No CUDA GPUs are available', file=sys.stderr)\n    return 1\n",
    )
    assert broken != right
    change(machine, "ComfyUI", "main.py", broken)
    machine.boot()
    begun = time.monotonic()
    failed = machine.wait("failed", 120)
    print(f"failed after {time.monotonic() - begun:.1f} s: {failed['message']}")
    assert failed["stage"] == "server"
    assert "RuntimeError: No CUDA GPUs are available" in failed["message"]
    assert f"ComfyUI on port {machine.ports[0]} does not answer" in failed["message"]

    machine.container.cut_power()
    change(machine, "ComfyUI", "main.py", right)
    machine.boot()
    machine.wait("ready", AGAIN_LIMIT_S)


def test_models_lie_on_the_instance_store_and_come_again_after_a_stop(machine: MlServerMachine) -> None:
    instance_store(machine, "3G")
    for _ in range(2):
        machine.boot()
        assert "4 new" in machine.wait("ready", AGAIN_LIMIT_S)["message"]
        assert (
            machine.container.tell("readlink", f"{HOME}/models").strip() == f"{INSTANCE_STORE}/sd-app-models"
        )
        assert machine.models_here() == machine.models_pushed()
        machine.container.cut_power()


def test_a_disk_without_room_fails_the_stage_models_and_says_what_to_do(machine: MlServerMachine) -> None:
    instance_store(machine, "64M")
    machine.boot()
    failed = machine.wait("failed", AGAIN_LIMIT_S)
    assert failed["stage"] == "models"
    assert "interiordesignsuperm_v2.safetensors left out: no room for its 0.0 GB" in failed["message"]
    assert (
        "delete models, or raise mlServer.diskGib (with an instance store: instanceType)" in failed["message"]
    )
    assert "no picture can be made without" in failed["message"]
    assert machine.models_here() == {}


def test_without_the_role_s_keys_it_fails_at_models_and_the_console_says_why(
    machine: MlServerMachine,
) -> None:
    machine.stand_in({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "RETRY_SECONDS": AGAIN_AT_ONCE})
    before = machine.record()
    shown = len(machine.container.console.read_text(errors="replace"))
    machine.boot()
    until("the boot has failed", lambda: machine.own_record().get("state") == "failed", AGAIN_LIMIT_S)
    failed = machine.own_record()
    assert failed["stage"] == "models"
    assert "Unable to locate credentials" in failed["message"]
    assert f"the models could not be fetched from s3://{machine.bucket()}" in failed["message"]
    assert machine.record() == before, "something was sent without keys"
    console = machine.container.console.read_text(errors="replace")[shown:]
    assert "the readiness record could not be sent" in console
    assert "Unable to locate credentials" in console


def test_a_clock_that_is_off_is_told_and_waited_for(machine: MlServerMachine) -> None:
    """AWS's is shifted here: the machine's own is this computer's, which a test leaves alone."""
    with aws_with_another_clock(machine.account.platform.sandbox.endpoint) as (endpoint, clock):
        clock.ahead_s = 3600
        machine.stand_in({"AWS_ENDPOINT_URL": endpoint})
        machine.boot()
        told = ("journalctl", "--unit=sd-app-prepare", "--boot", "--output=cat", "--no-pager")
        words = re.compile(r"this machine's clock is -36\d\d s off AWS's")
        until("the clock is told", lambda: words.search(machine.container.run(*told).stdout), AGAIN_LIMIT_S)
        assert machine.own_record()["stage"] == "network"
        clock.ahead_s = 0
        machine.wait("ready", AGAIN_LIMIT_S)


def test_the_power_is_cut_in_every_stage_and_the_registry_is_down_and_each_boot_goes_on(
    account: Account, ml_server_machine: MlServerMachine, tmp_path: Path
) -> None:
    """In the middle of what each stage does, as far as it can be told from outside; at the end all is as it should be."""
    ml_server_machine.container.cut_power()
    moments = {
        "tools": "pgrep -x dpkg",
        "code": f"test -e {COMFYUI}/.git/HEAD",
        "dependencies": "test -e /opt/comfyui/installing",
        "packs": f"test -d {HOME}/try",
        "server": "pgrep -f /opt/comfyui/ComfyUI/main.py",
        "models": "true",
        "warm-up": "pgrep -f warm_up.py",
    }
    done: set[str] = set()
    with ml_server(account, tmp_path) as machine:
        for stage, moment in moments.items():
            begun = time.monotonic()
            if stage == "packs":
                registry_is_down(machine)
            machine.boot()
            if stage == "packs":
                registry_is_mended(machine)

            def now(stage: str = stage, moment: str = moment) -> bool:
                record = machine.own_record()
                assert record.get("state") not in ("failed", "ready"), record
                return (
                    record.get("stage") == stage and machine.container.run("sh", "-c", moment).returncode == 0
                )

            until(f"in the middle of {stage}", now, 150, every_s=0.02)
            print(f"power cut in {stage} {time.monotonic() - begun:.1f} s after power on")
            if stage == "code":
                timer = ("systemctl", "is-active", "sd-app-idle.timer")
                assert machine.container.run(*timer).returncode == 0, (
                    "a boot that fails would cost money for ever"
                )
            again = set(machine.stages())
            machine.container.cut_power()
            assert not again & done, "a stage that was done was run again"
            done |= {stage for stage in ("tools", "code", "dependencies", "packs") if stage in again}
        machine.boot()
        machine.wait("ready", READY_LIMIT_S)
        assert machine.models_here() == machine.models_pushed()
        assert all(machine.is_up(port) for port in machine.ports)
        assert machine.container.run("ls", "/opt/comfyui/installing", f"{HOME}/try").stdout == ""


def registry_is_down(machine: MlServerMachine) -> None:
    """Let pip of a machine that is off ask where nobody answers."""
    file = machine.container.disk / "etc/pip.conf"
    right = file.read_text() if file.is_file() else ""
    if mirror := os.environ.get("PIP_INDEX_URL"):
        right += f"\n[install]\nindex-url = {mirror}\n"
        machine.container.place(
            f"{UNITS}/sd-app-prepare.service.d/pip.conf", "[Service]\nUnsetEnvironment=PIP_INDEX_URL\n"
        )
    machine.container.place("/etc/pip.conf.right", right)
    machine.container.place(
        "/etc/pip.conf", "[install]\nindex-url = http://127.0.0.1:9/simple\nretries = 0\n"
    )


def registry_is_mended(machine: MlServerMachine) -> None:
    """Once an attempt has failed."""
    told = ("journalctl", "--unit=sd-app-prepare", "--boot", "--output=cat", "--no-pager")
    until("an attempt failed", lambda: "attempt 1 of 6 failed" in machine.container.run(*told).stdout, 60)
    machine.container.tell("mv", "/etc/pip.conf.right", "/etc/pip.conf")
