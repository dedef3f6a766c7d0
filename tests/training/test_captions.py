"""Each picture gets a sentence with the trigger word; what somebody wrote stays; a table of them can be edited."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.training.ground import PICTURES, TRIGGER, prepared_set, quiet, words
from training.captions import (
    MACHINE,
    PERSON,
    RECORD,
    TABLE,
    CaptionArgs,
    Row,
    caption,
    save_captions,
    save_table,
    table,
    trigger_fault,
)
from training.faults import CaptionsRefused
from training.prepare import IMAGES, PrepareArgs, prepare


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return prepared_set(tmp_path)


def captioned(target: Path, trigger: str = TRIGGER, say: Callable[[str], object] = quiet) -> list[Row]:
    return caption(CaptionArgs(target=target, trigger=trigger, batch=4), say, words)


def no_words(pictures: list[Image.Image]) -> list[str]:
    raise AssertionError("nothing is to be captioned again")


def test_every_picture_has_a_caption_that_begins_with_the_trigger(target: Path) -> None:
    rows = captioned(target)
    assert len(rows) == PICTURES
    for row in rows:
        assert row.caption.startswith(f"{TRIGGER}, a room with")
        assert (target / IMAGES / row.picture).with_suffix(".txt").read_text() == f"{row.caption}\n"
        assert row.by == MACHINE


def test_what_somebody_wrote_is_never_overwritten(target: Path) -> None:
    rows = captioned(target)
    by_hand = (target / IMAGES / rows[0].picture).with_suffix(".txt")
    by_hand.write_text(f"{TRIGGER}, my own words\n")
    again = captioned(target, "otherword")
    assert by_hand.read_text() == f"{TRIGGER}, my own words\n"
    assert again[0].by == PERSON
    assert all(row.caption.startswith("otherword, ") and row.by == MACHINE for row in again[1:])


def test_another_trigger_needs_no_new_look_at_the_pictures(target: Path) -> None:
    captioned(target)
    rows = caption(CaptionArgs(target=target, trigger="otherword"), quiet, no_words)
    assert all(row.caption.startswith("otherword, ") for row in rows)


def test_captions_follow_their_pictures_when_the_set_is_made_anew(target: Path) -> None:
    rows = {row.picture: row.caption for row in captioned(target)}
    photos = target.parent / "photos"
    (photos / "room 0.png").rename(photos / "new name.png")
    prepare(PrepareArgs(source=photos, target=target, side=128, least_side=128), quiet)
    again = {
        row.picture: row for row in caption(CaptionArgs(target=target, trigger=TRIGGER), quiet, no_words)
    }
    assert again["new-name.png"].caption == rows["room-0.png"]
    assert again["new-name.png"].by == MACHINE, (
        "the machine's words are known by the picture, not by its name"
    )


def test_a_caption_without_the_trigger_is_told(target: Path) -> None:
    rows = captioned(target)
    (target / IMAGES / rows[0].picture).with_suffix(".txt").write_text("no such word\n")
    said: list[str] = []
    captioned(target, say=said.append)
    assert any(rows[0].picture in line and TRIGGER in line for line in said)


def test_the_table_is_edited_and_saved_again(target: Path) -> None:
    rows = captioned(target)
    edited = f'{TRIGGER}, a "green" room, with ümlauts'
    lines = list(csv.DictReader((target / TABLE).open(encoding="utf-8", newline="")))
    lines[1]["caption"] = f"  {edited} \n"
    # As a table editor of Windows saves it.
    with (target / TABLE).open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([list(lines[0]), *(list(line.values()) for line in lines)])
    assert save_table(target, quiet) == [rows[1].picture]
    assert (target / IMAGES / rows[1].picture).with_suffix(".txt").read_text(
        encoding="utf-8"
    ) == f"{edited}\n"
    assert [row.by for row in table(target)].count(PERSON) == 1
    assert save_table(target, quiet) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("picture;caption\nroom-0.png;words\n", "needs the columns"),
        ("", "needs the columns"),
        ("picture,caption\nelse.png,words\n", "else.png is no picture"),
        ("picture,caption\nroom-0.png,\n", "empty caption"),
    ],
)
def test_a_table_that_does_not_fit_changes_nothing(target: Path, text: str, told: str) -> None:
    captioned(target)
    before = table(target)
    (target / TABLE).write_text(text)
    with pytest.raises(CaptionsRefused, match=told):
        save_table(target, quiet)
    assert table(target) == before


def test_all_or_none_of_the_captions_are_saved(target: Path) -> None:
    captioned(target)
    before = table(target)
    with pytest.raises(CaptionsRefused, match="nothing was changed"):
        save_captions(target, {"room-0.png": "new words", "room-1.png": " "})
    assert table(target) == before


@pytest.mark.parametrize(
    ("trigger", "told"),
    [
        ("", "needs a trigger word"),
        ("studio verde", "'studioverde'"),
        ("studio,verde", "letters, digits and _ only"),
        ("Modern", "too common"),
        ("ab", "too common"),
        ("a" * 33, "too long"),
    ],
)
def test_a_trigger_word_that_calls_no_style_is_refused(tmp_path: Path, trigger: str, told: str) -> None:
    with pytest.raises(CaptionsRefused, match=told):
        captioned(tmp_path, trigger)


def test_a_good_trigger_word_has_no_fault() -> None:
    assert trigger_fault("studioverde") is None
    assert trigger_fault("indochine_room2") is None


def test_an_empty_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptionsRefused, match="prepare the set first"):
        captioned(tmp_path)


def test_a_broken_record_makes_every_caption_somebodys(target: Path) -> None:
    before = captioned(target)
    (target / RECORD).write_text("{")
    after = captioned(target)
    assert [row.caption for row in after] == [row.caption for row in before]
    assert {row.by for row in after} == {PERSON}
    assert json.loads((target / RECORD).read_text()) == {}
