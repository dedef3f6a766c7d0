"""The queue and the history: numbers, turns, what may be dropped, what is remembered."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from sandbox.comfyui.prompt_queue import Outcome, PromptQueue
from tests.unit.comfyui_server import EXCHANGES, GRAPHS, Emulator, graph, wait_until, whole


@pytest.fixture
def emulator(tmp_path: Path) -> Generator[Emulator]:
    running = Emulator(tmp_path)
    yield running
    running.stop()


@pytest.fixture
def slow(tmp_path: Path) -> Generator[Emulator]:
    running = Emulator(tmp_path, seconds_per_step=0.2)
    yield running
    running.stop()


def post_long(emulator: Emulator, steps: int = 100) -> str:
    """A prompt that runs until it's interrupted, and runs now."""
    prompt_id = emulator.post(graph("text", n3_steps=steps, n3_seed=999), "observer-queue")
    wait_until(lambda: bool(emulator.call("GET", "/queue").json["queue_running"]))
    return prompt_id


def test_a_queue_of_five_is_told_as_recorded(slow: Emulator):
    recorded = EXCHANGES["queue_one_running_four_pending"]["json"]
    for _ in range(60):  # up to the recorded numbers: refused ones count
        slow.call("POST", "/prompt", {"prompt": {}})
    # in the recorded order of posting: number 64 was posted with `front`
    items = sorted([*recorded["queue_running"], *recorded["queue_pending"]], key=lambda item: abs(item[0]))
    for item in items:
        said: dict[str, Any] = {"prompt": whole(item[2]), "prompt_id": item[1], **item[3]}
        if item[0] < 0:
            said["front"] = True
        answer = slow.call("POST", "/prompt", said).json
        assert answer == {"prompt_id": item[1], "number": item[0], "node_errors": {}}
        if item[0] == 60:
            wait_until(lambda: bool(slow.call("GET", "/queue").json["queue_running"]))
    assert slow.call("GET", "/queue").json == whole(recorded)
    assert slow.call("GET", "/prompt").json == EXCHANGES["queue_prompt_get"]["json"]


def test_pending_ones_can_be_dropped_and_the_running_one_cannot(slow: Emulator):
    running = post_long(slow)
    pending = [slow.post(graph("text", n3_seed=seed)) for seed in range(3)]
    listener = slow.listen("observer")
    for body in ({"delete": [running]}, {"delete": ["no-such-id"]}, {"delete": pending[:1]}):
        answer = slow.call("POST", "/queue", body)
        assert (answer.status, answer.body) == (200, b""), body
    queue = slow.call("GET", "/queue").json
    assert [item[1] for item in queue["queue_running"]] == [running]
    assert {item[1] for item in queue["queue_pending"]} == set(pending[1:])
    assert slow.call("GET", f"/history/{pending[0]}").json == {}, "as recorded: no history of a dropped one"
    slow.call("POST", "/queue", {"clear": True})
    queue = slow.call("GET", "/queue").json
    assert (len(queue["queue_running"]), queue["queue_pending"]) == (1, [])
    listener.wait(lambda messages: messages[-1]["data"]["status"]["exec_info"]["queue_remaining"] == 1)
    remaining = [one["data"]["status"]["exec_info"]["queue_remaining"] for one in listener.messages]
    assert remaining == [4, 3, 1], "everybody is told whenever one was dropped"


def test_they_run_in_the_order_of_their_numbers(slow: Emulator):
    post_long(slow)
    seeds = {"last": 9.5, "front": None, "first": 0.5, "second": 3}
    ids: dict[str, str] = {}
    for index, (name, number) in enumerate(seeds.items()):
        more: dict[str, Any] = {"front": True} if number is None else {"number": number}
        ids[name] = slow.post(graph("text", n3_steps=1, n3_seed=index), **more)
    slow.call("POST", "/interrupt")
    slow.wait_until_idle()
    order = [key for key in slow.call("GET", "/history").json if key in ids.values()]
    assert order == [ids[name] for name in ("front", "first", "second", "last")]


def test_a_number_is_told_as_a_float_when_the_client_gave_it(emulator: Emulator):
    def number(**more: Any) -> Any:
        return emulator.call("POST", "/prompt", {"prompt": GRAPHS["text"], **more}).json["number"]

    assert [number(), number(number="7"), number(), number(front=False)] == [0, 7.0, 1, 2]
    assert number(front=True) == -3


@pytest.mark.parametrize(
    "given",
    ["a name", "7487E3FC-7329-4F02-B0B1-48DF2BFE8284", "7487e3fc73294f02b0b148df2bfe8284", "", 5, ["x"],
     "{7487e3fc-7329-4f02-b0b1-48df2bfe8284}"],
)  # fmt: skip
def test_an_id_that_is_no_canonical_uuid_is_refused(emulator: Emulator, given: object):
    answer = emulator.call("POST", "/prompt", {"prompt": GRAPHS["text"], "prompt_id": given})
    assert answer.status == 400
    assert answer.json["error"]["type"] == "invalid_prompt_id" and answer.json["node_errors"] == {}
    assert emulator.call("GET", "/prompt").json["exec_info"]["queue_remaining"] == 0


def test_an_id_is_taken_over_and_none_is_made_up(emulator: Emulator):
    mine = str(uuid.uuid4())
    assert emulator.post(GRAPHS["text"], prompt_id=mine) == mine
    made = emulator.post(graph("text", n3_seed=1), prompt_id=None)
    assert str(uuid.UUID(made)) == made != mine


def test_only_the_wanted_outputs_run(emulator: Emulator):
    prompt = graph("text")
    prompt["19"] = {"class_type": "PreviewImage", "inputs": {"images": ["8", 0]}}
    entry = emulator.history(emulator.post(prompt, partial_execution_targets=["19"]))
    assert list(entry["outputs"]) == ["19"] and entry["prompt"][4] == ["19"]


def test_the_good_one_of_two_outputs_runs(emulator: Emulator):
    body = whole(EXCHANGES["invalid_one_of_two_outputs_bad"]["body"])
    body["prompt"]["3"]["inputs"]["steps"] = 1
    entry = emulator.history(emulator.call("POST", "/prompt", body).json["prompt_id"])
    assert list(entry["outputs"]) == ["9"] and entry["status"]["completed"]


def test_the_history_of_a_success_is_as_recorded(emulator: Emulator):
    recorded = next(iter(EXCHANGES["run_txt2img_history"]["json"].values()))
    prompt_id = emulator.post(GRAPHS["text"], "observer-txt2img")
    entry = emulator.history(prompt_id)
    assert list(entry) == list(recorded)
    assert entry["prompt"] == [0, prompt_id, *whole(recorded["prompt"])[2:]]
    for part in ("outputs", "meta"):
        assert entry[part] == recorded[part]
    assert entry["status"] | {"messages": 0} == recorded["status"] | {"messages": 0}
    got = [[name, sorted(data)] for name, data in entry["status"]["messages"]]
    assert got == [[name, sorted(data)] for name, data in recorded["status"]["messages"]]


def test_a_running_prompt_has_no_history_and_a_finished_one_has_it_before_the_last_message(slow: Emulator):
    client = slow.listen("observer")
    prompt_id = slow.post(graph("text", n3_steps=2), "observer")
    client.wait(lambda messages: any(one["type"] == "progress" for one in messages))
    assert slow.call("GET", f"/history/{prompt_id}").json == {}
    client.wait_for_end()
    assert slow.call("GET", f"/history/{prompt_id}").json != {}


def test_the_history_is_told_in_parts_and_forgotten_on_request(emulator: Emulator):
    ids = [emulator.post(graph("text", n3_steps=1, n3_seed=seed)) for seed in range(4)]
    emulator.wait_until_idle()

    def told(query: str = "") -> list[str]:
        return list(emulator.call("GET", f"/history{query}").json)

    assert told() == ids
    assert told("?max_items=1") == ids[-1:], "as recorded: the latest"
    assert told("?max_items=1&offset=0") == ids[:1], "as recorded: the oldest"
    assert told("?max_items=2&offset=1") == ids[1:3]
    assert told("?offset=3") == ids[3:]
    emulator.call("POST", "/history", {"delete": [ids[1], "no-such-id"]})
    assert told() == [ids[0], *ids[2:]]
    assert emulator.call("GET", f"/history/{ids[1]}").json == {}
    answer = emulator.call("POST", "/history", {"clear": True})
    assert (answer.status, answer.body, told()) == (200, b"", [])


def test_an_interrupt_is_for_the_named_prompt_only(slow: Emulator):
    prompt_id = post_long(slow)
    assert slow.call("POST", "/interrupt", {"prompt_id": "no-such-id"}).status == 200
    client = slow.listen("observer-queue")
    client.wait(lambda messages: sum(one["type"] == "progress" for one in messages) >= 2)
    slow.call("POST", "/interrupt", {"prompt_id": prompt_id})
    entry = slow.history(prompt_id)
    assert entry["status"]["messages"][-1][0] == "execution_interrupted"


def test_an_interrupt_while_nothing_runs_doesnt_reach_the_next_prompt(emulator: Emulator):
    assert emulator.call("POST", "/interrupt").status == 200
    assert emulator.history(emulator.post(GRAPHS["text"]))["status"]["completed"]


def test_freed_memory_holds_no_results(emulator: Emulator):
    emulator.post(GRAPHS["text"])
    emulator.wait_until_idle()
    assert emulator.call("POST", "/free", {"unload_models": True}).status == 200
    kept = emulator.history(emulator.post(GRAPHS["text"]))["status"]["messages"][1][1]["nodes"]
    assert len(kept) == 8, "unloaded models are loaded again; results stay"
    answer = emulator.call("POST", "/free", {"unload_models": True, "free_memory": True})
    assert (answer.status, answer.body) == (200, b"")
    entry = emulator.history(emulator.post(GRAPHS["text"]))
    assert entry["status"]["messages"][1][1]["nodes"] == []


@pytest.mark.parametrize(
    ("flags", "kept"), [((), 5), (("--cache-lru", "100"), 8), (("--cache-none",), 0)]
)  # fmt: skip
def test_results_are_kept_as_the_flags_say(tmp_path: Path, flags: tuple[str, ...], kept: int):
    emulator = Emulator(tmp_path, *flags)
    try:
        for seed in (1, 2, 1):
            entry = emulator.history(emulator.post(graph("text", n3_seed=seed)))
    finally:
        emulator.stop()
    assert len(entry["status"]["messages"][1][1]["nodes"]) == kept


def test_two_nodes_that_say_the_same_are_run_once(emulator: Emulator):
    client = emulator.listen("observer")
    emulator.post(graph("text", n7_text="the same", n6_text="the same"), "observer")
    client.wait_for_end()
    ran = [one["data"]["node"] for one in client.messages if one["type"] == "executing"]
    assert ran == ["4", "5", "10", "7", "3", "8", "9", None]
    [shown] = [
        one["data"] for one in client.messages if one["type"] == "executed" and one["data"]["node"] == "6"
    ]
    assert shown["output"] is None, "ComfyUI tells it of any node whose result turns out to be there"


def test_odd_nodes_that_no_output_needs_do_no_harm(emulator: Emulator):
    prompt = graph("text")
    prompt["50"] = {"class_type": "LoadImage"}
    prompt["51"] = {"class_type": "VAEDecode", "inputs": {"samples": ["52", 0], "vae": ["99", 0]}}
    prompt["52"] = {"class_type": "VAEDecode", "inputs": {"samples": ["51", 0], "vae": ["52", 0]}}
    assert emulator.history(emulator.post(prompt))["status"]["completed"]


@pytest.mark.parametrize("more", [{"client_id": ["odd"]}, {"extra_data": {"extra_pnginfo": "odd"}}])
def test_an_odd_request_fails_alone(emulator: Emulator, more: dict[str, Any]):
    entry = emulator.history(emulator.post(GRAPHS["text"], **more))
    assert not entry["status"]["completed"]
    assert emulator.history(emulator.post(GRAPHS["text"]))["status"]["completed"], "the worker goes on"


def test_the_history_keeps_the_newest_ten_thousand(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sandbox.comfyui.prompt_queue.LONGEST_HISTORY", 3)
    queue = PromptQueue(lambda: None)
    outcome = Outcome(outputs={}, meta={}, is_success=True, messages=[])
    for number in range(5):
        queue.put(number, f"id-{number}", {}, {}, [])
    for item in sorted(queue._pending):  # pyright: ignore[reportPrivateUsage]  # no worker runs here
        queue.done(item, outcome)
    assert [queue.history(f"id-{number}") != "{}" for number in range(5)] == [False, False, True, True, True]
