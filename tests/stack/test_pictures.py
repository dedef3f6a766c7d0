"""The local stack with all that runs in it: pictures through the edge, a GPU that sleeps and is woken, nothing left at the end."""

from __future__ import annotations

import io
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from studio import ROOT, Studio, studio, until

import contract
from ops import deploy, machines
from ops.boot import read_boot
from ops.errors import OpsError
from sandbox.machines.processes import MARK
from sandbox.machines.user_data import parse_environment
from tools.api_client import Api
from tools.local_stack import LocalStack

BOOT_SECONDS = "4"
"""Long enough for the API to be seen telling that the GPU wakes."""
MACHINES = {"ml-server": "mlServerInstanceId", "backend": "backendInstanceId"}
WISH = {"prompt": "a small kitchen", "width": 256, "height": 256, "steps": 4}


@pytest.fixture(scope="module")
def running(cli: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Studio]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SANDBOX_BOOT_SECONDS", BOOT_SECONDS)
        with studio(cli, tmp_path_factory.mktemp("pictures")) as made:
            yield made


@pytest.fixture(scope="module")
def designer(running: Studio) -> Api:
    return running.designer("ann")


def processes(folder: Path) -> list[str]:
    """Command lines of what runs for the machines of this folder."""
    told = subprocess.run(["ps", "axeww", "-o", "command="], capture_output=True, text=True, check=True)
    return [line for line in told.stdout.splitlines() if f" {MARK}={folder}/" in line]


def boot_id(running: Studio, role: str) -> str:
    """Another for each boot."""
    name = contract.boot_parameter("local", role)
    return json.loads(running.stack.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])["bootId"]


def gpu(api: Api) -> dict[str, Any]:
    return json.loads(api.fetch("/api/status"))["gpu"]


def status(url: str, headers: dict[str, str] | None = None) -> int:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_it_begins_with_a_text_and_a_sketch_picture(running: Studio) -> None:
    pictures = [path.read_bytes() for path in running.made.files]
    assert [Image.open(io.BytesIO(one)).format for one in pictures] == ["PNG", "PNG"]
    assert all(max(Image.open(io.BytesIO(one)).size) >= 512 for one in pictures)
    assert pictures[0] != pictures[1]


def test_both_machines_booted_from_what_was_rendered_and_say_so_themselves(running: Studio) -> None:
    for role, output in MACHINES.items():
        boot = read_boot(running.stack, role)
        assert (boot.state, boot.instance_id) == ("ready", running.outputs[output])
        home = running.folder / "machines" / running.outputs[output]
        environment = parse_environment((home / "machine.env").read_text())
        assert environment["BUCKET_NAME"] == running.outputs["bucketName"]
        assert (home / "machine.env").stat().st_mode & 0o777 == 0o600


def test_the_backend_answers_nobody_but_the_edge(running: Studio, designer: Api) -> None:
    known = json.loads((running.folder / "addresses.json").read_text())
    direct = f"http://127.0.0.1:{known['local/backend']}/api/health"
    assert status(direct) == 403
    assert status(direct, {"X-Origin-Secret": "guess"}) == 403
    assert status(f"{designer.url}/api/health", {"X-Origin-Secret": "guess"}) == 200


def test_a_sleeping_gpu_is_woken_by_a_waiting_generation_which_then_succeeds(
    running: Studio, designer: Api
) -> None:
    machine = running.outputs["mlServerInstanceId"]
    ec2 = running.stack.client("ec2")
    before = boot_id(running, "ml-server")
    assert gpu(designer)["state"] == "ready"
    machines.run(running.stack, machines.SwitchArgs(role="ml-server", goal="stopped"), json=False)
    until("the API tells that it sleeps", lambda: gpu(designer)["state"] == "asleep", 60)
    assert not [line for line in processes(running.folder / "machines") if "sandbox.comfyui" in line]
    generation = designer.generate(WISH)
    told: list[dict[str, Any]] = []

    def is_awake() -> bool:
        told.append(gpu(designer))
        return told[-1]["state"] == "ready"

    until("the worker woke it", is_awake, 180)
    waking = [one for one in told if one["state"] == "waking"]
    assert any(one.get("stage") for one in waking), f"what it does meanwhile is told: {told}"
    assert waking and all(one["etaSeconds"] >= 1 for one in waking), told
    done = designer.follow(generation, lambda name, data: None, 120)
    assert done["state"] == "succeeded", done
    assert Image.open(io.BytesIO(designer.fetch(done["images"][0]["url"]))).size == (256, 256)
    [[found]] = [one["Instances"] for one in ec2.describe_instances(InstanceIds=[machine])["Reservations"]]
    assert found["State"]["Name"] == "running"
    # ComfyUI answers before the machine's own first pictures are made.
    until("the machine is ready", lambda: read_boot(running.stack, "ml-server").state == "ready", 60)
    now = read_boot(running.stack, "ml-server")
    assert "4 models and styles here" in now.message
    assert now.message.count("first picture on port") == 2, "warmed up, now that it has models"
    assert boot_id(running, "ml-server") != before


def test_a_rebooted_backend_serves_again_and_nothing_is_lost(running: Studio, designer: Api) -> None:
    generation = designer.generate({**WISH, "seed": 5})
    before = boot_id(running, "backend")
    running.stack.client("ec2").reboot_instances(InstanceIds=[running.outputs["backendInstanceId"]])

    def is_back() -> bool:
        return boot_id(running, "backend") != before and read_boot(running.stack, "backend").state == "ready"

    until("the backend has booted anew", is_back, 120)
    assert designer.follow(generation, lambda name, data: None, 120)["state"] == "succeeded"


def test_a_stand_in_says_that_it_takes_no_release(running: Studio) -> None:
    with pytest.raises(OpsError, match="runs this checkout's app/backend: `make up` brings"):
        deploy.run(running.stack, deploy.DeployArgs(ref="v1"), json=False)


def test_down_ends_all_that_ran(running: Studio, cli: Path) -> None:
    assert len(processes(running.folder / "machines")) >= 4
    LocalStack(ROOT, running.folder, cli).down(force=False)
    assert processes(running.folder / "machines") == []
    assert not running.folder.exists()
