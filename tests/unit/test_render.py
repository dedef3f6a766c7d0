"""User data and the notebook's hook: what they carry, that AWS takes them, and that the machines can read them."""

import ast
import base64
import gzip
import io
import itertools
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from cloud_init import render
from cloud_init.render import (
    ROLE_FILES,
    ROLE_SCRIPTS,
    UserDataTooLarge,
    environment_file,
    machine_files,
    render_cloud_config,
    render_lifecycle,
    render_user_data,
    without_comments,
    without_types,
)

ROLES = tuple(ROLE_SCRIPTS)
ENVIRONMENT = {
    f"KEY_{number}": f"arn:aws:sqs:us-east-1:123456789012:sd-app-prod-{number}" for number in range(24)
}
"""About as long as the longest that the components make."""
SHELL_FILES = sorted(render.HERE.rglob("*.sh"))
PYTHON_FILES = [path for path in sorted(render.HERE.rglob("*.py")) if path.parent != render.HERE]
BASE_UNITS = Path("/lib/systemd/system")


def config_of(role: str) -> dict[str, dict[str, str]]:
    """The files that a role's cloud-config writes, by path."""
    text = gzip.decompress(base64.b64decode(render_user_data(role, ENVIRONMENT))).decode()
    assert text.startswith("#cloud-config\n")
    return {one["path"]: one for one in yaml.safe_load(text)["write_files"]}


def hook_files() -> dict[str, tuple[int, str]]:
    """Mode and text of each file that the notebook's hook unpacks, by path."""
    script = base64.b64decode(render_lifecycle(ENVIRONMENT)).decode()
    [packed] = re.findall(r"<<'END'[^\n]*\n([^\n]+)\nEND\n", script)
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(packed)), mode="r:gz") as tar:
        return {f"/{one.name}": (one.mode, text(tar, one)) for one in tar.getmembers()}


def text(tar: tarfile.TarFile, entry: tarfile.TarInfo) -> str:
    file = tar.extractfile(entry)
    assert file is not None
    return file.read().decode()


@pytest.mark.parametrize("role", ROLES)
def test_user_data_of_every_role_fits_with_room_for_what_is_to_come(role: str) -> None:
    size = len(base64.b64decode(render_user_data(role, ENVIRONMENT)))
    assert size <= 15_000, "EC2 takes 16,384 bytes"


def test_the_notebooks_hook_fits_with_room_for_what_is_to_come() -> None:
    assert len(render_lifecycle(ENVIRONMENT)) <= 15_000, "SageMaker takes 16,384 characters of base64"


def backend_data(environment: Mapping[str, str]) -> str:
    return render_user_data("backend", environment)


@pytest.mark.parametrize("make", [backend_data, render_lifecycle])
def test_what_is_too_large_is_refused_with_its_size_and_the_limit(
    make: Callable[[dict[str, str]], str],
) -> None:
    state = itertools.accumulate(range(20_000), lambda last, _: (last * 48271) % 2147483647, initial=1)
    noise = "".join("0123456789abcdef"[value % 16] for value in state)
    with pytest.raises(UserDataTooLarge, match=r"16384: shorten"):
        make({"NOISE": noise})


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(
        ValueError, match='"notebook" is no role of a machine; allowed: backend, ml-server, nat'
    ):
        render_user_data("notebook", {})


def test_the_same_input_gives_the_same_bytes_whatever_its_order() -> None:
    turned = dict(reversed(ENVIRONMENT.items()))
    for role in ROLES:
        assert render_user_data(role, ENVIRONMENT) == render_user_data(role, turned)
    assert render_lifecycle(ENVIRONMENT) == render_lifecycle(turned)


@pytest.mark.parametrize("role", ROLES)
def test_cloud_init_starts_the_roles_script_through_the_unit_that_runs_at_every_boot(role: str) -> None:
    commands = yaml.safe_load(render_cloud_config(role, ENVIRONMENT))["runcmd"]
    assert commands[0] == ["ln", "-sfn", f"/opt/sd-app/bin/{ROLE_SCRIPTS[role]}", "/opt/sd-app/bin/prepare"]
    assert ["systemctl", "enable", "sd-app-prepare.service"] in commands
    files = config_of(role)
    assert files[f"/opt/sd-app/bin/{ROLE_SCRIPTS[role]}"]["permissions"] == "0755"
    unit = files["/etc/systemd/system/sd-app-prepare.service"]
    assert "ExecStart=/opt/sd-app/bin/prepare" in unit["content"] and unit["permissions"] == "0644"
    assert files["/etc/sd-app/machine.env"]["permissions"] == "0640"


@pytest.mark.parametrize("role", ROLES)
def test_until_the_unit_is_enabled_each_boot_forgets_what_cloud_init_notes_as_done(role: str) -> None:
    [[shell, option, command]] = yaml.safe_load(render_cloud_config(role, ENVIRONMENT))["bootcmd"]
    assert (shell, option) == ("sh", "-c")
    condition, forget = command.split(" || ")
    assert condition == "systemctl is-enabled --quiet sd-app-prepare.service"
    notes = "/var/lib/cloud/instance/sem/config_"
    assert forget == f"rm -f {notes}write_files {notes}runcmd {notes}scripts_user"


def test_versions_go_to_all_machines_but_the_nat_instance() -> None:
    assert "NODE_VERSION" in config_of("backend")["/etc/sd-app/versions.env"]["content"]
    assert "COMFYUI_REF" in config_of("ml-server")["/etc/sd-app/versions.env"]["content"]
    assert "SD_SCRIPTS_REF" in hook_files()["/etc/sd-app/versions.env"][1]
    assert "/etc/sd-app/versions.env" not in config_of("nat"), (
        "a new version would replace it and cut the network"
    )


def test_every_file_of_the_folder_reaches_a_machine() -> None:
    everything = {
        path for path in render.HERE.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    }
    own = {render.HERE / "render.py", render.HERE / "__init__.py"}
    patterns = [*ROLE_SCRIPTS.values(), *itertools.chain.from_iterable(ROLE_FILES.values())]
    assert everything - own == {
        path for pattern in patterns for path in render.HERE.glob(pattern) if path.is_file()
    }


def test_a_file_of_no_known_kind_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes.txt").write_text("")
    monkeypatch.setattr(render, "HERE", tmp_path)
    with pytest.raises(ValueError, match=r"notes\.txt: no known place on a machine"):
        machine_files(("*",), {})


def test_the_hook_unpacks_its_files_and_runs_the_start_script(tmp_path: Path) -> None:
    script = base64.b64decode(render_lifecycle(ENVIRONMENT)).decode()
    assert script.startswith("#!/bin/bash\n") and script.endswith("exec /opt/sd-app/bin/on-start.sh\n")
    # The very script, but with the root and the last step of a test.
    here = script.replace("-C / ", f"-C {tmp_path} ").replace("exec /opt", f"ls {tmp_path}/opt")
    subprocess.run(["bash", "-c", here], check=True, capture_output=True)
    for path, (mode, content) in hook_files().items():
        found = tmp_path / path.lstrip("/")
        assert found.read_text() == content and found.stat().st_mode & 0o777 == mode
    assert (tmp_path / "opt/sd-app/bin/jupyter-lab-kohya.sh").exists()


@pytest.mark.parametrize("path", SHELL_FILES, ids=lambda path: path.name)
def test_a_script_without_its_comments_is_the_same_script(path: Path, tmp_path: Path) -> None:
    def parsed(file: Path) -> list[str]:
        told = subprocess.run(
            ["bash", "--pretty-print", str(file)], capture_output=True, text=True, check=True
        )
        return [line for line in told.stdout.splitlines() if line.strip()]

    bare = tmp_path / path.name
    bare.write_text(without_comments(path))
    assert parsed(bare) == parsed(path)
    if path.name != "machine.sh":
        assert bare.read_text().startswith("#!/usr/bin/env bash\n")


@pytest.mark.parametrize("path", PYTHON_FILES, ids=lambda path: path.name)
def test_a_python_file_without_its_docstrings_and_types_is_the_same_program(path: Path) -> None:
    tree = WithoutTypes().visit(ast.parse(path.read_text()))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [one for one in body if not is_text(one)]  # type: ignore[attr-defined]  # has a body, as seen
    bare = without_comments(path)
    assert ast.dump(WithoutTypes().visit(ast.parse(bare))) == ast.dump(tree)
    assert " -> " not in bare and "# noqa" not in bare, "it still has what nothing reads"


class WithoutTypes(ast.NodeTransformer):
    """Takes out the types that a program does not read as it runs: all but those of a class's fields."""

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.body = [one if isinstance(one, ast.AnnAssign) else self.visit(one) for one in node.body]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        return ast.Assign([node.target], node.value) if node.value else node


def test_of_types_and_comments_only_those_go_that_nothing_reads() -> None:
    text = (
        "@dataclass\nclass A:\n    b: int = 1\n    def c(self, d: str, *e: int, f: 'x' = 'é', **g: A) -> A | None:  # noqa\n"
        "        h: list[str] = ['# é']  # why\n        i: int\n        return lambda j: h\n"
    )
    assert without_types(text) == (
        "@dataclass\nclass A:\n    b: int = 1\n    def c(self, d, *e, f = 'é', **g):\n"
        "        h = ['# é']\n        i: int\n        return lambda j: h\n"
    )


def is_text(node: object) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def test_units_and_settings_keep_every_line_that_says_something() -> None:
    unit = render.HERE / "ml-server/comfyui@.service"
    kept = without_comments(unit).splitlines()
    assert kept == [line for line in unit.read_text().splitlines() if not line.startswith("#")]


@given(
    st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,12}", fullmatch=True), st.text(max_size=20), max_size=4)
)
@example({"A": "https://host:1/a?b=c,d@e%20+~"})
@example({"A": "https://sqs.us-east-1.amazonaws.com/1/q?a=b,c@d%20+*"})
@example({"A": "$HOME `id` \\"})
@example({"A": "line\n"})
def test_what_is_not_refused_comes_back_from_bash_as_it_was(environment: dict[str, str]) -> None:
    # Names that bash itself sets or refuses to have set are no keys of ours.
    environment = {f"SD_{key}": value for key, value in environment.items()}
    try:
        content = environment_file(environment)
    except ValueError as error:
        assert any(re.search(r"[^\w ./:,@%+=*?-]", value) for value in environment.values()), (
            f"refused: {error}"
        )
        return
    read = subprocess.run(
        ["env", "-i", "bash", "-c", "set -a; . /dev/stdin; /usr/bin/env -0"],
        input=content.encode(),
        capture_output=True,
        check=True,
    )
    pairs = dict(pair.split("=", 1) for pair in read.stdout.decode().split("\0") if pair)
    assert {key: pairs[key] for key in environment} == environment
    assert not read.stderr


@pytest.mark.parametrize("value", ['a"b', "a$b", "a`b", "a\\b", "a\nb", "a'b", "a;b", "a#b", "a&b"])
def test_a_value_that_readers_take_differently_is_refused_by_its_key(value: str) -> None:
    with pytest.raises(ValueError, match="environment value of WISH has a character"):
        environment_file({"WISH": value})


@pytest.mark.parametrize("key", ["lower", "1A", "A-B", "", "A B"])
def test_a_key_that_is_no_name_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="is not legal"):
        environment_file({key: "x"})


@pytest.mark.skipif(not shutil.which("cloud-init"), reason="the Debian package cloud-init is not installed")
@pytest.mark.parametrize("role", ROLES)
def test_cloud_init_itself_finds_the_config_valid(role: str, tmp_path: Path) -> None:
    config = tmp_path / f"{role}.yaml"
    config.write_text(render_cloud_config(role, ENVIRONMENT))
    told = subprocess.run(
        ["cloud-init", "schema", "--config-file", str(config)], capture_output=True, text=True
    )
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.skipif(
    not shutil.which("systemd-analyze") or not BASE_UNITS.is_dir(),
    reason="the Debian package systemd is not installed",
)
@pytest.mark.parametrize("role", ROLES)
def test_systemd_finds_nothing_to_say_about_the_units(role: str, tmp_path: Path) -> None:
    # A root with systemd's own targets, the role's files, and the programs that the scripts will have installed.
    shutil.copytree(BASE_UNITS, tmp_path / "lib/systemd/system", symlinks=True)
    for one in machine_files((ROLE_SCRIPTS[role], *ROLE_FILES[role]), ENVIRONMENT):
        target = tmp_path / one.path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(one.content)
    units = list((tmp_path / "etc/systemd/system").iterdir())
    for command in {
        word for unit in units for word in re.findall(r"^Exec\w+=-?\+?(\S+)", unit.read_text(), re.M)
    }:
        program = tmp_path / command.lstrip("/")
        program.parent.mkdir(parents=True, exist_ok=True)
        program.touch()
        program.chmod(0o755)
    names = [unit.name.replace("@.", "@8188.") for unit in units]
    command = ["systemd-analyze", "verify", f"--root={tmp_path}", "--man=no", *names]
    told = subprocess.run(command, capture_output=True, text=True)
    own = [line for line in (told.stdout + told.stderr).splitlines() if re.search("sd-app|comfyui", line)]
    assert not own and len(units) > 0
