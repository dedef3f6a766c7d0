"""Models of random weights, small enough for a CPU: a BLIP, and a Stable Diffusion 1.x with the same blocks as the real one.

    python -m sandbox.training.tiny_models FOLDER     # FOLDER/blip, FOLDER/sd (diffusers), FOLDER/tiny-sd15.safetensors

They read, write and calculate as the real ones do, and know nothing: captions are words at random, pictures are noise. The
checkpoint has the original names of Stable Diffusion 1.x (CompVis), as the platform's own has.
"""

from __future__ import annotations

import json
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

WIDTHS = (32, 32, 64, 64)
"""Channels of the U-Net's four levels; the real one has 320 to 1280."""
VAE_WIDTHS = (16, 16, 32, 32)
TEXT_WIDTH, TEXT_LAYERS, TOKENS = 768, 1, 77
"""The width is the real one: by it a style is known to be for Stable Diffusion 1.x (training/lora.py)."""
BLIP_SIDE, BLIP_WIDTH = 32, 32
CHECKPOINT, DIFFUSERS, BLIP = "tiny-sd15.safetensors", "sd", "blip"
_WORDS = """
a bright room with sofa and large window wooden floor white walls bed table lamp plant rug chair kitchen living dining
"""
_SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]"]


def make(folder: Path, seed: int = 0) -> None:
    """All three. The same seed gives the same weights."""
    folder.mkdir(parents=True, exist_ok=True)
    import_module("torch").manual_seed(seed)
    make_blip(folder / BLIP)
    pipeline = make_diffusers(folder / DIFFUSERS)
    import_module("safetensors.torch").save_file(_original_names(pipeline), folder / CHECKPOINT)


def make_blip(folder: Path) -> None:
    """With a vocabulary of some words of rooms."""
    transformers = import_module("transformers")
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join([*_SPECIAL, *_WORDS.split()]) + "\n")
    tokenizer = transformers.BertTokenizerFast(
        vocab_file=str(vocabulary), do_lower_case=True, additional_special_tokens=["[DEC]", "[ENC]"]
    )
    ids = {name: tokenizer.convert_tokens_to_ids(f"[{name}]") for name in ("PAD", "CLS", "SEP", "DEC")}
    size = {
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "hidden_size": BLIP_WIDTH,
        "intermediate_size": 64,
    }
    text = {
        **size,
        "vocab_size": len(tokenizer),
        "encoder_hidden_size": BLIP_WIDTH,
        "max_position_embeddings": 64,
        "projection_dim": 16,
        "pad_token_id": ids["PAD"],
        "bos_token_id": ids["DEC"],
        "eos_token_id": ids["SEP"],
        "sep_token_id": ids["SEP"],
    }
    vision = {**size, "image_size": BLIP_SIDE, "patch_size": 8, "projection_dim": 16}
    config = transformers.BlipConfig(text_config=text, vision_config=vision, projection_dim=16)
    model = transformers.BlipForConditionalGeneration(config)
    side = {"height": BLIP_SIDE, "width": BLIP_SIDE}
    processor = transformers.BlipProcessor(transformers.BlipImageProcessor(size=side), tokenizer)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def make_diffusers(folder: Path) -> Any:
    """A StableDiffusionPipeline, saved in its own layout."""
    diffusers, transformers = import_module("diffusers"), import_module("transformers")
    text = transformers.CLIPTextModel(
        transformers.CLIPTextConfig(
            vocab_size=_clip_vocabulary(folder / "tokenizer"),
            hidden_size=TEXT_WIDTH,
            intermediate_size=64,
            projection_dim=TEXT_WIDTH,
            num_hidden_layers=TEXT_LAYERS,
            num_attention_heads=2,
            max_position_embeddings=TOKENS,
        )
    )
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=WIDTHS,
        layers_per_block=2,
        attention_head_dim=4,
        cross_attention_dim=TEXT_WIDTH,
        norm_num_groups=8,
        down_block_types=(*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"),
        up_block_types=("UpBlock2D", *["CrossAttnUpBlock2D"] * 3),
    )
    vae = diffusers.AutoencoderKL(
        block_out_channels=VAE_WIDTHS,
        layers_per_block=2,
        norm_num_groups=8,
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
    )
    scheduler = diffusers.PNDMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
    )
    pipeline = diffusers.StableDiffusionPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=transformers.CLIPTokenizer.from_pretrained(folder / "tokenizer"),
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return pipeline


def _clip_vocabulary(folder: Path) -> int:
    """Letters alone, without merges; how many entries."""
    transformers = import_module("transformers")
    folder.mkdir(parents=True, exist_ok=True)
    letters = list(transformers.models.clip.tokenization_clip.bytes_to_unicode().values())
    entries = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({entry: at for at, entry in enumerate(entries)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    transformers.CLIPTokenizer(
        folder / "vocab.json", folder / "merges.txt", model_max_length=TOKENS
    ).save_pretrained(folder)
    return len(entries)


def _original_names(pipeline: Any) -> dict[str, Any]:
    """All weights under the names of the original checkpoints."""
    named = dict[str, Any]()
    for key, value in pipeline.unet.state_dict().items():
        named[f"model.diffusion_model.{_unet_name(key)}"] = value.contiguous()
    for key, value in pipeline.vae.state_dict().items():
        name = _vae_name(key)
        is_attention = "mid.attn_1" in name and key.endswith("weight") and "norm" not in name
        named[f"first_stage_model.{name}"] = (value[:, :, None, None] if is_attention else value).contiguous()
    for key, value in pipeline.text_encoder.state_dict().items():
        named[f"cond_stage_model.transformer.{key}"] = value.contiguous()
    return named


_TOP = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}


def _unet_name(key: str) -> str:
    for ours, theirs in _TOP.items():
        if key.startswith(f"{ours}."):
            return theirs + key.removeprefix(ours)
    side, rest = key.split(".", 1)
    if side == "mid_block":
        kind, at, rest = rest.split(".", 2)
        return f"middle_block.{1 if kind == 'attentions' else 2 * int(at)}.{_inner(kind, rest)}"
    block, kind, at, rest = rest.split(".", 3)
    if side == "down_blocks":
        if kind == "downsamplers":
            return f"input_blocks.{3 * int(block) + 3}.0.op.{rest.removeprefix('conv.')}"
        return f"input_blocks.{3 * int(block) + int(at) + 1}.{int(kind == 'attentions')}.{_inner(kind, rest)}"
    if kind == "upsamplers":  # after the attention, where the block has one
        return f"output_blocks.{3 * int(block) + 2}.{1 if block == '0' else 2}.{rest}"
    return f"output_blocks.{3 * int(block) + int(at)}.{int(kind == 'attentions')}.{_inner(kind, rest)}"


def _inner(kind: str, rest: str) -> str:
    if kind == "attentions":
        return rest
    part, tail = rest.split(".", 1)
    return f"{_RESNET[part]}.{tail}"


_VAE_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}


def _vae_name(key: str) -> str:
    if key.startswith(("quant_conv", "post_quant_conv")):
        return key
    side, rest = key.split(".", 1)
    rest = re.sub(r"^mid_block\.resnets\.(\d)", lambda found: f"mid.block_{int(found[1]) + 1}", rest)
    for ours, theirs in _VAE_ATTENTION.items():
        rest = rest.replace(f"mid_block.attentions.0.{ours}.", f"mid.attn_1.{theirs}.")
    rest = re.sub(r"^down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2", rest)
    rest = re.sub(r"^down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", rest)
    rest = re.sub(
        r"^up_blocks\.(\d)\.resnets\.(\d)", lambda found: f"up.{3 - int(found[1])}.block.{found[2]}", rest
    )
    rest = re.sub(r"^up_blocks\.(\d)\.upsamplers\.0", lambda found: f"up.{3 - int(found[1])}.upsample", rest)
    return f"{side}.{rest.replace('conv_shortcut', 'nin_shortcut').replace('conv_norm_out', 'norm_out')}"


if __name__ == "__main__":
    make(Path(sys.argv[1]))
