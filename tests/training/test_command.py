"""What the trainer is told is what sd-scripts' own parser takes, for any settings; and its data set reads as it was meant."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sandbox.training.arguments import declared, parser
from tests.training.ground import settings
from training.command import SCRIPT, Paths, command, description, prompts
from training.device import Device
from training.settings import TrainSettings, plan

DEVICES = [
    Device("cpu", "CPU"),
    Device("cuda", "T4", 14.6, (7, 5)),
    Device("cuda", "A10G", 22.1, (8, 6)),
]
PATHS = Paths(
    python=Path("/venv/bin/python"),
    images=Path("/set/images"),
    base=Path("/base.safetensors"),
    output=Path("/out"),
)
SETTINGS = some.fixed_dictionaries(
    {
        "steps": some.integers(1, 3000),
        "epochs": some.integers(1, 30),
        "batch": some.integers(0, 8),
        "rank": some.integers(1, 128),
        "alpha": some.floats(0.1, 128),
        "unet_rate": some.floats(1e-7, 1e-2),
        "text_rate": some.just(0) | some.floats(1e-9, 1e-2),
        "optimizer": some.sampled_from(["AdamW8bit", "AdamW", "Lion", "Prodigy"]),
        "scheduler": some.sampled_from(["cosine", "constant", "constant_with_warmup", "linear"]),
        "warmup": some.floats(0, 0.5),
        "snr_gamma": some.just(0) | some.floats(0.1, 20),
        "noise_offset": some.just(0) | some.floats(0.001, 0.2),
        "flip": some.booleans(),
        "seed": some.integers(0, 2**31 - 1),
    }
)


def parsed(one: TrainSettings, device: Device, paths: Paths = PATHS) -> Any:
    argv = command(one, plan(one, 20, device), paths)
    return parser().parse_args(argv[argv.index(SCRIPT) + 1 :])


@given(given=SETTINGS, device=some.sampled_from(DEVICES), is_resumed=some.booleans())
def test_the_trainers_own_parser_takes_every_command_line(
    given: dict[str, Any], device: Device, is_resumed: bool
) -> None:
    one = settings(**given)
    paths = replace(PATHS, resume=Path("/out/state") if is_resumed else None, after_epoch=2)
    made, known = plan(one, 20, device), parsed(one, device, paths)
    assert known.network_dim == one.rank
    assert known.network_alpha == one.alpha
    assert known.unet_lr == one.unet_rate
    assert known.max_train_epochs == made.epochs
    assert known.mixed_precision == made.precision
    assert known.optimizer_type == made.optimizer
    assert known.network_train_unet_only == (one.text_rate == 0)
    assert known.text_encoder_lr == ([one.text_rate] if one.text_rate else None)
    assert (known.resume is not None) == is_resumed
    assert known.initial_epoch == (3 if is_resumed else None)
    assert known.gradient_checkpointing == made.saves_memory


def test_every_epoch_is_saved_with_its_state_and_shown() -> None:
    known = parsed(settings(), DEVICES[2])
    assert (known.save_every_n_epochs, known.save_state, known.sample_every_n_epochs) == (1, True, 1)
    assert known.save_last_n_epochs is None, "all epochs' styles stay: they are compared"
    assert known.save_last_n_epochs_state == 2, "if the last state is cut off, the one before it is whole"
    assert (known.save_model_as, known.network_module) == ("safetensors", "networks.lora")


@pytest.mark.parametrize(
    "wrong",
    [
        ["--no_such_flag"],
        ["--network_dim=four"],
        ["--mixed_precision=fp8"],
        ["--save_model_as=onnx"],
        ["--lr_warmup_steps=few"],
    ],
)
def test_the_parser_refuses_what_the_trainer_would(wrong: list[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(wrong)


def test_the_data_file_is_whole() -> None:
    flags = [one["flag"] for one in declared()]
    assert len(flags) == len(set(flags)) == 193
    assert vars(parser().parse_args([]))["max_train_steps"] == 1600
    assert parser().parse_args(["--lr_warmup_steps=10%"]).lr_warmup_steps == pytest.approx(0.1)


def test_the_data_set_reads_as_it_was_meant() -> None:
    one = settings(flip=True, caption_dropout=0.1)
    made = plan(one, 20, DEVICES[2])
    [dataset] = tomllib.loads(description(one, made, Path('/a "quoted" \\ plaçe/images')))["datasets"]
    assert (dataset["resolution"], dataset["batch_size"], dataset["enable_bucket"]) == (64, made.batch, False)
    [subset] = dataset["subsets"]
    assert subset == {
        "image_dir": '/a "quoted" \\ plaçe/images',
        "class_tokens": "studioverde",
        "caption_extension": ".txt",
        "num_repeats": made.repeats,
        "keep_tokens": 1,
        "flip_aug": True,
        "caption_dropout_rate": 0.1,
    }


def test_each_sample_has_the_trigger_and_a_seed_of_its_own() -> None:
    lines = prompts(settings(samples=("{trigger}, a hall", "a {trigger} room"), seed=7)).splitlines()
    assert lines == [
        "studioverde, a hall --n lowres, blurry, text, watermark --w 64 --h 64 --d 7 --l 7.5 --s 24",
        "a studioverde room --n lowres, blurry, text, watermark --w 64 --h 64 --d 8 --l 7.5 --s 24",
    ]
