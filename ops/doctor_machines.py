"""The EC2 machines that `up` will start: where their types are offered, and whether their images are there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
from botocore.exceptions import ClientError

import contract
from components import backend, ml_server, nat
from components.network import pick_zones
from instance_types import BACKEND_TYPES, NAT_INSTANCE_TYPE
from ops.doctor_finding import Check, Finding, Ground, ask, ask_all, bad, good
from ops.errors import code

ZONES = "zones"
NO_PARAMETER = "ParameterNotFound"
NO_IMAGE = ("InvalidAMIID.NotFound", "InvalidAMIID.Malformed", "InvalidAMIID.Unavailable")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine as far as its image goes; `disk_gib` is None where the image decides."""

    role: str
    type: str
    arm: bool
    parameter: str
    section: str
    ami_id: str | None = None
    disk_gib: int | None = None


def machines(ground: Ground) -> list[Machine]:
    """Those of the settings."""
    gpu, api = ground.settings.ml_server, ground.settings.backend
    found = [
        Machine(
            role=contract.ML_SERVER,
            type=gpu.instance_type,
            arm=False,
            parameter=ml_server.IMAGE_PARAMETER,
            section="mlServer",
            ami_id=gpu.ami_id,
            disk_gib=gpu.disk_gib,
        ),
        Machine(
            role=contract.BACKEND,
            type=api.instance_type,
            arm=BACKEND_TYPES[api.instance_type].arm,
            parameter=backend.image_parameter(api.instance_type),
            section="backend",
            ami_id=api.ami_id,
            disk_gib=api.disk_gib,
        ),
    ]
    if ground.settings.network.nat == "instance":
        found.append(
            Machine(
                role=contract.NAT,
                type=NAT_INSTANCE_TYPE,
                arm=True,
                parameter=nat.IMAGE_PARAMETER,
                section="network",
            )
        )
    return found


def _zones(ground: Ground) -> list[Finding]:
    """As the network chooses them; the machines stand in the first."""
    settings = ground.settings
    wanted = machines(ground)
    offered: dict[str, set[str]] = {one.type: set() for one in wanted}
    for offer in ask_all(
        ground.stack,
        "ec2",
        "describe_instance_type_offerings",
        "InstanceTypeOfferings",
        LocationType="availability-zone",
        Filters=[{"Name": "instance-type", "Values": sorted(offered)}],
    ):
        offered[offer["InstanceType"]].add(offer["Location"])
    gpu = settings.ml_server.instance_type
    try:
        zones = pick_zones(gpu, settings.network.zones, settings.network.zone_count, sorted(offered[gpu]))
    except pulumi.RunError as error:
        said, _, todo = str(error).partition("; ")
        return [bad(ZONES, said, todo)]
    faults = [
        bad(
            ZONES,
            f"{zones[0]}, the first zone of the network, does not offer the {one.role}'s {one.type}",
            f"name zones in sd-app:network.zones that do: {', '.join(sorted(offered[gpu] & offered[one.type])) or 'none'}",
        )
        for one in wanted
        if zones[0] not in offered[one.type]
    ]
    return faults or [good(ZONES, f"{', '.join(zones)} offer {', '.join(offered)}")]


def _image(ground: Ground, machine: Machine) -> Finding:
    name = f"image {machine.role}"
    setting = f"sd-app:{machine.section}.amiId"
    image_id, source = machine.ami_id, setting
    if image_id is None:
        source = machine.parameter
        try:
            image_id = str(ask(ground.stack, "ssm", "get_parameter", Name=source)["Parameter"]["Value"])
        except ClientError as error:
            if code(error) != NO_PARAMETER:
                raise
            todo = "choose another Region" if machine.role == contract.NAT else f"set {setting}"
            return bad(name, f"AWS has no parameter {source} in {ground.stack.region}", todo)
    image = _described(ground, image_id)
    if image is None:
        return bad(
            name,
            f"{image_id} ({source}) is not in {ground.stack.region}, or not shared with this account",
            "`python -m ops images list` shows your own; without the setting the newest of AWS is taken",
        )
    return _fits(name, machine, image)


def _described(ground: Ground, image_id: str) -> Any | None:
    try:
        found: list[Any] = ask(ground.stack, "ec2", "describe_images", ImageIds=[image_id])["Images"]
    except ClientError as error:
        if code(error) not in NO_IMAGE:
            raise
        return None
    return found[0] if found else None


def _fits(name: str, machine: Machine, image: Any) -> Finding:
    image_id, setting = image["ImageId"], f"sd-app:{machine.section}"
    architecture = "arm64" if machine.arm else "x86_64"
    if image["State"] != "available":
        return bad(
            name, f"{image_id} is {image['State']}, not available", "wait for it, or take another image"
        )
    if image["Architecture"] != architecture:
        return bad(
            name,
            f"{image_id} is for {image['Architecture']}, but {machine.type} is {architecture}",
            f"set {setting}.amiId to an image for {architecture}, or change {setting}.instanceType",
        )
    root = _root_gib(image)
    if machine.disk_gib is not None and root > machine.disk_gib:
        return bad(
            name,
            f"{image_id} needs {root} GiB, {setting}.diskGib is {machine.disk_gib}",
            f"set {setting}.diskGib to {root} or more",
        )
    own = "set" if machine.ami_id else "the newest"
    return good(name, f"{image_id} ({own}), {architecture}, {root} GiB")


def _root_gib(image: Any) -> int:
    sizes = [
        int(one["Ebs"].get("VolumeSize", 0))
        for one in image["BlockDeviceMappings"]
        if "Ebs" in one and one.get("DeviceName") == image.get("RootDeviceName")
    ]
    return max(sizes, default=0)


def _images(ground: Ground) -> list[Finding]:
    return [_image(ground, machine) for machine in machines(ground)]


CHECKS = (Check(name=ZONES, look=_zones), Check(name="images", look=_images))
