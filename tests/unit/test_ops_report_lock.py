"""A report shows what another lock means for its stack."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops import report_lock
from ops.errors import OpsError
from ops.report_page import Table, Text
from tests.unit.lock_ground import Clone, clone


@pytest.fixture
def ground(tmp_path: Path) -> Clone:
    return clone(tmp_path / "clone")


def test_another_lock_is_told_by_what_differs(ground: Clone) -> None:
    first = ground.lock("prod", promoted_from="dev")
    base = ground.commit()
    assert report_lock.section("prod", base, ground.root) is None, "the same lock"
    ground.lock(
        "prod", commit=first.commit, promoted_from="dev", images={**first.images, "backend": "ami-0a"}
    )
    section = report_lock.section("prod", base, ground.root)
    assert section
    said, table = section.blocks
    assert isinstance(said, Text) and said.text.startswith("Promoted from dev, smoke-tested at 2026-11-28")
    assert isinstance(table, Table)
    assert table.rows == (("images.backend", "ami-0fedcba98765…", "ami-0a"),)


def test_a_first_lock_and_a_lock_that_is_gone_are_told(ground: Clone) -> None:
    base = ground.git("rev-parse", "HEAD")
    assert report_lock.section("prod", base, ground.root) is None, "no lock at all"
    ground.lock("prod")
    first = report_lock.section("prod", base, ground.root)
    assert first and isinstance(first.blocks[1], Table) and len(first.blocks[1].rows) > 10
    with_lock = ground.commit()
    (ground.locks / "prod.json").unlink()
    gone = report_lock.section("prod", with_lock, ground.root)
    assert gone and isinstance(gone.blocks[0], Text) and "gone" in gone.blocks[0].text


def test_a_lock_that_is_none_is_an_error(ground: Clone) -> None:
    ground.locks.mkdir(exist_ok=True)
    (ground.locks / "prod.json").write_text("{}")
    with pytest.raises(OpsError, match=r"locks/prod.json is no lock"):
        report_lock.section("prod", "HEAD", ground.root)
