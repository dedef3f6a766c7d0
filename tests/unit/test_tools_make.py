"""`make` and the set-up scripts on machines that lack something: each says what to install. Run in a copy of the few files."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.fakes import script

ROOT = Path(__file__).parents[2]


def run(folder: Path, *argv: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        argv,
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The files that set a checkout up, with one package that no index has."""
    (tmp_path / "tools").mkdir()
    for name in (
        "venv.sh",
        "node.sh",
        "system-packages.sh",
        "shell-scripts.sh",
        "progress.py",
        "__init__.py",
    ):
        shutil.copy(ROOT / "tools" / name, tmp_path / "tools")
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.lock").write_text("sd-app-no-such-package==1.0\n")
    return tmp_path


def test_help_is_the_default_and_tells_every_target(copy: Path):
    told = run(copy, "make")
    targets = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split()
    shown = [line.split()[0] for line in told.stdout.splitlines()[1:]]
    assert told.returncode == 0
    assert sorted(shown) == sorted(targets)
    assert max(map(len, told.stdout.splitlines())) <= 100


def test_help_sets_nothing_up(copy: Path):
    run(copy, "make", "help")
    assert not (copy / ".venv").exists()


def test_too_old_a_python_is_told_with_the_version_needed_and_how_to_get_it(copy: Path):
    body = f'exec {sys.executable} -c "import sys; sys.version_info = (3, 10, 9); $2"'
    old = script(copy / "fakes" / "python3.10", body)
    told = run(copy, "tools/venv.sh", PYTHON=str(old))
    assert told.returncode == 1
    assert "needs Python 3.11 or newer" in told.stderr
    assert "apt-get install python3 python3-venv" in told.stderr
    assert not (copy / ".venv").exists()


def test_a_python_without_venv_is_told_with_the_package_needed(copy: Path):
    bare = script(copy / "fakes" / "python3", 'case "$2" in *ensurepip*) exit 1;; esac; exit 0')
    script(copy / "fakes" / "dpkg", "exit 1")
    script(copy / "fakes" / "apt-get", "exit 100")
    told = run(copy, "tools/venv.sh", PYTHON=str(bare), PATH=f"{copy / 'fakes'}:{os.environ['PATH']}")
    assert told.returncode == 1
    assert "has no venv module. Debian, Ubuntu: apt-get install python3-venv" in told.stderr


def test_packages_that_cannot_be_had_are_told_and_the_next_run_tries_again(copy: Path):
    first = run(copy, "make", "settings-docs", PYTHON=sys.executable, PIP_NO_INDEX="1")
    again = run(copy, "make", "settings-docs", PYTHON=sys.executable, PIP_NO_INDEX="1")
    for told in (first, again):
        assert told.returncode != 0
        assert "sd-app-no-such-package" in told.stderr, "pip's own words are shown"
        assert "needs a package index: check the network" in told.stderr
    assert "set-up: .venv with Python" in first.stdout
    assert "set-up: .venv with Python" not in again.stdout, "a whole venv is not made twice"
    assert not (copy / ".venv" / ".ready").exists()


def test_a_set_up_that_is_done_is_not_done_again_until_the_lock_changes(copy: Path):
    (copy / "requirements.lock").write_text("# no packages\n")
    first, second = (run(copy, "make", ".venv/.ready", PYTHON=sys.executable) for _ in range(2))
    assert first.returncode == second.returncode == 0, first.stderr
    assert "set-up: packages ready" in first.stdout
    assert "set-up" not in second.stdout
    later = (copy / ".venv" / ".ready").stat().st_mtime + 10
    os.utime(copy / "requirements.lock", (later, later))
    assert "set-up: packages ready" in run(copy, "make", ".venv/.ready", PYTHON=sys.executable).stdout


@pytest.fixture
def with_node(copy: Path) -> Path:
    """Besides, a venv that is ready, with a Node.js and an npm that note how they are called, and a lock file."""
    venv = copy / ".venv" / "bin"
    script(venv / "python", f'exec {sys.executable} "$@"')
    script(venv / "node", "echo v24.0.0")
    script(venv / "npm", 'echo "$@" >>npm-calls; mkdir -p app/backend/node_modules; test ! -f npm-fails')
    (copy / ".venv" / ".ready").touch()
    (copy / "app" / "backend").mkdir(parents=True)
    (copy / "app" / "backend" / "package-lock.json").write_text("{}")
    return copy


def npm_calls(folder: Path) -> list[str]:
    file = folder / "npm-calls"
    return file.read_text().splitlines() if file.exists() else []


def node_packages(folder: Path) -> "subprocess.CompletedProcess[str]":
    return run(folder, "make", "app/backend/node_modules/.ready")


def test_the_backend_s_packages_are_installed_once_until_the_lock_or_node_changes(with_node: Path):
    first, second = node_packages(with_node), node_packages(with_node)
    assert first.returncode == second.returncode == 0, first.stderr
    assert npm_calls(with_node) == ["--prefix app/backend ci --no-audit --no-fund --loglevel=error"]
    assert "Node.js v24.0.0" in first.stdout and "set-up" not in second.stdout
    lock = with_node / "app" / "backend" / "package-lock.json"
    later = lock.stat().st_mtime + 10
    os.utime(lock, (later, later))
    assert node_packages(with_node).returncode == 0
    assert len(npm_calls(with_node)) == 1, "another time of the same content is no change"
    lock.write_text('{"changed": true}')
    os.utime(lock, (later + 10, later + 10))
    assert "packages are ready" in node_packages(with_node).stdout
    script(with_node / ".venv" / "bin" / "node", "echo v24.1.0")
    os.utime(with_node / ".venv" / ".ready", (later + 20, later + 20))
    assert node_packages(with_node).returncode == 0
    assert len(npm_calls(with_node)) == 3


def test_packages_of_npm_that_cannot_be_had_are_told_and_the_next_run_tries_again(with_node: Path):
    (with_node / "npm-fails").touch()
    told = node_packages(with_node)
    assert told.returncode != 0
    assert "needs npm's registry: check the network, or npm's own settings" in told.stderr
    (with_node / "npm-fails").unlink()
    assert node_packages(with_node).returncode == 0
    assert len(npm_calls(with_node)) == 2


def test_a_venv_without_node_says_what_to_do(with_node: Path):
    script(with_node / ".venv" / "bin" / "node", "exit 127")
    told = node_packages(with_node)
    assert told.returncode != 0
    assert ".venv has no Node.js: remove .venv, and run make again" in told.stderr
    assert npm_calls(with_node) == []


def test_missing_debian_packages_are_named_and_the_run_goes_on(copy: Path):
    script(copy / "fakes" / "id", "echo 1000")
    script(copy / "fakes" / "dpkg", "exit 1")
    told = run(
        copy,
        "tools/system-packages.sh",
        "some-package",
        PATH=f"{copy / 'fakes'}:{os.environ['PATH']}",
    )
    assert told.returncode == 0
    assert "without some-package, some tests are skipped" in told.stdout
    assert "apt-get install some-package" in told.stdout


def test_shell_scripts_are_found_by_name_and_by_first_line(copy: Path):
    script(copy / ".ci" / "run", "true")
    script(copy / "plain", "true")
    (copy / "notes").write_text("no script\n")
    script(copy / ".venv" / "bin" / "activate.sh", "true")
    script(copy / "folder with space" / "a.sh", "true")
    found = run(copy, "tools/shell-scripts.sh").stdout.split("\0")
    assert {"./.ci/run", "./plain", "./folder with space/a.sh", "./tools/venv.sh"} <= set(found)
    assert not {"./notes", "./.venv/bin/activate.sh"} & set(found)


def test_ci_runs_the_five_commands_in_a_newcomers_order():
    steps = re.findall(r"^step make (.*)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert steps == ["lint", "test", "up", "preview ARGS=--expect-no-changes", "down"]
