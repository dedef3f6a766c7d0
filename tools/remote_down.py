"""The end of a stack on AWS: what must not go is asked for by name, and what is left is told."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from tools.engine import Engine
from tools.progress import say
from tools.remote_stack import RemoteFailed

ASK = """stack {stack} has data that is protected, and stays in the account and in the stack's state:
    {data}
  All else goes: machines, addresses, queues, the page, the alarms. `make up STACK={stack}` makes that again around the data.
  Type the stack's name to go on: """
NOT_NAMED = "{typed!r} is not {stack}; nothing was changed"


def take_down(engine: Engine, root: Path, ask: Callable[[str], str] | None = None, *words: str) -> int:
    """Destroy all that may go, with the CLI's own questions; then tell what is left. The exit status.

    Protected data is no matter of a `y`: the stack's name must be typed. Raises RemoteFailed when it is another.
    """
    protected = [one for one in _resources(engine) if one.get("protect")]
    options: list[str] = []
    if protected:
        _must_be_named(engine.stack, protected, ask or _typed)
        options = ["--exclude-protected"]
    status = engine.show("destroy", *options, *words)
    return status or tell_what_is_left(engine, root)


def tell_what_is_left(engine: Engine, root: Path) -> int:
    """`ops leftovers` where the engine worked, with what the state still knows."""
    resources = _resources(engine)
    known = {"protected": _ids(one for one in resources if one.get("protect")), "known": _ids(resources)}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(known, file)
        file.flush()
        command = [sys.executable, "-m", "ops", "--stack", engine.stack, "leftovers", "--state", file.name]
        status = subprocess.run(command, cwd=root, env=dict(engine.env)).returncode
    if status:
        say(f"  what is left could not be looked at; later: python -m ops --stack {engine.stack} leftovers")
    return status


def _resources(engine: Engine) -> list[dict[str, Any]]:
    deployment: dict[str, Any] = json.loads(engine.ask("stack", "export")).get("deployment") or {}
    return deployment.get("resources") or []


def _ids(resources: Iterable[dict[str, Any]]) -> list[str]:
    """Ids and ARNs, by which the scan knows them."""
    both = [(one.get("id"), one.get("outputs", {}).get("arn")) for one in resources]
    return sorted({str(value) for pair in both for value in pair if value})


def _must_be_named(stack: str, protected: list[dict[str, Any]], ask: Callable[[str], str]) -> None:
    data = "\n    ".join(
        f"{str(one['type']).rpartition(':')[2].lower()} {one.get('id')}" for one in protected
    )
    typed = ask(ASK.format(stack=stack, data=data)).strip()
    if typed != stack:
        raise RemoteFailed(NOT_NAMED.format(typed=typed, stack=stack))


def _typed(question: str) -> str:
    """What a person types; nothing when nobody is there."""
    try:
        return input(question)
    except EOFError:
        return ""
