"""The local stack stays in its folder, recovers from what was interrupted, and leaves nothing. CLI and emulator are fakes."""

import json
import os
import socket
import stat
import subprocess
import time
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.fakes import answering_cli
from tools import local_stack
from tools.engine import EngineFailed
from tools.local_stack import LocalFailed, LocalStack

TRACKED = 'config:\n  aws:region: us-east-1  # a comment\n  sd-app:network: {vpcCidr: "172.16.0.0/16"}\n'
UP = [{"summaryEvent": {"resourceChanges": {"create": 2}}}]
BUCKET = {"type": "aws:s3/bucket:Bucket"}


@dataclass(frozen=True)
class FakeSandbox:
    endpoint: str = "http://127.0.0.1:4566"
    pid: int = 4711
    is_new: bool = False

    def environment(self) -> dict[str, str]:
        return {"AWS_ENDPOINT_URL": self.endpoint, "PULUMI_DEBUG_PROVIDERS": "aws:1,command:2"}


class FakeDaemon:
    """Plays `sandbox.daemon`: runs when ensured, until stopped."""

    def __init__(self) -> None:
        self.running: FakeSandbox | None = None
        self.left: list[str] = []

    def ensure(self, folder: Path, *, machines: bool) -> FakeSandbox:
        assert folder.is_dir()
        assert machines, "the machines of the local stack run"
        if self.running:
            return replace(self.running, is_new=False)
        self.running = FakeSandbox(is_new=True)
        return self.running

    def find(self, folder: Path) -> FakeSandbox | None:
        return self.running

    def stop(self, folder: Path) -> bool:
        was, self.running = self.running, None
        return was is not None

    def leftovers(self, sandbox: FakeSandbox) -> list[str]:
        return self.left


class Bench:
    """A checkout in a temporary folder, with a fake CLI and a fake emulator."""

    def __init__(self, folder: Path, daemon: FakeDaemon) -> None:
        self.root, self.answers, self.daemon = folder / "checkout", folder / "answers", daemon
        self.root.mkdir()
        (self.root / "Pulumi.yaml").write_text("name: sd-app\nruntime: python\n")
        self.tracked = self.root / "Pulumi.local.yaml"
        self.tracked.write_text(TRACKED)
        cli = answering_cli(folder / "fakes", self.answers)
        self.stack = LocalStack(self.root, self.root / ".sandbox", cli)
        self.answer("up --yes", *UP)
        self.answer("up", *UP)
        self.state(resources=[])

    def answer(self, command: str, *events: Any) -> None:
        (self.answers / command).write_text("\n".join(json.dumps(event) for event in events))

    def state(self, resources: list[Any], pending: tuple[str, ...] = ()) -> None:
        """What the state holds from now on; `pending` are the kinds of the operations that never ended."""
        deployment: dict[str, list[Any]] = {
            "resources": resources,
            "pending_operations": [{"type": kind} for kind in pending],
        }
        self.answer("stack export", {"deployment": deployment})

    def calls(self, first: str) -> list[dict[str, Any]]:
        """Calls of the CLI that begin with this word."""
        lines = (self.answers / "calls").read_text().splitlines()
        return [call for call in map(json.loads, lines) if call["words"][0] == first]

    def lock(self, pid: int, host: str = socket.gethostname()) -> Path:
        """A lock in the state, as the CLI writes it."""
        path = self.root / ".sandbox/state/.pulumi/locks/organization/sd-app/local/1.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"pid": pid, "hostname": host, "timestamp": "2026-11-25T04:01:55Z"}))
        return path


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    daemon = FakeDaemon()
    monkeypatch.setattr(local_stack, "daemon", daemon)
    made = Bench(tmp_path, daemon)
    monkeypatch.setenv("FAKE_ANSWERS", str(made.answers))
    return made


@pytest.fixture
def ended_process() -> int:
    """Number of a process that has ended."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


@pytest.fixture
def live_pulumi(tmp_path: Path) -> Generator[int]:
    """Number of a living process that calls itself pulumi."""
    process = subprocess.Popen(["pulumi up", "300"], executable="/bin/sleep")
    while not Path(f"/proc/{process.pid}/cmdline").read_bytes():
        time.sleep(0.01)  # the kernel sets its name a moment after Popen returns
    yield process.pid
    process.kill()
    process.wait()


def test_the_tracked_stack_file_stays_as_it_is_and_the_copy_gets_the_salt(bench: Bench):
    bench.stack.up()
    assert bench.tracked.read_text() == TRACKED
    copy = yaml.safe_load(bench.stack.config_file.read_text())
    assert copy["encryptionsalt"] == "v1:fake"
    assert copy["config"]["sd-app:network"] == {"vpcCidr": "172.16.0.0/16"}
    assert {path.name for path in bench.root.iterdir()} == {
        "Pulumi.yaml",
        "Pulumi.local.yaml",
        ".sandbox",
    }


def test_the_engine_reads_the_copy(bench: Bench):
    bench.stack.up()
    [call] = bench.calls("up")
    assert call["words"][call["words"].index("--config-file") + 1] == str(bench.stack.config_file)


def test_a_changed_stack_file_reaches_the_next_run_and_the_secrets_stay(bench: Bench):
    bench.stack.up()
    before = yaml.safe_load(bench.stack.config_file.read_text())
    bench.tracked.write_text(TRACKED.replace("us-east-1", "eu-west-1"))
    bench.stack.up()
    after = yaml.safe_load(bench.stack.config_file.read_text())
    assert after["config"]["aws:region"] == "eu-west-1"
    assert after["config"][local_stack.TOKEN_KEY] == before["config"][local_stack.TOKEN_KEY]
    assert after["encryptionsalt"] == before["encryptionsalt"]
    assert len(bench.calls("config")) == 1, "the placeholder token is encrypted once"


def test_a_secret_in_the_tracked_file_is_refused_by_name(bench: Bench):
    bench.tracked.write_text(TRACKED + "  sd-app:githubToken: {secure: v1:abc}\n")
    with pytest.raises(LocalFailed, match=r"Pulumi\.local\.yaml: sd-app:githubToken: a secret"):
        bench.stack.up()
    assert not bench.calls("up")


def test_the_users_own_account_and_login_do_not_reach_the_engine(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_PROFILE", "studio")
    monkeypatch.setenv("PULUMI_ACCESS_TOKEN", "pul-secret")
    monkeypatch.setenv("PULUMI_STACK", "prod")
    bench.stack.up()
    env = bench.calls("up")[0]["env"]
    assert not {"AWS_PROFILE", "PULUMI_ACCESS_TOKEN", "PULUMI_STACK"} & set(env)
    assert env["PULUMI_BACKEND_URL"] == f"file://{bench.stack.folder}/state"
    assert env["PULUMI_HOME"].startswith(str(bench.stack.folder))
    assert env["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert env["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"
    assert env["PATH"].split(os.pathsep)[:2] == [str(bench.stack.cli), str(bench.root / ".venv/bin")]


def test_the_passphrase_is_made_once_and_only_the_user_can_read_it(bench: Bench):
    bench.stack.up()
    file = bench.stack.folder / "passphrase"
    first = file.read_text()
    bench.stack.up()
    assert file.read_text() == first and len(first) == 48
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(bench.stack.folder.stat().st_mode) == 0o700
    assert {call["env"]["PULUMI_CONFIG_PASSPHRASE"] for call in bench.calls("up")} == {first}


def test_the_stack_is_made_once(bench: Bench):
    bench.stack.up()
    bench.stack.up()
    assert [call["words"][1] for call in bench.calls("stack")].count("init") == 1


def test_a_new_emulator_under_an_old_state_is_built_again(bench: Bench, capfd: pytest.CaptureFixture[str]):
    bench.stack.up()
    bench.state(resources=[BUCKET, {"type": "pulumi:pulumi:Stack"}])
    bench.daemon.running = None
    bench.stack.up()
    first, second = bench.calls("up")
    assert "--refresh" not in first["words"] and "--refresh" in second["words"]
    assert "the state knows 1 resources: building them again" in capfd.readouterr().err


def test_an_update_that_never_ended_is_looked_at_before_the_next_up(bench: Bench):
    bench.stack.up()
    emulator = bench.daemon.running
    bench.state(resources=[BUCKET], pending=("updating", "deleting"))
    bench.stack.up()
    [refresh] = bench.calls("refresh")
    assert "--clear-pending-creates" in refresh["words"]
    assert bench.daemon.running is emulator, "what it holds is known to the state, so it stays"


def test_half_made_resources_are_dropped_with_their_emulator_and_all_is_built_again(
    bench: Bench, capfd: pytest.CaptureFixture[str]
):
    bench.stack.up()
    emulator = bench.daemon.running
    bench.state(resources=[BUCKET], pending=("creating", "updating"))
    bench.stack.up()
    [refresh] = bench.calls("refresh")
    assert "--clear-pending-creates" in refresh["words"]
    assert bench.daemon.running is not emulator
    assert "left 1 resources half made; the emulator is started anew" in capfd.readouterr().err


def test_a_preview_after_an_interrupted_run_changes_nothing(bench: Bench):
    bench.stack.up()
    emulator = bench.daemon.running
    bench.state(resources=[BUCKET], pending=("creating",))
    bench.stack.preview()
    assert not bench.calls("refresh")
    assert bench.daemon.running is emulator


def test_a_lock_of_a_process_that_is_gone_is_removed(bench: Bench, ended_process: int):
    lock = bench.lock(ended_process)
    bench.stack.up()
    assert not lock.exists()
    assert len(bench.calls("up")) == 1


def test_a_lock_of_a_process_that_works_is_an_error_that_names_it(bench: Bench, live_pulumi: int):
    lock = bench.lock(live_pulumi)
    with pytest.raises(LocalFailed, match=f"another command works on stack local .process {live_pulumi} on"):
        bench.stack.up()
    assert lock.exists()


def test_a_lock_of_another_process_with_the_same_number_is_removed(bench: Bench):
    lock = bench.lock(os.getpid())
    bench.stack.up()
    assert not lock.exists()


def test_a_lock_from_another_host_is_never_removed(bench: Bench, ended_process: int):
    bench.lock(ended_process, host="elsewhere")
    with pytest.raises(LocalFailed, match="on elsewhere"):
        bench.stack.up()


def test_outputs_start_no_emulator(bench: Bench):
    bench.stack.up()
    bench.answer("stack output", {"bucketName": "sd-app-s3-local"})
    bench.daemon.running = None
    assert bench.stack.outputs() == {"bucketName": "sd-app-s3-local"}
    assert bench.daemon.running is None


def test_outputs_of_nothing_are_empty_and_make_no_folder(bench: Bench):
    assert bench.stack.outputs() == {}
    assert not bench.stack.folder.exists()


def test_down_destroys_stops_removes_and_says_so(bench: Bench):
    bench.stack.up()
    bench.answer("destroy", {"summaryEvent": {"resourceChanges": {"delete": 154}}})
    removed = bench.stack.down(force=False)
    assert removed == [
        "154 resources",
        "the emulator (process 4711)",
        ".sandbox/ (state and emulated data)",
    ]
    assert bench.daemon.running is None
    assert not bench.stack.folder.exists()
    assert [call["words"][1] for call in bench.calls("stack")][-1] == "rm"


def test_down_twice_finds_nothing(bench: Bench):
    bench.stack.up()
    bench.stack.down(force=False)
    assert bench.stack.down(force=False) == []


def test_an_emulated_resource_that_no_state_knew_makes_down_fail_and_is_named(bench: Bench):
    bench.stack.up()
    bench.daemon.left = ["s3 bucket stray"]
    with pytest.raises(LocalFailed, match="s3 bucket stray"):
        bench.stack.down(force=False)
    assert bench.daemon.running is None and not bench.stack.folder.exists()


def test_a_destroy_that_fails_removes_nothing_else_and_tells_the_way_out(bench: Bench):
    bench.stack.up()
    (bench.answers / "destroy fails").write_text("protected")
    with pytest.raises(LocalFailed, match="make down ARGS=--force"):
        bench.stack.down(force=False)
    assert bench.daemon.running is not None and bench.stack.exists


def test_by_force_the_emulator_is_dropped_without_the_engine(bench: Bench):
    bench.stack.up()
    bench.daemon.left = ["s3 bucket stray"]
    removed = bench.stack.down(force=True)
    assert removed == ["the emulator (process 4711)", ".sandbox/ (state and emulated data)"]
    assert not bench.calls("destroy") and not bench.stack.folder.exists()


def test_a_failure_of_the_engine_shows_what_it_said(bench: Bench):
    (bench.answers / "up fails").write_text("boom")
    with pytest.raises(EngineFailed, match=r"(?s)up local: failed after \d+ s.*error: boom"):
        bench.stack.up()


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (b"/usr/bin/pulumi\0up\0", True),
        (b"/home/me/.cache/pulumi-3/bin/pulumi\0preview\0", True),
        (b"/usr/bin/python\0pulumi.py\0", False),
        (b"/home/pulumi/bin/python\0", False),
        (b"", False),
    ],
)
def test_a_process_is_pulumi_by_its_program_not_its_arguments(command: bytes, expected: bool):
    def read(path: Path) -> bytes:
        return command

    assert local_stack.is_pulumi(1, read) is expected
