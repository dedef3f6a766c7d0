"""An ML server's machine for a test: its disk, its git hosts, its two servers, and its bucket's models."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import contract
from ops import models
from tests.boot.account import GIT_HOSTS, Account, BootedMachine, free_port
from tests.boot.comfyui_hosts import ComfyuiHosts
from tools import emulated_models

READY_LIMIT_S = 300.0
HOME = "/var/lib/comfyui"
COMFYUI = "/opt/comfyui/ComfyUI"
CHECKPOINT = "interiordesignsuperm_v2.safetensors"
SYNC_S = 5
"""Seconds between two looks for new models."""


@dataclass
class MlServerMachine(BootedMachine):
    """The stack's ML server."""

    ports: tuple[int, int] = (0, 0)
    """For text and for sketch."""
    hosts: ComfyuiHosts = field(kw_only=True)

    def ask(self, port: int, path: str, body: object = None) -> Any:
        """JSON that ComfyUI answers, as the backend asks. Raises OSError or http.client.HTTPException."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            sent = None if body is None else json.dumps(body)
            connection.request(
                "GET" if sent is None else "POST", path, sent, {"Content-Type": "application/json"}
            )
            return json.loads(connection.getresponse().read() or b"null")
        finally:
            connection.close()

    def is_up(self, port: int) -> bool:
        """Whether the server answers."""
        try:
            return bool(self.ask(port, "/system_stats"))
        except (OSError, http.client.HTTPException):
            return False

    def offered(self, folder: str) -> list[list[str]]:
        """What each server offers of a kind of models."""
        return [self.ask(port, f"/models/{folder}") for port in self.ports]

    def unit(self, port: int, *properties: str) -> dict[str, str]:
        """Properties of a server's unit."""
        told = self.container.tell(
            "systemctl", "show", f"comfyui@{port}", f"--property={','.join(properties)}"
        )
        return dict(line.split("=", 1) for line in told.splitlines())

    def bucket(self) -> str:
        return str(self.account.outputs["bucketName"])

    def s3(self) -> Any:
        return self.account.stack.client("s3")

    def models_here(self) -> dict[str, str]:
        """SHA-256 of each file among the models, hidden ones too, by its place."""
        told = self.container.shell(
            f"cd {HOME}/models && find . -follow -type f ! -name .sd-app.json -exec sha256sum {{}} +"
        )
        return {line[66:].removeprefix("./"): line[:64] for line in told.splitlines()}

    def megabytes_per_second(self) -> float:
        """As the readiness message says."""
        found = re.search(r"at (\d+) MB/s", self.record()["message"])
        assert found, self.record()["message"]
        return float(found[1])


def push_models(account: Account, folder: Path) -> None:
    """The stand-ins of models, brought into the bucket as an operator does."""
    for kind, paths in emulated_models.write(folder).items():
        to, where = ("loras", None) if kind == "loras" else ("models", kind)
        args = models.PushArgs(files=paths, to=to, folder=where, replace=False)
        models.push(account.stack, args, json=True)


def empty_bucket(account: Account) -> None:
    """Take all models out of the bucket."""
    s3, bucket = account.stack.client("s3"), account.outputs["bucketName"]
    for prefix in (contract.MODELS_PREFIX, contract.LORAS_PREFIX):
        for entry in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", []):
            s3.delete_object(Bucket=bucket, Key=entry["Key"])


@contextmanager
def ml_server(account: Account, folder: Path, **stand_ins: str) -> Generator[MlServerMachine]:
    """An ML server that is off, never booted, with models in the bucket and git hosts of its own; gone at the end."""
    hosts = ComfyuiHosts(folder / "git-hosts")
    empty_bucket(account)
    push_models(account, folder / "models")
    ports = (free_port(), free_port())
    machine = MlServerMachine(
        role=contract.ML_SERVER,
        account=account,
        folder=folder / "machine",
        stand_ins={**environment(hosts, ports), **stand_ins},
        shown={GIT_HOSTS: hosts.folder},
        git=hosts.git(),
        ports=ports,
        hosts=hosts,
    )
    try:
        yield machine
    finally:
        machine.remove()


def environment(hosts: ComfyuiHosts, ports: tuple[int, int]) -> Mapping[str, str]:
    """What machine.env says besides: no GPU and no torch, Debian 12's Python, free ports, the stand-ins' commits."""
    return {
        "SD_APP_SKIP_TORCH": "1",
        "COMFYUI_PYTHON": "python3.11",
        "COMFYUI_TEXT_PORT": str(ports[0]),
        "COMFYUI_SKETCH_PORT": str(ports[1]),
        "MODEL_SYNC_SECONDS": str(SYNC_S),
        "IDLE_STOP_MINUTES": "0",
        **hosts.refs(),
    }
