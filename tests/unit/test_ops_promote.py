"""`ops promote`: prod gets what dev has passed, whole, and nothing else; the lock before comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lock_ground import IMAGES, Clone, clone

from ops import cli, promote
from ops.errors import OpsError
from ops.promote import PromoteArgs

OTHER = {"mlServer": "ami-0aaaaaaaaaaaaaaaa", "backend": "ami-0bbbbbbbbbbbbbbbb"}


@pytest.fixture
def ground(tmp_path: Path) -> Clone:
    return clone(tmp_path)


def go(ground: Clone, source: str | None, target: str = "prod", *, dry_run: bool = False) -> int:
    args = PromoteArgs(source=source, target=target, dry_run=dry_run)
    return promote.run(args, ground.root, json=False)


def refused(ground: Clone, source: str | None, target: str = "prod") -> str:
    with pytest.raises(OpsError) as error:
        go(ground, source, target)
    assert not (ground.locks / "prod.json").exists(), "nothing may be written"
    return str(error.value)


def test_prod_gets_all_that_dev_has_passed_with(ground: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    dev = ground.lock("dev")
    assert go(ground, "dev") == 0
    made = ground.read("prod")
    assert made.promoted_from == "dev" and made.promoted_at and made.before is None
    kept = ("commit", "region", "passed", "images", "versions", "nodes", "workflows", "packages")
    assert {name: getattr(made, name) for name in kept} == {name: getattr(dev, name) for name in kept}
    told = capsys.readouterr().out
    assert "images.mlServer" in told and IMAGES["mlServer"] in told
    assert f"git push --force origin {dev.commit}:refs/heads/prod" in told


def test_the_same_again_changes_nothing(ground: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    ground.lock("dev")
    go(ground, "dev")
    before = (ground.locks / "prod.json").read_bytes()
    assert go(ground, "dev") == 0
    assert (ground.locks / "prod.json").read_bytes() == before
    assert "nothing changes" in capsys.readouterr().out


def test_a_dry_run_shows_the_difference_and_writes_nothing(
    ground: Clone, capsys: pytest.CaptureFixture[str]
) -> None:
    ground.lock("dev")
    go(ground, "dev")
    before = (ground.locks / "prod.json").read_bytes()
    ground.change("cloud_init/versions.env", 'PM2_VERSION="', 'PM2_VERSION="9')
    ground.commit()
    ground.lock("dev", images=OTHER)
    capsys.readouterr()
    assert go(ground, "dev", dry_run=True) == 0
    told = capsys.readouterr().out
    assert "versions.PM2_VERSION" in told and OTHER["backend"] in told and "nothing was written" in told
    assert "versions.NODE_VERSION" not in told, "what stays is not told"
    assert (ground.locks / "prod.json").read_bytes() == before


def test_one_command_brings_the_lock_before_back_and_again_the_newer_one(ground: Clone) -> None:
    first = ground.lock("dev").commit
    go(ground, "dev")
    (ground.root / "more.txt").write_text("x")
    second = ground.commit()
    ground.lock("dev", images=OTHER)
    go(ground, "dev")
    assert (ground.read("prod").commit, ground.read("prod").images) == (second, OTHER)
    go(ground, None)
    assert (ground.read("prod").commit, ground.read("prod").images) == (first, IMAGES)
    go(ground, None)
    assert ground.read("prod").commit == second
    before = ground.read("prod").before
    assert before is not None and before.before is None, "a lock holds one step of its past, not all"


def test_a_first_lock_has_none_before(ground: Clone) -> None:
    ground.lock("dev")
    go(ground, "dev")
    with pytest.raises(OpsError, match="has had one lock alone"):
        go(ground, None)


def test_without_a_lock_there_is_nothing_to_go_back_to(ground: Clone) -> None:
    assert "follows no lock" in refused(ground, None)


def test_what_has_passed_no_test_is_refused(ground: Clone) -> None:
    assert "must pass first" in refused(ground, "dev")


@pytest.mark.parametrize(
    "edited",
    [
        {"versions": {"COMFYUI_REF": "v9"}},
        {"workflows": {"app/workflows/text.json": "0" * 64}},
        {"packages": {}},
    ],
)
def test_a_lock_that_says_other_than_its_commit_is_refused(ground: Clone, edited: dict[str, Any]) -> None:
    ground.lock("dev", **edited)
    assert "what dev has not passed is not promoted" in refused(ground, "dev")


def test_a_commit_that_this_clone_lacks_is_told(ground: Clone) -> None:
    ground.lock("dev", commit="1" * 40)
    assert "git fetch" in refused(ground, "dev")


def test_a_broken_lock_is_refused(ground: Clone) -> None:
    ground.locks.mkdir()
    (ground.locks / "dev.json").write_text("{")
    assert "locks/dev.json is no lock" in refused(ground, "dev")


def test_a_stack_that_follows_another_is_no_source(ground: Clone) -> None:
    ground.lock("dev", promoted_from="test")
    assert "dev follows test" in refused(ground, "dev")


def test_another_region_or_architecture_is_refused(ground: Clone) -> None:
    ground.lock("dev", region="eu-west-1")
    assert "an image is one Region's" in refused(ground, "dev")
    ground.change("Pulumi.prod.yaml", "t2.medium", "t4g.medium")
    ground.commit()
    ground.lock("dev")
    assert "two architectures" in refused(ground, "dev")


@pytest.mark.parametrize(
    ("stacks", "told"), [(("dev", "dev"), "name two stacks"), (("local", "prod"), "on this machine alone")]
)
def test_a_stack_is_not_promoted_to_itself_nor_the_local_one(
    ground: Clone, stacks: tuple[str, str], told: str
) -> None:
    assert told in refused(ground, *stacks)


def test_a_stack_without_a_file_is_told(ground: Clone) -> None:
    ground.lock("dev")
    assert "no Pulumi.staging.yaml here" in refused(ground, "dev", "staging")


@pytest.mark.parametrize("words", [["dev"], ["dev", "prod", "--rollback"], ["a", "b", "c"]])
def test_wrong_words_are_told(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["promote", *words]) == 2
    assert "ops promote FROM TO" in capsys.readouterr().err


def test_programs_get_json(ground: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    commit = ground.lock("dev").commit
    promote.run(PromoteArgs(source="dev", target="prod", dry_run=True), ground.root, json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["stack"], told["commit"], told["written"]) == ("prod", commit, False)
    assert {"what": "images.mlServer", "before": "", "after": IMAGES["mlServer"]} in told["changes"]
