"""The training environment's Python, made when it isn't there (tools/training.sh)."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from tests.training.ground import REPOSITORY


@cache
def python() -> Path:
    """What it says while it is made is shown."""
    made = subprocess.run(
        [REPOSITORY / "tools" / "training.sh"], stdout=subprocess.PIPE, text=True, check=True
    )
    return Path(made.stdout.strip())
