"""The local stack with its machines, as `make up` leaves it, in a folder of the tests' own; and designers who use it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ops.stack import Stack, connect
from sandbox import daemon
from tools import first_pictures
from tools.api_client import Api
from tools.local_stack import LocalStack

ROOT = Path(__file__).parents[2]
PASSWORD = "Tests-draw-rooms-2"


@dataclass
class Studio:
    """A running local stack: its folder, its emulated account, its outputs, and what `make up` would have told."""

    folder: Path
    stack: Stack
    outputs: dict[str, Any]
    made: first_pictures.Made

    def designer(self, name: str) -> Api:
        """A signed-in designer of that name."""
        pool, client = self.outputs["userPoolId"], self.stack.client("cognito-idp")
        email = f"{name}@example.com"
        client.admin_create_user(UserPoolId=pool, Username=email, MessageAction="SUPPRESS")
        client.admin_set_user_password(UserPoolId=pool, Username=email, Password=PASSWORD, Permanent=True)
        answer = client.initiate_auth(
            AuthFlow="USER_PASSWORD_AUTH",
            ClientId=self.outputs["userPoolClientId"],
            AuthParameters={"USERNAME": email, "PASSWORD": PASSWORD},
        )
        return Api(self.made.url, answer["AuthenticationResult"]["AccessToken"])

    def records(self) -> list[dict[str, Any]]:
        """All items of the table, as boto3's resource reads them."""
        table = self.stack.session.resource(
            "dynamodb", region_name=self.stack.region, endpoint_url=self.stack.endpoint
        ).Table(self.outputs["generationsTable"])
        answer = table.scan(ConsistentRead=True)
        found = list(answer["Items"])
        while "LastEvaluatedKey" in answer:
            answer = table.scan(ConsistentRead=True, ExclusiveStartKey=answer["LastEvaluatedKey"])
            found.extend(answer["Items"])
        return found

    def objects(self) -> dict[str, int]:
        """Size by key of everything under outputs/."""
        pages = self.stack.client("s3").get_paginator("list_objects_v2")
        listed = pages.paginate(Bucket=self.outputs["bucketName"], Prefix="outputs/")
        return {one["Key"]: one["Size"] for page in listed for one in page.get("Contents", [])}

    def waiting(self, url: str) -> int:
        """Messages in a queue, seen and unseen."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = self.stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return sum(int(text) for text in told["Attributes"].values())

    def kill(self, mark: str) -> int:
        """kill -9 the process of a machine whose command line has `mark`; how many there were."""
        ours = str(self.folder / "machines")
        told = subprocess.run(
            ["ps", "-ww", "-eo", "pid=,command="], capture_output=True, text=True, check=True
        )
        pids = [
            int(line.split(None, 1)[0]) for line in told.stdout.splitlines() if ours in line and mark in line
        ]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        return len(pids)

    def comfyui(self, kind: str) -> str:
        """Address of an emulated ComfyUI."""
        known = json.loads((self.folder / "addresses.json").read_text())
        port = {"text": 8188, "sketch": 8189}[kind]
        return f"http://127.0.0.1:{known[f'local/172.16.0.10:{port}']}"


@contextmanager
def studio(cli: Path, folder: Path) -> Generator[Studio]:
    """Bring one up, as `make up` does, and remove it at the end."""
    local = LocalStack(ROOT, folder, cli)
    try:
        _, engine, sandbox = local.up()
        outputs: dict[str, Any] = json.loads(engine.ask("stack", "output", "--json"))
        stack = connect("local", None, {"AWS_ENDPOINT_URL": sandbox.endpoint})
        yield Studio(folder, stack, outputs, first_pictures.make(stack, folder, outputs))
    finally:
        daemon.stop(folder)


def call(method: str, url: str, body: Any = None) -> Any:
    """JSON to a control address of an emulator, and its answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or "null")


def until(what: str, done: Callable[[], Any], limit_s: float, every_s: float = 0.5) -> Any:
    """Wait until it is so; what `done` said. AssertionError naming `what` when it takes too long."""
    deadline = time.monotonic() + limit_s
    while not (said := done()):
        assert time.monotonic() < deadline, f"{what}: not after {limit_s:.0f} s"
        time.sleep(every_s)
    return said
