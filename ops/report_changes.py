"""What a preview of the engine says (`pulumi preview --json`), resource by resource: what is there, and what it becomes."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from ops.cost_bill import resources_of
from ops.errors import OpsError
from tools.engine_events import PROGRAM_ENDED

SECRET = "[secret]"
"""What the engine writes in the place of a secret."""
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""What the engine writes in the place of a value that is known only after creation (pulumi/sdk, resource/plugin)."""
STEPS: Mapping[str, str] = {
    "create": "create",
    "import": "create",
    "update": "update",
    "replace": "replace",
    "create-replacement": "replace",
    "delete-replaced": "replace",
    "delete": "delete",
    "same": "same",
}
"""Steps of the engine by what they come to for a person; others (`read`, `refresh`) change nothing."""
LAST_WORDS = (PROGRAM_ENDED, "preview failed")
"""Said at the end, when what is wrong was told before."""
OPS = ("replace", "delete", "update", "create")
"""What can happen to a resource, the worst first."""
SIGNS: Mapping[str, str] = {"create": "+", "update": "~", "delete": "-", "replace": "±"}
WORDS: Mapping[str, str] = {"replace": "replaced", "delete": "deleted", "update": "changed", "create": "new"}
STACK = "pulumi:pulumi:Stack"
LONGEST = 40
"""Characters of a value that is shown; of a longer one only that it changes."""


@dataclass(frozen=True, kw_only=True)
class State:
    """A resource as it is, or as it would be."""

    urn: str
    token: str
    custom: bool
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    protect: bool
    retain: bool
    """Deleted from the state alone: what is in AWS stays."""
    provider: str
    """URN of its provider."""
    depends_on: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Change:
    """What happens to a resource: create, update, replace, delete or same. `component`: its part of the stack.

    keys: properties that differ; forced: those of them that make the engine replace it.
    gap: the old one is deleted before the new one is made.
    """

    op: str
    urn: str
    component: str
    old: State | None
    new: State | None
    keys: tuple[str, ...] = ()
    forced: tuple[str, ...] = ()
    gap: bool = False

    @property
    def state(self) -> State:
        """As it would be; of what goes, as it is."""
        found = self.new or self.old
        assert found, self.urn
        return found

    @property
    def token(self) -> str:
        """Its type, as Pulumi names it."""
        return self.state.token

    @property
    def kind(self) -> str:
        """`ec2 instance`."""
        service, _, rest = self.token.removeprefix("aws:").partition("/")
        return f"{service} {rest.partition(':')[0]}" if rest else self.token.rpartition(":")[2]

    @property
    def name(self) -> str:
        """Its logical name, without the stack's prefix: `ml-server` of `sd-app-dev-ml-server`."""
        _, stack, project, *_ = self.urn.replace("::", ":").split(":")[1:]
        return self.urn.rpartition("::")[2].removeprefix(f"{project}-{stack}-")


@dataclass(frozen=True, kw_only=True)
class Preview:
    """All of it. `whole`: what does not change is there too, so that the stack can be counted before and after."""

    stack: str
    config: Mapping[str, str]
    resources: tuple[Change, ...]
    unchanged: int
    errors: tuple[str, ...]
    whole: bool

    @property
    def changes(self) -> list[Change]:
        """What happens, the worst first; components stand for nothing of their own."""
        real = [one for one in self.resources if one.op in OPS and one.state.custom]
        return sorted(real, key=lambda one: (OPS.index(one.op), one.component, one.kind, one.name))

    def before(self) -> list[State]:
        """All that is there now."""
        return [one.old for one in self.resources if one.old]

    def after(self) -> list[State]:
        """All that would be there."""
        return [one.new for one in self.resources if one.new]


def read(text: str) -> Preview:
    """A preview from the engine's JSON. Raises OpsError."""
    digest = _digest(text)
    errors = tuple(_errors(digest))
    listed: list[Mapping[str, Any]] = digest.get("steps") or []
    steps = [one for one in listed if one["op"] in STEPS]
    if not steps and not errors:
        raise OpsError("this preview has no steps: make it by `pulumi preview --json --show-sames`")
    summary: Mapping[str, int] = digest.get("changeSummary") or {}
    config: Mapping[str, Any] = digest.get("config") or {}
    unchanged = summary.get("same", 0)
    resources = _resources(steps)
    return Preview(
        stack=steps[0]["urn"].split(":")[2] if steps else "",
        config={key: str(value) for key, value in config.items()},
        resources=resources,
        unchanged=unchanged,
        errors=errors,
        whole=not unchanged or any(step["op"] == "same" and step["urn"] and _is_real(step) for step in steps),
    )


def _is_real(step: Mapping[str, Any]) -> bool:
    """The engine always tells of the stack itself, changed or not."""
    return f"::{STACK}::" not in str(step["urn"])


def _digest(text: str) -> Mapping[str, Any]:
    # The CLI may say something before it (a warning about its version).
    start = text.find("{")
    try:
        found: Any = json.JSONDecoder().raw_decode(text[start:])[0] if start >= 0 else None
    except ValueError:
        found = None
    if not isinstance(found, dict) or not ({"steps", "diagnostics"} & set(cast(dict[str, Any], found))):
        raise OpsError("this is no preview of Pulumi: make it by `pulumi preview --json --show-sames`")
    return cast(dict[str, Any], found)


def _errors(digest: Mapping[str, Any]) -> Iterator[str]:
    listed: list[Mapping[str, Any]] = digest.get("diagnostics") or []
    told = [one for one in listed if one.get("severity") == "error"]
    said = [one for one in told if not any(word in str(one.get("message")) for word in LAST_WORDS)]
    for one in said or told:
        name = str(one.get("urn", "")).rpartition("::")[2]
        text = str(one.get("message", "")).strip().removeprefix("error: ")
        yield text if not name or name in text else f"{name}: {text}"


def _resources(steps: Iterable[Mapping[str, Any]]) -> tuple[Change, ...]:
    """A replacement may come in three steps: they are one change."""
    by_urn: dict[str, list[Mapping[str, Any]]] = {}
    for step in steps:
        if _is_real(step):
            by_urn.setdefault(step["urn"], []).append(step)
    states = {urn: _either(group) for urn, group in by_urn.items()}
    parts = resources_of(state for state in states.values() if state)
    component = {urn: part.component for urn, part in zip(sorted(states), parts, strict=True)}
    return tuple(_change(urn, group, component[urn]) for urn, group in by_urn.items())


def _either(group: list[Mapping[str, Any]]) -> State | None:
    found = [step.get("newState") or step.get("oldState") for step in group]
    return _state(found[0])


def _change(urn: str, group: list[Mapping[str, Any]], component: str) -> Change:
    ops = {STEPS[str(step["op"])] for step in group}
    op = next((one for one in OPS if one in ops), "same")
    olds = [one for step in group if (one := step.get("oldState"))]
    news = [one for step in group if (one := step.get("newState"))]
    detailed, reasons, forced = (
        _names(group, key) for key in ("detailedDiff", "diffReasons", "replaceReasons")
    )
    return Change(
        op=op,
        urn=urn,
        component=component,
        old=_state(olds[0]) if olds else None,
        new=_state(news[-1]) if news and op != "delete" else None,
        keys=tuple(sorted(detailed or reasons)),
        forced=tuple(sorted(forced)),
        gap=any(one.get("pendingReplacement") for one in olds),
    )


def _names(group: list[Mapping[str, Any]], key: str) -> set[str]:
    """Names of properties in a list, or in a mapping by them."""
    listed: list[list[str]] = [list(step.get(key) or ()) for step in group]
    return {name for names in listed for name in names}


def _state(found: Mapping[str, Any] | None) -> State | None:
    if not found:
        return None
    return State(
        urn=str(found["urn"]),
        token=str(found["type"]),
        custom=bool(found.get("custom")),
        inputs=found.get("inputs") or {},
        outputs=found.get("outputs") or {},
        protect=bool(found.get("protect")),
        retain=bool(found.get("retainOnDelete")),
        provider=str(found.get("provider") or "").rpartition("::")[0],
        depends_on=frozenset(found.get("dependencies") or ()),
    )


def at(inputs: Mapping[str, Any], path: str) -> Any:
    """The value at `rootBlockDevice.volumeSize` or `rules[0].expiration`; None when there is none."""
    value: Any = inputs
    for step in path.replace("[", ".").replace("]", "").split("."):
        if isinstance(value, Mapping):
            value = cast(Mapping[str, Any], value).get(step.strip('"'))
        elif isinstance(value, list) and step.isdigit() and int(step) < len(cast(list[Any], value)):
            value = cast(list[Any], value)[int(step)]
        else:
            return None
    return value


def differences(change: Change) -> list[str]:
    """`instanceType g5.xlarge → g6.xlarge`, those that force a replacement first; long values only by name."""
    keys = sorted(change.keys, key=lambda key: (key.partition(".")[0] not in change.forced, key))
    return [_difference(change, key) for key in keys]


def _difference(change: Change, key: str) -> str:
    if not (change.old and change.new):
        return key
    old, new = (_word(at(state.inputs, key)) for state in (change.old, change.new))
    return f"{key} {old} → {new}" if old and new and old != new else key


def _word(value: Any) -> str:
    """A value in short; empty when it is too long to be read."""
    if value is None:
        return "none"
    if value == UNKNOWN:
        return "(known later)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if not text or isinstance(value, dict | list) or len(text) > LONGEST or UNKNOWN in text:
        return ""
    return f"{value:g}" if isinstance(value, float) else text
