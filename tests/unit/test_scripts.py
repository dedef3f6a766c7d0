"""The machines' scripts: linted, and fed with every key that they read."""

import base64
import io
import os
import re
import subprocess
import sys
import tarfile
from functools import cache
from pathlib import Path

import pytest

from cloud_init import render
from tests.unit.engine import environment_of, run_program

HERE = render.HERE
SHELLCHECK = Path(sys.executable).parent / "shellcheck"
SCRIPTS = sorted(HERE.rglob("*.sh"))
OPTIONAL = {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "SD_APP_SKIP_TORCH"}
"""Set by tests alone; a script must do without."""
OVERRIDES = {
    "SD_APP_ETC",
    "SD_APP_STATE",
    "SD_APP_TOOLS",
    "SD_APP_BIN",
    "SD_APP_HOME_FOLDER",
    "RETRY_SECONDS",
}
"""Where machine.sh looks instead of the usual places; tests set them."""
SHELLS_OWN = {"BASH_SOURCE", "BASH_COMMAND", "PIPESTATUS", "SECONDS", "PATH", "HOME"}
SYSTEMDS_OWN = {"STATE_DIRECTORY"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_finds_nothing(path: Path) -> None:
    command = [
        str(SHELLCHECK),
        "--external-sources",
        "--source-path=SCRIPTDIR",
        "--severity=style",
        str(path),
    ]
    told = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent)
    assert told.returncode == 0, told.stdout + told.stderr


def test_scripts_are_strict_and_executable() -> None:
    for path in SCRIPTS:
        strict = "set -euo pipefail" in path.read_text() or "machine.sh" in path.read_text()
        assert strict, f"{path.name} goes on after an error"
        assert path.name == "machine.sh" or os.access(path, os.X_OK), f"{path.name} is not executable"


def keys_read(text: str) -> set[str]:
    """Capitals that a script, unit or Python file takes from its environment."""
    shell = set(re.findall(r"\$\{?#?([A-Z][A-Z0-9_]+)", text))
    return (shell | set(re.findall(r'environ\["([A-Z0-9_]+)"\]', text))) - set(
        re.findall(r"\b([A-Z0-9_]+)=", text)
    )


def keys_set(text: str) -> set[str]:
    return set(re.findall(r"^([A-Z][A-Z0-9_]*)=", text, re.M))


@cache
def environments() -> dict[str, set[str]]:
    """The keys of machine.env by role, as the whole program sets them."""
    made = run_program("dev")
    machines = {one.inputs["tags"].get("Role", ""): one for one in made.of("aws:ec2/instance:Instance")}
    hook = made.only(
        "aws:sagemaker/notebookInstanceLifecycleConfiguration:NotebookInstanceLifecycleConfiguration"
    ).inputs["onStart"]
    packed = re.findall(r"<<'END'[^\n]*\n([^\n]+)\nEND\n", base64.b64decode(hook).decode())[0]
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(packed)), mode="r:gz") as tar:
        file = tar.extractfile(render.ENVIRONMENT_FILE.lstrip("/"))
        assert file is not None
        notebook = keys_set(file.read().decode())
    return {
        "backend": set(environment_of(machines["backend"])),
        "ml-server": set(environment_of(machines["ml-server"])),
        "notebook": notebook,
    }


@pytest.mark.parametrize("role", ["backend", "ml-server", "notebook"])
def test_every_key_that_a_role_reads_is_set_by_the_program_or_by_the_versions(role: str) -> None:
    known = environments()[role] | keys_set((HERE / "versions.env").read_text())
    script = [render.ROLE_SCRIPTS[role]] if role in render.ROLE_SCRIPTS else []
    files = render.machine_files((*script, *render.ROLE_FILES[role]), {})
    here = OPTIONAL | OVERRIDES | SHELLS_OWN | SYSTEMDS_OWN
    # A key that machine.sh reads must be there for all; what another role's script sets is not.
    missing = {one.path: keys_read(one.content) - known - here for one in files}
    shared = next(one.content for one in files if one.path.endswith("/machine.sh"))
    missing = {path: keys - keys_assigned(shared) for path, keys in missing.items()}
    optional = {"/opt/sd-app/bin/machine.sh": {"NOTEBOOK_NAME", "SD_APP_BOOT_PARAMETER"}}
    assert {
        path: keys - optional.get(path, set())
        for path, keys in missing.items()
        if keys - optional.get(path, set())
    } == {}


def keys_assigned(text: str) -> set[str]:
    return set(re.findall(r"\b([A-Z][A-Z0-9_]+)=", text))


def test_every_pinned_version_is_read_by_somebody() -> None:
    readers = "".join(path.read_text() for path in HERE.rglob("*") if path.suffix in (".sh", ".service"))
    unread = {key for key in keys_set((HERE / "versions.env").read_text()) if f"${key}" not in readers}
    assert not unread, "a version that nobody reads is pinned in vain"


def test_pinned_commits_are_whole_and_checksums_are_sha256() -> None:
    versions = dict(re.findall(r'^(\w+)="(.*)"$', (HERE / "versions.env").read_text(), re.M))
    for key in ("MANAGER_REF", "CONTROLNET_AUX_REF", "COMFYROLL_REF", "SD_SCRIPTS_REF"):
        assert re.fullmatch(r"[0-9a-f]{40}", versions[key]), f"{key} could be moved"
    for key in ("NODE_SHA256_X64", "NODE_SHA256_ARM64"):
        assert re.fullmatch(r"[0-9a-f]{64}", versions[key])
