"""The `command` provider over a real connection: what runs, with what, and how it is ended."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2, provider_pb2_grpc

from sandbox import serving
from sandbox.command import CommandProvider
from sandbox.properties import UNKNOWN, Secret, decode, encode

URN = "urn:pulumi:dev::tiny::command:local:Command::wait"
WAIT_S = 30.0


class Engine:
    """The engine's side of a connection, and its log."""

    def __init__(self, port: int, log: list[str]) -> None:
        self.channel = grpc.insecure_channel(
            f"127.0.0.1:{port}",
            [("grpc.use_local_subchannel_pool", 1)],  # a connection of its own, as engines have
        )
        self.stub: Any = provider_pb2_grpc.ResourceProviderStub(self.channel)
        self.log = log

    def create(self, preview: bool = False, timeout: float = 0, **inputs: Any) -> dict[str, Any]:
        request = provider_pb2.CreateRequest(
            urn=URN, properties=encode(inputs), preview=preview, timeout=timeout
        )
        return decode(self.stub.Create(request).properties)

    def update(self, old: dict[str, Any], **inputs: Any) -> dict[str, Any]:
        request = provider_pb2.UpdateRequest(urn=URN, id="x", olds=encode(old), news=encode(inputs))
        return decode(self.stub.Update(request).properties)

    def failures(self, **inputs: Any) -> list[str]:
        response = self.stub.Check(provider_pb2.CheckRequest(urn=URN, news=encode(inputs)))
        return [f"{one.property}: {one.reason}" for one in response.failures]

    def replaces(self, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
        request = provider_pb2.DiffRequest(
            urn=URN, old_inputs=encode(old), olds=encode(old), news=encode(new)
        )
        return list(self.stub.Diff(request).replaces)


class Log(engine_pb2_grpc.EngineServicer):
    """Keeps what the provider shows."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines

    def Log(self, request: engine_pb2.LogRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self._lines.append(request.message)
        return empty_pb2.Empty()


@pytest.fixture
def provider() -> Generator[tuple[CommandProvider, int]]:
    made = CommandProvider()
    server, port = serving.serve(made)
    yield made, port
    made.stop()
    server.stop(None)


@pytest.fixture
def engine(provider: tuple[CommandProvider, int]) -> Generator[Engine]:
    from concurrent.futures import ThreadPoolExecutor

    lines: list[str] = []
    server = grpc.server(ThreadPoolExecutor(2))
    engine_pb2_grpc.add_EngineServicer_to_server(Log(lines), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    made = Engine(provider[1], lines)
    made.stub.Handshake(provider_pb2.ProviderHandshakeRequest(engine_address=f"127.0.0.1:{port}"))
    yield made
    made.channel.close()
    server.stop(None)


def until(done: Any) -> None:
    """Wait for something that must come; an endless wait is a failure."""
    deadline = time.monotonic() + WAIT_S
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process runs; one that ended and that nobody asked after doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_it_runs_with_its_environment_folder_and_input(engine: Engine, tmp_path: Path):
    outputs = engine.create(
        create="pwd; cat; echo $COLOUR >&2", environment={"COLOUR": "red"}, dir=str(tmp_path), stdin="in\n"
    )
    assert outputs["stdout"] == f"{tmp_path}\nin"
    assert outputs["stderr"] == "red"
    assert sorted(engine.log) == sorted([str(tmp_path), "in", "red"])


def test_another_interpreter(engine: Engine):
    outputs = engine.create(create="print(6 * 7)", interpreter=["python3", "-c"])
    assert outputs["stdout"] == "42"


def test_only_the_last_line_end_goes(engine: Engine):
    assert engine.create(create="printf 'a\\n\\n'")["stdout"] == "a\n"


@pytest.mark.parametrize(
    ("logging", "shown"),
    [("stdout", ["out"]), ("stderr", ["err"]), ("none", []), ("stdoutAndStderr", ["err", "out"])],
)
def test_what_is_shown_is_a_setting(engine: Engine, logging: str, shown: list[str]):
    engine.create(create="echo out; echo err >&2", logging=logging)
    assert sorted(engine.log) == shown


def test_what_it_prints_is_as_secret_as_what_it_was_given(engine: Engine):
    outputs = engine.create(create="echo $KEY", environment={"KEY": Secret("hidden-key")})
    assert outputs["stdout"] == Secret("hidden-key") and outputs["stderr"] == Secret("")
    assert outputs["environment"] == {"KEY": Secret("hidden-key")}
    assert engine.log == [], "a secret must not be in the log"


def test_update_runs_update_or_create_and_knows_what_was_printed(engine: Engine):
    old = engine.create(create="echo one")
    assert engine.update(old, create="echo two $PULUMI_COMMAND_STDOUT")["stdout"] == "two one"
    assert engine.update(old, create="false", update="echo new $PULUMI_COMMAND_STDOUT")["stdout"] == "new one"
    silent = engine.update(old, create="echo $PULUMI_COMMAND_STDOUT", addPreviousOutputInEnv=False)
    assert silent["stdout"] == ""


def test_delete_runs_delete(engine: Engine, tmp_path: Path):
    file = tmp_path / "file"
    outputs = engine.create(create=f"touch {file}; echo kept", delete=f"echo $PULUMI_COMMAND_STDOUT > {file}")
    engine.stub.Delete(provider_pb2.DeleteRequest(urn=URN, id="x", properties=encode(outputs)))
    assert file.read_text() == "kept\n"


def test_a_preview_runs_nothing(engine: Engine, tmp_path: Path):
    outputs = engine.create(preview=True, create=f"touch {tmp_path / 'file'}")
    assert outputs["stdout"] is UNKNOWN
    assert list(tmp_path.iterdir()) == []


def test_triggers_replace_unless_there_is_an_update(engine: Engine):
    assert engine.replaces({"create": "a", "triggers": [1]}, {"create": "a", "triggers": [2]}) == ["triggers"]
    assert engine.replaces({"create": "a", "triggers": [1]}, {"create": "b", "triggers": [1]}) == []
    with_update = {"create": "a", "update": "b", "triggers": [1]}
    assert engine.replaces(with_update, with_update | {"triggers": [2]}) == []


def test_a_failure_tells_the_status_and_what_was_said(engine: Engine):
    with pytest.raises(grpc.RpcError) as error:
        engine.create(create="echo half way; echo no disk >&2; exit 3")
    assert "running create of wait: exit status 3: half way\nno disk" in str(error.value.details())
    with pytest.raises(grpc.RpcError) as error:
        engine.create(create="true", dir="/does/not/exist")
    assert "/does/not/exist" in str(error.value.details())


def test_inputs_are_refused_by_name(engine: Engine):
    assert engine.failures(create="a") == []
    assert engine.failures(crate="a") == ["crate: CommandArgs has no property crate (did you mean create?)"]
    assert "the sandbox doesn't collect assetPaths" in engine.failures(create="a", assetPaths=["*"])[0]


SLEEPER = "sh -c 'echo $$ > {file}; sleep 600' & wait"
"""A command that waits for another, whose number is in the file: both must end."""


def begin(engine: Engine, file: Path, ended: list[str], timeout: float = 0) -> int:
    """Start a command that doesn't end by itself; the number of the process below it."""

    def run() -> None:
        try:
            engine.create(create=SLEEPER.format(file=file), timeout=timeout)
        except (grpc.RpcError, ValueError) as error:
            ended.append(str(error.details()) if isinstance(error, grpc.RpcError) else str(error))

    threading.Thread(target=run, daemon=True).start()
    until(lambda: file.exists() and file.read_text().strip())
    return int(file.read_text())


def test_cancel_ends_it_and_all_it_started_and_no_others(
    engine: Engine, provider: tuple[CommandProvider, int], tmp_path: Path
):
    other = Engine(provider[1], [])
    ended: list[str] = []
    mine, theirs = begin(engine, tmp_path / "mine", ended), begin(other, tmp_path / "theirs", [])
    engine.stub.Cancel(empty_pb2.Empty())
    until(lambda: not alive(mine))
    until(lambda: ended)
    assert ended == ["running create of wait: the command was ended: cancelled"]
    assert alive(theirs), "another engine's command goes on"
    other.channel.close()
    until(lambda: not alive(theirs))


def test_it_ends_when_its_time_is_over(engine: Engine, tmp_path: Path):
    ended: list[str] = []
    pid = begin(engine, tmp_path / "pid", ended, timeout=1)
    until(lambda: ended)
    assert "it took longer than 1 s" in ended[0]
    until(lambda: not alive(pid))


def test_it_ends_with_the_sandbox(engine: Engine, provider: tuple[CommandProvider, int], tmp_path: Path):
    ended: list[str] = []
    pid = begin(engine, tmp_path / "pid", ended)
    provider[0].stop()
    until(lambda: ended)
    assert "the sandbox was stopped" in ended[0]
    until(lambda: not alive(pid))


def test_it_doesnt_share_our_process_group(engine: Engine):
    assert int(engine.create(create="ps -o pgid= -p $$")["stdout"]) != os.getpgid(0)
