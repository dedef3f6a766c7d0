"""The end of a stack with protected data, by the real engine: the data stays, is told of, and `up` takes it up again."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from platform_stack import ROOT, Platform, PlatformStack

from tools import remote_down
from tools.engine import Engine


@dataclass(frozen=True)
class Quiet(Engine):
    """The engine without a screen and without its own question."""

    def show(self, *words: str) -> int:
        """Do it at once."""
        self.work("down", *words, "--yes", "--skip-preview")
        return 0


@pytest.fixture(scope="module")
def platform(cli: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Platform]:
    made = Platform.start(cli, tmp_path_factory.mktemp("down"))
    yield made
    made.stop()


def take_down(stack: PlatformStack) -> int:
    engine = stack.configured({})
    quiet = Quiet(engine.cli, engine.stack, engine.cwd, engine.env, engine.config)
    return remote_down.take_down(quiet, ROOT, lambda question: stack.local.stack)


def test_protected_data_stays_is_told_of_and_comes_back(
    platform: Platform, capfd: pytest.CaptureFixture[str]
) -> None:
    stack = platform.stack("prod")
    stack.up()
    bucket = stack.outputs()["bucketName"]
    platform.client("s3").put_object(Bucket=bucket, Key="outputs/picture.png", Body=b"a picture")
    assert take_down(stack) == 0
    told = capfd.readouterr().out
    assert "3 things of stack prod" in told, told
    assert f"bucket {bucket}" in told and "protected; the stack" in told
    assert platform.client("ec2").describe_addresses()["Addresses"] == [], "what costs by the hour is gone"

    stack.up()
    body = platform.client("s3").get_object(Bucket=bucket, Key="outputs/picture.png")["Body"].read()
    assert body == b"a picture", "the same bucket, with all that was in it"
    assert stack.up().changes == 0


def test_a_stack_without_protected_data_leaves_nothing(
    platform: Platform, capfd: pytest.CaptureFixture[str]
) -> None:
    stack = platform.stack("dev")
    stack.up()
    assert take_down(stack) == 0
    assert "Nothing of stack dev is left in us-east-1." in capfd.readouterr().out
