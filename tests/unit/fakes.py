"""Fake programs for the tests of tools/: small scripts in a folder of their own, put first on PATH."""

import stat
import sys
from pathlib import Path

HOST_FILES = ("pulumi-language-python", "pulumi-language-python-exec")


def script(path: Path, body: str) -> Path:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def python_script(path: Path, body: str) -> Path:
    """An executable Python script, run by the Python that runs the tests."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def fake_cli(directory: Path, version: str, *, host: bool = True) -> Path:
    """A folder with a fake Pulumi CLI that only tells a version, and its language host."""
    script(directory / "pulumi", f"echo v{version}")
    if host:
        for name in HOST_FILES:
            script(directory / name, "exit 0")
    return directory


FAKE_PULUMI = r'''
"""A fake Pulumi CLI: keeps what it was called with, and answers from files in the folder FAKE_ANSWERS."""
import json, os, pathlib, sys

answers = pathlib.Path(os.environ["FAKE_ANSWERS"])
words = sys.argv[1:]
with (answers / "calls").open("a") as calls:
    calls.write(json.dumps({"words": words, "cwd": os.getcwd(), "env": dict(os.environ)}) + "\n")
command = " ".join(word for word in words[:2] if not word.startswith("-"))
failure = answers / f"{command} fails"
if failure.exists():
    sys.exit(f"error: {failure.read_text()}")
stack = words[words.index("--stack") + 1] if "--stack" in words else ""
state = pathlib.Path(os.environ.get("PULUMI_BACKEND_URL", "file:///nowhere").removeprefix("file://")) / ".pulumi"
match command:
    case "stack init":
        (state / "stacks" / "sd-app").mkdir(parents=True)
        (state / "stacks" / "sd-app" / f"{stack}.json").write_text("{}")
        with open(f"Pulumi.{stack}.yaml", "a") as config:
            config.write("encryptionsalt: v1:fake\n")
    case "config set":
        import yaml
        file = pathlib.Path(words[words.index("--config-file") + 1])
        config = yaml.safe_load(file.read_text())
        config["config"][words[3]] = {"secure": "v1:" + words[4][::-1]}
        file.write_text(yaml.safe_dump(config))
    case "cancel":
        for lock in (state / "locks").rglob("*.json"):
            lock.unlink()
    case _:
        answer = answers / command
        print(answer.read_text() if answer.exists() else "{}")
'''


def answering_cli(directory: Path, answers: Path) -> Path:
    """A folder with a fake Pulumi CLI that plays its part of the tools' conversation with it."""
    answers.mkdir(exist_ok=True)
    python_script(directory / "pulumi", FAKE_PULUMI)
    return directory
