"""AWS's prices, from `prices.json`: US dollars, each with its unit, Region, date and source. Imports nothing of AWS."""

import json
from dataclasses import asdict, dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("prices.json")
HOME = "us-east-1"
"""The Region whose prices came with the project; `ops cost --refresh-prices` brings those of others."""
SHARES = ("ec2 spot", "sagemaker training spot")
"""Where no price of a type's spare capacity is known, it is a share of the full price: `<prefix> share`."""


class PriceMissing(Exception):
    """No price is known; the message names what for."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """US dollars for one unit of an item. `confirmed`: read at AWS, or recorded from it; else `source` says why not."""

    item: str
    region: str
    usd: float
    unit: str
    on: str
    source: str
    confirmed: bool


@dataclass(frozen=True)
class PriceTable:
    """All prices of one Region by item."""

    region: str
    by_item: dict[str, Price]

    def of(self, item: str) -> Price:
        """The price of an item. Raises PriceMissing."""
        if item in self.by_item:
            return self.by_item[item]
        for prefix in SHARES:
            if item.startswith(f"{prefix} "):
                return self._share(item, prefix)
        raise PriceMissing(
            f'no price of "{item}" in {self.region} is known in ops/prices.json: '
            "`python -m ops cost --refresh-prices` asks AWS for it, or write it there with its source"
        )

    def oldest(self) -> date:
        """Date of the price that was looked at longest ago."""
        return min(date.fromisoformat(one.on) for one in self.by_item.values())

    def _share(self, item: str, prefix: str) -> Price:
        """`ec2 spot g5.2xlarge` from `ec2 g5.2xlarge` and `ec2 spot share`."""
        share = self.of(f"{prefix} share")
        full = self.of(f"{prefix.removesuffix(' spot')} {item.removeprefix(prefix).strip()}")
        return Price(
            item=item,
            region=self.region,
            usd=full.usd * share.usd,
            unit=full.unit,
            on=min(full.on, share.on),
            source=share.source,
            confirmed=False,
        )


def load(region: str, file: Path = FILE) -> PriceTable:
    """The prices of a Region. Raises PriceMissing when none is known."""
    known = read(file)["prices"]
    if region not in known:
        raise PriceMissing(
            f"no prices of {region} are known, only of {', '.join(known)}: run `python -m ops cost --refresh-prices` with a "
            "stack of that Region and credentials of an AWS account (reading prices costs nothing)"
        )
    return PriceTable(region, {k: Price(item=k, region=region, **v) for k, v in known[region].items()})


@cache
def sources() -> dict[str, str]:
    """What each source is, by the name that prices give it."""
    return dict(read(FILE)["sources"])


def read(file: Path = FILE) -> dict[str, Any]:
    """The file as it is: `sources` by name, `prices` by Region and item."""
    return json.loads(file.read_text())


def text_of(document: dict[str, Any]) -> str:
    """The file's text: a line a price, so that a change of prices reads as one."""
    parts = [f'  "sources": {_lines(document["sources"], 2)}']
    regions = [f'    "{name}": {_lines(one, 4)}' for name, one in sorted(document["prices"].items())]
    parts.append('  "prices": {\n' + ",\n".join(regions) + "\n  }")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def entry_of(price: Price) -> dict[str, Any]:
    """A price as the file has it."""
    entry = asdict(price)
    return {key: entry[key] for key in ("usd", "unit", "on", "source", "confirmed")}


def _lines(group: dict[str, Any], indent: int) -> str:
    space = " " * indent
    rows = ",\n".join(f"{space}  {json.dumps(k)}: {json.dumps(group[k])}" for k in sorted(group))
    return "{\n" + rows + f"\n{space}}}"
