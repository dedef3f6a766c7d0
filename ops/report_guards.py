"""What the guardrails (policy/) say about what a change would make."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ops.report_changes import SECRET, UNKNOWN, Preview, State
from policy import rules
from policy.rules import GUARDS, Resource

PROVIDER = "pulumi:providers:aws"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A fault. `new`: the stack as it is has it not."""

    guard: str
    text: str
    new: bool


def findings(preview: Preview, keeps_data: bool) -> list[Finding]:
    """The faults of all resources as they would be, new ones first."""
    before, after = _faults(preview.before(), keeps_data), _faults(preview.after(), keeps_data)
    if not preview.whole:  # the lock of an unchanged bucket is not among the resources
        after = [fault for fault in after if fault[0] not in ("every-bucket-locked", "tags")]
    found = [Finding(guard=guard, text=text, new=(guard, text) not in before) for guard, text in after]
    return sorted(found, key=lambda one: (not one.new, one.guard, one.text))


def _faults(states: list[State], keeps_data: bool) -> list[tuple[str, str]]:
    tags = {one.urn: _tags(one) for one in states if one.token == PROVIDER}
    resources = [_resource(one, tags, keeps_data) for one in states if one.custom]
    found = [
        (guard.name, f"{one.name}: {fault}")
        for one in resources
        for guard in GUARDS
        for fault in guard.check(one)
    ]
    return [*found, *(("every-bucket-locked", fault) for fault in rules.bucket_without_locks(resources))]


def _resource(one: State, tags: Mapping[str, Mapping[str, str] | None], keeps_data: bool) -> Resource:
    secret = set[str]()
    inputs = _plain(one.inputs, "", secret)
    return Resource(
        token=one.token,
        name=one.urn.rpartition("::")[2],
        inputs=inputs,
        tags=tags.get(one.provider),
        secrets=frozenset(secret),
        protect=one.protect,
        keeps_data=keeps_data,
    )


def _tags(provider: State) -> Mapping[str, str] | None:
    """Default tags; the engine hands them over as JSON."""
    given = provider.inputs.get("defaultTags")
    found: Any = json.loads(given) if isinstance(given, str) and given.startswith("{") else given
    return cast(dict[str, Any], found).get("tags") if isinstance(found, dict) else None


def _plain(value: Any, path: str, secret: set[str]) -> Any:
    """The value with the guardrails' own mark for what is not known yet; paths of secrets are put into `secret`."""
    if isinstance(value, Mapping):
        items = cast(Mapping[str, Any], value).items()
        return {key: _plain(one, f"{path}.{key}" if path else key, secret) for key, one in items}
    if isinstance(value, list):
        return [_plain(one, f"{path}[{at}]", secret) for at, one in enumerate(cast(list[Any], value))]
    if value == SECRET:
        secret.add(path)
    return rules.UNKNOWN if isinstance(value, str) and UNKNOWN in value else value
