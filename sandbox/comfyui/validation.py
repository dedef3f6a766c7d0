"""What is wrong with a prompt, in ComfyUI's own words.

Written after the recorded answers; where a fault shows only as an exception that Python itself raises (a link to a
node that isn't there), the same exception is raised here, so the same text comes out.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from sandbox.comfyui.catalogue import Catalogue
from sandbox.comfyui.folders import Folders
from sandbox.comfyui.graph import Prompt, is_link

_LONGEST_LIST_TOLD = 20
"""A list of more values isn't repeated in the error."""

_MAKE: dict[str, type] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}

Fault = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What validation says of a prompt."""

    error: Fault | None = None
    """Why nothing of it can run; None when something can."""
    outputs: list[str] = field(default_factory=list[str])
    """Output nodes that can run."""
    node_errors: dict[str, Any] = field(default_factory=dict[str, Any])


def fault(kind: str, message: str, details: str = "", **extra_info: Any) -> Fault:
    """An error as ComfyUI words it."""
    return {"type": kind, "message": message, "details": details, "extra_info": extra_info}


def type_name(kind: type) -> str:
    """An exception's name as ComfyUI tells it, with its module unless it is Python's own."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


class Validator:
    """Checks prompts against the catalogue and the files that are there."""

    def __init__(self, catalogue: Catalogue, folders: Folders) -> None:
        self._catalogue = catalogue
        self._folders = folders

    def check(self, prompt: Any, only: Iterable[str] | None = None) -> Verdict:
        """The verdict on a prompt as posted; numbers and texts in it are converted where that can be done.

        `only`: output nodes to run, None for all. Raises TypeError for what isn't a prompt at all, as ComfyUI does.
        """
        outputs: list[str] = []
        for node in prompt:
            if "class_type" not in prompt[node]:
                message = "Cannot execute because a node is missing the class_type property."
                return Verdict(error=fault("invalid_prompt", message, f"Node ID '#{node}'"))
            name = prompt[node]["class_type"]
            if name not in self._catalogue:
                message = f"Cannot execute because node {name} does not exist."
                return Verdict(error=fault("invalid_prompt", message, f"Node ID '#{node}'"))
            if self._catalogue.is_output(name) and (only is None or node in only):
                outputs.append(node)
        if not outputs:
            return Verdict(error=fault("prompt_no_outputs", "Prompt has no outputs"))
        return _OnePrompt(cast(Prompt, prompt), self._catalogue, self._folders).check(outputs)


class _OnePrompt:
    """One prompt being checked: every node once, from the outputs down to what they need."""

    def __init__(self, prompt: Prompt, catalogue: Catalogue, folders: Folders) -> None:
        self._prompt = prompt
        self._catalogue = catalogue
        self._folders = folders
        self._seen: dict[str, tuple[bool, list[Fault]]] = {}
        """By node: whether it and all beneath it are right, and what is wrong with the node itself."""
        self._open: set[str] = set()
        """Nodes whose check has begun and not ended: a link to one of them closes a circle."""

    def check(self, outputs: list[str]) -> Verdict:
        good: list[str] = []
        words: list[str] = []
        node_errors: dict[str, Any] = {}
        for output in outputs:
            try:
                is_right, faults = self._node(output)
            except Exception as error:
                is_right, faults = False, [_exception_fault(error)]
                self._seen[output] = is_right, faults
            if is_right:
                good.append(output)
                continue
            words += [f"{one['message']}: {one['details']}" for one in faults]
            self._blame(output, node_errors)
        if good:
            return Verdict(outputs=good, node_errors=node_errors)
        error = fault(
            "prompt_outputs_failed_validation", "Prompt outputs failed validation", "\n".join(words)
        )
        return Verdict(error=error, node_errors=node_errors)

    def _blame(self, output: str, node_errors: dict[str, Any]) -> None:
        """Name this output at every node that is at fault so far, as ComfyUI does."""
        for node, (is_right, faults) in self._seen.items():
            if is_right or not faults:
                continue
            entry = node_errors.setdefault(
                node,
                {"errors": faults, "dependent_outputs": [], "class_type": self._prompt[node]["class_type"]},
            )
            entry["dependent_outputs"].append(output)

    def _node(self, node: str) -> tuple[bool, list[Fault]]:
        if node in self._seen:
            return self._seen[node]
        self._open.add(node)
        inputs: dict[str, Any] = self._prompt[node]["inputs"]
        name: str = self._prompt[node]["class_type"]
        faults: list[Fault] = []
        beneath_is_right = True
        for one, category, config in self._catalogue.inputs(name):
            if one not in inputs:
                if category == "required":
                    message = "Required input is missing"
                    faults.append(fault("required_input_missing", message, one, input_name=one))
            elif isinstance(inputs[one], list):
                found = self._link(one, config, inputs[one])
                if isinstance(found, dict):
                    faults.append(found)
                elif not found:
                    beneath_is_right = False
            else:
                # LoadImage checks the name itself, so its list isn't looked at
                is_own = name == "LoadImage" and one == "image"
                if found := _value_fault(one, config, inputs, is_checked_by_node=is_own):
                    faults.append(found)
        if name == "LoadImage":
            faults += self._load_image(inputs)
        self._seen[node] = (not faults and beneath_is_right, faults)
        return self._seen[node]

    def _link(self, name: str, config: list[Any], link: list[Any]) -> Fault | bool:
        """A fault of the link, else whether the node that it comes from is right."""
        about = {"input_name": name, "input_config": config}
        if len(link) != 2:
            message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            return fault("bad_linked_input", message, name, **about, received_value=link)
        source, slot = link
        types = self._catalogue.outputs(self._prompt[source]["class_type"])
        received = cast(str, types[slot])
        if received != config[0]:
            return fault(
                "return_type_mismatch",
                "Return type mismatch between linked nodes",
                f"{name}, received_type({received}) mismatch input_type({config[0]})",
                **about,
                received_type=received,
                linked_node=link,
            )
        if source in self._open and source not in self._seen:
            return False  # ComfyUI refuses a circle without a word on it: recorded
        try:
            return self._node(source)[0]
        except Exception as error:
            reason = fault(
                "exception_during_inner_validation",
                "Exception when validating inner node",
                str(error),
                **about,
                exception_message=str(error),
                exception_type=type_name(type(error)),
                traceback=traceback.format_tb(sys.exc_info()[2]),
                linked_node=link,
            )
            self._seen[source] = False, [reason]
            return False

    def _load_image(self, inputs: dict[str, Any]) -> list[Fault]:
        if "image" not in inputs or is_link(inputs["image"]):
            raise TypeError("LoadImage.VALIDATE_INPUTS() missing 1 required positional argument: 'image'")
        image = inputs["image"]
        if self._folders.input_file(image):
            return []
        details = f"image - Invalid image file: {image}"
        return [
            fault(
                "custom_validation_failed", "Custom validation failed for node", details, input_name="image"
            )
        ]


def _value_fault(
    name: str, config: list[Any], inputs: dict[str, Any], *, is_checked_by_node: bool
) -> Fault | None:
    """What is wrong with a value that isn't a link; it is converted in place."""
    kind, options = config
    value = inputs[name]
    about: dict[str, Any] = {"input_name": name, "input_config": config}
    try:
        if isinstance(value, dict) and "__value__" in value:
            value = inputs[name] = cast(Any, value["__value__"])
        if isinstance(kind, str) and kind in _MAKE:
            value = inputs[name] = _MAKE[kind](value)
    except Exception as error:
        return fault(
            "invalid_input_type",
            f"Failed to convert an input value to a {kind} value",
            f"{name}, {value}, {error}",
            **about,
            received_value=value,
            exception_message=str(error),
        )
    if is_checked_by_node:
        return None
    about["received_value"] = value
    if "min" in options and value < options["min"]:
        return fault(
            "value_smaller_than_min", f"Value {value} smaller than min of {options['min']}", name, **about
        )
    if "max" in options and value > options["max"]:
        return fault(
            "value_bigger_than_max", f"Value {value} bigger than max of {options['max']}", name, **about
        )
    if isinstance(kind, list) and value not in kind:
        values = cast(list[Any], kind)
        told = str(values)
        if len(values) > _LONGEST_LIST_TOLD:
            told, about["input_config"] = f"(list of length {len(values)})", None
        return fault("value_not_in_list", "Value not in list", f"{name}: '{value}' not in {told}", **about)
    return None


def _exception_fault(error: Exception) -> Fault:
    return fault(
        "exception_during_validation",
        "Exception when validating node",
        str(error),
        exception_type=type_name(type(error)),
        traceback=traceback.format_tb(error.__traceback__),
    )
