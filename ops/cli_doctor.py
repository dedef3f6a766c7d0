"""The command line of `ops doctor`."""

import argparse
from typing import Any

from ops.stack import LOCAL

ABOUT = """\
Before the first `up`: credentials, Region, zones, quotas, images, names, GitHub
token, Pulumi login, tools, models and their room. Reads alone, in seconds, with
or without a stack. `make up STACK=…` runs it first.
"""
EXAMPLES = """\
examples:
  python -m ops --stack dev doctor
  python -m ops --stack prod doctor --json

✓ is well; ✗ stands in the way, with what to do; \N{EN DASH} could not be looked at and why
(a missing right is named), or is not needed. Exit status 1 when there is a ✗.
"""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """`doctor`, as a part of the whole command line."""
    made = commands.add_parser(
        "doctor",
        parents=[common],
        help="whether account, names, models and this machine are ready for `up`",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--for-up",
        action="store_true",
        help="exit status 1 for what stops `up` alone: what may come after it is told",
    )


def run(args: argparse.Namespace) -> int:
    """Look, and show; the exit status."""
    from ops import doctor  # brings the program's SDK, a second that no other command waits for

    name, region = getattr(args, "stack", LOCAL), getattr(args, "region", None)
    return doctor.run(name, region, json=getattr(args, "json", False), for_up=args.for_up)
