"""What the smoke test asks of the API: that it is closed to strangers, and makes a picture from words and one from a drawing."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ops.smoke_page import get
from tools.api_client import Api, ApiFailed

CLOSED = "/api/generations"
WISH = {"prompt": "a bright living room with an oak floor, linen curtains and a large window"}
DRAWN_WISH = {"prompt": "a calm bedroom, rattan and dark wood, morning light"}
PNG = b"\x89PNG\r\n\x1a\n"
SEEDS = 2**31
LEAST_BYTES = 1000
"""A picture of one colour is smaller than this; every other one is larger."""


@dataclass(frozen=True)
class Outcome:
    """Of one picture: seconds that it took, or what was wrong."""

    seconds: float
    fault: str = ""


def stranger_faults(url: str) -> list[str]:
    """What the API gives to somebody who isn't signed in, when that isn't a refusal."""
    try:
        answer = get(url + CLOSED)
    except OSError as error:
        return [f"{url} can't be reached: {getattr(error, 'reason', error)}"]
    return [] if answer.status == 401 else [f"{CLOSED} answers {answer.status} to a stranger, not 401"]


def make(api: Api, limit_s: float, say: Callable[[str], None], drawing: bytes) -> dict[str, Outcome]:
    """Both pictures, side by side: each kind has a ComfyUI of its own. Outcome by kind."""
    # Another seed each time: the same picture again could come from ComfyUI's cache, and the GPU sleep on.
    seed = time.time_ns() % SEEDS

    def text() -> Outcome:
        return _outcome("text", api, lambda: {**WISH, "seed": seed}, limit_s, say)

    def sketch() -> Outcome:
        return _outcome(
            "sketch",
            api,
            lambda: {**DRAWN_WISH, "seed": seed, "sketchId": api.upload(drawing)},
            limit_s,
            say,
        )

    with ThreadPoolExecutor(2) as both:
        asked = {"text": both.submit(text), "sketch": both.submit(sketch)}
        return {kind: one.result() for kind, one in asked.items()}


def _outcome(
    kind: str,
    api: Api,
    wish: Callable[[], Mapping[str, Any]],
    limit_s: float,
    say: Callable[[str], None],
) -> Outcome:
    started, told = time.monotonic(), ""

    def tell(event: str, data: Any) -> None:
        nonlocal told
        if event in ("preview", "done"):
            return
        gpu: dict[str, Any] = data.get("gpu") or {}
        now = str(gpu.get("state", ""))
        if now in ("asleep", "waking") and now != told:
            told = now
            say(f"  {kind} picture: the GPU is {now}, about {gpu.get('etaSeconds', '?')} s")

    try:
        done = api.follow(api.generate(wish()), tell, limit_s)
        fault = _fault_of(api, done)
    except (ApiFailed, OSError) as error:
        fault = str(error)
    return Outcome(round(time.monotonic() - started, 1), fault)


def _fault_of(api: Api, done: Mapping[str, Any]) -> str:
    if done["state"] != "succeeded":
        return f"it has {done['state']}: {(done.get('error') or {}).get('message', 'no reason is told')}"
    if not done.get("images"):
        return "it has succeeded, without a picture"
    picture = api.fetch(done["images"][0]["url"])
    if not picture.startswith(PNG) or len(picture) < LEAST_BYTES:
        return f"its {len(picture)} bytes are no picture"
    return ""
