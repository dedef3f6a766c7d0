"""The background process: found only when it's really ours, told why when it doesn't start, nothing left after."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import boto3.session
import pytest

from sandbox import daemon
from sandbox.aws.table import Store
from sandbox.machines.processes import MARK


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Generator[Path]:
    """A folder with a running sandbox."""
    made = tmp_path_factory.mktemp("sandbox")
    daemon.ensure(made)
    yield made
    daemon.stop(made)


def test_it_runs_once_and_is_found(folder: Path):
    found = daemon.find(folder)
    assert found and not found.is_new
    assert daemon.ensure(folder) == found
    assert (
        found.environment()["PULUMI_DEBUG_PROVIDERS"] == f"aws:{found.aws_port},command:{found.command_port}"
    )
    assert found.environment()["AWS_ENDPOINT_URL"] == found.endpoint


def test_it_listens_on_this_machine_only(folder: Path):
    found = daemon.find(folder)
    assert found
    listening = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=False)
    if listening.returncode:
        pytest.skip("ss isn't there")
    lines = [line.split()[3] for line in listening.stdout.splitlines() if f"pid={found.pid}," in line]
    assert len(lines) == 3 and all("127.0.0.1" in line for line in lines)


def test_another_process_isnt_taken_for_it(folder: Path, tmp_path: Path):
    """After a restart of the machine, the number in the file may be anybody's."""
    record = json.loads((folder / "sandbox.json").read_text())
    (tmp_path / "sandbox.json").write_text(json.dumps(record | {"pid": os.getpid()}))
    assert daemon.find(tmp_path) is None
    assert daemon.stop(tmp_path) is False
    (tmp_path / "sandbox.json").write_text(json.dumps(record))
    assert daemon.find(tmp_path) is None, "the sandbox of another folder"
    (tmp_path / "sandbox.json").write_text("{half")
    assert daemon.find(tmp_path) is None


def test_one_that_doesnt_answer_with_its_name_isnt_taken(folder: Path):
    text = (folder / "sandbox.json").read_text()
    try:
        (folder / "sandbox.json").write_text(json.dumps(json.loads(text) | {"emulator": "another"}))
        assert daemon.find(folder) is None
    finally:
        (folder / "sandbox.json").write_text(text)


def test_a_failed_start_shows_the_end_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such luck >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(daemon.SandboxFailed, match=r"the sandbox doesn't start(.|\n)*no such luck"):
        daemon.ensure(tmp_path / "sandbox")


def test_other_code_is_another_sandbox_at_the_same_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    try:
        first = daemon.ensure(tmp_path)
        Store(tmp_path / "store").put("kind", "id", {})
        record = json.loads((tmp_path / "sandbox.json").read_text())
        (tmp_path / "sandbox.json").write_text(json.dumps(record | {"code": "older"}))
        second = daemon.ensure(tmp_path)
        assert second.is_new and second.pid != first.pid
        assert second.endpoint == first.endpoint
        assert Store(tmp_path / "store").all("kind") == {}, "the store must forget with the emulator"
    finally:
        assert daemon.stop(tmp_path) is True
    assert daemon.find(tmp_path) is None
    assert not (tmp_path / "sandbox.json").exists()


def test_leftovers_are_what_somebody_made(folder: Path):
    found = daemon.find(folder)
    assert found
    session: Any = boto3.session.Session("test", "test", region_name="us-east-1")
    sqs: Any = session.client("sqs", endpoint_url=found.endpoint)
    ec2: Any = session.client("ec2", endpoint_url=found.endpoint)
    ec2.describe_vpcs()  # makes what every account has: a default VPC, images
    assert daemon.leftovers(found) == []
    url = sqs.create_queue(QueueName="left")["QueueUrl"]
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    image = ec2.describe_images(Owners=["amazon"])["Images"][0]["ImageId"]
    subnet = ec2.describe_subnets()["Subnets"][0]["SubnetId"]
    card = {"DeviceIndex": 0, "SubnetId": subnet, "DeleteOnTermination": True}  # AWS's default, not moto's
    [machine] = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, NetworkInterfaces=[card])[
        "Instances"
    ]
    Store(folder / "store").put("amplify/app:App", "d1", {})
    left = "\n".join(daemon.leftovers(found))
    for one in (
        "sqs queues in us-east-1: left",
        vpc,
        machine["InstanceId"],
        "amplify-app-App: d1",
    ):
        assert one in left
    Store(folder / "store").delete("amplify/app:App", "d1")
    ec2.terminate_instances(InstanceIds=[machine["InstanceId"]])
    ec2.delete_vpc(VpcId=vpc)
    sqs.delete_queue(QueueUrl=url)
    assert daemon.leftovers(found) == []


def test_a_stopped_sandbox_has_no_leftovers_to_ask_for(folder: Path):
    gone = daemon.Sandbox("http://127.0.0.1:9", 1, 2, 3)
    with pytest.raises(daemon.SandboxFailed, match=r"doesn't answer at http://127\.0\.0\.1:9"):
        daemon.leftovers(gone)


SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_machines_run_only_when_asked_and_a_choice_holds_until_another_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in daemon.CHOICES:
        monkeypatch.delenv(name, raising=False)
    try:
        without = daemon.ensure(tmp_path)
        assert not (tmp_path / "machines").exists()
        asked = daemon.ensure(tmp_path, machines=True)
        assert asked.is_new and (tmp_path / "machines").is_dir(), "one without machines can't be meant"
        assert asked.pid != without.pid
        assert daemon.ensure(tmp_path) == asked, "whoever needs none takes what is there"
        monkeypatch.setenv("SANDBOX_BOOT_SECONDS", "2.5")
        chosen = daemon.ensure(tmp_path, machines=True)
        assert chosen.pid != asked.pid and daemon.choices(tmp_path) == {"SANDBOX_BOOT_SECONDS": "2.5"}
        monkeypatch.delenv("SANDBOX_BOOT_SECONDS")
        assert daemon.ensure(tmp_path, machines=True) == chosen, "what isn't named stays as it was"
        assert daemon.choices(tmp_path) == {"SANDBOX_BOOT_SECONDS": "2.5"}
        monkeypatch.setenv("SANDBOX_BOOT_SECONDS", "")
        assert daemon.ensure(tmp_path, machines=True).pid != chosen.pid, "empty is the default again"
    finally:
        daemon.stop(tmp_path)
    assert daemon.choices(tmp_path) == {}


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf"])
def test_seconds_that_are_none_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str
):
    monkeypatch.setenv("SANDBOX_SECONDS_PER_STEP", value)
    with pytest.raises(daemon.SandboxFailed, match=f"SANDBOX_SECONDS_PER_STEP: '{value}' is not allowed"):
        daemon.ensure(tmp_path, machines=True)
    assert not (tmp_path / "sandbox.json").exists()


def stray(folder: Path) -> subprocess.Popen[bytes]:
    """A process as a machine of this sandbox has it."""
    return subprocess.Popen(SLEEP, env={**os.environ, MARK: str(folder / "machines" / "i-1")})


def test_what_a_killed_one_left_is_ended_by_the_next_start_and_by_a_stop(tmp_path: Path):
    first, second = stray(tmp_path), None
    try:
        killed = daemon.ensure(tmp_path, machines=True)
        assert first.wait(5) == -signal.SIGKILL, "left by one before"
        second = stray(tmp_path)
        os.kill(killed.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while daemon.find(tmp_path) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert second.poll() is None
        assert daemon.stop(tmp_path) is False, "none was running"
        assert second.wait(5) == -signal.SIGKILL
    finally:
        daemon.stop(tmp_path)
        for one in (first, second):
            if one:
                one.kill()
