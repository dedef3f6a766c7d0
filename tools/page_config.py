"""Checks the page's config against its schema, and writes it."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

import contract

FRONTEND = Path(__file__).resolve().parents[1] / contract.FRONTEND_ROOT
SCHEMA = FRONTEND / "config.schema.json"
OUTPUT = "frontendConfig"


class ConfigRefused(Exception):
    """The stack's output isn't what the page needs; the message names each key."""


def faults(config: Any, schema: Mapping[str, Any]) -> list[str]:
    """What is wrong with the config, a line a key."""
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    found = cast("list[ValidationError]", list(validator.iter_errors(config)))  # pyright: ignore[reportUnknownArgumentType]  # jsonschema's own types are partial
    return sorted({line for error in found for line in _told(error, config)})


def _told(error: ValidationError, config: Any) -> list[str]:
    schema = cast("Mapping[str, Any]", error.schema)
    key = ".".join([OUTPUT, *(str(part) for part in error.absolute_path)])
    match error.validator:
        case "required":
            missing = [name for name in schema["required"] if name not in config]
            return [f"{key}.{name}: missing" for name in missing]
        case "additionalProperties":
            unknown = sorted(set(config) - set(schema["properties"]))
            return [f"{key}.{name}: the page doesn't know this key" for name in unknown]
        case "pattern":
            return [f"{key}: {json.dumps(error.instance)} has not the form needed: {schema['description']}"]
        case _:
            return [f"{key}: {error.message}"]


def write(config: Any, schema: Mapping[str, Any], target: Path) -> bool:
    """Write the config whole or not at all; whether it changed. Raises ConfigRefused."""
    wrong = faults(config, schema)
    if wrong:
        raise ConfigRefused("\n  ".join([f"{target.name} was not written:", *wrong]))
    text = json.dumps(config, indent=2) + "\n"
    if target.is_file() and target.read_text() == text:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return True
