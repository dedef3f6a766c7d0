"""What the installed pulumi_aws SDK says of a resource type or a lookup: its inputs, their types, its outputs.

Found by introspection, so it is as true as the SDK that the program is written against.
"""

from __future__ import annotations

import collections.abc
import difflib
import enum
import inspect
import json
import re
import sys
import threading
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any, cast

import pulumi
import pulumi_aws
from pulumi import _types as sdk_types  # pyright: ignore[reportPrivateUsage] # the SDK's names are told nowhere else
from pulumi.runtime import rpc

from sandbox.properties import SIGNATURE, UNKNOWN, Secret, Unknown, has, is_list, is_object, plain

_importing = threading.RLock()
"""The SDK loads its modules lazily: two threads at once could see one half loaded."""

INTERNAL = "__"
"""Prefix of the provider's own notes among a resource's properties."""


class Document:
    """Marks an input that takes a JSON text, or the object that the text is made from."""


class UnknownType(Exception):
    """The SDK has no such token; the message names near ones."""


@dataclass(frozen=True)
class Fault:
    """An input that is wrong: where, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Shape:
    """The properties of an object: name -> type hint; which of them must be given."""

    name: str
    types: dict[str, Any]
    required: frozenset[str]


@dataclass(frozen=True)
class Schema:
    """A resource type as the SDK has it."""

    token: str
    inputs: Shape
    outputs: dict[str, Any]


def near(name: str, known: Iterable[str]) -> str:
    """` (did you mean …?)`, or nothing."""
    by_lower = {one.lower(): one for one in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f" (did you mean {by_lower[found[0]]}?)" if found else ""


def sdk_version() -> str:
    """Version of the installed pulumi_aws."""
    return str(pulumi_aws._utilities.get_version())  # pyright: ignore[reportPrivateUsage] # no public way


@cache
def _classes() -> dict[str, tuple[str, str]]:
    """Type token -> (module, class), from the SDK's own registration with the Pulumi runtime."""
    registered = rpc._RESOURCE_MODULES  # pyright: ignore[reportPrivateUsage] # the public look-up wants a known module
    found: dict[str, tuple[str, str]] = {}
    for key, modules in registered.items():
        if key.startswith("aws:"):
            for module in modules:
                info: dict[str, Any] = getattr(module, "mod_info", {})
                found.update({token: (info["fqn"], name) for token, name in info["classes"].items()})
    return found


@cache
def of(token: str) -> Schema:
    """The schema of a type token. Raises UnknownType."""
    classes = _classes()
    if token not in classes:
        raise UnknownType(f"pulumi_aws {sdk_version()} has no resource type {token}{near(token, classes)}")
    module_name, name = classes[token]
    with _importing:
        resource = getattr(import_module(module_name), name)
    own = sys.modules[resource.__module__]
    inputs = getattr(own, f"{name}InitArgs", None) or getattr(own, f"{name}Args")
    return Schema(token, shape(inputs), _without_id(sdk_types.resource_types(resource)))


def warm(tokens: Iterable[str]) -> None:
    """Load what the SDK says of these types now, so that no request waits for it."""
    for token in tokens:
        of(token)


def _without_id(outputs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: kind for key, kind in outputs.items() if key not in ("id", "urn")}


@cache
def shape(args: type) -> Shape:
    """The properties of an input class."""
    names = sdk_types.input_type_py_to_pulumi_names(args)
    parameters = inspect.signature(args.__init__).parameters.values()
    required = {
        names[one.name] for one in parameters if one.name in names and one.default is inspect.Parameter.empty
    }
    return Shape(args.__name__, sdk_types.input_type_types(args), frozenset(required))


@cache
def provider() -> Shape:
    """The provider's own configuration."""
    return shape(pulumi_aws.ProviderArgs)


@cache
def lookup(token: str) -> Shape:
    """The arguments of a lookup, e.g. `aws:ssm/getParameter:getParameter`. Raises UnknownType."""
    found = re.fullmatch(r"aws:(\w+)(?:/\w+)?:(get\w+)", token)
    module = _lookup_module(found[1]) if found else None
    if not found or module is None:
        raise UnknownType(f"pulumi_aws {sdk_version()} has no lookup {token}")
    name = _snake(found[2])
    function: Callable[..., Any] | None = getattr(module, name, None)
    if function is None:
        raise UnknownType(f"pulumi_aws {sdk_version()} has no lookup {token}{near(name, vars(module))}")
    hints = typing.get_type_hints(function)
    arguments = {
        _camel(one.name): hints[one.name]
        for one in inspect.signature(function).parameters.values()
        if one.name != "opts"
    }
    return Shape(name, arguments, frozenset())


def _lookup_module(area: str) -> types.ModuleType | None:
    for name in ("pulumi_aws",) if area == "index" else (f"pulumi_aws.{area}", f"pulumi_aws.{area}_"):
        try:
            with _importing:
                return import_module(name)
        except ModuleNotFoundError:
            continue
    return None


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def _camel(name: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name)


def check(inputs: Mapping[str, Any], shape: Shape) -> tuple[dict[str, Any], list[Fault]]:
    """The inputs with scalars turned into the types they stand for, and everything that is wrong with them."""
    faults: list[Fault] = []
    return _object(inputs, shape, "", faults), faults


def _object(value: Mapping[str, Any], shape: Shape, path: str, faults: list[Fault]) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    for key, one in value.items():
        if key.startswith(INTERNAL):
            checked[key] = one
            continue
        where = f"{path}.{key}" if path else key
        if key not in shape.types:
            faults.append(Fault(where, f"{shape.name} has no property {key}{near(key, shape.types)}"))
            continue
        checked[key] = _value(one, shape.types[key], where, faults)
    for name in sorted(shape.required - {key for key, one in value.items() if one is not None}):
        where = f"{path}.{name}" if path else name
        faults.append(Fault(where, f"{shape.name} needs {name}, and it is missing"))
    return checked


def _value(value: Any, hint: Any, path: str, faults: list[Fault]) -> Any:
    if value is None or isinstance(value, Unknown):
        return value
    if isinstance(value, Secret):
        return Secret(_value(value.value, hint, path, faults))
    kind = bare(hint)
    origin = typing.get_origin(kind)
    if kind is Document and is_object(value):
        return _text(value)
    if origin is collections.abc.Sequence:
        if not is_list(value):
            faults.append(Fault(path, f"a list is meant, and it is {_said(value)}"))
            return value
        inner = typing.get_args(kind)[0]
        members = enumerate(value)
        return [_value(one, inner, f"{path}[{index}]", faults) for index, one in members]
    if origin is collections.abc.Mapping or (isinstance(kind, type) and sdk_types.is_input_type(kind)):
        return _map_or_object(value, kind, path, faults)
    return _scalar(value, kind, path, faults)


def _text(document: dict[str, Any]) -> Any:
    if has(document, Unknown):
        return UNKNOWN
    text = json.dumps(plain(document))
    return Secret(text) if has(document, Secret) else text


def _map_or_object(value: Any, kind: Any, path: str, faults: list[Fault]) -> Any:
    if not is_object(value):
        faults.append(Fault(path, f"an object is meant, and it is {_said(value)}"))
        return value
    items = value
    if typing.get_origin(kind) is collections.abc.Mapping:
        inner = typing.get_args(kind)[1]
        return {key: _value(one, inner, f"{path}.{key}", faults) for key, one in items.items()}
    return _object(items, shape(kind), path, faults)


def _scalar(value: Any, kind: Any, path: str, faults: list[Fault]) -> Any:
    if kind is Any or kind is pulumi.Asset:
        return value
    if is_list(value) or (is_object(value) and SIGNATURE not in value):
        faults.append(Fault(path, f"a single value is meant, and it is {_said(value)}"))
        return value
    try:
        return _coerced(value, kind)
    except ValueError:
        words = {bool: "true or false", int: "a whole number", float: "a number"}
        faults.append(Fault(path, f"{words[kind]} is meant, and it is {_said(value)}"))
        return value


def _coerced(value: Any, kind: Any) -> Any:
    """A scalar as the type meant, as Pulumi's AWS plugin turns them. Raises ValueError."""
    if kind is bool and not isinstance(value, bool):
        return {"true": True, "false": False}.get(str(value)) if str(value) in ("true", "false") else _no()
    if kind in (int, float):
        if isinstance(value, bool):
            return _no()
        number = float(value)
        if kind is int and not number.is_integer():
            return _no()
        return int(number) if number.is_integer() else number
    if kind is str and isinstance(value, (bool, int, float)):
        return str(value).lower() if isinstance(value, bool) else str(value)
    return value


def _no() -> Any:
    raise ValueError


def _said(value: Any) -> str:
    """A value's kind in words: never the value itself, which may be a secret."""
    names = {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "an object",
    }
    return next(word for kind, word in names.items() if isinstance(value, kind))


def bare(hint: Any) -> Any:
    """The type within Input, Output and Optional: a scalar, an input class, a Sequence or a Mapping; Asset, Any."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        wrappers = (collections.abc.Awaitable, pulumi.Output)
        members = [
            one
            for one in typing.get_args(hint)
            if one is not type(None) and typing.get_origin(one) not in wrappers
        ]
        return _one_of([bare(one) for one in members])
    if origin is collections.abc.Awaitable or origin is pulumi.Output:
        return bare(typing.get_args(hint)[0])
    if origin is dict:
        return Any
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return str
    return cast(Any, hint)


def _one_of(members: list[Any]) -> Any:
    """Of an enum or a text: the text. Of an input class or its TypedDict: the class. Of assets: Asset."""
    if any(one in (pulumi.Asset, pulumi.Archive) for one in members):
        return pulumi.Asset
    classes = [one for one in members if isinstance(one, type) and sdk_types.is_input_type(one)]
    if classes:
        return Document if str in members else classes[0]
    return members[0]
