"""Every command in every document exists: targets, sub-commands, options; links and pictures lead somewhere."""

import argparse
import contextlib
import io
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

import botocore
import botocore.session
import pytest
import yaml

import settings
from ops import cli
from tests.unit.document_commands import ROOT, Command, commands, commands_of, documents
from tools import stack

xform_name = cast(Callable[[str, str], str], vars(botocore)["xform_name"])  # no stubs
OF_THE_CLI_ALONE = {("logs", "tail"), ("sso", "login"), ("configure", "list-profiles")}
"""What `aws` can do and no API has; `aws s3` is all of that kind."""
GLOBAL_OPTIONS = {"--region", "--output", "--query", "--profile"}
VARIABLES = {"STACK", "ARGS"}


def of(program: str) -> list[Command]:
    return [one for one in commands() if one.words[0] == program]


def test_documents_are_found_and_commands_in_them() -> None:
    assert {"README.md", "CONTRIBUTING.md", "docs/runbook.md"} <= {
        one.relative_to(ROOT).as_posix() for one in documents()
    }
    assert len(of("make")) > 30 and len(of("python")) > 20


@cache
def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@pytest.mark.parametrize("command", of("make"), ids=str)
def test_make_has_the_target_and_it_takes_these_arguments(command: Command) -> None:
    given = dict(word.split("=", 1) for word in command.words[1:] if "=" in word)
    goals = [word for word in command.words[1:] if "=" not in word and word != "…"]
    for goal in goals:
        assert goal in targets() or goal == "TARGET", f"{command}: no target {goal}"
    assert set(given) <= VARIABLES, f"{command}: the Makefile reads {', '.join(sorted(VARIABLES))}"
    if given.get("STACK", "…") not in ("…", "NAME"):
        for name in given["STACK"].strip("[]").split("|"):
            assert (ROOT / f"Pulumi.{name}.yaml").is_file(), f"{command}: no stack {name}"
    arguments = given.get("ARGS", "").split()
    if arguments and goals and goals[0] in stack.ACTIONS and "…" not in arguments:
        stack.parser().parse_args([goals[0], *arguments])


@cache
def parser() -> argparse.ArgumentParser:
    return cli._parser()  # pyright: ignore[reportPrivateUsage]  (the very one that people meet)


def parsed(words: list[str]) -> str:
    """What the parser of `ops` says against these words; empty when it takes them."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        try:
            parser().parse_args(words)
        except SystemExit as end:
            return said.getvalue() if end.code else ""
    return ""


def ops_words() -> list[tuple[Command, list[str]]]:
    """Each command of `ops` in a document; `… jobs list` is one with what stands before it left out."""
    found: list[tuple[Command, list[str]]] = []
    for command in commands():
        words = list(command.words)
        if words[:3] == ["python", "-m", "ops"]:
            found.append((command, words[3:]))
        elif words[0] == "…" and len(words) > 1:
            found.append((command, words[1:]))
    return [
        (command, words) for command, words in found if (words and words[-1] != "…") or "--reason" in words
    ]


@pytest.mark.parametrize(
    ("command", "words"), ops_words(), ids=lambda one: str(one) if isinstance(one, Command) else ""
)
def test_ops_takes_the_command_with_its_options(command: Command, words: list[str]) -> None:
    assert parsed(words) == "", str(command)


@pytest.mark.parametrize("command", of("python"), ids=str)
def test_a_module_that_is_run_is_there(command: Command) -> None:
    if command.words[1:2] == ("-m",) and command.words[2] not in ("venv", "pip", "pytest", "pdb"):
        place = ROOT / command.words[2].replace(".", "/")
        assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), str(command)


@pytest.mark.parametrize("command", of("npm"), ids=str)
def test_npm_has_the_script(command: Command) -> None:
    words = [word for word in command.words[1:] if not word.startswith("-") or word == "--prefix"]
    if {"ci", "install"} & set(words):
        return
    folder = Path(command.file).parent
    if words[:1] == ["--prefix"]:
        folder, words = Path(words[1]), words[2:]
    scripts = cast(
        dict[str, str], json.loads((ROOT / folder / "package.json").read_text()).get("scripts", {})
    )
    name = words[1] if words[0] in ("run", "run-script") else words[0]
    assert name in scripts, f"{command}: {folder} has {', '.join(scripts)}"


@cache
def service(name: str) -> Any:
    return cast(Any, botocore.session.get_session()).get_service_model({"s3api": "s3"}.get(name, name))


def options_of(command: Command) -> set[str]:
    return {word.partition("=")[0] for word in command.words[3:] if word.startswith("--")} - GLOBAL_OPTIONS


@pytest.mark.parametrize("command", [one for one in of("aws") if len(one.words) > 2], ids=str)
def test_aws_has_the_operation_and_its_options(command: Command) -> None:
    name, action = command.words[1], command.words[2]
    if name == "s3" or (name, action) in OF_THE_CLI_ALONE:
        return
    names: list[str] = list(service(name).operation_names)
    operations = {xform_name(one, "-"): one for one in names}
    assert action in operations, f"{command}: {name} can't {action}"
    shape = service(name).operation_model(operations[action]).input_shape
    members: list[str] = list(shape.members) if shape else []
    known = {f"--{xform_name(one, '-')}" for one in members}
    wrong = {
        one for one in options_of(command) if one not in known and one.replace("--no-", "--") not in known
    }
    assert not wrong, f"{command}: {action} has no {', '.join(wrong)}"


FOR_PEOPLE = ("README.md", "CONTRIBUTING.md", "docs/runbook.md")


@pytest.mark.parametrize("file", FOR_PEOPLE)
def test_a_setting_that_is_named_is_one(file: str) -> None:
    groups = "|".join(settings.SECTIONS)
    for group, name in re.findall(rf"`(?:sd-app:)?({groups})\.(\w+)", (ROOT / file).read_text()):
        known = {field.alias for field in settings.SECTIONS[group].model_fields.values()}
        assert name in known or name == "py", f"{file}: {group}.{name} is no setting"


def test_every_alarm_has_its_page_in_the_runbook() -> None:
    text = (ROOT / "docs/runbook.md").read_text()
    for kind in ("queue-age", "dead-letters", "edge-errors", "disk"):
        assert f"`{kind}`" in text


def links() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for path in documents():
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
            if not re.match(r"[a-z]+:", target):
                found.append((path.relative_to(ROOT).as_posix(), target))
    return found


@pytest.mark.parametrize(("file", "target"), links())
def test_a_link_leads_to_a_file_and_a_heading_that_is_there(file: str, target: str) -> None:
    place, _, heading = target.partition("#")
    path = ((ROOT / file).parent / place).resolve() if place else ROOT / file
    assert path.exists(), f"{file}: {target}"
    if heading and path.suffix == ".md":
        named = {anchor(line.lstrip("# ")) for line in path.read_text().splitlines() if line.startswith("#")}
        assert heading in named, f"{file}: {target}"


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_commands_are_read_from_blocks_and_spans_with_variables_comments_and_pipes() -> None:
    text = "Say `make up STACK=dev`, or `FOO=1 make down`.\n```\n$ python -m ops status | head  # all\nup local: 5 s\n```\n"
    text += "```json\nmake nothing\n```\n`aws a b && aws c d`\n"
    assert [one.words for one in commands_of("x.md", text)] == [
        ("make", "up", "STACK=dev"),
        ("make", "down"),
        ("python", "-m", "ops", "status"),
        ("aws", "a", "b"),
        ("aws", "c", "d"),
    ]


def test_a_wrong_command_is_told() -> None:
    assert "invalid choice" in parsed(["jobs", "burn"])
    assert "unrecognized arguments" in parsed(["status", "--loud"])
    assert parsed(["--stack", "dev", "doctor"]) == ""


def test_hooks_run_what_make_lint_runs_with_tools_that_are_there() -> None:
    hooks: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0][
        "hooks"
    ]
    entries = [str(one["entry"]).replace(".venv/bin/", "") for one in hooks]
    [lint] = re.findall(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in lint.splitlines():
        told = line.strip().removeprefix("@").rpartition("xargs -0 ")[2]
        if not told.startswith("echo"):
            words = told.removesuffix(" .").removesuffix(" --silent")
            assert any(words in entry for entry in entries), f"no hook runs {words}"
    for one in hooks:
        program = str(one["entry"]).split()[0]
        assert program == "env" or (ROOT / program).exists(), program
