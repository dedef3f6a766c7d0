"""The `command` provider: `command:local:Command` really runs on this machine, as with the official plugin."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import IO, Any

import grpc
import pulumi_command.local
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2

from sandbox import diff, schema
from sandbox.properties import UNKNOWN, Secret, decode, encode, has, keep_secret, plain
from sandbox.serving import Failed, Plugin, answered, property_diffs, type_of

TOKEN = "command:local:Command"
SHELL = ["/bin/sh", "-c"]
SHOWN_ON_ERROR = 4000
"""How much of a failed command's output goes into the error, in characters from its end."""

GRACE_S = 5.0
"""How long a cancelled command may take to end before it is killed."""

NOT_DONE = ("assetPaths", "archivePaths")


@dataclass(frozen=True)
class Result:
    """What a command printed, without the last line's end."""

    stdout: str
    stderr: str


class Running:
    """A command at work, in a process group of its own, so that all it started can be ended with it."""

    def __init__(self, script: str, inputs: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        self._cancelled: str | None = None
        self._process = subprocess.Popen(
            [*(inputs.get("interpreter") or SHELL), script],
            cwd=inputs.get("dir"),
            env={**os.environ, **environment},
            stdin=subprocess.PIPE if "stdin" in inputs else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._stdin: str | None = inputs.get("stdin")

    def wait(self, line: Callable[[str, str], None], limit_s: float | None) -> Result:
        """Its output, once it is done; `line(stream, text)` is told of each line. Raises Failed."""
        texts: dict[str, list[str]] = {"stdout": [], "stderr": []}
        pipes = {"stdout": self._process.stdout, "stderr": self._process.stderr}
        readers = [
            threading.Thread(target=_drain, args=(pipe, texts[name], name, line), daemon=True)
            for name, pipe in pipes.items()
        ]
        for reader in readers:
            reader.start()
        self._feed()
        try:
            status = self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.cancel(f"it took longer than {limit_s:.0f} s")
            status = self._process.wait()
        for reader in readers:
            reader.join()
        result = Result(*("".join(texts[name]).removesuffix("\n") for name in ("stdout", "stderr")))
        if self._cancelled or status:
            said = "\n".join(text for text in (result.stdout, result.stderr) if text)[-SHOWN_ON_ERROR:]
            raise Failed(
                f"the command was ended: {self._cancelled}"
                if self._cancelled
                else f"exit status {status}: {said}"
            )
        return result

    def _feed(self) -> None:
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):  # it may end without reading all of it
                self._process.stdin.write((self._stdin or "").encode())
                self._process.stdin.close()

    def cancel(self, reason: str) -> None:
        """End it and all that it started: asked first, then killed."""
        if self._process.poll() is not None:
            return
        self._cancelled = reason
        self._signal(signal.SIGTERM)
        timer = threading.Timer(GRACE_S, self._signal, [signal.SIGKILL])
        timer.daemon = True
        timer.start()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):  # done in the meantime
            os.killpg(self._process.pid, number)


def _drain(pipe: IO[bytes], into: list[str], name: str, line: Callable[[str, str], None]) -> None:
    for raw in pipe:
        text = raw.decode(errors="replace")
        into.append(text)
        line(name, text.rstrip("\n"))


class Engine:
    """The engine's log, where a command's lines are shown while it works."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(address)
        self._stub = engine_pb2_grpc.EngineStub(self._channel)

    def say(self, urn: str, text: str) -> None:
        """Show a line. An engine that went away is no reason to fail."""
        with suppress(grpc.RpcError):
            self._stub.Log(engine_pb2.LogRequest(severity=engine_pb2.INFO, message=text, urn=urn), timeout=5)

    def close(self) -> None:
        """Hang up."""
        self._channel.close()


class CommandProvider(Plugin):
    """Runs what the program declares, and knows which connection asked for it."""

    def __init__(self) -> None:
        self.version = version("pulumi-command")
        self._shape = schema.shape(pulumi_command.local.CommandArgs)
        self._running: dict[Running, str] = {}
        self._engines: dict[str, str] = {}
        self._lock = threading.Lock()

    # Of the provider itself

    def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ProviderHandshakeResponse:
        """Remember where the engine's log is."""
        with self._lock:
            self._engines[context.peer()] = request.engine_address
        return super().Handshake(request, context)

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """There is nothing to configure."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """There is nothing to configure."""
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        """There is nothing to configure."""
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """The user pressed Ctrl-C: end what this connection started, and nothing else."""
        self._end("cancelled", context.peer())
        return empty_pb2.Empty()

    def stop(self) -> None:
        """End every command: the sandbox goes down."""
        self._end("the sandbox was stopped")

    def _end(self, reason: str, peer: str | None = None) -> None:
        with self._lock:
            mine = [one for one, owner in self._running.items() if peer in (None, owner)]
        for one in mine:
            one.cancel(reason)

    # Resources

    @answered
    def Check(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Refuse another type, and inputs that the SDK doesn't have."""
        if type_of(request.urn) != TOKEN:
            raise Failed(f"the sandbox runs {TOKEN} only, not {type_of(request.urn)}")
        inputs, faults = schema.check(decode(request.news), self._shape)
        faults += [
            schema.Fault(key, f"the sandbox doesn't collect {key}; read the files in the command itself")
            for key in NOT_DONE
            if key in inputs
        ]
        failures = [provider_pb2.CheckFailure(property=one.path, reason=one.reason) for one in faults]
        return provider_pb2.CheckResponse(inputs=encode(inputs), failures=failures)

    @answered
    def Diff(
        self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """Another trigger replaces, unless there's a command for updates; all else updates."""
        old, new = plain(decode(request.old_inputs)), plain(decode(request.news))
        immutable = () if new.get("update") else ("triggers",)
        return property_diffs(diff.changes(old, new, immutable))

    @answered
    def Create(
        self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CreateResponse:
        """Run `create`."""
        declared = decode(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=encode(_expected(declared)))
        result = self._run("create", declared, {}, request, context)
        id = f"{request.urn.rsplit('::', 1)[-1]}-{secrets.token_hex(8)}"
        return provider_pb2.CreateResponse(id=id, properties=encode(_outputs(declared, result)))

    @answered
    def Read(
        self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ReadResponse:
        """A command leaves nothing that could be read: it is as it was."""
        return provider_pb2.ReadResponse(id=request.id, properties=request.properties, inputs=request.inputs)

    @answered
    def Update(
        self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext
    ) -> provider_pb2.UpdateResponse:
        """Run `update`, or `create` where there is none."""
        declared = decode(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=encode(_expected(declared)))
        which = "update" if declared.get("update") else "create"
        result = self._run(which, declared, decode(request.olds), request, context)
        return provider_pb2.UpdateResponse(properties=encode(_outputs(declared, result)))

    @answered
    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Run `delete`, if there is one."""
        known = decode(request.properties)
        self._run("delete", known, known, request, context)
        return empty_pb2.Empty()

    def _run(
        self,
        which: str,
        declared: Mapping[str, Any],
        before: Mapping[str, Any],
        request: Any,
        context: grpc.ServicerContext,
    ) -> Result:
        inputs: dict[str, Any] = plain(dict(declared))
        script = inputs.get(which)
        if not script:
            return Result("", "")
        environment: dict[str, str] = {}
        if before and inputs.get("addPreviousOutputInEnv", True):
            environment = {
                f"PULUMI_COMMAND_{key.upper()}": str(plain(before.get(key) or ""))
                for key in ("stdout", "stderr")
            }
        environment |= inputs.get("environment") or {}
        try:
            running = Running(script, inputs, environment)
        except OSError as error:
            raise Failed(f"running {which} of {request.urn.rsplit('::', 1)[-1]}: {error}") from error
        return self._follow(running, which, inputs, has(dict(declared), Secret), request, context)

    def _follow(
        self,
        running: Running,
        which: str,
        inputs: Mapping[str, Any],
        secret: bool,
        request: Any,
        context: grpc.ServicerContext,
    ) -> Result:
        peer = context.peer()
        with self._lock:
            self._running[running] = peer
        # An engine that was killed can't cancel; its connection breaks, and that ends the request.
        context.add_callback(lambda: running.cancel("the engine went away"))
        logged = inputs.get("logging", "stdoutAndStderr").lower()
        address = self._engines.get(peer)
        engine = Engine(address) if address and not secret else None

        def line(stream: str, text: str) -> None:
            if engine and stream in logged and text:
                engine.say(request.urn, text)

        try:
            return running.wait(line, request.timeout or None)
        except Failed as error:
            raise Failed(f"running {which} of {request.urn.rsplit('::', 1)[-1]}: {error}") from error
        finally:
            with self._lock:
                self._running.pop(running, None)
            if engine:
                engine.close()


def _expected(declared: Mapping[str, Any]) -> dict[str, Any]:
    return {**declared, "stdout": UNKNOWN, "stderr": UNKNOWN}


def _outputs(declared: Mapping[str, Any], result: Result) -> dict[str, Any]:
    """What it printed is as secret as what it was given."""
    printed: dict[str, Any] = {"stdout": result.stdout, "stderr": result.stderr}
    if has(dict(declared), Secret):
        printed = {key: Secret(text) for key, text in printed.items()}
    return keep_secret({**declared, **printed}, declared)
