"""What is pinned in two places is the same in both."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from tests.training.ground import REPOSITORY

TRAINING = REPOSITORY / "training"


def versions() -> dict[str, str]:
    text = (REPOSITORY / "cloud_init" / "versions.env").read_text()
    return dict(re.findall(r'^([A-Z0-9_]+)="(.*)"$', text, re.MULTILINE))


def required(file: str) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (TRAINING / file).read_text(), re.MULTILINE))


def test_the_training_environment_has_the_notebooks_torch_and_kernel() -> None:
    pins = required("requirements-dev.txt")
    assert pins["torch"] == versions()["KOHYA_TORCH_VERSION"]
    assert pins["ipykernel"] == versions()["IPYKERNEL_VERSION"]


def test_the_arguments_are_those_of_the_pinned_trainer() -> None:
    known = json.loads((TRAINING / "sd_scripts_arguments.json").read_text())
    assert known["commit"] == versions()["SD_SCRIPTS_REF"]
    assert known["repository"] == versions()["SD_SCRIPTS_URL"]


def test_the_lock_has_what_is_required() -> None:
    locked = required("requirements.lock")
    for name, version in {**required("requirements.txt"), **required("requirements-dev.txt")}.items():
        assert locked[name] == version, name


def test_pictures_are_read_alike_here_and_where_a_style_is_trained() -> None:
    """Another Pillow may resize otherwise, and a set would have another hash."""
    own = re.search(r"^pillow==(\S+)", (REPOSITORY / "requirements-dev.txt").read_text(), re.MULTILINE)
    assert own and own[1] == required("requirements.txt")["pillow"]


def test_what_cannot_work_is_said_before_anything_is_fetched() -> None:
    bash = shutil.which("bash")
    assert bash
    done = subprocess.run(
        [bash, REPOSITORY / "tools" / "training.sh", "lock"],
        env={"PATH": "/usr/bin:/bin", "PYTHON": "/no/such/python", "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        pytest.fail("a lock was written without Python")
    assert "needs Python 3.11 to 3.13" in done.stderr
