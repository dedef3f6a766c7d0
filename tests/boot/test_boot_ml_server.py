"""The ML server's machine boots for real, from the user data that the program rendered, until both ComfyUI have drawn; then
it is looked at, loses a server, sleeps when idle, and boots again."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Generator
from pathlib import Path

import pytest
from ml_server_machine import CHECKPOINT, COMFYUI, HOME, MlServerMachine

from ops import wait
from tests.boot.comfyui_hosts import PACKS
from tests.boot.container import until
from tests.unit.machine_fakes import load

STAGES = ["network", "tools", "code", "dependencies", "packs", "server", "models", "warm-up"]
SLOW = {"tools", "code", "dependencies", "packs"}
"""Stages that are not run again once they ended well."""
EXPOSURE = 2.0
"""systemd's own figure of a server's unit, 10 is worst. The GPU's devices and the network have to stay open."""


@pytest.fixture(scope="module")
def machine(ml_server_machine: MlServerMachine) -> MlServerMachine:
    """An ML server that has booted and is ready."""
    return ml_server_machine


def test_every_stage_is_run_and_told_and_both_servers_have_drawn(machine: MlServerMachine) -> None:
    stages = machine.stages()
    print(f"stages, seconds: {stages}")
    assert list(stages) == STAGES
    message = machine.record()["message"]
    assert re.search(r"4 new, 0\.00 GB at \d+ MB/s; 4 models and styles here", message)
    for port in machine.ports:
        assert re.search(rf"first picture on port {port} after \d+\.\d s", message)
        [told] = machine.ask(port, "/history").values()
        assert told["status"]["status_str"] == "success"


def test_ops_wait_sees_the_machine_ready(
    machine: MlServerMachine, capsys: pytest.CaptureFixture[str]
) -> None:
    args = wait.WaitArgs(role=machine.role, instance_id=machine.instance_id, minutes=0.1)
    assert wait.run(machine.account.stack, args, json=False) == 0
    assert "ml-server: ready" in capsys.readouterr().out


def test_cloud_init_finds_no_fault_in_the_user_data(machine: MlServerMachine) -> None:
    assert machine.container.run("systemctl", "--failed", "--plain", "--no-legend").stdout == ""
    told = json.loads(machine.container.tell("cloud-init", "status", "--wait", "--format=json"))
    assert (told["status"], told["errors"]) == ("done", [])
    machine.container.tell("cloud-init", "schema", "--system")


def test_the_models_are_there_whole_and_nothing_else(machine: MlServerMachine) -> None:
    assert machine.models_here() == machine.models_pushed()
    for names in machine.offered("checkpoints"):
        assert names == [CHECKPOINT]
    for names in machine.offered("loras"):
        assert names == ["Indochine.safetensors", "Minimalist.safetensors"]


def test_each_server_runs_as_comfyui_in_folders_of_its_own_over_shared_models(
    machine: MlServerMachine,
) -> None:
    for port in machine.ports:
        pid = machine.unit(port, "MainPID")["MainPID"]
        assert machine.container.tell("stat", "--format=%U", f"/proc/{pid}").strip() == "comfyui"
        own = f"{HOME}/{port}"
        [stats] = [machine.ask(port, "/system_stats")["system"]["argv"]]
        assert f"sqlite:///{own}/comfyui.db" in stats
        for folder in ("user", "input", "output", "temp"):
            assert f"{own}/{folder}" in stats
        found = machine.container.tell("find", own, "-name", "*.png", "-o", "-name", "*.lock").split()
        assert any(path.startswith(f"{own}/temp/temp/ComfyUI_temp_") for path in found)
        assert f"{own}/comfyui.db.lock" in found
        assert machine.container.tell("stat", "--format=%U %a", own).split() == ["comfyui", "750"]
        assert f"{HOME}/models/" not in " ".join(machine.container.tell("find", own, "-type", "f").split())
    writable = ("find", "-L", f"{HOME}/models", COMFYUI, "-writable", "-not", "-path", "*/annotators*")
    assert machine.container.run("runuser", "-u", "comfyui", "--", *writable).stdout == ""


def test_the_units_are_hardened_and_limited(machine: MlServerMachine) -> None:
    port = machine.ports[0]
    told = machine.container.tell("systemd-analyze", "security", f"comfyui@{port}.service", "--no-pager")
    found = re.search(r"Overall exposure level for .*: (\d+\.\d)", told)
    assert found
    print(f"systemd-analyze security: {found[1]}")
    assert float(found[1]) <= EXPOSURE, told
    total = int(machine.container.tell("awk", "/^MemTotal/ {print $2}", "/proc/meminfo")) * 1024

    def limit(unit: str, name: str) -> float:
        value = machine.container.tell("systemctl", "show", unit, f"--property={name}", "--value")
        return round(int(value) / total, 2)

    assert limit("comfyui.slice", "MemoryMax") == 0.88
    assert limit(f"comfyui@{port}", "MemoryMax") == 0.48
    assert limit(f"comfyui@{port}", "MemoryHigh") == 0.44
    assert machine.unit(port, "Slice", "OOMPolicy") == {"Slice": "comfyui.slice", "OOMPolicy": "stop"}


def test_a_server_sees_neither_the_role_s_keys_nor_the_user_data(machine: MlServerMachine) -> None:
    pid = machine.unit(machine.ports[0], "MainPID")["MainPID"]
    inside = ("nsenter", f"--target={pid}", "--mount", "runuser", "-u", "comfyui", "--")
    for path in ("/var/lib/cloud", "/opt/sd-app/bin", "/etc/sd-app/machine.env"):
        assert machine.container.run(*inside, "ls", path).returncode or "env" in path
        assert machine.container.run(*inside, "head", "-c1", path).returncode, f"{path} can be read"
    assert machine.container.run(*inside, "touch", f"{COMFYUI}/x").returncode
    assert machine.container.run(*inside, "touch", f"{HOME}/models/x").returncode


def test_the_packs_are_in_and_the_manager_is_strong_and_offline(machine: MlServerMachine) -> None:
    for port in machine.ports:
        told = machine.server_log(port)
        for pack in PACKS:
            assert re.search(rf"seconds: {COMFYUI}/custom_nodes/{pack}\n", told), told
        assert "[ComfyUI-Manager] security_level: strong" in told
        assert "[ComfyUI-Manager] network_mode: offline" in told


def test_a_killed_server_comes_back_and_the_other_never_stops(machine: MlServerMachine) -> None:
    killed, other = machine.ports
    before = {port: machine.unit(port, "MainPID")["MainPID"] for port in machine.ports}
    machine.container.tell("kill", "-9", before[killed])
    until("it is away", lambda: not machine.is_up(killed), 5, every_s=0.05)
    begun = time.monotonic()

    def back() -> bool:
        assert machine.is_up(other), "the other server stopped"
        return machine.is_up(killed)

    until("it answers again", back, 30)
    print(f"a killed server answers again after {time.monotonic() - begun:.1f} s")
    after = {port: machine.unit(port, "MainPID")["MainPID"] for port in machine.ports}
    assert after[killed] != before[killed] and after[other] == before[other]


@pytest.fixture
def idle(machine: MlServerMachine) -> Generator[MlServerMachine]:
    """A machine that has had no work for long, and would stop after a minute of that."""
    environment = "/etc/sd-app/machine.env"
    machine.container.shell(
        f"systemctl stop sd-app-idle.timer; rm -f /run/sd-app/syncing; sed -i 's/^IDLE_STOP_MINUTES=.*/IDLE_STOP_MINUTES=\"1\"/' {environment}"
    )
    yield machine
    machine.container.shell(
        f"sed -i 's/^IDLE_STOP_MINUTES=.*/IDLE_STOP_MINUTES=\"0\"/' {environment}; systemctl start sd-app-idle.timer"
    )
    machine.account.stack.client("ec2").start_instances(InstanceIds=[machine.instance_id])


def running(machine: MlServerMachine) -> set[str]:
    """Ids of the account's machines that run."""
    ec2 = machine.account.stack.client("ec2")
    found = ec2.describe_instances(Filters=[{"Name": "instance-state-name", "Values": ["running"]}])
    return {one["InstanceId"] for group in found["Reservations"] for one in group["Instances"]}


def stops(machine: MlServerMachine) -> bool:
    """Whether the next look of the idle stop asks EC2 to stop this very machine, after 5 minutes without work."""
    others = running(machine) - {machine.instance_id}
    machine.container.shell(
        "awk '{print $1 - 300}' /proc/uptime >/run/sd-app/busy-at;"
        # systemd refuses what is started six times in ten seconds.
        "systemctl reset-failed sd-app-idle.service; systemctl start sd-app-idle.service"
    )
    left = running(machine)
    assert left - {machine.instance_id} == others, "it stopped another machine"
    return machine.instance_id not in left


def test_an_idle_machine_looks_each_minute_and_stops_itself(idle: MlServerMachine) -> None:
    assert idle.container.tell("systemctl", "is-enabled", "sd-app-idle.timer").strip() == "enabled"
    assert stops(idle)


def test_a_machine_with_a_prompt_does_not_stop(idle: MlServerMachine) -> None:
    port = idle.ports[1]
    idle.ask(port, "/_emulator/faults", {"hang": {}})
    graph = load("ml-server/warm_up.py").graph(CHECKPOINT)
    prompt = idle.ask(port, "/prompt", {"prompt": graph})["prompt_id"]
    assert not stops(idle)
    idle.ask(port, "/interrupt", {})
    until("the prompt is over", lambda: idle.ask(port, f"/history/{prompt}"), 10)
    idle.ask(port, "/_emulator/faults", {"hang": {"count": 1}})
    assert stops(idle)


def test_a_machine_with_somebody_in_a_session_does_not_stop(idle: MlServerMachine) -> None:
    idle.container.shell(
        "cp /bin/sleep /run/ssm-session-worker && systemd-run --quiet --unit=session /run/ssm-session-worker 300"
    )
    assert not stops(idle)
    idle.container.tell("systemctl", "stop", "session")
    assert stops(idle)


def test_a_machine_with_somebody_logged_in_does_not_stop(idle: MlServerMachine) -> None:
    # Ubuntu's image has it: logins are known to systemd by it.
    idle.container.shell("apt-get install --quiet --yes --no-install-recommends libpam-systemd", limit_s=120)
    login = ("--property=PAMName=login", "--property=User=root")
    idle.container.tell("systemd-run", "--quiet", "--unit=somebody", *login, "sleep", "300")
    until("the login is known", lambda: idle.container.tell("loginctl", "list-sessions", "--no-legend"), 15)
    assert not stops(idle)
    idle.container.tell("systemctl", "stop", "somebody")
    until(
        "it is over", lambda: not idle.container.tell("loginctl", "list-sessions", "--no-legend").strip(), 15
    )
    assert stops(idle)


def test_a_machine_to_which_models_come_does_not_stop(idle: MlServerMachine) -> None:
    with idle.aws_fault(service="s3", kind="slow", action="GetObject"):
        idle.put_lora("Slow.safetensors", bytes(40_000_000))
        until(
            "bytes come", lambda: idle.container.run("test", "-e", "/run/sd-app/syncing").returncode == 0, 20
        )
        assert not stops(idle)
    idle.offers("Slow.safetensors")
    idle.delete_lora("Slow.safetensors")
    idle.sync_said("1 removed")


def test_after_a_reboot_it_is_ready_again_with_nothing_done_twice(machine: MlServerMachine) -> None:
    machine.reboot()
    begun = time.monotonic()
    machine.wait("ready", 90)
    stages = machine.stages()
    print(f"ready again {time.monotonic() - begun:.1f} s after power on; stages, seconds: {stages}")
    assert not SLOW & stages.keys()
    assert all(machine.is_up(port) for port in machine.ports)


def test_after_a_power_cut_in_a_sync_it_goes_on_and_leaves_no_part(machine: MlServerMachine) -> None:
    with machine.aws_fault(service="s3", kind="slow", action="GetObject"):
        sha256 = machine.put_lora("Large.safetensors", bytes(range(256)) * 400_000)
        parts = f"{HOME}/models/loras/.Large.safetensors.part*"
        until("a part is there", lambda: machine.container.run("sh", "-c", f"ls {parts}").stdout, 20, 0.02)
        machine.container.cut_power()
    disk = machine.container.disk / HOME.lstrip("/") / "models-on-disk/loras"
    assert list(Path(disk).glob(".Large*")), "the cut came too late"
    machine.boot()
    machine.wait("ready", 90)
    machine.offers("Large.safetensors")
    assert machine.models_here() == {**machine.models_pushed(), "loras/Large.safetensors": sha256}
    machine.delete_lora("Large.safetensors")
