"""`ops cost`: dollars of a stack, from the files of the checkout alone: a month with nobody, one at work, a picture, a LoRA."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import Any

from rich.console import Console

from declared.program import declare, settings_of
from instance_types import GPU_TYPES
from ops.cost_bill import Costs, Row, costs, resources_of
from ops.cost_hours import MONTH_HOURS
from ops.cost_usage import Usage, picture_seconds, usual
from ops.errors import BAD, OpsError
from ops.prices import PriceMissing, load
from ops.show import as_json, console, counted, table
from ops.stack import known_stacks
from settings import Settings, SettingsError

CENT = 0.005
"""Less than this is shown as 0, and is no line of its own."""
OLD_DAYS = 365
"""Prices older than this are told of."""


def run(stack: str, given: Mapping[str, Any], *, json: bool, everything: bool = False) -> int:
    """Show what the stack costs; exit status 1 when the working month passes its budget.

    given: fields of Usage that are not as usual.
    """
    settings, found = of_stack(stack, given)
    if json:
        as_json(plain(stack, settings, found))
    else:
        _show(stack, settings, found, everything=everything)
    return BAD if found.month.usd > settings.operations.monthly_budget_usd else 0


def of_stack(
    stack: str, given: Mapping[str, Any] | None = None, *, config: Mapping[str, Any] | None = None
) -> tuple[Settings, Costs]:
    """The stack's settings, with `config` laid over its file key by key, and what follows from them. Raises OpsError."""
    if stack not in known_stacks():
        raise OpsError(f"--stack {stack}: no such stack file; known here: {', '.join(known_stacks())}")
    try:
        settings = settings_of(stack, config=config)
        usage = replace(usual(settings), **(given or {}))
        declared = declare(stack, config=config)
        return settings, costs(settings, resources_of(declared.all), load(settings.aws.region), usage)
    except (PriceMissing, SettingsError) as error:
        raise OpsError(str(error)) from error


def dollars(amount: float) -> str:
    """`$312.36`; four digits of what is less than a dime."""
    return f"${amount:,.4f}" if 0 < amount < 0.1 else f"${amount:,.2f}"


def warnings(settings: Settings, found: Costs) -> list[str]:
    """What a person must know besides the dollars."""
    usage, told = found.month.scene.usage, list[str]()
    budget = settings.operations.monthly_budget_usd
    if found.month.usd > budget:
        told.append(
            f"The working month passes the stack's budget of {dollars(budget)} (operations.monthlyBudgetUsd)."
        )
    seconds = picture_seconds(usage, settings.ml_server.instance_type) * usage.pictures_a_day
    if seconds > usage.hours_a_day * 3600:
        told.append(
            f"{usage.pictures_a_day:g} pictures need {seconds / 3600:.1f} hours of the GPU, more than {usage.hours_a_day:g} a day."
        )
    age = (datetime.now(UTC).date() - found.table.oldest()).days
    if age > OLD_DAYS:
        told.append(f"The oldest price is {age} days old: `python -m ops cost --refresh-prices`.")
    return told


def assumed(settings: Settings, usage: Usage) -> str:
    """The use that the working month is of, in a sentence."""
    kind = settings.ml_server.instance_type
    gpu = GPU_TYPES[kind].gpu
    return (
        f"A working month: {usage.days_a_month} days of {usage.hours_a_day:g} hours, {usage.pictures_a_day:g} pictures a day "
        f"({picture_seconds(usage, kind):g} s of the {gpu} each), {usage.loras_a_month:g} LoRA{'' if usage.loras_a_month == 1 else 's'} ({usage.lora_minutes:g} min each), "
        f"{usage.notebook_hours:g} hours in the notebook, {counted(usage.people, 'person', 'people')}."
    )


def plain(stack: str, settings: Settings, found: Costs) -> dict[str, Any]:
    """Everything for programs; US dollars."""
    idle = {row.resource.name + row.resource.token: row.usd for row in found.idle.rows}
    return {
        "stack": stack,
        "region": settings.aws.region,
        "currency": "USD",
        "pricesOn": {"oldest": found.table.oldest().isoformat()},
        "usage": asdict(found.month.scene.usage),
        "hoursAMonth": dict(found.month.scene.hours),
        "budget": settings.operations.monthly_budget_usd,
        "idleMonth": found.idle.usd,
        "workingMonth": found.month.usd,
        "workingMonthSpot": found.spot.usd,
        "workingMonthOnDemand": found.on_demand.usd,
        "picture": found.picture,
        "pictureAllIn": found.picture_all_in,
        "lora": {"spot": found.lora_spot, "onDemand": found.lora_on_demand},
        "byComponent": {
            name: {"idle": found.idle.by_component()[name], "working": usd}
            for name, usd in found.month.by_component().items()
        },
        "byResource": [_plain_row(row, idle) for row in found.month.rows],
        "warnings": warnings(settings, found),
    }


def _plain_row(row: Row, idle: Mapping[str, float]) -> dict[str, Any]:
    return {
        "component": row.resource.component,
        "type": row.resource.token,
        "name": row.resource.name,
        "idle": idle[row.resource.name + row.resource.token],
        "working": row.usd,
        "free": row.free or None,
        "charges": [
            {
                "item": one.use.item,
                "amount": one.use.amount,
                "unit": one.price.unit,
                "price": one.price.usd,
                "on": one.price.on,
                "source": one.price.source,
                "confirmed": one.price.confirmed,
                "usd": one.usd,
            }
            for one in row.charges
        ],
    }


def _show(stack: str, settings: Settings, found: Costs, *, everything: bool) -> None:
    out = console()
    out.print(f"Stack {stack} in {settings.aws.region}, US dollars a month of {MONTH_HOURS} hours\n")
    _show_resources(out, found, everything=everything)
    out.print()
    parts = table("Part", "Idle", "Working")
    parts.columns[1].justify = parts.columns[2].justify = "right"
    idle = found.idle.by_component()
    for name, usd in found.month.by_component().items():
        if usd >= CENT or everything:
            parts.add_row(name, f"{idle[name]:.2f}", f"{usd:.2f}")
    parts.add_row("all", f"{found.idle.usd:.2f}", f"{found.month.usd:.2f}", style="bold")
    out.print(parts)
    out.print()
    _show_sums(out, settings, found)


def _show_resources(out: Console, found: Costs, *, everything: bool) -> None:
    rows = table("Resource", "Idle", "Working", "Paid for most, when working")
    rows.columns[1].justify = rows.columns[2].justify = "right"
    small = 0
    for group in grouped(found):
        row = group[0][0]
        if row.usd * len(group) < CENT and not everything:
            small += len(group)
            continue
        idle, working = sum(one.usd for _, one in group), sum(one.usd for one, _ in group)
        what = row.free or charges(row)
        rows.add_row(name_of(group), f"{idle:.2f}", f"{working:.2f}", what)
    out.print(rows)
    if small:
        out.print(f"{small} others cost nothing, or less than a cent; --all lists them, with reasons.")


def grouped(found: Costs) -> list[list[tuple[Row, Row]]]:
    """Rows of the working and of the idle month, the dearest first; like ones of one part together."""
    groups: dict[tuple[object, ...], list[tuple[Row, Row]]] = {}
    for row, idle in zip(found.month.rows, found.idle.rows, strict=True):
        same = (row.resource.component, row.resource.token, row.usd, idle.usd, row.free)
        groups.setdefault(same, []).append((row, idle))
    return sorted(groups.values(), key=lambda group: -sum(row.usd for row, _ in group))


def name_of(group: Sequence[tuple[Row, Row]]) -> str:
    """`9 operations metricAlarm`: how many if several, their part of the stack, and their type without its service."""
    resource = group[0][0].resource
    kind = (
        "jobs"
        if resource.token.startswith("sd-app:training:")
        else resource.token.rpartition("/")[2].partition(":")[0]
    )
    return f"{f'{len(group)} ' if len(group) > 1 else ''}{resource.component} {kind}"


def charges(row: Row, most: int = 2) -> str:
    """`183 h ec2 g5.xlarge, 150 GB-month ebs gp3`: the dearest of its charges."""
    dear = sorted((one for one in row.charges if one.usd >= CENT), key=lambda one: -one.usd)
    return ", ".join(
        f"{_amount(one.use.amount)} {SHORT.get(one.price.unit, one.price.unit)} {one.use.item}"
        for one in dear[:most]
    )


SHORT = {"hour": "h", "GB-month": "GB"}


def _amount(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def _show_sums(out: Console, settings: Settings, found: Costs) -> None:
    all_in = found.picture_all_in
    sums = table("", "US dollars")
    sums.columns[1].justify = "right"
    market = "spot" if settings.ml_server.spot else "on demand"
    for what, amount in (
        ("a month when nobody works", found.idle.usd),
        (f"a working month, the ML server {market} as the settings say", found.month.usd),
        ("  on spot", found.spot.usd),
        ("  on demand", found.on_demand.usd),
        ("a picture more", found.picture),
        ("a picture, the month shared out over all", all_in),
        ("a LoRA on spot", found.lora_spot),
        ("a LoRA on demand", found.lora_on_demand),
    ):
        sums.add_row(what, "" if amount is None else dollars(amount))
    out.print(sums)
    out.print()
    out.print(assumed(settings, found.month.scene.usage), soft_wrap=True)
    unsure = {one.price.item for row in found.month.rows for one in row.charges if not one.price.confirmed}
    out.print(
        f"Not counted: AWS's free allowances, which an account has once; taxes; images of `ops bake`. Prices looked at since "
        f"{found.table.oldest()}; {len(unsure)} of those used are not confirmed (--json has each with its source).",
        soft_wrap=True,
    )
    for told in warnings(settings, found):
        out.print(told, style="bold red", soft_wrap=True)
