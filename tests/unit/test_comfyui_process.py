"""The emulator as a process: its command line, its first word, its end."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sandbox.comfyui.arguments import parse
from tests.unit.comfyui_server import GRAPHS, MODELS, wait_until

ROOT = Path(__file__).parent.parent.parent
LIMIT_S = 20


def command(*flags: str) -> list[str]:
    return [sys.executable, "-m", "sandbox.comfyui", *flags]


@contextmanager
def running(folder: Path, *flags: str) -> Generator[tuple[subprocess.Popen[str], str]]:
    """The process and its URL."""
    for model in MODELS:
        (folder / "models" / model).parent.mkdir(parents=True, exist_ok=True)
        (folder / "models" / model).touch()
    process = subprocess.Popen(
        command("--port", "0", "--base-directory", str(folder), *flags),
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert "ComfyUI emulator (not ComfyUI" in line, line
        yield process, line.split()[-1]
    finally:
        process.kill()
        process.communicate(timeout=LIMIT_S)


def ask(url: str, said: object = None) -> Any:
    data = None if said is None else json.dumps(said).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data), timeout=LIMIT_S) as answer:
        return json.load(answer)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_at_once_and_cleanly_on_a_signal_even_in_mid_run(tmp_path: Path, number: int):
    with running(tmp_path, "--emulate-seconds-per-step", "1") as (process, url):
        ask(f"{url}/prompt", {"prompt": GRAPHS["text"]})
        assert (tmp_path / "temp").exists()
        process.send_signal(number)
        started = time.monotonic()
        _, errors = process.communicate(timeout=LIMIT_S)
        assert (process.returncode, errors) == (0, "")
        assert time.monotonic() - started < 3
        assert not (tmp_path / "temp").exists(), "as ComfyUI, it empties it"


def test_it_takes_the_flags_that_the_machine_starts_comfyui_with(tmp_path: Path):
    for name in ("user", "models"):
        (tmp_path / name).mkdir()
    unit = (ROOT / "cloud_init" / "ml-server" / "comfyui@.service").read_text()
    [line] = [one for one in unit.splitlines() if one.startswith("ExecStart=")]
    versions = (ROOT / "cloud_init" / "versions.env").read_text()
    [own] = [one.split('"')[1] for one in versions.splitlines() if one.startswith("COMFYUI_ARGS=")]
    paths = ROOT / "cloud_init" / "ml-server" / "model-paths.yaml"
    words = line.replace("$COMFYUI_ARGS", own).replace("%i", "8188").split()[2:]
    replaced = [
        word.replace("/var/lib/comfyui/8188/user", str(tmp_path / "user"))
        .replace("/var/lib/comfyui", str(tmp_path))
        .replace("/etc/sd-app/model-paths.yaml", str(paths))
        for word in words
    ]
    arguments = parse(replaced)
    assert (arguments.port, arguments.listen) == (8188, ("0.0.0.0",))
    assert arguments.extra_model_paths == (paths,)
    assert (arguments.preview_method, arguments.cache_lru) == ("latent2rgb", 8)
    assert arguments.temp_directory == tmp_path / "8188" / "temp" / "temp", "ComfyUI appends a folder"


@pytest.mark.parametrize(
    ("flags", "word"),
    [
        (("--user-directory", "{}/nosuch"), "The path '{}/nosuch' does not exist."),
        (("--models-directory", "{}/nosuch"), "The path '{}/nosuch' does not exist."),
        (("--user-directory", "{}/file"), "'{}/file' is not a directory."),
        (("--extra-model-paths-config", "{}/nosuch"), "The file '{}/nosuch' does not exist."),
        (("--database-url", "postgres://x"), "only sqlite:/// is"),
        (("--emulate-seconds-per-step", "-1"), "not a number of seconds"),
        (("--emulate-seconds-per-step", "nan"), "not a number of seconds"),
        (("--no-such-flag",), "unrecognized arguments: --no-such-flag"),
    ],
)
def test_a_wrong_flag_is_refused_with_a_reason(tmp_path: Path, flags: tuple[str, ...], word: str):
    (tmp_path / "file").touch()
    flags = tuple(flag.replace("{}", str(tmp_path)) for flag in flags)
    ended = subprocess.run(command(*flags), cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S)
    assert ended.returncode == 2
    assert word.replace("{}", str(tmp_path)) in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_port_that_is_taken_is_told(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        ended = subprocess.run(
            command("--port", str(port), "--base-directory", str(tmp_path)),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
    assert ended.returncode == 1
    assert f"('127.0.0.1', {port})" in ended.stderr and "address already in use" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_it_crashes_in_mid_run_when_told_to(tmp_path: Path):
    with running(tmp_path, "--emulate-seconds-per-step", "0.05") as (process, url):
        ask(f"{url}/_emulator/faults", {"crash": {"step": 2, "code": 7}})
        ask(f"{url}/prompt", {"prompt": GRAPHS["text"]})
        _, errors = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 7
        assert "emulated crash at step 2" in errors
    assert list((tmp_path / "output").iterdir()) == [], "it ended before anything was saved"


def test_a_database_serves_one_server_only(tmp_path: Path):
    url = f"sqlite:///{tmp_path}/comfyui.db"
    with running(tmp_path, "--database-url", url) as (first, _):
        started = time.monotonic()
        ended = subprocess.run(
            command("--port", "0", "--base-directory", str(tmp_path / "other"), "--database-url", url),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
        assert ended.returncode == 1 and "ASSETS_STARTUP_FAILED: in_use" in ended.stderr
        assert time.monotonic() - started >= 5, "ComfyUI waits for five seconds"
        first.kill()
        first.wait()
        with running(tmp_path, "--database-url", url) as (second, _):
            assert second.poll() is None, "a killed server holds nothing"


def test_a_step_takes_as_long_as_told(tmp_path: Path):
    with running(tmp_path, "--emulate-seconds-per-step", "0.1") as (_, url):
        prompt_id = ask(f"{url}/prompt", {"prompt": {**GRAPHS["text"]}})["prompt_id"]
        wait_until(lambda: bool(ask(f"{url}/history/{prompt_id}")))
        messages = ask(f"{url}/history/{prompt_id}")[prompt_id]["status"]["messages"]
    took = messages[-1][1]["timestamp"] - messages[0][1]["timestamp"]
    assert 200 <= took < 1000, "two steps"
