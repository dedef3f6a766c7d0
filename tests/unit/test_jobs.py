"""Queues lose no job, the table is the truth, and both are closed to plain HTTP."""

import json
from typing import Any

import pytest

import contract
from components.jobs import Jobs, JobsArgs
from setting_models import JobsSettings
from tests.unit.engine import Recording, deploy

QUEUE = "aws:sqs/queue:Queue"
DAY = 86_400


def jobs(protect: bool = False, **settings: Any) -> Recording[Jobs]:
    args = JobsArgs(settings=JobsSettings(**settings), protect_data=protect)
    return deploy(lambda: Jobs("jobs", args))


def test_each_kind_has_its_queue_and_one_takes_the_dead() -> None:
    assert {one.name for one in jobs().of(QUEUE)} == {"jobs-text", "jobs-sketch", "jobs-dead"}


@pytest.mark.parametrize("kind", ["text", "sketch"])
def test_a_job_is_unseen_tried_and_kept_as_set(kind: str) -> None:
    recording = jobs(visibility_timeout_seconds=90, max_attempts=5, retention_days=2)
    queue = recording.named(f"jobs-{kind}", QUEUE).inputs
    assert queue["visibilityTimeoutSeconds"] == 90
    assert queue["messageRetentionSeconds"] == 2 * DAY
    assert json.loads(queue["redrivePolicy"]) == {
        "deadLetterTargetArn": recording.named("jobs-dead").outputs["arn"],
        "maxReceiveCount": 20,
    }, "a message received is no attempt: SQS would take a job that has attempts left"
    assert queue["receiveWaitTimeSeconds"] == 20, "idle workers would be billed for empty answers"


def test_dead_letters_wait_the_longest_and_come_from_the_stack_s_queues_alone() -> None:
    recording = jobs()
    dead = recording.named("jobs-dead")
    assert dead.inputs["messageRetentionSeconds"] == 14 * DAY, "SQS counts from the first sending"
    assert "redrivePolicy" not in dead.inputs
    allowed = recording.only("aws:sqs/redriveAllowPolicy:RedriveAllowPolicy").inputs
    assert json.loads(allowed["redriveAllowPolicy"]) == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [
            recording.named(f"jobs-{kind}", QUEUE).outputs["arn"] for kind in ("text", "sketch")
        ],
    }
    assert allowed["queueUrl"] == dead.outputs["url"]


def test_every_queue_is_encrypted_and_tls_only() -> None:
    recording = jobs()
    assert {one["sqsManagedSseEnabled"] for one in recording.inputs_of(QUEUE)} == {True}
    policies = {
        one["queueUrl"]: json.loads(one["policy"])["Statement"]
        for one in recording.inputs_of("aws:sqs/queuePolicy:QueuePolicy")
    }
    for queue in recording.of(QUEUE):
        [statement] = policies[queue.outputs["url"]]
        assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "sqs:*")
        assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        assert statement["Resource"] == queue.outputs["arn"]


def test_the_table_finds_a_generation_by_id_a_designer_s_own_and_what_waits_by_time() -> None:
    table = jobs().only("aws:dynamodb/table:Table").inputs
    assert (table["hashKey"], table["billingMode"]) == ("id", "PAY_PER_REQUEST")
    indexes = table["globalSecondaryIndexes"]
    assert [(one["name"], one["hashKey"], one["rangeKey"]) for one in indexes] == [
        ("byOwner", "owner", "createdAt"),
        ("byQueue", "queue", "createdAt"),
    ]
    assert indexes[0]["projectionType"] == "ALL"
    assert (indexes[1]["projectionType"], indexes[1]["nonKeyAttributes"]) == (
        "INCLUDE",
        [*contract.GENERATIONS_QUEUE_INDEX_ATTRIBUTES],
    )
    assert not {"recipe", "request"} & {*indexes[1]["nonKeyAttributes"]}, (
        "written anew at each change of state"
    )
    assert {one["name"]: one["type"] for one in table["attributes"]} == {
        "id": "S",
        "owner": "S",
        "queue": "S",
        "createdAt": "S",
    }, "DynamoDB refuses attributes that no key uses, and keys without attribute"
    assert table["ttl"] == {"attributeName": "expiresAt", "enabled": True}


@pytest.mark.parametrize("on", [True, False])
def test_the_table_is_restorable_as_set(on: bool) -> None:
    assert jobs(point_in_time_recovery=on).only("aws:dynamodb/table:Table").inputs["pointInTimeRecovery"] == {
        "enabled": on
    }


@pytest.mark.parametrize("protected", [True, False])
def test_a_protected_table_refuses_deletion_three_times(protected: bool) -> None:
    table = jobs(protect=protected).only("aws:dynamodb/table:Table")
    assert (table.protect, table.retain_on_delete) == (protected, protected)
    assert table.inputs["deletionProtectionEnabled"] is protected, "the console could still delete it"


def test_the_outputs_name_the_queues_and_the_table() -> None:
    recording = jobs()
    outputs, table = recording.registered["jobs"], recording.only("aws:dynamodb/table:Table").outputs
    for kind in ("text", "sketch"):
        queue = recording.named(f"jobs-{kind}", QUEUE).outputs
        for plural, key in (("queue_urls", "url"), ("queue_arns", "arn"), ("queue_names", "name")):
            assert outputs[plural][kind] == queue[key]
    dead = recording.named("jobs-dead").outputs
    assert outputs["dead_letter_queue_url"] == dead["url"]
    assert outputs["dead_letter_queue_arn"] == dead["arn"]
    assert outputs["dead_letter_queue_name"] == dead["name"]
    assert (outputs["table_name"], outputs["table_arn"]) == (table["name"], table["arn"])
