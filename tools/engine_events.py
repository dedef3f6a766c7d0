"""What the Pulumi engine reports while it works (`--json`: an event a line), kept as far as a person needs it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

QUIET = {"same", "read", "refresh", "read-replacement", "read-discard", "discard", "import"}
"""Steps that change nothing in the cloud."""

SIGNS = {"create": "+", "update": "~", "delete": "-", "replace": "+-"}
"""How a step is shown; parts of a replacement (`create-replacement`, `delete-replaced`) are shown by their `replace`."""

COUNTED = {
    "create": "created",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "import": "imported",
}


PROGRAM_ENDED = "an unhandled error occurred: program exited with non-zero exit code"
"""Said by the language host after the program has said itself what was wrong."""


@dataclass(frozen=True)
class Step:
    """What the engine does to one resource; `why` are the properties that make it do so."""

    op: str
    kind: str
    name: str
    why: tuple[str, ...] = ()

    def line(self) -> str:
        """`+- ec2/instance sd-app-dev-backend (userDataBase64)`."""
        because = f" ({', '.join(self.why)})" if self.why else ""
        return f"{SIGNS.get(self.op, self.op)} {self.kind} {self.name}{because}"


@dataclass
class Report:
    """A run of the engine so far: its steps by resource, its faults, and the counts that it ends with.

    done: steps that came to their end, those that change nothing too.
    """

    steps: dict[tuple[str, str], Step] = field(default_factory=dict[tuple[str, str], Step])
    done: set[str] = field(default_factory=set[str])
    failed: list[str] = field(default_factory=list[str])
    warnings: list[str] = field(default_factory=list[str])
    printed: list[str] = field(default_factory=list[str])
    counts: dict[str, int] = field(default_factory=dict[str, int])
    seconds: float = 0.0
    now: str = ""

    def take(self, line: str) -> None:
        """Take one line of the engine's output; what isn't an event is kept as text."""
        try:
            event: Any = json.loads(line)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            if line.strip():
                self.printed.append(line.rstrip())
            return
        known = cast("dict[str, Any]", event)
        if "resourcePreEvent" in known:
            self._begins(known["resourcePreEvent"]["metadata"])
        elif "resOutputsEvent" in known:
            self._ends(known["resOutputsEvent"]["metadata"])
        elif "resOpFailedEvent" in known:
            self.failed.append(_name(known["resOpFailedEvent"]["metadata"]["urn"]))
        elif "diagnosticEvent" in known:
            self._tells(known["diagnosticEvent"])
        elif "summaryEvent" in known:
            self.counts = dict(known["summaryEvent"].get("resourceChanges") or {})
        elif "error" in known:
            self.printed.append(str(known["error"]).strip())

    def _begins(self, step: Any) -> None:
        op, urn = str(step["op"]), str(step["urn"])
        if op not in QUIET:
            self.now = f"{_kind(step['type'])} {_name(urn)}"
        if op in SIGNS and step["type"] != "pulumi:pulumi:Stack":
            why = step.get("keys") if op == "replace" else step.get("diffs")
            self.steps[op, urn] = Step(op, _kind(step["type"]), _name(urn), tuple(why or ()))

    def _ends(self, step: Any) -> None:
        self.done.add(f"{step['op']} {step['urn']}")

    def _tells(self, told: Any) -> None:
        text = str(told["message"]).strip()
        if not text or PROGRAM_ENDED in text:
            return
        where = f"{_name(told['urn'])}: " if told.get("urn") and "pulumi:Stack::" not in told["urn"] else ""
        match told["severity"]:
            case "error":
                self.printed.append(f"{where}{text}")
            case "warning":
                self.warnings.append(f"{where}{text}")
            case "info#err":
                self.printed.append(text)
            case _:
                pass

    @property
    def changes(self) -> int:
        """How many resources it changed, or would change."""
        return sum(count for op, count in self.counts.items() if op not in QUIET)

    def summary(self) -> str:
        """`3 created, 1 replaced, 150 unchanged`, or `0 changes, 153 unchanged`."""
        told = [f"{self.counts[op]} {word}" for op, word in COUNTED.items() if self.counts.get(op)]
        told += [f"{n} {op}" for op, n in self.counts.items() if op not in QUIET and op not in COUNTED and n]
        unchanged = self.counts.get("same", 0)
        return ", ".join([*(told or ["0 changes"]), *([f"{unchanged} unchanged"] if unchanged else [])])

    def shown_steps(self, most: int = 40) -> Iterator[str]:
        """A line a change. When there are more than `most`, new ones are only counted, by kind."""
        steps = sorted(self.steps.values(), key=lambda step: (step.op == "create", step.kind, step.name))
        for step in steps:
            if len(steps) <= most or step.op != "create":
                yield step.line()
        if len(steps) > most:
            kinds = [step.kind for step in steps if step.op == "create"]
            for kind in sorted(set(kinds)):
                yield f"+ {kind} ({kinds.count(kind)})"


def _name(urn: str) -> str:
    return urn.rpartition("::")[2]


def _kind(token: str) -> str:
    """`aws:ec2/instance:Instance` is `ec2/instance`; `sd-app:backend:Backend` stays as it is."""
    package, _, rest = token.partition(":")
    return rest.partition(":")[0] if package == "aws" and "/" in rest else token
