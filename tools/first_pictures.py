"""The end of `make up` on the local stack: models in the bucket, machines ready, and a picture from words and one from
a drawing, asked for as the page does. Everything goes the real way; only AWS and ComfyUI are emulated."""

from __future__ import annotations

import contextlib
import io
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from ops import models, users
from ops.errors import AwsError, OpsError, explain
from ops.stack import Stack
from sandbox import daemon
from tools import emulated_models
from tools.api_client import Api, ApiFailed
from tools.local_machines import Machines, NotReady
from tools.progress import say

PICTURE_LIMIT_S = 300.0
TELL_EVERY_S = 2.0
REAL_COMFYUI = "COMFY_UI_ADDRESS"
WISH = {"prompt": "a bright living room with an oak floor, linen curtains and a large window", "seed": 7}
DRAWN_WISH = {"prompt": "a calm bedroom, rattan and dark wood, morning light", "seed": 11}
STYLE = "Indochine"


class NoPictures(Exception):
    """Something on the way to the pictures failed; the message tells what, where and what to do."""


@dataclass(frozen=True)
class Made:
    """What came out: the API's address, the demo user's sign-in, the files written."""

    url: str
    email: str
    password: str
    files: list[Path]


def make(stack: Stack, folder: Path, outputs: dict[str, Any]) -> Made:
    """Bring models, wait for the machines, sign in, and make both pictures. Raises NoPictures.

    folder: the sandbox's.
    """
    # As the sandbox runs, which may have been started by another command than this.
    is_real = bool(daemon.choices(folder).get(REAL_COMFYUI))
    try:
        if not is_real:
            _seed(stack, folder)
        Machines(stack=stack, folder=folder, outputs=outputs, is_real=is_real).get_ready()
        email, password = users.ensure_demo(stack)
        url = daemon.edge_url(folder, stack.name)
        if url is None:
            raise NoPictures(f"the sandbox has no address for the API: see {folder / 'daemon.log'}")
        api = Api(url, _sign_in(stack, outputs, email, password))
        target = folder / "pictures"
        target.mkdir(exist_ok=True)
        style = {} if is_real else {"style": STYLE}
        with ThreadPoolExecutor(2) as both:  # each kind has a ComfyUI of its own
            text = both.submit(_picture, api, {**WISH, **style}, target / "text.png")
            sketch = both.submit(_drawn_picture, api, target / "sketch.png")
            files = [text.result(), sketch.result()]
    except (OpsError, NotReady) as error:
        raise NoPictures(str(error)) from error
    except AwsError as error:
        raise NoPictures(explain(error)) from error
    except (ApiFailed, OSError) as error:
        raise NoPictures(f"{error}\n    logs: {folder / 'machines'}/*/*.log") from error
    return Made(url, email, password, files)


def _seed(stack: Stack, folder: Path) -> None:
    """The emulated models, by `ops models push`; what is there stays."""
    there = {one.key for one in models.read(stack, stack.output("bucketName"))}
    pushed = 0
    for kind, paths in emulated_models.write(folder / "emulated-models").items():
        prefix = "loras/" if kind == "loras" else f"models/{kind}/"
        new = [path for path in paths if f"{prefix}{path.name}" not in there]
        if new:
            to, where = ("loras", None) if kind == "loras" else ("models", kind)
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                models.push(stack, models.PushArgs(files=new, to=to, folder=where, replace=False), json=True)
            pushed += len(new)
    if pushed:
        say(f"models: {pushed} emulated ones pushed to s3://{stack.output('bucketName')} (a few KB each)")


def _sign_in(stack: Stack, outputs: dict[str, Any], email: str, password: str) -> str:
    answer = stack.client("cognito-idp").initiate_auth(
        AuthFlow="USER_PASSWORD_AUTH",
        ClientId=outputs["userPoolClientId"],
        AuthParameters={"USERNAME": email, "PASSWORD": password},
    )
    return str(answer["AuthenticationResult"]["AccessToken"])


def _picture(api: Api, wish: dict[str, Any], target: Path) -> Path:
    """Ask, follow with a line now and then, and write the first picture."""
    name, told, started = target.stem, 0.0, time.monotonic()

    def tell(event: str, data: Any) -> None:
        nonlocal told
        if event in ("preview", "done") or time.monotonic() - max(told, started) < TELL_EVERY_S:
            return
        told = time.monotonic()
        say(f"  {name} picture: {_words(event, data)}")

    done = api.follow(api.generate(wish), tell, PICTURE_LIMIT_S)
    if done["state"] != "succeeded":
        raise ApiFailed(
            f"the {name} picture has {done['state']}: {(done.get('error') or {}).get('message', '')}"
        )
    draft = target.with_suffix(".new")
    draft.write_bytes(api.fetch(done["images"][0]["url"]))
    draft.replace(target)
    say(f"{name} picture: {time.monotonic() - started:.1f} s")
    return target


def _drawn_picture(api: Api, target: Path) -> Path:
    return _picture(api, {**DRAWN_WISH, "sketchId": api.upload(draw_room())}, target)


def _words(event: str, data: Any) -> str:
    if event == "progress":
        return f"step {data['step']} of {data['steps']}"
    gpu: dict[str, Any] = data.get("gpu") or {}
    if gpu.get("state") in ("asleep", "waking"):
        return f"the GPU is {gpu['state']}, about {gpu.get('etaSeconds', '?')} s"
    if data.get("position") == 0:
        return "running"
    return f"number {data.get('position', '?')} in the queue, about {data.get('etaSeconds', '?')} s"


def draw_room() -> bytes:
    """A room in a few lines, black on white, as a designer would sketch it."""
    image = Image.new("L", (768, 768), 255)
    pen = ImageDraw.Draw(image)
    back = ((230, 190), (560, 190), (560, 500), (230, 500))
    pen.line([*back, back[0]], fill=0, width=6)
    for corner, end in zip(back, ((0, 40), (768, 40), (768, 740), (0, 740)), strict=True):
        pen.line([corner, end], fill=0, width=6)
    pen.rectangle((330, 240, 470, 390), outline=0, width=5)
    pen.line([(400, 240), (400, 390)], fill=0, width=4)
    pen.rectangle((260, 520, 540, 610), outline=0, width=6)
    pen.rectangle((280, 450, 520, 520), outline=0, width=6)
    pen.ellipse((90, 560, 200, 620), outline=0, width=5)
    pen.line([(145, 620), (145, 690)], fill=0, width=5)
    png = io.BytesIO()
    image.save(png, "PNG")
    return png.getvalue()
