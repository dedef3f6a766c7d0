"""A parser of train_network.py's own arguments, from training/sd_scripts_arguments.json."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[2] / "training" / "sd_scripts_arguments.json"


def declared() -> list[dict[str, Any]]:
    """Each argument: flag, type or action, default, choices, nargs, and the file that declares it."""
    return json.loads(DATA.read_text())["arguments"]


def parser() -> argparse.ArgumentParser:
    """Refuses what the real one refuses: unknown flags, values of another type, values that aren't among the choices."""
    made = argparse.ArgumentParser("train_network.py")
    for one in declared():
        given: dict[str, Any] = {"default": one["default"]}
        if "action" in one:
            given["action"] = one["action"]
        else:
            given["type"] = _TYPES[one["type"]]
            given |= {name: one[name] for name in ("choices", "nargs") if name in one}
        made.add_argument(one["flag"], **given)
    return made


def _int_or_float(text: str) -> float:
    """As sd-scripts reads steps that may be a share: 10% and 0.1 are one, from 1 on it is a whole number."""
    if text.endswith("%"):
        return float(text[:-1]) / 100
    return int(text) if float(text) >= 1 else float(text)


_TYPES = {"str": str, "int": int, "float": float, "path": Path, "int_or_float": _int_or_float}
