"""CloudWatch metric alarms and dashboards."""

from __future__ import annotations

import json
from typing import Any

from sandbox.aws.faithful import faithful, found_or_none, present, retag, tag_list, tag_map
from sandbox.aws.table import Aws, Props, ResourceType

SETTINGS = (
    "actionsEnabled",
    "alarmActions",
    "alarmDescription",
    "comparisonOperator",
    "datapointsToAlarm",
    "evaluateLowSampleCountPercentiles",
    "evaluationPeriods",
    "extendedStatistic",
    "insufficientDataActions",
    "metricName",
    "namespace",
    "okActions",
    "period",
    "statistic",
    "threshold",
    "thresholdMetricId",
    "treatMissingData",
    "unit",
)
"""Inputs that CloudWatch has too, spelled alike but for the cases below."""
SPELLED = {
    "evaluateLowSampleCountPercentiles": "EvaluateLowSampleCountPercentile",
    "okActions": "OKActions",
}
DEFAULTS: Props = {
    "actionsEnabled": True,
    "alarmActions": [],
    "alarmDescription": "",
    "insufficientDataActions": [],
    "okActions": [],
    "treatMissingData": "missing",
}
"""What CloudWatch has when nobody says."""


def _spelled(key: str) -> str:
    return SPELLED.get(key, key[0].upper() + key[1:])


def _dimensions(given: Props) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in sorted(given.items())]


def _dimension_map(found: list[dict[str, str]]) -> Props:
    return {one["Name"]: one["Value"] for one in found}


def _query(query: Props) -> Props:
    metric = query.get("metric")
    stat: Props | None = None
    if metric:
        stat = {
            "Metric": present(
                Namespace=metric.get("namespace"),
                MetricName=metric["metricName"],
                Dimensions=_dimensions(metric.get("dimensions") or {}),
            ),
            "Period": int(metric["period"]),
            "Stat": metric["stat"],
            **present(Unit=metric.get("unit")),
        }
    return {
        "Id": query["id"],
        "ReturnData": bool(query.get("returnData")),
        **present(
            AccountId=query.get("accountId"),
            Expression=query.get("expression"),
            Label=query.get("label"),
            Period=query.get("period") and int(query["period"]),
            MetricStat=stat,
        ),
    }


def _shown_query(found: Props) -> Props:
    shown = present(
        id=found["Id"],
        accountId=found.get("AccountId"),
        expression=found.get("Expression"),
        label=found.get("Label"),
        period=found.get("Period"),
        returnData=found.get("ReturnData"),
    )
    if stat := found.get("MetricStat"):
        metric = stat["Metric"]
        dimensions = _dimension_map(metric.get("Dimensions") or [])
        shown["metric"] = present(
            metricName=metric["MetricName"],
            namespace=metric.get("Namespace"),
            period=stat["Period"],
            stat=stat["Stat"],
            unit=stat.get("Unit"),
            dimensions=dimensions or None,
        )
    return shown


def _put_alarm(aws: Aws, inputs: Props) -> str:
    settings = present(**{_spelled(key): inputs.get(key) for key in SETTINGS})
    for whole in ("EvaluationPeriods", "Period", "DatapointsToAlarm"):
        if whole in settings:
            settings[whole] = int(settings[whole])
    dimensions = inputs.get("dimensions")
    queries = inputs.get("metricQueries")
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName=inputs["name"],
        **settings,
        **({"Dimensions": _dimensions(dimensions)} if dimensions else {}),
        **({"Metrics": [_query(one) for one in queries]} if queries else {}),
        **({"Tags": tag_list(inputs["tagsAll"])} if inputs.get("tagsAll") else {}),
    )
    return inputs["name"]


def _alarm(aws: Aws, name: str) -> Props | None:
    found = aws.client("cloudwatch").describe_alarms(AlarmNames=[name], AlarmTypes=["MetricAlarm"])
    return next(iter(found["MetricAlarms"]), None)


def _read_alarm(aws: Aws, id: str, last: Props) -> Props | None:
    found = _alarm(aws, id)
    if found is None:
        return None
    shown = {key: found[_spelled(key)] for key in SETTINGS if found.get(_spelled(key)) is not None}
    tags = aws.client("cloudwatch").list_tags_for_resource(ResourceARN=found["AlarmArn"])["Tags"]
    return {
        **DEFAULTS,
        **shown,
        "arn": found["AlarmArn"],
        "dimensions": _dimension_map(found.get("Dimensions") or []),
        "metricQueries": [_shown_query(one) for one in found.get("Metrics") or ()],
        "name": found["AlarmName"],
        "tagsAll": tag_map(tags),
    }


def _update_alarm(aws: Aws, id: str, old: Props, new: Props) -> None:
    cloudwatch = aws.client("cloudwatch")
    # Tags given along with an alarm that exists are ignored by CloudWatch.
    _put_alarm(aws, {**new, "tagsAll": {}})
    retag(
        old,
        new,
        lambda tags: cloudwatch.tag_resource(ResourceARN=old["arn"], Tags=tag_list(tags)),
        lambda keys: cloudwatch.untag_resource(ResourceARN=old["arn"], TagKeys=keys),
    )


def _delete_alarm(aws: Aws, id: str, last: Props) -> None:
    aws.client("cloudwatch").delete_alarms(AlarmNames=[id])


def _put_dashboard(aws: Aws, inputs: Props) -> str:
    json.loads(inputs["dashboardBody"])  # CloudWatch refuses what isn't JSON; moto keeps anything
    aws.client("cloudwatch").put_dashboard(
        DashboardName=inputs["dashboardName"], DashboardBody=inputs["dashboardBody"]
    )
    return inputs["dashboardName"]


def _read_dashboard(aws: Aws, id: str, last: Props) -> Props | None:
    found: Any = found_or_none(aws.client("cloudwatch").get_dashboard, DashboardName=id)
    return found and {
        "dashboardArn": found["DashboardArn"],
        "dashboardBody": found["DashboardBody"],
        "dashboardName": id,
    }


def _update_dashboard(aws: Aws, id: str, old: Props, new: Props) -> None:
    _put_dashboard(aws, new)


def _delete_dashboard(aws: Aws, id: str, last: Props) -> None:
    aws.client("cloudwatch").delete_dashboards(DashboardNames=[id])


RESOURCES = (
    faithful(
        ResourceType(
            token="aws:cloudwatch/metricAlarm:MetricAlarm",
            create=_put_alarm,
            read=_read_alarm,
            update=_update_alarm,
            delete=_delete_alarm,
            immutable=frozenset({"name"}),
            autoname="name",
        ),
        takes=f"dimensions metricQueries name {' '.join(SETTINGS)}",
    ),
    faithful(
        ResourceType(
            token="aws:cloudwatch/dashboard:Dashboard",
            create=_put_dashboard,
            read=_read_dashboard,
            update=_update_dashboard,
            delete=_delete_dashboard,
            immutable=frozenset({"dashboardName"}),
        ),
        takes="dashboardBody dashboardName",
    ),
)
