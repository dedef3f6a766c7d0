"""`ops cost` on the command line."""

import argparse
from typing import Any

from ops.stack import LOCAL

ABOUT = """\
Dollars of a stack, counted from every resource that it declares: what it costs
when nobody works, in a working month, for a picture, for a LoRA. Reads the files
of the checkout alone; no account is asked. When machines run follows from the
stack's schedules (operations.*) and idle stops, and from the hours in its settings
(usage.*) or given here. Of what neither says, a stack with protected data has a
studio's month, another one that of somebody who tries things out.
"""
EXAMPLES = """\
exit status: 0; 1 when a working month passes the stack's budget; 2 when a price is missing.

examples:
  python -m ops --stack prod cost
  python -m ops --stack dev cost --pictures-a-day 1000 --hours-a-day 4 --json
  AWS_PROFILE=studio python -m ops --stack prod cost --refresh-prices
"""
USAGE = (
    ("pictures-a-day", "pictures on a working day; a studio's 300, a trial's 40", 100_000, float),
    ("hours-a-day", "hours of it in which the ML server has work; 8, 2", 24, float),
    ("days-a-month", "working days; 22, 10", 31, int),
    ("loras-a-month", "training jobs; 2, 1", 1000, float),
    ("lora-minutes", "billed minutes of one; 25", 1440, float),
    ("notebook-hours", "hours a month in the notebook; 8, 0", 730, float),
    ("people", "people who open the page; 5, 2", 1000, int),
    ("picture-seconds", "the GPU's time for a picture, if not its kind's", 3600, float),
)
"""Options that are fields of Usage (ops/cost_usage.py): what each is, and the most it may be."""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """The command and what it takes."""
    parser = commands.add_parser(
        "cost",
        parents=[common],
        help="dollars: idle, a working month, a picture, a LoRA",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, told, most, kind in USAGE:
        parser.add_argument(f"--{name}", type=_number(most, kind), metavar="N", help=told)
    parser.add_argument(
        "--all", action="store_true", help="list what costs nothing as well, each with its reason"
    )
    parser.add_argument(
        "--refresh-prices",
        action="store_true",
        help="ask AWS's price API for the stack's Region first, and keep the answers in ops/prices.json",
    )


def run(args: argparse.Namespace) -> int:
    """Run the command; the exit status."""
    # Here, not above: they bring the SDK of Pulumi along, and no other command should wait for it.
    from ops import cost, prices_refresh

    stack, json = getattr(args, "stack", LOCAL), getattr(args, "json", False)
    if args.refresh_prices:
        prices_refresh.run(stack, getattr(args, "region", None), quiet=json)
    fields = [name.replace("-", "_") for name, *_ in USAGE]
    given = {name: getattr(args, name) for name in fields if getattr(args, name) is not None}
    return cost.run(stack, given, json=json, everything=args.all)


def _number(most: float, kind: type[float]) -> Any:
    def check(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = kind(-1)
        if not 0 <= value <= most:
            what = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f'"{text}" is not {what} from 0 to {most:g}')
        return value

    return check
