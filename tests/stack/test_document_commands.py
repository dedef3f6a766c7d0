"""Commands of the documents that change nothing are run: those of `ops` on a stack that is up, those of Pulumi for their help."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator
from functools import cache
from pathlib import Path

import pytest
from platform_stack import ROOT, Platform

from tests.unit.document_commands import Command, commands

READS = (
    ("status",),
    ("cost",),
    ("doctor",),
    ("leftovers",),
    ("users", "list"),
    ("jobs", "list"),
    ("loras", "list"),
    ("models", "list"),
    ("models", "verify"),
    ("images", "list"),
    ("restore", "bucket"),
)
"""What only looks; `restore` with --dry-run alone."""
PROSE = {"provider", "program", "CLI", "state"}
"""Words after `pulumi` in diagrams and sentences."""


def reading() -> list[tuple[str, ...]]:
    """Each such command of the documents once, about the stack that the tests have."""
    found: set[tuple[str, ...]] = set()
    for command in commands():
        words = command.words[3:] if command.words[:3] == ("python", "-m", "ops") else command.words[1:]
        if command.words[0] not in ("python", "…") or "…" in words:
            continue
        words = words[2:] if words[:1] == ("--stack",) else words
        plain = tuple(word for word in words if not word.startswith("-"))
        if words[:1] == ("restore",) and "--dry-run" not in words:
            continue
        if any(plain[: len(one)] == one for one in READS) and "--refresh-prices" not in words:
            found.add(words)
    return sorted(found)


@pytest.fixture(scope="module")
def platform(cli: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Platform]:
    made = Platform.start(cli, tmp_path_factory.mktemp("documents"))
    made.stack("local").up()
    yield made
    made.stop()


@pytest.mark.parametrize("words", reading(), ids=" ".join)
def test_a_command_that_only_looks_gives_an_answer(platform: Platform, words: tuple[str, ...]) -> None:
    env = {**os.environ, **platform.sandbox.environment(), "COLUMNS": "80"}
    command = [sys.executable, "-m", "ops", "--stack", "local", *words]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1), f"{' '.join(words)}: {done.stderr}"
    assert "Traceback" not in done.stderr
    assert done.stdout, "it says something"


def of_pulumi() -> list[Command]:
    return [
        one
        for one in commands()
        if one.words[0] == "pulumi"
        and len(one.words) > 1
        and one.words[1].isalpha()
        and one.words[1] not in PROSE
    ]


@cache
def help_of(cli: Path, words: tuple[str, ...]) -> str:
    done = subprocess.run([cli / "pulumi", *words, "--help"], capture_output=True, text=True, timeout=60)
    return done.stdout if done.returncode == 0 else ""


@pytest.mark.parametrize("command", of_pulumi(), ids=str)
def test_pulumi_has_the_command_and_its_options(cli: Path, command: Command) -> None:
    words = tuple(word for word in command.words[1:] if word.isalpha())
    told = help_of(cli, words[:2]) if words[0] in ("stack", "config", "state") else help_of(cli, words[:1])
    assert f"pulumi {words[0]}" in told, f"{command}: no such command"
    for option in (word.partition("=")[0] for word in command.words if word.startswith("--")):
        assert option in told, f"{command}: no option {option}"
