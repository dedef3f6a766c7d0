"""The command line of `python -m ops`."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ops import (
    cli_doctor,
    cli_jobs,
    cli_leftovers,
    cli_loras,
    cli_promote,
    cli_report,
    cli_restore,
    cli_users,
    cost_cli,
    deploy,
    images,
    machines,
    models,
    status,
    wait,
)
from ops.errors import NO_ANSWER, AwsError, OpsError, explain
from ops.model_files import FOLDERS, FORMATS
from ops.stack import LOCAL, Stack, connect, unreachable

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it: 128 and the signal's number."""

EXAMPLES = """\
examples:
  python -m ops status                             the stack on this machine
  python -m ops --stack prod status --json         prod, for a program to read
  python -m ops --stack dev doctor                 before the first `up`: is all ready?
  python -m ops models push room.safetensors       into models/checkpoints/
  python -m ops models push scribble.safetensors --folder controlnet
  python -m ops models push Indochine.safetensors Minimalist.safetensors --to loras
  python -m ops models list
  python -m ops models verify                      read everything back and compare
  python -m ops --stack dev start ml-server
  python -m ops --stack dev users add ann@example.com
  python -m ops jobs list
  python -m ops --stack prod cost                  dollars: idle, a month, a picture
  python -m ops report --preview preview.json      what that change does: losses, dollars
  python -m ops loras list
  python -m ops --stack dev deploy backend v1.4.0
  python -m ops --stack prod bake ml-server
  python -m ops --stack dev smoke                  does it make pictures?
  python -m ops promote dev prod --dry-run         what would prod get?

exit status: 0 all is well; 1 something is broken, refused or failed; 2 wrong usage, or
the stack could not be asked; 130 after Ctrl-C.

Region: --region, AWS_REGION, or aws:region in Pulumi.<stack>.yaml. AWS_ENDPOINT_URL leads to an
emulator; the stack `local` finds its own.
"""
PUSH_EXAMPLES = f"""\
A file that is there already is not uploaded again; another file of that name only with --replace.
A broken file is refused before anything is uploaded. Kinds: {" ".join(sorted(FORMATS))}

examples:
  python -m ops models push interiordesignsuperm_v2.safetensors
  python -m ops models push control_v11p_sd15_scribble_fp16.safetensors --folder controlnet
  python -m ops models push Indochine.safetensors --to loras
"""
BAKE_ABOUT = """\
Make a machine image of a machine that is ready, so that its successor starts
with everything on its disk. The machine reboots for it: a picture that is
being made is made again.
"""
DEPLOY_ABOUT = """\
Another release of the API and its worker on the running machine, without a
lost request; or the one before again. The machine tries it first, and goes on
with what it has when the new one is no good.
"""
BAKE_EXAMPLES = """\
examples:
  python -m ops --stack prod bake ml-server
  python -m ops --stack prod images list
  python -m ops --stack prod images delete ami-0123456789abcdef0
"""
DEPLOY_EXAMPLES = """\
examples:
  python -m ops --stack dev deploy backend v1.4.0
  python -m ops --stack dev deploy backend --rollback
"""
WAIT_EXAMPLES = """\
example:
  python -m ops --stack dev wait ml-server --instance i-0123456789abcdef0 --minutes 40
"""


def main(arguments: Sequence[str]) -> int:
    """Run a command; its exit status. Errors are a line on stderr."""
    # Ended by another program as by Ctrl-C: what is half-done is cleaned up.
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        status_code = _run(_parser().parse_args(arguments))
        sys.stdout.flush()
        return status_code
    except OpsError as error:
        _say(str(error))
        return error.status
    except AwsError as error:  # before a stack is known: a wrong profile
        _say(explain(error))
        return NO_ANSWER
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough (`ops status | head`); Python would complain again when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(args: argparse.Namespace) -> int:
    if args.command == "doctor":  # it comes before there is a stack to connect to
        return cli_doctor.run(args)
    if args.command == "cost":  # from files alone; whether the stack is up is all the same
        return cost_cli.run(args)
    if args.command == "report":  # of a preview in a file
        return cli_report.run(args)
    if args.command in cli_promote.COMMANDS:
        return cli_promote.run(args)
    stack = connect(getattr(args, "stack", LOCAL), getattr(args, "region", None))
    try:
        return _dispatch(args, stack, getattr(args, "json", False))
    except AwsError as error:
        raise OpsError(unreachable(stack, error)) from error


def _dispatch(args: argparse.Namespace, stack: Stack, json: bool) -> int:
    match args.command, getattr(args, "action", None):
        case "status", _:
            return status.run(stack, json=json)
        case "models", "push":
            push = models.PushArgs(files=args.files, to=args.to, folder=args.folder, replace=args.replace)
            return models.push(stack, push, json=json)
        case "models", "list":
            return models.show(stack, json=json)
        case "models", _:
            return models.verify(stack, json=json)
        case "jobs", _:
            return cli_jobs.run(args, stack, json)
        case "loras", _:
            return cli_loras.run(args, stack, json)
        case "leftovers", _:
            return cli_leftovers.run(args, stack, json)
        case "restore", _:
            return cli_restore.run(args, stack, json)
        case "users", _:
            return cli_users.run(args, stack, json)
        case "deploy", _:
            return deploy.run(stack, deploy.DeployArgs(ref=args.ref, rollback=args.rollback), json=json)
        case "bake", _:
            return images.bake(stack, images.BakeArgs(role=args.role), json=json)
        case "images", "list":
            return images.show(stack, json=json)
        case "images", _:
            return images.delete(stack, args.image, json=json)
        case "wait", _:
            waited = wait.WaitArgs(role=args.role, instance_id=args.instance, minutes=args.minutes)
            return wait.run(stack, waited, json=json)
        case command, _:
            goal = "running" if command == "start" else "stopped"
            return machines.run(stack, machines.SwitchArgs(role=args.role, goal=goal), json=json)


def _parser() -> argparse.ArgumentParser:
    # The common options may stand before the command or after it; SUPPRESS keeps the one from undoing the other.
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--stack", metavar="NAME", help=f"the stack; {LOCAL} if not given")
    common.add_argument("--region", metavar="REGION", help="AWS Region, if not the stack's own")
    common.add_argument("--json", action="store_true", help="JSON on stdout instead of tables")
    parser = argparse.ArgumentParser(
        prog="python -m ops",
        description="Commands for the day of an sd-app stack.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[common],
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser(
        "status",
        parents=[common],
        help="every part of the system: state, address, age",
        description=status.__doc__,
    )
    cli_doctor.add_parser(commands, common)
    _add_models(commands, common)
    cli_users.add_parser(commands, common)
    cli_jobs.add_parser(commands, common)
    cli_loras.add_parser(commands, common)
    cost_cli.add_parser(commands, common)
    cli_report.add_parser(commands, common)
    cli_restore.add_parser(commands, common)
    cli_leftovers.add_parser(commands, common)
    cli_promote.add_parser(commands, common)
    _add_machines(commands, common)
    _add_deploy(commands, common)
    _add_images(commands, common)
    return parser


def _add_models(commands: Any, common: argparse.ArgumentParser) -> None:
    group = commands.add_parser("models", parents=[common], help="push, list and verify models and LoRAs")
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")
    push = actions.add_parser(
        "push",
        parents=[common],
        help="upload files with their SHA-256",
        epilog=PUSH_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    push.add_argument("files", nargs="+", type=Path, metavar="FILE")
    push.add_argument("--to", choices=sorted(models.PREFIXES), default="models", help="models if not given")
    push.add_argument(
        "--folder",
        metavar="FOLDER",
        help=f"ComfyUI's folder under models/; {models.DEFAULT_FOLDER} if not given; one of {', '.join(FOLDERS)}",
    )
    push.add_argument(
        "--replace", action="store_true", help="put the file in the place of another of its name"
    )
    actions.add_parser("list", parents=[common], help="models and LoRAs: name, size, SHA-256, age")
    actions.add_parser("verify", parents=[common], help="read all of them back and compare their SHA-256")


def _add_machines(commands: Any, common: argparse.ArgumentParser) -> None:
    waiting = commands.add_parser(
        "wait",
        parents=[common],
        help="wait until a machine says that it is ready",
        epilog=WAIT_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    waiting.add_argument("role", choices=sorted(machines.OUTPUTS))
    waiting.add_argument("--instance", required=True, metavar="ID", help="the EC2 instance meant")
    waiting.add_argument("--minutes", required=True, type=_minutes, metavar="N", help="give up after so long")
    for command, told in (("start", "start a machine that sleeps"), ("stop", "put a machine to sleep")):
        switch = commands.add_parser(command, parents=[common], help=f"{told}, and wait until it is so")
        switch.add_argument("role", choices=sorted(machines.OUTPUTS))


def _add_deploy(commands: Any, common: argparse.ArgumentParser) -> None:
    deploying = commands.add_parser(
        "deploy",
        parents=[common],
        help="roll a release out on the running backend without a lost request, or back",
        description=DEPLOY_ABOUT,
        epilog=DEPLOY_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    deploying.add_argument("role", choices=["backend"])
    deploying.add_argument("ref", nargs="?", metavar="REF", help="tag, branch or commit of the repository")
    deploying.add_argument("--rollback", action="store_true", help="the release before the present one")


def _add_images(commands: Any, common: argparse.ArgumentParser) -> None:
    baking = commands.add_parser(
        "bake",
        parents=[common],
        help="make a machine image of a machine that is ready; it reboots",
        description=BAKE_ABOUT,
        epilog=BAKE_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    baking.add_argument("role", choices=sorted(images.SETTINGS))
    group = commands.add_parser("images", parents=[common], help="list and delete baked machine images")
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", parents=[common], help="image, role, state, age, disk, whether it is used")
    gone = actions.add_parser("delete", parents=[common], help="remove an image and its snapshots")
    gone.add_argument("image", metavar="AMI")


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes <= 24 * 60:
        raise argparse.ArgumentTypeError(f'"{text}" is no number of minutes above 0 and up to 1440')
    return minutes


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
