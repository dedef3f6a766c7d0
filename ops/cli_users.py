"""The command line of `ops users`."""

import argparse
import sys
from typing import Any

from ops import users
from ops.errors import OpsError
from ops.stack import Stack

EXAMPLES = """\
examples:
  python -m ops --stack prod users add ann@example.com --name "Ann Lee"
  python -m ops --stack prod users list
  python -m ops --stack prod users disable ann@example.com
  python -m ops users add bob@example.com --password-stdin < password.txt
  python -m ops users list --json

On AWS the pool sends the mails: an invitation with a temporary password (7 days), or a code to set a new
one. The emulator sends none: there the temporary password is printed.
"""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """`users` and its actions, as a part of the whole command line."""
    group = commands.add_parser(
        "users",
        parents=[common],
        help="add, list, disable, enable and reset who may sign in",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")
    made = {
        name: actions.add_parser(name, parents=[common], help=told, description=told)
        for name, told in (
            ("add", "let somebody in, who gets a mail with a temporary password"),
            ("list", "all users: e-mail, status, enabled, second factor, age"),
            ("disable", "let a user sign in no more, signed out everywhere"),
            ("enable", "let a disabled user sign in again"),
            ("reset", "take a password away: the user gets a mail to set a new one"),
        )
    }
    for name in ("add", "disable", "enable", "reset"):
        made[name].add_argument("email", metavar="EMAIL")
    made["add"].add_argument("--name", default="", metavar="NAME", help="as the page greets the user")
    for name in ("add", "reset"):
        made[name].add_argument(
            "--password-stdin",
            action="store_true",
            help="read the password from standard input, to stay; on an emulator only",
        )


def run(args: argparse.Namespace, stack: Stack, json: bool) -> int:
    """Do what the command line says; the exit status."""
    match args.action:
        case "add":
            made = users.AddArgs(email=args.email, name=args.name, password=_password(args))
            return users.add(stack, made, json=json)
        case "list":
            return users.show(stack, json=json)
        case "reset":
            return users.reset(stack, args.email, _password(args), json=json)
        case action:
            return users.switch(stack, args.email, on=action == "enable", json=json)


def _password(args: argparse.Namespace) -> str | None:
    """The first line of standard input where it is asked for: an argument could be read by every program."""
    if not args.password_stdin:
        return None
    found = sys.stdin.readline().rstrip("\r\n")
    if not found:
        raise OpsError("--password-stdin: standard input has no password")
    return found
