"""Stands in for the ML server: two emulated ComfyUIs, over models that the machine's own script fetches."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import threading
import time
import types
import uuid
from pathlib import Path
from typing import Any

import boto3.session

import contract
from sandbox.machines import real_comfyui
from sandbox.machines.addresses import LOOPBACK
from sandbox.machines.machine import Boot, BootFailed, Halted, Machine, wait_for
from sandbox.machines.processes import Service

START_LIMIT_S = 60.0
SECONDS_PER_STEP = "SANDBOX_SECONDS_PER_STEP"
"""Environment of `make up`: how long an emulated sampling step takes, in seconds."""
FOLDERS = ("user", "input", "output", "temp")


def boot(machine: Machine) -> None:
    """What comfyui-server.sh does, in its order, as far as there is anything to do here. Raises BootFailed."""
    if named := real_comfyui.settings():
        real_comfyui.boot(machine, named)
        return
    say = machine.readiness.tell
    say("running", "models")
    models = machine.folder / "models"
    sync = ModelSync(machine, models)
    told = sync.once()
    say("running", "server")
    services = [_service(machine, kind, models) for kind in contract.KINDS]
    machine.run(services)
    for service, kind in zip(services, contract.KINDS, strict=True):
        wait_for(f"{_url(machine, kind)}/system_stats", START_LIMIT_S, service, machine)
    say("running", "warm-up")
    notes = [told, *_warm_up(machine, models)]
    machine.background(sync.keep)
    say("ready", "", "; ".join(notes))


def ports_of(machine: Boot, address: str) -> dict[str, int]:
    """Port on this machine of each ComfyUI of the server at this private IP."""
    return {
        kind: machine.addresses.port(f"{machine.stack}/{address}:{port}")
        for kind, port in contract.COMFYUI_PORTS.items()
    }


def _url(machine: Machine, kind: str) -> str:
    return f"http://{LOOPBACK}:{ports_of(machine.boot, machine.boot.private_ip)[kind]}"


def _service(machine: Machine, kind: str, models: Path) -> Service:
    """As comfyui@.service starts it: everything of its own but the models."""
    port = ports_of(machine.boot, machine.boot.private_ip)[kind]
    home = machine.folder / str(contract.COMFYUI_PORTS[kind])
    for name in FOLDERS:
        (home / name).mkdir(parents=True, exist_ok=True)
    paced = os.environ.get(SECONDS_PER_STEP)
    return Service(
        name=f"comfyui-{kind}",
        command=[
            *(sys.executable, "-m", "sandbox.comfyui", "--listen", LOOPBACK, "--port", str(port)),
            *("--models-directory", str(models), "--preview-method", "latent2rgb", "--disable-auto-launch"),
            *(part for name in FOLDERS for part in (f"--{name}-directory", str(home / name))),
            *("--database-url", f"sqlite:///{home / 'comfyui.db'}"),
            *(("--emulate-seconds-per-step", paced) if paced else ()),
        ],
        environment=machine.environment,
        folder=machine.root,
        log=machine.folder / f"comfyui-{kind}.log",
    )


def _warm_up(machine: Machine, models: Path) -> list[str]:
    """The first picture of each server by the machine's own warm_up.py; a note for each, as on the machine."""
    checkpoint = machine.versions["COMFYUI_CHECKPOINT"]
    if not (models / "checkpoints" / checkpoint).is_file():
        return [f"no picture was tried: models/checkpoints/{checkpoint} is not in the bucket"]
    notes: list[str] = []
    for kind in contract.KINDS:
        port = str(ports_of(machine.boot, machine.boot.private_ip)[kind])
        notes.append(_picture(machine, [str(machine.script("warm_up.py")), port, checkpoint]))
    return notes


def _picture(machine: Machine, script: list[str]) -> str:
    """What the script says. It ends with the machine. Raises BootFailed with its own words, Halted."""
    running = subprocess.Popen(
        [sys.executable, *script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=machine.environment,
    )
    while True:
        try:
            out, err = running.communicate(timeout=0.2)
            break
        except subprocess.TimeoutExpired:
            if machine.is_stopped:
                running.kill()
    if machine.is_stopped:
        raise Halted
    if running.returncode:
        raise BootFailed("warm-up", err.strip() or f"exit status {running.returncode}")
    return out.strip()


class ModelSync:
    """The machine's own model_sync.py, with its two folders elsewhere, at its own pace and when the bucket changes. It tells
    of the styles as the machine does."""

    def __init__(self, machine: Machine, models: Path) -> None:
        self._machine = machine
        self._script: Any = _load(machine.script("model_sync.py"))
        self._script.ROOT, self._script.RUN = models, machine.folder / "run"
        self._script.RUN.mkdir(parents=True, exist_ok=True)
        models.mkdir(parents=True, exist_ok=True)
        environment = machine.environment
        self._bucket, self._parameter = environment["BUCKET_NAME"], environment["SD_APP_STYLES_PARAMETER"]
        self._client: Any = boto3.session.Session(region_name=environment["AWS_REGION"]).client(
            "s3", endpoint_url=environment["AWS_ENDPOINT_URL"]
        )
        self._ports = [str(port) for port in ports_of(machine.boot, machine.boot.private_ip).values()]

    def once(self) -> str:
        """Fetch what is new; what happened in a line. Raises BootFailed."""
        try:
            told, _, styles = self._script.sync(self._client, self._bucket, self._script.ROOT, self._ports)
            self._script.tell(self._machine.readiness, self._parameter, styles)
        except Exception as error:
            raise BootFailed("models", f"the models could not be fetched: {error}") from error
        return str(told)

    def keep(self, stopped: threading.Event) -> None:
        """Until the machine stops: every MODEL_SYNC_SECONDS as the timer, and soon after a change of the bucket."""
        every = float(self._machine.environment["MODEL_SYNC_SECONDS"])
        seen, last = self._machine.bucket_changes(), time.monotonic()
        while not stopped.wait(0.5):
            changes = self._machine.bucket_changes()
            if changes == seen and time.monotonic() - last < every:
                continue
            seen, last = changes, time.monotonic()
            try:
                self.once()
            except BootFailed as error:
                self._machine.say(str(error))


def _load(script: Path) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(f"machine_{uuid.uuid4().hex}", script)
    if not script.is_file() or spec is None or spec.loader is None:
        raise BootFailed("models", f"the user data carries no {script.name}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
