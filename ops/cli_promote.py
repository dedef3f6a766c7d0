"""The command lines of `ops smoke`, `ops lock` and `ops promote`: how a change reaches prod."""

import argparse
from typing import Any

from ops.errors import AwsError, OpsError
from ops.stack import LOCAL, connect, unreachable

COMMANDS = ("smoke", "lock", "promote")
SMOKE_ABOUT = """\
Whether a stack that is up does its work: a picture from words and one from a
drawing through the API, signed in as a designer who is made for it and removed
again; the page with the stack's config and its security headers. Wakes the GPU.
"""
LOCK_ABOUT = """\
Keep what the stack has passed its smoke test with as locks/STACK.json: commit,
machine images, every version, node commits, workflows' and packages' hashes.
With --check: whether this checkout is what the stack's lock says.
"""
PROMOTE_ABOUT = """\
Let a stack be made from what another has passed: writes locks/TO.json and shows
what changes. What FROM has not passed is refused. --rollback takes the lock
before, and a second time the newer one again.
"""
SMOKE_EXAMPLES = """\
examples:
  python -m ops smoke
  python -m ops --stack dev smoke --json

exit status: 0 passed; 1 with what failed.
"""
LOCK_EXAMPLES = """\
examples:
  python -m ops --stack dev lock
  python -m ops --stack prod lock --check
"""
PROMOTE_EXAMPLES = """\
examples:
  python -m ops promote dev prod --dry-run
  python -m ops promote dev prod
  python -m ops promote --rollback prod
"""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """The three commands and what they take."""

    def command(name: str, told: str, about: str, examples: str) -> Any:
        return commands.add_parser(
            name,
            parents=[common],
            help=told,
            description=about,
            epilog=examples,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    smoke = command("smoke", "whether a stack that is up makes pictures", SMOKE_ABOUT, SMOKE_EXAMPLES)
    smoke.add_argument(
        "--minutes", type=float, default=20.0, metavar="N", help="longest that a picture may take; 20"
    )
    lock = command("lock", "keep what a stack has passed with", LOCK_ABOUT, LOCK_EXAMPLES)
    lock.add_argument("--check", action="store_true", help="compare this checkout with the stack's lock")
    promote = command(
        "promote", "make prod from what dev has passed, or back", PROMOTE_ABOUT, PROMOTE_EXAMPLES
    )
    promote.add_argument("stacks", nargs="+", metavar="STACK", help="from, to; with --rollback, the one")
    promote.add_argument("--rollback", action="store_true", help="back to the lock before")
    promote.add_argument("--dry-run", action="store_true", help="show what would change, write nothing")


def run(args: argparse.Namespace) -> int:
    """Run the command; the exit status."""
    json = bool(getattr(args, "json", False))
    name = str(getattr(args, "stack", LOCAL))
    if args.command == "promote":
        from ops import promote

        return promote.run(_promote_args(args.stacks, args.rollback, args.dry_run), json=json)
    from ops import lock

    if args.command == "lock" and args.check:
        return lock.check(name)
    stack = connect(name, getattr(args, "region", None))
    try:
        if args.command == "lock":
            return lock.keep(stack, json=json)
        from ops import smoke

        return smoke.run(stack, json=json, minutes=args.minutes)
    except AwsError as error:
        raise OpsError(unreachable(stack, error)) from error


def _promote_args(stacks: list[str], rollback: bool, dry_run: bool) -> Any:
    from ops.promote import PromoteArgs

    if len(stacks) != (1 if rollback else 2):
        raise OpsError("ops promote FROM TO, or ops promote --rollback STACK")
    return PromoteArgs(source=None if rollback else stacks[0], target=stacks[-1], dry_run=dry_run)
