"""The pictures: of the asked size, the same for the same recipe, another for any other, and marked as emulated."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageStat

from sandbox.comfyui import pictures
from tests.unit.comfyui_server import EXCHANGES, GRAPHS, Emulator, graph

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def emulator(tmp_path: Path) -> Generator[Emulator]:
    running = Emulator(tmp_path)
    (tmp_path / "models" / "loras" / "indochine.safetensors").touch()
    yield running
    running.stop()


def saved(emulator: Emulator, prompt: dict[str, Any], **more: Any) -> list[Path]:
    """Files of a prompt that succeeds."""
    entry = emulator.history(emulator.post(prompt, **more))
    assert entry["status"]["completed"], entry["status"]
    directories = {"output": emulator.folder / "output", "temp": emulator.folder / "temp"}
    return [
        directories[image["type"]] / image["subfolder"] / image["filename"]
        for shown in entry["outputs"].values()
        for image in shown["images"]
    ]


def pixels(path: Path) -> bytes:
    with Image.open(path) as image:
        return image.tobytes()


def small(name: str, **changes: Any) -> dict[str, Any]:
    """A recorded prompt that is drawn quickly."""
    return graph(name, n3_steps=1, n5_width=64, n5_height=64, **changes)


@pytest.mark.parametrize("size", [(64, 64), (512, 512), (768, 320), (256, 640), (16, 16), (129, 71)])
@pytest.mark.parametrize("name", ["text", "sketch"])
def test_a_picture_is_an_rgb_png_of_the_asked_size(emulator: Emulator, name: str, size: tuple[int, int]):
    [path] = saved(emulator, graph(name, n5_width=size[0], n5_height=size[1]))
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", "RGB"), "as recorded: 8 bits, colour type 2"
        assert image.size == (size[0] // 8 * 8, size[1] // 8 * 8), "a latent has an eighth of the side"


def test_the_same_recipe_gives_the_same_bytes_even_in_another_process(tmp_path: Path):
    made: list[bytes] = []
    for name in ("first", "second"):
        emulator = Emulator(tmp_path / name)
        try:
            made += [path.read_bytes() for path in saved(emulator, GRAPHS["text"])]
        finally:
            emulator.stop()
    assert made[0] == made[1]
    code = (
        "import sys; from pathlib import Path; from tests.unit.test_comfyui_pictures import *; "
        "e = Emulator(Path(sys.argv[1])); print(pixels(saved(e, GRAPHS['text'])[0]).hex()); e.stop()"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "third")],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert bytes.fromhex(ended.stdout) == pixels(tmp_path / "first" / "output" / "txt2img_00001_.png")


CHANGES: list[dict[str, Any]] = [
    {"n3_seed": 2},
    {"n3_steps": 2},
    {"n3_cfg": 7.0},
    {"n3_sampler_name": "dpmpp_2m"},
    {"n3_scheduler": "karras"},
    {"n3_denoise": 0.9},
    {"n6_text": "a bedroom"},
    {"n7_text": "ugly"},
    {"n10_lora_name": "indochine.safetensors"},
    {"n10_strength_model": 0.5},
    {"n10_strength_clip": 0.5},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_any_other_recipe_gives_another_picture(emulator: Emulator, change: dict[str, Any]):
    [before], [after] = saved(emulator, small("text")), saved(emulator, {**small("text"), **_changed(change)})
    assert pixels(before) != pixels(after)


def _changed(change: dict[str, Any]) -> dict[str, Any]:
    made = small("text")
    for place, value in change.items():
        node, one = place.removeprefix("n").split("_", 1)
        made[node]["inputs"][one] = value
    return made


@pytest.mark.parametrize(
    "change", [{"n13_strength": 0.5}, {"n13_end_percent": 0.7}, {"n13_start_percent": 0.1}]
)
def test_how_a_sketch_steers_changes_the_picture(emulator: Emulator, change: dict[str, Any]):
    drawn = Image.new("L", (64, 64))
    ImageDraw.Draw(drawn).ellipse((10, 10, 50, 50), outline=255, width=3)
    drawn.save(emulator.folder / "input" / "sketch.png")
    [before], [after] = saved(emulator, small("sketch")), saved(emulator, small("sketch", **change))
    assert pixels(before) != pixels(after)


def test_a_sketch_without_strength_steers_nothing(emulator: Emulator):
    same = {"n3_seed": 5, "n9_filename_prefix": "x"}
    [without] = saved(emulator, small("text", **same))
    [weakest] = saved(emulator, small("sketch", **same, n13_strength=0.0))
    [weak] = saved(emulator, small("sketch", **same, n13_strength=0.3))
    assert pixels(without) == pixels(weakest) != pixels(weak)


def test_pictures_of_a_batch_differ(emulator: Emulator):
    paths = saved(emulator, small("text", n5_batch_size=4))
    assert [path.name for path in paths] == [f"txt2img_0000{number}_.png" for number in (1, 2, 3, 4)]
    assert len({pixels(path) for path in paths}) == 4


def test_the_lines_of_a_sketch_are_to_be_seen_in_the_picture(emulator: Emulator):
    drawn = Image.new("RGB", (512, 512))
    pen = ImageDraw.Draw(drawn)
    pen.rectangle((60, 200, 400, 380), outline="white", width=7)
    pen.line((60, 40, 400, 120), fill="white", width=7)
    drawn.save(emulator.folder / "input" / "sketch.png")
    [path] = saved(emulator, graph("sketch", n5_width=512, n5_height=512, n13_strength=1.0))
    mask = drawn.convert("L")
    with Image.open(path) as image:
        grey = image.convert("L")
    on_lines = ImageStat.Stat(grey, mask).mean[0]
    beside = ImageStat.Stat(grey, ImageChops.invert(mask)).mean[0]
    assert on_lines < 70 < 120 < beside, "dark lines over a lighter room"
    inside, outside = grey.getpixel((230, 290)), grey.getpixel((230, 440))
    assert inside != outside, "what the lines enclose is coloured"


def test_the_watermark_is_in_the_corner(emulator: Emulator, monkeypatch: pytest.MonkeyPatch):
    [marked] = saved(emulator, graph("text", n5_width=256, n5_height=256))
    monkeypatch.setattr(pictures, "_mark", Image.Image.load)
    emulator.call("POST", "/free", {"free_memory": True})
    [plain] = saved(emulator, graph("text", n5_width=256, n5_height=256))
    with Image.open(marked) as one, Image.open(plain) as other:
        box = ImageChops.difference(one, other).getbbox()
    assert box is not None
    left, top, right, bottom = box
    assert left > 128 and top > 200 and right <= 256 and bottom <= 256, "lower right"
    assert right - left > 30 and bottom - top > 8, "big enough to be read"


def test_the_file_says_how_it_was_made_unless_told_not_to(tmp_path: Path):
    workflow: dict[str, Any] = {"workflow": {"nodes": []}}
    emulator = Emulator(tmp_path / "with")
    try:
        [path] = saved(emulator, GRAPHS["sketch"], extra_data={"extra_pnginfo": workflow})
    finally:
        emulator.stop()
    with Image.open(path) as image:
        assert json.loads(image.info["workflow"]) == workflow["workflow"]
        prompt = json.loads(image.info["prompt"])
    [digest] = prompt["11"].pop("is_changed")
    assert len(digest) == 64, "as recorded: of the loaded file"
    assert prompt == GRAPHS["sketch"]
    emulator = Emulator(tmp_path / "without", "--disable-metadata")
    try:
        [path] = saved(emulator, GRAPHS["text"])
    finally:
        emulator.stop()
    with Image.open(path) as image:
        assert "prompt" not in image.info


@pytest.mark.parametrize(
    ("prefix", "path"),
    [
        ("a/b/room", "a/b/room_00001_.png"),
        ("%width%x%height%", "64x64_00001_.png"),
        ("x_%batch_num%", "x_0_00001_.png"),
    ],
)
def test_a_prefix_may_name_a_folder_and_be_filled_in(emulator: Emulator, prefix: str, path: str):
    [made] = saved(emulator, small("text", n9_filename_prefix=prefix))
    assert made == emulator.folder / "output" / path and made.is_file()


def test_numbers_go_on_after_the_highest_there_is(emulator: Emulator):
    output = emulator.folder / "output"
    for name in ("txt2img_00041_.png", "txt2img_x_.png", "txt2img2_00099_.png", "other_00077_.png"):
        (output / name).touch()
    assert [path.name for path in saved(emulator, small("text"))] == ["txt2img_00042_.png"]
    assert [path.name for path in saved(emulator, small("text", n3_seed=2))] == ["txt2img_00043_.png"]
    (output / "txt2img_00043_.png").unlink()
    assert [path.name for path in saved(emulator, small("text", n3_seed=3))] == ["txt2img_00043_.png"]


def test_a_prefix_that_leads_out_fails_in_the_recorded_words(emulator: Emulator):
    entry = emulator.history(emulator.post(graph("text", n9_filename_prefix="../../escape")))
    error = entry["status"]["messages"][-1][1]
    recorded = next(iter(EXCHANGES["failing_prefix_outside_history"]["json"].values()))
    expected = recorded["status"]["messages"][-1][1]
    folder = str(emulator.folder)
    assert error["exception_message"] == expected["exception_message"].replace(
        "/srv/comfyui/base", folder
    ).replace("/srv/comfyui", str(emulator.folder.parent))
    assert error["exception_type"] == expected["exception_type"]
    assert error["current_inputs"]["filename_prefix"] == ["../../escape"]
    assert sorted(error["current_inputs"]) == ["extra_pnginfo", "filename_prefix", "images", "prompt"]


def test_a_preview_image_is_temporary_and_can_be_looked_at(emulator: Emulator):
    prompt = small("text")
    prompt["9"] = {"class_type": "PreviewImage", "inputs": {"images": ["8", 0]}}
    [path] = saved(emulator, prompt)
    assert path.parent == emulator.folder / "temp"
    assert emulator.call("GET", f"/view?filename={path.name}&type=temp").body == path.read_bytes()


def test_an_empty_latent_is_decoded_to_grey_and_no_denoising_leaves_it_so(emulator: Emulator):
    prompt = small("text", n3_denoise=0.0)
    with Image.open(saved(emulator, prompt)[0]) as image:
        assert image.getpixel((5, 5)) == (127, 127, 127)
