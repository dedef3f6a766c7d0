"""Property values as the engine sends them: decoded, with secrets and unknowns still marked, and encoded again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard, cast

from google.protobuf import json_format, struct_pb2

SIGNATURE = "4dabf18193072939515e22adb298388d"
SECRET = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT = "d0e6a833031e9bbcd3f4e8bde6ca49a4"
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""The engine's marks, as pulumi.runtime.rpc spells them (they are private there)."""

SECRET_MIN = 8
"""A shorter secret found inside another value is taken for chance."""


class Unknown:
    """A value that only the deployment will tell."""

    def __repr__(self) -> str:
        return "<unknown>"


UNKNOWN = Unknown()


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """Whether it's an object (a bare isinstance would leave its keys and values without a type)."""
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """Whether it's a list."""
    return isinstance(value, list)


@dataclass(frozen=True)
class Secret:
    """A value that must never be shown."""

    value: Any


def decode(struct: struct_pb2.Struct) -> dict[str, Any]:
    """A struct as Python values. Absent and null are the same to a resource: top-level nulls are left out."""
    found = json_format.MessageToDict(struct)
    return {key: _decoded(value) for key, value in found.items() if value is not None}


def _decoded(value: Any) -> Any:
    if is_object(value):
        items = value
        mark = items.get(SIGNATURE)
        if mark == SECRET:
            return Secret(_decoded(items["value"]))
        if mark == OUTPUT:
            inner = _decoded(items["value"]) if "value" in items else UNKNOWN
            return Secret(inner) if items.get("secret") else inner
        return {key: _decoded(one) for key, one in items.items()}
    if is_list(value):
        return [_decoded(one) for one in value]
    if value == UNKNOWN_TEXT:
        return UNKNOWN
    return int(value) if isinstance(value, float) and value.is_integer() else value


def encode(properties: Mapping[str, Any]) -> struct_pb2.Struct:
    """The struct that the engine takes."""
    struct = struct_pb2.Struct()
    struct.update({key: _encoded(value) for key, value in properties.items()})
    return struct


def _encoded(value: Any) -> Any:
    if isinstance(value, Secret):
        return {SIGNATURE: SECRET, "value": _encoded(value.value)}
    if isinstance(value, Unknown):
        return UNKNOWN_TEXT
    if is_object(value):
        return {key: _encoded(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_encoded(one) for one in cast(Iterable[Any], value)]
    return value


def _map(value: Any, change: Callable[[Any], Any]) -> Any:
    """The value with `change` applied to every node, the outermost first."""
    value = change(value)
    if is_object(value):
        return {key: _map(one, change) for key, one in value.items()}
    if is_list(value):
        return [_map(one, change) for one in value]
    return value


def plain(value: Any) -> Any:
    """The value without its secrecy, for what talks to AWS."""

    def bare(one: Any) -> Any:
        while isinstance(one, Secret):
            one = one.value
        return one

    return _map(value, bare)


def has(value: Any, kind: type) -> bool:
    """Whether a value of the kind (Secret, Unknown) is anywhere in it."""
    if isinstance(value, kind):
        return True
    if isinstance(value, Secret):
        return has(value.value, kind)
    if is_object(value):
        return any(has(one, kind) for one in value.values())
    return is_list(value) and any(has(one, kind) for one in value)


def secret_texts(value: Any, inside: bool = False) -> set[str]:
    """Every text that is secret or part of a secret value."""
    if isinstance(value, Secret):
        return secret_texts(value.value, True)
    if is_object(value):
        return {text for one in value.values() for text in secret_texts(one, inside)}
    if is_list(value):
        return {text for one in value for text in secret_texts(one, inside)}
    return {value} if inside and isinstance(value, str) and len(value) >= SECRET_MIN else set()


def _contains(value: Any, texts: set[str]) -> bool:
    if is_object(value):
        return any(_contains(one, texts) for one in value.values())
    if is_list(value):
        return any(_contains(one, texts) for one in value)
    return isinstance(value, str) and any(text in value for text in texts)


def keep_secret(outputs: Mapping[str, Any], *sources: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs, secret where the property of that name was, or where a secret's text turns up."""
    names = {key for source in sources for key, value in source.items() if has(value, Secret)}
    texts = {text for source in sources for text in secret_texts(dict(source))}
    return {
        key: Secret(value) if not has(value, Secret) and (key in names or _contains(value, texts)) else value
        for key, value in outputs.items()
    }
