"""Makes one picture through ComfyUI's API: arguments port and checkpoint. Prints how long it took; exits 1 with
ComfyUI's own words when there is none."""

import json
import sys
import time
import urllib.error
import urllib.request
from typing import Any

LIMIT_SECONDS = 400
"""The first picture of a cold machine reads the model from its disk; below the stage's own limit for two servers."""


def graph(checkpoint: str) -> dict[str, Any]:
    """A small picture with all that a real one needs."""
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": checkpoint}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "a living room"}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": "blurry"}},
        "4": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512, "batch_size": 1}},
        "5": {
            "class_type": "KSampler",
            "inputs": {
                "model": ["1", 0],
                "positive": ["2", 0],
                "negative": ["3", 0],
                "latent_image": ["4", 0],
                # Another each time: ComfyUI would answer a known graph from its cache.
                "seed": time.time_ns() % 2**32,
                "steps": 4,
                "cfg": 7.0,
                "sampler_name": "dpmpp_2m",
                "scheduler": "karras",
                "denoise": 1.0,
            },
        },
        "6": {"class_type": "VAEDecode", "inputs": {"samples": ["5", 0], "vae": ["1", 2]}},
        "7": {"class_type": "PreviewImage", "inputs": {"images": ["6", 0]}},
    }


def call(url: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})  # noqa: S310  # our own address
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)


def picture(port: str, checkpoint: str) -> float:
    """Seconds that the picture took. Raises RuntimeError with ComfyUI's words."""
    base, started = f"http://127.0.0.1:{port}", time.monotonic()
    try:
        prompt = call(f"{base}/prompt", {"prompt": graph(checkpoint)})["prompt_id"]
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"refused: {error.read().decode(errors='replace')[:500]}") from error
    while not (done := call(f"{base}/history/{prompt}").get(prompt)):
        if time.monotonic() - started > LIMIT_SECONDS:
            raise RuntimeError(f"no picture after {LIMIT_SECONDS} seconds")
        time.sleep(0.5)
    if done["status"]["status_str"] != "success" or not done["outputs"]:
        raise RuntimeError(f"failed: {json.dumps(done['status'])[-500:]}")
    return time.monotonic() - started


def main() -> int:
    port, checkpoint = sys.argv[1:]
    try:
        print(f"first picture on port {port} after {picture(port, checkpoint):.1f} s")
    except (OSError, RuntimeError) as error:
        print(f"ComfyUI on port {port}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
