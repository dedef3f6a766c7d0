"""One stack as the commands see it: where it is, how to speak to it, and what its outputs are."""

import json
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import boto3.session
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError

import contract
from ops.errors import OpsError, code, explain

ROOT = Path(__file__).resolve().parent.parent
"""The checkout: stack files and the sandbox's folder lie in it."""
LOCAL = "local"
"""The stack that lives on this machine, never in an account."""
LOCAL_IS_DOWN = "the local stack is not up: run `make up`"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack's name, its Region, and clients for it. `endpoint` is set on an emulator only."""

    name: str
    region: str
    endpoint: str | None
    session: Any
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict[tuple[str, str], Any], repr=False)
    _lock: Any = field(default_factory=threading.Lock, repr=False)

    def client(self, service: str, region: str | None = None) -> Any:
        """A boto3 client, in the stack's Region if none is given; kept for the next call, from any thread."""
        key = (service, region or self.region)
        with self._lock:  # a boto3 session is not safe to share between threads while it makes a client
            if key not in self._clients:
                self._clients[key] = self.session.client(
                    service,
                    region_name=key[1],
                    endpoint_url=self.endpoint,
                    config=Config(
                        connect_timeout=5,
                        read_timeout=60,
                        retries={"mode": "standard", "total_max_attempts": 3},
                        max_pool_connections=16,
                        # Sums are compared by `models verify`, which names the file; boto3 would end the reading.
                        response_checksum_validation="when_required",
                    ),
                )
            return self._clients[key]

    def outputs(self) -> dict[str, Any]:
        """All outputs of the stack. OpsError when there is no such stack where we look."""
        name = contract.outputs_parameter(self.name)
        try:
            text = self.client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
        except ClientError as error:
            if code(error) != "ParameterNotFound":
                raise
            raise OpsError(self._not_found(name)) from error
        try:
            found = json.loads(text)
        except ValueError as error:
            raise OpsError(
                f"the parameter {name} is not JSON: run `make up STACK={self.name}` again"
            ) from error
        if not isinstance(found, dict):
            raise OpsError(f"the parameter {name} is no JSON object: run `make up STACK={self.name}` again")
        return cast(dict[str, Any], found)

    def output(self, key: str) -> str:
        """One output that must be there."""
        value = self.outputs().get(key)
        if not isinstance(value, str) or not value:
            raise OpsError(
                f"the outputs of stack {self.name} have no {key}: run `make up STACK={self.name}` again"
            )
        return value

    def _not_found(self, parameter: str) -> str:
        if self.name == LOCAL:
            return f"{LOCAL_IS_DOWN} (no {parameter} at {self.endpoint})"
        known = ", ".join(known_stacks()) or "none"
        return (
            f"no stack {self.name} in {self.region} (no parameter {parameter}): give the right --stack (known here: "
            f"{known}), --region or AWS_PROFILE, or create it with `make up STACK={self.name}`"
        )


def known_stacks() -> list[str]:
    """Stacks that have a file in this checkout."""
    return sorted(file.name.split(".")[1] for file in ROOT.glob("Pulumi.*.yaml"))


def connect(name: str, region: str | None = None, environment: Mapping[str, str] = os.environ) -> Stack:
    """The stack by its name; asks AWS nothing yet.

    Region: as given, AWS_REGION, the stack file's `aws:region`, boto3's own default, in this order.
    """
    if not re.fullmatch(contract.STACK_PATTERN, name):
        raise OpsError(f"--stack {name}: no legal name of a stack; known here: {', '.join(known_stacks())}")
    settings = _stack_file(name)
    endpoint = environment.get("AWS_ENDPOINT_URL") or None
    if name == LOCAL and (endpoint is None or "AWS_ACCESS_KEY_ID" not in environment):
        endpoint = endpoint or _sandbox_endpoint()
        # Never the person's own keys from files: the emulator takes any.
        session = _session(aws_access_key_id="sandbox", aws_secret_access_key="sandbox")
    else:
        # As the program does; an emulator knows no profiles.
        session = _session(profile_name=None if endpoint else settings.get("aws:profile"))
    chosen = region or environment.get("AWS_REGION") or settings.get("aws:region") or session.region_name
    if not chosen:
        raise OpsError(
            f"no Region known for stack {name}: give --region, set AWS_REGION, or aws:region in Pulumi.{name}.yaml"
        )
    if not re.fullmatch(r"[a-z]{2,4}(-[a-z]+)+-\d", str(chosen)):
        raise OpsError(f'"{chosen}" is not an AWS Region; it looks like us-east-1')
    return Stack(name=name, region=str(chosen), endpoint=endpoint, session=session)


def unreachable(stack: Stack, error: Exception) -> str:
    """Words for an endpoint that does not answer; the local stack's own where it is that."""
    return f"{LOCAL_IS_DOWN} ({explain(error)})" if stack.name == LOCAL else explain(error)


def _session(**arguments: Any) -> Any:
    return boto3.session.Session(**arguments)


def _stack_file(name: str) -> dict[str, Any]:
    file = ROOT / f"Pulumi.{name}.yaml"
    try:
        read = yaml.safe_load(file.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise OpsError(f"{file.name} can't be read: {' '.join(str(error).split())}") from error
    document = cast(dict[str, Any], read) if isinstance(read, dict) else {}
    config = document.get("config")
    return cast(dict[str, Any], config) if isinstance(config, dict) else {}


def _sandbox_endpoint() -> str:
    try:
        return str(json.loads((ROOT / ".sandbox" / "sandbox.json").read_text())["endpoint"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OpsError(LOCAL_IS_DOWN) from error
