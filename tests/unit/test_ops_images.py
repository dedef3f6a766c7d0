"""`ops bake` makes an image of a machine that is ready and of no other; `ops images` lists and removes the stack's own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import contract
from ops import cli, images
from ops.errors import OpsError
from ops.stack import Stack, connect
from tests.unit.ops_cloud import STACK, Cloud, cloud_for_ops

ROLE = contract.ML_SERVER


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with cloud_for_ops(monkeypatch) as made:
        yield made


@pytest.fixture
def machine(cloud: Cloud) -> str:
    """A ready ML server; its id."""
    made = cloud.make_machine()
    cloud.put_outputs({"mlServerInstanceId": made})
    cloud.put_boot(ROLE, state="ready", instanceId=made)
    return made


@pytest.fixture
def stack(cloud: Cloud) -> Stack:
    return connect(STACK)


def bake(stack: Stack, *, json: bool = False, minutes: float = 1) -> int:
    args = images.BakeArgs(role=ROLE, poll_seconds=0.01, limit_minutes=minutes)
    return images.bake(stack, args, json=json)


def baked(stack: Stack, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    bake(stack, json=True)
    return json.loads(capsys.readouterr().out)["imageId"]


def test_a_ready_machine_is_baked_with_the_stack_s_tags(
    cloud: Cloud, stack: Stack, machine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bake(stack) == 0
    told = capsys.readouterr()
    [image] = cloud.client("ec2").describe_images(Owners=["self"])["Images"]
    assert f"{machine} reboots; {image['ImageId']} is made of it" in told.err
    assert f"--path 'sd-app:mlServer.amiId' {image['ImageId']} --stack dev" in told.out
    assert {one["Key"]: one["Value"] for one in image["Tags"]} == {
        "Project": "sd-app",
        "Stack": "dev",
        "Role": "ml-server",
    }


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"state": "running", "stage": "models"}, "is running, not ready: models"),
        (
            {"state": "failed", "stage": "driver", "message": "too old"},
            "is failed, not ready: driver: too old",
        ),
        ({"state": "ready", "instanceId": "i-0other"}, "not ready"),
    ],
)
def test_a_machine_that_is_not_ready_is_left_alone(
    cloud: Cloud, stack: Stack, machine: str, record: dict[str, str], told: str
) -> None:
    cloud.put_boot(ROLE, **{"instanceId": machine, **record})
    with pytest.raises(OpsError, match=told):
        bake(stack)
    assert cloud.client("ec2").describe_images(Owners=["self"])["Images"] == []


def test_one_that_sleeps_is_to_be_woken_first(cloud: Cloud, stack: Stack, machine: str) -> None:
    cloud.client("ec2").stop_instances(InstanceIds=[machine])
    with pytest.raises(OpsError, match="is stopped: `python -m ops start ml-server`"):
        bake(stack)


class _Slow:
    """EC2 whose image takes its time, and then ends in a state."""

    def __init__(self, ec2: Any, states: list[str]) -> None:
        self._ec2, self._states = ec2, states

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ec2, name)

    def describe_images(self, **asked: Any) -> Any:
        answer = self._ec2.describe_images(**asked)
        for one in answer["Images"]:
            one["State"] = self._states.pop(0) if len(self._states) > 1 else self._states[0]
            one["StateReason"] = {"Message": "the disk is broken"}
        return answer


@pytest.fixture
def slow(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """States that an image will have, look after look."""
    states: list[str] = []
    client = Stack.client

    def of(self: Stack, service: str, region: str | None = None) -> Any:
        made = client(self, service, region)
        return _Slow(made, states) if service == "ec2" else made

    monkeypatch.setattr(Stack, "client", of)
    return states


def test_its_progress_is_told_and_a_failure_named(
    stack: Stack, machine: str, slow: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    slow += ["pending", "pending", "available"]
    assert bake(stack) == 0
    assert capsys.readouterr().err.count("snapshot") == 1, "each word once"
    slow[:] = ["pending", "failed"]
    with pytest.raises(OpsError, match="is failed: the disk is broken"):
        bake(stack)


def test_one_that_takes_too_long_goes_on_without_us(stack: Stack, machine: str, slow: list[str]) -> None:
    slow += ["pending"]
    with pytest.raises(OpsError, match=r"is still pending after .* and goes on"):
        bake(stack, minutes=0.001)


def test_the_stack_s_images_are_listed_with_what_they_cost_at_most(
    cloud: Cloud, stack: Stack, machine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    images.show(stack, json=False)
    assert "No image was baked" in capsys.readouterr().out
    image = baked(stack, capsys)
    other = cloud.client("ec2").create_image(InstanceId=cloud.make_machine(), Name="another's")["ImageId"]
    images.show(stack, json=False)
    told = capsys.readouterr().out
    assert image in told and other not in told
    assert "at most $" in told
    images.show(stack, json=True)
    [one] = json.loads(capsys.readouterr().out)
    assert (one["id"], one["role"], one["used"]) == (image, ROLE, False)


def test_an_image_goes_with_its_snapshots(
    cloud: Cloud, stack: Stack, machine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    image = baked(stack, capsys)
    ec2 = cloud.client("ec2")
    [told] = ec2.describe_images(ImageIds=[image])["Images"]
    snapshots = [one["Ebs"]["SnapshotId"] for one in told["BlockDeviceMappings"] if "Ebs" in one]
    assert snapshots
    assert images.delete(stack, image, json=False) == 0
    assert ec2.describe_images(Owners=["self"])["Images"] == []
    left = {one["SnapshotId"] for one in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
    assert not left & {*snapshots}


def test_one_in_use_and_one_of_another_stack_stay(
    cloud: Cloud, stack: Stack, machine: str, capsys: pytest.CaptureFixture[str]
) -> None:
    image = baked(stack, capsys)
    ec2 = cloud.client("ec2")
    made = ec2.run_instances(ImageId=image, InstanceType="t3.micro", MinCount=1, MaxCount=1)["Instances"][0]
    cloud.put_outputs({"mlServerInstanceId": made["InstanceId"]})
    with pytest.raises(OpsError, match=f"was made from {image}: set another sd-app:mlServer.amiId"):
        images.delete(stack, image, json=False)
    with pytest.raises(OpsError, match="has no baked image ami-12c6146b"):
        images.delete(stack, "ami-12c6146b", json=False)
    assert [one["ImageId"] for one in ec2.describe_images(Owners=["self"])["Images"]] == [image]


def test_the_command_line_leads_there(
    cloud: Cloud, machine: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main(["--stack", STACK, "bake", "ml-server", "--json"]) == 0
    image = json.loads(capsys.readouterr().out)["imageId"]
    assert cli.main(["--stack", STACK, "images", "list"]) == 0
    assert image in capsys.readouterr().out
    assert cli.main(["--stack", STACK, "images", "delete", image]) == 0
