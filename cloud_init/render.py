"""Static files and one environment file in, user data out. Knows nothing of Pulumi.

Scripts are never templates: what differs between machines stands in `/etc/sd-app/machine.env`, and nowhere else.
"""

import base64
import gzip
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
USER_DATA_LIMIT_BYTES = 16_384
"""EC2's limit, before base64 and after gzip: docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html."""

ENVIRONMENT_FILE = "/etc/sd-app/machine.env"
SCRIPT_DIRECTORY = "/opt/sd-app/bin"
UNIT_DIRECTORY = "/etc/systemd/system"
ROLE_SCRIPTS = {"backend": "backend.sh", "ml-server": "comfyui-server.sh", "nat": "nat.sh"}
"""The script that prepares a role; its other files lie in the folder `cloud_init/<role>/`."""


class UserDataTooLarge(ValueError):
    """Scripts and environment do not fit what EC2 takes."""


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
    files = [_file(ENVIRONMENT_FILE, environment_file(environment), "0640"), *_static_files(role)]
    config = {"write_files": files, "runcmd": [[f"{SCRIPT_DIRECTORY}/{ROLE_SCRIPTS[role]}"]]}
    return "#cloud-config\n" + yaml.safe_dump(config, sort_keys=False, width=1000)


def environment_file(environment: Mapping[str, str]) -> str:
    """`KEY=value` a line, as systemd's EnvironmentFile and a shell's `.` both read it.

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


def _static_files(role: str) -> list[dict[str, Any]]:
    script = HERE / ROLE_SCRIPTS[role]
    files = [_file(f"{SCRIPT_DIRECTORY}/{script.name}", script.read_text(), "0755")]
    for path in sorted((HERE / role).glob("*")):
        unit = path.suffix in (".service", ".timer", ".target")
        directory, mode = (UNIT_DIRECTORY, "0644") if unit else (SCRIPT_DIRECTORY, "0755")
        files.append(_file(f"{directory}/{path.name}", path.read_text(), mode))
    return files


def _file(path: str, content: str, mode: str) -> dict[str, Any]:
    return {"path": path, "permissions": mode, "owner": "root:root", "content": content}
