"""The small models, and a launcher that is quicker than accelerate's own."""

from __future__ import annotations

import sys
from pathlib import Path

from sandbox.training import stand_ins
from sandbox.training.tiny_models import BLIP, CHECKPOINT, DIFFUSERS

PYTHON = Path(sys.executable)
TINY = stand_ins.tiny(PYTHON)
CHECKPOINT_FILE, DIFFUSERS_FOLDER, BLIP_FOLDER = TINY / CHECKPOINT, TINY / DIFFUSERS, TINY / BLIP


def quick_python(folder: Path) -> Path:
    """Leaves accelerate out, which takes some seconds to start; one test has it in."""
    place = folder / "python"
    place.write_text(f'#!/bin/sh\nwhile [ "$1" != train_network.py ]; do shift; done\nexec "{PYTHON}" "$@"\n')
    place.chmod(0o755)
    return place
