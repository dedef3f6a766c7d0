"""A stack on AWS: the user's own Pulumi login, backend and credentials, and nothing of the sandbox."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tools.engine import Engine, EngineFailed, ask_plain
from tools.progress import say

SANDBOX_KEYS = ("PULUMI_DEBUG_PROVIDERS", "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION")
ENDPOINT = "AWS_ENDPOINT_URL"
"""With a suffix, such as AWS_ENDPOINT_URL_S3, it is one service's (botocore and the official provider read both)."""

LOG_IN = """not logged in to a Pulumi backend, which keeps the state of the stacks. With S3, made once per account:{path}
    aws s3 mb s3://YOUR-STATE-BUCKET --region {region}
    aws s3api put-bucket-versioning --bucket YOUR-STATE-BUCKET --versioning-configuration Status=Enabled
    pulumi login 's3://YOUR-STATE-BUCKET?region={region}'
  or `pulumi login` for Pulumi Cloud"""

NO_STACK = """there is no stack {stack} in {backend}. Make it once, with a KMS key for its secrets:{path}
    aws kms create-alias --region {region} --alias-name alias/sd-app-{stack} --target-key-id \\
      "$(aws kms create-key --region {region} --query KeyMetadata.KeyId --output text)"
    pulumi stack init {stack} --secrets-provider 'awskms://alias/sd-app-{stack}?region={region}'"""

NOT_READY = """stack {stack} is not ready for `up` (see above); nothing was changed.
  To go on anyway: make up STACK={stack} ARGS=--no-doctor"""


class RemoteFailed(Exception):
    """The stack can't be worked on; the message tells why and what to do."""


def own_environment(environment: Mapping[str, str], root: Path) -> tuple[dict[str, str], list[str]]:
    """The user's environment without what belongs to the sandbox, and the names taken out."""
    sandbox = str(root / ".sandbox")
    out = [
        key
        for key, value in environment.items()
        if key.startswith(ENDPOINT)
        or key in SANDBOX_KEYS
        or (key in ("PULUMI_HOME", "PULUMI_BACKEND_URL") and sandbox in value)
    ]
    return {key: value for key, value in environment.items() if key not in out}, out


def engine(cli: Path, root: Path, stack: str) -> Engine:
    """The engine on this stack; raises RemoteFailed when there is no stack file, no login or no such stack."""
    _must_be_known(root, stack)
    env, out = own_environment(os.environ, root)
    if out:
        say(
            f"  warning: {', '.join(out)} not used for stack {stack}: set for the sandbox, it is no part of AWS"
        )
    env["PATH"] = os.pathsep.join([str(cli), str(root / ".venv" / "bin"), env.get("PATH", "")])
    env["PULUMI_SKIP_UPDATE_CHECK"] = "true"
    advice = {
        "stack": stack,
        "region": _region(root / f"Pulumi.{stack}.yaml"),
        "path": "" if shutil.which("pulumi") else f'\n    export PATH="{cli}:$PATH"',
    }
    backend = _backend(cli, root, env, advice)
    found = Engine(cli, stack, root, env)
    try:
        found.ask("stack", "--show-name")
    except EngineFailed as error:
        if "no stack named" in str(error):
            raise RemoteFailed(NO_STACK.format(backend=backend, **advice)) from error
        raise
    return found


def must_be_ready(root: Path, stack: str) -> None:
    """Run `ops doctor` in the user's own environment; RemoteFailed when it finds what would stop `up`."""
    _must_be_known(root, stack)
    env, _ = own_environment(os.environ, root)
    words = ["-m", "ops", "--stack", stack, "doctor", "--for-up"]
    done = subprocess.run([sys.executable, *words], cwd=root, env=env)
    if done.returncode:
        raise RemoteFailed(NOT_READY.format(stack=stack))


def _must_be_known(root: Path, stack: str) -> None:
    known = sorted(path.name.split(".")[1] for path in root.glob("Pulumi.*.yaml"))
    if stack not in known:
        raise RemoteFailed(f"STACK={stack}: no file Pulumi.{stack}.yaml here; there are {', '.join(known)}")


def _region(stack_file: Path) -> str:
    """The stack's AWS Region, for the commands that are told; the settings themselves are checked by settings.py."""
    document: dict[str, Any] = yaml.safe_load(stack_file.read_text()) or {}
    config: dict[str, Any] = document.get("config") or {}
    return str(config.get("aws:region", "us-east-1"))


def _backend(cli: Path, root: Path, env: Mapping[str, str], advice: Mapping[str, str]) -> str:
    try:
        told: dict[str, Any] = json.loads(ask_plain(cli, root, env, "whoami", "--json"))
    except EngineFailed as error:
        if "login" in str(error):
            raise RemoteFailed(LOG_IN.format(**advice)) from error
        raise
    return str(told.get("url", "the backend"))
