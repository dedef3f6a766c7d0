"""`ops jobs list` tells what waits, runs and failed, and never a prompt; `show` tells all."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ops import cli, dead_letters
from tests.unit.job_ground import OWNER, PROMPT, TABLE, Ground, make_ground
from tests.unit.ops_cloud import STACK, cloud_for_ops

DAY = 24


@pytest.fixture
def ground(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    monkeypatch.setattr(dead_letters, "WAIT_SECONDS", 0)  # moto is one server, and waits in vain for more
    with cloud_for_ops(monkeypatch) as cloud:
        yield make_ground(cloud)


def run(*arguments: str) -> int:
    return cli.main(["--stack", STACK, "jobs", *arguments])


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    assert run("list", *arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def ids(answer: dict[str, Any]) -> list[str]:
    return [one["id"] for one in answer["jobs"]]


def test_unfinished_come_by_kind_oldest_first_then_the_failed_newest_first(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    young, old = ground.put("queued", hours=1), ground.put("running", hours=2)
    sketch = ground.put("queued", kind="sketch", hours=9)
    failed = [ground.failed(hours=hours) for hours in (1, 3, 2)]
    for state in ("succeeded", "cancelled"):
        ground.put(state)
    assert ids(listed(capsys)) == [old, young, sketch, failed[0], failed[2], failed[1]]


def test_a_job_is_told_with_age_attempts_worker_and_reason(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    running = ground.put("running", hours=3, attempts=2, workerName="worker-1")
    failed = ground.failed("The style is broken.", kind="sketch", hours=2 * DAY)
    lone = ground.put("failed", error={"code": "gpu", "message": "No GPU."}, hours=DAY)
    told = {one["id"]: one for one in listed(capsys)["jobs"]}
    assert told[running]["attempts"] == 2 and told[running]["worker"] == "worker-1"
    assert told[running]["owner"] == OWNER and told[running]["deadLetter"] is False
    assert told[failed]["error"] == {"code": "comfyui", "message": "The style is broken."}
    assert (told[failed]["deadLetter"], told[lone]["deadLetter"]) == (True, False)
    assert run("list") == 0
    shown = capsys.readouterr().out
    assert max(len(line) for line in shown.splitlines()) <= 80
    assert f"{running} running 3 h 2" in " ".join(shown.split())
    assert "text: 1 job" in shown and "sketch: none" in shown
    assert "failed in the last 7 days: 2 jobs" in shown
    assert f"{failed} sketch 2 d failed: The style is broken." in " ".join(shown.split())


def test_a_quiet_stack_says_so(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0
    assert capsys.readouterr().out == "text: none\nsketch: none\nfailed in the last 7 days: none\n"


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ((), {"queued", "running", "failed"}),
        (("--days", "30"), {"queued", "running", "failed", "failed long ago"}),
        (("--all",), {"queued", "running", "failed", "failed long ago", "succeeded", "cancelled", "sketch"}),
        (("--state", "queued"), {"queued"}),
        (("--state", "failed"), {"failed"}),
        (("--state", "failed", "--all"), {"failed", "failed long ago"}),
        (("--state", "succeeded"), {"succeeded", "sketch"}),
        (("--kind", "sketch", "--all"), {"sketch"}),
        (("--kind", "sketch"), set[str]()),
    ],
)
def test_the_options_choose(
    ground: Ground, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], shown: set[str]
) -> None:
    made = {state: ground.put(state) for state in ("queued", "running", "failed", "succeeded", "cancelled")}
    made["failed long ago"] = ground.put("failed", hours=20 * DAY)
    made["sketch"] = ground.put("succeeded", kind="sketch")
    assert set(ids(listed(capsys, *arguments))) == {made[name] for name in shown}


def test_other_records_of_the_table_are_no_jobs(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    ground.write(
        {"id": "gpu#text", "state": "failed", "kind": "text", "createdAt": "2999-01-01T00:00:00.000Z"}
    )
    ground.write({"id": "sketch#1", "owner": OWNER, "createdAt": "2999-01-01T00:00:00.000Z", "key": "x"})
    assert ids(listed(capsys, "--all")) == []


def test_dead_letters_that_do_not_fit_are_named_with_what_to_do(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    ground.failed()
    waits, ended = ground.put("queued"), ground.put("succeeded")
    for id in (waits, ended):
        ground.bury(id)
    gone = "0f8fad5b-d9cb-469f-a165-70867728950e"
    ground.bury(gone, kind="text", reason="lost")
    ground.send_dead("no JSON")
    told = {one["id"]: one for one in listed(capsys)["strayDeadLetters"]}
    assert {id: one["state"] for id, one in told.items()} == {
        waits: "queued",
        ended: "succeeded",
        gone: None,
        None: None,
    }
    assert "retry" in told[waits]["advice"] and "dismiss" in told[ended]["advice"]
    assert told[gone]["reason"] == "lost" and "not a message of ours" in told[None]["advice"]
    assert run("list") == 0
    shown = capsys.readouterr().out
    assert "dead letters whose job has not failed:" in shown
    assert f"{waits}  queued" in shown and "unreadable  no record" in shown


def test_looking_at_dead_letters_takes_none_away(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = {ground.failed() for _ in range(23)}
    for _ in range(2):
        told = listed(capsys)
        assert {one["id"] for one in told["jobs"] if one["deadLetter"]} == wanted
    assert {one["id"] for one in ground.messages("dead")} == wanted


def test_more_dead_letters_than_are_looked_at_are_told(
    ground: Ground, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "MOST", 10)
    for _ in range(12):
        ground.failed()
    assert listed(capsys)["deadLettersCut"] is True


def test_a_large_table_is_read_to_its_end(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    """DynamoDB ends a page at one MiB."""
    wanted = {ground.put("failed", recipe={"graph": "x" * 300_000}) for _ in range(8)}
    wanted |= {ground.put("queued", recipe={"graph": "x" * 300_000}) for _ in range(8)}
    assert set(ids(listed(capsys))) == wanted


def test_nothing_but_show_tells_a_prompt(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    made = [ground.put("queued"), ground.failed(), ground.put("succeeded")]
    for arguments in (
        ("list", "--all"),
        ("list", "--all", "--json"),
        ("fail", made[0], "--reason", "x"),
        ("retry", *made),
        ("retry", made[1], "--json"),
        ("dismiss", *made),
    ):
        run(*arguments)
        told = capsys.readouterr()
        assert PROMPT not in told.out + told.err, arguments
    assert run("show", made[0]) == 0
    assert PROMPT in capsys.readouterr().out


def test_show_tells_the_whole_record(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    id = ground.failed(images=[{"n": 0, "width": 512}], recipe='{"seed": 7}')
    assert run("show", id.upper(), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["recipe"] == {"seed": 7} and told["images"] == [{"n": 0, "width": 512}]
    assert (told["id"], told["version"], told["deadLetters"]) == (id, 4, 1)
    assert [one["id"] for one in ground.messages("dead")] == [id]


@pytest.mark.parametrize("days", ["0", "-1", "x", "3651"])
def test_days_that_are_none_are_refused(
    ground: Ground, capsys: pytest.CaptureFixture[str], days: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        run("list", "--days", days)
    assert caught.value.code == 2
    assert "is no number of days" in capsys.readouterr().err


def test_a_table_that_is_gone_is_told(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    ground.cloud.client("dynamodb").delete_table(TableName=TABLE)
    assert run("list") == 2
    assert "ResourceNotFoundException" in capsys.readouterr().err
