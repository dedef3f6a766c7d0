"""The command line of `ops report`."""

import argparse
import sys
from pathlib import Path
from typing import Any

from ops.errors import OpsError

ABOUT = """\
What a change does to a stack, from a preview of Pulumi's engine: what is lost
first, then broken guardrails, dollars a month before and after, and every change.
`make report STACK=…` makes the preview as well.
"""
EXAMPLES = """\
examples:
  pulumi preview --stack dev --json --show-sames | python -m ops report
  python -m ops report --preview preview.json --before history.json --html report.html
  python -m ops report --preview preview.json --markdown comment.md

exit status: 0; 1 when the engine would refuse the change or a guardrail that held breaks.
"""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """`report`, as a part of the whole command line."""
    made = commands.add_parser(
        "report",
        parents=[common],
        help="what a previewed change does: what is lost, dollars, guardrails",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--preview",
        default="-",
        metavar="FILE",
        help="of `pulumi preview --json --show-sames`; standard input if not given",
    )
    made.add_argument(
        "--before",
        type=Path,
        metavar="FILE",
        help="`pulumi stack history --json`: the settings that today's dollars are counted by",
    )
    made.add_argument(
        "--base",
        default="HEAD",
        metavar="COMMIT",
        help="whose locks/ the one here is compared with; HEAD if not given",
    )
    add_outputs(made)


def add_outputs(parser: argparse.ArgumentParser) -> None:
    """Where the report goes besides the terminal."""
    parser.add_argument("--html", type=Path, metavar="FILE", help="write it as a page of its own, too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write it as a comment for GitHub, too")
    parser.add_argument(
        "--note", action="append", default=[], metavar="TEXT", help="a remark at its end; may be repeated"
    )


def run(args: argparse.Namespace) -> int:
    """Read, and show; the exit status."""
    from ops.report_money import (
        history_config,  # brings the program's settings: no other command waits for them
    )

    text = _read(args.preview)
    before = history_config(_read(str(args.before))) if args.before else None
    return deliver(text, before, args, json=getattr(args, "json", False))


def deliver(text: str, before: dict[str, str] | None, args: argparse.Namespace, *, json: bool = False) -> int:
    """The report of a preview to the terminal and the files asked for; the exit status."""
    from ops import report, report_html, report_lock, report_markdown, report_text
    from ops.report_changes import read
    from ops.show import as_json

    found = report.report(read(text), before)
    lock = report_lock.section(found.preview.stack, args.base) if found.preview.stack else None
    page = report.page(found, args.note, lock)
    if args.html:
        args.html.write_text(report_html.render(page))
    if args.markdown:
        args.markdown.write_text(report_markdown.render(page))
    if json:
        as_json(report.plain(found))
    else:
        report_text.show(page)
    return found.status


def _read(name: str) -> str:
    if name != "-":
        try:
            return Path(name).read_text()
        except OSError as error:
            raise OpsError(f"{name}: {error.strerror}") from error
    if sys.stdin.isatty():
        raise OpsError(
            "give a preview: --preview FILE, or pipe one in; `make report STACK=…` makes it itself"
        )
    return sys.stdin.read()
