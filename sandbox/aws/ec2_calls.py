"""How the EC2 modules call EC2: one thing described, tagged, or let go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from botocore.exceptions import ClientError

from sandbox.aws.faithful import Finish, faithful, found_or_none, retag, tag_list, tag_map
from sandbox.aws.table import Aws, Props, ResourceType, absent


def described(aws: Aws, operation: str, key: str, **arguments: Any) -> Props | None:
    """The first thing that a Describe call finds; None when there is none, or AWS doesn't know the id."""
    answer: Props = found_or_none(getattr(aws.client("ec2"), operation), **arguments) or {}
    return next(iter(answer.get(key) or ()), None)


def filters(**values: str) -> list[Props]:
    """Filters as EC2 wants them: `vpc_id="vpc-1"` becomes `vpc-id`, one value each."""
    return [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in values.items()]


def tagged(kind: str, inputs: Props) -> Props:
    """The argument that tags what a Create call makes; nothing without tags, since EC2 refuses an empty list."""
    tags = tag_list(inputs.get("tagsAll"))
    return {"TagSpecifications": [{"ResourceType": kind, "Tags": tags}]} if tags else {}


def tags_of(found: Props) -> dict[str, str]:
    """A described thing's tags."""
    return tag_map(found.get("Tags"))


def retag_resource(aws: Aws, id: str, old: Props, new: Props) -> None:
    """Bring the tags of anything in EC2 up to date."""
    ec2 = aws.client("ec2")
    retag(
        old,
        new,
        lambda tags: ec2.create_tags(Resources=[id], Tags=tag_list(tags)),
        lambda keys: ec2.delete_tags(Resources=[id], Tags=[{"Key": key} for key in keys]),
    )


def quietly(operation: Any, **arguments: Any) -> None:
    """A call that removes something: that it's gone already is success."""
    found_or_none(operation, **arguments)


def arn(aws: Aws, kind: str, id: str) -> str:
    """The ARN of something in EC2."""
    return f"arn:aws:ec2:{aws.region}:{aws.account}:{kind}/{id}"


def ec2_resource(
    base: ResourceType,
    *,
    takes: str,
    keeps: Props | None = None,
    finish: Finish | None = None,
) -> ResourceType:
    """A faithful resource whose tags go with it: moto keeps those of what it has deleted."""
    guarded = faithful(base, takes=takes, keeps=keeps, finish=finish)

    def read(aws: Aws, id: str, last: Props) -> Props | None:
        found = guarded.read(aws, id, last)
        return None if found is None else {"region": aws.region, **found}

    def delete(aws: Aws, id: str, last: Props) -> None:
        guarded.delete(aws, id, last)
        if base.read(aws, id, last) is None:
            forget_tags(aws, id)

    return replace(guarded, read=read, delete=delete)


def forget_tags(aws: Aws, id: str) -> None:
    """Remove all tags of something that has gone."""
    ec2 = aws.client("ec2")
    keys = [tag["Key"] for tag in ec2.describe_tags(Filters=filters(resource_id=id))["Tags"]]
    if not keys:
        return
    try:
        ec2.delete_tags(Resources=[id], Tags=[{"Key": key} for key in keys])
    except ClientError as error:
        if not absent(error):
            raise


def first_changed(names: Iterable[str], old: Props, new: Props) -> str | None:
    """The one of several exclusive inputs that has a new value: `new` still shows the old one beside it."""
    return next((name for name in names if new.get(name) and new[name] != old.get(name)), None)
