"""An ML server's machine for a test: its disk, its git hosts, its two servers, and its bucket's models."""

from __future__ import annotations

import hashlib
import http.client
import json
import time
import urllib.request
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import contract
from ops import models
from tests.boot.account import GIT_HOSTS, Account, BootedMachine, free_port
from tests.boot.comfyui_hosts import ComfyuiHosts
from tests.boot.container import until
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

    def models_pushed(self) -> dict[str, str]:
        """SHA-256 of what push_models brings into the bucket, by its place among ComfyUI's models."""
        made = emulated_models.write(self.folder / "models-again")
        return {
            f"{kind}/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
            for kind, paths in made.items()
            for path in paths
        }

    def server_log(self, port: int) -> str:
        """What a server said in this boot."""
        unit = f"_SYSTEMD_UNIT=comfyui@{port}.service"
        return self.container.tell("journalctl", unit, "--boot", "--output=cat", "--no-pager")

    def sync_said(self, text: str, limit_s: float = SYNC_S + 15) -> str:
        """The line of a sync with this text, once there is one."""

        def look() -> str:
            told = self.container.tell(
                *("journalctl", "_SYSTEMD_UNIT=sd-app-models.service", "--boot", "--output=cat", "--no-pager")
            )
            return next((line for line in told.splitlines() if text in line), "")

        return until(f'a sync that says "{text}"', look, limit_s)

    def offers(self, name: str, limit_s: float = SYNC_S + 15) -> float:
        """Wait until both servers offer a style; seconds."""
        begun = time.monotonic()
        until(f"{name} is offered", lambda: all(name in names for names in self.offered("loras")), limit_s)
        return time.monotonic() - begun

    def put_lora(self, name: str, body: bytes, sha256: str | None = None) -> str:
        """Put a style into the bucket with its checksum, or a wrong one; the right one."""
        right = hashlib.sha256(body).hexdigest()
        key = f"{contract.LORAS_PREFIX}{name}"
        self.s3().put_object(Bucket=self.bucket(), Key=key, Body=body, Metadata={"sha256": sha256 or right})
        return right

    def restore_bucket(self) -> None:
        """Take all styles out of it but those that were pushed."""
        pushed = {contract.LORAS_PREFIX + Path(place).name for place in self.models_pushed()}
        for entry in self.s3().list_objects_v2(Bucket=self.bucket(), Prefix=contract.LORAS_PREFIX)[
            "Contents"
        ]:
            if entry["Key"] not in pushed:
                self.s3().delete_object(Bucket=self.bucket(), Key=entry["Key"])

    def delete_lora(self, name: str) -> None:
        self.s3().delete_object(Bucket=self.bucket(), Key=f"{contract.LORAS_PREFIX}{name}")

    @contextmanager
    def aws_fault(self, **fault: Any) -> Generator[Callable[[], dict[str, int]]]:
        """AWS has a bad time meanwhile (sandbox/faults.py); what it tells how often which went wrong."""
        url = f"{self.account.platform.sandbox.endpoint}/_sandbox/faults"

        def call(method: str, body: object = None) -> Any:
            data = None if body is None else json.dumps(body).encode()
            with urllib.request.urlopen(urllib.request.Request(url, data, method=method)) as answer:
                return json.loads(answer.read() or b"null")

        call("POST", [{"share": 1, "seconds": 120, **fault}])
        try:
            yield lambda: call("GET")["happened"]
        finally:
            call("DELETE")


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


def make_ready(machine: MlServerMachine) -> None:
    """Let it be on and ready, with the models that were pushed at first and the environment it began with."""
    machine.restore_bucket()
    if machine.container.is_on and machine.record()["state"] == "ready":
        return
    switch_off(machine)
    machine.boot()
    machine.wait("ready", READY_LIMIT_S)


def switch_off(machine: MlServerMachine) -> None:
    """Let it be off, with the models that were pushed at first and the environment it began with."""
    machine.restore_bucket()
    machine.container.cut_power()
    machine.stand_in({**machine.account.stand_ins(), **machine.stand_ins, "RETRY_SECONDS": ""})


@contextmanager
def ml_server(account: Account, folder: Path) -> Generator[MlServerMachine]:
    """An ML server that is off, never booted, with models in the bucket and git hosts of its own; gone at the end."""
    hosts = ComfyuiHosts(folder / "git-hosts")
    empty_bucket(account)
    push_models(account, folder / "models")
    ports = (free_port(), free_port())
    machine = MlServerMachine(
        role=contract.ML_SERVER,
        account=account,
        folder=folder / "machine",
        stand_ins=environment(hosts, ports),
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
