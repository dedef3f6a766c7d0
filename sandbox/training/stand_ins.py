"""What a training job has here in the place of what it has on AWS: the emulated trainer, and models of random weights."""

from __future__ import annotations

import fcntl
import subprocess
from pathlib import Path

from sandbox.training import tiny_models

ROOT = Path(__file__).resolve().parents[2]
MAKE_LIMIT_S = 300.0


def environment(python: Path) -> dict[str, str]:
    """For training/job.py. python: of the training environment; the models are made beside it, once."""
    models = tiny(python)
    return {
        "SD_SCRIPTS_DIR": str(ROOT / "sandbox" / "training"),
        "SD_APP_BASE": str(models / tiny_models.CHECKPOINT),
        "SD_APP_BASE_CONFIG": str(models / tiny_models.DIFFUSERS),
        "SD_APP_BLIP": str(models / tiny_models.BLIP),
        "SD_APP_EVALUATION": "64:2",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",  # small models on a busy machine: more threads wait for each other twenty times as long
    }


def tiny(python: Path) -> Path:
    """The folder of the small models; made when it isn't there (about 10 s)."""
    place = python.parents[2] / "tiny"
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        mark = place / "made-by"
        source = Path(tiny_models.__file__).read_text()
        if not mark.is_file() or mark.read_text() != source:
            made = [str(python), "-m", "sandbox.training.tiny_models", str(place)]
            subprocess.run(made, cwd=ROOT, check=True, capture_output=True, timeout=MAKE_LIMIT_S)
            mark.write_text(source)
    return place
