"""Designers at work while everything breaks that can: nothing that was accepted may be lost, or be made twice."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest
from botocore.exceptions import ClientError
from studio import Studio, call, studio, until

from tools.api_client import Api, ApiFailed
from tools.first_pictures import draw_room

USERS = 20
EACH = 10
SMALL = {"width": 256, "height": 256, "steps": 4}
SUBMIT_LIMIT_S = 420.0
DONE_LIMIT_S = 600.0
T = TypeVar("T")
FINAL = ("succeeded", "failed", "cancelled")


@dataclass
class Accepted:
    """What the API took: id by Idempotency-Key. Written by many threads."""

    ids: dict[str, str] = field(default_factory=dict[str, str])
    cancelled: set[str] = field(default_factory=set[str])


@pytest.fixture(scope="module")
def running(cli: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Studio]:
    with studio(cli, tmp_path_factory.mktemp("faults")) as made:
        yield made


@pytest.mark.timeout(1800)
def test_nothing_that_was_accepted_is_lost_or_made_twice(running: Studio) -> None:
    accepted, stop = Accepted(), threading.Event()
    designers = [running.designer(f"designer{n}") for n in range(USERS)]
    trouble = threading.Thread(target=_trouble, args=(running, accepted, stop))
    trouble.start()
    with ThreadPoolExecutor(USERS) as pool:
        list(pool.map(_work, range(USERS), designers, [accepted] * USERS))
    assert len(accepted.ids) == USERS * EACH, "each wish was accepted in the end"
    trouble.join()

    def unfinished() -> list[str]:
        states = {one["id"]: one["state"] for one in running.records() if "kind" in one}
        missing = [id for id in accepted.ids.values() if id not in states]
        assert not missing, f"accepted, and not in the table: {missing}"
        return [id for id in accepted.ids.values() if states[id] not in FINAL]

    until("all generations are final", lambda: not unfinished(), DONE_LIMIT_S, 2)
    _check_records(running, accepted)
    _check_pictures(running)
    queues = [*running.outputs["queueUrls"].values()]
    # A message that a killed worker had taken comes back when its time is over, and finds its record final.
    until("the queues are empty", lambda: not any(running.waiting(url) for url in queues), 120, 2)


def _work(number: int, api: Api, accepted: Accepted) -> None:
    """A designer's wishes, each tried with its own key until it is taken; every tenth thought better of."""
    sketch = _patiently(lambda: api.upload(draw_room())) if number % 2 else None
    for n in range(EACH):
        key = f"{number}-{n}"
        wish: dict[str, Any] = {"prompt": f"room {key}", "seed": number * 100 + n, **SMALL}
        if sketch and n % 2:
            wish["sketchId"] = sketch
        accepted.ids[key] = _patiently(lambda wish=wish, key=key: api.generate(wish, key))
        if n == 5:
            _patiently(lambda key=key: _cancel(api, accepted, accepted.ids[key]))


def _cancel(api: Api, accepted: Accepted, generation: str) -> bool:
    try:
        api.cancel(generation)
    except ApiFailed as error:
        if error.status != 409:
            raise
        return True  # it was quicker
    accepted.cancelled.add(generation)
    return True


def _patiently(ask: Callable[[], T]) -> T:
    """Ask as a page would: again after a refusal that is no fault of the request, or no answer at all."""
    deadline = time.monotonic() + SUBMIT_LIMIT_S
    while True:
        try:
            return ask()
        except ApiFailed as error:
            assert error.status == 429 or error.status >= 500, f"refused for good: {error}"
            assert time.monotonic() < deadline, f"still refused: {error}"
            time.sleep(min(error.retry_after or 0.5, 2))
        except OSError as error:
            assert time.monotonic() < deadline, f"no answer: {error}"
            time.sleep(0.3)


def _trouble(running: Studio, accepted: Accepted, stop: threading.Event) -> None:
    """One thing after another breaks."""
    chance = random.Random(4)
    text, faults = running.comfyui("text"), f"{running.stack.endpoint}/_sandbox/faults"
    ml_server = running.outputs["mlServerInstanceId"]

    def aws(**fault: Any) -> None:
        call("POST", faults, [fault])

    def twice() -> None:
        for generation in chance.sample(sorted(accepted.ids.values()), 10):
            for url in running.outputs["queueUrls"].values():
                running.stack.client("sqs").send_message(QueueUrl=url, MessageBody=f'{{"id":"{generation}"}}')

    def comfy(fault: dict[str, Any]) -> None:
        call("POST", f"{text}/_emulator/faults", fault)

    steps: list[tuple[str, Callable[[], Any]]] = [
        ("ComfyUI is killed", lambda: running.kill("/8188/")),
        ("the worker is killed", lambda: running.kill("worker.js")),
        ("the socket is cut", lambda: comfy({"drop_socket": {"count": 3}})),
        ("S3 fails", lambda: aws(service="s3", kind="error", share=0.4, seconds=6)),
        ("DynamoDB throttles", lambda: aws(service="dynamodb", kind="throttle", share=0.3, seconds=6)),
        ("DynamoDB fails", lambda: aws(service="dynamodb", kind="error", share=0.3, seconds=4)),
        ("SQS fails", lambda: aws(service="sqs", kind="error", share=0.4, seconds=5)),
        ("messages come twice", twice),
        ("the backend is killed", lambda: running.kill("index.js")),
        ("ComfyUI crashes in a run", lambda: comfy({"crash": {"count": 1}})),
        ("ComfyUI forgets", lambda: comfy({"forget_history": {"count": 2}})),
        ("the GPU is stopped", lambda: running.stack.client("ec2").stop_instances(InstanceIds=[ml_server])),
        ("the other ComfyUI is killed", lambda: running.kill("/8189/")),
        ("the worker is killed again", lambda: running.kill("worker.js")),
    ]
    until("some are accepted", lambda: len(accepted.ids) > 20, 120)
    for what, step in steps:
        print(f"fault: {what}", flush=True)
        until(what, lambda step=step: _tried(step), 60)
        if stop.wait(4):
            return


def _tried(step: Callable[[], Any]) -> bool:
    """A fault needs somebody to hit: what was killed or made to fail before may not be back yet."""
    try:
        return step() != 0
    except (OSError, ClientError):
        return False


def _check_records(running: Studio, accepted: Accepted) -> None:
    records = {one["id"]: one for one in running.records()}
    for generation in accepted.ids.values():
        one = records[generation]
        assert "queue" not in one, f"{generation} is {one['state']} and still counts as waiting"
        if one["state"] == "failed":
            assert one["error"]["code"] and one["error"]["message"], f"{generation} failed without a reason"
        if one["state"] == "succeeded":
            assert len(one["images"]) == one["request"]["count"], f"{generation} has not one result"
    for generation in accepted.cancelled:
        assert records[generation]["state"] == "cancelled", "what was cancelled stays so"
    counted = {key: one.get("unfinished") for key, one in records.items() if key.startswith("owner#")}
    assert not any(counted.values()), f"final ones still count against their owners: {counted}"
    states = [records[one]["state"] for one in accepted.ids.values()]
    told = {state: states.count(state) for state in FINAL}
    print(
        "outcome:", told, {one["error"]["code"] for one in records.values() if one.get("state") == "failed"}
    )
    assert told["succeeded"] > 0.8 * len(states), f"most must come through all of this: {told}"


def _check_pictures(running: Studio) -> None:
    expected = {
        key
        for one in running.records()
        if one.get("state") == "succeeded"
        for image in one["images"]
        for key in (image["key"], image["thumbnailKey"])
    }
    there = {key for key in running.objects() if not key.startswith("outputs/sketches/")}
    assert there == expected, "a picture for each record that says so, and a record for each picture"
