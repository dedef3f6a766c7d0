"""Misbehaviour on demand: what the emulator was told to do wrong, and how often still.

Nothing here is part of ComfyUI; it is set and cleared at `/_emulator/faults`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

_OPTIONS: dict[str, dict[str, tuple[type | tuple[type, ...], Any]]] = {
    "refuse": {"how": (str, "error")},
    "hang": {"step": (int, 1), "interruptible": (bool, True), "seconds": ((int, float), None)},
    "crash": {"step": (int, 1), "code": (int, 1)},
    "drop_socket": {"step": (int, 1)},
    "forget_history": {},
    "fill_up": {"where": (str, "save")},
    "lack_model": {"name": (str, None)},
    "out_of_memory": {"step": (int, 1)},
}
"""By fault: its options with their type and default."""

_WORDS = {("refuse", "how"): ("error", "close"), ("fill_up", "where"): ("save", "upload")}
"""Options that take one of a few words."""

ALWAYS = {"count": (int, None)}
"""Options that every fault has; no count: until cleared."""


class WrongFault(ValueError):
    """A fault that there isn't, or an option that it doesn't take; the message says what there is."""


@dataclass(kw_only=True)
class Fault:
    """A fault that is set."""

    options: dict[str, Any]
    left: int | None
    """How often it still happens; None: always."""
    happened: int = 0


@dataclass(kw_only=True)
class Faults:
    """All faults that are set, by name."""

    _set: dict[str, Fault] = field(default_factory=dict[str, Fault])
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def told(self) -> dict[str, Any]:
        """As `GET /_emulator/faults` tells them; one that has healed is still told, with `left` 0."""
        return {
            name: {**fault.options, "left": fault.left, "happened": fault.happened}
            for name, fault in self._set.items()
        }

    def set(self, wanted: object) -> None:
        """Set faults, `{name: {option: value}}`; others stay as they are. Raises WrongFault and then sets none."""
        if not isinstance(wanted, dict) or not wanted:
            raise WrongFault(f"expected an object of faults; there are {', '.join(_OPTIONS)}")
        read = {
            name: _read(name, options) for name, options in cast(dict[str, dict[str, Any]], wanted).items()
        }
        self._set.update(read)
        self._wake()

    def clear(self, name: str | None = None) -> None:
        """Clear one fault, or all. Raises WrongFault for a name that there isn't."""
        if name is None:
            self._set.clear()
        elif name not in _OPTIONS:
            raise WrongFault(f"no fault {name!r}; there are {', '.join(_OPTIONS)}")
        else:
            self._set.pop(name, None)
        self._wake()

    def options(self, name: str, **wanted: object) -> dict[str, Any] | None:
        """Options of a fault that is set and has not healed, if they are as wanted; it doesn't count as happened."""
        fault = self._set.get(name)
        if fault is None or fault.left == 0:
            return None
        return fault.options if all(fault.options[one] == value for one, value in wanted.items()) else None

    def take(self, name: str, **wanted: object) -> dict[str, Any] | None:
        """As `options`, and it counts as happened."""
        options = self.options(name, **wanted)
        if options is not None:
            fault = self._set[name]
            fault.happened += 1
            if fault.left is not None:
                fault.left -= 1
        return options

    def hides(self, model: str) -> bool:
        """Whether a model file is to be overlooked."""
        options = self.options("lack_model")
        return options is not None and options["name"] in (None, model)

    def is_any_set(self) -> bool:
        """Whether there is anything to be asked for."""
        return bool(self._set)

    def is_set(self, name: str) -> bool:
        """Whether a fault is set, healed or not."""
        return name in self._set

    async def changed(self) -> None:
        """Wait until faults are set or cleared."""
        await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _read(name: str, given: object) -> Fault:
    known = _OPTIONS.get(name)
    if known is None:
        raise WrongFault(f"no fault {name!r}; there are {', '.join(_OPTIONS)}")
    if not isinstance(given, dict):
        raise WrongFault(f"{name}: expected an object of options: {', '.join({**known, **ALWAYS})}")
    options = {option: default for option, (_, default) in {**known, **ALWAYS}.items()}
    for option, value in cast(dict[str, Any], given).items():
        if option not in options:
            raise WrongFault(f"{name}: no option {option!r}; there are {', '.join(options)}")
        kind = {**known, **ALWAYS}[option][0]
        if value is not None and (
            not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)
        ):
            raise WrongFault(f"{name}.{option}: {value!r} is of the wrong type")
        allowed = _WORDS.get((name, option))
        if allowed and value not in allowed:
            raise WrongFault(f"{name}.{option}: {value!r} is not one of {', '.join(allowed)}")
        options[option] = value
    count = options.pop("count")
    if count is not None and count < 1:
        raise WrongFault(f"{name}.count: {count} is less than 1")
    return Fault(options=options, left=count)
