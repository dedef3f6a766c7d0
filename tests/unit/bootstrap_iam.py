"""IAM as AWS decides it, for the statements that the bootstrap makes: a matching Deny wins, then a matching Allow; with the
conditions that they use. An operator or key that this doesn't know is an error, never a guess.

Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html and …_elements_condition_operators.html.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

TAG = "aws:ResourceTag/Stack"
REQUEST_TAG = "aws:RequestTag/Stack"


@dataclass(frozen=True)
class Request:
    """Somebody wants to do `action` on `arn`; context: condition keys that the service sends along."""

    action: str
    arn: str
    context: Mapping[str, str] = field(default_factory=dict[str, str])


def allowed(statements: Iterable[Mapping[str, Any]], request: Request) -> bool:
    """Whether the request is allowed."""
    matching = [one for one in statements if _applies(one, request)]
    effects = {one["Effect"] for one in matching}
    return "Allow" in effects and "Deny" not in effects


def _applies(statement: Mapping[str, Any], request: Request) -> bool:
    return (
        any(matches(one.lower(), request.action.lower()) for one in _list(statement["Action"]))
        and any(matches(one, request.arn) for one in _list(statement["Resource"]))
        and all(
            _holds(operator, key, _list(values), request.context)
            for operator, keys in cast("dict[str, dict[str, Any]]", statement.get("Condition", {})).items()
            for key, values in keys.items()
        )
    )


def _holds(operator: str, key: str, values: list[str], context: Mapping[str, str]) -> bool:
    given = context.get(key)
    match operator:
        case "StringEquals":
            return given is not None and given in values
        case "StringNotEquals":
            return given is None or given not in values
        case "StringLike":
            return given is not None and any(matches(one, given) for one in values)
        case "Null":
            return (given is None) == (values == ["true"])
        case _:
            raise LookupError(f"condition operator {operator} is not known here")


def matches(pattern: str, text: str) -> bool:
    """`*` is any run of characters, colons and slashes too; `?` is one."""
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(cast("list[str]", value))
