"""A sidecar comes back as it was written, with what others wrote into it; what is wrong in it is named."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.sidecar import BaseModel, DataSet, Made, Sidecar, SidecarWrong, read, write

SHA256 = "ab" * 32
LEAST = {
    "style": "Indochine",
    "version": "Indochine-v1",
    "sha256": SHA256,
    "publishedAt": "2026-11-28T05:00:00Z",
}
WHOLE = Sidecar(
    style="Indochine",
    version="Indochine-v2",
    title="Đông Dương",
    trigger_word="indochine style",
    recommended_strength=0.8,
    sha256=SHA256,
    published_at="2026-11-28T05:00:00Z",
    thumbnail="Indochine-v2.jpg",
    made=Made(
        base=BaseModel(name="interiordesignsuperm_v2.safetensors", sha256=SHA256),
        dataset=DataSet(name="indochine", sha256=SHA256, pictures=24),
        settings={"learningRate": 1e-4, "rank": 16},
        steps=1200,
        epochs=10,
        loss=0.081,
        job="sd-app-dev-indochine",
    ),
    more={"note": {"by": "another program"}},
)


def test_it_comes_back_as_it_was_written() -> None:
    text = write(WHOLE)
    assert read(text) == WHOLE == read(text.encode())
    assert list(json.loads(text))[:4] == ["style", "version", "title", "triggerWord"]
    assert json.loads(text)["dataset"] == {"name": "indochine", "sha256": SHA256, "pictures": 24}


def test_what_is_not_known_stays_out() -> None:
    found = read(json.dumps(LEAST))
    assert found.title == "Indochine" and found.made == Made() and found.recommended_strength is None
    assert set(json.loads(write(found))) == {*LEAST, "title"}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"style": None}, "style is missing"),
    ({"style": ""}, "style is empty"),
    ({"title": 5}, "title is no text: 5"),
    ({"sha256": "abc"}, "sha256 is no SHA-256 in hex"),
    ({"recommendedStrength": 3}, "recommendedStrength is no number from 0 to 2: 3"),
    ({"recommendedStrength": True}, "recommendedStrength is no number"),
    ({"steps": -1}, "steps is no whole number: -1"),
    ({"steps": 1.5}, "steps is no whole number"),
    ({"loss": "low"}, "loss is no number"),
    ({"loss": float("nan")}, "loss is no number"),
    ({"base": "sd"}, "base is no object"),
    ({"base": {"sha256": SHA256}}, "base.name is missing"),
    ({"dataset": {"name": "x", "pictures": "many"}}, "dataset.pictures is no whole number"),
    ({"settings": []}, "settings is no object"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "told"), WRONG)
def test_a_wrong_field_is_named(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(SidecarWrong, match=told):
        read(json.dumps(LEAST | changed))


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(SidecarWrong, match="style is missing; sha256 is no SHA-256"):
        read(json.dumps(LEAST | {"style": None, "sha256": "x"}))


@pytest.mark.parametrize(
    ("text", "told"), [("{", "no JSON"), ("[1]", "no JSON object"), (" " * 70_000, "70000 bytes")]
)
def test_what_is_no_sidecar_at_all_is_told(text: str, told: str) -> None:
    with pytest.raises(SidecarWrong, match=told):
        read(text)


def test_nothing_is_written_that_could_not_be_read_again() -> None:
    with pytest.raises(SidecarWrong, match="sha256"):
        write(Sidecar(style="A", version="A-v1", title="A", sha256="no", published_at="now"))


@given(
    st.dictionaries(
        st.text(max_size=12),
        st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4),
    )
)
def test_any_json_is_read_or_refused_but_never_crashes(told: dict[str, Any]) -> None:
    try:
        assert read(json.dumps(LEAST | told))
    except SidecarWrong as refused:
        assert str(refused)
