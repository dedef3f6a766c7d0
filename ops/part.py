"""A part of a stack as `ops status` shows it, and who reads it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from ops.errors import AwsError, code, explain, is_gone
from ops.stack import Stack

Health = Literal["ok", "resting", "changing", "left out", "broken", "unread"]
"""resting: stopped on purpose; left out: a setting or the emulator has none; unread: we could not ask."""
TROUBLE: tuple[Health, ...] = ("broken", "unread")

Outputs = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part's state in words, whether that is well, its address, since when, and what is to be said about it.

    `shown` is a shorter address for the table.
    """

    part: str
    state: str
    health: Health
    address: str = ""
    since: datetime | None = None
    note: str = ""
    shown: str = ""


Ask = Callable[[Stack, Outputs, str, Any], list[Part]]
"""Stack, outputs, name of the part, value of its output -> what to show. May raise AwsError."""


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How a part is read: its name, the output that says which resource it is, and who asks.

    `key` picks one value of an output that has several; `left_out` is the part's key in the output `leftOut`;
    `address` is the output that tells where the part is, also when it can't be asked.
    """

    part: str
    output: str
    ask: Ask
    key: str = ""
    left_out: str = ""
    address: str = ""
    emulators_lack_it: bool = False

    def read(self, stack: Stack, outputs: Outputs) -> list[Part]:
        """The part as it is now; never raises for AWS's errors."""
        value = outputs.get(self.output)
        if self.key and isinstance(value, Mapping):
            value = cast(Mapping[str, Any], value).get(self.key)
        if not value:
            return [self._without(stack, outputs)]
        try:
            return self.ask(stack, outputs, self.part, value)
        except AwsError as error:
            return [self._unread(stack, error, str(outputs.get(self.address) or value))]

    def _without(self, stack: Stack, outputs: Outputs) -> Part:
        reasons: Mapping[str, str] = outputs.get("leftOut") or {}
        if reason := reasons.get(self.left_out):
            return Part(part=self.part, state="left out", health="left out", note=reason)
        note = f"the stack's outputs have no {self.output}; run `make up STACK={stack.name}`"
        return Part(part=self.part, state="missing", health="broken", note=note)

    def _unread(self, stack: Stack, error: Exception, address: str) -> Part:
        state, health, note = "can't be read", "unread", explain(error)
        if is_gone(error):
            state, health = "gone", "broken"
            note = f"deleted outside of Pulumi? Run `pulumi refresh`, then `make up STACK={stack.name}`"
        elif self.emulators_lack_it and stack.endpoint and code(error) in ("500", "501"):
            state, health, note = "not emulated", "left out", "the emulator has no such service"
        shown = without_scheme(address)
        return Part(part=self.part, state=state, health=health, address=address, shown=shown, note=note)


def without_scheme(url: str) -> str:
    """A shorter address for the table."""
    return url.removeprefix("https://")


def last(url: str) -> str:
    """The end of a path: a name."""
    return url.rpartition("/")[2]
