"""The lock of a stack, `locks/<stack>.json` in Git: what dev has passed its smoke test with, and what prod is made from.

Imports neither Pulumi nor AWS; `ops lock` and `ops promote` write the files (decision 20).
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

import contract

ROOT = Path(__file__).parent
FOLDER = ROOT / "locks"
IMAGE_SETTINGS = ("mlServer", "backend")
"""Groups of settings whose `amiId` a lock gives; the keys of its images, and of the output imageIds."""
WORKFLOWS = "app/workflows"
PACKAGES = (
    "requirements.lock",
    "training/requirements.lock",
    "app/backend/package-lock.json",
    "app/frontend/package-lock.json",
)
VERSIONS = "cloud_init/versions.env"
NODE_PACKS = ("MANAGER", "CONTROLNET_AUX", "COMFYROLL")
"""Whose `<name>_REF` in versions.env is the commit of a node pack."""


class LockBroken(Exception):
    """A lock can't be used; the message names the file, what is wrong, and what to do."""


class Model(BaseModel):
    """Every key is known, and nothing is converted."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=to_camel, validate_by_name=True
    )


class Passed(Model):
    """The smoke test that it passed: when, and in how many seconds each picture came."""

    at: str
    text_seconds: float
    sketch_seconds: float


class Lock(Model):
    """What a stack runs, whole.

    images: machine image by group of settings; versions: each line of versions.env; nodes: commit by node pack;
    workflows, packages: SHA-256 by path. promoted_from: the stack that has passed with it, when this one is made from
    it; before: what this stack was made from until then, as `ops promote --rollback` brings it back.
    """

    stack: str
    region: str
    commit: str
    passed: Passed
    images: dict[str, str]
    versions: dict[str, str]
    nodes: dict[str, str]
    workflows: dict[str, str]
    packages: dict[str, str]
    promoted_from: str | None = None
    promoted_at: str | None = None
    before: "Lock | None" = None

    def files(self) -> dict[str, dict[str, str]]:
        """The part that a checkout alone decides."""
        return {name: getattr(self, name) for name in ("versions", "nodes", "workflows", "packages")}


def path_of(stack: str, folder: Path | None = None) -> Path:
    """Where a stack's lock lies: in `locks/`, if nothing else is said."""
    return (folder or FOLDER) / f"{stack}.json"


def read(stack: str, folder: Path | None = None) -> Lock | None:
    """The stack's lock; None when it has none. Raises LockBroken."""
    path = path_of(stack, folder)
    if not path.is_file():
        return None
    try:
        found = Lock.model_validate_json(path.read_text())
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in error.errors()
        )
        raise LockBroken(f"locks/{path.name} is no lock ({faults}): take it from Git again") from error
    if found.stack != stack:
        raise LockBroken(f"locks/{path.name} is the lock of {found.stack}: take it from Git again")
    return found


def write(lock: Lock, folder: Path | None = None) -> Path:
    """Write it whole or not at all."""
    path = path_of(lock.stack, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    document = lock.model_dump(by_alias=True, exclude_none=True)
    draft.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
    draft.replace(path)
    return path


def followed(stack: str, folder: Path | None = None) -> Lock | None:
    """The lock that the stack is made from: one that was promoted to it. Its own record of a test is none."""
    found = read(stack, folder)
    return found if found and found.promoted_from else None


def laid_over(lock: Lock, raw: Mapping[str, str]) -> dict[str, str]:
    """The stack's config with what its lock says: machine images, and the branch that promotion moves.

    raw: as the engine hands it over. Raises LockBroken when the stack file gives a machine image too.
    """
    groups = {name: _group(raw, name) for name in (*IMAGE_SETTINGS, "repository")}
    for name in IMAGE_SETTINGS:
        if groups[name].get("amiId") not in (None, lock.images.get(name)):
            raise LockBroken(
                f"sd-app:{name}.amiId stands in Pulumi.{lock.stack}.yaml and in locks/{lock.stack}.json, which is what "
                f"{lock.promoted_from} has passed with: take it out of the stack file, set it for {lock.promoted_from}, "
                f"and promote that"
            )
        if name in lock.images:
            groups[name]["amiId"] = lock.images[name]
    groups["repository"] |= {"branch": lock.stack, "ref": lock.stack}
    over = {f"{contract.PROJECT}:{name}": json.dumps(group) for name, group in groups.items()}
    return {**raw, **over}


def _group(raw: Mapping[str, str], name: str) -> dict[str, Any]:
    try:
        value = json.loads(raw.get(f"{contract.PROJECT}:{name}", "{}"))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise LockBroken(f"{contract.PROJECT}:{name} is not a group of settings")
    return dict(value)  # pyright: ignore[reportUnknownArgumentType]  # JSON


def of_checkout(root: Path = ROOT) -> dict[str, dict[str, str]]:
    """What a checkout decides, as `Lock.files` has it."""
    workflows = sorted(path.relative_to(root).as_posix() for path in (root / WORKFLOWS).glob("*.json"))
    return of_files(lambda name: (root / name).read_bytes(), workflows)


def of_files(read: Callable[[str], bytes], workflows: Sequence[str]) -> dict[str, dict[str, str]]:
    """The same of any tree, by a function that gives a file's bytes; `workflows`: those that are in it."""
    versions = dict[str, str](re.findall(r'^([A-Z0-9_]+)="(.*)"$', read(VERSIONS).decode(), re.MULTILINE))
    return {
        "versions": versions,
        "nodes": {name: versions.get(f"{name}_REF", "") for name in NODE_PACKS},
        "workflows": {name: _hash(read(name)) for name in workflows},
        "packages": {name: _hash(read(name)) for name in PACKAGES},
    }


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def difference(before: Lock | None, after: Lock) -> list[tuple[str, str, str]]:
    """What changes from one lock to the other: what it is (`images.mlServer`), then, now; empty text for nothing."""
    old, new = _flat(before), _flat(after)
    return [
        (key, old.get(key, ""), new.get(key, ""))
        for key in dict.fromkeys([*new, *old])
        if old.get(key) != new.get(key)
    ]


def _flat(lock: Lock | None) -> dict[str, str]:
    if lock is None:
        return {}
    groups = {"images": lock.images, **lock.files()}
    flat = {f"{group}.{name}": value for group, values in groups.items() for name, value in values.items()}
    return {"commit": lock.commit, "region": lock.region, **flat}
