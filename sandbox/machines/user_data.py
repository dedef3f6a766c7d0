"""User data as cloud-init reads it: the files that it writes, and the environment file among them."""

from __future__ import annotations

import base64
import gzip
import os
import shlex
from pathlib import Path
from typing import Any, cast

import yaml

from cloud_init.render import ENVIRONMENT_FILE


class NoCloudConfig(ValueError):
    """The user data is not what `cloud_init.render` makes."""


def files_of(user_data: str) -> dict[str, tuple[str, int]]:
    """Content and mode by path, from user data in base64, gzipped or not. Raises NoCloudConfig."""
    raw = base64.b64decode(user_data)
    text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()
    if not text.startswith("#cloud-config"):
        raise NoCloudConfig("the user data is no #cloud-config")
    config: Any = yaml.safe_load(text)
    entries = cast("list[dict[str, Any]]", config.get("write_files") or [])
    return {one["path"]: (one["content"], int(one["permissions"], 8)) for one in entries}


def write(files: dict[str, tuple[str, int]], root: Path) -> None:
    """Write all files under `root`, for the user alone."""
    for path, (content, mode) in files.items():
        target = root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_text(content)
        target.chmod(mode & 0o700)


def environment_of(files: dict[str, tuple[str, int]]) -> dict[str, str]:
    """The keys of `/etc/sd-app/machine.env`. Raises NoCloudConfig when the user data carries none."""
    if ENVIRONMENT_FILE not in files:
        raise NoCloudConfig(f"the user data carries no {ENVIRONMENT_FILE}")
    return parse_environment(files[ENVIRONMENT_FILE][0])


def parse_environment(text: str) -> dict[str, str]:
    """`KEY="value"` lines, as a shell's `.` reads them."""
    pairs = (line.partition("=") for line in text.splitlines() if line.strip() and not line.startswith("#"))
    return {key: "".join(shlex.split(value)) for key, _, value in pairs}


def write_environment(path: Path, environment: dict[str, str]) -> None:
    """The same form, in a file of the user alone, whole or not at all."""
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
        handle.writelines(f'{key}="{value}"\n' for key, value in sorted(environment.items()))
    draft.replace(path)
