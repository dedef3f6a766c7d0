"""Where files are: models by their kind, and the directories for input, output and temporary pictures."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml

from sandbox.comfyui.arguments import Arguments

_WEIGHTS = frozenset({".ckpt", ".pt", ".pt2", ".bin", ".pth", ".safetensors", ".pkl", ".sft"})
_ANY = frozenset[str]()

_KINDS: dict[str, tuple[tuple[str, ...], frozenset[str]]] = {
    "checkpoints": (("checkpoints",), _WEIGHTS),
    "configs": (("configs",), frozenset({".yaml"})),
    "loras": (("loras",), _WEIGHTS),
    "vae": (("vae",), _WEIGHTS),
    "text_encoders": (("text_encoders", "clip"), _WEIGHTS),
    "diffusion_models": (("unet", "diffusion_models"), _WEIGHTS),
    "clip_vision": (("clip_vision",), _WEIGHTS),
    "style_models": (("style_models",), _WEIGHTS),
    "embeddings": (("embeddings",), _WEIGHTS),
    "diffusers": (("diffusers",), frozenset({"folder"})),
    "vae_approx": (("vae_approx",), _WEIGHTS),
    "controlnet": (("controlnet", "t2i_adapter"), _WEIGHTS),
    "gligen": (("gligen",), _WEIGHTS),
    "upscale_models": (("upscale_models",), _WEIGHTS),
    "custom_nodes": (("../custom_nodes",), _ANY),
    "hypernetworks": (("hypernetworks",), _WEIGHTS),
    "photomaker": (("photomaker",), _WEIGHTS),
    "classifiers": (("classifiers",), frozenset({""})),
    "model_patches": (("model_patches",), _WEIGHTS),
    "audio_encoders": (("audio_encoders",), _WEIGHTS),
}
"""By ComfyUI's name of the kind, in the order of `GET /models`: folders beneath the models' one, and suffixes."""

_OLD_NAMES = {"unet": "diffusion_models", "clip": "text_encoders"}
"""Kinds that a file of extra paths may still call by their former name."""


class Folders:
    """All that is asked of the file system, asked afresh each time."""

    def __init__(self, arguments: Arguments, is_hidden: Callable[[str], bool]) -> None:
        """`is_hidden` tells which model files are to be overlooked. Makes what is missing of the directories."""
        self._is_hidden = is_hidden
        self._by_type = {
            "input": arguments.input_directory,
            "output": arguments.output_directory,
            "temp": arguments.temp_directory,
        }
        self._models = {
            kind: [arguments.models_directory / folder for folder in folders]
            for kind, (folders, _) in _KINDS.items()
        }
        for path in arguments.extra_model_paths:
            self._add_extra_paths(path)
        for directory in (*self._by_type.values(), arguments.models_directory, arguments.user_directory):
            directory.mkdir(parents=True, exist_ok=True)

    def _add_extra_paths(self, path: Path) -> None:
        """What a file as of `--extra-model-paths-config` names: folders relative to its `base_path`, or to itself."""
        document: dict[str, dict[str, Any] | None] = yaml.safe_load(path.read_text()) or {}
        for section in document.values():
            if section is None:
                continue
            base = Path(os.path.expandvars(os.path.expanduser(str(section.get("base_path", "")))))
            base = path.absolute().parent / base
            for kind, folders in section.items():
                if kind in ("base_path", "is_default") or not folders:
                    continue
                known = self._models.setdefault(_OLD_NAMES.get(kind, kind), [])
                added = [base / folder.strip() for folder in str(folders).split("\n") if folder.strip()]
                known[:] = [*added, *known] if section.get("is_default") else [*known, *added]

    def model_kinds(self) -> list[str]:
        """Names of the kinds of models."""
        return list(self._models)

    def models(self, kind: str) -> list[str]:
        """Names of the model files of a kind that are there now, sorted; one in a subfolder is `sub/name`."""
        suffixes = _KINDS[kind][1] if kind in _KINDS else _ANY
        names = {name for folder in self._models[kind] for name in _files_below(folder)}
        return sorted(
            name
            for name in names
            if (not suffixes or os.path.splitext(name)[1].lower() in suffixes) and not self._is_hidden(name)
        )

    def model(self, kind: str, name: str) -> Path | None:
        """Path of a model file, None when there is none of that name."""
        for folder in self._models.get(kind, []):
            path = folder / name
            if _is_inside(folder, path) and path.is_file() and not self._is_hidden(name):
                return path
        return None

    def directory(self, kind: str) -> Path | None:
        """The directory that is called `input`, `output` or `temp`, None for another name."""
        return self._by_type.get(kind)

    def input_images(self) -> list[str]:
        """Names of the pictures in the input directory itself, by their suffix, sorted."""
        names = (entry.name for entry in os.scandir(self._by_type["input"]) if entry.is_file())
        return sorted(name for name in names if (mimetypes.guess_type(name)[0] or "").startswith("image/"))

    def input_file(self, annotated: str) -> Path | None:
        """The file that LoadImage means: `name`, `sub/name` or `name [output]`; None when it isn't there."""
        name, directory = self.split_annotation(annotated)
        directory = directory or self._by_type["input"]
        path = directory / name
        return path if _is_inside(directory, path) and path.exists() else None

    def split_annotation(self, name: str) -> tuple[str, Path | None]:
        """`("a.png", the temp directory)` for `a.png [temp]`; None where the name doesn't say."""
        for kind, directory in self._by_type.items():
            if name.endswith(f"[{kind}]"):
                return name[: -len(kind) - 3], directory
        return name, None


def _files_below(folder: Path) -> Iterable[str]:
    for here, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name != ".git"]
        relative = os.path.relpath(here, folder)
        for name in files:
            yield name if relative == "." else os.path.join(relative, name)


def _is_inside(directory: Path, path: Path) -> bool:
    return Path(os.path.abspath(path)).is_relative_to(os.path.abspath(directory))
