"""The command line of `ops leftovers`."""

import argparse
from pathlib import Path
from typing import Any

from ops.stack import Stack

ABOUT = """\
All that bears the stack's tag or name in the account: why it is there, what it
costs a month, how to remove it. Reads alone. `make down STACK=…` ends with it;
of a stack that is up it lists everything.
"""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """`leftovers`, as a part of the whole command line."""
    made = commands.add_parser(
        "leftovers",
        parents=[common],
        help="what of a stack is in the account: why, dollars a month, how to remove it",
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--state", type=Path, metavar="FILE", help="ids that the engine's state still knows, as JSON"
    )


def run(args: argparse.Namespace, stack: Stack, json: bool) -> int:
    """Look, and show; the exit status."""
    from ops import leftovers  # brings prices along, and with them the program's SDK

    return leftovers.run(stack, args.state, json=json)
