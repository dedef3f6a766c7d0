"""A LoRA is known by its header: whole or not, of which base model, how large; what is none is told what it is."""

from pathlib import Path

import pytest

from tests.unit.lora_files import SD_15_LAYERS, Tensors, kohya, safetensors, write_lora
from training.lora import SD_2, SD_15, SDXL, BrokenFile, LoraRefused, read_lora

UNET = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
PEFT = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
TEXT = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"


def made(tmp_path: Path, tensors: Tensors, **metadata: str) -> Path:
    path = tmp_path / "style.safetensors"
    path.write_bytes(safetensors(tensors, metadata))
    return path


def test_a_lora_tells_its_base_rank_alpha_layers_and_its_trainer_s_words(tmp_path: Path) -> None:
    found = read_lora(write_lora(tmp_path, metadata={"ss_steps": "1200"}))
    assert (found.base, found.rank, found.alpha, found.layers) == (SD_15, 4, 2.0, len(SD_15_LAYERS))
    assert found.metadata == {"ss_steps": "1200"}


BASES: dict[str, tuple[Tensors, str]] = {
    "sd 1.5, u-net alone": (kohya({UNET: (768, 320)}), SD_15),
    "sd 1.5, text encoder alone": (kohya({TEXT: (768, 768)}), SD_15),
    "sd 1.5 with convolutions": ({f"{UNET}.lora_down.weight": (4, 768, 1, 1), "x_conv.lora_down.weight": (4, 320, 3, 3)}, SD_15),
    "sd 1.5 by PEFT": ({f"{PEFT}.lora_A.weight": (8, 768), f"{PEFT}.lora_B.weight": (320, 8)}, SD_15),
    "sd 1.5 by diffusers": ({f"{PEFT}_lora.down.weight".replace("_lora", ".lora"): (8, 768)}, SD_15),
    "sd 1.5 as LoHa": ({f"{UNET}.hada_w1_b": (4, 768), f"{UNET}.hada_w1_a": (320, 4)}, SD_15),
    "sd 2": (kohya({UNET: (1024, 320)}), SD_2),
    "sd 2, text encoder alone": (kohya({TEXT: (1024, 1024)}), SD_2),
    "sdxl": (kohya({"lora_te1_text_model_encoder_layers_0_mlp_fc1": (768, 3072), "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k": (2048, 640)}), SDXL),
    "sdxl, u-net alone": (kohya({"lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k": (2048, 640)}), SDXL),
    "flux": (kohya({"lora_unet_double_blocks_0_img_attn_qkv": (3072, 9216)}), "Flux"),
    "flux by diffusers": ({"transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight": (16, 3072)}, "Flux"),
    "sd 3": (kohya({"lora_unet_joint_blocks_0_context_block_attn_qkv": (1536, 4608)}), "SD 3"),
    "one of nobody": (kohya({"lora_unet_blocks_0_cross_attn_k": (4096, 4096)}), "unknown"),
}  # fmt: skip


@pytest.mark.parametrize("name", BASES)
def test_the_base_model_is_told_by_the_layers(tmp_path: Path, name: str) -> None:
    tensors, base = BASES[name]
    path = made(tmp_path, tensors)
    assert read_lora(path, base=None).base == base
    if base == SD_15:
        assert read_lora(path).rank in (4, 8)
        return
    with pytest.raises(
        LoraRefused, match="another base model" if base == "unknown" else f"a LoRA for {base}"
    ):
        read_lora(path)


def test_a_kind_without_attention_is_known_by_its_trainer_s_word(tmp_path: Path) -> None:
    lokr = {"lora_unet_down_blocks_0_resnets_0_conv1.lokr_w1": (4, 4)}
    found = read_lora(made(tmp_path, lokr, ss_base_model_version="sd_v1"))
    assert (found.base, found.rank, found.layers) == (SD_15, None, 1)
    with pytest.raises(LoraRefused, match='calls that "wan2"'):
        read_lora(made(tmp_path, lokr, ss_base_model_version="wan2"))


def test_a_whole_model_is_no_lora_and_told_where_to_go(tmp_path: Path) -> None:
    path = made(
        tmp_path, {"model.diffusion_model.input_blocks.0.0.weight": (4, 4), "first_stage_model.x": (1,)}
    )
    with pytest.raises(LoraRefused, match=r"a whole model .*models push"):
        read_lora(path)


def test_anything_else_is_named_by_its_tensors(tmp_path: Path) -> None:
    with pytest.raises(LoraRefused, match=r"of its 1 tensors none is one's \(emb_params"):
        read_lora(made(tmp_path, {"emb_params": (2, 768)}))


def test_a_broken_file_is_told_from_one_that_is_no_lora(tmp_path: Path) -> None:
    path = write_lora(tmp_path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BrokenFile, match="cut short, or changed") as caught:
        read_lora(path)
    assert not isinstance(caught.value, LoraRefused)
    with pytest.raises(BrokenFile, match="No such file"):
        read_lora(tmp_path / "absent.safetensors")
