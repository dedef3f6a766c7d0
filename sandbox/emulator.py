"""moto as a server on this machine, with a few words of our own added: which emulator it is, what is left in it,
and faults on demand. Whoever asks is told of each call that was answered."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from moto.s3.models import FakeDeleteMarker
from werkzeug.serving import make_server

from sandbox import light_tables
from sandbox.account import Account
from sandbox.calls import Call, Environ, body_of, read_call
from sandbox.faults import Answer, Faults
from sandbox.long_poll import LongPoll
from sandbox.run_command import RunCommand
from sandbox.training_jobs import TrainingJobs

WHO = "/_sandbox"
"""Path that answers with the emulator's identity."""

LEFT = "/_sandbox/leftovers"
"""Path that lists the resources which are still there."""

FAULTS = "/_sandbox/faults"
"""Path at which faults are set (POST), shown (GET) and ended (DELETE)."""

COMMANDS = "/_sandbox/commands"
"""Path at which an instance's agent takes its commands (GET) and says how they ended (POST): run_command.py."""
RUN_COMMAND = ("SendCommand", "GetCommandInvocation")

TRAINING = "/_sandbox/training"
"""Path at which a test takes a job's spot machine away, or sets quotas (POST): training_jobs.py."""

ACCOUNT = DEFAULT_ACCOUNT_ID
"""The emulated AWS account."""

Start = Callable[..., Any]
Seen = Callable[[Call], None]
"""Told of a call that may have changed something, once it is answered, and went well."""


@dataclass
class Emulator:
    """The WSGI program: moto, our own paths before it, faults in between."""

    identity: str
    leftovers: Callable[[], list[str]]
    seen: Seen
    training: TrainingJobs | None = None
    faults: Faults = field(default_factory=Faults)
    commands: RunCommand = field(default_factory=RunCommand)
    account: Account = field(default_factory=Account)
    _moto: Any = field(default_factory=lambda: DomainDispatcherApplication(create_backend_app))
    # DynamoDB's writes are atomic, and its conditions hold between two callers; moto's threads know no such thing.
    _dynamodb: threading.Lock = field(default_factory=threading.Lock)
    # So do S3's (docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html).
    _conditional: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        light_tables.install()
        _mend_delete_markers()
        self._sqs = LongPoll(self._moto)

    def __call__(self, environ: Environ, start_response: Start) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path.startswith(WHO):
            return self._own(path, environ, start_response)
        call = read_call(environ)
        struck = self.faults.strike(call.service, call.action)
        if struck:
            return _answer(struck, environ, start_response)
        if call.service == "dynamodb":
            with self._dynamodb:
                return self._moto(environ, start_response)
        if (call.service, call.action) == ("sqs", "ReceiveMessage"):
            return self._sqs.receive(environ, start_response)
        if call.service == "ssm" and call.action in RUN_COMMAND:
            return _answer_json(self.commands.call(call.action, json.loads(body_of(environ))), start_response)
        if self.training and call.service in TrainingJobs.SERVICES:
            said = self.training.call(call.service, call.action, body_of(environ))
            if said is not None:
                return _answer_json(said, start_response)
        if call.service in Account.SERVICES and "HTTP_X_AMZ_TARGET" in environ:
            scope, asked = environ.get("HTTP_AUTHORIZATION", ""), json.loads(body_of(environ) or b"{}")
            said = self.account.call(call.service, call.action, asked, scope)
            if said is not None:
                return _answer_json(said, start_response)
        told: list[str] = []

        def start(status: str, *rest: Any) -> Any:
            told.append(status)
            return start_response(status, *rest)

        with self._conditional if _is_conditional_write(environ) else nullcontext():
            answer = self._moto(environ, start)
        if call.service == "sqs":
            self._sqs.changed()
        if call.writes and told and told[0].startswith("2"):
            self.seen(call)
        return answer

    def _own(self, path: str, environ: Environ, start_response: Start) -> Iterable[bytes]:
        status, said = "200 OK", None
        match path, environ["REQUEST_METHOD"]:
            case "/_sandbox", _:
                said = {"emulator": self.identity}
            case "/_sandbox/leftovers", _:
                said = self.leftovers()
            case "/_sandbox/faults", method:
                status, said = self._change_faults(method, environ)
            case emulated, "GET" if emulated == COMMANDS:
                said = self.commands.take(environ.get("QUERY_STRING", "").partition("instance=")[2])
            case emulated, "POST" if emulated == COMMANDS:
                known = self.commands.ended(json.loads(body_of(environ)))
                status, said = ("200 OK", {}) if known else ("404 Not Found", {"error": "no such command"})
            case "/_sandbox/training", "POST" if self.training:
                known = self.training.told(json.loads(body_of(environ)))
                status, said = (
                    ("200 OK", {}) if known else ("404 Not Found", {"error": "no such job on spot"})
                )
            case _:
                status, said = "404 Not Found", {"error": f"there is no {path}"}
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(said).encode()]

    def _change_faults(self, method: str, environ: Environ) -> tuple[str, Any]:
        try:
            if method == "POST":
                self.faults.set(json.loads(body_of(environ)))
            elif method == "DELETE":
                self.faults.clear()
        except ValueError as error:  # WrongFault, and what is no JSON
            return "400 Bad Request", {"error": str(error)}
        return "200 OK", {"set": self.faults.shown(), "happened": self.faults.happened}


def _is_conditional_write(environ: Environ) -> bool:
    """A PUT that asks for a condition to hold, as S3 knows them."""
    return environ["REQUEST_METHOD"] == "PUT" and (
        "HTTP_IF_MATCH" in environ or "HTTP_IF_NONE_MATCH" in environ
    )


def _unseen(call: Call) -> None:
    """Nobody wants to know."""


def _mend_delete_markers() -> None:
    """moto asks every version of a key to let go of its bytes. A delete marker doesn't know how: a bucket with one, and its
    versioning gone, could not be emptied, and `make down` failed."""
    marker: Any = FakeDeleteMarker
    marker.dispose = lambda self: None  # pyright: ignore[reportUnknownLambdaType]  # moto has no types


def serve(
    identity: str,
    port: int,
    leftovers: Callable[[], list[str]],
    seen: Seen = _unseen,
    training: TrainingJobs | None = None,
) -> str:
    """Start moto on 127.0.0.1 in a thread, on this port or, if it's taken or 0, on a free one; its endpoint's URL."""
    logging.getLogger("werkzeug").setLevel(
        logging.WARNING
    )  # a line a request is too much for a log kept for long
    app = Emulator(identity, leftovers, seen, training)
    server = make_server(
        "127.0.0.1", port if _free(port) else 0, app, threaded=True, request_handler=MotoRequestHandler
    )
    threading.Thread(target=server.serve_forever, name="moto", daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def _answer_json(said: dict[str, Any] | tuple[str, str], start_response: Start) -> Iterable[bytes]:
    """As the services with JSON bodies answer: the answer, or the code of an error and its words."""
    status = "200 OK"
    if isinstance(said, tuple):
        status, said = "400 Bad Request", {"__type": said[0], "message": said[1]}
    start_response(status, [("Content-Type", "application/x-amz-json-1.1")])
    return [json.dumps(said).encode()]


def _answer(struck: Answer, environ: Environ, start_response: Start) -> Iterable[bytes]:
    body_of(environ)  # unread, it would reset the connection before the answer is read
    start_response(f"{struck.status} Emulated", [*struck.headers, ("Content-Length", str(len(struck.body)))])
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else struck.body]


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
