"""AWS budgets. moto counts nothing: a budget of the sandbox is kept, never reached."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sandbox.aws.faithful import faithful, found_or_none, inward, outward, present
from sandbox.aws.table import Aws, Props, ResourceType

TAGS = "budget tags"
"""Kind of the store's records: moto keeps no tags of budgets."""
TIME = "%Y-%m-%d_%H:%M"
"""How Pulumi writes a time of a budget, in UTC."""


def _account(aws: Aws, props: Props) -> str:
    return props.get("accountId") or aws.account


def _moment(text: str) -> datetime:
    return datetime.strptime(text, TIME).replace(tzinfo=UTC)


def _budget(props: Props) -> Props:
    period = present(
        Start=props.get("timePeriodStart") and _moment(props["timePeriodStart"]),
        End=props.get("timePeriodEnd") and _moment(props["timePeriodEnd"]),
    )
    limit = present(Amount=props.get("limitAmount"), Unit=props.get("limitUnit"))
    filters = {one["name"]: list(one["values"]) for one in props.get("costFilters") or ()}
    return {
        "BudgetName": props["name"],
        "BudgetType": props["budgetType"],
        "TimeUnit": props["timeUnit"],
        **present(
            BudgetLimit=limit or None,
            CostFilters=filters or None,
            CostTypes=outward(props["costTypes"]) if props.get("costTypes") else None,
            TimePeriod=period or None,
        ),
    }


def _subscribers(props: Props) -> list[Props]:
    kinds = (("EMAIL", "subscriberEmailAddresses"), ("SNS", "subscriberSnsTopicArns"))
    return [
        {"SubscriptionType": kind, "Address": address}
        for kind, key in kinds
        for address in props.get(key) or ()
    ]


def _notification(props: Props) -> Props:
    subscribers = _subscribers(props)
    if not subscribers:
        raise ValueError(
            "aws:budgets/budget:Budget: a notification needs a subscriber: an address or a topic"
        )
    return {
        "Notification": {
            "ComparisonOperator": props["comparisonOperator"],
            "NotificationType": props["notificationType"],
            "Threshold": float(props["threshold"]),
            "ThresholdType": props["thresholdType"],
        },
        "Subscribers": subscribers,
    }


def _create(aws: Aws, inputs: Props) -> str:
    account = _account(aws, inputs)
    aws.client("budgets").create_budget(
        AccountId=account,
        Budget=_budget(inputs),
        NotificationsWithSubscribers=[_notification(one) for one in inputs.get("notifications") or ()],
    )
    id = f"{account}:{inputs['name']}"
    _keep_tags(aws, id, inputs)
    return id


def _keep_tags(aws: Aws, id: str, props: Props) -> None:
    if tags := props.get("tagsAll"):
        aws.store.put(TAGS, id, tags)
    else:
        aws.store.delete(TAGS, id)


def _split(id: str) -> Props:
    account, _, name = id.partition(":")
    return {"AccountId": account, "BudgetName": name}


def _time(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime(TIME) if moment else ""


def _read(aws: Aws, id: str, last: Props) -> Props | None:
    client = aws.client("budgets")
    answer = found_or_none(client.describe_budget, **_split(id))
    if answer is None:
        return None
    found = answer["Budget"]
    limit, period = found.get("BudgetLimit", {}), found.get("TimePeriod", {})
    # moto tells no subscribers: a notification is shown without, and the store remembers whom it was declared for.
    notifications: list[Any] = client.describe_notifications_for_budget(**_split(id))["Notifications"]
    return {
        "accountId": _split(id)["AccountId"],
        "arn": f"arn:aws:budgets::{_split(id)['AccountId']}:budget/{found['BudgetName']}",
        "budgetType": found["BudgetType"],
        "costFilters": [
            {"name": name, "values": values} for name, values in sorted(found.get("CostFilters", {}).items())
        ],
        "costTypes": inward(found.get("CostTypes", {})),
        "limitAmount": limit.get("Amount", ""),
        "limitUnit": limit.get("Unit", ""),
        "name": found["BudgetName"],
        "notifications": [inward(one) for one in notifications],
        "timePeriodEnd": _time(period.get("End")),
        "timePeriodStart": _time(period.get("Start")),
        "timeUnit": found["TimeUnit"],
        "tagsAll": aws.store.get(TAGS, id) or {},
    }


INPUTS = (
    "accountId",
    "budgetType",
    "costFilters",
    "costTypes",
    "limitAmount",
    "limitUnit",
    "name",
    "notifications",
    "timePeriodEnd",
    "timePeriodStart",
    "timeUnit",
)


def _update(aws: Aws, id: str, old: Props, new: Props) -> None:
    """moto has no UpdateBudget: one of the same name takes its place."""
    if any(new.get(key) != old.get(key) for key in INPUTS):
        wanted, alerts = _budget(new), [_notification(one) for one in new.get("notifications") or ()]
        client = aws.client("budgets")
        client.delete_budget(**_split(id))
        client.create_budget(
            AccountId=_split(id)["AccountId"], Budget=wanted, NotificationsWithSubscribers=alerts
        )
    _keep_tags(aws, id, new)


def _delete(aws: Aws, id: str, last: Props) -> None:
    _keep_tags(aws, id, {})
    aws.client("budgets").delete_budget(**_split(id))


RESOURCES = (
    faithful(
        ResourceType(
            token="aws:budgets/budget:Budget",
            create=_create,
            read=_read,
            update=_update,
            delete=_delete,
            immutable=frozenset({"accountId", "name"}),
            autoname="name",
            autoname_max=100,
        ),
        takes=" ".join(INPUTS),
    ),
)
