"""What `GET /system_stats` tells of the machine, and that there is no GPU in it."""

from __future__ import annotations

import os
import sys
from typing import Any

from sandbox.comfyui import NAME, VERSION

DEVICE = "emulated (no GPU)"


def system_stats(argv: tuple[str, ...]) -> dict[str, Any]:
    """The answer, in ComfyUI's form, with one key more: `system.emulator`."""
    page = os.sysconf("SC_PAGE_SIZE")
    total, free = page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    return {
        "system": {
            "os": os.name,
            "ram_total": total,
            "ram_free": free,
            "comfyui_version": VERSION,
            "required_frontend_version": "1.27.10",
            "installed_templates_version": "0.1.95",
            "required_templates_version": "0.1.95",
            "python_version": sys.version,
            "pytorch_version": "none (emulated)",
            "embedded_python": False,
            "argv": list(argv),
            "emulator": NAME,
        },
        "devices": [
            {
                "name": DEVICE,
                "type": "cpu",
                "index": None,
                "vram_total": total,
                "vram_free": free,
                "torch_vram_total": total,
                "torch_vram_free": free,
            }
        ],
    }
