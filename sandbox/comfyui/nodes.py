"""What each node does. A sampler takes its time step by step; decoding is what draws."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageOps

from sandbox.comfyui import pictures
from sandbox.comfyui.cache import Result
from sandbox.comfyui.faults import Faults
from sandbox.comfyui.folders import Folders
from sandbox.comfyui.saving import PictureFolder
from sandbox.comfyui.values import (
    Conditioning,
    Control,
    ControlNet,
    Latent,
    Mask,
    Model,
    Pictures,
    Vae,
    Wish,
    digest,
)


@dataclass(frozen=True, kw_only=True)
class Context:
    """What nodes may use while they run."""

    folders: Folders
    faults: Faults
    output: PictureFolder
    temp: PictureFolder
    temp_prefix: str
    """What this server's previews are called."""
    texts: Mapping[str, str]
    """What is written into the files."""
    in_thread: Callable[[Callable[[], Any]], Awaitable[Any]]
    """Does what takes long elsewhere, so that the server goes on answering."""
    before_step: Callable[[int], Awaitable[None]]
    """Called when a sampler begins a step; it waits for as long as the step takes, or raises."""
    after_step: Callable[[int, int, Callable[[], Image.Image]], Awaitable[None]]
    """Told the step, of how many, and what gives the picture as it is by then."""


async def run(class_type: str, context: Context, inputs: Mapping[str, Any]) -> Result:
    """Run a node. `inputs` are values, links among them followed; what the node raises is the prompt's failure."""
    return await _NODES[class_type](context, **inputs)


def _file(context: Context, kind: str, name: str) -> None:
    """Raises FileNotFoundError, in ComfyUI's words, when a model file is gone since the prompt was accepted."""
    if context.folders.model(kind, name) is None:
        raise FileNotFoundError(f"Model in folder '{kind}' with filename '{name}' not found.")


def _values(*outputs: Any) -> Result:
    return Result(outputs=outputs, shown=None)


async def _load_checkpoint(context: Context, *, ckpt_name: str) -> Result:
    _file(context, "checkpoints", ckpt_name)
    model = Model(checkpoint=ckpt_name)
    return _values(model, model, Vae(checkpoint=ckpt_name))


async def _load_lora(
    context: Context,
    *,
    model: Model,
    clip: Model,
    lora_name: str,
    strength_model: float,
    strength_clip: float,
) -> Result:
    if strength_model == 0 and strength_clip == 0:
        return _values(model, clip)
    _file(context, "loras", lora_name)
    return _values(
        Model(checkpoint=model.checkpoint, loras=(*model.loras, (lora_name, strength_model))),
        Model(checkpoint=clip.checkpoint, loras=(*clip.loras, (lora_name, strength_clip))),
    )


async def _load_control_net(context: Context, *, control_net_name: str) -> Result:
    _file(context, "controlnet", control_net_name)
    return _values(ControlNet(name=control_net_name))


async def _encode_text(_: Context, *, text: str, clip: Model) -> Result:
    return _values(Conditioning(text=text, model=clip))


async def _apply_control_net(
    _: Context,
    *,
    positive: Conditioning,
    negative: Conditioning,
    control_net: ControlNet,
    image: Pictures,
    strength: float,
    start_percent: float,
    end_percent: float,
    vae: Vae | None = None,
) -> Result:
    if strength == 0:
        return _values(positive, negative)
    control = Control(
        net=control_net,
        pictures=image,
        strength=strength,
        start_percent=start_percent,
        end_percent=end_percent,
    )
    return _values(
        *(
            Conditioning(text=one.text, model=one.model, controls=(*one.controls, control))
            for one in (positive, negative)
        )
    )


async def _empty_latent(_: Context, *, width: int, height: int, batch_size: int) -> Result:
    return _values(Latent(width=width // 8 * 8, height=height // 8 * 8, count=batch_size))


async def _sample(
    context: Context,
    *,
    model: Model,
    seed: int,
    steps: int,
    cfg: float,
    sampler_name: str,
    scheduler: str,
    positive: Conditioning,
    negative: Conditioning,
    latent_image: Latent,
    denoise: float,
) -> Result:
    if denoise <= 0:
        return _values(latent_image)
    latent = Latent(
        width=latent_image.width,
        height=latent_image.height,
        count=latent_image.count,
        wish=Wish(
            model=model,
            positive=positive,
            negative=negative,
            seed=seed,
            steps=steps,
            cfg=cfg,
            sampler=sampler_name,
            scheduler=scheduler,
            denoise=denoise,
            before=latent_image.wish,
        ),
    )
    sketch = pictures.Emerging(latent)
    for step in range(1, steps + 1):
        await context.before_step(step)
        share = step / steps
        await context.after_step(step, steps, lambda share=share: sketch.at(share))
    return _values(latent)


async def _decode(context: Context, *, samples: Latent, vae: Vae) -> Result:
    def draw() -> Pictures:
        images = tuple(pictures.draw(samples, number) for number in range(samples.count))
        return Pictures(images=images, digest=digest((samples, vae)), size=images[0].size)

    return _values(await context.in_thread(draw))


async def _load_image(context: Context, *, image: str) -> Result:
    path = context.folders.input_file(image)
    if path is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), image)

    def load() -> Pictures:
        with Image.open(path) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
        content = hashlib.sha256(picture.tobytes()).hexdigest()
        return Pictures(images=(picture,), digest=content, size=picture.size)

    loaded: Pictures = await context.in_thread(load)
    return _values(loaded, Mask(digest=loaded.digest))


async def _save_image(
    context: Context, *, images: Pictures, filename_prefix: str, **_hidden: object
) -> Result:
    return await _saved(context, context.output, images, filename_prefix)


async def _preview_image(context: Context, *, images: Pictures, **_hidden: object) -> Result:
    return await _saved(context, context.temp, images, context.temp_prefix)


async def _saved(context: Context, folder: PictureFolder, images: Pictures, prefix: str) -> Result:
    if context.faults.take("fill_up", where="save"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder.directory / f"{prefix}_00001_.png"))
    saved: list[dict[str, str]] = await context.in_thread(
        lambda: folder.save(images.images, prefix, context.texts)
    )
    return Result(outputs=(), shown={"images": saved})


_NODES: dict[str, Callable[..., Awaitable[Result]]] = {
    "CheckpointLoaderSimple": _load_checkpoint,
    "LoraLoader": _load_lora,
    "CLIPTextEncode": _encode_text,
    "ControlNetLoader": _load_control_net,
    "ControlNetApplyAdvanced": _apply_control_net,
    "EmptyLatentImage": _empty_latent,
    "KSampler": _sample,
    "VAEDecode": _decode,
    "LoadImage": _load_image,
    "SaveImage": _save_image,
    "PreviewImage": _preview_image,
}
