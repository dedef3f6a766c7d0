"""The stack's bucket as the notebook reaches it: the base model from it, and its name where nobody gave one."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from training.faults import SettingsRefused

MACHINE = Path("/etc/sd-app/machine.env")
"""Written by the notebook's start hook."""
CHECKPOINTS = "models/checkpoints/"


def named(bucket: str, machine: Path = MACHINE) -> str:
    """The bucket given, else the one of the stack that this notebook belongs to; empty outside of one."""
    if bucket or not machine.is_file():
        return bucket
    found = re.search(r'^BUCKET_NAME="?([^"\n]*)"?$', machine.read_text(), re.MULTILINE)
    return found[1] if found else ""


def bring_base(
    base: Path,
    bucket: str = "",
    say: Callable[[str], object] = print,
    client: Any = None,
    machine: Path = MACHINE,
) -> None:
    """The base model from the bucket to its place, when it is not there yet. Raises SettingsRefused."""
    if base.exists():
        return
    bucket = named(bucket, machine)
    where = f"s3://{bucket}/{CHECKPOINTS}{base.name}"
    if not bucket:
        raise SettingsRefused(
            f"base model {base} isn't there, and no bucket is known to bring it from: set BUCKET"
        )
    say(f"base model: {where} to {base}")
    base.parent.mkdir(parents=True, exist_ok=True)
    part = base.with_name(f".{base.name}.part")
    try:
        (client or import_module("boto3").client("s3")).download_file(
            bucket, f"{CHECKPOINTS}{base.name}", str(part)
        )
    except Exception as error:
        part.unlink(missing_ok=True)
        raise SettingsRefused(
            f"{where} could not be brought: {error}. Is it there? `python -m ops models list`"
        ) from error
    part.replace(base)
