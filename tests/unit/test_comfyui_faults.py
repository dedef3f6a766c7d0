"""What the emulator can be told to do wrong, and that it does right again afterwards."""

from __future__ import annotations

import http.client
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from sandbox.comfyui.faults import Faults, WrongFault
from tests.unit.comfyui_server import GRAPHS, Emulator, graph, wait_until

FAULTS = "/_emulator/faults"


@pytest.fixture
def emulator(tmp_path: Path) -> Generator[Emulator]:
    running = Emulator(tmp_path, seconds_per_step=0.02)
    yield running
    running.stop()


def failure(emulator: Emulator, prompt_id: str) -> dict[str, Any]:
    """How a prompt failed, and that a later one doesn't."""
    entry = emulator.history(prompt_id)
    name, data = entry["status"]["messages"][-1]
    assert name == "execution_error", entry["status"]
    assert entry["status"]["status_str"] == "error"
    return data


def works(emulator: Emulator) -> bool:
    """Whether a new prompt succeeds."""
    number = len(emulator.call("GET", "/history").json)
    return emulator.history(emulator.post(graph("text", n3_seed=1000 + number)))["status"]["completed"]


def test_no_fault_is_set_at_first(emulator: Emulator):
    assert emulator.call("GET", FAULTS).json == {"emulator": "sd-app", "faults": {}}


def test_a_fault_is_shown_with_what_is_left_of_it_and_cleared(emulator: Emulator):
    emulator.faults(refuse={"count": 2}, hang={"step": 3})
    emulator.call("POST", "/prompt", {"prompt": GRAPHS["text"]})
    assert emulator.call("GET", FAULTS).json["faults"] == {
        "refuse": {"how": "error", "left": 1, "happened": 1},
        "hang": {"step": 3, "interruptible": True, "seconds": None, "left": None, "happened": 0},
    }
    assert list(emulator.call("DELETE", f"{FAULTS}?name=refuse").json["faults"]) == ["hang"]
    assert emulator.call("DELETE", FAULTS).json["faults"] == {}
    assert works(emulator)


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ({"crash": {}, "explode": {}}, "no fault 'explode'; there are refuse, hang"),
        ({"hang": {"steps": 1}}, "hang: no option 'steps'; there are step, interruptible, seconds, count"),
        ({"hang": {"step": "1"}}, "hang.step: '1' is of the wrong type"),
        ({"hang": {"step": True}}, "hang.step: True is of the wrong type"),
        ({"hang": {"count": 0}}, "hang.count: 0 is less than 1"),
        ({"refuse": {"how": "loudly"}}, "refuse.how: 'loudly' is not one of error, close"),
        ({"refuse": 5}, "refuse: expected an object of options"),
        ([], "expected an object of faults"),
        ({}, "expected an object of faults"),
    ],
)
def test_a_wrong_fault_is_refused_with_what_there_is_and_sets_nothing(said: Any, word: str):
    faults = Faults()
    with pytest.raises(WrongFault, match=word):
        faults.set(said)
    assert faults.told() == {}


def test_a_wrong_fault_is_answered_400(emulator: Emulator):
    assert emulator.call("POST", FAULTS, {"explode": {}}).status == 400
    assert emulator.call("POST", FAULTS, body=b"{").status == 400
    assert emulator.call("DELETE", f"{FAULTS}?name=explode").status == 400


def test_it_refuses_a_prompt_with_500_as_often_as_told(emulator: Emulator):
    emulator.faults(refuse={"count": 2})
    said = {"prompt": GRAPHS["text"]}
    answers = [emulator.call("POST", "/prompt", said) for _ in range(3)]
    assert [one.status for one in answers] == [500, 500, 200]
    assert answers[0].body == b"500 Internal Server Error\n\nServer got itself in trouble"
    assert answers[0].headers["Connection"] == "close"


def test_it_refuses_a_prompt_by_closing_the_connection(emulator: Emulator):
    emulator.faults(refuse={"how": "close", "count": 1})
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        emulator.call("POST", "/prompt", {"prompt": GRAPHS["text"]})
    assert works(emulator)


def hanging(emulator: Emulator, **options: Any) -> str:
    """Id of a prompt that hangs."""
    emulator.faults(hang={"count": 1, "step": 2, **options})
    client = emulator.listen("observer")
    prompt_id = emulator.post(graph("text", n3_steps=3), "observer")
    client.wait(lambda messages: any(one["type"] == "progress" for one in messages))
    wait_until(lambda: emulator.call("GET", FAULTS).json["faults"]["hang"]["happened"] == 1)
    assert [item[1] for item in emulator.call("GET", "/queue").json["queue_running"]] == [prompt_id]
    assert [one["data"]["value"] for one in client.messages if one["type"] == "progress"] == [1]
    return prompt_id


def test_it_hangs_until_it_is_interrupted(emulator: Emulator):
    prompt_id = hanging(emulator)
    emulator.call("POST", "/interrupt")
    assert emulator.history(prompt_id)["status"]["messages"][-1][0] == "execution_interrupted"
    assert works(emulator), "it has healed: count was 1"


def test_it_can_hang_so_that_no_interrupt_helps_until_it_is_cleared(emulator: Emulator):
    prompt_id = hanging(emulator, interruptible=False)
    emulator.call("POST", "/interrupt")
    next_id = emulator.post(graph("text", n3_seed=5))
    assert emulator.call("GET", "/prompt").json["exec_info"]["queue_remaining"] == 2
    assert emulator.call("GET", f"/history/{prompt_id}").json == {}
    emulator.call("DELETE", FAULTS)
    assert emulator.history(prompt_id)["status"]["messages"][-1][0] == "execution_interrupted"
    assert emulator.history(next_id)["status"]["completed"]


def test_it_can_hang_for_a_while(emulator: Emulator):
    prompt_id = hanging(emulator, seconds=0.2)
    entry = emulator.history(prompt_id)
    assert entry["status"]["completed"]
    times = [data["timestamp"] for _, data in entry["status"]["messages"]]
    assert times[-1] - times[0] >= 200, "milliseconds"


def test_it_drops_all_sockets_in_mid_run_and_the_prompt_goes_on(emulator: Emulator):
    emulator.faults(drop_socket={"count": 1, "step": 2})
    client, stranger = emulator.listen("observer"), emulator.listen("stranger")
    prompt_id = emulator.post(graph("text", n3_steps=4), "observer")
    for one in (client, stranger):
        wait_until(one.closed.is_set)
        assert one.socket.close_code == 1006, "no goodbye was said"
    assert [one["data"]["value"] for one in client.messages if one["type"] == "progress"] == [1]
    assert emulator.history(prompt_id)["status"]["completed"]
    again = emulator.listen("observer")
    assert again.types()[0] == "status"


def test_it_forgets_its_history_and_what_ends_meanwhile(emulator: Emulator):
    old = emulator.post(graph("text", n3_seed=1))
    emulator.history(old)
    emulator.faults(forget_history={"count": 1})
    assert emulator.call("GET", "/history").json == {}
    client = emulator.listen("observer")
    lost = emulator.post(graph("text", n3_seed=2), "observer")
    client.wait_for_end()
    assert "execution_success" in client.types() and emulator.call("GET", f"/history/{lost}").json == {}
    assert len(list((emulator.folder / "output").iterdir())) == 2, "the pictures are there"
    assert works(emulator)


def test_a_full_disk_fails_the_prompt_that_saves(emulator: Emulator):
    emulator.faults(fill_up={"count": 1})
    error = failure(emulator, emulator.post(GRAPHS["text"]))
    assert (error["node_type"], error["exception_type"]) == ("SaveImage", "OSError")
    assert error["exception_message"].startswith("[Errno 28] No space left on device: ")
    assert error["executed"] == ["4", "5", "10", "7", "6", "3", "8"]
    assert error["current_inputs"]["filename_prefix"] == ["txt2img"]
    assert list((emulator.folder / "output").iterdir()) == []
    assert works(emulator)


def test_a_full_disk_can_be_met_by_an_upload(emulator: Emulator):
    emulator.faults(fill_up={"where": "upload", "count": 1})
    boundary = {"Content-Type": "multipart/form-data; boundary=b"}
    body = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\nx\r\n--b--\r\n'
    statuses = [emulator.call("POST", "/upload/image", body=body, headers=boundary).status for _ in range(2)]
    assert statuses == [500, 200]


@pytest.mark.parametrize("options", [{"name": "detail.safetensors"}, {}])
def test_a_model_that_it_lacks_is_nowhere_to_be_seen(emulator: Emulator, options: dict[str, Any]):
    emulator.faults(lack_model={"count": 1, **options})
    assert emulator.call("GET", "/models/loras").json == []
    answer = emulator.call("POST", "/prompt", {"prompt": GRAPHS["text"]})
    assert answer.status == 400
    error = answer.json["node_errors"]["10"]["errors"][0]
    assert error["type"] == "value_not_in_list"
    assert error["details"] == "lora_name: 'detail.safetensors' not in []"
    assert ("4" in answer.json["node_errors"]) == (not options), "no name means all models"
    assert emulator.call("GET", "/models/loras").json == ["detail.safetensors"], "one refusal was asked for"
    assert works(emulator)


def test_another_model_than_the_lacking_one_is_there(emulator: Emulator):
    emulator.faults(lack_model={"name": "other.safetensors", "count": 1})
    emulator.call("POST", "/prompt", {"prompt": graph("text", n10_lora_name="nosuch.safetensors")})
    assert emulator.call("GET", FAULTS).json["faults"]["lack_model"]["left"] == 1, "it wasn't the reason"
    assert works(emulator)


def test_it_runs_out_of_memory_in_the_sampler(emulator: Emulator):
    emulator.faults(out_of_memory={"count": 1})
    error = failure(emulator, emulator.post(GRAPHS["text"]))
    assert (error["node_type"], error["exception_type"]) == ("KSampler", "torch.OutOfMemoryError")
    assert error["exception_message"].startswith(
        "Allocation on device \nThis error means you ran out of memory"
    )
    assert works(emulator)
