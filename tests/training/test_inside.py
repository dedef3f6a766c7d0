"""Runs the tests of `inside/` where torch, diffusers and transformers are: with the training environment's own pytest."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.training.environment import python
from tests.training.ground import REPOSITORY

INSIDE = sorted(Path(__file__).with_name("inside").glob("test_*.py"))


@pytest.mark.parametrize("file", INSIDE, ids=[one.stem for one in INSIDE])
@pytest.mark.timeout(900)
def test_passes_in_the_training_environment(file: Path, tmp_path: Path) -> None:
    argv = [
        str(python()),
        "-m",
        "pytest",
        str(file),
        "-p",
        "no:cacheprovider",
        f"--basetemp={tmp_path / 'inside'}",
    ]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(argv, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\b[1-9]\d* passed", done.stdout), f"no test ran:\n{done.stdout}"
