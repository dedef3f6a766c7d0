"""What service modules share: resources that give back what was declared, and AWS's ways of spelling it.

moto loses some of what it is told, and words other parts in its own way. So a resource whose reading differs from its
declaration leaves a mark in the store: what was declared, and a digest of what moto showed right then. As long as
moto shows the same, the declaration stands; a change behind Pulumi's back shows something else and is reported.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.aws.table import Aws, Partial, Props, ResourceType, absent

Finish = Callable[[Aws, str, Props], None]
"""What is left to do once a resource exists: a failure here leaves it half made."""

ALWAYS = frozenset({"id", "region", "tags", "tagsAll"})
"""Inputs that every resource may have; the provider deals with them."""


def digest(value: Any) -> str:
    """Short fingerprint of a JSON value."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def faithful(
    base: ResourceType,
    *,
    takes: str,
    keeps: Mapping[str, Any] | None = None,
    secret: Iterable[str] = (),
    finish: Finish | None = None,
) -> ResourceType:
    """The type with its inputs guarded and its declarations kept.

    takes: names of the inputs that it acts on, apart from ALWAYS. keeps: inputs that AWS or moto has no place for, and
    their value when nobody declares one. secret: of these the store holds digests only. An input in neither is refused.
    """
    kept = dict(keeps or {})
    known = {*takes.split(), *kept} | ALWAYS
    hidden = frozenset(secret)

    def create(aws: Aws, inputs: Props) -> str:
        _refuse_unknown(base.token, inputs.keys() - known)
        id = base.create(aws, inputs)
        try:
            if finish:
                finish(aws, id, inputs)
            _mark(aws, id, inputs, inputs.keys() - ALWAYS, {})
        except (ClientError, BotoCoreError, ValueError) as error:
            raise Partial(id=id, reason=str(error)) from error
        return id

    def seen(aws: Aws, id: str, last: Props) -> Props | None:
        found = base.read(aws, id, last)
        return None if found is None else {**kept, **found}

    def read(aws: Aws, id: str, last: Props) -> Props | None:
        found = seen(aws, id, last)
        if found is None:
            return None
        marks = aws.store.get(base.token, _key(aws, id)) or {}
        return {**found, **_declared(marks, found, last)}

    def update(aws: Aws, id: str, old: Props, new: Props) -> None:
        changed = {key for key in {*old, *new} if new.get(key) != old.get(key)}
        _refuse_unknown(base.token, (changed & new.keys()) - known)
        if base.update:
            base.update(aws, id, old, new)
        marks = aws.store.get(base.token, _key(aws, id)) or {}
        _mark(aws, id, new, (changed & known) - ALWAYS, marks)

    def delete(aws: Aws, id: str, last: Props) -> None:
        try:
            base.delete(aws, id, last)
        except ClientError as error:
            if not absent(error):
                raise
        aws.store.delete(base.token, _key(aws, id))

    def _mark(aws: Aws, id: str, declared: Props, keys: Iterable[str], marks: Props) -> None:
        found = seen(aws, id, declared)
        if found is None:
            raise ValueError(f"{base.token} {id} cannot be read after it was written")
        marks = {key: mark for key, mark in marks.items() if key not in set(keys)}
        for key in declared.keys() & set(keys):
            if found.get(key) != declared[key]:
                value = {"digest": digest(declared[key])} if key in hidden else {"value": declared[key]}
                marks[key] = {"seen": digest(found.get(key)), **value}
        if marks:
            aws.store.put(base.token, _key(aws, id), marks)
        else:
            aws.store.delete(base.token, _key(aws, id))

    return replace(
        base,
        create=create,
        read=read,
        update=update if base.update else None,
        delete=delete,
        takes=frozenset(known),
    )


def _key(aws: Aws, id: str) -> str:
    return f"{aws.region} {id}"


def _refuse_unknown(token: str, names: Iterable[str]) -> None:
    if left := sorted(names):
        raise ValueError(
            f"{token}: the sandbox does not know what to do with {', '.join(left)}; leave it out, or teach it in sandbox/aws"
        )


def _declared(marks: Props, found: Props, last: Props) -> Props:
    """The marked properties that still show what they showed when they were declared, as declared."""
    stands: Props = {}
    for key, mark in marks.items():
        if mark["seen"] != digest(found.get(key)):
            continue
        if "value" in mark:
            stands[key] = mark["value"]
        elif digest(last.get(key)) == mark["digest"]:
            stands[key] = last[key]
    return stands


def found_or_none(call: Callable[..., Any], **arguments: Any) -> Any:
    """A call's answer; None when AWS says that what it asks for isn't there."""
    try:
        return call(**arguments)
    except ClientError as error:
        if absent(error):
            return None
        raise


def present(**arguments: Any) -> Props:
    """The arguments that have a value: AWS takes a missing one for its default, and None for a mistake."""
    return {key: value for key, value in arguments.items() if value is not None and value != ""}


def outward(value: Any, names: Mapping[str, str] | None = None) -> Any:
    """Nested Pulumi names (`httpPort`) as AWS spells them (`HttpPort`); `names` has the exceptions."""
    known = names or {}
    return _renamed(value, lambda key: known.get(key, key[:1].upper() + key[1:]))


def inward(value: Any, names: Mapping[str, str] | None = None) -> Any:
    """AWS's names as Pulumi's; `names` is the one given to `outward`. What is None is left out."""
    known = {theirs: ours for ours, theirs in (names or {}).items()}
    return _renamed(value, lambda key: known.get(key, key[:1].lower() + key[1:]))


def _renamed(value: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        items = cast(dict[str, Any], value)
        return {rename(key): _renamed(item, rename) for key, item in items.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_renamed(item, rename) for item in cast(Iterable[Any], value)]
    return value


def tag_list(tags: Mapping[str, str] | None) -> list[dict[str, str]]:
    """Tags as most services want them."""
    return [{"Key": key, "Value": value} for key, value in sorted((tags or {}).items())]


def tag_map(tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Tags as Pulumi has them."""
    return {tag["Key"]: tag["Value"] for tag in tags or ()}


def retag(
    old: Props, new: Props, add: Callable[[dict[str, str]], Any], remove: Callable[[list[str]], Any]
) -> None:
    """Bring a resource's tags from the old `tagsAll` to the new one with as few calls as possible."""
    before: dict[str, str] = old.get("tagsAll") or {}
    after: dict[str, str] = new.get("tagsAll") or {}
    if stale := sorted(before.keys() - after.keys()):
        remove(stale)
    if fresh := {key: value for key, value in after.items() if before.get(key) != value}:
        add(fresh)
