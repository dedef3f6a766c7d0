"""Writes docs/costs.md from what dev and prod declare and from ops/prices.json (`make cost-docs`)."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from declared.program import config_of
from ops import cost
from ops.cost import dollars
from ops.cost_bill import Costs
from ops.prices import load, sources

PAGE = Path(__file__).parents[1] / "docs" / "costs.md"
STACKS = ("dev", "prod")
GENERAL = """\
# What it costs

Made by `make cost-docs` from what dev and prod declare and from `ops/prices.json`; do not edit. `python -m ops --stack prod cost`
tells the same for your own hours, with every resource; nothing that a stack declares can be forgotten, for a type without a
price stops the count ([decision 19](decisions/0019-costs-are-counted-from-the-program.md)). US dollars of us-east-1, a month of 730 hours.
AWS's free allowances, which an account has once, are not taken off.
"""
SAVINGS: tuple[tuple[str, dict[str, dict[str, Any]]], ...] = (
    ("prod as it is", {}),
    ("`network.nat: instance`, as in dev", {"network": {"nat": "instance"}}),
    ("`mlServer.spot: true`, as in dev", {"mlServer": {"spot": True}}),
    ("`mlServer.instanceType: g6.xlarge`", {"mlServer": {"instanceType": "g6.xlarge"}}),
    ("`mlServer.instanceType: g4dn.xlarge`", {"mlServer": {"instanceType": "g4dn.xlarge"}}),
    ("`backend.instanceType: t4g.small`", {"backend": {"instanceType": "t4g.small"}}),
    ("`notebook.enabled: false`: styles are trained by jobs", {"notebook": {"enabled": False}}),
    (
        "no `operations.mlServerStart`: jobs alone wake the ML server",
        {"operations": {"mlServerStart": None}},
    ),
    (
        "all but the types of GPU",
        {
            "network": {"nat": "instance"},
            "mlServer": {"spot": True},
            "backend": {"instanceType": "t4g.small"},
            "notebook": {"enabled": False},
            "operations": {"mlServerStart": None},
        },
    ),
)
PEERS = """\
Published by their own authors, as read in the snapshots named; each for its own machine, pictures and hours, so they are a
scale, not a race. Ours are counted, not billed: no account has run this month yet.

| | theirs | ours |
|---|---|---|
| idle, GPU off | $50 a month, the sum of its table's fixed rows (A) | prod {idle}, dev {dev_idle}, prod with all savings above {lean_idle} |
| 8 hours a working day on demand | $205 with a NAT gateway, g4dn.xlarge (A); about $450, g5.2xlarge, EKS (B); $310.45, ml.g5.2xlarge (D) | prod {month}, g5.xlarge; with g4dn.xlarge {t4} |
| the same on spot | $79 with a NAT instance, g4dn.xlarge (A) | prod with all savings above {lean}, g5.xlarge |
| a picture at full use | $0.0070 of 1024 x 1024 in 9 s (B), $0.0043 in 7 s (D), by division | {picture} of 512 x 512 in 4 s |
| a LoRA | $0.19: 1,000 steps in 387 s, by division (D) | {lora_spot} on spot, {lora} on demand: 25 billed minutes, 1,500 steps taken to be 20 of them |

- A: github.com/aws-samples/cost-effective-aws-deployment-of-comfyui, README, 2026-02-12.
- B: github.com/aws-samples/comfyui-on-eks, README, 2026-08-12; 64,000 pictures a month.
- D: github.com/awslabs/stable-diffusion-aws-extension, docs/en/cost.md, 2024-07-30; 72,000 pictures a month.

Where we are dearer, it is this: the idle floor of prod has a machine for the API that never sleeps, a NAT gateway and a notebook's
disk; the savings above take most of it away, each for a reason to weigh. A LoRA here pays for the start of the job and for
sample pictures; D's figure is the training alone.
"""


def page() -> str:
    """The whole page."""
    found = {stack: cost.of_stack(stack) for stack in STACKS}
    parts = [GENERAL]
    for stack, (settings, costs) in found.items():
        parts += [f"## {stack}", cost.assumed(settings, costs.month.scene.usage), _sums(costs), _rows(costs)]
    variants = {what: _changed(groups) for what, groups in SAVINGS}
    parts += [
        "## What a setting saves in prod",
        _variants(variants),
        "## Beside others",
        _peers(found["dev"][1], variants),
    ]
    parts += ["## Prices", _prices(*(costs for _, costs in found.values()))]
    return "\n".join(part.strip() + "\n" for part in parts)


def _changed(groups: Mapping[str, Mapping[str, Any]]) -> Costs:
    known = config_of("prod")
    config = {f"sd-app:{name}": {**known.get(f"sd-app:{name}", {}), **one} for name, one in groups.items()}
    return cost.of_stack("prod", config=config)[1]


def _sums(costs: Costs) -> str:
    rows = (
        ("a month when nobody works", costs.idle.usd),
        ("a working month", costs.month.usd),
        ("… with the ML server on spot", costs.spot.usd),
        ("… with the ML server on demand", costs.on_demand.usd),
        ("a picture more", costs.picture),
        ("a picture, the month shared out over all", costs.picture_all_in or 0),
        ("a LoRA on spot", costs.lora_spot),
        ("a LoRA on demand", costs.lora_on_demand),
    )
    return _table(("", "US dollars"), [(what, dollars(usd)) for what, usd in rows])


def _rows(costs: Costs) -> str:
    shown, small = list[tuple[str, ...]](), 0
    for group in cost.grouped(costs):
        idle, working = sum(one.usd for _, one in group), sum(one.usd for one, _ in group)
        if working < cost.CENT:
            small += len(group)
        else:
            shown.append((cost.name_of(group), f"{idle:.2f}", f"{working:.2f}", cost.charges(group[0][0])))
    shown.append(("**all**", f"**{costs.idle.usd:.2f}**", f"**{costs.month.usd:.2f}**", ""))
    told = f"\n{small} other resources cost nothing or less than a cent."
    return _table(("resource", "idle", "working", "paid for most, when working"), shown) + told


def _variants(variants: Mapping[str, Costs]) -> str:
    rows = [(what, f"{one.idle.usd:.2f}", f"{one.month.usd:.2f}") for what, one in variants.items()]
    return _table(("one change to prod", "idle", "working"), rows)


def _peers(dev: Costs, variants: Mapping[str, Costs]) -> str:
    prod, lean = variants[SAVINGS[0][0]], variants[SAVINGS[-1][0]]
    return PEERS.format(
        idle=dollars(prod.idle.usd),
        dev_idle=dollars(dev.idle.usd),
        lean_idle=dollars(lean.idle.usd),
        month=dollars(prod.month.usd),
        t4=dollars(variants["`mlServer.instanceType: g4dn.xlarge`"].month.usd),
        lean=dollars(lean.month.usd),
        picture=dollars(prod.picture),
        lora_spot=dollars(prod.lora_spot),
        lora=dollars(prod.lora_on_demand),
    )


def _prices(*all_costs: Costs) -> str:
    used = {one.use.item for costs in all_costs for row in costs.month.rows for one in row.charges}
    prices = [load("us-east-1").of(item) for item in sorted(used)]
    rows = [
        (
            one.item,
            f"{one.usd:.8f}".rstrip("0").rstrip("."),
            one.unit,
            one.on,
            one.source,
            "yes" if one.confirmed else "**no**",
        )
        for one in prices
    ]
    told = [f"- {name}: {sources()[name]}." for name in sorted({one.source for one in prices})]
    head = ("item", "US dollars", "a", "looked at", "source", "confirmed")
    return "\n".join(["Those used above, with their sources:\n", _table(head, rows), "", *told])


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main() -> int:
    """Write the page when it changed, and say so."""
    text = page()
    changed = not PAGE.exists() or PAGE.read_text() != text
    PAGE.write_text(text)
    print(f"docs/{PAGE.name}: {'written' if changed else 'unchanged'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
