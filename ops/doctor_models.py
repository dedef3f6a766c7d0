"""The models that the workflows name: whether they are in the bucket, and whether both servers have room for them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

import contract
from instance_types import GPU_TYPES
from ops.doctor_finding import Check, Denied, Finding, Ground, ask, ask_all, bad, good, unseen
from ops.errors import is_gone
from ops.objects import recorded_sha256
from ops.show import size
from ops.stack import ROOT
from ops.upload import SHA256_KEY

MODELS, FIT = "models", "fit"
WORKFLOWS = ROOT / "app" / "workflows"
GIB = float(1 << 30)
KNOWN_BYTES = {
    "interiordesignsuperm_v2.safetensors": 2_130_000_000,
    "control_v11p_sd15_scribble_fp16.safetensors": 722_600_000,
}
"""Of the models that the workflows come with: a checkpoint of Stable Diffusion 1.5 in fp16, and ComfyUI-Manager's
model-list.json. Used before the bucket has them, and for an emulator's stand-ins."""
STAND_IN_BYTES = 1 << 20
"""No model and no style is as small."""

PROCESS_GIB = 3.0
"""Of a server before it loads a model: Python, PyTorch, CUDA's libraries, node packs. An estimate, not measured."""
MEMORY_SHARE = 0.48
"""Of the machine's memory, at most, for each server: MemoryMax in cloud_init/ml-server/comfyui@.service."""
CONTEXT_GIB = 0.5
"""Of the GPU's memory, for CUDA itself in each process. An estimate, not measured."""
DECODE_BYTES = 2178 * 64 * 2
"""Of the GPU's memory, for each of the latent's pixels, while a picture is decoded: the largest step. ComfyUI's own
estimate (comfy/sd.py: memory_used_decode) at 2 bytes a number; where it is short, it goes on in tiles, slower."""
LATENT = 8
"""Pixels of a picture on a side, for one of the latent."""
IMAGE_GIB = 65
"""What the GPU machine's image takes of the disk (setting_models.py: diskGib)."""
SOFTWARE_GIB = 15
"""ComfyUI, its environment with PyTorch (about 8), node packs and their caches, logs. An estimate, not measured."""
SPARE_GIB = 2
"""What model_sync.py leaves free."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A file that a workflow loads; `key` is its place in the bucket."""

    name: str
    key: str


@cache
def named(folder: Path = WORKFLOWS) -> dict[str, list[Model]]:
    """By kind of generation, as `<kind>.slots.json` declares them."""
    return {kind: _named(folder, kind) for kind in contract.KINDS}


def _named(folder: Path, kind: str) -> list[Model]:
    graph: dict[str, Any] = json.loads((folder / f"{kind}.json").read_text())
    places: dict[str, Any] = json.loads((folder / f"{kind}.slots.json").read_text())["models"]
    nodes = {node["_meta"]["title"]: node["inputs"] for node in graph.values()}
    return [
        Model(
            name=nodes[place["node"]][place["input"]],
            key=f"{contract.MODELS_PREFIX}{place['folder']}/{nodes[place['node']][place['input']]}",
        )
        for place in places.values()
    ]


def _distinct() -> dict[str, Model]:
    return {model.key: model for models in named().values() for model in models}


def _models(ground: Ground) -> list[Finding]:
    return [_model(ground, model) for model in _distinct().values()]


def _model(ground: Ground, model: Model) -> Finding:
    bucket = ground.settings.storage.bucket_name
    check = f"model {model.key.split('/')[1]}"
    folder = model.key.split("/")[1]
    push = f"python -m ops --stack {ground.stack.name} models push {model.name} --folder {folder}"
    try:
        head = ask(ground.stack, "s3", "head_object", Bucket=bucket, Key=model.key, ChecksumMode="ENABLED")
    except (Denied, ClientError) as error:
        return _unread(ground, check, model, error, push)
    told = f"{model.name}, {size(head['ContentLength'])}"
    recorded = recorded_sha256(head)
    if not recorded:
        return _later(check, f"{told}: nobody recorded its SHA-256", f"{push} --replace")
    if (own := _whole_sha256(head)) and own != recorded:
        return _later(
            check,
            f"{told}: its SHA-256 is {own[:12]}…, {recorded[:12]}… was recorded",
            f"push the right file again: {push} --replace",
        )
    return good(check, f"{told}, SHA-256 {recorded[:12]}…")


def _unread(ground: Ground, check: str, model: Model, error: Exception, push: str) -> Finding:
    """HEAD of an object that is not there is a 403 to who may not list the bucket, and where there is no bucket."""
    bucket = ground.settings.storage.bucket_name
    denied = error if isinstance(error, Denied) else None
    if denied is None and not is_gone(error):
        raise error
    state = _bucket_state(ground, bucket)
    if state == "none":
        return unseen(
            check, f"{model.name} comes after the first `up`, when there is a bucket", f"then {push}"
        )
    if denied or state == "closed":
        return unseen(check, f"{model.name}: {denied or 'the bucket can not be listed'}")
    return _later(check, f"{model.name} is not in the bucket", push)


def _later(check: str, said: str, todo: str) -> Finding:
    return replace(bad(check, said, todo), stops_up=False)


def _bucket_state(ground: Ground, bucket: str) -> str:
    try:
        ask(ground.stack, "s3", "head_bucket", Bucket=bucket)
    except Denied:
        return "closed"
    except ClientError as error:
        if is_gone(error):
            return "none"
        raise
    return "open"


def _whole_sha256(head: Any) -> str:
    """S3's own over the whole object, where it has one, beside the one that `ops models push` recorded."""
    whole = head.get("ChecksumType") != "COMPOSITE" and "-" not in head["ETag"]
    if not (whole and head["Metadata"].get(SHA256_KEY) and head.get("ChecksumSHA256")):
        return ""
    return base64.b64decode(head["ChecksumSHA256"]).hex()


def _fit(ground: Ground) -> list[Finding]:
    listed, doubt = _listed(ground)
    sizes = {
        model.name: listed.get(model.key) or KNOWN_BYTES.get(model.name) for model in _distinct().values()
    }
    unknown = [name for name, known in sizes.items() if not known]
    if unknown:
        return [unseen(FIT, f"the size of {', '.join(unknown)} is not known before it is in the bucket")]
    weights = {kind: [(sizes[model.name] or 0) / GIB for model in models] for kind, models in named().items()}
    bytes_of_all = {**{model.key: sizes[model.name] or 0 for model in _distinct().values()}, **listed}
    return [
        _memory(ground, weights),
        _gpu_memory(ground, weights),
        _disk(ground, sum(bytes_of_all.values()) / GIB, doubt),
    ]


def _listed(ground: Ground) -> tuple[dict[str, int], str]:
    """Bytes of all models and styles in the bucket, by key; and what is to be said when they could not be seen."""
    found: dict[str, int] = {}
    bucket = ground.settings.storage.bucket_name
    try:
        for prefix in (contract.MODELS_PREFIX, contract.LORAS_PREFIX):
            for one in ask_all(
                ground.stack, "s3", "list_objects_v2", "Contents", Bucket=bucket, Prefix=prefix
            ):
                if one["Size"] >= STAND_IN_BYTES:
                    found[one["Key"]] = int(one["Size"])
    except Denied as denied:
        return {}, f" (known sizes: {denied})"
    except ClientError as error:
        if not is_gone(error):
            raise
    return found, ""


def _summed(parts: list[float]) -> str:
    return f"{' + '.join(f'{part:.1f}' for part in parts)} = {sum(parts):.1f}"


def _memory(ground: Ground, weights: dict[str, list[float]]) -> Finding:
    """Models pass through a server's memory, and stay there while the GPU's is short."""
    kind = ground.settings.ml_server.instance_type
    memory = GPU_TYPES[kind].memory_gib
    limit = memory * MEMORY_SHARE
    parts = {name: [PROCESS_GIB, *models] for name, models in weights.items()}
    sums = "; ".join(f"{name} {_summed(one)}" for name, one in parts.items())
    said = f"{sums} (server + models); each may have {limit:.1f} of {memory:g} GiB"
    if all(sum(one) <= limit for one in parts.values()):
        return good("memory", said)
    return bad("memory", said, "take smaller models, or a larger sd-app:mlServer.instanceType")


def _gpu_memory(ground: Ground, weights: dict[str, list[float]]) -> Finding:
    kind = GPU_TYPES[ground.settings.ml_server.instance_type]
    side: int = ground.settings.limits.model_dump()["picture_max_side"]
    decode = DECODE_BYTES * (side // LATENT) ** 2 / GIB
    parts = {name: [CONTEXT_GIB, *models, decode] for name, models in weights.items()}
    total = sum(sum(one) for one in parts.values())
    sums = "; ".join(f"{name} {_summed(one)}" for name, one in parts.items())
    said = f"{sums} (CUDA + models + a picture of {side}x{side}); both {total:.1f} of {kind.gpu}'s {kind.gpu_memory_gib} GiB"
    if total <= kind.gpu_memory_gib:
        return good("GPU memory", said)
    return bad(
        "GPU memory",
        said,
        "lower sd-app:limits.pictureMaxSide, or take an sd-app:mlServer.instanceType with more",
    )


def _disk(ground: Ground, models: float, doubt: str) -> Finding:
    """As if there were no instance store: where there is one the models lie on that, and the disk has room to spare."""
    disk, percent = ground.settings.ml_server.disk_gib, ground.settings.operations.disk_percent
    parts = [IMAGE_GIB, SOFTWARE_GIB, models, SPARE_GIB]
    limit = disk * percent / 100
    said = f"{_summed([float(part) for part in parts])} (image + software + models + spare) of {disk} GiB; alarm at {limit:.0f}{doubt}"
    if sum(parts) <= limit:
        return good("disk", said)
    need = int(sum(parts) * 100 / percent) + 1
    return bad("disk", said, f"set sd-app:mlServer.diskGib to {need} or more, or delete models")


CHECKS = (Check(name=MODELS, look=_models), Check(name=FIT, look=_fit))
