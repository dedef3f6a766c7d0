"""The files that the emulated trainer leaves: a LoRA with the real keys and shapes, a state, a sample picture.

The weights are random numbers, drawn from the seed and the epoch: they change a picture, and teach nothing.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from argparse import Namespace
from importlib import import_module
from pathlib import Path

from PIL import Image, ImageDraw

from sandbox.training.layers import Layer

UP_SCALE = 0.02
"""Size of the numbers of lora_up at the end of a training; they begin at 0, as the real ones do."""


def write_style(
    file: Path, parts: list[Layer], args: Namespace, share: float, metadata: dict[str, str]
) -> None:
    """share: of the training that is done."""
    numpy = import_module("numpy")
    tensors = dict[str, object]()
    for layer in parts:
        chance = numpy.random.default_rng([args.seed or 0, zlib.crc32(layer.name.encode())])
        down, up = layer.parts(args.network_dim or 4)
        tensors[f"{layer.name}.lora_down.weight"] = (chance.standard_normal(down) / args.network_dim).astype(
            "float16"
        )
        tensors[f"{layer.name}.lora_up.weight"] = (chance.standard_normal(up) * UP_SCALE * share).astype(
            "float16"
        )
        tensors[f"{layer.name}.alpha"] = numpy.array(args.network_alpha, "float16")
    import_module("safetensors.numpy").save_file(tensors, file, metadata)


def metadata(args: Namespace, *, images: int, steps_per_epoch: int, started: float) -> dict[str, str]:
    """What train_network.py writes into each style, every value a text."""
    base = Path(args.pretrained_model_name_or_path)
    known = {
        "ss_sd_model_name": base.name,
        "ss_sd_model_hash": hashlib.sha256(str(base.name).encode()).hexdigest()[:8],
        "ss_base_model_version": "sd_v1",
        "ss_network_module": args.network_module,
        "ss_network_dim": args.network_dim,
        "ss_network_alpha": args.network_alpha,
        "ss_learning_rate": args.learning_rate,
        "ss_unet_lr": args.unet_lr,
        "ss_text_encoder_lr": None if args.network_train_unet_only else (args.text_encoder_lr or [None])[0],
        "ss_optimizer": args.optimizer_type,
        "ss_lr_scheduler": args.lr_scheduler,
        "ss_max_train_steps": args.max_train_epochs * steps_per_epoch,
        "ss_num_epochs": args.max_train_epochs,
        "ss_num_train_images": images,
        "ss_batch_size_per_device": args.train_batch_size,
        "ss_mixed_precision": args.mixed_precision,
        "ss_seed": args.seed,
        "ss_output_name": args.output_name,
        "ss_training_comment": args.training_comment,
        "ss_training_started_at": started,
        "ss_v2": False,
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.title": args.metadata_title or args.output_name,
        "modelspec.trigger_phrase": args.metadata_trigger_phrase,
        "sd_app_emulated": True,
    }
    return {name: str(value) for name, value in known.items()}


def write_state(folder: Path, style: Path, epoch: int, step: int) -> None:
    """As accelerate and sd-scripts lay one out; the random numbers last. What is in the files is nobody's to read."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train_state.json").write_text(json.dumps({"current_epoch": epoch, "current_step": step}))
    (folder / "model.safetensors").write_bytes(style.read_bytes())
    for name in ("optimizer.bin", "scheduler.bin"):
        (folder / name).write_bytes(b"emulated")
    (folder / "random_states_0.pkl").write_bytes(b"emulated")


def write_sample(file: Path, side: int, text: str, share: float) -> None:
    """A flat picture with its text, so that nobody takes it for the model's."""
    file.parent.mkdir(parents=True, exist_ok=True)
    tone = zlib.crc32(text.encode()) & 0xFFFFFF
    colour = tuple(int(128 + (tone >> shift & 255) * share / 4) for shift in (16, 8, 0))
    picture = Image.new("RGB", (side, side), colour)
    ImageDraw.Draw(picture).multiline_text(
        (8, 8), "emulated sample\n" + text[:48].replace(", ", ",\n"), fill="black"
    )
    picture.save(file)
