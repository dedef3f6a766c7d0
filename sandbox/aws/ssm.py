"""SSM parameters, and the lookup of one, AWS's public ones included."""

from __future__ import annotations

from typing import Any

from sandbox.aws.faithful import faithful, found_or_none, present, retag, tag_list, tag_map
from sandbox.aws.table import Aws, Props, ResourceType

STAND_INS = (
    ("/aws/service/deeplearning/ami/", ("Deep Learning AMI Ubuntu*", "ubuntu/images/*", "al2023-ami-2023*")),
    ("/aws/service/canonical/ubuntu/", ("ubuntu/images/*", "al2023-ami-2023*")),
    ("/aws/service/ami-amazon-linux-latest/", ("al2023-ami-2023*", "amzn2-ami-hvm*")),
)
"""Public parameters that moto serves not at all or in part -> images that the emulator has, the closest first.

moto has no Ubuntu 24.04 and no Deep Learning Base image. What runs in the emulator is never booted, so that any image
that exists, of the right architecture, will do: of the first pattern that finds some, the one whose name sorts last.
"""


def _put(aws: Aws, props: Props, overwrite: bool, tags: dict[str, str]) -> None:
    value = props.get("insecureValue") or props.get("value")
    secure = props["type"] == "SecureString"
    # moto keeps the key id of any type; AWS has one for SecureStrings only.
    key = props.get("keyId") if secure else None
    aws.client("ssm").put_parameter(
        Name=props["name"],
        Value=value,
        Type=props["type"],
        Overwrite=overwrite,
        **present(
            AllowedPattern=props.get("allowedPattern"),
            DataType=props.get("dataType"),
            Description=props.get("description"),
            KeyId=key,
            Tier=props.get("tier"),
        ),
        **({"Tags": tag_list(tags)} if tags else {}),
    )


def _check(inputs: Props) -> None:
    """What AWS's provider refuses at plan time."""
    given = [key for key in ("value", "insecureValue") if key in inputs]
    if len(given) != 1:
        raise ValueError(f"aws:ssm/parameter:Parameter {inputs['name']}: give one of value and insecureValue")
    if inputs["type"] == "SecureString" and given == ["insecureValue"]:
        raise ValueError(f"aws:ssm/parameter:Parameter {inputs['name']}: a SecureString needs value")


def _create(aws: Aws, inputs: Props) -> str:
    _check(inputs)
    # Only `overwrite` lets a program take over a parameter that exists; tags can't come along then.
    takes_over = bool(inputs.get("overwrite"))
    _put(aws, inputs, takes_over, {} if takes_over else inputs.get("tagsAll", {}))
    return inputs["name"]


def _tag_taken_over(aws: Aws, id: str, inputs: Props) -> None:
    if inputs.get("overwrite") and inputs.get("tagsAll"):
        _add_tags(aws, id, inputs["tagsAll"])


def _add_tags(aws: Aws, id: str, tags: dict[str, str]) -> None:
    aws.client("ssm").add_tags_to_resource(ResourceType="Parameter", ResourceId=id, Tags=tag_list(tags))


def _metadata(aws: Aws, name: str) -> Props:
    found = aws.client("ssm").describe_parameters(
        ParameterFilters=[{"Key": "Name", "Option": "Equals", "Values": [name]}]
    )["Parameters"]
    return found[0] if found else {}


def _read(aws: Aws, id: str, last: Props) -> Props | None:
    ssm = aws.client("ssm")
    answer = found_or_none(ssm.get_parameter, Name=id, WithDecryption=True)
    if answer is None:
        return None
    parameter, more = answer["Parameter"], _metadata(aws, id)
    secure = parameter["Type"] == "SecureString"
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=id)["TagList"]
    return {
        "allowedPattern": more.get("AllowedPattern") or "",
        "arn": parameter["ARN"],
        "dataType": parameter.get("DataType") or "text",
        "description": more.get("Description") or "",
        "insecureValue": "" if secure else parameter["Value"],
        "keyId": (more.get("KeyId") or "alias/aws/ssm") if secure else "",
        "name": parameter["Name"],
        "tier": more.get("Tier") or "Standard",
        "type": parameter["Type"],
        "value": parameter["Value"],
        "version": parameter["Version"],
        "tagsAll": tag_map(tags),
    }


CONTENT = ("allowedPattern", "description", "insecureValue", "keyId", "tier", "type", "value")


def _update(aws: Aws, id: str, old: Props, new: Props) -> None:
    if any(new.get(key) != old.get(key) for key in CONTENT):
        # Both may be known, one of them as it was: the one that changed counts.
        known = [key for key in ("value", "insecureValue") if new.get(key)]
        counts = next((key for key in known if new[key] != old.get(key)), known[0])
        _put(aws, {**new, "value": new[counts], "insecureValue": None}, True, {})
    retag(
        old,
        new,
        lambda tags: _add_tags(aws, id, tags),
        lambda keys: aws.client("ssm").remove_tags_from_resource(
            ResourceType="Parameter", ResourceId=id, TagKeys=keys
        ),
    )


def _delete(aws: Aws, id: str, last: Props) -> None:
    aws.client("ssm").delete_parameter(Name=id)


def _stand_in(aws: Aws, name: str) -> str | None:
    """An image for a public parameter that moto lacks; None when the name is none of them."""
    patterns = next((patterns for start, patterns in STAND_INS if name.startswith(start)), ())
    architecture = "arm64" if "arm64" in name else "x86_64"
    for pattern in patterns:
        images: list[dict[str, Any]] = aws.client("ec2").describe_images(
            Filters=[
                {"Name": "name", "Values": [pattern]},
                {"Name": "architecture", "Values": [architecture]},
                {"Name": "root-device-type", "Values": ["ebs"]},
            ]
        )["Images"]
        if images:
            return max(images, key=lambda image: (image["Name"], image["ImageId"]))["ImageId"]
    return None


def get_parameter(aws: Aws, arguments: Props) -> Props:
    """`aws:ssm/getParameter:getParameter`; ValueError when there is no such parameter."""
    name, decrypt = arguments["name"], arguments.get("withDecryption", True)
    answer = found_or_none(aws.client("ssm").get_parameter, Name=name, WithDecryption=decrypt)
    if answer is not None:
        found = answer["Parameter"]
    elif image := _stand_in(aws, name):
        arn = f"arn:aws:ssm:{aws.region}::parameter{name}"
        found = {"ARN": arn, "Name": name, "Type": "String", "Value": image, "Version": 1}
    else:
        raise ValueError(f"aws:ssm/getParameter: no parameter {name} in {aws.region}; check the name")
    return {
        "arn": found["ARN"],
        "id": name,
        "insecureValue": "" if found["Type"] == "SecureString" else found["Value"],
        "name": name,
        "region": aws.region,
        "type": found["Type"],
        "value": found["Value"],
        "version": found["Version"],
        "withDecryption": decrypt,
    }


RESOURCES = (
    faithful(
        ResourceType(
            token="aws:ssm/parameter:Parameter",
            create=_create,
            read=_read,
            update=_update,
            delete=_delete,
            immutable=frozenset({"dataType", "name"}),
            autoname="name",
        ),
        takes="allowedPattern dataType description insecureValue keyId name tier type value",
        keeps={"overwrite": False},
        secret=["value"],
        finish=_tag_taken_over,
    ),
)

LOOKUPS = {"aws:ssm/getParameter:getParameter": get_parameter}
