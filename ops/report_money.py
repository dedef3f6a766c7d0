"""Dollars before and after a change: the bill of what is there and of what would be there, by the same prices and use."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import contract
from ops.cost import CENT, dollars
from ops.cost_bill import Costs, Row, costs, resources_of
from ops.cost_usage import Usage, usual
from ops.errors import OpsError
from ops.prices import PriceTable, load
from ops.report_changes import SECRET, State, at
from ops.report_page import Table
from settings import Settings, SettingsError, parse

SERVER = "aws:ec2/instance:Instance"
UNSEEN = "secret-that-stays-encrypted"
"""Stands for what the engine hides; no price depends on it."""
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True, kw_only=True)
class Line:
    """A resource's dollars a month, now and then; 0 where it is not there."""

    component: str
    token: str
    name: str
    idle: tuple[float, float]
    working: tuple[float, float]

    @property
    def difference(self) -> float:
        """What a working month of it costs more."""
        return self.working[1] - self.working[0]


@dataclass(frozen=True, kw_only=True)
class Money:
    """Both bills. `before` is None for a stack that isn't there yet."""

    before: Costs | None
    after: Costs | None
    lines: tuple[Line, ...]
    settings: Settings


def settings_from(stack: str, config: Mapping[str, str]) -> Settings:
    """The settings in a config as a preview or the stack's history has it. Raises OpsError with every fault."""
    hidden = {key for key, value in config.items() if value == SECRET}
    try:
        return parse(stack, {**config, **dict.fromkeys(hidden, UNSEEN)}, hidden)
    except SettingsError as error:
        raise OpsError(str(error)) from error


def money(before: list[State], after: list[State], was: Settings, will: Settings) -> Money:
    """The dollars of both, by the use that is usual after the change. Raises PriceMissing, OpsError."""
    usage, table = usual(will), load(will.aws.region)
    old, new = _costs(before, was, usage, table), _costs(after, will, usage, table)
    return Money(before=old, after=new, lines=_lines(before, old, after, new), settings=will)


def _costs(states: list[State], settings: Settings, usage: Usage, table: PriceTable) -> Costs | None:
    """None when there is no stack to count: what a picture costs is asked of its ML server."""
    if not any(one.token == SERVER and at(one.inputs, "tags.Role") == contract.ML_SERVER for one in states):
        return None
    return costs(settings, resources_of(states), table, usage)


def _lines(before: list[State], old: Costs | None, after: list[State], new: Costs | None) -> tuple[Line, ...]:
    was, will = _by_urn(before, old), _by_urn(after, new)
    found = list[Line]()
    for urn in sorted(was | will):
        (row, idle), (new_row, new_idle) = was.get(urn, (None, 0.0)), will.get(urn, (None, 0.0))
        resource = (new_row or row).resource  # pyright: ignore[reportOptionalMemberAccess]  # it is in one of them
        found.append(
            Line(
                component=resource.component,
                token=resource.token,
                name=resource.name,
                idle=(idle, new_idle),
                working=(row.usd if row else 0.0, new_row.usd if new_row else 0.0),
            )
        )
    return tuple(sorted(found, key=lambda line: (-abs(line.difference), -line.working[1])))


def _by_urn(states: list[State], found: Costs | None) -> dict[str, tuple[Row | None, float]]:
    if found is None:
        return {}
    urns = sorted(one.urn for one in states)  # the order that resources_of gives the bill
    return {
        urn: (row, idle.usd) for urn, row, idle in zip(urns, found.month.rows, found.idle.rows, strict=True)
    }


def history_config(text: str) -> dict[str, str]:
    """The config of the last deployment, out of `pulumi stack history --json`; empty when there was none. Raises OpsError."""
    try:
        runs: list[Any] = json.loads(text or "[]")
        done = [one for one in runs if one.get("result") == "succeeded" and one.get("kind") != "destroy"]
        config: Mapping[str, Any] = done[0]["config"] if done else {}
        return {
            key: SECRET if one.get("secret") else str(one.get("value", "")) for key, one in config.items()
        }
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise OpsError(f"this is no `pulumi stack history --json`: {error}") from error


def signed(amount: float) -> str:
    """`+12.50`; less than a cent is no difference."""
    if abs(amount) < CENT:
        return "±0.00"
    return f"{'+' if amount > 0 else MINUS}{abs(amount):,.2f}"


def by_resource(bills: Money) -> Table:
    """Resources whose price changes, like ones of one part together, and the rest."""
    groups: dict[str, list[Line]] = {}
    rest = list[Line]()
    for one in bills.lines:
        if max(abs(one.difference), abs(one.idle[1] - one.idle[0])) >= CENT:
            groups.setdefault(f"{one.component} {_short(one.token)}", []).append(one)
        else:
            rest.append(one)
    dearest = sorted(groups.items(), key=lambda group: -abs(sum(one.difference for one in group[1])))
    rows = [_row(f"{len(group)} {name}" if len(group) > 1 else name, group) for name, group in dearest]
    if rest:
        rows.append(_row(f"{len(rest)} others", rest))
    rows.append(_row("all", bills.lines))
    heads = ("Resource", "Idle, now", "then", "Working, now", "then", "More")
    return Table(heads, tuple(rows), frozenset({len(rows) - 1}))


def _row(name: str, lines: Sequence[Line]) -> tuple[str, ...]:
    idle = [sum(one.idle[at] for one in lines) for at in (0, 1)]
    working = [sum(one.working[at] for one in lines) for at in (0, 1)]
    return (name, *(f"{amount:,.2f}" for amount in (*idle, *working)), signed(working[1] - working[0]))


def _short(token: str) -> str:
    """`Instance`; jobs of training are no resource, and their component stands for them."""
    return "jobs" if token.startswith("sd-app:") else token.rpartition(":")[2]


SUMS: tuple[tuple[str, Callable[[Costs], float | None]], ...] = (
    ("a month when nobody works", lambda one: one.idle.usd),
    ("a working month", lambda one: one.month.usd),
    ("… with the ML server on spot", lambda one: one.spot.usd),
    ("… with the ML server on demand", lambda one: one.on_demand.usd),
    ("a picture more", lambda one: one.picture),
    ("a picture, the month shared out over all", lambda one: one.picture_all_in),
    ("a LoRA on spot", lambda one: one.lora_spot),
    ("a LoRA on demand", lambda one: one.lora_on_demand),
)


def sums(bills: Money) -> Table:
    """The idle floor, a working month, a picture, a LoRA: now and then."""
    rows = [(what, _amount(bills.before, of), _amount(bills.after, of)) for what, of in SUMS]
    return Table(("US dollars", "now", "then"), tuple(rows), frozenset({0, 1, 4}))


def _amount(costs: Costs | None, of: Callable[[Costs], float | None]) -> str:
    amount = of(costs) if costs else None
    return "" if amount is None else dollars(amount)
