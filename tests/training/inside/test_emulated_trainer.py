"""The emulator's styles have the real ones' keys, shapes and metadata; what the real trainer refuses it refuses."""

from __future__ import annotations

import json
import os
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from sandbox.training.layers import NoModel, layers
from tests.training.ground import EMULATOR, captioned_set, settings
from tests.training.inside.models import CHECKPOINT_FILE, DIFFUSERS_FOLDER, PYTHON
from training.command import DESCRIPTION, PROMPTS, SCRIPT, Paths, command, description, prompts
from training.device import Device
from training.lora import SD_15, read_lora
from training.prepare import IMAGES
from training.settings import plan

CPU = Device("cpu", "CPU")


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return captioned_set(tmp_path_factory.mktemp("set"))


def run(output: Path, target: Path, base: Path = CHECKPOINT_FILE, more: list[str] | None = None) -> Any:
    output.mkdir(exist_ok=True)
    one = settings(steps=18, epochs=2)
    made = plan(one, 9, CPU)
    (output / DESCRIPTION).write_text(description(one, made, target / IMAGES))
    (output / PROMPTS).write_text(prompts(one))
    paths = Paths(python=PYTHON, images=target / IMAGES, base=base, output=output)
    argv = command(one, made, paths)
    argv = [str(PYTHON), *argv[argv.index(SCRIPT) :], *(more or [])]
    return subprocess.run(argv, cwd=EMULATOR, env={**os.environ}, capture_output=True, text=True, check=False)


def header(file: Path) -> tuple[dict[str, Any], dict[str, str]]:
    with import_module("safetensors").safe_open(file, "numpy") as opened:
        return {key: opened.get_tensor(key) for key in opened.keys()}, opened.metadata()  # noqa: SIM118  # not a dict


def test_a_style_has_kohyas_keys_shapes_and_metadata(tmp_path: Path, target: Path) -> None:
    assert run(tmp_path / "out", target).returncode == 0
    tensors, told = header(tmp_path / "out" / "Verde.safetensors")
    parts = {layer.name: layer for layer in layers(CHECKPOINT_FILE, with_text=True)}
    assert set(tensors) == {
        f"{name}.{end}" for name in parts for end in ("lora_down.weight", "lora_up.weight", "alpha")
    }
    to_k = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    assert tensors[f"{to_k}.lora_down.weight"].shape == (4, 768)
    assert tensors[f"{to_k}.alpha"] == 2.0
    assert tensors["lora_unet_mid_block_attentions_0_proj_in.lora_up.weight"].shape == (64, 4, 1, 1)
    assert "lora_te_text_model_encoder_layers_0_mlp_fc1.lora_down.weight" in tensors
    assert (told["ss_network_dim"], told["ss_epoch"], told["ss_steps"]) == ("4", "2", "18")
    assert told["modelspec.trigger_phrase"] == "studioverde"
    assert told["sd_app_emulated"] == "True", "nobody is to take it for a trained one"
    known = read_lora(tmp_path / "out" / "Verde.safetensors", SD_15)
    assert (known.rank, known.alpha, known.layers) == (4, 2.0, len(parts))


def test_the_same_seed_gives_the_same_weights_and_another_others(tmp_path: Path, target: Path) -> None:
    tensors: list[bytes] = []
    for name, more in (("a", []), ("b", []), ("c", ["--seed=7"])):
        run(tmp_path / name, target, more=more)
        weights, _ = header(tmp_path / name / "Verde.safetensors")
        tensors.append(b"".join(weights[key].tobytes() for key in sorted(weights)))
    assert tensors[0] == tensors[1] != tensors[2]


def test_a_checkpoint_and_its_diffusers_folder_have_the_same_layers() -> None:
    assert layers(CHECKPOINT_FILE, with_text=True) == layers(DIFFUSERS_FOLDER, with_text=True)


def test_stable_diffusion_itself_has_264_of_them(tmp_path: Path) -> None:
    """192 in the U-Net, 72 in the text encoder, as sd-scripts says when it makes a LoRA for SD 1.5."""
    transformers, UNet = import_module("transformers"), import_module("diffusers").UNet2DConditionModel
    TextModel = transformers.CLIPTextModel  # before the device is another, for they import more
    with import_module("torch").device("meta"):
        unet = UNet(cross_attention_dim=768)
        text = TextModel(
            transformers.CLIPTextConfig(hidden_size=768, intermediate_size=3072, num_hidden_layers=12)
        )
    for model, file in ((unet, "unet/diffusion_pytorch_model"), (text, "text_encoder/model")):
        shapes = {key: {"shape": list(one.shape)} for key, one in model.state_dict().items()}
        raw = json.dumps(shapes).encode()
        place = tmp_path / f"{file}.safetensors"
        place.parent.mkdir()
        place.write_bytes(len(raw).to_bytes(8, "little") + raw)
    assert len(layers(tmp_path, with_text=False)) == 192
    assert len(layers(tmp_path, with_text=True)) == 264


def test_it_ends_well_without_pictures_as_the_real_one_does(tmp_path: Path) -> None:
    (tmp_path / "set" / IMAGES).mkdir(parents=True)
    done = run(tmp_path / "out", tmp_path / "set")
    assert done.returncode == 0
    assert "No data found" in done.stderr
    assert not list((tmp_path / "out").glob("*.safetensors"))


@pytest.mark.parametrize("more", [["--no_such_flag"], ["--mixed_precision=fp8"]])
def test_wrong_arguments_are_refused(tmp_path: Path, target: Path, more: list[str]) -> None:
    done = run(tmp_path / "out", target, more=more)
    assert done.returncode == 2
    assert "error:" in done.stderr


def test_a_description_with_an_unknown_name_is_refused(tmp_path: Path, target: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    text = description(settings(), plan(settings(), 9, CPU), target / IMAGES)
    wrong.write_text(text.replace("num_repeats", "repeats"))
    done = run(tmp_path / "out", target, more=[f"--dataset_config={wrong}"])
    assert done.returncode == 1
    assert "extra keys not allowed" in done.stderr


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(b"no model")
    with pytest.raises(NoModel):
        layers(file, with_text=True)
