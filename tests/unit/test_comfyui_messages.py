"""The messages on the websockets, in the recorded order and with the recorded content."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.comfyui_server import (
    EXCHANGES,
    GRAPHS,
    MESSAGES,
    Emulator,
    Listener,
    graph,
    wait_until,
    whole,
)

SEEDS = iter(range(1, 1_000_000))


@pytest.fixture
def emulator(tmp_path: Path) -> Generator[Emulator]:
    running = Emulator(tmp_path)
    yield running
    running.stop()


@pytest.fixture
def slow(tmp_path: Path) -> Generator[Emulator]:
    """Slow enough that something can happen in mid-run."""
    running = Emulator(tmp_path, seconds_per_step=0.25)
    yield running
    running.stop()


def normal(messages: list[dict[str, Any]], *, states_are_short: bool = True) -> list[Any]:
    """Messages without ids, times, numbers of files and what an error says of the server's own code."""
    ids: dict[str, str] = {}
    made: list[Any] = []
    for message in messages:
        if "binary" in message:
            made.append(("binary", message["event"]))
            continue
        text = json.dumps({key: value for key, value in message.items() if key != "t"})
        text = re.sub(
            r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
            lambda m: ids.setdefault(m[0], f"id {len(ids)}"),
            text,
        )
        text = re.sub(r"_\d{5}_\.png", "_N_.png", re.sub(r"temp_[a-z]{5}_", "temp_X_", text))
        one = json.loads(text)
        data: dict[str, Any] = one["data"]
        if "timestamp" in data:
            data["timestamp"] = "now"
        if one["type"] == "progress_state" and states_are_short:
            data["nodes"] = {
                node: state if isinstance(state, list) else [state["value"], state["max"], state["state"]]
                for node, state in data["nodes"].items()
            }
        if one["type"] == "execution_error":
            for name in ("traceback", "current_outputs"):
                data[name] = name
            inputs: Any = data["current_inputs"]
            data["current_inputs"] = inputs if inputs == "…" else sorted(inputs)
        made.append(one)
    return made


def test_a_picture_from_a_text_is_told_as_recorded_to_its_client_and_to_a_stranger(emulator: Emulator):
    client, stranger = emulator.listen("observer-txt2img"), emulator.listen("observer-txt2img-stranger")
    emulator.post(GRAPHS["text"], "observer-txt2img")
    client.wait_for_end()
    recorded = MESSAGES["run_txt2img"]
    assert normal(client.messages, states_are_short=False) == normal(recorded, states_are_short=False)
    expected = normal(MESSAGES["run_txt2img_stranger"])
    stranger.wait(lambda messages: len(messages) >= len(expected))
    assert [one["data"]["status"] for one in normal(stranger.messages)] == [
        one["data"]["status"] for one in expected
    ]
    assert set(stranger.types()) == {"status"}, "a stranger is told of the queue only"


def test_keys_come_in_the_recorded_order(emulator: Emulator):
    client = emulator.listen("observer-txt2img")
    emulator.post(GRAPHS["text"], "observer-txt2img")
    client.wait_for_end()
    for got, recorded in zip(client.messages, MESSAGES["run_txt2img"], strict=True):
        assert list(got["data"]) == list(recorded["data"]), got["type"]


def test_a_picture_from_a_sketch_is_told_as_recorded(emulator: Emulator):
    emulator.post(GRAPHS["text"])
    emulator.wait_until_idle()
    client = emulator.listen("observer-sketch2img")
    emulator.post(GRAPHS["sketch"], "observer-sketch2img")
    client.wait_for_end()
    assert normal(client.messages) == normal(MESSAGES["run_sketch2img"])


def test_a_batch_with_two_outputs_is_told_as_recorded(emulator: Emulator):
    emulator.post(GRAPHS["text"])
    emulator.wait_until_idle()
    body = whole(EXCHANGES["run_batch_post"]["body"])
    # the real one goes by the hash of the ids, this one by their place in the prompt
    body["prompt"] = {"19": body["prompt"].pop("19"), **body["prompt"]}
    client = emulator.listen("observer-batch")
    assert emulator.call("POST", "/prompt", body).json == EXCHANGES["run_batch_post"]["json"]
    client.wait_for_end()
    assert normal(client.messages) == normal(MESSAGES["run_batch"])
    recorded = EXCHANGES["run_batch_history"]["json"][body["prompt_id"]]
    entry = emulator.history(body["prompt_id"])
    assert entry["prompt"][0] == 5.0 and entry["prompt"][3:] == recorded["prompt"][3:]
    assert entry["prompt"][2] == whole(recorded["prompt"][2])
    assert [len(entry["outputs"][node]["images"]) for node in ("9", "19")] == [2, 2]
    assert entry["meta"] == recorded["meta"]


def test_the_same_prompt_again_runs_nothing_and_shows_the_old_file(emulator: Emulator):
    emulator.post(GRAPHS["text"])
    emulator.wait_until_idle()
    client = emulator.listen("observer-cached")
    first = emulator.post(GRAPHS["text"], "observer-cached")
    client.wait_for_end()
    assert normal(client.messages) == normal(MESSAGES["cached_same_prompt_again"])
    assert emulator.history(first)["outputs"]["9"]["images"][0]["filename"] == "txt2img_00001_.png"
    assert [path.name for path in (emulator.folder / "output").iterdir()] == ["txt2img_00001_.png"]
    emulator.post(graph("text", n9_filename_prefix="other"), "observer-cached")
    client.wait_for_end(2)
    assert normal(client.messages) == normal(MESSAGES["cached_only_save_changed"])


def test_a_new_seed_runs_the_sampler_and_what_follows_only(emulator: Emulator):
    emulator.post(GRAPHS["text"])
    emulator.wait_until_idle()
    client = emulator.listen("observer-fail")
    emulator.post(graph("text", n3_seed=1795475847, n9_filename_prefix="../../escape"), "observer-fail")
    client.wait_for_end()
    assert without_words(client) == [
        without_words_of(one) for one in normal(MESSAGES["failing_prefix_outside"])
    ]


def without_words(client: Listener) -> list[Any]:
    return [without_words_of(one) for one in normal(client.messages)]


def without_words_of(message: Any) -> Any:
    """A failure without what it says of folders and inputs; that is looked at where failures are tested."""
    if message["type"] == "execution_error":
        for name in ("exception_message", "current_inputs"):
            message["data"].pop(name)
    return message


def test_a_broken_picture_fails_as_recorded(emulator: Emulator):
    emulator.post(GRAPHS["text"])
    emulator.wait_until_idle()
    (emulator.folder / "input" / "broken.png").write_bytes(b"this is not a PNG")
    client = emulator.listen("observer-fail")
    prompt_id = emulator.post(graph("sketch", n11_image="broken.png"), "observer-fail")
    client.wait_for_end()
    assert without_words(client) == [
        without_words_of(one) for one in normal(MESSAGES["failing_broken_image"])
    ]
    [error] = [one["data"] for one in client.messages if one["type"] == "execution_error"]
    [recorded] = [one["data"] for one in MESSAGES["failing_broken_image"] if one["type"] == "execution_error"]
    path = emulator.folder / "input" / "broken.png"
    assert error["exception_message"] == recorded["exception_message"].replace(
        "/srv/comfyui/base/input/broken.png", str(path)
    )
    assert error["current_inputs"] == {"image": ["broken.png"]}
    assert set(error["current_outputs"]) == set(GRAPHS["sketch"])
    entry = emulator.history(prompt_id)
    assert entry["status"]["messages"][-1] == ["execution_error", error]
    assert entry["status"]["status_str"] == "error" and entry["status"]["completed"] is False
    assert entry["outputs"] == entry["meta"] == {}


def test_an_interrupted_run_is_told_as_recorded_and_the_next_one_begins(slow: Emulator):
    slow.post(graph("text", n3_steps=1))
    slow.wait_until_idle()
    client, stranger = slow.listen("observer-int"), slow.listen("observer-int-stranger")
    first = slow.post(graph("text", n3_steps=30, n3_seed=next(SEEDS)), "observer-int")
    client.wait(lambda messages: any(one["type"] == "executing" for one in messages))
    slow.post(graph("text", n3_seed=next(SEEDS)), "observer-int")
    client.wait(lambda messages: any(one["type"] == "progress" for one in messages))
    answer = slow.call("POST", "/interrupt")
    assert (answer.status, answer.body) == (200, b"")
    client.wait_for_end(2)
    assert normal(client.messages) == normal(MESSAGES["interrupt"])
    assert normal(stranger.messages) == normal(MESSAGES["interrupt_stranger"])
    recorded = next(iter(EXCHANGES["interrupt_history"]["json"].values()))
    entry = slow.history(first)
    assert (entry["outputs"], entry["meta"]) == (recorded["outputs"], recorded["meta"])
    assert {**entry["status"], "messages": 0} == {**recorded["status"], "messages": 0}
    assert [name for name, _ in entry["status"]["messages"]] == [
        name for name, _ in recorded["status"]["messages"]
    ]


def test_who_comes_back_in_mid_run_is_told_where_it_is(slow: Emulator):
    slow.post(graph("text", n3_steps=1, n5_width=64))
    slow.wait_until_idle()
    before = slow.listen("observer-watch")
    slow.post(graph("text", n3_steps=4, n3_seed=next(SEEDS)), "observer-watch")
    before.wait(lambda messages: any(one["type"] == "progress" for one in messages))
    before.close()
    assert normal(before.messages) == normal(MESSAGES["watch_before_reconnect"])
    after = slow.listen("observer-watch")
    after.wait_for_end()
    assert normal(after.messages) == normal(MESSAGES["watch_after_reconnect"])


def test_a_prompt_of_nobody_tells_everybody_of_its_progress_and_nothing_else(emulator: Emulator):
    emulator.post(graph("text", n3_steps=1))
    emulator.wait_until_idle()
    client = emulator.listen("observer-watch")
    emulator.post(graph("text", n3_seed=next(SEEDS)))
    expected = MESSAGES["watch_posted_without_client_id"]
    client.wait(lambda messages: len(messages) >= len(expected))
    assert normal(client.messages) == normal(expected)


def test_an_interrupted_prompt_of_nobody_is_told_to_everybody(slow: Emulator):
    client = slow.listen("somebody")
    slow.post(graph("text", n3_steps=30))
    client.wait(lambda messages: any(one["type"] == "progress" for one in messages))
    slow.call("POST", "/interrupt")
    client.wait(lambda messages: any(one["type"] == "execution_interrupted" for one in messages))


@pytest.mark.parametrize(
    ("recorded", "flags"),
    [("previews_plain", None), ("previews_metadata", {"supports_preview_metadata": True})],
)
def test_previews_come_as_recorded(tmp_path: Path, recorded: str, flags: object):
    emulator = Emulator(tmp_path, "--preview-method", "latent2rgb")
    try:
        if flags:
            emulator.post(graph("text", n3_steps=1))
            emulator.wait_until_idle()
        client = emulator.listen(f"observer-{recorded.replace('previews_', 'prev-')}", flags=flags)
        prompt_id = emulator.post(graph("text", n3_steps=3), client_id(client))
        client.wait_for_end()
    finally:
        emulator.stop()
    assert normal(client.messages) == normal(MESSAGES[recorded])
    previews = [one for one in client.messages if "binary" in one]
    heads = [one["head"] for one in MESSAGES[recorded] if "binary" in one]
    assert [one["head"] for one in previews] == heads
    if flags:
        content = previews[0]["content"]
        length = struct.unpack(">I", content[4:8])[0]
        about = json.loads(content[8 : 8 + length])
        assert about == {
            "node_id": "3",
            "prompt_id": prompt_id,
            "display_node_id": "3",
            "parent_node_id": None,
            "real_node_id": "3",
            "image_type": "image/jpeg",
        }
        assert content[8 + length :].startswith(b"\xff\xd8\xff")


def client_id(client: Listener) -> str:
    return client.messages[0]["data"]["sid"]


def test_what_leads_to_an_output_soonest_runs_first(emulator: Emulator):
    prompt = graph("text")
    prompt["8"]["inputs"] = {"vae": ["4", 2], "samples": ["3", 0]}  # so that 5 is looked at before 4
    client = emulator.listen("observer")
    emulator.post(prompt, "observer")
    client.wait_for_end()
    ran = [one["data"]["node"] for one in client.messages if one["type"] == "executing"]
    assert ran[:2] == ["4", "5"], "4 is two steps from the output, by way of 8"


def test_who_comes_back_after_the_end_is_told_of_no_node(emulator: Emulator):
    client = emulator.listen("observer")
    emulator.post(GRAPHS["text"], "observer")
    client.wait_for_end()
    client.close()
    again = emulator.listen("observer", flags={})
    assert again.types() == ["status", "feature_flags"]


@pytest.mark.parametrize("path", ["/ws", "/api/ws"])
def test_who_connects_is_greeted(emulator: Emulator, path: str):
    assert emulator.listen("observer-1", path=path).messages == [
        {**one, "data": {**one["data"], "sid": "observer-1"}} for one in MESSAGES["idle_connect_client_id"]
    ]


def test_who_has_no_name_gets_one(emulator: Emulator):
    sids = {emulator.listen().messages[0]["data"]["sid"] for _ in range(2)}
    assert len(sids) == 2 and all(re.fullmatch("[0-9a-f]{32}", sid) for sid in sids)


def test_feature_flags_are_answered_when_they_are_the_first_word_and_only_then(emulator: Emulator):
    client = emulator.listen("observer-2", flags={"supports_preview_metadata": True})
    assert client.messages == MESSAGES["idle_connect_feature_flags"]
    other = emulator.listen("observer-3")
    other.say({"type": "nonsense"})
    other.say({"type": "feature_flags", "data": None})
    other.say([1])
    emulator.post(GRAPHS["text"], "observer-3")
    other.wait_for_end()
    assert "feature_flags" not in other.types()


def test_the_latest_socket_of_a_name_gets_the_messages(emulator: Emulator):
    first, second = emulator.listen("twin"), emulator.listen("twin")
    emulator.post(GRAPHS["text"], "twin")
    second.wait_for_end()
    assert first.types() == ["status"]


def test_when_the_replaced_socket_closes_its_successor_gets_nothing_any_more(emulator: Emulator):
    first, second = emulator.listen("twin"), emulator.listen("twin")
    first.close()
    wait_until(first.closed.is_set)
    other = emulator.listen("other")
    emulator.post(GRAPHS["text"], "twin")
    emulator.wait_until_idle()
    other.wait(lambda messages: len(messages) >= 4)
    assert second.types() == ["status"], "a trap of the real one: both share one place"
