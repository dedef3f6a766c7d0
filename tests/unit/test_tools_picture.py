"""The pictures of the stacks: current, whole, and true to what is declared."""

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from functools import cache

import pytest

from declared.program import declare
from tools import picture, picture_graph
from tools.picture_graph import BELL, CLOCK, LOCK, Graph
from tools.picture_plan import HEIGHT, PLACES, WAYS, WIDTH

STACKS = ("dev", "local", "prod")
LETTER = 7.8
"""Pixels of a letter in the widest of the fonts that a picture may be shown in."""


@cache
def graph(stack: str) -> Graph:
    return picture_graph.of_stack(stack)


@pytest.mark.parametrize("stack", STACKS)
def test_the_picture_of_a_stack_is_current(stack: str) -> None:
    drawn = picture.file_of(stack).read_text()
    assert drawn == picture.draw(graph(stack)), f"docs/architecture-{stack}.svg is old; run: make picture"


@pytest.mark.parametrize("stack", STACKS)
def test_it_is_an_svg_with_its_story_in_words_for_who_cannot_see_it(stack: str) -> None:
    root = ElementTree.fromstring(picture.draw(graph(stack)))
    texts = {one.tag.rpartition("}")[2]: one.text or "" for one in root}
    assert f"stack {stack}" in texts["title"]
    assert "Backend to ML server" in texts["desc"]
    assert "prefers-color-scheme: dark" in texts["style"]


@pytest.mark.parametrize("stack", STACKS)
def test_no_line_is_wider_than_its_room_nor_a_room_fuller_than_it_is_high(stack: str) -> None:
    for name, room in graph(stack).rooms.items():
        place = PLACES[name]
        for line in room.lines:
            assert 12 + len(line) * LETTER <= place.width, f"{name}: {line}"
        assert 27 + picture.LINE * len(room.lines) + 8 <= place.height, f"{name} is too full"


def test_every_place_is_on_the_page() -> None:
    for name, place in PLACES.items():
        assert place.x + place.width <= WIDTH and place.y + place.height <= HEIGHT, name


@pytest.mark.parametrize("stack", STACKS)
def test_every_component_of_the_program_has_a_room(stack: str) -> None:
    declared = {picture_graph.component_of(one.urn) for one in declare(stack).all} - {"", "network"}
    assert declared <= set(graph(stack).rooms)


def test_ways_are_those_of_firewalls_and_rights() -> None:
    talks = graph("local").talks
    assert set(talks) == set(WAYS), "each way of the plan is walked by somebody"
    assert talks["edge", "backend"] == "port 3000"
    assert talks["backend", "ml-server"] == "wakes it; 8188, 8189"
    assert ("designer", "frontend") not in graph("dev").talks, "dev has no page"


def test_signs_tell_what_is_timed_watched_and_kept() -> None:
    local, prod = graph("local").rooms, graph("prod").rooms
    assert local["backend"].signs == [CLOCK, BELL]
    assert prod["backend"].signs == [BELL], "prod's backend runs day and night"
    assert LOCK in prod["storage"].signs and LOCK in prod["jobs"].signs and LOCK in prod["identity"].signs
    assert not [name for name, room in local.items() if LOCK in room.signs]


def test_rooms_tell_who_may_do_what_in_the_bucket() -> None:
    lines = graph("prod").rooms["storage"].lines
    assert "Backend writes outputs/, reads loras/" in lines
    assert "ML server reads loras/ models/" in lines


def test_a_setting_changes_the_picture() -> None:
    changed = declare("dev", config={"sd-app:network": {"vpcCidr": "172.20.0.0/16", "nat": "gateway_per_az"}})
    assert picture_graph.read("dev", changed).rooms["nat"].lines == ["2 NAT gateways"]


def test_a_component_without_a_room_and_a_talk_without_a_way_are_told() -> None:
    recording = declare("dev")
    [storage] = [one for one in recording.all if one.token == "sd-app:storage:Storage"]
    stray = replace(storage, urn=storage.urn.replace("Storage", "Cellar"))
    recording.all.append(stray)
    with pytest.raises(LookupError, match="no room for the component cellar"):
        picture_graph.read("dev", recording)
    lost = picture_graph.of_stack("dev")
    lost.talks["identity", "storage"] = ""
    with pytest.raises(LookupError, match="identity talks to storage, and has no way"):
        picture.draw(lost)
