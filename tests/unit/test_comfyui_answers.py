"""Each recorded answer, asked for again: the emulator says the same."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import pytest

from tests.unit.comfyui_server import EXCHANGES, Emulator, whole

CHANGING = {"ram_total", "ram_free", "vram_total", "vram_free", "torch_vram_total", "torch_vram_free"}
OF_THE_MACHINE = {"python_version", "pytorch_version", "argv", "name"}
"""Fields of an answer that differ from server to server."""

NOT_ASKED_AGAIN = {"idle_view_metadata_lora"}
"""Needs the file's content: in test_comfyui_files.py."""
ERRORS = [name for name in EXCHANGES if name.startswith("invalid_")]
IDLE = [name for name in EXCHANGES if name.startswith("idle_") and name not in NOT_ASKED_AGAIN]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Generator[Emulator]:
    running = Emulator(tmp_path_factory.mktemp("comfyui"))
    yield running
    running.stop()


def normal(value: Any) -> Any:
    """A value without what differs from run to run; texts of a traceback are only counted as being there."""
    if isinstance(value, dict):
        kept: dict[str, Any] = {}
        for key, one in cast(dict[str, Any], value).items():
            if key in CHANGING or key in OF_THE_MACHINE:
                kept[key] = type(one).__name__
            elif key == "traceback":
                kept[key] = [type(line).__name__ for line in one[:1]]
            elif key != "emulator":
                kept[key] = normal(one)
        return kept
    return [normal(one) for one in cast(list[Any], value)] if isinstance(value, list) else value


def ask(emulator: Emulator, recorded: dict[str, Any]) -> Any:
    body = recorded.get("body")
    if isinstance(body, str):
        return emulator.call(
            recorded["method"], recorded["path"], body=body.encode(), headers=recorded["headers"]
        )
    return emulator.call(recorded["method"], recorded["path"], whole(body), headers=recorded["headers"])


@pytest.mark.parametrize("name", [*IDLE, *ERRORS])
def test_the_recorded_request_gets_the_recorded_answer(emulator: Emulator, name: str):
    recorded = EXCHANGES[name]
    answer = ask(emulator, recorded)
    assert answer.status == recorded["status"], answer.body
    for header, value in recorded["answer_headers"].items():
        assert answer.headers.get(header) == value, header
    if "json" in recorded:
        expected, got = normal(recorded["json"]), normal(answer.json)
        if recorded["method"] == "POST" and answer.status == 200:
            assert got.pop("prompt_id") and expected.pop("prompt_id")
            assert isinstance(got.pop("number"), int) and expected.pop("number")
        assert got == expected
    elif "text" in recorded:
        assert answer.body.decode() == recorded["text"]
    emulator.call("POST", "/interrupt")


def test_every_recorded_fault_of_a_prompt_is_asked_for():
    assert len(ERRORS) > 45, "the recordings are there to be held against"


def test_an_answer_says_that_it_is_an_emulators(emulator: Emulator):
    for method, path in (
        ("GET", "/prompt"),
        ("POST", "/prompt"),
        ("GET", "/nosuchpath"),
        ("POST", "/system_stats"),
    ):
        assert emulator.call(method, path).headers["X-Emulator"] == "sd-app", f"{method} {path}"
    stats = emulator.call("GET", "/system_stats").json
    assert stats["devices"][0]["name"] == "emulated (no GPU)"
    assert stats["system"]["emulator"] == "sd-app"
    assert b"emulator" in emulator.call("GET", "/").body


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "http://127.0.0.1"}, 200),  # a browser that tells no port is believed
        ({"Origin": "http://example.com"}, 403),
        ({"Origin": "https://example.com", "Host": "comfy.example.com"}, 200),  # only looked at on loopback
        ({"Origin": "http://localhost:{port}", "Host": "localhost:{port}"}, 200),
        ({"Origin": "http://evil.com:{port}", "Host": "localhost:{port}"}, 403),
        ({"Origin": "http://evil.com", "Host": "[::1]:{port}"}, 403),
        ({"Origin": "null"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
@pytest.mark.parametrize("path", ["/system_stats", "/api/prompt", "/ws"])
def test_what_a_browser_sends_for_another_site_is_refused(
    emulator: Emulator, path: str, headers: dict[str, str], status: int
):
    sent = {name: value.replace("{port}", str(emulator.port)) for name, value in headers.items()}
    if path == "/ws":
        status = 101 if status == 200 else status
        sent |= {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
    answer = emulator.call("GET", path, headers=sent)
    assert answer.status == status
    assert status != 403 or answer.body == b""


def test_with_a_cors_header_everybody_may_ask(tmp_path: Path):
    emulator = Emulator(tmp_path, "--enable-cors-header", "https://studio.example.com")
    try:
        foreign = {"Origin": "http://example.com", "Sec-Fetch-Site": "cross-site"}
        for method in ("GET", "OPTIONS"):
            answer = emulator.call(method, "/prompt", headers=foreign)
            assert answer.status == 200
            assert answer.headers["Access-Control-Allow-Origin"] == "https://studio.example.com"
    finally:
        emulator.stop()


@pytest.mark.parametrize("path", ["/prompt", "/queue", "/history", "/models", "/object_info", "/features"])
def test_every_route_exists_under_api_too(emulator: Emulator, path: str):
    assert emulator.call("GET", f"/api{path}").json == emulator.call("GET", path).json


def test_all_nodes_of_the_workflows_are_told_of(emulator: Emulator):
    nodes = emulator.call("GET", "/object_info").json
    recorded = {name.removeprefix("idle_object_info_") for name in EXCHANGES if "object_info_" in name}
    assert set(nodes) == (recorded - {"NoSuchNode"}) | {"PreviewImage"}
    for node in nodes:
        assert emulator.call("GET", f"/object_info/{node}").json == {node: nodes[node]}


@pytest.mark.parametrize(
    ("node", "inputs", "kind"),
    [
        ("11", {}, "exception_during_inner_validation"),
        ("11", {"image": 5}, "exception_during_inner_validation"),
        ("5", {"width": 64, "height": 64, "batch_size": True}, None),
        ("5", {"width": [64], "height": 64, "batch_size": 1}, "bad_linked_input"),
        ("6", {"text": {"__value__": ["a", "b"]}, "clip": ["10", 1]}, None),
        ("6", {"text": "x", "clip": ["10", "1"]}, "exception_during_inner_validation"),
        ("9", {"images": ["3", 0], "filename_prefix": "x"}, "return_type_mismatch"),
    ],
)
def test_odd_values_are_judged_as_comfyuis_source_does(
    emulator: Emulator, node: str, inputs: dict[str, Any], kind: str | None
):
    prompt = whole({"graph": "sketch", "nodes": {}})
    prompt[node]["inputs"] = inputs
    answer = emulator.call("POST", "/prompt", {"prompt": prompt})
    if kind is None:
        assert answer.status == 200, answer.body
        emulator.call("POST", "/interrupt")
    else:
        errors = answer.json["node_errors"]
        assert [one["type"] for one in errors[node]["errors"]] == [kind]


def test_a_circle_of_two_nodes_is_refused_without_a_word(emulator: Emulator):
    prompt = whole({"graph": "text", "nodes": {}})
    prompt["20"] = {**prompt["10"], "inputs": {**prompt["10"]["inputs"], "model": ["10", 0]}}
    prompt["10"]["inputs"]["model"] = ["20", 0]
    answer = emulator.call("POST", "/prompt", {"prompt": prompt})
    assert (answer.status, answer.json["node_errors"]) == (400, {})
