"""Each recorded answer, asked for again: the emulator says the same."""

from __future__ import annotations

from collections.abc import Generator
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
