"""The command line of `ops loras train`, `follow` and `stop`."""

import argparse
from pathlib import Path
from typing import Any

from ops import train
from ops.stack import Stack

ACTIONS = ("train", "follow", "stop")
ABOUT = """\
A folder of pictures becomes a style, by a training job on SageMaker: no
notebook is opened. Settings, pictures, role, image, base model and quota are
looked at first. Ctrl-C leaves the job running.
"""
EXAMPLES = """\
examples:
  python -m ops --stack dev loras train Indochine --trigger indochine_room --images ~/indochine
  python -m ops --stack dev loras train Indochine --trigger indochine_room --images ~/indochine \\
      --steps 2000 --set rank=32 --max-dollars 3 --yes
  python -m ops --stack dev loras follow sd-app-dev-indochine-20261128-101500
  python -m ops --stack dev loras train --resume sd-app-dev-indochine-20261128-101500

The result (style, comparison of its epochs and strengths, loss) lies in trained/JOB/.
"""


def add_actions(actions: Any, common: argparse.ArgumentParser) -> None:
    """`train`, `follow` and `stop`, as actions of `loras`."""
    training = actions.add_parser(
        "train",
        parents=[common],
        help="make a style of a folder of pictures, on SageMaker",
        description=ABOUT,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    training.add_argument(
        "name", nargs="?", default="", metavar="NAME", help="the style's name, without a version"
    )
    training.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="pictures of the style, 15 to 50 are good; any sizes from 512",
    )
    training.add_argument(
        "--trigger", metavar="WORD", help="a word of its own that calls the style, as indochine_room"
    )
    training.add_argument("--steps", metavar="N", help="training steps in all; 1500 if not given")
    training.add_argument(
        "--epochs", metavar="N", help="parts that each end with a saved style; 10 if not given"
    )
    training.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="more",
        help="any other setting, as rank=32",
    )
    training.add_argument(
        "--base", default=train.DEFAULT_BASE, metavar="FILE", help="base model; %(default)s if not given"
    )
    where = training.add_mutually_exclusive_group()
    where.add_argument(
        "--spot", action="store_true", default=None, help="spare capacity, if the stack has it otherwise"
    )
    where.add_argument(
        "--on-demand", action="store_false", dest="spot", help="the full price, without interruptions"
    )
    training.add_argument("--max-minutes", type=float, metavar="N", help="less than the stack allows")
    training.add_argument("--max-dollars", type=float, metavar="N", help="less than the stack allows")
    training.add_argument(
        "--resume", default="", metavar="JOB", help="go on from the checkpoints of a job that has ended"
    )
    _add_end(training)
    again = actions.add_parser("follow", parents=[common], help="see a training job that runs, to its end")
    again.add_argument("job", metavar="JOB")
    _add_end(again)
    ending = actions.add_parser("stop", parents=[common], help="end a training job; its checkpoints stay")
    ending.add_argument("job", metavar="JOB")


def _add_end(parser: argparse.ArgumentParser) -> None:
    """What comes after a job."""
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where the result is put; trained/JOB if not given"
    )
    parser.add_argument("--title", default="", metavar="TEXT", help="as designers see the style")
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument(
        "--yes", action="store_true", default=None, dest="publish", help="publish without asking"
    )
    asked.add_argument("--no", action="store_false", dest="publish", help="do not publish, and do not ask")
    parser.add_argument(
        "--promote", action="store_true", help="designers get it at once, in place of the version before"
    )
    parser.add_argument("--verbose", action="store_true", help="the job's whole log")


def run(args: argparse.Namespace, stack: Stack, json: bool) -> int:
    """Do what the command line says; the exit status."""
    if args.action == "stop":
        return train.stop(stack, args.job)
    if args.action == "follow":
        return train.finish(stack, args.job, _args(args, {}), json=json)
    named = {"trigger": args.trigger, "steps": args.steps, "epochs": args.epochs}
    given = {name: text for name, text in named.items() if text is not None}
    return train.run(stack, _args(args, {**train.options(args.more), **given}), json=json)


def _args(args: argparse.Namespace, settings: dict[str, str]) -> train.TrainArgs:
    given: Any = args
    after = {name: getattr(given, name) for name in ("out", "publish", "promote", "title", "verbose")}
    if args.action == "follow":
        return train.TrainArgs(name="", images=None, settings={}, **after)
    return train.TrainArgs(
        name=given.name,
        images=given.images,
        settings=settings,
        base=given.base,
        resume=given.resume,
        spot=given.spot,
        max_minutes=given.max_minutes,
        max_dollars=given.max_dollars,
        **after,
    )
