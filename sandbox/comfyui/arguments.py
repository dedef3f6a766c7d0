"""The command line: ComfyUI's own flags, and one of the emulator's."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DEFAULT_BASE = Path(".sandbox") / "comfyui"
"""Where models, input, output, temp and user are looked for when no flag says otherwise."""

DEFAULT_SECONDS_PER_STEP = 0.05
MEBIBYTE = 1024 * 1024

_WITHOUT_EFFECT = {
    "--disable-auto-launch": 0,
    "--disable-api-nodes": 0,
    "--disable-partner-nodes": 0,
    "--disable-all-custom-nodes": 0,
    "--disable-xformers": 0,
    "--disable-smart-memory": 0,
    "--disable-dynamic-vram": 0,
    "--disable-cuda-malloc": 0,
    "--disable-cuda-graphs": 0,
    "--disable-pinned-memory": 0,
    "--disable-assets": 0,
    "--dont-print-server": 0,
    "--log-stdout": 0,
    "--multi-user": 0,
    "--enable-manager": 0,
    "--offline": 0,
    "--deterministic": 0,
    "--cpu": 0,
    "--gpu-only": 0,
    "--highvram": 0,
    "--lowvram": 0,
    "--novram": 0,
    "--force-fp16": 0,
    "--fp16-unet": 0,
    "--fp16-vae": 0,
    "--fp32-vae": 0,
    "--bf16-vae": 0,
    "--use-pytorch-cross-attention": 0,
    "--use-sage-attention": 0,
    "--use-flash-attention": 0,
    "--cuda-device": 1,
    "--default-device": 1,
    "--reserve-vram": 1,
    "--vram-headroom": 1,
    "--disabled-nodes-config": 1,
    "--fast": "*",
    "--cache-ram": "*",
    "--verbose": "*",
    "--whitelist-custom-nodes": "+",
}
"""Flags of ComfyUI that are taken and mean nothing here, with the number of their values."""


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What the command line says."""

    listen: tuple[str, ...]
    """Addresses, none of them a name."""
    port: int
    """0: a free one."""
    base_directory: Path
    models_directory: Path
    user_directory: Path
    input_directory: Path
    output_directory: Path
    temp_directory: Path
    """Emptied at start and end."""
    extra_model_paths: tuple[Path, ...]
    database: Path | None
    """File of SQLite, or None when it is kept in memory; only its lock is emulated."""
    preview_method: str
    """`none`: no previews."""
    preview_size: int
    """Longest side of a preview, in pixels."""
    cache_lru: int
    """Results kept over prompts; 0: those of the latest prompt only (ComfyUI's classic cache)."""
    cache_none: bool
    cors_origin: str | None
    """What `Access-Control-Allow-Origin` says; None: requests from other origins are refused."""
    max_upload_bytes: int
    write_metadata: bool
    """Whether PNG files carry their prompt."""
    seconds_per_step: float
    argv: tuple[str, ...]
    """The command line itself, as `/system_stats` tells it."""


def parse(argv: Sequence[str]) -> Arguments:
    """The command line, checked as ComfyUI checks it; a fault ends the process with code 2 and a word on it."""
    given = _parser().parse_args(argv)
    base = Path(given.base_directory or DEFAULT_BASE).absolute()
    temp = Path(given.temp_directory).absolute() if given.temp_directory else base
    return Arguments(
        listen=tuple(address.strip() for address in given.listen.split(",")),
        port=given.port,
        base_directory=base,
        models_directory=Path(given.models_directory or base / "models").absolute(),
        user_directory=Path(given.user_directory or base / "user").absolute(),
        input_directory=Path(given.input_directory or base / "input").absolute(),
        output_directory=Path(given.output_directory or base / "output").absolute(),
        temp_directory=temp / "temp",  # ComfyUI appends it to what it is given
        extra_model_paths=tuple(Path(path) for paths in given.extra_model_paths_config for path in paths),
        database=given.database_url,
        preview_method=given.preview_method,
        preview_size=given.preview_size,
        cache_lru=given.cache_lru,
        cache_none=given.cache_none,
        cors_origin=given.enable_cors_header,
        max_upload_bytes=round(given.max_upload_size * MEBIBYTE),
        write_metadata=not given.disable_metadata,
        seconds_per_step=given.emulate_seconds_per_step,
        argv=("sandbox.comfyui", *argv),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.comfyui",
        description="An emulator of ComfyUI, not ComfyUI itself: see sandbox/comfyui/README.md.",
        allow_abbrev=False,
    )
    parser.add_argument("--listen", nargs="?", default="127.0.0.1", const="0.0.0.0,::", metavar="IP,…")
    parser.add_argument("--port", type=int, default=8188)
    parser.add_argument("--base-directory")
    parser.add_argument("--models-directory", type=_existing_directory)
    parser.add_argument("--user-directory", type=_existing_directory)
    parser.add_argument("--input-directory")
    parser.add_argument("--output-directory")
    parser.add_argument("--temp-directory")
    parser.add_argument(
        "--extra-model-paths-config", nargs="+", action="append", default=[], type=_existing_file
    )
    parser.add_argument("--database-url", type=_database)
    parser.add_argument("--preview-method", choices=["none", "auto", "latent2rgb", "taesd"], default="none")
    parser.add_argument("--preview-size", type=int, default=512)
    parser.add_argument("--cache-lru", type=int, default=0)
    parser.add_argument("--cache-classic", action="store_true")
    parser.add_argument("--cache-none", action="store_true")
    parser.add_argument("--enable-cors-header", nargs="?", default=None, const="*", metavar="ORIGIN")
    parser.add_argument("--max-upload-size", type=float, default=100, metavar="MB")
    parser.add_argument("--disable-metadata", action="store_true")
    parser.add_argument(
        "--emulate-seconds-per-step",
        type=_not_negative,
        default=DEFAULT_SECONDS_PER_STEP,
        metavar="SECONDS",
        help="the emulator's own: how long a sampler takes for each step",
    )
    for flag, values in _WITHOUT_EFFECT.items():
        if values == 0:
            parser.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
        else:
            parser.add_argument(flag, nargs=values, help=argparse.SUPPRESS)
    return parser


def _existing_directory(path: str) -> str:
    if not os.path.exists(path):
        raise argparse.ArgumentTypeError(f"The path '{path}' does not exist.")
    if not os.path.isdir(path):
        raise argparse.ArgumentTypeError(f"'{path}' is not a directory.")
    if not os.access(path, os.R_OK):
        raise argparse.ArgumentTypeError(f"You do not have read permissions for '{path}'.")
    return path


def _existing_file(path: str) -> str:
    if not os.path.isfile(path):
        raise argparse.ArgumentTypeError(f"The file '{path}' does not exist.")
    return path


def _database(url: str) -> Path | None:
    if not url.startswith("sqlite:///"):
        raise argparse.ArgumentTypeError(f"'{url}' is not supported: only sqlite:/// is.")
    path = url.removeprefix("sqlite:///")
    return None if path in ("", ":memory:") else Path(path).absolute()


def _not_negative(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds, 0 or more.")
    return seconds
