"""This machine: Python and its packages, Node.js, the Pulumi CLI with its plugins, login and stack. Installs nothing."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ops.doctor_finding import Finding, bad, good, unneeded, unseen
from ops.stack import LOCAL, ROOT
from tools import pulumi_build, pulumi_cli, remote_stack
from tools.engine import EngineFailed, ask_plain

OLDEST_PYTHON = (3, 11)
"""The oldest that tools/venv.sh takes."""
PLUGINS = {"aws": "pulumi-aws", "command": "pulumi-command"}
"""Pulumi's plugins, and the Python packages whose versions they share."""
AGAIN = "run `make` again: it sets up what requirements.lock and package-lock.json have"
CLI, BACKEND = "Pulumi CLI", "Pulumi backend"


@dataclass(frozen=True, kw_only=True)
class Place:
    """The checkout, and the environment in which commands run."""

    root: Path = ROOT
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))


def python(version: tuple[int, ...] = sys.version_info[:3]) -> list[Finding]:
    """The Python that runs this."""
    told, oldest = (".".join(map(str, numbers)) for numbers in (version, OLDEST_PYTHON))
    if version < OLDEST_PYTHON:
        return [bad("Python", f"{told}; {oldest} or newer is needed", "remove .venv, and PYTHON=… make up …")]
    return [good("Python", f"{told} ({oldest} or newer)")]


def packages(place: Place) -> list[Finding]:
    """Those that the program imports, against requirements.txt."""
    wanted = dict(
        re.findall(r"^([\w-]+)(?:\[\w+\])?==(\S+)", (place.root / "requirements.txt").read_text(), re.M)
    )
    off = [
        f"{name} {have or 'missing'} (wanted {want})"
        for name, want in wanted.items()
        if (have := _installed(name)) != want
    ]
    if off:
        return [bad("packages", ", ".join(off), AGAIN)]
    return [good("packages", f"{len(wanted)} as in requirements.txt")]


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def node(place: Place) -> list[Finding]:
    """Node.js of the environment, which comes with .venv."""
    engines: dict[str, str] = json.loads((place.root / "app/backend/package.json").read_text())["engines"]
    oldest = engines["node"].removeprefix(">=")
    beside = os.pathsep.join([str(place.root / ".venv" / "bin"), place.environment.get("PATH", "")])
    program = shutil.which("node", path=beside)
    if program is None:
        return [bad("Node.js", f"none on PATH; {oldest} or newer is needed", AGAIN)]
    try:
        told = _said([program, "--version"], place).strip().removeprefix("v")
    except (OSError, subprocess.SubprocessError) as error:
        return [bad("Node.js", f"{program} does not run: {error}", AGAIN)]
    if _numbers(told) < _numbers(oldest):
        return [bad("Node.js", f"{told}; {oldest} or newer is needed", AGAIN)]
    return [good("Node.js", f"{told} ({oldest} or newer)")]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _said(argv: list[str], place: Place) -> str:
    return subprocess.run(
        argv, env=dict(place.environment), capture_output=True, text=True, timeout=20, check=True
    ).stdout


def find_cli(place: Place) -> tuple[Path | None, Finding]:
    """The CLI that `make up` would take without making one: on PATH, or kept from an earlier run."""
    cache, oldest = pulumi_cli.cache_directory(), ".".join(map(str, pulumi_cli.OLDEST_VERSION))
    on_path = shutil.which("pulumi", path=place.environment.get("PATH"))
    kept = [pulumi_cli.official_directory(cache) / "bin", pulumi_build.directory(cache) / "bin"]
    too_old = ""
    for folder in [*([Path(on_path).parent] if on_path else []), *kept]:
        try:
            version = pulumi_cli.version_of(folder)
        except pulumi_cli.Unusable:
            continue
        if _numbers(version) >= pulumi_cli.OLDEST_VERSION:
            where = str(folder).replace(str(Path.home()), "~")
            return folder, good(CLI, f"{version} ({oldest} or newer), in {where}")
        too_old = too_old or f"{folder} has {version}; {oldest} or newer is needed"
    if too_old:
        return None, bad(CLI, too_old, "update it (https://www.pulumi.com/docs/install/)")
    return None, unseen(CLI, "none yet", "`make up` and `make preview` get one, in some minutes")


def pulumi(place: Place, stack: str, cli: Path | None) -> list[Finding]:
    """Plugins, login and stack, as far as there is a CLI to ask."""
    if stack == LOCAL:
        return [unneeded(BACKEND, "the local stack keeps its state in .sandbox, and has plugins of its own")]
    if cli is None:
        return [unseen(BACKEND, "there is no Pulumi CLI to ask")]
    return [_plugins(place, cli), _backend(place, stack, cli)]


def _plugins(place: Place, cli: Path) -> Finding:
    wanted = {name: _installed(package) for name, package in PLUGINS.items()}
    environment, _ = remote_stack.own_environment(place.environment, place.root)
    try:
        listed: list[dict[str, Any]] = json.loads(
            ask_plain(cli, place.root, environment, "plugin", "ls", "--json") or "[]"
        )
    except (EngineFailed, ValueError) as error:
        return unseen("plugins", f"`pulumi plugin ls` failed: {_first_line(error)}")
    have = {(one["name"], str(one.get("version", "")).removeprefix("v")) for one in listed}
    missing = [f"{name} {version}" for name, version in wanted.items() if (name, version) not in have]
    if not missing:
        return good("plugins", ", ".join(f"{name} {version}" for name, version in wanted.items()))
    if place.environment.get("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "").lower() in ("true", "1"):
        name, _, version = missing[0].partition(" ")
        return bad(
            "plugins",
            f"{', '.join(missing)} not installed, and fetching them is switched off",
            f"pulumi plugin install resource {name} {version}",
        )
    return unseen("plugins", f"{', '.join(missing)} not here yet: the first preview fetches them")


def _backend(place: Place, stack: str, cli: Path) -> Finding:
    """As `make up` asks: whether one is logged in, and the stack is there."""
    try:
        engine = remote_stack.engine(cli, place.root, stack)
        told: dict[str, Any] = json.loads(ask_plain(cli, place.root, engine.env, "whoami", "--json"))
    except remote_stack.RemoteFailed as error:
        said, _, commands = str(error).partition("\n")
        return bad(BACKEND, said.removesuffix(":"), commands.strip())
    except (EngineFailed, ValueError) as error:
        return bad(
            BACKEND, f"it does not answer: {_first_line(error)}", "check `pulumi whoami`, and the credentials"
        )
    return good(BACKEND, f"{told.get('url', 'logged in')}, stack {stack} is there")


def github_token(place: Place, stack: str, cli: Path | None) -> str:
    """The stack's secret, decrypted by the CLI. ValueError when it can't be."""
    if cli is None:
        raise ValueError("there is no Pulumi CLI to ask")
    environment, _ = remote_stack.own_environment(place.environment, place.root)
    try:
        words = ("config", "get", "githubToken", "--stack", stack)
        return ask_plain(cli, place.root, environment, *words).strip()
    except EngineFailed as error:
        raise ValueError(_first_line(error)) from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason told"])[0][:160]
