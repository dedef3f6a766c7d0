"""A resource between the engine's words and the table's: names, tags, what changed, what is shown."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from sandbox import diff, schema
from sandbox.aws.table import Props, ResourceType
from sandbox.configuration import Configuration
from sandbox.diff import Change
from sandbox.properties import UNKNOWN, Secret, Unknown, has, plain
from sandbox.schema import Fault, Schema

DEFAULTS = "__defaults"
"""Among the inputs: names of those that the provider filled in."""

INCOMPLETE = "__incomplete"
"""Among the outputs: why creating it came to no good end. Such a resource is replaced."""


@dataclass(frozen=True)
class Resource:
    """A type with what the SDK says of it and the provider's configuration."""

    type: ResourceType
    schema: Schema
    configuration: Configuration

    @property
    def tagged(self) -> bool:
        """Whether the provider's default tags go to this type."""
        return "tags" in self.schema.inputs.types and "tagsAll" in self.schema.outputs

    def region(self, properties: Mapping[str, Any]) -> str:
        """Where the resource is."""
        own = properties.get("region")
        return own if isinstance(own, str) and own else self.configuration.region

    # Check

    def _named(
        self, inputs: dict[str, Any], old: Mapping[str, Any], name: str, seed: bytes
    ) -> dict[str, Any]:
        """The inputs with a physical name, where the program leaves it to the provider."""
        key = self.type.autoname
        if key is None or inputs.get(key) is not None:
            return inputs
        kept = old.get(key) if key in cast(list[str], plain(old.get(DEFAULTS, []))) else None
        prefix = inputs.get(f"{key}Prefix")
        if prefix is None:
            prefix = f"{name}-"
        elif has(prefix, Unknown):
            return inputs | {key: UNKNOWN, DEFAULTS: [key]}
        elif kept is not None and not str(plain(kept)).startswith(str(plain(prefix))):
            kept = None
        return inputs | {
            key: kept if kept is not None else self._fresh(str(plain(prefix)), seed),
            DEFAULTS: [key],
        }

    def _fresh(self, prefix: str, seed: bytes) -> str:
        tail = hashlib.sha256(seed + prefix.encode()).hexdigest()[:7]
        return prefix[: self.type.autoname_max - len(tail)] + tail

    # Tags

    def tags_all(self, inputs: Mapping[str, Any]) -> Any:
        """The provider's default tags and the resource's own over them."""
        own: Any = inputs.get("tags") or {}
        if isinstance(own, Secret):
            return Secret({**self.configuration.default_tags, **own.value})
        return UNKNOWN if isinstance(own, Unknown) else {**self.configuration.default_tags, **own}

    def completed(
        self, inputs: dict[str, Any], old: Mapping[str, Any], name: str, seed: bytes
    ) -> dict[str, Any]:
        """The inputs with what the provider adds to them: a name and the default tags."""
        named = self._named(inputs, old, name, seed)
        return named | {"tagsAll": self.tags_all(inputs)} if self.tagged else named

    # Diff

    def changes(self, old_inputs: Props, old_outputs: Props, new: Props) -> dict[str, Change]:
        """What differs, by path, and whether that replaces."""
        every = self.type.update is None
        found = diff.changes(old_inputs, new, {*self.type.immutable, "region"}, every)
        if old_outputs.get("region") and old_outputs["region"] != self.region(new) and "region" not in found:
            found["region"] = Change("update", True)
        if INCOMPLETE in old_outputs:
            found[self._any_input(new)] = Change("update", True)
        return found

    def _any_input(self, inputs: Props) -> str:
        """The property to name where it's not a property that makes the replacement."""
        return self.type.autoname or next(
            (key for key in inputs if not key.startswith(schema.INTERNAL)), "id"
        )

    def goes_first(self, old_inputs: Props, old_outputs: Props, new: Props) -> bool:
        """Whether the old one must go before the new one comes: they'd have the same name."""
        key = self.type.autoname
        same_name = (
            key is not None
            and new.get(key) is not None
            and key not in new.get(DEFAULTS, [])
            and diff.same(old_inputs.get(key), new.get(key))
        )
        return self.type.delete_before_replace or same_name or INCOMPLETE in old_outputs

    # What is there

    def outputs(self, inputs: Props, found: Props) -> Props:
        """All output properties, from the declaration and what the table reads. Raises ValueError: a table's fault."""
        for key in found:
            if key not in self.schema.outputs and not key.startswith(schema.INTERNAL):
                raise ValueError(
                    f"the sandbox's table of {self.type.token} reads a property {key}, which pulumi_aws doesn't have"
                    + schema.near(key, self.schema.outputs)
                )
        merged = own(inputs) | {key: diff.joined(inputs.get(key), value) for key, value in found.items()}
        if self.tagged:
            merged.setdefault("tagsAll", {})
            merged["tags"] = self._own_tags(inputs, merged["tagsAll"])
        if "region" in self.schema.outputs:
            merged.setdefault("region", self.region(inputs))
        return {key: value for key, value in merged.items() if value is not None}

    def _own_tags(self, inputs: Props, every: Mapping[str, Any]) -> Props | None:
        """Of the tags really there, those that aren't the provider's default ones."""
        declared: Props = inputs.get("tags") or {}
        defaults = self.configuration.default_tags
        own = {key: value for key, value in every.items() if key in declared or defaults.get(key) != value}
        return own or ({} if "tags" in inputs else None)

    def inputs_now(self, inputs: Mapping[str, Any], outputs: Props) -> dict[str, Any]:
        """The inputs as they are really set now; without known inputs (an import), all that the outputs tell."""
        hints = self.schema.inputs.types | ({"tagsAll": Mapping[str, str]} if self.tagged else {})
        if not own(inputs):
            return {key: outputs[key] for key in hints if key in outputs and outputs[key] not in diff.EMPTY}
        now = dict(inputs)
        for key, value in inputs.items():
            if key in outputs and key in hints:
                real = diff.shown(plain(value), outputs[key], hints[key])
                if real != plain(value):
                    now[key] = real
        if self.tagged and "tags" not in inputs and outputs.get("tags"):
            now["tags"] = outputs["tags"]
        return {key: value for key, value in now.items() if value is not None}

    def faults(self, inputs: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
        """The inputs in their types, and what is wrong with them."""
        checked, faults = schema.check(inputs, self.schema.inputs)
        if self.type.takes is not None:
            faults += [
                Fault(
                    key,
                    f"the sandbox's {self.type.token} doesn't act on {key}; leave it out, or teach it in sandbox/aws/",
                )
                for key in sorted(checked.keys() - self.type.takes)
                if not key.startswith(schema.INTERNAL)
            ]
        return checked, faults


def own(properties: Mapping[str, Any]) -> dict[str, Any]:
    """The properties without the provider's notes."""
    return {key: value for key, value in properties.items() if not key.startswith(schema.INTERNAL)}


def before(inputs: Props, outputs: Props) -> Props:
    """The last known properties: inputs over outputs."""
    return {key: value for key, value in (outputs | inputs).items() if not key.startswith(schema.INTERNAL)}


def after(old_inputs: Props, old_outputs: Props, new: Props) -> Props:
    """The properties as they shall be: new inputs over last outputs, without what the program no longer sets."""
    kept = {key: value for key, value in old_outputs.items() if key not in old_inputs or key in new}
    return before(new, kept)
