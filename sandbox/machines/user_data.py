"""User data as cloud-init reads it: the files that it writes, and the environment file among them."""

from __future__ import annotations

import base64
import gzip
import os
import shlex
import zlib
from pathlib import Path
from typing import Any, cast

import yaml

from cloud_init.render import ENVIRONMENT_FILE


class NoCloudConfig(ValueError):
    """The user data is not what `cloud_init.render` makes."""


def files_of(user_data: str) -> dict[str, tuple[str, int]]:
    """Content and mode by path, from user data in base64, gzipped or not. Raises NoCloudConfig."""
    try:
        raw = base64.b64decode(user_data)
        text = (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode()
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise NoCloudConfig(f"the user data can't be decoded: {error}") from error
    if not text.startswith("#cloud-config"):
        raise NoCloudConfig("the user data is no #cloud-config")
    try:
        config: Any = yaml.safe_load(text)
        entries = cast("list[dict[str, Any]]", (config or {}).get("write_files") or [])
        return dict(_entry(one) for one in entries)
    except (yaml.YAMLError, AttributeError, TypeError, KeyError, ValueError) as error:
        raise NoCloudConfig(f"the user data is no cloud-config that is known here: {error}") from error


def _entry(one: dict[str, Any]) -> tuple[str, tuple[str, int]]:
    """A file that cloud-init would write. Encodings, owners and the rest of its module our renderer doesn't use."""
    path, content = one["path"], one.get("content", "")
    if one.get("encoding") or not isinstance(content, str):
        raise ValueError(f"{path}: only plain text is known here")
    if not path.startswith("/") or ".." in Path(path).parts:
        raise ValueError(f"{path}: it would not stay in the machine's folder")
    return path, (content, int(one.get("permissions", "0644"), 8))


def write(files: dict[str, tuple[str, int]], root: Path) -> None:
    """Write all files under `root`, for the user alone."""
    for path, (content, mode) in files.items():
        target = root / path.lstrip("/")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
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
    """The same form, in a file of the user alone, whole or not at all. Raises ValueError for a value of two lines."""
    lines = [f"{key}={_quoted(key, value)}\n" for key, value in sorted(environment.items())]
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)  # one that was left has a mode of its own
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.writelines(lines)
    draft.replace(path)


def _quoted(key: str, value: str) -> str:
    if "\n" in value:
        raise ValueError(f"{key}: a value of two lines is not allowed")
    return shlex.quote(value) if set(value) & set('"\\$`') else f'"{value}"'
