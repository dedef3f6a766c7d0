"""The sandbox's README says what the tables are."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from sandbox.aws import LOOKUPS, TYPES
from sandbox.aws.table import ResourceType

SANDBOX = Path(__file__).parent.parent.parent / "sandbox"
README = (SANDBOX / "README.md").read_text()
SHARED = {"__init__", "faithful", "table"}
"""Modules of sandbox/aws that stand for no service."""

ROWS = {
    row[0]: row[1:]
    for line in README.splitlines()
    if line.startswith("| ") and "aws:" in line
    for row in [[cell.strip() for cell in line.strip("|").split("|")]]
}


def tokens(text: str) -> list[str]:
    return re.findall(r"`(aws:[^`]+)`", text)


def test_every_type_is_in_the_row_of_its_module():
    listed = {module: set(tokens(row[0])) for module, row in ROWS.items() if not row[0].startswith("part of")}
    actual: dict[str, set[str]] = {}
    for module in listed:
        resources: tuple[ResourceType, ...] = import_module(f"sandbox.aws.{module}").RESOURCES
        actual[module] = {one.token for one in resources}
    assert listed == actual
    assert set().union(*listed.values()) == set(TYPES)


def test_the_rows_tell_which_modules_use_the_store():
    writing = {
        file.stem for file in (SANDBOX / "aws").glob("*.py") if ".store.put(" in file.read_text()
    } - SHARED
    assert {module for module, row in ROWS.items() if row[2] != "nothing"} == writing


def test_every_lookup_is_listed():
    [line] = [line for line in README.splitlines() if line.startswith("Lookups: ")]
    assert tokens(line) == sorted(LOOKUPS)


def test_every_file_is_described():
    described = set(re.findall(r"`(\w+\.py)`", README.split("## Machines that run")[0]))
    assert described == {file.name for file in SANDBOX.glob("*.py")} - {"__init__.py"}
