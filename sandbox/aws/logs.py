"""CloudWatch log groups and metric filters."""

from __future__ import annotations

from sandbox.aws.faithful import faithful, present, retag
from sandbox.aws.table import Aws, Props, ResourceType


def _create_group(aws: Aws, inputs: Props) -> str:
    aws.client("logs").create_log_group(
        logGroupName=inputs["name"],
        **present(kmsKeyId=inputs.get("kmsKeyId"), logGroupClass=inputs.get("logGroupClass")),
        **({"tags": inputs["tagsAll"]} if inputs.get("tagsAll") else {}),
    )
    return inputs["name"]


def _retain(aws: Aws, id: str, props: Props) -> None:
    """0 days: for ever."""
    logs = aws.client("logs")
    if days := props.get("retentionInDays"):
        logs.put_retention_policy(logGroupName=id, retentionInDays=int(days))
    else:
        logs.delete_retention_policy(logGroupName=id)


def _group(aws: Aws, name: str) -> Props | None:
    pages = aws.client("logs").get_paginator("describe_log_groups").paginate(logGroupNamePrefix=name)
    groups = (group for page in pages for group in page["logGroups"])
    return next((group for group in groups if group["logGroupName"] == name), None)


def _read_group(aws: Aws, id: str, last: Props) -> Props | None:
    group = _group(aws, id)
    if group is None:
        return None
    arn = group["arn"].removesuffix(":*")
    return {
        "arn": arn,
        "kmsKeyId": group.get("kmsKeyId") or "",
        "logGroupClass": group.get("logGroupClass") or "STANDARD",
        "name": id,
        "retentionInDays": group.get("retentionInDays") or 0,
        "tagsAll": aws.client("logs").list_tags_for_resource(resourceArn=arn).get("tags", {}),
    }


def _update_group(aws: Aws, id: str, old: Props, new: Props) -> None:
    logs = aws.client("logs")
    if new.get("retentionInDays") != old.get("retentionInDays"):
        _retain(aws, id, new)
    if new.get("kmsKeyId") != old.get("kmsKeyId"):
        if key := new.get("kmsKeyId"):
            logs.associate_kms_key(logGroupName=id, kmsKeyId=key)
        else:
            logs.disassociate_kms_key(logGroupName=id)
    arn = old["arn"]
    retag(
        old,
        new,
        lambda tags: logs.tag_resource(resourceArn=arn, tags=tags),
        lambda keys: logs.untag_resource(resourceArn=arn, tagKeys=keys),
    )


def _delete_group(aws: Aws, id: str, last: Props) -> None:
    if not last.get("skipDestroy"):
        aws.client("logs").delete_log_group(logGroupName=id)


FILTER = "aws:cloudwatch/logMetricFilter:LogMetricFilter"
TRANSFORMATION = {"name": "metricName", "namespace": "metricNamespace", "value": "metricValue"}


def _put_filter(aws: Aws, inputs: Props) -> str:
    wanted = {TRANSFORMATION.get(key, key): value for key, value in inputs["metricTransformation"].items()}
    if "defaultValue" in wanted:
        wanted["defaultValue"] = float(wanted["defaultValue"])
    aws.client("logs").put_metric_filter(
        logGroupName=inputs["logGroupName"],
        filterName=inputs["name"],
        filterPattern=inputs["pattern"],
        metricTransformations=[wanted],
    )
    return inputs["name"]


def _filters(aws: Aws, group: str, name: str) -> list[Props]:
    if _group(aws, group) is None:
        return []
    pages = (
        aws.client("logs")
        .get_paginator("describe_metric_filters")
        .paginate(logGroupName=group, filterNamePrefix=name)
    )
    return [one for page in pages for one in page["metricFilters"] if one["filterName"] == name]


def _read_filter(aws: Aws, id: str, last: Props) -> Props | None:
    """`last` says whose filter it is: the id is its bare name, as in the official provider."""
    if "logGroupName" not in last:
        raise ValueError(f"{FILTER} {id} cannot be imported: its id does not tell the log group")
    own = _filters(aws, last["logGroupName"], id)
    if not own:
        return None
    found = own[-1]  # moto adds one at every PutMetricFilter; the last is what AWS would have
    [shown] = found["metricTransformations"]
    names = {theirs: ours for ours, theirs in TRANSFORMATION.items()}
    transformation = {names.get(key, key): value for key, value in shown.items()}
    if "defaultValue" in transformation:
        transformation["defaultValue"] = f"{transformation['defaultValue']:g}"
    return {
        "logGroupName": found["logGroupName"],
        "metricTransformation": transformation,
        "name": id,
        "pattern": found["filterPattern"],
    }


def _update_filter(aws: Aws, id: str, old: Props, new: Props) -> None:
    _delete_filter(aws, id, old)
    _put_filter(aws, new)


def _delete_filter(aws: Aws, id: str, last: Props) -> None:
    # moto may hold several of a name, and takes away not all of them at once.
    for _ in _filters(aws, last["logGroupName"], id):
        if _filters(aws, last["logGroupName"], id):
            aws.client("logs").delete_metric_filter(logGroupName=last["logGroupName"], filterName=id)


RESOURCES = (
    faithful(
        ResourceType(
            token="aws:cloudwatch/logGroup:LogGroup",
            create=_create_group,
            read=_read_group,
            update=_update_group,
            delete=_delete_group,
            immutable=frozenset({"logGroupClass", "name"}),
            autoname="name",
            autoname_max=512,
        ),
        takes="kmsKeyId logGroupClass name retentionInDays",
        keeps={"skipDestroy": False},
        finish=_retain,
    ),
    faithful(
        ResourceType(
            token=FILTER,
            create=_put_filter,
            read=_read_filter,
            update=_update_filter,
            delete=_delete_filter,
            immutable=frozenset({"logGroupName", "name"}),
            autoname="name",
            autoname_max=512,
        ),
        takes="logGroupName metricTransformation name pattern",
    ),
)
