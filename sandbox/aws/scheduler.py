"""EventBridge schedules and their groups. The emulator keeps them and runs none."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from sandbox.aws.faithful import faithful, found_or_none, inward, outward, present, retag, tag_list, tag_map
from sandbox.aws.table import Aws, Props, ResourceType

WHOLE = {"maximumEventAgeInSeconds", "maximumRetryAttempts", "maximumWindowInMinutes"}


def _schedule(props: Props) -> Props:
    return {
        "Name": props["name"],
        "GroupName": props.get("groupName") or "default",
        "ScheduleExpression": props["scheduleExpression"],
        "FlexibleTimeWindow": outward(_whole(props["flexibleTimeWindow"])),
        "Target": outward(_whole(props["target"])),
        **present(
            ActionAfterCompletion=props.get("actionAfterCompletion"),
            Description=props.get("description"),
            EndDate=props.get("endDate"),
            KmsKeyArn=props.get("kmsKeyArn"),
            ScheduleExpressionTimezone=props.get("scheduleExpressionTimezone"),
            StartDate=props.get("startDate"),
            State=props.get("state"),
        ),
    }


def _whole(value: Any) -> Any:
    """Pulumi's numbers arrive as floats; the service's are whole."""
    if isinstance(value, dict):
        return {k: int(one) if k in WHOLE else _whole(one) for k, one in cast(Props, value).items()}
    return value


def _create(aws: Aws, inputs: Props) -> str:
    wanted = _schedule(inputs)
    aws.client("scheduler").create_schedule(**wanted)
    return f"{wanted['GroupName']}/{wanted['Name']}"


def _split(id: str) -> Props:
    group, _, name = id.partition("/")
    return {"GroupName": group, "Name": name}


def _time(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""


def _read(aws: Aws, id: str, last: Props) -> Props | None:
    found = found_or_none(aws.client("scheduler").get_schedule, **_split(id))
    if found is None:
        return None
    return {
        "actionAfterCompletion": found.get("ActionAfterCompletion") or "NONE",
        "arn": found["Arn"],
        "description": found.get("Description") or "",
        "endDate": _time(found.get("EndDate")),
        "flexibleTimeWindow": inward(found["FlexibleTimeWindow"]),
        "groupName": found["GroupName"],
        "kmsKeyArn": found.get("KmsKeyArn") or "",
        "name": found["Name"],
        "scheduleExpression": found["ScheduleExpression"],
        "scheduleExpressionTimezone": found.get("ScheduleExpressionTimezone") or "UTC",
        "startDate": _time(found.get("StartDate")),
        "state": found.get("State") or "ENABLED",
        "target": inward(found["Target"]),
    }


def _update(aws: Aws, id: str, old: Props, new: Props) -> None:
    """Whole: what is left out would be reset."""
    aws.client("scheduler").update_schedule(**_schedule(new))


def _delete(aws: Aws, id: str, last: Props) -> None:
    aws.client("scheduler").delete_schedule(**_split(id))


def _create_group(aws: Aws, inputs: Props) -> str:
    # moto replaces a group of the same name, and loses its schedules.
    if found_or_none(aws.client("scheduler").get_schedule_group, Name=inputs["name"]) is not None:
        raise ValueError(
            f"aws:scheduler/scheduleGroup:ScheduleGroup: a group {inputs['name']} exists already; choose another name"
        )
    aws.client("scheduler").create_schedule_group(Name=inputs["name"], Tags=tag_list(inputs.get("tagsAll")))
    return inputs["name"]


def _read_group(aws: Aws, id: str, last: Props) -> Props | None:
    found = found_or_none(aws.client("scheduler").get_schedule_group, Name=id)
    if found is None:
        return None
    tags = aws.client("scheduler").list_tags_for_resource(ResourceArn=found["Arn"])["Tags"]
    return {
        "arn": found["Arn"],
        "creationDate": _time(found.get("CreationDate")),
        "lastModificationDate": _time(found.get("LastModificationDate")),
        "name": found["Name"],
        "state": found["State"],
        "tagsAll": tag_map(tags),
    }


def _update_group(aws: Aws, id: str, old: Props, new: Props) -> None:
    scheduler = aws.client("scheduler")
    retag(
        old,
        new,
        lambda tags: scheduler.tag_resource(ResourceArn=old["arn"], Tags=tag_list(tags)),
        lambda keys: scheduler.untag_resource(ResourceArn=old["arn"], TagKeys=keys),
    )


def _delete_group(aws: Aws, id: str, last: Props) -> None:
    scheduler = aws.client("scheduler")
    scheduler.get_schedule_group(Name=id)  # moto fails inside on a group that is gone
    scheduler.delete_schedule_group(Name=id)


RESOURCES = (
    faithful(
        ResourceType(
            token="aws:scheduler/schedule:Schedule",
            create=_create,
            read=_read,
            update=_update,
            delete=_delete,
            immutable=frozenset({"groupName", "name"}),
            autoname="name",
            autoname_max=64,
        ),
        takes="actionAfterCompletion description endDate flexibleTimeWindow groupName kmsKeyArn name scheduleExpression "
        "scheduleExpressionTimezone startDate state target",
    ),
    faithful(
        ResourceType(
            token="aws:scheduler/scheduleGroup:ScheduleGroup",
            create=_create_group,
            read=_read_group,
            update=_update_group,
            delete=_delete_group,
            immutable=frozenset({"name"}),
            autoname="name",
            autoname_max=64,
        ),
        takes="name",
    ),
)
