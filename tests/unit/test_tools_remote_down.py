"""Protected data is no matter of a `y`: the stack's name is typed, or nothing happens. The CLI is a fake."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.fakes import answering_cli
from tools import remote_down
from tools.engine import Engine
from tools.remote_stack import RemoteFailed

BUCKET = {"type": "aws:s3/bucket:Bucket", "id": "studio", "outputs": {"arn": "arn:aws:s3:::studio"}}
OPS = """
import json, os, sys
state = json.load(open(sys.argv[sys.argv.index("--state") + 1]))
with open(os.environ["FAKE_ANSWERS"] + "/scan", "w") as file:
    json.dump({"words": sys.argv[1:], "state": state}, file)
"""


class Ground:
    """A fake CLI with a state, and a fake `ops` beside it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self.answers = folder / "checkout", folder / "answers"
        self.root.mkdir()
        (self.root / "ops.py").write_text(OPS)
        cli = answering_cli(folder / "fakes", self.answers)
        env = {"FAKE_ANSWERS": str(self.answers), "PATH": "/usr/bin:/bin"}
        self.engine = Engine(cli, "prod", self.root, env)
        self.keep()

    def keep(self, *, protect: bool = True) -> None:
        state = {"deployment": {"resources": [{**BUCKET, "protect": protect}]}}
        (self.answers / "stack export").write_text(json.dumps(state))

    def down(self, ask: Callable[[str], str] | None = None) -> int:
        return remote_down.take_down(self.engine, self.root, ask)

    def destroyed(self) -> list[list[str]]:
        calls: list[dict[str, Any]] = [
            json.loads(one) for one in (self.answers / "calls").read_text().splitlines()
        ]
        return [one["words"] for one in calls if one["words"][0] == "destroy"]

    def scanned(self) -> dict[str, Any]:
        return json.loads((self.answers / "scan").read_text())


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ground:
    return Ground(tmp_path, monkeypatch)


def test_with_the_name_typed_all_but_the_protected_goes_and_what_is_left_is_told(ground: Ground) -> None:
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return " prod\n"

    assert ground.down(ask) == 0
    assert ground.destroyed() == [["destroy", "--exclude-protected", "--stack", "prod"]]
    assert "bucket studio" in asked[0]
    scan = ground.scanned()
    assert scan["words"][:3] == ["--stack", "prod", "leftovers"]
    assert scan["state"] == {
        "protected": ["arn:aws:s3:::studio", "studio"],
        "known": ["arn:aws:s3:::studio", "studio"],
    }


@pytest.mark.parametrize("typed", ["", "y", "yes", "dev", "PROD"])
def test_anything_else_changes_nothing(ground: Ground, typed: str) -> None:
    with pytest.raises(RemoteFailed, match="is not prod; nothing was changed"):
        ground.down(lambda question: typed)
    assert ground.destroyed() == []


def test_where_nobody_can_type_nothing_is_changed(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(question: str) -> str:
        raise EOFError

    monkeypatch.setattr("builtins.input", nobody)
    with pytest.raises(RemoteFailed):
        ground.down()
    assert ground.destroyed() == []


def test_without_protected_data_the_clis_own_question_will_do(ground: Ground) -> None:
    ground.keep(protect=False)
    assert ground.down() == 0
    assert ground.destroyed() == [["destroy", "--stack", "prod"]]


def test_a_destroy_that_failed_is_not_followed_by_a_list_of_everything(ground: Ground) -> None:
    ground.keep(protect=False)
    (ground.answers / "destroy fails").write_text("DependencyViolation")
    (ground.answers / "destroy --stack fails").write_text("DependencyViolation")
    assert ground.down() != 0
    assert not (ground.answers / "scan").exists()
