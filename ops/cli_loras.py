"""The command line of `ops loras`."""

import argparse
from pathlib import Path
from typing import Any

from ops import cli_training, lora_list, loras
from ops.stack import Stack
from training.publish import PublishArgs

EXAMPLES = """\
A style is an alias for one of its versions. Versions never change, and nothing
here deletes a file. A file that came by `aws s3 sync` is a style by its name.

examples:
  python -m ops loras list                        published, synced, offered
  python -m ops loras show Indochine
  python -m ops --stack dev loras train Indochine --trigger indochine_room --images ~/indochine
  python -m ops loras publish indochine.safetensors --style Indochine --trigger indochine
  python -m ops loras promote Indochine-v2        designers get it from now on
  python -m ops loras rollback Indochine          the version before again
  python -m ops loras retire Indochine            designers get it no more
  python -m ops loras promote Indochine           … and again
"""


def add_parser(commands: Any, common: argparse.ArgumentParser) -> None:
    """`loras` and its actions, as a part of the whole command line."""
    group = commands.add_parser(
        "loras",
        parents=[common],
        help="styles: train, publish, list; which version designers get",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = group.add_subparsers(dest="action", required=True, metavar="ACTION")
    cli_training.add_actions(actions, common)
    made = {
        name: actions.add_parser(name, parents=[common], help=told, description=told)
        for name, told in (
            ("publish", "a LoRA's file becomes the next version of its style"),
            ("list", "all styles and their versions: which one designers get, and how far each has come"),
            ("show", "all that is known of a style or of one version"),
            (
                "promote",
                "let designers get this version; of a style: its newest, or the one that it was retired with",
            ),
            ("retire", "take a style from designers; its files stay, `promote` brings it back"),
            ("rollback", "let designers get the version before again"),
        )
    }
    for name in ("show", "promote"):
        made[name].add_argument("name", metavar="NAME", help="a style, or one of its versions")
    for name in ("retire", "rollback"):
        made[name].add_argument("name", metavar="STYLE")
    _add_publish(made["publish"])


def _add_publish(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--style", required=True, metavar="NAME", help="without a version; the next number is given"
    )
    parser.add_argument("--title", default="", metavar="TEXT", help="as designers see it; NAME if not given")
    parser.add_argument("--trigger", default="", metavar="WORD", help="the server puts it before each prompt")
    parser.add_argument("--strength", type=float, metavar="N", help="recommended strength, up to 2")
    parser.add_argument("--thumbnail", type=Path, metavar="FILE", help="a picture of the style, of any size")
    parser.add_argument(
        "--promote", action="store_true", help="designers get it at once, in place of the version before"
    )


def run(args: argparse.Namespace, stack: Stack, json: bool) -> int:
    """Do what the command line says; the exit status."""
    match args.action:
        case action if action in cli_training.ACTIONS:
            return cli_training.run(args, stack, json)
        case "list":
            return lora_list.run(stack, json=json)
        case "show":
            return lora_list.show(stack, args.name, json=json)
        case "publish":
            return loras.publish(stack, _publish(args), json=json)
        case "promote":
            return loras.promote(stack, args.name, json=json)
        case "retire":
            return loras.retire(stack, args.name, json=json)
        case _:
            return loras.rollback(stack, args.name, json=json)


def _publish(args: argparse.Namespace) -> PublishArgs:
    return PublishArgs(
        file=args.file,
        style=args.style,
        title=args.title,
        trigger_word=args.trigger,
        recommended_strength=args.strength,
        thumbnail=args.thumbnail,
        promote=args.promote,
    )
