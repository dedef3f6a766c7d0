"""`ops lock`: only what has passed its smoke test, and still runs, is kept; a checkout is held against a lock."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from lock_ground import IMAGES, Clone, clone
from ops_cloud import Cloud, cloud_for_ops

from ops import lock
from ops.errors import OpsError
from ops.stack import Stack, connect


@pytest.fixture
def ground(tmp_path: Path) -> Clone:
    return clone(tmp_path)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Generator[Cloud]:
    with cloud_for_ops(monkeypatch) as made:
        made.put_outputs({"imageIds": IMAGES})
        yield made


@pytest.fixture
def dev(cloud: Cloud) -> Stack:
    return connect("dev")


def passes(dev: Stack, ground: Clone) -> str:
    return lock.note_passed(dev, 3.2, 4.1, ground.root)


def refused(dev: Stack, ground: Clone) -> str:
    with pytest.raises(OpsError) as error:
        lock.keep(dev, ground.root, json=False)
    assert not (ground.locks / "dev.json").exists()
    return str(error.value)


def test_what_has_passed_is_kept_with_its_commit_and_images(dev: Stack, ground: Clone) -> None:
    assert passes(dev, ground) == ""
    assert lock.keep(dev, ground.root, json=False) == 0
    made = ground.read("dev")
    assert made.commit == ground.git("rev-parse", "HEAD")
    assert made.images == IMAGES and made.promoted_from is None
    assert (made.passed.text_seconds, made.passed.sketch_seconds) == (3.2, 4.1)
    assert made.versions["COMFYUI_REF"].startswith("v")


def test_without_a_test_there_is_no_lock(dev: Stack, ground: Clone) -> None:
    assert "has passed no smoke test" in refused(dev, ground)


def test_a_test_that_fails_undoes_the_one_before(dev: Stack, ground: Clone) -> None:
    passes(dev, ground)
    lock.forget_passed(dev, ground.root)
    assert "has passed no smoke test" in refused(dev, ground)


def test_another_commit_since_the_test_is_refused(dev: Stack, ground: Clone) -> None:
    passes(dev, ground)
    (ground.root / "more.txt").write_text("x")
    ground.commit()
    assert "with something else than is there now" in refused(dev, ground)


def test_another_machine_image_since_the_test_is_refused(dev: Stack, ground: Clone, cloud: Cloud) -> None:
    passes(dev, ground)
    cloud.put_outputs({"imageIds": {**IMAGES, "backend": "ami-0ccccccccccccccccc"}})
    assert "images.backend: ami-0fedcba9876543210 then" in refused(dev, ground)


def test_a_file_that_changed_since_the_test_is_refused(dev: Stack, ground: Clone) -> None:
    passes(dev, ground)
    ground.change("app/workflows/text.json", "{", "{ ")
    assert "app/workflows/text.json" in refused(dev, ground)


def test_a_checkout_with_changes_passes_but_can_not_be_locked(dev: Stack, ground: Clone) -> None:
    (ground.root / "new.py").write_text("x = 1\n")
    assert "new.py" in passes(dev, ground)
    assert "has passed no smoke test" in refused(dev, ground)


def test_the_locks_themselves_are_no_changes(dev: Stack, ground: Clone) -> None:
    ground.lock("prod", promoted_from="dev")
    assert passes(dev, ground) == ""
    assert lock.keep(dev, ground.root, json=False) == 0
    ground.commit("locks")
    assert lock.check("dev", ground.root) == 0


def test_a_stack_that_follows_a_lock_makes_none_of_its_own(dev: Stack, ground: Clone) -> None:
    ground.lock("dev", promoted_from="test")
    passes(dev, ground)
    with pytest.raises(OpsError, match="is made from what test has passed"):
        lock.keep(dev, ground.root, json=False)


def test_the_local_stack_is_never_promoted(
    monkeypatch: pytest.MonkeyPatch, ground: Clone, cloud: Cloud
) -> None:
    assert "never promoted" in passes(connect("local"), ground)


def test_outputs_without_images_are_told(dev: Stack, ground: Clone, cloud: Cloud) -> None:
    cloud.put_outputs({})
    with pytest.raises(OpsError, match="no imageIds"):
        passes(dev, ground)


def test_a_checkout_as_the_lock_says_is_well(ground: Clone, capsys: pytest.CaptureFixture[str]) -> None:
    ground.lock("prod", promoted_from="dev")
    ground.commit("lock")
    assert lock.check("prod", ground.root) == 0
    assert "as dev has passed" in capsys.readouterr().out


def test_a_checkout_ahead_of_the_lock_is_told_by_its_files(ground: Clone) -> None:
    commit = ground.lock("prod", promoted_from="dev").commit
    (ground.root / "components").mkdir()
    (ground.root / "components" / "new.py").write_text("x = 1\n")
    ground.commit()
    with pytest.raises(OpsError, match=r"components/new\.py") as error:
        lock.check("prod", ground.root)
    assert f"git switch --detach {commit}" in str(error.value)


def test_a_stack_without_a_lock_is_made_from_any_checkout(
    ground: Clone, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lock.check("prod", ground.root) == 0
    assert "follows no lock" in capsys.readouterr().out
