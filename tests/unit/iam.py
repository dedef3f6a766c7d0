"""Evaluates IAM statements as AWS matches them: wildcards in actions and resources, case in actions folded.

Conditions are left out on purpose: what a statement might allow under some condition counts as allowed here, so the
answer errs on the side of danger. Source: docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast


def might_allow(statement: Mapping[str, Any], action: str, arn: str) -> bool:
    """Whether the statement could let its holder do `action` on `arn`."""
    if statement["Effect"] != "Allow":
        return False
    acts = any(_matches(pattern.lower(), action.lower()) for pattern in _list(statement["Action"]))
    return acts and any(_matches(pattern, arn) for pattern in _list(statement["Resource"]))


def reaches(statement: Mapping[str, Any], arns: Iterable[str]) -> list[str]:
    """Those of the ARNs that the statement could touch with any of its own actions."""
    actions = [re.sub(r"[*?]", "x", action) for action in _list(statement["Action"])]
    return [arn for arn in arns if any(might_allow(statement, action, arn) for action in actions)]


def _list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(cast(list[str], value))


def _matches(pattern: str, text: str) -> bool:
    """`*` is any run of characters, colons and slashes too; `?` is one."""
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL) is not None
