"""The same texts and seeds with and without the style, side by side; what doesn't fit is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest
from PIL import Image

from tests.training.ground import EMULATOR, TRIGGER, captioned_set, quiet, settings
from tests.training.inside.models import CHECKPOINT_FILE, DIFFUSERS_FOLDER, quick_python
from training.device import Device
from training.evaluate import USUAL_STRENGTH, EvaluateArgs, Evaluated, evaluate
from training.faults import EvaluationRefused
from training.grid import GAP, LEFT, TILE, TOP
from training.train import TrainArgs, train


@pytest.fixture(scope="module")
def styles(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("trained")
    args = TrainArgs(
        target=captioned_set(folder),
        base=CHECKPOINT_FILE,
        output=folder / "out",
        scripts=EMULATOR,
        settings=settings(),
        python=quick_python(folder),
        device=Device("cpu", "CPU"),
    )
    return train(args, quiet).styles


@pytest.fixture
def args(styles: list[Path], tmp_path: Path) -> EvaluateArgs:
    return EvaluateArgs(
        base=CHECKPOINT_FILE,
        styles=styles,
        trigger=TRIGGER,
        output=tmp_path / "evaluation",
        texts=("{trigger}, a hall", "a bedroom"),
        strengths=(0.4, USUAL_STRENGTH),
        epochs=2,
        steps=2,
        side=64,
        config=str(DIFFUSERS_FOLDER),
    )


def changes(seen: Evaluated) -> dict[tuple[str, str | None, float], float]:
    return {(one.text, one.style, one.strength): one.change for one in seen.shown}


def test_a_style_is_seen_next_to_its_base_its_epochs_and_strengths(args: EvaluateArgs) -> None:
    told: list[tuple[int, int]] = []
    seen = evaluate(args, quiet, lambda done, of: told.append((done, of)))
    hall = [one for one in seen.shown if one.text == f"{TRIGGER}, a hall"]
    assert [(one.style, one.strength) for one in hall] == [
        (None, 0.0),
        ("Verde-000001.safetensors", USUAL_STRENGTH),
        ("Verde-000002.safetensors", USUAL_STRENGTH),
        ("Verde.safetensors", 0.4),
        ("Verde.safetensors", USUAL_STRENGTH),
    ]
    without, _, _, weak, strong = (one.change for one in hall)
    assert without == 0 < weak < strong, "the stronger, the farther from the base"
    assert told[-1] == (10, 10)
    grid = Image.open(seen.grid)
    assert grid.size == (LEFT + 5 * (TILE + GAP) + GAP, 2 * (TILE + GAP + TOP) + GAP)
    assert Image.open(seen.thumbnail).size == (512, 512)
    known = json.loads(seen.report.read_text())
    assert known["recommended"] == seen.recommended == USUAL_STRENGTH
    assert "nothing here measures" in known["why"]
    assert len(known["pictures"]) == 10


def test_a_checkpoint_and_a_diffusers_folder_give_the_same_pictures(args: EvaluateArgs) -> None:
    one = evaluate(args, quiet)
    other = evaluate(
        replace(args, base=DIFFUSERS_FOLDER, config=None, output=args.output.with_name("b")), quiet
    )
    assert changes(one) == changes(other)


def test_a_style_without_effect_is_told(args: EvaluateArgs) -> None:
    said: list[str] = []
    evaluate(replace(args, strengths=(0.0,), epochs=0, texts=("a hall",)), said.append)
    assert any("changes nothing that can be seen" in line for line in said)


def of_another_width(folder: Path) -> Path:
    numpy = import_module("numpy")
    key = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    file = folder / "other.safetensors"
    tensors = {
        f"{key}.lora_down.weight": numpy.zeros((4, 1024), "float16"),
        f"{key}.lora_up.weight": numpy.zeros((32, 4), "float16"),
        f"{key}.alpha": numpy.array(4, "float16"),
    }
    import_module("safetensors.numpy").save_file(tensors, file)
    return file


def test_a_style_for_another_base_is_refused(args: EvaluateArgs, tmp_path: Path) -> None:
    with pytest.raises(EvaluationRefused, match=r"other\.safetensors doesn't fit the base model"):
        evaluate(replace(args, styles=[of_another_width(tmp_path)]), quiet)


def test_what_is_missing_or_broken_is_told(args: EvaluateArgs, tmp_path: Path) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(args.styles[-1].read_bytes()[:-10])
    no_model = tmp_path / "no-model.safetensors"
    no_model.write_bytes(args.styles[-1].read_bytes())
    for wrong, told in (
        (replace(args, base=tmp_path / "none"), "base model .*none isn't there"),
        (replace(args, base=no_model), r"no-model\.safetensors can't be read"),
        (replace(args, styles=[]), "train one first"),
        (replace(args, styles=[cut]), "no whole .safetensors file"),
        (replace(args, texts=()), "at least one of each"),
    ):
        with pytest.raises(EvaluationRefused, match=told):
            evaluate(wrong, quiet)
    assert not args.output.exists()
