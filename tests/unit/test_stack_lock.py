"""A stack's lock: what it holds, that a broken one stops everything, and that the program takes images only from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import stack_lock
from settings import SettingsError
from stack_lock import Lock, LockBroken, Passed
from tests.unit.engine import run_program

ML, BACKEND = "ami-0123456789abcdef0", "ami-0fedcba9876543210"
MACHINE = "aws:ec2/instance:Instance"


def lock(stack: str = "prod", **changed: Any) -> Lock:
    """A lock as prod has it after a promotion, with this checkout's own files."""
    values: dict[str, Any] = {
        "stack": stack,
        "region": "us-east-1",
        "commit": "1" * 40,
        "passed": Passed(at="2026-11-28T06:00:00+00:00", text_seconds=3.2, sketch_seconds=4.1),
        "images": {"mlServer": ML, "backend": BACKEND},
        **stack_lock.of_checkout(),
        "promoted_from": "dev",
        "promoted_at": "2026-11-28T07:00:00+00:00",
    }
    return Lock(**{**values, **changed})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The locks of a checkout, none at first."""
    monkeypatch.setattr(stack_lock, "FOLDER", tmp_path)
    return tmp_path


def test_it_names_every_version_node_workflow_and_package_lock() -> None:
    found = stack_lock.of_checkout()
    pinned = (stack_lock.ROOT / stack_lock.VERSIONS).read_text()
    assert len(found["versions"]) == sum("=" in line and line[0] != "#" for line in pinned.splitlines())
    assert found["nodes"]["COMFYROLL"] == found["versions"]["COMFYROLL_REF"]
    assert {"app/workflows/text.json", "app/workflows/sketch.slots.json"} <= set(found["workflows"])
    assert "app/backend/package-lock.json" in found["packages"]
    assert all(len(one) == 64 for one in [*found["workflows"].values(), *found["packages"].values()])


def test_no_lock_file_of_the_repository_is_forgotten() -> None:
    """A second package lock somewhere would be a version that no lock records."""
    own = {"requirements.lock", "package-lock.json"}
    left_out = {".venv", "node_modules", ".sandbox", ".cache", "tests", "policy"}
    there = {
        path.relative_to(stack_lock.ROOT).as_posix()
        for pattern in ("*", "*/*", "*/*/*")
        for path in stack_lock.ROOT.glob(pattern)
        if path.name in own and not left_out & set(path.parts)
    }
    assert there == set(stack_lock.PACKAGES)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    made = lock(before=lock(commit="2" * 40))
    assert stack_lock.write(made, tmp_path) == tmp_path / "prod.json"
    assert stack_lock.read("prod", tmp_path) == made
    assert stack_lock.read("dev", tmp_path) is None
    assert "promotedFrom" in json.loads((tmp_path / "prod.json").read_text())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "Invalid JSON"),
        ("{}", "commit: Field required"),
        (json.dumps({"unknown": 1}), "unknown: Extra"),
    ],
)
def test_a_broken_lock_is_refused_by_name(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "prod.json").write_text(text)
    with pytest.raises(LockBroken, match=r"locks/prod\.json is no lock") as error:
        stack_lock.read("prod", tmp_path)
    assert told in str(error.value)


def test_the_lock_of_another_stack_is_refused(tmp_path: Path) -> None:
    stack_lock.write(lock("dev"), tmp_path).rename(tmp_path / "prod.json")
    with pytest.raises(LockBroken, match="is the lock of dev"):
        stack_lock.read("prod", tmp_path)


def test_a_stack_is_made_from_a_promoted_lock_alone(tmp_path: Path) -> None:
    stack_lock.write(lock("dev", promoted_from=None), tmp_path)
    stack_lock.write(lock("prod"), tmp_path)
    assert stack_lock.followed("dev", tmp_path) is None, "dev's is a record of a test; dev goes ahead of it"
    assert stack_lock.followed("prod", tmp_path) is not None


def test_the_program_takes_machine_images_and_branch_from_the_lock(folder: Path) -> None:
    stack_lock.write(lock(), folder)
    made = run_program("prod")
    images = {one.inputs["tags"]["Role"]: one.inputs["ami"] for one in made.of(MACHINE)}
    assert images == {"ml-server": ML, "backend": BACKEND}
    for one in made.of(MACHINE):
        assert "ami" not in one.ignore_changes, "another lock must reach the machine that is there"
    assert made.exports["imageIds"] == {"mlServer": ML, "backend": BACKEND}


def test_without_a_lock_the_program_takes_todays_image_once(folder: Path) -> None:
    for one in run_program("prod").of(MACHINE):
        assert one.inputs["ami"] not in (ML, BACKEND)
        assert "ami" in one.ignore_changes


def test_an_image_in_stack_file_and_lock_is_refused_before_anything_is_made(folder: Path) -> None:
    stack_lock.write(lock(), folder)
    other: dict[str, Any] = {
        "sd-app:backend": {"instanceType": "t2.medium", "amiId": "ami-00000000000000000"}
    }
    with pytest.raises(
        SettingsError, match=r"take it out of the stack file, set it for dev, and promote that"
    ):
        run_program("prod", config=other)


def test_a_broken_lock_stops_the_program(folder: Path) -> None:
    (folder / "prod.json").write_text("{}")
    with pytest.raises(SettingsError, match="is no lock"):
        run_program("prod")


def test_branch_and_ref_are_the_stacks_own_while_the_rest_of_the_group_stays() -> None:
    raw = {"sd-app:repository": json.dumps({"url": "https://github.com/a/b", "ref": "main"})}
    over = stack_lock.laid_over(lock(), raw)
    assert json.loads(over["sd-app:repository"]) == {
        "url": "https://github.com/a/b",
        "ref": "prod",
        "branch": "prod",
    }


def test_a_difference_names_what_changes_and_nothing_else() -> None:
    old = lock(
        commit="2" * 40,
        versions={**lock().versions, "COMFYUI_REF": "v0.30.0", "GONE": "1"},
        images={"mlServer": ML},
    )
    assert stack_lock.difference(old, lock()) == [
        ("commit", "2" * 40, "1" * 40),
        ("images.backend", "", BACKEND),
        ("versions.COMFYUI_REF", "v0.30.0", lock().versions["COMFYUI_REF"]),
        ("versions.GONE", "1", ""),
    ]
    assert stack_lock.difference(lock(), lock()) == []
    assert len(stack_lock.difference(None, lock())) > 30
