"""A style on the local stack: published, brought to the ML server, offered, chosen, promoted, rolled back."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from studio import Studio, studio, until

from ops import lora_records, loras
from ops.lora_records import Shelf
from tests.unit.lora_files import write_lora
from tools.api_client import Api
from training.publish import PublishArgs

WISH = {"prompt": "a small kitchen", "width": 256, "height": 256, "steps": 2, "style": "Loft", "seed": 3}


@pytest.fixture(scope="module")
def running(cli: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Studio]:
    with studio(cli, tmp_path_factory.mktemp("styles")) as made:
        yield made


@pytest.fixture(scope="module")
def designer(running: Studio) -> Api:
    return running.designer("ann")


def publish(running: Studio, folder: Path, seed: int) -> None:
    picture = folder / "picture.png"
    Image.effect_noise((600, 600), 60).save(picture)
    args = PublishArgs(
        file=write_lora(folder, seed=seed),
        style="Loft",
        title="A loft",
        trigger_word=f"loft{seed}",
        thumbnail=picture,
    )
    assert loras.publish(running.stack, args, json=True) == 0


def shelf(running: Studio) -> Shelf:
    return lora_records.read(running.stack, running.outputs["bucketName"])


def states(running: Studio) -> dict[str, str]:
    return {one.version: one.state for style in shelf(running).styles for one in style.versions}


def offered(api: Api) -> dict[str, Any]:
    """What the page gets of the style; empty before it is offered by both servers."""
    found = [one for one in json.loads(api.fetch("/api/styles"))["items"] if one["name"] == "Loft"]
    return found[0] if found and all(found[0]["offered"].values()) else {}


def made(api: Api) -> dict[str, Any]:
    done = api.follow(api.generate(WISH), lambda name, data: None, 120)
    assert done["state"] == "succeeded", done
    return json.loads(api.fetch(f"/api/generations/{done['id']}"))


def test_a_style_is_published_synced_offered_and_its_versions_make_the_pictures(
    running: Studio, designer: Api, tmp_path: Path
) -> None:
    until("the ML server has told of its styles", lambda: "offered" in states(running).values(), 60)
    told = shelf(running).told
    assert told and len(told.ports) == 2 and not told.left_out and not told.not_offered
    publish(running, tmp_path, 1)
    until("it is offered", lambda: states(running).get("Loft-v1") == "offered", 90)
    until("the page gets it, without a reload of anything", lambda: bool(offered(designer)), 60)
    style = offered(designer)
    assert (style["title"], style["version"], style["triggerWord"]) == ("A loft", "Loft-v1", "loft1")
    assert designer.fetch(style["thumbnailUrl"])[:3] == b"\xff\xd8\xff"
    first = made(designer)
    assert first["styleVersion"] == "Loft-v1" and first["recipe"]["style"]["sha256"] == style["sha256"]

    publish(running, tmp_path, 2)
    until("the second version is offered, too", lambda: states(running).get("Loft-v2") == "offered", 90)
    assert offered(designer)["version"] == "Loft-v1", "nobody promoted it"
    assert loras.promote(running.stack, "Loft-v2", json=True) == 0
    until("designers get it", lambda: offered(designer).get("version") == "Loft-v2", 60)
    second = made(designer)
    assert second["styleVersion"] == "Loft-v2"
    assert second["images"][0]["sha256"] != first["images"][0]["sha256"]

    assert loras.rollback(running.stack, "Loft", json=True) == 0
    until("designers get the first again", lambda: offered(designer).get("version") == "Loft-v1", 60)
    assert loras.retire(running.stack, "Loft", json=True) == 0
    until("designers get it no more", lambda: not offered(designer), 60)
