"""Static files and one environment file in, user data out. Knows nothing of Pulumi.

Scripts are never templates; comments aside they arrive as they stand here, and of the versions those that a role reads.
What differs between machines stands in `/etc/sd-app/machine.env`, and nowhere else.
"""

import ast
import base64
import gzip
import io
import re
import tarfile
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

HERE = Path(__file__).parent
USER_DATA_LIMIT_BYTES = 16_384
"""EC2's limit, before base64 and after gzip: docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html."""
LIFECYCLE_LIMIT_CHARACTERS = 16_384
"""SageMaker's limit of a hook, after base64 (NotebookInstanceLifecycleHook of its API)."""

ETC = "/etc/sd-app"
ENVIRONMENT_FILE = f"{ETC}/machine.env"
VERSIONS_FILE = f"{ETC}/versions.env"
SCRIPT_DIRECTORY = "/opt/sd-app/bin"
PREPARE = f"{SCRIPT_DIRECTORY}/prepare"
"""What sd-app-prepare.service runs: a link to the role's script."""
UNIT = "sd-app-prepare.service"
"""Prepares the machine at each boot, once it is enabled."""
NOTEBOOK_START = f"{SCRIPT_DIRECTORY}/on-start.sh"

ROLE_SCRIPTS = {"backend": "backend.sh", "ml-server": "comfyui-server.sh", "nat": "nat.sh"}
"""The script that prepares a role."""
ROLE_FILES: dict[str, tuple[str, ...]] = {
    "backend": ("machine.sh", "versions.env", "shared/*", "backend/*"),
    "ml-server": ("machine.sh", "versions.env", "shared/*", "ml-server/*"),
    # Nothing else: each change of its user data replaces it, and cuts off all that is behind it meanwhile.
    "nat": ("shared/sd-app-prepare.service",),
    "notebook": ("jupyter-lab-kohya.sh", "machine.sh", "versions.env", "notebook/*"),
}
"""What a role gets beside its script, as patterns in this folder."""

HOMES = {
    ".env": (ETC, "0644"),
    ".sh": (SCRIPT_DIRECTORY, "0755"),
    ".timer": ("/etc/systemd/system", "0644"),
    ".slice": ("/etc/systemd/system", "0644"),
    ".ini": (ETC, "0644"),
    ".service": ("/etc/systemd/system", "0644"),
    ".yaml": (ETC, "0644"),
    ".py": (SCRIPT_DIRECTORY, "0755"),
    ".logrotate": ("/etc/logrotate.d", "0644"),
}
"""Where a file of a kind goes on the machine, and its mode; user data has them in this order."""


_BEGIN_ANEW = " ".join(
    [
        f"systemctl is-enabled --quiet {UNIT} || rm -f",
        *(f"/var/lib/cloud/instance/sem/config_{step}" for step in ("write_files", "runcmd", "scripts_user")),
    ]
)
"""cloud-init notes a step as done when it begins it: one that a power cut ended would never be run again, and a machine
whose unit isn't enabled yet would do nothing for ever. Until the unit is, each boot forgets those notes."""


class UserDataTooLarge(ValueError):
    """Scripts and environment do not fit what AWS takes."""


@dataclass(frozen=True)
class MachineFile:
    """A file on the machine, root's."""

    path: str
    mode: str
    content: str


class _Literal(yaml.SafeDumper):
    """Writes text of many lines as it stands: to be read, and 4 % smaller than quoted."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Literal.add_representer(str, _text)


def render_user_data(role: str, environment: Mapping[str, str]) -> str:
    """User data of a role for `user_data_base64`: base64 of gzip of a cloud-config.

    The same input gives the same text, so that nothing is replaced without a reason. Raises ValueError for an unknown
    role or an environment that would not survive its file, UserDataTooLarge past EC2's limit.
    """
    packed = gzip.compress(render_cloud_config(role, environment).encode(), compresslevel=9, mtime=0)
    if len(packed) > USER_DATA_LIMIT_BYTES:
        raise UserDataTooLarge(
            f"user data of {role} is {len(packed)} bytes compressed; EC2 takes {USER_DATA_LIMIT_BYTES}: shorten its scripts"
        )
    return base64.b64encode(packed).decode()


def render_cloud_config(role: str, environment: Mapping[str, str]) -> str:
    """The cloud-config itself, for tests and `cloud-init schema`."""
    if role not in ROLE_SCRIPTS:
        raise ValueError(f'"{role}" is no role of a machine; allowed: {", ".join(ROLE_SCRIPTS)}')
    script = ROLE_SCRIPTS[role]
    # Of one kind after the other: it compresses better.
    files = sorted(machine_files((script, *ROLE_FILES[role]), environment), key=_kind_and_name)
    config = {
        "bootcmd": [["sh", "-c", _BEGIN_ANEW]],
        "write_files": [
            {"path": one.path, "permissions": one.mode, "owner": "root:root", "content": one.content}
            for one in files
        ],
        # Not the script itself: cloud-init runs this once, the unit at every boot, so that it goes on where it stopped.
        "runcmd": [
            ["ln", "-sfn", f"{SCRIPT_DIRECTORY}/{script}", PREPARE],
            ["systemctl", "daemon-reload"],
            ["systemctl", "enable", UNIT],
            ["systemctl", "start", "--no-block", UNIT],
        ],
    }
    return "#cloud-config\n" + yaml.dump(config, Dumper=_Literal, sort_keys=False, width=1000)


def _kind_and_name(file: MachineFile) -> tuple[int, str]:
    kind = Path(file.path).suffix
    return [*HOMES, kind].index(kind), file.path.rpartition("/")[2]


def render_lifecycle(environment: Mapping[str, str]) -> str:
    """The notebook's start hook: base64 of a script that unpacks the files and runs `on-start.sh`.

    The same input gives the same text. Raises ValueError as `environment_file` does, UserDataTooLarge past
    SageMaker's limit.
    """
    files = machine_files(ROLE_FILES["notebook"], environment)
    packed = base64.b64encode(_archive(files)).decode()
    script = (
        "#!/bin/bash\n"
        "# Made by cloud_init/render.py: the notebook's files, packed, and the script among them that does the work.\n"
        "set -euo pipefail\n"
        "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
        f"base64 --decode <<'END' | tar -xz -C / --no-overwrite-dir\n{packed}\nEND\n"
        f"exec {NOTEBOOK_START}\n"
    )
    encoded = base64.b64encode(script.encode()).decode()
    if len(encoded) > LIFECYCLE_LIMIT_CHARACTERS:
        raise UserDataTooLarge(
            f"the notebook's hook is {len(encoded)} characters of base64; SageMaker takes {LIFECYCLE_LIMIT_CHARACTERS}: "
            "shorten its scripts"
        )
    return encoded


def machine_files(patterns: Iterable[str], environment: Mapping[str, str]) -> list[MachineFile]:
    """The environment file and the static ones that the patterns name. Raises ValueError for a file of no known kind."""
    found = [MachineFile(ENVIRONMENT_FILE, "0640", environment_file(environment))]
    for path in (path for pattern in patterns for path in sorted(HERE.glob(pattern)) if path.is_file()):
        if path.suffix not in HOMES:
            raise ValueError(
                f"{path}: no known place on a machine for this kind; allowed: {', '.join(HOMES)}"
            )
        folder, mode = HOMES[path.suffix]
        name = path.stem if path.suffix == ".logrotate" else path.name
        found.append(MachineFile(f"{folder}/{name}", mode, without_comments(path)))
    return [_used_alone(one, found) if one.path == VERSIONS_FILE else one for one in found]


def _used_alone(versions: MachineFile, files: Iterable[MachineFile]) -> MachineFile:
    """The versions that a role's own files read: checksums and commits are what compresses least."""
    read = " ".join(one.content for one in files if one is not versions)
    kept = [line for line in versions.content.splitlines() if line.partition("=")[0] in read]
    return replace(versions, content="".join(f"{line}\n" for line in kept if line))


def without_comments(path: Path) -> str:
    """A file's text without what is for its readers alone: AWS's limits leave no room for it.

    Goes: whole lines of comment but the `#!`; of Python also docstrings, empty lines, comments behind code and the types that
    nothing reads at run time. All else stays as it is.
    """
    text = re.sub(r"(?m)^[ \t]*#(?!!).*\n", "", path.read_text())
    if path.suffix != ".py":
        return text
    text = re.sub(r'(?ms)^[ \t]*"""(?:(?!""").)*"""\n', "", text)
    return re.sub(r"\n\n+", "\n", without_types(text))


def without_types(text: str) -> str:
    """Python without types of arguments, results and variables, and without comments behind code. A class's own fields
    keep theirs: dataclasses read them."""
    kept = [line.encode() for line in text.splitlines(keepends=True)]
    for line, begin, end in sorted(_type_places(ast.parse(text)) + _comment_places(text), reverse=True):
        kept[line - 1] = kept[line - 1][:begin] + kept[line - 1][end:]
    return b"".join(kept).decode()


def _type_places(tree: ast.Module) -> list[tuple[int, int, int]]:
    """Line, begin and end in bytes of each type that stands on one line, with its colon or arrow."""
    found: list[tuple[int, int, int]] = []
    fields = {id(one) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for one in node.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.annotation:
            begin, kind = node.col_offset + len(node.arg.encode()), node.annotation
        elif isinstance(node, ast.FunctionDef) and node.returns:
            begin, kind = node.returns.col_offset - len(" -> "), node.returns
        elif isinstance(node, ast.AnnAssign) and node.value and id(node) not in fields:
            begin, kind = node.target.end_col_offset or 0, node.annotation
        else:
            continue
        if kind.lineno == kind.end_lineno:
            found.append((kind.lineno, begin, kind.end_col_offset or 0))
    return found


def _comment_places(text: str) -> list[tuple[int, int, int]]:
    """Line, begin and end in bytes of each comment behind code, with the space before it."""
    found: list[tuple[int, int, int]] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and not token.string.startswith("#!"):
            before = token.line[: token.start[1]]
            end = len(before.encode()) + len(token.string.encode())
            found.append((token.start[0], len(before.rstrip().encode()), end))
    return found


def environment_file(environment: Mapping[str, str]) -> str:
    """`KEY="value"` a line, as systemd's EnvironmentFile and a shell's `.` both read it.

    Raises ValueError naming the key that is no name, or whose value would need quoting rules on which the two differ.
    """
    for key, value in environment.items():
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", key):
            raise ValueError(f'environment key "{key}" is not legal; allowed: capitals, digits and _')
        if not re.fullmatch(r"[\w ./:,@%+=*?-]*", value):
            raise ValueError(
                f"environment value of {key} has a character that shells and systemd read differently"
            )
    return "".join(f'{key}="{value}"\n' for key, value in sorted(environment.items()))


def _archive(files: Iterable[MachineFile]) -> bytes:
    """A gzipped tar with nothing in it that changes by itself: no times, no names of users."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for one in files:
            entry = tarfile.TarInfo(one.path.lstrip("/"))
            content = one.content.encode()
            entry.size, entry.mode = len(content), int(one.mode, 8)
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), compresslevel=9, mtime=0)
