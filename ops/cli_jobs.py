"""The command line of `ops jobs`."""

import argparse
from typing import Any

import contract
from ops import job_list, jobs
from ops.job_records import STATES
from ops.stack import Stack

EXAMPLES = """\
A job is a generation: one request of a designer. Nothing but `show` tells a prompt.

examples:
  python -m ops jobs list                              what waits, runs, and failed in the last 7 days
  python -m ops --stack prod jobs list --state failed --days 30
  python -m ops jobs show 0f8fad5b-d9cb-469f-a165-70867728950e
  python -m ops jobs retry 0f8fad5b-d9cb-469f-a165-70867728950e
  python -m ops jobs fail 0f8fad5b-d9cb-469f-a165-70867728950e --reason "The style is broken, take another."
  python -m ops jobs dismiss 0f8fad5b-d9cb-469f-a165-70867728950e
"""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """`jobs` and its actions, as a part of the whole command line."""
    group = commands.add_parser(
        "jobs",
        parents=[common],
        help="list, show, retry, fail and dismiss generations",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")
    made = {
        name: actions.add_parser(name, parents=[common], help=told, description=told)
        for name, told in (
            ("list", "unfinished jobs by kind, failed ones with their reason, dead letters that don't fit"),
            ("show", "the whole record of a job, prompt and recipe too"),
            ("retry", "queue failed jobs again, with all their attempts"),
            ("fail", "end a job that waits or runs; the designer reads the reason"),
            ("dismiss", "take the dead letters of ended jobs away; their records stay"),
        )
    }
    listing = made["list"]
    listing.add_argument("--state", choices=STATES, help="only these")
    listing.add_argument("--kind", choices=contract.KINDS, help="only these")
    how_far = listing.add_mutually_exclusive_group()
    how_far.add_argument(
        "--days",
        type=_days,
        default=job_list.DAYS,
        metavar="N",
        help=f"ended jobs made in the last N days; {job_list.DAYS} if not given",
    )
    how_far.add_argument("--all", action="store_true", help="ended jobs of all time, in every state")
    for name in ("show", "fail"):
        made[name].add_argument("id", metavar="ID")
    for name in ("retry", "dismiss"):
        made[name].add_argument("ids", nargs="+", metavar="ID")
    made["fail"].add_argument("--reason", required=True, metavar="TEXT", help="a sentence for the designer")


def run(args: argparse.Namespace, stack: Stack, json: bool) -> int:
    """Do what the command line says; the exit status."""
    match args.action:
        case "list":
            wanted = job_list.ListArgs(state=args.state, kind=args.kind, days=args.days, every=args.all)
            return job_list.show_list(stack, wanted, json=json)
        case "show":
            return job_list.show_one(stack, args.id, json=json)
        case "retry":
            return jobs.retry(stack, args.ids, json=json)
        case "fail":
            return jobs.fail(stack, args.id, args.reason, json=json)
        case _:
            return jobs.dismiss(stack, args.ids, json=json)


def _days(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 3650:
        raise argparse.ArgumentTypeError(f'"{text}" is no number of days from 1 to 3650')
    return int(text)
