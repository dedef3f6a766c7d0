"""What differs between two sets of properties, and what of it AWS can only change by replacement."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from sandbox import schema
from sandbox.properties import Unknown, is_list, is_object

Kind = Literal["add", "delete", "update"]

EMPTY: tuple[Any, ...] = (None, "", False, 0, [], {})
"""What a property that nobody set looks like."""


@dataclass(frozen=True)
class Change:
    """One property that differs."""

    kind: Kind
    replaces: bool = False


def changes(
    old: Mapping[str, Any], new: Mapping[str, Any], immutable: Iterable[str] = (), every: bool = False
) -> dict[str, Change]:
    """Path (`ingress[0].fromPort`) -> change, for two sets of plain inputs.

    immutable: paths without list indexes. every: each change replaces.
    """
    found: dict[str, Change] = {}
    fixed = frozenset(immutable)
    _object(old, new, "", found)

    def replaces(path: str) -> bool:
        bare = re.sub(r"\[[^\]]*\]", "", path)
        return every or any(
            bare == one or bare.startswith(f"{one}.") or _within(one, bare, path, old, new) for one in fixed
        )

    return {path: Change(one.kind, replaces(path)) for path, one in found.items()}


def _within(fixed: str, bare: str, path: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether what came or went as a whole at `path` has the immutable property inside it."""
    if not fixed.startswith(f"{bare}."):
        return False
    rest = fixed[len(bare) + 1 :].split(".")
    return _reaches(_at(old, path), rest) or _reaches(_at(new, path), rest)


def _at(value: Any, path: str) -> Any:
    for step in re.findall(r"[^.\[\]]+", path):
        if isinstance(value, Mapping):
            value = cast(Mapping[str, Any], value).get(step)
        elif is_list(value):
            members = value
            value = members[int(step)] if int(step) < len(members) else None
    return value


def _reaches(value: Any, steps: list[str]) -> bool:
    if is_list(value):
        return any(_reaches(one, steps) for one in value)
    if not steps:
        return value is not None
    return is_object(value) and _reaches(value.get(steps[0]), steps[1:])


def _step(path: str, key: str) -> str:
    """The path one property deeper, spelled as the engine reads it."""
    if not re.fullmatch(r"[A-Za-z_][\w$-]*", key):
        return f'{path}["{key}"]'
    return f"{path}.{key}" if path else key


def _object(old: Mapping[str, Any], new: Mapping[str, Any], path: str, found: dict[str, Change]) -> None:
    for key in sorted({*old, *new}):
        if not key.startswith(schema.INTERNAL):
            _pair(old.get(key), new.get(key), _step(path, key), found)


def _pair(old: Any, new: Any, path: str, found: dict[str, Change]) -> None:
    if is_object(old) and is_object(new):
        _object(old, new, path, found)
    elif is_list(old) and is_list(new):
        before, after = old, new
        for index in range(max(len(before), len(after))):
            mine, theirs = (one[index] if index < len(one) else None for one in (before, after))
            _pair(mine, theirs, f"{path}[{index}]", found)
    elif not same(old, new):
        found[path] = Change("add" if old is None else "delete" if new is None else "update")


def same(one: Any, other: Any) -> bool:
    """Whether two values mean the same: JSON texts by what they say, `"5"` and 5, `"true"` and true."""
    if isinstance(one, Unknown) or isinstance(other, Unknown):
        return False
    if is_object(one) and is_object(other):
        left, right = one, other
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if is_list(one) and is_list(other):
        mine, theirs = one, other
        return len(mine) == len(theirs) and all(map(same, mine, theirs))
    if one is None or other is None or any(map(is_object, (one, other))) or any(map(is_list, (one, other))):
        return one is None and other is None
    if one == other:
        return isinstance(one, bool) == isinstance(other, bool)
    if _scalar_text(one) == _scalar_text(other):
        return True
    documents = _document(one), _document(other)
    return None not in documents and documents[0] == documents[1]


def _scalar_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _document(text: Any) -> Any:
    """What a JSON text says, or None for what isn't an object or a list in JSON."""
    if not isinstance(text, str) or text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        value: Any = json.loads(text)
    except ValueError:
        return None
    return _policy(value) if is_object(value) and "Statement" in value else value


def _policy(value: Any, key: str = "") -> Any:
    """A policy document in one form: AWS gives a list of one as the one, and keeps no order of actions and the like."""
    if key == "Statement":
        return [_policy(one) for one in _as_list(value)]
    if is_object(value):
        return {name: _policy(one, name) for name, one in value.items()}
    if is_list(value) or key in ("Action", "NotAction", "Resource", "NotResource", "AWS", "Service"):
        return sorted({_scalar_text(one) for one in _as_list(value)})
    return (
        [value]
        if isinstance(value, (str, bool, int)) and key not in ("Version", "Sid", "Id", "Effect")
        else value
    )


def _as_list(value: Any) -> list[Any]:
    return value if is_list(value) else [value]


def shown(declared: Any, actual: Any, hint: Any = Any) -> Any:
    """A declared input as it really is now: the declaration where the two mean the same, else what is there.

    Properties that `actual` doesn't tell of are taken as they were declared; a text-to-text map tells of all. A list in
    another order is the same list: AWS has no order for most of them. hint: the input's type in the SDK.
    """
    kind = schema.bare(hint)
    if actual is None:
        return None if declared not in EMPTY else declared
    if is_object(declared) and is_object(actual):
        wanted, real = declared, actual
        if typing.get_origin(kind) is not None or kind is Any:
            return wanted if same(wanted, real) else real
        return _shown_object(wanted, real, kind)
    if is_list(declared) and is_list(actual):
        inner = typing.get_args(kind)[0] if typing.get_args(kind) else Any
        return _shown_list(declared, actual, inner)
    if same(declared, actual) or (declared in EMPTY and actual in EMPTY):
        return declared
    return actual


def _shown_object(declared: dict[str, Any], actual: dict[str, Any], kind: type) -> dict[str, Any]:
    hints = schema.shape(kind).types
    found = {
        key: shown(value, actual[key], hints.get(key, Any)) if key in actual else value
        for key, value in declared.items()
    }
    return {key: value for key, value in found.items() if value is not None}


def _shown_list(declared: list[Any], actual: list[Any], hint: Any) -> list[Any]:
    if len(declared) == len(actual) and all(
        same(shown(one, other, hint), one) for one, other in zip(declared, actual, strict=True)
    ):
        return declared
    left = list(actual)
    for one in declared:
        match = next((other for other in left if same(shown(one, other, hint), one)), None)
        if match is None:
            return actual
        left.remove(match)
    return actual if left else declared


def joined(declared: Any, actual: Any) -> Any:
    """An output: what is there, in the declaration's own words where it means the same."""
    if is_object(declared) and is_object(actual):
        wanted, real = declared, actual
        return real | {key: joined(wanted[key], real[key]) for key in wanted.keys() & real.keys()}
    if is_list(declared) and is_list(actual):
        mine, theirs = declared, actual
        if len(mine) == len(theirs):
            return [joined(one, other) for one, other in zip(mine, theirs, strict=True)]
        return theirs
    return declared if same(declared, actual) else actual
