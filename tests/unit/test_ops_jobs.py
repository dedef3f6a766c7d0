"""`ops jobs retry`, `fail` and `dismiss` change record, owner's count and queues together, or nothing."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from ops import cli, dead_letters, job_records
from ops.stack import connect
from tests.unit.job_ground import OWNER, Ground, make_ground
from tests.unit.ops_cloud import STACK, cloud_for_ops

NOBODY = "0f8fad5b-d9cb-469f-a165-70867728950e"


@pytest.fixture
def ground(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    monkeypatch.setattr(dead_letters, "WAIT_SECONDS", 0)  # moto is one server, and waits in vain for more
    with cloud_for_ops(monkeypatch) as cloud:
        yield make_ground(cloud)


def run(*arguments: str) -> int:
    return cli.main(["--stack", STACK, "jobs", *arguments])


def test_a_failed_job_is_queued_again_whole(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    id = ground.failed(kind="sketch", startedAt="2026-11-25T11:00:00.000Z", workerName="worker-1")
    before = ground.record(id)
    assert run("retry", id) == 0
    now = ground.record(id)
    assert (now["state"], now["queue"], now["attempts"]) == ("queued", "sketch", 0)
    assert now["version"] == before["version"] + 1
    assert not {"error", "finishedAt"} & set(now), "the designer would still read why it failed"
    assert not {"startedAt", "workerName"} & set(now), "nobody has it yet, as after a failed attempt"
    assert now["enqueuedAt"] == now["updatedAt"] > before["updatedAt"]
    assert now["request"] == before["request"]
    assert ground.unfinished_of_owner() == {id}, "the owner's limit would not count it"
    assert ground.messages("sketch") == [{"id": id}]
    assert ground.messages("dead") == []
    assert f"{id}: queued again, 1 dead letter removed" in capsys.readouterr().out


def test_other_dead_letters_stay_and_are_seen_again_at_once(ground: Ground) -> None:
    ids = [ground.failed() for _ in range(25)]  # SQS gives and takes ten at once
    assert run("retry", *ids[:12]) == 0
    assert {one["id"] for one in ground.messages("text")} == set(ids[:12])
    assert {one["id"] for one in ground.messages("dead")} == set(ids[12:])


def test_a_dead_letter_that_came_twice_goes_twice(ground: Ground) -> None:
    id = ground.failed()
    ground.bury(id)
    assert run("retry", id) == 0
    assert ground.messages("dead") == []


@pytest.mark.parametrize("state", ["succeeded", "cancelled"])
def test_what_ended_otherwise_is_not_tried_again(
    ground: Ground, capsys: pytest.CaptureFixture[str], state: str
) -> None:
    id = ground.put(state)
    assert run("retry", id) == 1
    assert f"{id}: has {state}; only a failed job can be tried again" in capsys.readouterr().err
    assert ground.record(id)["state"] == state
    assert ground.messages("text") == []


def test_one_job_that_is_refused_does_not_keep_the_others(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [ground.failed(), ground.put("succeeded"), ground.failed()]
    assert run("retry", ids[0], NOBODY, *ids[1:]) == 1
    told = capsys.readouterr()
    assert [line.partition(":")[0] for line in told.out.splitlines()] == [ids[0], ids[2]]
    assert [line.partition(":")[0] for line in told.err.splitlines()] == [NOBODY, ids[1]]
    assert {one["id"] for one in ground.messages("text")} == {ids[0], ids[2]}


def test_a_retry_that_broke_off_before_its_message_is_completed_by_another(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    id = ground.failed()
    stack, record = connect(STACK), ground.record(id)
    job_records.requeue(stack, job_records.place_of(stack).table, job_records.job_of(record))
    assert ground.messages("text") == [], "so far nobody knows"
    assert run("retry", id) == 0
    assert ground.messages("text") == [{"id": id}]
    assert ground.messages("dead") == []
    assert ground.record(id)["version"] == record["version"] + 1, "queued once is enough"


def test_a_message_that_can_not_be_sent_leaves_the_dead_letter(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    id = ground.failed()
    ground.cloud.client("sqs").delete_queue(QueueUrl=ground.queues["text"])
    assert run("retry", id) == 1
    assert "is queued, but no worker knows yet" in capsys.readouterr().err
    assert [one["id"] for one in ground.messages("dead")] == [id]


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_job_that_sqs_itself_gave_up_on_gets_its_message_back(ground: Ground, state: str) -> None:
    id = ground.put(state)
    ground.bury(id)
    assert run("retry", id) == 0
    assert ground.messages("text") == [{"id": id}]
    assert ground.messages("dead") == []
    assert (ground.record(id)["state"], ground.record(id)["version"]) == (state, 4), "the record was right"


def test_a_job_that_runs_is_left_alone(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    id = ground.put("running", workerName="worker-1", attempts=2)
    assert run("retry", id) == 1
    assert "is running on worker-1 (attempt 2); nothing was changed" in capsys.readouterr().err
    assert ground.messages("text") == []


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_failed_one_is_off_the_queue_and_off_its_owner_s_count(ground: Ground, state: str) -> None:
    other = ground.put("queued")
    id = ground.put(state, leaseToken="token", leaseUntil="2026-11-25T12:00:00.000Z", workerName="worker-1")
    assert run("fail", id, "--reason", "  The GPU is\n being replaced. ") == 0
    now = ground.record(id)
    assert now["state"] == "failed"
    assert now["error"] == {"code": "failed_by_operator", "message": "The GPU is being replaced."}
    assert now["finishedAt"] == now["updatedAt"]
    assert now["version"] == 5
    assert not {"queue", "leaseToken", "leaseUntil"} & set(now), "a worker would still take it for its own"
    assert ground.unfinished_of_owner() == {other}


@pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
def test_what_has_ended_does_not_fail_any_more(
    ground: Ground, capsys: pytest.CaptureFixture[str], state: str
) -> None:
    id = ground.put(state, error={"code": "x", "message": "The true reason."} if state == "failed" else None)
    before = ground.record(id)
    assert run("fail", id, "--reason", "other") == 1
    told = capsys.readouterr().err
    assert f"{id} is {state} already" in told
    assert ("The true reason." in told) is (state == "failed")
    assert ground.record(id) == before


def test_a_worker_that_was_faster_wins(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    """The record changed after it was looked at."""
    id = ground.put("running")
    stack = connect(STACK)
    job = job_records.job_of(ground.record(id))
    ground.write({**ground.record(id), "state": "succeeded"})
    with pytest.raises(job_records.WrongState) as caught:
        job_records.fail(stack, job_records.place_of(stack).table, job, "late")
    assert caught.value.state == "succeeded"
    assert ground.record(id)["state"] == "succeeded"
    assert id in ground.unfinished_of_owner(), "one half of a transaction was written"


def test_a_conflict_with_another_write_is_tried_again(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = ground.put("queued")
    stack = connect(STACK)
    client, left = stack.client("dynamodb"), [2]

    def conflict(**_: Any) -> Any:
        if not left[0]:
            return None
        left[0] -= 1
        reasons = [{"Code": "None"}, {"Code": "TransactionConflict"}]
        parsed = {
            "Error": {"Code": "TransactionCanceledException", "Message": "x"},
            "CancellationReasons": reasons,
        }
        return type("Answer", (), {"status_code": 400})(), parsed

    client.meta.events.register("before-call.dynamodb.TransactWriteItems", conflict)
    job_records.fail(stack, job_records.place_of(stack).table, job_records.job_of(ground.record(id)), "x")
    assert (left, ground.record(id)["state"]) == ([0], "failed")
    left[0] = 100
    monkeypatch.setattr("time.sleep", _at_once)
    with pytest.raises(Exception, match="being written all the time"):
        job_records.requeue(stack, job_records.place_of(stack).table, job_records.job_of(ground.record(id)))


def _at_once(seconds: float) -> None:
    """A sleep of no length."""


@pytest.mark.parametrize("reason", ["", " \n ", "x" * 501])
def test_a_reason_that_says_nothing_or_too_much_is_refused(
    ground: Ground, capsys: pytest.CaptureFixture[str], reason: str
) -> None:
    id = ground.put("queued")
    assert run("fail", id, "--reason", reason) == 2
    assert "allowed: 1 to 500 characters" in capsys.readouterr().err
    assert ground.record(id)["state"] == "queued"


@pytest.mark.parametrize("action", ["show", "retry", "dismiss", "fail"])
@pytest.mark.parametrize("id", [f"owner#{OWNER}", "sketch#" + NOBODY, "1", "", f"{NOBODY}x"])
def test_other_records_of_the_table_are_out_of_reach(
    ground: Ground, capsys: pytest.CaptureFixture[str], action: str, id: str
) -> None:
    more = ("--reason", "x") if action == "fail" else ()
    assert run(action, id, *more) == 2
    assert "is no job's id" in capsys.readouterr().err


@pytest.mark.parametrize("action", ["show", "retry", "fail"])
def test_an_unknown_job_is_told(ground: Ground, capsys: pytest.CaptureFixture[str], action: str) -> None:
    more = ("--reason", "x") if action == "fail" else ()
    assert run(action, NOBODY, *more) == 1
    assert "no such job" in (told := capsys.readouterr().err) or f"no job {NOBODY}" in told
    assert ground.record(NOBODY) == {}, "a record was made of nothing"


def test_a_dead_letter_is_dismissed_and_the_record_stays(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, id, gone = ground.failed(), ground.failed(), str(uuid.uuid4())
    ground.bury(gone)
    before = ground.record(id)
    assert run("dismiss", id, gone, kept, "--json") == 0
    assert [one["done"] for one in json.loads(capsys.readouterr().out)] == ["1 dead letter removed"] * 3
    assert ground.record(id) == before
    assert ground.messages("dead") == ground.messages("text") == []
    assert run("dismiss", id) == 0, "twice does no harm"
    assert "has no dead letter" in capsys.readouterr().out


def test_a_job_that_waits_keeps_its_dead_letter(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    id = ground.put("queued")
    ground.bury(id)
    assert run("dismiss", id) == 1
    assert "would wait for ever" in capsys.readouterr().err
    assert [one["id"] for one in ground.messages("dead")] == [id]


def test_a_refusal_is_told_to_a_program_too(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    id = ground.put("cancelled")
    assert run("retry", id, "--json") == 1
    [told] = json.loads(capsys.readouterr().out)
    assert (told["id"], told["done"]) == (id, None) and "has cancelled" in told["fault"]


def test_a_stack_without_queues_says_what_to_do(ground: Ground, capsys: pytest.CaptureFixture[str]) -> None:
    ground.cloud.put_outputs({"stack": STACK})
    assert run("list") == 2
    assert f"run `make up STACK={STACK}` again" in capsys.readouterr().err
