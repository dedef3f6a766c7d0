"""`ops cost` on the command line."""

import argparse
from typing import Any

from ops.cost_usage import Usage
from ops.stack import LOCAL

ABOUT = """\
Dollars of a stack, counted from every resource that it declares: what it costs
when nobody works, in a working month, for a picture, for a LoRA. Reads the files
of the checkout alone; no account is asked. When machines run follows from the
stack's schedules (operations.*) and idle stops, and from the hours given here.
"""
EXAMPLES = """\
exit status: 0; 1 when a working month passes the stack's budget; 2 when a price is missing.

examples:
  python -m ops --stack prod cost
  python -m ops --stack dev cost --pictures-a-day 1000 --hours-a-day 4 --json
  AWS_PROFILE=studio python -m ops --stack prod cost --refresh-prices
"""


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
    known = Usage()
    for name, told, most in (
        ("pictures-a-day", "pictures asked for on a working day", 100_000),
        ("hours-a-day", "hours of a working day in which the ML server has work", 24),
        ("days-a-month", "working days", 31),
        ("loras-a-month", "training jobs", 1000),
        ("lora-minutes", "billed minutes of one", 1440),
        ("notebook-hours", "hours a month in the notebook", 730),
        ("people", "people who open the page", 1000),
    ):
        default = getattr(known, name.replace("-", "_"))
        parser.add_argument(
            f"--{name}",
            type=_number(most, whole=isinstance(default, int)),
            default=default,
            metavar="N",
            help=f"{told}; {default:g} if not given",
        )
    parser.add_argument(
        "--picture-seconds",
        type=_number(3600, whole=False),
        metavar="S",
        help="the GPU's time for a picture, if not its kind's",
    )
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
        prices_refresh.run(stack, quiet=json)
    usage = Usage(
        pictures_a_day=args.pictures_a_day,
        hours_a_day=args.hours_a_day,
        days_a_month=args.days_a_month,
        loras_a_month=args.loras_a_month,
        lora_minutes=args.lora_minutes,
        notebook_hours=args.notebook_hours,
        people=args.people,
        picture_seconds=args.picture_seconds,
    )
    return cost.run(stack, usage, json=json, everything=args.all)


def _number(most: float, *, whole: bool) -> Any:
    kind = int if whole else float

    def check(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = kind(-1)
        if not 0 <= value <= most:
            what = "a whole number" if whole else "a number"
            raise argparse.ArgumentTypeError(f'"{text}" is not {what} from 0 to {most:g}')
        return value

    return check
