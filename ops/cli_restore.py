"""The command line of `ops restore`."""

import argparse
from datetime import datetime
from typing import Any

from ops import restore_bucket, restore_table
from ops.restore import moment
from ops.stack import Stack

EXAMPLES = """\
examples:
  python -m ops --stack prod restore bucket --as-of 2h --prefix loras/ --dry-run
  python -m ops --stack prod restore bucket --as-of 2026-11-27T18:00 --prefix outputs/
  python -m ops --stack prod restore table --as-of 2h --dry-run
  python -m ops --stack prod restore table --from sd-app-restored --dry-run

--as-of: the last moment at which all was well; `30min`, `2h`, `3d` ago, or a time in ISO 8601 (UTC if no zone is given).
Nothing written since then is overwritten without --replace-newer, and it is asked before anything is written.
"""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """`restore` and what it can bring back."""
    group = commands.add_parser(
        "restore",
        parents=[common],
        help="bring back files or generations that were lost",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")
    bucket = actions.add_parser(
        "bucket", parents=[common], help="files, from the versions that the bucket keeps"
    )
    bucket.add_argument(
        "--as-of", required=True, type=_moment, metavar="TIME", help="the last moment at which all was well"
    )
    bucket.add_argument("--prefix", default="", metavar="PREFIX", help="only these, such as loras/")
    records = actions.add_parser("table", parents=[common], help="generations, by point-in-time recovery")
    source = records.add_mutually_exclusive_group(required=True)
    source.add_argument("--as-of", type=_moment, metavar="TIME", help="the last moment at which all was well")
    source.add_argument(
        "--from", dest="source", metavar="TABLE", help="merge from a table that was restored already"
    )
    for made in (bucket, records):
        made.add_argument(
            "--replace-newer", action="store_true", help="what was written since gives way to what was then"
        )
        made.add_argument("--dry-run", action="store_true", help="tell what would happen")
        made.add_argument("--yes", action="store_true", help="don't ask")


def run(args: argparse.Namespace, stack: Stack, json: bool) -> int:
    """Do what the command line says; the exit status."""
    how = {"replace_newer": args.replace_newer, "dry_run": args.dry_run, "yes": args.yes}
    if args.action == "bucket":
        return restore_bucket.run(
            stack, restore_bucket.BucketArgs(at=args.as_of, prefix=args.prefix, **how), json=json
        )
    return restore_table.run(
        stack, restore_table.TableArgs(at=args.as_of, source=args.source, **how), json=json
    )


def _moment(text: str) -> datetime:
    try:
        return moment(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f'"{text}" is no moment such as 2h or 2026-11-27T18:00 ({error})'
        ) from error
