"""A real ComfyUI instead of the emulator, when the user names one: `COMFY_UI_ADDRESS=host make up`."""

from __future__ import annotations

import os

import contract
from sandbox.machines.machine import Machine, wait_for

ADDRESS = "COMFY_UI_ADDRESS"
"""Environment of `make up`, as of the backend: the host; COMFY_UI_TEXT_PORT and COMFY_UI_SKETCH_PORT for other ports."""
ANSWER_LIMIT_S = 20.0


def settings() -> dict[str, str]:
    """What the backend's environment says of it; empty when none is named."""
    named = os.environ.get(ADDRESS)
    if not named:
        return {}
    return {ADDRESS: named} | {
        variable: os.environ.get(variable) or str(contract.COMFYUI_PORTS[kind])
        for kind in contract.KINDS
        if (variable := f"COMFY_UI_{kind.upper()}_PORT")
    }


def boot(machine: Machine, named: dict[str, str]) -> None:
    """Stands in for the ML server: it is ready when both ports answer. Raises BootFailed with the address."""
    machine.readiness.tell("running", "server")
    for kind in contract.KINDS:
        port = named[f"COMFY_UI_{kind.upper()}_PORT"]
        wait_for(f"http://{named[ADDRESS]}:{port}/system_stats", ANSWER_LIMIT_S, None, machine)
    machine.readiness.tell("ready", "", f"a real ComfyUI at {named[ADDRESS]}, not emulated")
