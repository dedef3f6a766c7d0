"""Any folder of pictures becomes a data set, or is refused with what to change; nothing is left out without a word."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageCms, ImageDraw, ImageFilter

from sandbox.comfyui.pictures import draw
from sandbox.comfyui.values import Conditioning, Latent, Model, Wish
from training.pictures import where_most_is_seen
from training.prepare import IMAGES, LEFT_OVER, REPORT, SHEET, PrepareArgs, Prepared, SetRefused, prepare

SIDE = 128
"""Of the tests' squares; all else is as for 512."""
ORIENTATION = 0x0112
"""EXIF's tag."""


def room(seed: int, width: int = 320, height: int = 240) -> Image.Image:
    """A room as the emulator draws it; another for each seed."""
    model = Model(checkpoint="emulated")
    wish = Wish(
        model=model,
        positive=Conditioning(text=f"room {seed}", model=model),
        negative=Conditioning(text="", model=model),
        seed=seed,
        steps=20,
        cfg=7.0,
        sampler="euler",
        scheduler="normal",
        denoise=1.0,
        before=None,
    )
    return draw(Latent(width=width, height=height, count=1, wish=wish), 0)


@pytest.fixture(scope="module")
def rooms() -> list[Image.Image]:
    return [room(seed) for seed in range(10)]


@pytest.fixture
def source(tmp_path: Path, rooms: list[Image.Image]) -> Path:
    """A folder with ten rooms."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, one in enumerate(rooms):
        one.save(folder / f"Room {number}.png")
    return folder


def prepared(source: Path, **more: object) -> Prepared:
    args = {"side": SIDE, "least_side": SIDE, **more}
    return prepare(PrepareArgs(source=source, target=source.parent / "dataset", **args), lambda text: None)  # pyright: ignore[reportArgumentType]


def reasons(made: Prepared) -> dict[str, str]:
    return {one.source: one.reason for one in made.aside}


def test_all_are_squares_of_the_side_with_names_that_scripts_take(source: Path, tmp_path: Path) -> None:
    made = prepared(source)
    files = sorted((tmp_path / "dataset" / IMAGES).iterdir())
    assert [one.name for one in files] == [f"room-{number}.png" for number in range(10)]
    assert {Image.open(one).size for one in files} == {(SIDE, SIDE)}
    assert {Image.open(one).mode for one in files} == {"RGB"}
    assert made.aside == []
    assert json.loads((tmp_path / "dataset" / REPORT).read_text())["sha256"] == made.sha256
    assert Image.open(tmp_path / "dataset" / SHEET).size == (8 * 132 + 4, 2 * 132 + 4)


def test_the_same_pictures_are_the_same_set_and_others_are_another(source: Path) -> None:
    before = prepared(source).sha256
    assert prepared(source).sha256 == before
    room(99).save(source / "one more.png")
    assert prepared(source).sha256 != before


def test_a_picture_lies_as_its_camera_says(source: Path, tmp_path: Path, rooms: list[Image.Image]) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # to be turned a quarter to the right
    rooms[0].transpose(Image.Transpose.ROTATE_90).save(source / "Room 0.png", exif=exif)
    made = prepared(source)
    [turned] = [one for one in made.kept if one.source == "Room 0.png"]
    seen = Image.open(tmp_path / "dataset" / IMAGES / turned.name).convert("L")
    wanted = rooms[0].resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=turned.box).convert("L")
    assert seen.tobytes() == wanted.tobytes()


def test_colours_are_those_of_srgb_and_white_shows_through(source: Path, tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))  # pyright: ignore[reportUnknownArgumentType]  # of a C module
    lab = Image.new("LAB", (200, 200), (200, 128, 128))
    ImageDraw.Draw(lab).rectangle((0, 0, 99, 199), (60, 128, 128))
    lab.save(source / "lab.tif", icc_profile=profile.tobytes())
    clear = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    ImageDraw.Draw(clear).rectangle((0, 0, 60, 199), (10, 20, 30, 255))
    clear.save(source / "clear.png")
    made = prepared(source, blurred=0.0, alike=-1)
    images = {one.source: Image.open(tmp_path / "dataset" / IMAGES / one.name) for one in made.kept}
    assert images["clear.png"].getpixel((SIDE - 1, 5)) == (255, 255, 255)
    dark, light = (images["lab.tif"].getpixel(at) for at in ((5, 5), (SIDE - 5, 5)))
    assert isinstance(dark, tuple) and isinstance(light, tuple)
    assert max(dark) < 90 and min(light) > 170, "grey stays grey, dark and light"


@pytest.mark.parametrize("is_wide", [True, False])
def test_the_square_is_cut_where_most_is_to_be_seen(is_wide: bool) -> None:
    picture = Image.new("RGB", (300, 100) if is_wide else (100, 300), "white")
    pen = ImageDraw.Draw(picture)
    for at in range(210, 290, 8):
        pen.line((at, 10, at, 90) if is_wide else (10, at, 90, at), "black", 2)
    left, upper, right, lower = where_most_is_seen(picture)
    start = left if is_wide else upper
    assert (right - left, lower - upper) == (100, 100)
    assert 180 <= start <= 200, "the lines are in it"


def test_an_even_picture_is_cut_in_its_middle() -> None:
    left, upper, right, lower = where_most_is_seen(Image.new("RGB", (300, 100), "grey"))
    assert (right - left, lower - upper) == (100, 100)
    assert abs(left - 100) <= 3


def _blurred(path: Path) -> None:
    room(50).filter(ImageFilter.GaussianBlur(6)).save(path)


def _again(path: Path) -> None:
    room(3).resize((640, 480)).save(path, quality=60)


def _cut_off(path: Path) -> None:
    kept = io.BytesIO()
    room(51).save(kept, "PNG")
    path.write_bytes(kept.getvalue()[: len(kept.getvalue()) // 2])


NO_GOOD: list[tuple[str, Callable[[Path], object], str]] = [
    ("words.txt", lambda path: path.write_text("no picture"), "it is no picture that can be read here"),
    ("empty.jpg", lambda path: path.write_bytes(b""), "it is no picture that can be read here"),
    ("small.png", lambda path: room(52, 160, 96).save(path), "too small: 160 x 96 pixels; at least 128"),
    ("blurred.png", _blurred, "blurred: sharpness"),
    ("twice.jpg", _again, "the same picture as Room 3.png"),
    ("half.png", _cut_off, "the file is broken"),
]


@pytest.mark.parametrize(("name", "make", "told"), NO_GOOD, ids=[name for name, _, _ in NO_GOOD])
def test_what_is_no_good_is_set_aside_with_its_reason(
    source: Path, name: str, make: Callable[[Path], object], told: str
) -> None:
    make(source / name)
    made = prepared(source)
    assert list(reasons(made)) == [name]
    assert told in reasons(made)[name]
    assert len(made.kept) == 10


def test_a_bomb_is_not_opened(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.pictures.MAX_PIXELS", 320 * 240)
    room(53, 400, 400).save(source / "bomb.png")
    assert reasons(prepared(source)) == {"bomb.png": "400 x 400 pixels are too many"}


def test_folders_are_looked_into_hidden_files_are_not_and_names_stay_apart(source: Path) -> None:
    (source / "more").mkdir()
    room(60).save(source / "more" / "Room 0.png")
    (source / ".DS_Store").write_bytes(b"x")
    made = prepared(source)
    assert {one.source: one.name for one in made.kept}["more/Room 0.png"] == "room-0-2.png"
    assert made.aside == []


def test_too_few_are_refused_with_the_reasons_and_the_set_before_stays(source: Path, tmp_path: Path) -> None:
    before = prepared(source)
    for number in range(4):
        (source / f"Room {number}.png").write_text("broken")
    with pytest.raises(
        SetRefused, match=r"(?s)6 usable pictures .* at least 8 .*Room 0.png: it is no picture"
    ):
        prepared(source)
    assert len(list((tmp_path / "dataset" / IMAGES).iterdir())) == 10
    assert json.loads((tmp_path / "dataset" / REPORT).read_text())["sha256"] == before.sha256
    assert sorted(path.name for path in (tmp_path / "dataset").iterdir()) == sorted([IMAGES, REPORT, SHEET])


def test_a_folder_that_is_not_there_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(SetRefused, match="is no folder"):
        prepared(tmp_path / "nowhere")
    (tmp_path / "photos").mkdir()
    with pytest.raises(SetRefused, match="holds no files"):
        prepared(tmp_path / "photos")


def test_captions_stay_with_their_pictures_and_none_is_lost(source: Path, tmp_path: Path) -> None:
    prepared(source)
    images = tmp_path / "dataset" / IMAGES
    (images / "room-1.txt").write_text("a bright room")
    (images / "room-2.txt").write_text("a dark room")
    (source / "Room 1.png").rename(source / "A new name.png")
    (source / "Room 2.png").unlink()
    prepared(source)
    assert (images / "a-new-name.txt").read_text() == "a bright room"
    assert not (images / "room-2.txt").exists()
    assert (tmp_path / "dataset" / LEFT_OVER / "room-2.txt").read_text() == "a dark room"


def test_a_power_cut_in_the_middle_of_the_change_loses_no_caption(source: Path, tmp_path: Path) -> None:
    prepared(source)
    images = tmp_path / "dataset" / IMAGES
    (images / "room-1.txt").write_text("a bright room")
    images.rename(tmp_path / "dataset" / f"{IMAGES}.old")
    prepared(source)
    assert (images / "room-1.txt").read_text() == "a bright room"


def test_two_left_over_captions_of_one_name_both_stay(
    source: Path, tmp_path: Path, rooms: list[Image.Image]
) -> None:
    prepared(source)
    for number, words in enumerate(("first", "second")):
        (tmp_path / "dataset" / IMAGES / "room-0.txt").write_text(words)
        room(70 + number).save(source / "Room 0.png")
        prepared(source)
    left = tmp_path / "dataset" / LEFT_OVER
    assert {one.read_text() for one in left.iterdir()} == {"first", "second"}


def test_a_data_set_inside_its_source_is_not_read_again(source: Path) -> None:
    target = source / "dataset"
    args = PrepareArgs(source=source, target=target, side=SIDE, least_side=SIDE)
    first = prepare(args, lambda text: None)
    assert prepare(args, lambda text: None).sha256 == first.sha256
