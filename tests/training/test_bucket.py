"""The base model comes from the stack's own bucket, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from training.bucket import bring_base, named
from training.faults import SettingsRefused


class Bucket:
    """S3's client, as far as it is asked."""

    def __init__(self, fault: str = "") -> None:
        self.asked: list[tuple[str, str]] = []
        self._fault = fault

    def download_file(self, bucket: str, key: str, place: str) -> None:
        self.asked.append((bucket, key))
        Path(place).write_bytes(b"base")
        if self._fault:
            raise OSError(self._fault)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    file = tmp_path / "machine.env"
    file.write_text('AWS_REGION="us-east-1"\nBUCKET_NAME="sd-app-s3-dev"\n')
    return file


def test_the_notebooks_own_bucket_is_taken_where_none_is_named(machine: Path) -> None:
    assert named("mine", machine) == "mine"
    assert named("", machine) == "sd-app-s3-dev"
    assert named("", machine.with_name("nowhere")) == ""


def test_the_base_model_is_brought_once(tmp_path: Path, machine: Path) -> None:
    base, bucket = tmp_path / "models" / "room.safetensors", Bucket()
    for _ in range(2):
        bring_base(base, say=lambda text: None, client=bucket, machine=machine)
    assert bucket.asked == [("sd-app-s3-dev", "models/checkpoints/room.safetensors")]
    assert base.read_bytes() == b"base"


@pytest.mark.parametrize(
    ("fault", "told"), [("Not Found", r"checkpoints/room.safetensors could not be brought: Not Found")]
)
def test_cut_off_it_leaves_nothing(tmp_path: Path, machine: Path, fault: str, told: str) -> None:
    client: Any = Bucket(fault)
    with pytest.raises(SettingsRefused, match=told):
        bring_base(tmp_path / "room.safetensors", say=lambda text: None, client=client, machine=machine)
    assert [one.name for one in tmp_path.iterdir()] == ["machine.env"]


def test_without_a_bucket_it_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(SettingsRefused, match="set BUCKET"):
        bring_base(tmp_path / "room.safetensors", client=Bucket(), machine=tmp_path / "nowhere")
