"""What tests read of a run on the recording engine (`declared/`), which is handed on from here."""

import base64
import gzip
import json
from typing import Any

import yaml

from declared.program import run_program
from declared.recorder import Recorded, Recording, deploy

__all__ = [
    "Recorded",
    "Recording",
    "deploy",
    "environment_of",
    "policy_of",
    "rights_of",
    "run_program",
    "user_data_of",
]


def policy_of(document: str) -> dict[str, dict[str, Any]]:
    """Statements of an IAM policy by their Sid."""
    return {one["Sid"]: one for one in json.loads(document)["Statement"]}


def rights_of(recording: Recording[Any]) -> dict[str, dict[str, Any]]:
    """Statements of all roles' own policies by their Sid; raises when two share one."""
    documents = [one["policy"] for one in recording.inputs_of("aws:iam/rolePolicy:RolePolicy")]
    statements = [one for document in documents for one in policy_of(document).items()]
    if len(statements) != len(dict(statements)):
        raise LookupError(f"statements share a Sid: {[sid for sid, _ in statements]}")
    return dict(statements)


def user_data_of(machine: Recorded) -> str:
    """A machine's user data as cloud-init reads it."""
    return gzip.decompress(base64.b64decode(machine.inputs["userDataBase64"])).decode()


def environment_of(machine: Recorded) -> dict[str, str]:
    """The machine's `/etc/sd-app/machine.env`."""
    files = {one["path"]: one["content"] for one in yaml.safe_load(user_data_of(machine))["write_files"]}
    pairs = (line.split("=", 1) for line in files["/etc/sd-app/machine.env"].splitlines())
    return {key: value.strip('"') for key, value in pairs}
