"""An account for the tests of `ops doctor`: the sandbox's emulator, which counts what is asked, refuses by action, and
answers what a test puts in its mouth."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs
from urllib.request import Request, urlopen

import botocore.loaders
import pytest
import yaml
from werkzeug.serving import make_server

import settings as configuration
from ops.doctor_finding import Finding, Ground
from ops.stack import ROOT, connect
from sandbox import emulator
from sandbox.calls import body_of, read_call
from sandbox.training_jobs import TrainingJobs
from settings import Settings
from tests.unit.ops_cloud import MAKE_LOADER, REGION, Cloud, environment

Asked = tuple[str, str]
"""Service, as it signs, and action; of S3's, CloudFront's and Route 53's the method where it tells no more."""
Canned = tuple[int, str, str]
"""Status, type and body of an answer."""
XML, JSON = "text/xml", "application/x-amz-json-1.1"
_LOADER = cache(MAKE_LOADER)


@dataclass(kw_only=True)
class Account(Cloud):
    """All calls that were made; those refused, and those answered otherwise."""

    calls: list[Asked] = field(default_factory=list[Asked])
    denied: set[Asked] = field(default_factory=set[Asked])
    answers: dict[Asked, Canned] = field(default_factory=dict[Asked, Canned])
    emulated: emulator.Emulator = field(default_factory=lambda: _emulated())

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        asked = _asked(environ)
        if asked != ("", environ["REQUEST_METHOD"]):
            self.calls.append(asked)
        canned = refusal(asked, environ) if asked in self.denied else self.answers.get(asked)
        if canned is None:
            return self.emulated(environ, start_response)
        body_of(environ)
        status, kind, body = canned
        data = b"" if environ["REQUEST_METHOD"] == "HEAD" else body.encode()
        headers = [("Content-Type", kind), ("Content-Length", str(len(data)))]
        start_response(f"{status} Canned", headers)
        return [data]

    def ground(self, **changes: Any) -> Ground:
        """Stack dev on this account; changes are of its stack file, by group."""
        made = connect("dev", REGION, {"AWS_ENDPOINT_URL": self.endpoint})
        self.calls.clear()
        return Ground(stack=made, settings=dev(**changes))

    def quota(self, **values: float) -> None:
        """vCPUs: L_DB2E81BA=4."""
        self.emulated.account.quotas.update({name.replace("_", "-"): one for name, one in values.items()})

    def sagemaker_quota(self, name: str, value: float) -> None:
        assert self.emulated.training
        self.emulated.training.quotas[name] = value


def _emulated() -> emulator.Emulator:
    training = TrainingJobs(emulator.ACCOUNT, REGION, lambda job: None)
    return emulator.Emulator("test", list, lambda call: None, training)


def _asked(environ: dict[str, Any]) -> Asked:
    call = read_call(environ)
    if call.action == "POST" and environ.get("CONTENT_TYPE", "").startswith("application/x-www-form"):
        form = parse_qs(body_of(environ).decode())
        return call.service, form.get("Action", ["POST"])[0]
    return call.service, call.action


def refusal(asked: Asked, environ: dict[str, Any]) -> Canned:
    """As each protocol words it."""
    service, action = asked
    words = f"User: arn:aws:iam::123456789012:user/ann is not authorized to perform: {service}:{action}"
    if service == "ec2":
        code = "<Code>UnauthorizedOperation</Code>"
        return (
            403,
            XML,
            f"<Response><Errors><Error>{code}<Message>{words}</Message></Error></Errors></Response>",
        )
    error = f"<Error><Code>AccessDenied</Code><Message>{words}</Message></Error>"
    if service == "s3":
        return 403, XML, error
    if "HTTP_X_AMZ_TARGET" in environ or service == "amplify":
        return 400, JSON, json.dumps({"__type": "AccessDeniedException", "message": words})
    return 403, XML, f"<ErrorResponse>{error}</ErrorResponse>"


@contextmanager
def account(monkeypatch: pytest.MonkeyPatch) -> Generator[Account]:
    """An empty account that `ops` in this process finds."""
    # Every connection reads the services' descriptions anew; here one reading is enough for all.
    monkeypatch.setattr(botocore.loaders, "create_loader", lambda search_path=None: _LOADER(search_path))  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]  # botocore has no types
    made = Account()
    server = make_server("127.0.0.1", 0, made, threaded=True)
    made.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        with urlopen(Request(f"{made.endpoint}/moto-api/reset", method="POST")) as answer:
            answer.read()
        for name, value in environment(made).items():
            monkeypatch.setenv(name, value)
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def dev(**changes: Any) -> Settings:
    """Settings of Pulumi.dev.yaml with changes by group; `aws` for Pulumi's own keys, `githubToken` for a token."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]
    secret = {"sd-app:githubToken"} if changes.pop("githubToken", None) else set[str]()
    config.update({f"aws:{key}": value for key, value in changes.pop("aws", {}).items()})
    for section, values in changes.items():
        config[f"sd-app:{section}"] = {**config.get(f"sd-app:{section}", {}), **values}
    raw = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    return configuration.parse("dev", {**raw, **dict.fromkeys(secret, "x")}, secret)


def told(findings: Iterable[Finding]) -> dict[str, Finding]:
    """By check; the last of a name."""
    return {one.check: one for one in findings}
