"""`ops report`: what a change does to a stack, from a preview of the engine. What is lost comes first."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ops import cost
from ops.cost import dollars
from ops.cost_bill import Costs
from ops.errors import BAD, OpsError
from ops.prices import PriceMissing
from ops.report_changes import OPS, SIGNS, WORDS, Change, Preview, differences
from ops.report_guards import Finding, findings
from ops.report_loss import ADDRESS, DATA, GUARD, KEPT, MACHINE, SEVERITIES, Loss, losses
from ops.report_money import Money, by_resource, money, settings_from, signed, sums
from ops.report_page import (
    DANGER,
    GOOD,
    WARNING,
    Alert,
    Block,
    Card,
    Changes,
    Drawing,
    Page,
    Section,
    Text,
)
from policy import rules
from settings import Settings

TITLES: Mapping[str, tuple[str, str]] = {
    DATA: (DANGER, "DATA IS LOST"),
    KEPT: (DANGER, "DATA IS LEFT BEHIND: IN AWS, AND NO LONGER IN THE STACK"),
    GUARD: (DANGER, "PROTECTION OF DATA ENDS"),
    MACHINE: (WARNING, "MACHINES GO AWAY OR STOP"),
    ADDRESS: (WARNING, "ADDRESSES CHANGE"),
}
NOT_WHOLE = "Dollars need what stays as it is, too: make the preview by `pulumi preview --json --show-sames`."
NO_BEFORE = "What the stack was last deployed with is not known here: both sides of the dollars are counted by the new schedules and hours."
MOST_ALONG = 4
BUDGET = "within-budget"


@dataclass(frozen=True, kw_only=True)
class Report:
    """A preview with all that follows from it."""

    preview: Preview
    losses: list[Loss]
    findings: list[Finding]
    money: Money | None
    told: list[str]
    """Why there are no dollars, or what to know about them."""

    @property
    def status(self) -> int:
        """Exit status: 1 when the engine would fail, or a guardrail that held till now doesn't. The budget is told only."""
        return (
            BAD if self.preview.errors or any(one.new and one.guard != BUDGET for one in self.findings) else 0
        )


def report(preview: Preview, before: Mapping[str, str] | None = None) -> Report:
    """before: the config that the stack was last deployed with. Raises OpsError when the settings are wrong."""
    if not preview.resources:  # the program stopped before it declared anything
        return Report(preview=preview, losses=[], findings=[], money=None, told=[])
    will = settings_from(preview.stack, preview.config)
    was = _was(preview.stack, before)
    told = list[str]()
    found = None
    if not preview.whole:
        told.append(NOT_WHOLE)
    elif not preview.errors:  # what comes after the first error isn't in it
        try:
            found = money(preview.before(), preview.after(), was or will, will)
        except PriceMissing as error:
            told.append(str(error))
    if found and found.before and not was:
        told.append(NO_BEFORE)
    if found and found.after:
        told += [
            one for one in cost.warnings(will, found.after) if "budget" not in one
        ]  # a guardrail says so
    guards = findings(preview, will.storage.protect_data)
    return Report(
        preview=preview, losses=losses(preview), findings=[*guards, *_budget(found)], money=found, told=told
    )


def _was(stack: str, before: Mapping[str, str] | None) -> Settings | None:
    """The settings of the last deployment; None when they are not known, or of a version that had others."""
    try:
        return settings_from(stack, before) if before else None
    except OpsError:
        return None


def _budget(found: Money | None) -> list[Finding]:
    """The guardrail over all of the money; new when the stack is within its budget today."""
    if not (found and found.after):
        return []
    budget = found.settings.operations.monthly_budget_usd
    before = found.before.month.usd if found.before else 0.0
    over = rules.over_budget(found.after.month.usd, budget)
    return [Finding(guard=BUDGET, text=text, new=before <= budget) for text in over]


def page(found: Report, notes: Sequence[str] = (), lock: Section | None = None) -> Page:
    """The report as it is shown. lock: what another lock means (ops/report_lock.py)."""
    preview = found.preview
    sections = [
        Section("What is lost", _lost(found)),
        Section("Guardrails", _guards(found)),
        Section("Dollars a month", _dollars(found)),
        Section("The difference, drawn", [_drawing(preview)]),
        Section("What changes", [_changes(preview)], folded=True),
    ]
    if not preview.changes:
        sections = [one for one in sections if one.title in ("What is lost", "Guardrails", "Dollars a month")]
    if not preview.resources:
        sections = sections[:1]
    if lock:
        sections.insert(1, lock)
    return Page(
        stack=preview.stack,
        title=f"Preview of {preview.stack or 'the stack'}",
        verdict=_verdict(found),
        sections=sections,
        notes=(*notes, *([] if found.money is None else found.told)),
    )


def counts(preview: Preview) -> str:
    """`2 replaced, 1 deleted, 93 unchanged`."""
    number = Counter(one.op for one in preview.changes)
    told = [f"{number[op]} {WORDS[op]}" for op in OPS if number[op]] or ["nothing changes"]
    return ", ".join([*told, *([f"{preview.unchanged} unchanged"] if preview.unchanged else [])])


def _verdict(found: Report) -> str:
    if found.preview.errors:
        return "The engine would refuse this."
    told = counts(found.preview)
    bills = found.money
    if bills and bills.after:
        was = bills.before.month.usd if bills.before else 0.0
        will = bills.after.month.usd
        told += f". A working month: {dollars(was)} → {dollars(will)} ({signed(will - was)})"
    return told + "."


def _lost(found: Report) -> list[Block]:
    blocks = list[Block]()
    if found.preview.errors:
        blocks.append(Alert(DANGER, "THE ENGINE WOULD REFUSE THIS", found.preview.errors))
    for severity in SEVERITIES:
        lines = tuple(_loss(one) for one in found.losses if one.severity == severity)
        if lines:
            blocks.append(Alert(*TITLES[severity], lines))
    if not blocks:
        told = "Nothing is lost: no data, no machine, no address is replaced, deleted or less protected."
        blocks.append(Alert(GOOD, told))
    return blocks


def _loss(one: Loss) -> str:
    """`storage: s3 bucket storage is replaced because of bucket. Lost: every model … With it: … (protected: …)`"""
    change = one.change
    told = f"{change.component}: {change.kind} {change.name} {_does(change)}. {_what(one)}"
    if one.along:
        names = [f"{each.kind} {each.name}" for each in one.along]
        more = f" and {len(names) - MOST_ALONG} more" if len(names) > MOST_ALONG else ""
        told += f" With it: {', '.join(names[:MOST_ALONG])}{more}."
    return told + (f" ({one.stops}.)" if one.stops else "")


def _does(change: Change) -> str:
    why = f" because of {', '.join(change.forced)}" if change.forced else ""
    order = ", the old one deleted first" if change.gap else ""
    match change.op:
        case "replace":
            return f"is replaced{why}{order}"
        case "delete":
            return "is deleted"
        case _:
            return "changes in place"


def _what(one: Loss) -> str:
    if one.severity == KEPT:
        return f"The stack loses {one.what}; AWS keeps it, and nobody manages it."
    if one.severity == DATA or one.change.op in ("replace", "delete"):
        return f"Lost: {one.what}."
    return f"{one.what[0].upper()}{one.what[1:]}."


def _guards(found: Report) -> list[Block]:
    new = tuple(f"{one.text} ({one.guard})" for one in found.findings if one.new)
    old = tuple(f"{one.text} ({one.guard})" for one in found.findings if not one.new)
    blocks = list[Block]()
    if new:
        blocks.append(Alert(DANGER, "NEW FAULTS", new))
    if old:
        blocks.append(Alert(WARNING, "FAULTS, NOT OF THIS CHANGE", old))
    if not blocks:
        blocks.append(Alert(GOOD, "No guardrail is broken."))
    return blocks


def _dollars(found: Report) -> list[Block]:
    bills = found.money
    if bills is None or (bills.before is None and bills.after is None):
        return [Text(" ".join(found.told) or "No dollars: there is no stack to count.")]
    return [by_resource(bills), sums(bills)]


def _changes(preview: Preview) -> Changes:
    parts: dict[str, list[Change]] = {}
    for one in preview.changes:
        parts.setdefault(one.component, []).append(one)
    return Changes(tuple((name, tuple(parts[name])) for name in sorted(parts)))


def _drawing(preview: Preview) -> Drawing:
    parts: dict[str, list[Change]] = {}
    for one in preview.resources:
        if one.state.custom and not one.token.startswith("pulumi:"):
            parts.setdefault(one.component, []).append(one)
    where = {one.urn: one.component for one in preview.resources}
    pairs = {
        (where[urn], one.component)
        for one in preview.resources
        for urn in one.state.depends_on
        if where.get(urn, one.component) != one.component
    }
    cards = tuple(
        _card(name, parts[name])
        for name in sorted(parts, key=lambda name: (not any(one.op != "same" for one in parts[name]), name))
    )
    return Drawing(cards, tuple(sorted(_direct(pairs))))


def _direct(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Without those that another part stands between, so that the drawing can be followed."""
    names = {name for pair in pairs for name in pair}
    around = {
        (first, last)
        for first, last in pairs
        for name in names - {first, last}
        if (first, name) in pairs and (name, last) in pairs
    }
    return pairs - around


def _card(name: str, resources: list[Change]) -> Card:
    groups = Counter((OPS.index(one.op), one.kind) for one in resources if one.op != "same")
    changes = tuple((OPS[at], f"{n} {kind}" if n > 1 else kind) for (at, kind), n in sorted(groups.items()))
    return Card(name, sum(one.op == "same" for one in resources), changes)


def plain(found: Report) -> dict[str, Any]:
    """Everything for programs."""
    bills = found.money
    return {
        "stack": found.preview.stack,
        "errors": list(found.preview.errors),
        "counts": dict(Counter(one.op for one in found.preview.changes)) | {"same": found.preview.unchanged},
        "losses": [
            {
                "severity": one.severity,
                "op": one.change.op,
                "urn": one.change.urn,
                "what": one.what,
                "stops": one.stops or None,
            }
            for one in found.losses
        ],
        "findings": [{"guard": one.guard, "text": one.text, "new": one.new} for one in found.findings],
        "dollars": None if bills is None else {"before": _bill(bills.before), "after": _bill(bills.after)},
        "changes": [
            {
                "op": one.op,
                "sign": SIGNS[one.op],
                "component": one.component,
                "type": one.token,
                "urn": one.urn,
                "why": differences(one),
            }
            for one in found.preview.changes
        ],
        "notes": found.told,
    }


def _bill(costs: Costs | None) -> dict[str, float | None] | None:
    if costs is None:
        return None
    return {
        "idleMonth": costs.idle.usd,
        "workingMonth": costs.month.usd,
        "picture": costs.picture,
        "pictureAllIn": costs.picture_all_in,
        "loraSpot": costs.lora_spot,
        "loraOnDemand": costs.lora_on_demand,
    }
