"""Makes Pulumi's policies of the guardrails. Imports pulumi-policy, which only policy/.venv has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pulumi
from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

from declared.program import config_of, settings_of
from ops.cost_bill import bill, resources_of
from ops.cost_rules import scene
from ops.cost_usage import usual
from ops.prices import PriceMissing, load
from policy import rules
from policy.rules import GUARDS, UNKNOWN, Guard, Resource

NAME = "sd-app-guardrails"


def serve() -> None:
    """Answer the engine until it ends."""
    PolicyPack(name=NAME, enforcement_level=EnforcementLevel.MANDATORY, policies=policies())


def policies() -> list[Any]:
    """A policy for each guardrail, and those over a whole stack."""
    return [*(_of_resource(guard) for guard in GUARDS), *_of_stack()]


def _of_resource(guard: Guard) -> ResourceValidationPolicy:
    def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
        one = _resource(args, args.provider.props if args.provider else None)
        for fault in guard.check(one):
            report(f"{one.name}: {fault}", None)

    return ResourceValidationPolicy(name=guard.name, description=guard.told, validate=validate)


def _of_stack() -> list[StackValidationPolicy]:
    return [
        StackValidationPolicy(
            name="every-bucket-locked",
            description="Each bucket has its public access blocked.",
            validate=_locks,
        ),
        StackValidationPolicy(
            name="within-budget",
            description="A working month, as `ops cost` counts it, stays within the budget.",
            # Told, and no more: what a month costs is known from how it was.
            enforcement_level=EnforcementLevel.ADVISORY,
            validate=_budget,
        ),
    ]


def _locks(args: StackValidationArgs, report: ReportViolation) -> None:
    for fault in rules.bucket_without_locks([_resource(one, None) for one in args.resources]):
        report(fault, None)


def _budget(args: StackValidationArgs, report: ReportViolation) -> None:
    try:
        settings = settings_of(pulumi.get_stack())
        declared = [_Declared(one.urn, plain(one.props)) for one in args.resources if "::" in one.urn]
        prices = load(settings.aws.region)
        month = bill(scene(settings, usual(settings)), resources_of(declared), prices)
    except (FileNotFoundError, PriceMissing) as error:
        report(str(error), None)
        return
    budgets = [one.inputs["limitAmount"] for one in declared if "$aws:budgets/budget:Budget::" in one.urn]
    for budget in budgets:
        for fault in rules.over_budget(month.usd, float(budget)):
            report(fault, None)


class _Declared:
    """A resource as the bill takes it."""

    def __init__(self, urn: str, inputs: Mapping[str, Any]) -> None:
        self.urn, self.inputs = urn, inputs


def _resource(args: Any, provider: Mapping[str, Any] | None) -> Resource:
    """What the engine tells of a resource; it doesn't tell which inputs are secret."""
    return Resource(
        token=args.resource_type,
        name=args.name,
        inputs=plain(args.props),
        tags=_tags(provider),
        secrets=None,
        protect=bool(args.opts.protect),
        keeps_data=_keeps_data(pulumi.get_stack()),
    )


def _tags(provider: Mapping[str, Any] | None) -> Mapping[str, str] | None:
    """Default tags of the provider; the SDK hands them over as JSON."""
    given = plain(provider).get("defaultTags") if provider is not None else None
    found: Any = json.loads(given) if isinstance(given, str) else given
    return found.get("tags") if isinstance(found, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]  # JSON


def _keeps_data(stack: str) -> bool:
    """Whether the stack file protects the data; a stack without a file is taken to."""
    try:
        storage: Any = config_of(stack).get("sd-app:storage") or {}
    except FileNotFoundError:
        return True
    return storage.get("protectData", True) is True


def plain(props: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs with `UNKNOWN` for what is known only after creation: the SDK raises where such a value is looked at."""
    return dict(_items(props))


def _items(props: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key in props:
        try:
            yield key, _value(props[key])
        except UnknownValueError:
            yield key, UNKNOWN


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(_items(value))  # pyright: ignore[reportUnknownArgumentType]  # any JSON
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_value(value[at]) for at in range(len(value))]  # pyright: ignore[reportUnknownArgumentType]  # any JSON
    return value
