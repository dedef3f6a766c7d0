"""The bill of a month: what all declared resources use up, times the prices."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import contract
from ops import cost_free
from ops.cost_rules import RULES, Resource, Scene, Use, lora, scene
from ops.cost_usage import IDLE, Usage, picture_seconds
from ops.prices import Price, PriceMissing, PriceTable
from settings import Settings

MARGINAL = (
    "aws:cloudfront/distribution:Distribution",
    "aws:dynamodb/table:Table",
    "aws:s3/bucket:Bucket",
    "aws:sqs/queue:Queue",
)
"""What every picture uses some of, besides the GPU."""


class Declared(Protocol):
    """What is asked of a recorded resource (declared/recorder.py)."""

    @property
    def urn(self) -> str: ...
    @property
    def inputs(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Charge:
    """So much of an item at its price."""

    use: Use
    price: Price

    @property
    def usd(self) -> float:
        """US dollars a month."""
        return self.use.amount * self.price.usd


@dataclass(frozen=True, kw_only=True)
class Row:
    """A resource on the bill. `free`: why it costs nothing; empty when it has charges or a rule that found none."""

    resource: Resource
    charges: tuple[Charge, ...]
    free: str = ""

    @property
    def usd(self) -> float:
        """US dollars a month."""
        return sum(charge.usd for charge in self.charges)


@dataclass(frozen=True, kw_only=True)
class Bill:
    """A month of a stack."""

    scene: Scene
    rows: tuple[Row, ...]

    @property
    def usd(self) -> float:
        """US dollars a month."""
        return sum(row.usd for row in self.rows)

    def by_component(self) -> dict[str, float]:
        """US dollars a month of each part of the stack, the dearest first."""
        sums: dict[str, float] = {}
        for row in self.rows:
            sums[row.resource.component] = sums.get(row.resource.component, 0.0) + row.usd
        return dict(sorted(sums.items(), key=lambda one: -one[1]))


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Everything that `ops cost` tells of a stack."""

    idle: Bill
    month: Bill
    spot: Bill
    on_demand: Bill
    picture: float
    """US dollars of one more picture: the GPU's seconds and what a picture leaves and moves."""
    lora_spot: float
    lora_on_demand: float
    table: PriceTable

    @property
    def picture_all_in(self) -> float | None:
        """US dollars of a picture when the whole month is shared out over all of them; None without pictures."""
        pictures = self.month.scene.usage.pictures
        return self.month.usd / pictures if pictures else None


def costs(settings: Settings, resources: Iterable[Resource], table: PriceTable, usage: Usage) -> Costs:
    """All bills of a stack. Raises PriceMissing."""
    declared = list(resources)

    def month(used: Usage) -> Bill:
        return bill(scene(settings, used), declared, table)

    at = scene(settings, usage)
    return Costs(
        idle=month(IDLE),
        month=month(usage),
        spot=month(replace(usage, market="spot")),
        on_demand=month(replace(usage, market="on-demand")),
        picture=_picture(at, declared, table),
        lora_spot=_sum(lora(at, spot=True), table),
        lora_on_demand=_sum(lora(at, spot=False), table),
        table=table,
    )


def bill(at: Scene, resources: Iterable[Resource], table: PriceTable) -> Bill:
    """The bill of one month. Raises PriceMissing, with the resource and its type."""
    return Bill(scene=at, rows=tuple(_row(one, at, table) for one in resources))


def resources_of(declared: Iterable[Declared]) -> list[Resource]:
    """What is declared, each with the outermost component that it stands in."""
    # By URN: the order in which a program's registrations come in is not the same twice.
    return [
        Resource(token=types[-1], name=name, component=_component(types[0]), inputs=one.inputs)
        for one in sorted(declared, key=lambda one: one.urn)
        for types, name in [_parts(one.urn)]
    ]


def _parts(urn: str) -> tuple[list[str], str]:
    """Types from the outermost component to the resource, and its name:
    `urn:pulumi:dev::sd-app::sd-app:network:Network$aws:ec2/vpc:Vpc::sd-app-dev-network`."""
    _, _, types, name = urn.split("::", 3)
    return types.split("$"), name


def _component(token: str) -> str:
    """`ml-server` of `sd-app:compute:MlServer`; what stands in no component is the stack's."""
    if not token.startswith(f"{contract.PROJECT}:"):
        return "stack"
    return re.sub(r"(?<!^)(?=[A-Z])", "-", token.rpartition(":")[2]).lower()


def _row(one: Resource, at: Scene, table: PriceTable) -> Row:
    rule, free = RULES.get(one.token), cost_free.reason(one.token)
    if rule is None:
        if free is None:
            raise PriceMissing(
                f"{one.name} is a {one.token}, which has no price: give the type a rule in ops/cost_rules.py, or its reason "
                "to cost nothing in ops/cost_free.py"
            )
        return Row(resource=one, charges=(), free=free)
    try:
        return Row(resource=one, charges=tuple(Charge(each, table.of(each.item)) for each in rule(one, at)))
    except PriceMissing as missing:
        raise PriceMissing(f"{one.name} ({one.token}): {missing}") from missing


def _picture(at: Scene, resources: list[Resource], table: PriceTable) -> float:
    """What one picture more adds: the difference of two months, and the GPU's seconds at its price by the hour."""
    some = replace(at.usage, pictures_a_day=1000, days_a_month=1)
    none = replace(some, pictures_a_day=0)
    moved = [one for one in resources if one.token in MARGINAL]
    more, less = (bill(replace(at, usage=used), moved, table).usd for used in (some, none))
    [server] = [
        one
        for one in resources
        if one.token == "aws:ec2/instance:Instance"
        and one.inputs.get("tags", {}).get("Role") == contract.ML_SERVER
    ]
    kind = str(server.inputs["instanceType"])
    hour = next(c.price.usd for c in _row(server, at, table).charges if c.use.item.startswith("ec2 "))
    return (more - less) / 1000 + hour * picture_seconds(at.usage, kind) / 3600


def _sum(uses: Iterable[Use], table: PriceTable) -> float:
    return sum(one.amount * table.of(one.item).usd for one in uses)
