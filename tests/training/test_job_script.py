"""job.sh brings sd-scripts at the pinned commit and installs what both need, tries again, and says what is out of reach."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.training.ground import REPOSITORY

STUB = """#!/bin/sh
echo "{name} $*" >>"{log}"
{extra}
"""
FAILS_TWICE = 'if [ "$(grep -c "{what}" "{log}")" -lt 3 ]; then exit 1; fi'


@pytest.fixture
def job(tmp_path: Path) -> Path:
    code = tmp_path / "code"
    (code / "training").mkdir(parents=True)
    shutil.copy(REPOSITORY / "training" / "job.sh", code / "training")
    shutil.copy(REPOSITORY / "cloud_init" / "versions.env", code)
    return tmp_path


def run(job: Path, git: str = "", python: str = "") -> tuple[int, list[str]]:
    """Its status, and what it called: git and Python are stubs, in which these lines stand."""
    tools, log = job / "bin", job / "log"
    tools.mkdir(exist_ok=True)
    log.write_text("")
    for name, extra in (("git", git), ("python3", python)):
        (tools / name).write_text(STUB.format(name=name, log=log, extra=extra.replace("{log}", str(log))))
        (tools / name).chmod(0o755)
    environment = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "SM_ROOT": str(job / "ml"),
        "SD_SCRIPTS_PLACE": str(job / "sd-scripts"),
        "RETRY_STEP_S": "0",
    }
    argv = ["bash", str(job / "code" / "training" / "job.sh")]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, log.read_text().splitlines()


def pinned(name: str) -> str:
    text = (REPOSITORY / "cloud_init" / "versions.env").read_text()
    found = re.search(rf'^{name}="(.*)"$', text, re.MULTILINE)
    assert found
    return found[1]


def test_it_brings_the_pinned_commit_and_runs_the_package(job: Path) -> None:
    status, calls = run(job, python='case "$*" in *torch*__version__*) echo 2.6.0 ;; esac')
    assert status == 0
    assert any(
        f"fetch --quiet --depth 1 {pinned('SD_SCRIPTS_URL')} {pinned('SD_SCRIPTS_REF')}" in one
        for one in calls
    )
    [install] = [one for one in calls if "pip install" in one]
    assert "--requirement requirements.txt" in install
    assert f"--requirement {job}/code/training/requirements.txt" in install
    assert f"bitsandbytes=={pinned('BITSANDBYTES_VERSION')}" in install
    assert (job / "sd-scripts" / ".constraints").read_text() == "torch==2.6.0\n", "the image's torch stays"
    assert calls[-1] == "python3 -m training.job"


def test_what_fails_at_first_is_tried_again(job: Path) -> None:
    status, calls = run(
        job,
        git=f'case "$*" in *fetch*) {FAILS_TWICE.format(what="fetch --quiet", log="{log}")} ;; esac',
        python=f'case "$*" in *install*) {FAILS_TWICE.format(what="pip install", log="{log}")} ;; esac',
    )
    assert status == 0
    assert sum("fetch --quiet" in one for one in calls) == 3
    assert sum("pip install" in one for one in calls) == 3


@pytest.mark.parametrize(
    ("git", "python", "told"),
    [
        ('case "$*" in *fetch*) exit 1 ;; esac', "", "sd-scripts could not be fetched"),
        ("", 'case "$*" in *install*) exit 1 ;; esac', "packages of sd-scripts could not be installed"),
    ],
)
def test_what_stays_out_of_reach_is_the_jobs_reason(job: Path, git: str, python: str, told: str) -> None:
    status, calls = run(job, git, python)
    assert status == 1
    assert told in (job / "ml" / "output" / "failure").read_text()
    assert not any("training.job" in one for one in calls)
