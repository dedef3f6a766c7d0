"""`ops bake` and `ops images`: a machine image of a machine that is ready, so that its successor starts with everything on
its disk; and which there are, what they cost, and how they go."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import contract
from ops.boot import read_boot
from ops.errors import BAD, OpsError
from ops.machines import OUTPUTS
from ops.show import age, as_json, console, counted, table
from ops.stack import Stack

POLL_SECONDS = 10.0
LIMIT_MINUTES = 60.0
"""A first snapshot of 100 GB takes some tens of minutes; later ones hold the differences alone."""
SETTINGS = {contract.ML_SERVER: "mlServer", contract.BACKEND: "backend"}
"""The group of settings whose `amiId` a role's machine is made from."""
SNAPSHOT_DOLLARS = 0.05
"""A GB-month of a standard snapshot, us-east-1 (aws.amazon.com/ebs/pricing, 2026-11); of the disk's size at most."""


@dataclass(frozen=True, kw_only=True)
class BakeArgs:
    """Which machine; how often to look, and for how long."""

    role: str
    poll_seconds: float = POLL_SECONDS
    limit_minutes: float = LIMIT_MINUTES


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image that was baked for a stack. `used` by its machine now."""

    id: str
    role: str
    state: str
    made: datetime
    gib: int
    snapshots: tuple[str, ...]
    used: bool


def bake(stack: Stack, args: BakeArgs, *, json: bool) -> int:
    """Make an image of the machine; it reboots, so that its disk is at rest. OpsError when the machine isn't ready."""
    instance_id = stack.output(OUTPUTS[args.role])
    boot = read_boot(stack, args.role)
    if boot.state != "ready" or boot.instance_id != instance_id:
        said = f": {boot.told()}" if boot.told() else ""
        raise OpsError(
            f"{args.role} {instance_id} is {boot.state}, not ready{said}; an image of it would keep that", BAD
        )
    ec2 = stack.client("ec2")
    state = _instance_state(ec2, instance_id)
    if state != "running":
        raise OpsError(
            f"{args.role} is {state}: `python -m ops start {args.role}`, and bake when it is ready", BAD
        )
    made = ec2.create_image(
        InstanceId=instance_id,
        Name=f"{contract.prefix(stack.name)}-{args.role}-{datetime.now(UTC):%Y%m%d-%H%M%S}",
        Description=f"{args.role} of {stack.name}, baked by ops",
        NoReboot=False,
        TagSpecifications=[{"ResourceType": "image", "Tags": _tags(stack, args.role)}],
    )["ImageId"]
    _say(f"{args.role} {instance_id} reboots; {made} is made of it. What it worked on is made again.")
    image = _image(_wait(ec2, made, args), set())
    ec2.create_tags(Resources=list(image.snapshots), Tags=_tags(stack, args.role))
    setting = f"sd-app:{SETTINGS[args.role]}.amiId"
    if json:
        as_json({"imageId": made, "instanceId": instance_id, "role": args.role, "setting": setting})
    else:
        console().print(f"{made} is ready. To start {args.role} from it, which replaces the machine:")
        console().print(f"  pulumi config set --path '{setting}' {made} --stack {stack.name}", soft_wrap=True)
        console().print(f"  make up STACK={stack.name}")
    return 0


def show(stack: Stack, *, json: bool) -> int:
    """All images of the stack, newest first."""
    found = _images(stack)
    if json:
        as_json([{**vars(one), "snapshots": list(one.snapshots)} for one in found])
        return 0
    if not found:
        console().print(f"No image was baked for stack {stack.name}: python -m ops bake ml-server")
        return 0
    rows = table("Image", "Role", "State", "Age", "Disk", "Used")
    for one in found:
        rows.add_row(one.id, one.role, one.state, age(one.made), f"{one.gib} GiB", "yes" if one.used else "")
    console().print(rows)
    most = sum(one.gib for one in found) * SNAPSHOT_DOLLARS
    console().print(f"\n{counted(len(found), 'image')}: at most ${most:.2f} a month for their snapshots")
    return 0


def delete(stack: Stack, image_id: str, *, json: bool) -> int:
    """Remove an image and its snapshots. OpsError for one that is not the stack's, or that its machine was made from."""
    found = next((one for one in _images(stack) if one.id == image_id), None)
    if found is None:
        raise OpsError(f"stack {stack.name} has no baked image {image_id}: `python -m ops images list`")
    if found.used:
        raise OpsError(
            f"the {found.role} of stack {stack.name} was made from {image_id}: set another "
            f"sd-app:{SETTINGS[found.role]}.amiId, `make up STACK={stack.name}`, and delete it then"
        )
    ec2 = stack.client("ec2")
    ec2.deregister_image(ImageId=image_id)
    for snapshot in found.snapshots:
        ec2.delete_snapshot(SnapshotId=snapshot)
    if json:
        as_json({"imageId": image_id, "snapshots": list(found.snapshots)})
    else:
        console().print(f"{image_id} is gone, with {counted(len(found.snapshots), 'snapshot')}")
    return 0


def _tags(stack: Stack, role: str) -> list[dict[str, str]]:
    named = {contract.TAG_PROJECT: contract.PROJECT, contract.TAG_STACK: stack.name, "Role": role}
    return [{"Key": key, "Value": value} for key, value in named.items()]


def _images(stack: Stack) -> list[Image]:
    ec2 = stack.client("ec2")
    outputs = stack.outputs()
    ids = [str(outputs[name]) for name in OUTPUTS.values() if outputs.get(name)]
    filters = [{"Name": "instance-id", "Values": ids}]
    reservations: list[Any] = ec2.describe_instances(Filters=filters)["Reservations"] if ids else []
    used = {str(one["ImageId"]) for reservation in reservations for one in reservation["Instances"]}
    answer = ec2.describe_images(
        Owners=["self"], Filters=[{"Name": f"tag:{contract.TAG_STACK}", "Values": [stack.name]}]
    )
    found = [_image(one, used) for one in answer["Images"]]
    return sorted(found, key=lambda one: one.made, reverse=True)


def _image(told: Any, used: set[str]) -> Image:
    disks = [one["Ebs"] for one in told.get("BlockDeviceMappings", []) if "Ebs" in one]
    return Image(
        id=told["ImageId"],
        role={one["Key"]: one["Value"] for one in told.get("Tags", [])}.get("Role", ""),
        state=told["State"],
        made=datetime.fromisoformat(told["CreationDate"].replace("Z", "+00:00")),
        gib=sum(one.get("VolumeSize", 0) for one in disks),
        snapshots=tuple(one["SnapshotId"] for one in disks if one.get("SnapshotId")),
        used=told["ImageId"] in used,
    )


def _instance_state(ec2: Any, instance_id: str) -> str:
    answer = ec2.describe_instances(InstanceIds=[instance_id])
    return str(answer["Reservations"][0]["Instances"][0]["State"]["Name"])


def _wait(ec2: Any, image_id: str, args: BakeArgs) -> Any:
    """The image as EC2 describes it, once it is available."""
    started, told = time.monotonic(), ""
    while True:
        [image] = ec2.describe_images(ImageIds=[image_id])["Images"]
        if image["State"] == "available":
            return image
        if image["State"] != "pending":
            why = image.get("StateReason", {}).get("Message", "EC2 says no more")
            raise OpsError(f"{image_id} is {image['State']}: {why}", BAD)
        if (now := _progress(ec2, image)) != told:
            told = now
            _say(f"  {now}")
        if time.monotonic() - started > args.limit_minutes * 60:
            raise OpsError(
                f"{image_id} is still pending after {args.limit_minutes:g} minutes, and goes on: "
                "`python -m ops images list` tells when it is available",
                BAD,
            )
        time.sleep(args.poll_seconds)


def _progress(ec2: Any, image: Any) -> str:
    """How far the snapshots are; they have no ids at first."""
    ids = _image(image, set()).snapshots
    if not ids:
        return "the machine shuts down"
    found = ec2.describe_snapshots(SnapshotIds=list(ids))["Snapshots"]
    return "snapshot " + ", ".join(one.get("Progress", "") or "0%" for one in found)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
