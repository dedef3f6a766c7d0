"""The backend's machine boots for real, from the user data that the program rendered: cloud-init, systemd, apt, npm, PM2."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping

import pytest
from backend_machine import APP, CURRENT, READY_LIMIT_S, BackendMachine, backend

from ops import wait
from tests.boot.account import Account
from tests.boot.container import until
from tests.boot.stand_ins import VERSIONS

STAGES = ["network", "tools", "node", "code", "dependencies", "settings", "server"]
SLOW = ["tools", "node", "code", "dependencies"]
"""Stages that are not run again once they ended well."""


@pytest.fixture(scope="module")
def machine(
    account: Account, node: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Generator[BackendMachine]:
    """A backend that has booted once and is ready."""
    with backend(account, tmp_path_factory.mktemp("backend"), node) as made:
        made.boot()
        made.wait("ready", READY_LIMIT_S)
        yield made


def test_every_stage_is_run_and_told_and_the_api_answers_cloudfront_alone(machine: BackendMachine) -> None:
    stages = machine.stages()
    print(f"stages, seconds: {stages}")
    assert list(stages) == STAGES
    # One that takes a tenth of a second may be over before anybody looks.
    assert [stage for stage in machine.told if stage != "network"] == [*STAGES[1:], "ready"]
    assert machine.ask("/api/health")[0] == 200
    assert machine.ask("/api/health", secret="not the edge's")[0] == 403


def test_ops_wait_sees_the_machine_ready(machine: BackendMachine, capsys: pytest.CaptureFixture[str]) -> None:
    args = wait.WaitArgs(role=machine.role, instance_id=machine.instance_id, minutes=0.1)
    assert wait.run(machine.account.stack, args, json=False) == 0
    assert "backend: ready" in capsys.readouterr().out


def test_cloud_init_finds_no_fault_in_the_user_data(machine: BackendMachine) -> None:
    assert "failed" not in machine.container.run("systemctl", "--failed", "--plain", "--no-legend").stdout
    told = json.loads(machine.container.tell("cloud-init", "status", "--wait", "--format=json"))
    assert told["status"] == "done"
    assert told["errors"] == []
    machine.container.tell("cloud-init", "schema", "--system")


def test_node_is_the_pinned_version_and_no_draft_of_it_is_left(machine: BackendMachine) -> None:
    assert machine.container.tell("node", "--version").strip() == f"v{VERSIONS['NODE_VERSION']}"
    [home] = machine.container.tell("readlink", "/opt/node").split()
    assert machine.container.tell("ls", "/opt").split() == ["node", home.removeprefix("/opt/"), "sd-app"]


def test_the_environment_is_the_app_s_alone_and_carries_the_origin_s_secret(machine: BackendMachine) -> None:
    assert machine.container.tell("stat", "--format=%U %a", f"{APP}/.env").strip() == "sd-app 600"
    assert f'ORIGIN_SECRET="{machine.secret()}"' in machine.container.tell("cat", f"{APP}/.env")
    everywhere = machine.container.journal() + machine.container.console.read_text(errors="replace")
    assert machine.secret() not in everywhere, "the secret was told"


def test_the_code_is_root_s_but_for_the_app_s_own_folder(machine: BackendMachine) -> None:
    owners = machine.container.tell(
        "stat", "--format=%n %U", f"{CURRENT}/contract.py", APP, f"{APP}/index.js"
    )
    assert owners.split() == [f"{CURRENT}/contract.py", "root", APP, "sd-app", f"{APP}/index.js", "sd-app"]


def test_pm2_runs_the_server_and_the_worker_as_the_app_s_user_in_its_own_unit(
    machine: BackendMachine,
) -> None:
    apps = machine.apps()
    assert {name: (one["script"], one["status"]) for name, one in apps.items()} == {
        "sd-app": ("index.js", "online"),
        "sd-app-worker": ("worker.js", "online"),
    }
    for one in apps.values():
        owner, cgroup = machine.container.shell(
            f"stat --format=%U /proc/{one['pid']}; cat /proc/{one['pid']}/cgroup | tail -n 1"
        ).split()
        assert owner == "sd-app"
        assert "pm2-sd-app.service" in cgroup, "it would die with the unit that prepares the machine"


@pytest.mark.parametrize("name", ["sd-app", "sd-app-worker"])
def test_a_killed_program_is_started_again(machine: BackendMachine, name: str) -> None:
    before = machine.apps()[name]
    machine.container.tell("kill", "-9", str(before["pid"]))

    def again() -> bool:
        now = machine.apps()[name]
        return (
            now["status"] == "online"
            and now["pid"] not in (0, before["pid"])
            and now["restarts"] > before["restarts"]
        )

    until(f"{name} is online again", again, 15)
    until("the API answers", machine.is_healthy, 15)


def test_what_the_app_writes_is_shipped_and_survives_rotation(machine: BackendMachine) -> None:
    log = "/home/sd-app/.pm2/logs/sd-app-out.log"
    machine.shipped("sd-app-prepare: sd-app: ready")
    machine.container.shell(f"echo 'a line before rotation' >>{log}")
    machine.shipped("a line before rotation")
    machine.container.tell("logrotate", "--force", "/etc/logrotate.d/sd-app")
    assert machine.container.tell("stat", "--format=%s", log).strip() == "0", "copytruncate"
    assert machine.container.run("zcat", f"{log}.1.gz").stdout.endswith("a line before rotation\n")
    machine.container.shell(f"echo 'a line after rotation' >>{log}")
    machine.shipped("a line after rotation")
    before = machine.apps()["sd-app"]["pid"]
    machine.container.tell("kill", "-9", str(before))  # its new process says that it listens
    until("PM2's file has lines again", lambda: "istening" in machine.container.tell("cat", log), 15)


def test_disk_and_memory_are_measured(machine: BackendMachine) -> None:
    namespace = f"sd-app/{machine.account.stack.name}"
    cloudwatch = machine.account.stack.client("cloudwatch")
    machine.container.tell("systemctl", "start", "sd-app-metrics.service")
    found = cloudwatch.list_metrics(Namespace=namespace, MetricName="DiskUsedPercent")["Metrics"]
    assert {"Name": "Role", "Value": "backend"} in found[0]["Dimensions"]


def test_after_a_reboot_it_is_ready_again_with_nothing_done_twice(machine: BackendMachine) -> None:
    machine.reboot()
    machine.wait("ready", 60)
    assert [stage for stage in machine.stages() if stage in SLOW] == []
    assert {name: one["status"] for name, one in machine.apps().items()} == {
        "sd-app": "online",
        "sd-app-worker": "online",
    }
    assert machine.is_healthy()


def test_after_a_power_cut_that_emptied_what_pm2_was_writing_it_is_ready_again(
    machine: BackendMachine,
) -> None:
    """A file that was written shortly before may be there without its content: the disk had yet to get it."""
    machine.container.cut_power()
    for name in ("dump.pm2", "dump.pm2.bak"):
        (machine.container.disk / "home/sd-app/.pm2" / name).write_text("")
    machine.boot()
    machine.wait("ready", 60)
    assert machine.is_healthy()
    assert {one["status"] for one in machine.apps().values()} == {"online"}
