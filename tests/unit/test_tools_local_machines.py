"""Before the first pictures: what failed or is out of date boots anew, the rest is waited for, a sleeper sleeps on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ops.stack import Stack, connect
from tests.unit.machine_fakes import serving
from tests.unit.ops_cloud import Cloud, running_cloud
from tools import emulated_models, local_machines
from tools.local_machines import Machines, NotReady

NOW = 1_800_000_000
THEN = "2026-01-01T00:00:00Z"
"""Long before NOW."""
LATER = "2027-06-01T00:00:00Z"
"""Long after NOW."""


@dataclass
class Ground:
    """Both machines on an emulated account, both ready; a checkout whose files are as old as NOW."""

    cloud: Cloud
    stack: Stack
    folder: Path
    ids: dict[str, str]
    has_models: bool = True
    is_real: bool = False

    def record(self, role: str, state: str, updated_at: str = LATER, **more: str) -> None:
        self.cloud.put_parameter(
            f"/sd-app/local/machines/{role}/boot",
            json.dumps({"state": state, "instanceId": self.ids[role], "updatedAt": updated_at, **more}),
        )

    def file(self, path: str, age_s: float = 0) -> None:
        file = self.folder / "checkout" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        os.utime(file, (NOW - age_s, NOW - age_s))

    def get_ready(self) -> None:
        outputs = {
            "mlServerInstanceId": self.ids["ml-server"],
            "backendInstanceId": self.ids["backend"],
            "comfyUiAddress": "172.16.0.10",
        }
        Machines(
            stack=self.stack,
            folder=self.folder,
            outputs=outputs,
            is_real=self.is_real,
            root=self.folder / "checkout",
        ).get_ready()

    def reboots(self) -> list[str]:
        """Roles that were rebooted so far."""
        return [role for role in self.ids if self.ids[role] in self.rebooted]

    rebooted: tuple[str, ...] = ()


@pytest.fixture(scope="module")
def cloud() -> Generator[Cloud]:
    with running_cloud() as made:
        yield made


@pytest.fixture
def ground(cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Ground]:
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setattr(local_machines, "POLL_S", 0.02)
    ids = {role: cloud.make_machine() for role in ("ml-server", "backend")}
    made = Ground(cloud, connect("local", None, {"AWS_ENDPOINT_URL": cloud.endpoint}), tmp_path, ids)

    def models(path: str, body: bytes) -> Any:
        names = emulated_models.MODELS[path.rpartition("/")[2]] if made.has_models else ()
        return [f"{name}.safetensors" for name in names]

    for role in ids:
        made.record(role, "ready")
    made.file("app/backend/index.js")
    made.file("app/contract.json")
    with serving(models) as port:
        names = ("local/172.16.0.10:8188", "local/172.16.0.10:8189")
        (tmp_path / "addresses.json").write_text(json.dumps(dict.fromkeys(names, int(port))))
        yield made


@pytest.fixture
def following(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """Machines that boot anew when they're told to, as the sandbox's do."""
    ec2 = ground.stack.client("ec2")
    reboot = ec2.reboot_instances

    def follow(InstanceIds: list[str]) -> None:
        reboot(InstanceIds=InstanceIds)
        ground.rebooted += tuple(InstanceIds)
        [role] = [role for role, id in ground.ids.items() if id in InstanceIds]
        ground.record(role, "running", stage="server")
        meanwhile(monkeypatch, lambda: ground.record(role, "ready"))

    monkeypatch.setattr(ec2, "reboot_instances", follow)
    return ground


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """Once something is waited for, the world goes on."""

    def pause(seconds: float) -> None:
        happens()

    monkeypatch.setattr("ops.wait.sleep", pause)


Capture = pytest.CaptureFixture[str]


def test_machines_that_are_ready_are_left_alone(following: Ground, capfd: Capture) -> None:
    following.get_ready()
    assert following.reboots() == []
    assert capfd.readouterr().err == "ml-server: ready\nbackend: ready\n"


def test_one_that_still_boots_is_waited_for(following: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    following.record("backend", "running", stage="server")
    waits: list[str] = []

    def goes_on() -> None:
        waits.append("once")
        following.record("backend", "ready")

    meanwhile(monkeypatch, goes_on)
    following.get_ready()
    assert waits == ["once"] and following.reboots() == []


@pytest.mark.parametrize("role", ["ml-server", "backend"])
def test_one_that_failed_is_booted_anew(following: Ground, role: str, capfd: Capture) -> None:
    following.record(role, "failed", stage="server", message="no such setting")
    following.get_ready()
    assert following.reboots() == [role]
    assert f"{role}: failed at server: rebooting" in capfd.readouterr().err


@pytest.mark.parametrize(
    "path",
    [
        "app/backend/index.js",
        "app/backend/worker/new/deep.js",
        "app/workflows/text.json",
        "app/contract.json",
        "app/backend/node_modules/.ready",
    ],
)
def test_a_backend_older_than_its_code_is_booted_anew(following: Ground, path: str, capfd: Capture) -> None:
    following.record("backend", "ready", THEN)
    for name in ("app/backend/index.js", "app/contract.json"):
        following.file(name, age_s=NOW)
    following.file(path)
    following.get_ready()
    assert following.reboots() == ["backend"]
    assert "backend: runs older code than this checkout's: rebooting" in capfd.readouterr().err


@pytest.mark.parametrize("path", ["app/backend/test/api.test.js", "app/backend/node_modules/sharp/index.js"])
def test_tests_and_packages_files_are_no_code_of_its_own(following: Ground, path: str) -> None:
    following.record("backend", "ready", THEN)
    for name in ("app/backend/index.js", "app/contract.json"):
        following.file(name, age_s=NOW)
    following.file(path)
    following.get_ready()
    assert following.reboots() == []


def test_the_record_of_a_machine_before_it_reboots_nothing(
    following: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    following.cloud.put_parameter(
        "/sd-app/local/machines/backend/boot", json.dumps({"state": "failed", "instanceId": "i-before"})
    )
    meanwhile(monkeypatch, lambda: following.record("backend", "ready"))
    following.get_ready()
    assert following.reboots() == []


def test_a_sleeping_ml_server_sleeps_on_and_is_asked_for_nothing(ground: Ground, capfd: Capture) -> None:
    ground.cloud.client("ec2").stop_instances(InstanceIds=[ground.ids["ml-server"]])
    ground.record("ml-server", "failed", stage="models")
    ground.has_models = False
    ground.get_ready()
    assert capfd.readouterr().err == "ml-server: asleep; the first picture wakes it\nbackend: ready\n"


def test_a_real_comfyui_s_models_are_its_own(ground: Ground) -> None:
    ground.is_real, ground.has_models = True, False
    ground.get_ready()


def failed(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.record("backend", "running")
    meanwhile(monkeypatch, lambda: ground.record("backend", "failed", stage="server", message="no port"))


def stuck(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.record("backend", "failed", stage="server")


def stopped(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.cloud.client("ec2").stop_instances(InstanceIds=[ground.ids["backend"]])
    ground.record("backend", "pending")


def without_models(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    ground.has_models = False


def without_address(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    (ground.folder / "addresses.json").unlink()


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (failed, r"failed at server: no port(.|\n)*on this machine, logs: .*/machines/BACKEND/\*\.log"),
        (stuck, r"backend: does not reboot(.|\n)*logs: .*/machines/BACKEND/"),
        (stopped, r"the machine was stopped(.|\n)*logs: "),
        (without_models, r"does not offer the models in checkpoints after 0 s(.|\n)*logs: .*/machines/ML/"),
        (without_address, r"no address for local/172\.16\.0\.10:8188: see .*daemon\.log"),
    ],
)
def test_what_is_in_the_way_is_told_with_where_to_look(
    ground: Ground,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Callable[[Ground, pytest.MonkeyPatch], None],
    told: str,
) -> None:
    monkeypatch.setattr(local_machines, "MODELS_LIMIT_S", 0.3)
    monkeypatch.setattr(local_machines, "REBOOT_LIMIT_S", 0.3)
    trouble(ground, monkeypatch)
    started = time.monotonic()
    with pytest.raises(
        NotReady, match=told.replace("BACKEND", ground.ids["backend"]).replace("ML/", ground.ids["ml-server"])
    ):
        ground.get_ready()
    assert time.monotonic() - started < 20
