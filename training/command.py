"""What the trainer is told: the data set's description (TOML), the texts of its sample pictures, its command line.

Written for kohya-ss/sd-scripts at the commit in cloud_init/versions.env; sd_scripts_arguments.json has its own arguments,
and the tests check each command line against them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from training.prepare import CAPTION
from training.settings import Plan, TrainSettings

SCRIPT = "train_network.py"
DESCRIPTION, PROMPTS = "dataset.toml", "prompts.txt"
GUIDANCE = 7.5
STATES_KEPT = 2
"""Of a state that was being written when the power went, the one before it is still whole."""


@dataclass(frozen=True, kw_only=True)
class Paths:
    """python: that has accelerate and the trainer's packages. output: of this training alone. resume: a state's folder,
    after_epoch: the epochs that it has behind it."""

    python: Path
    images: Path
    base: Path
    output: Path
    resume: Path | None = None
    after_epoch: int = 0


def description(settings: TrainSettings, plan: Plan, images: Path) -> str:
    """The data set in sd-scripts' TOML (docs/config_README-en.md): squares, so no buckets."""
    rows: list[tuple[str, object]] = [
        ("image_dir", str(images)),
        ("class_tokens", settings.trigger),  # for a picture without a caption; `train` refuses those
        ("caption_extension", CAPTION),
        ("num_repeats", plan.repeats),
        ("keep_tokens", 1),  # the trigger word
        ("flip_aug", settings.flip),
        ("caption_dropout_rate", settings.caption_dropout),
    ]
    return "\n".join(
        [
            "[[datasets]]",
            f"resolution = {settings.resolution}",
            f"batch_size = {plan.batch}",
            "enable_bucket = false",
            "",
            "  [[datasets.subsets]]",
            *(f"  {name} = {json.dumps(value, ensure_ascii=False)}" for name, value in rows),
            "",
        ]
    )


def prompts(settings: TrainSettings) -> str:
    """One line a sample picture, in sd-scripts' notation; the same seed each time, so that epochs can be compared."""
    side = settings.resolution
    return "".join(
        f"{text.replace('{trigger}', settings.trigger)} --n {settings.negative} --w {side} --h {side} "
        f"--d {settings.seed + at} --l {GUIDANCE} --s {settings.sample_steps}\n"
        for at, text in enumerate(settings.samples)
    )


def command(settings: TrainSettings, plan: Plan, paths: Paths) -> list[str]:
    """`accelerate launch … train_network.py …`, to be run in the trainer's folder."""
    return [*_launcher(plan, paths.python), SCRIPT, *_arguments(settings, plan, paths)]


def _launcher(plan: Plan, python: Path) -> list[str]:
    # All that accelerate would ask a configuration file for, so that none is read.
    given = {"num_processes": 1, "num_machines": 1, "num_cpu_threads_per_process": 2, "dynamo_backend": "no"}
    on_cpu = ["--cpu"] if plan.precision == "no" else []
    return [
        str(python),
        "-m",
        "accelerate.commands.launch",
        *(f"--{name}={value}" for name, value in given.items()),
        f"--mixed_precision={plan.precision}",
        *on_cpu,
    ]


def _arguments(settings: TrainSettings, plan: Plan, paths: Paths) -> list[str]:
    given: dict[str, object] = {
        "pretrained_model_name_or_path": paths.base,
        "dataset_config": paths.output / DESCRIPTION,
        "output_dir": paths.output,
        "output_name": settings.name,
        "save_model_as": "safetensors",
        "save_precision": "fp16",  # what ComfyUI calculates in
        "save_every_n_epochs": 1,
        "save_last_n_epochs_state": STATES_KEPT,
        "network_module": "networks.lora",
        "network_dim": settings.rank,
        "network_alpha": settings.alpha,
        "learning_rate": settings.unet_rate,
        "unet_lr": settings.unet_rate,
        "optimizer_type": plan.optimizer,
        "lr_scheduler": settings.scheduler,
        "max_train_epochs": plan.epochs,
        "train_batch_size": plan.batch,
        "mixed_precision": plan.precision,
        "max_data_loader_n_workers": 2,
        "sample_every_n_epochs": 1,
        "sample_prompts": paths.output / PROMPTS,
        "sample_sampler": "dpmsolver++",
        "seed": settings.seed,
        "metadata_title": settings.name,
        "metadata_trigger_phrase": settings.trigger,
        "training_comment": "sd-app",
    }
    # SD 1.5's own VAE breaks in half precision with some checkpoints ("NaN detected in latents"); it is used once.
    flags = ["save_state", "cache_latents", "no_half_vae", "sdpa", "persistent_data_loader_workers"]
    if settings.text_rate:
        given["text_encoder_lr"] = settings.text_rate
    else:
        flags.append("network_train_unet_only")
    warm = round(settings.warmup * plan.steps)
    if warm and settings.scheduler != "constant":
        given["lr_warmup_steps"] = warm
    if settings.snr_gamma:
        given["min_snr_gamma"] = settings.snr_gamma
    if settings.noise_offset:
        given["noise_offset"] = settings.noise_offset
    if plan.saves_memory:
        flags.append("gradient_checkpointing")
    if paths.resume:
        given["resume"] = paths.resume
        # A state counts steps from where its own run began: after two interruptions it would be taken for an earlier one.
        given["initial_epoch"] = paths.after_epoch + 1
    return [f"--{name}={value}" for name, value in given.items()] + [f"--{name}" for name in flags]
