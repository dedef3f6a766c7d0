"""What is told of a published style beside its file: `loras/<version>.json`.

The API reads title, trigger word and recommended strength for the page; the rest says how the style was made, so that it
can be made again. What a newer or another program wrote besides is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

LIMIT_BYTES = 64 * 1024
"""The API reads no larger ones (app/backend/services/styles.js)."""
SHA256 = re.compile(r"[0-9a-f]{64}")
STRENGTHS = (0.0, 2.0)
"""Least and most that a wish may ask for."""


class SidecarWrong(Exception):
    """Its text is no sidecar; the message names every field at fault."""


@dataclass(frozen=True, kw_only=True)
class BaseModel:
    """The model that the style was trained on: its file and that one's SHA-256 (empty: unknown)."""

    name: str
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """The pictures that it learned from: name of the set, its hash (training.prepare), how many."""

    name: str
    sha256: str = ""
    pictures: int = 0


@dataclass(frozen=True, kw_only=True)
class Made:
    """How it was made, as far as anybody knows. `job` is the training job's name; `loss` the last epoch's mean."""

    base: BaseModel | None = None
    dataset: DataSet | None = None
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    steps: int | None = None
    epochs: int | None = None
    loss: float | None = None
    job: str = ""


@dataclass(frozen=True, kw_only=True)
class Sidecar:
    """A version of a style. `sha256` is its file's, `thumbnail` the name of its picture beside it (empty: none), `more`
    what else stands in the file."""

    style: str
    version: str
    title: str
    sha256: str
    published_at: str
    trigger_word: str = ""
    recommended_strength: float | None = None
    thumbnail: str = ""
    made: Made = field(default_factory=Made)
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])


def write(sidecar: Sidecar) -> str:
    """Its JSON; what is not known stays out. Raises SidecarWrong for what `read` would not take."""
    made = sidecar.made
    told: dict[str, Any] = {
        "style": sidecar.style,
        "version": sidecar.version,
        "title": sidecar.title,
        "triggerWord": sidecar.trigger_word or None,
        "recommendedStrength": sidecar.recommended_strength,
        "sha256": sidecar.sha256,
        "publishedAt": sidecar.published_at,
        "thumbnail": sidecar.thumbnail or None,
        "base": {"name": made.base.name, "sha256": made.base.sha256} if made.base else None,
        "dataset": vars(made.dataset) if made.dataset else None,
        "settings": dict(made.settings) or None,
        "steps": made.steps,
        "epochs": made.epochs,
        "loss": made.loss,
        "job": made.job or None,
        **sidecar.more,
    }
    text = (
        json.dumps({key: one for key, one in told.items() if one is not None}, indent=2, ensure_ascii=False)
        + "\n"
    )
    read(text)
    return text


def read(text: str | bytes) -> Sidecar:
    """The sidecar in the text. Raises SidecarWrong."""
    if len(text) > LIMIT_BYTES:
        raise SidecarWrong(f"it has {len(text)} bytes, more than {LIMIT_BYTES}")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SidecarWrong(f"it is no JSON ({error})") from error
    if not isinstance(found, dict):
        raise SidecarWrong("it is no JSON object")
    fields = _Fields(cast(dict[str, Any], found))
    made = _made(fields)
    sidecar = Sidecar(
        style=fields.text("style", required=True),
        version=fields.text("version", required=True),
        title=fields.text("title") or str(fields.told.get("style", "")),
        trigger_word=fields.text("triggerWord"),
        recommended_strength=fields.number("recommendedStrength", *STRENGTHS),
        sha256=fields.sha256("sha256", required=True),
        published_at=fields.text("publishedAt", required=True),
        thumbnail=fields.text("thumbnail"),
        made=made,
        more=fields.rest(),
    )
    if fields.faults:
        raise SidecarWrong("; ".join(fields.faults))
    return sidecar


def _made(fields: _Fields) -> Made:
    base, dataset = fields.part("base"), fields.part("dataset")
    return Made(
        base=BaseModel(name=base.text("name", required=True), sha256=base.sha256("sha256")) if base else None,
        dataset=DataSet(
            name=dataset.text("name", required=True),
            sha256=dataset.sha256("sha256"),
            pictures=dataset.count("pictures") or 0,
        )
        if dataset
        else None,
        settings=fields.object("settings"),
        steps=fields.count("steps"),
        epochs=fields.count("epochs"),
        loss=fields.number("loss"),
        job=fields.text("job"),
    )


class _Fields:
    """The fields of a JSON object: each taken by its kind, what is wrong with it noted by its name."""

    def __init__(self, told: Mapping[str, Any], within: str = "", faults: list[str] | None = None) -> None:
        self.told, self.within = told, within
        self.faults: list[str] = [] if faults is None else faults
        self._taken: set[str] = set()

    def text(self, name: str, *, required: bool = False) -> str:
        found = self._take(name, lambda one: isinstance(one, str), "text", required=required)
        if required and found == "":
            self._fault(name, "is empty")
        return found or ""

    def sha256(self, name: str, *, required: bool = False) -> str:
        found = self.text(name, required=required)
        if found and not SHA256.fullmatch(found):
            self._fault(name, f"is no SHA-256 in hex: {found[:80]!r}")
        return found

    def number(self, name: str, least: float = -1e308, most: float = 1e308) -> float | None:
        # NaN compares with nothing, and is refused with what is too large.
        def good(one: Any) -> bool:
            return isinstance(one, int | float) and not isinstance(one, bool) and least <= one <= most

        return self._take(name, good, "a number" if most > 1e300 else f"a number from {least:g} to {most:g}")

    def count(self, name: str) -> int | None:
        def good(one: Any) -> bool:
            return isinstance(one, int) and not isinstance(one, bool) and one >= 0

        return self._take(name, good, "a whole number")

    def object(self, name: str) -> Mapping[str, Any]:
        return self._take(name, lambda one: isinstance(one, dict), "an object") or {}

    def part(self, name: str) -> _Fields | None:
        found = self._take(name, lambda one: isinstance(one, dict), "an object")
        return None if found is None else _Fields(found, f"{name}.", self.faults)

    def rest(self) -> dict[str, Any]:
        """What nobody took."""
        return {key: one for key, one in self.told.items() if key not in self._taken}

    def _take(self, name: str, good: Callable[[Any], bool], kind: str, *, required: bool = False) -> Any:
        self._taken.add(name)
        found = self.told.get(name)
        if found is None:
            if required:
                self._fault(name, "is missing")
            return None
        if good(found):
            return found
        self._fault(name, f"is no {kind.removeprefix('a ').removeprefix('an ')}: {json.dumps(found)[:80]}")
        return None

    def _fault(self, name: str, what: str) -> None:
        self.faults.append(f"{self.within}{name} {what}")
