"""The life of one sandbox resource on a moto server, as a table row describes it; and that server."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.request import Request, urlopen

from moto.server import ThreadedMotoServer

from sandbox.aws.faithful import digest
from sandbox.aws.table import Aws, Props, ResourceType, Store

ACCOUNT = "123456789012"
TAGS = {"tagsAll": {"Project": "sd-app", "Stack": "test"}}
NEW_TAGS = {"tagsAll": {"Project": "sd-app", "Owner": "studio"}}


def types_of(*modules: ModuleType) -> dict[str, ResourceType]:
    """The resource types of service modules, by the last part of their tokens."""
    return {one.token.rsplit(":", 1)[1]: one for module in modules for one in module.RESOURCES}


def policy(action: str) -> str:
    """A policy that allows one action."""
    statement = {"Effect": "Allow", "Action": [action], "Resource": ["*"]}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@contextmanager
def moto_server(folder: Path) -> Generator[Aws]:
    """An emulator of its own on a free port of this machine, with a store in the folder; empty at the start."""
    os.environ.setdefault("AWS_ACCESS_KEY_ID", "test")
    os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "test")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        # moto's state is the process's: what another test's server was told is still there.
        with urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")) as answer:
            answer.read()
        yield Aws(
            endpoint=f"http://{host}:{port}",
            region="us-east-1",
            account=ACCOUNT,
            store=Store(folder / "store"),
        )
    finally:
        server.stop()


@dataclass(frozen=True, kw_only=True)
class Life:
    """What to declare, what to change in place, and what to change behind the declaration's back.

    tamper: does it; seen: the property in which the next reading must show it.
    """

    name: str
    inputs: Props
    changes: Props = field(default_factory=dict[str, Any])
    outputs: Props = field(default_factory=dict[str, Any])
    tamper: Callable[[Aws, str], object] | None = None
    seen: str = ""
    marks: frozenset[str] = frozenset()
    """What moto shows otherwise than declared, so that the store must remember it. Whatever else is marked would
    hide that a call changes nothing."""
    lost: frozenset[str] = frozenset()
    """Of these, what moto shows nothing of, so that a change of it shows nothing either."""
    leaves: Props | None = None
    """What is read after the deletion; None: nothing, the normal case."""


def declared(inputs: Props, found: Props) -> Props:
    """The part of a reading that was declared."""
    return {key: found.get(key, "missing") for key in inputs}


def marks(aws: Aws, resource: ResourceType, id: str) -> Props:
    """The properties of a resource that the store remembers, with a digest of what moto shows instead."""
    return aws.store.get(resource.token, f"{aws.region} {id}") or {}


def live(aws: Aws, resource: ResourceType, life: Life) -> None:
    """Create, read, update, read, tamper, read, repair, delete, read, delete again."""
    id = resource.create(aws, life.inputs)
    found = resource.read(aws, id, life.inputs)
    assert found is not None, f"{resource.token} is not there after its creation"
    assert declared(life.inputs, found) == life.inputs
    assert declared(life.outputs, found) == life.outputs
    assert resource.read(aws, id, found) == found, "a second reading differs from the first"
    first_marks = marks(aws, resource, id)
    if life.changes:
        found = _change(aws, resource, id, found, life.inputs | life.changes)
    last_marks = marks(aws, resource, id)
    if life.tamper:
        life.tamper(aws, id)
        seen = resource.read(aws, id, found)
        if life.seen:
            assert seen is not None
            assert seen.get(life.seen) != found[life.seen], f"the change of {life.seen} goes unseen"
            _change(aws, resource, id, seen, life.inputs | life.changes)
    marked = first_marks.keys() | last_marks.keys()
    assert marked == life.marks, f"moto shows {marked - life.marks} otherwise than declared"
    for key in (last_marks.keys() & life.changes.keys()) - life.lost:
        shown_before = first_marks[key]["seen"] if key in first_marks else digest(life.inputs.get(key))
        assert last_marks[key]["seen"] != shown_before, f"the update of {key} did not reach moto"
    resource.delete(aws, id, found)
    assert resource.read(aws, id, found) == life.leaves, f"{resource.token} outlives its deletion"
    resource.delete(aws, id, found)
    assert not aws.store.all(resource.token), "the store keeps a record of what is gone"


def _change(aws: Aws, resource: ResourceType, id: str, old: Props, wanted: Props) -> Props:
    """Update to the wanted inputs, and read them back."""
    assert resource.update is not None, f"{resource.token} has no update"
    resource.update(aws, id, old, old | wanted)
    found = resource.read(aws, id, old | wanted)
    assert found is not None
    assert declared(wanted, found) == wanted
    return found
