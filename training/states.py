"""What a training leaves in its folder: styles of its epochs, states to go on from, pictures; and which of them are whole."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

_CHUNK = 1 << 20
_LAST_WRITTEN = "random_states_0.pkl"
"""accelerate writes a state's random numbers last (accelerate/checkpointing.py, save_accelerator_state)."""
_POSITION = "train_state.json"
"""sd-scripts' own: {"current_epoch", "current_step"}. The step counts from where that run began, so it isn't used."""
_HEADER_LIMIT = 100_000_000


@dataclass(frozen=True)
class State:
    """Where a training can go on from. epoch: done until then."""

    folder: Path
    epoch: int


def newest_state(output: Path, name: str) -> State | None:
    """The last whole one; one that was being written at the end is passed over."""
    found: list[State] = []
    for folder in output.glob(f"{name}-*-state"):
        match = re.fullmatch(rf"{re.escape(name)}-(\d{{6}})-state", folder.name)
        state = _read_state(folder, int(match[1])) if match else None
        if state:
            found.append(state)
    return max(found, key=lambda one: one.epoch, default=None)


def _read_state(folder: Path, epoch: int) -> State | None:
    last = folder / _LAST_WRITTEN
    if not last.is_file() or not last.stat().st_size:
        return None
    try:
        json.loads((folder / _POSITION).read_text())
    except (OSError, ValueError):
        return None
    return State(folder, epoch)


def styles(output: Path, name: str) -> list[Path]:
    """The whole styles of a training, by epoch; the last is the finished one, when there is one."""
    numbered = sorted(output.glob(f"{name}-[0-9][0-9][0-9][0-9][0-9][0-9].safetensors"))
    return [one for one in [*numbered, output / f"{name}.safetensors"] if is_whole(one)]


def is_whole(file: Path) -> bool:
    """Whether a safetensors file is as long as its header says: a cut-off one is not."""
    try:
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(8), "little")
            if not 2 <= length <= _HEADER_LIMIT:
                return False
            header = json.loads(opened.read(length))
    except (OSError, ValueError):
        return False
    ends = [one["data_offsets"][1] for key, one in header.items() if key != "__metadata__"]
    return bool(ends) and file.stat().st_size == 8 + length + max(ends)


def sample_pictures(output: Path) -> list[Path]:
    """The sample pictures, in the order in which they were made."""
    return sorted((output / "sample").glob("*.png"))


def sha256(path: Path) -> str:
    """Of a file; of a folder: of its files' own and their names, so that a copy has the same."""
    digest = hashlib.sha256()
    if path.is_dir():
        for one in sorted(one for one in path.rglob("*") if one.is_file()):
            digest.update(f"{sha256(one)}  {one.relative_to(path).as_posix()}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as opened:
        while chunk := opened.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
