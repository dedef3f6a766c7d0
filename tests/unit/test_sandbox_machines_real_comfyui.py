"""With a real ComfyUI the ML server runs nothing, is ready when both ports answer, and the backend gets the address."""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from sandbox_life import moto_server

from cloud_init.render import render_user_data
from sandbox.aws.table import Aws
from sandbox.machines import machine as machine_module
from sandbox.machines import ml_server, real_comfyui
from sandbox.machines.addresses import Addresses, free_port
from sandbox.machines.machine import Boot, BootFailed, Machine, wait_for
from sandbox.machines.processes import Service
from tests.unit.machine_fakes import serving

PARAMETER = "/sd-app/test/machines/ml-server/boot"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Generator[Aws]:
    with moto_server(tmp_path_factory.mktemp("aws")) as made:
        yield made


@pytest.fixture
def ml(aws: Aws, tmp_path: Path) -> Generator[Machine]:
    environment = {"AWS_REGION": aws.region, "SD_APP_BOOT_PARAMETER": PARAMETER}
    boot = Boot(
        instance_id="i-1",
        role="ml-server",
        stack="test",
        private_ip="172.16.0.10",
        user_data=render_user_data("ml-server", environment),
        folder=tmp_path / "i-1",
        root=tmp_path,
        endpoint=aws.endpoint,
        addresses=Addresses(tmp_path / "addresses.json"),
        bucket_changes=lambda: 0,
    )
    made = Machine(boot, ml_server.boot)
    yield made
    made.stop()


def outcome(aws: Aws, limit_s: float = 20.0) -> dict[str, Any]:
    """The readiness record, once it says how the boot went."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        found = aws.client("ssm").get_parameters(Names=[PARAMETER])["Parameters"]
        record: dict[str, Any] = json.loads(found[0]["Value"] if found else "{}")
        if record.get("state") in ("ready", "failed"):
            aws.client("ssm").delete_parameter(Name=PARAMETER)
            return record
        time.sleep(0.05)
    raise AssertionError("it never said how it went")


def test_it_is_ready_when_both_ports_answer_and_says_what_it_is(
    ml: Machine, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def answer(path: str, body: bytes) -> Any:
        asked.append(path)
        return {}

    with serving(answer) as text, serving(answer) as sketch:
        monkeypatch.setenv("COMFY_UI_ADDRESS", "127.0.0.1")
        monkeypatch.setenv("COMFY_UI_TEXT_PORT", text)
        monkeypatch.setenv("COMFY_UI_SKETCH_PORT", sketch)
        ml.start()
        record = outcome(aws)
    assert (record["state"], record["message"]) == ("ready", "a real ComfyUI at 127.0.0.1, not emulated")
    assert asked == ["/system_stats", "/system_stats"]
    assert ml.services == [], "nothing is emulated"


def test_one_that_does_not_answer_fails_the_boot_with_its_address(
    ml: Machine, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = str(free_port())
    monkeypatch.setenv("COMFY_UI_ADDRESS", "127.0.0.1")
    monkeypatch.setenv("COMFY_UI_TEXT_PORT", port)
    monkeypatch.setattr(real_comfyui, "ANSWER_LIMIT_S", 0.3)
    ml.start()
    record = outcome(aws)
    assert (record["state"], record["stage"]) == ("failed", "server")
    assert f"no answer at http://127.0.0.1:{port}/system_stats" in record["message"]


def test_the_backend_gets_the_host_and_comfyui_s_own_ports_unless_others_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("COMFY_UI_ADDRESS", "COMFY_UI_TEXT_PORT", "COMFY_UI_SKETCH_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert real_comfyui.settings() == {}
    monkeypatch.setenv("COMFY_UI_ADDRESS", "gpu.lan")
    monkeypatch.setenv("COMFY_UI_SKETCH_PORT", "9000")
    assert real_comfyui.settings() == {
        "COMFY_UI_ADDRESS": "gpu.lan",
        "COMFY_UI_TEXT_PORT": "8188",
        "COMFY_UI_SKETCH_PORT": "9000",
    }


def test_a_service_that_ends_again_and_again_is_not_waited_for(
    ml: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(machine: Machine) -> None:
        """Boot at once."""

    monkeypatch.setattr(ml, "program", nothing)
    ml.start()
    log = tmp_path / "log"
    log.write_text("settings are not complete:\n  TEXT_QUEUE_URL: missing\n")
    service = Service(name="sd-app", command=["false"], environment={}, folder=tmp_path, log=log)
    service.failures = machine_module.LOOP_FAILURES + 1
    started = time.monotonic()
    with pytest.raises(BootFailed, match=r"sd-app ends again and again: .*TEXT_QUEUE_URL: missing"):
        wait_for(f"http://127.0.0.1:{free_port()}/", 60, service, ml)
    assert time.monotonic() - started < 5
