"""The engine's events become counts, a line a change, and what was said to be wrong."""

import json
from typing import Any

from tools.engine_events import Report


def step(event: str, op: str, urn: str, kind: str, **more: Any) -> str:
    metadata = {"op": op, "urn": f"urn:pulumi:dev::sd-app::{kind}::{urn}", "type": kind, **more}
    return json.dumps({"sequence": 1, event: {"metadata": metadata}})


def told(severity: str, message: str, urn: str = "") -> str:
    return json.dumps({"diagnosticEvent": {"severity": severity, "message": message, "urn": urn}})


def summary(**changes: int) -> str:
    return json.dumps({"summaryEvent": {"resourceChanges": changes}})


def report_of(*lines: str) -> Report:
    report = Report()
    for line in lines:
        report.take(line)
    return report


BUCKET, INSTANCE = "aws:s3/bucket:Bucket", "aws:ec2/instance:Instance"


def test_counts_say_what_changed_and_what_did_not():
    report = report_of(summary(create=3, replace=1, same=150))
    assert report.summary() == "3 created, 1 replaced, 150 unchanged"
    assert report.changes == 4


def test_a_run_that_changes_nothing_says_0_changes():
    report = report_of(summary(same=153))
    assert (report.summary(), report.changes) == ("0 changes, 153 unchanged", 0)


def test_reading_and_refreshing_are_no_changes():
    assert report_of(summary(same=2, read=1, refresh=3)).changes == 0


def test_a_replacement_is_one_line_with_the_properties_that_force_it():
    report = report_of(
        step("resourcePreEvent", "create-replacement", "backend", INSTANCE, diffs=["ami", "tags"]),
        step(
            "resourcePreEvent",
            "replace",
            "backend",
            INSTANCE,
            keys=["userDataBase64"],
            diffs=["userDataBase64", "tags"],
        ),
        step("resourcePreEvent", "delete-replaced", "backend", INSTANCE),
    )
    assert list(report.shown_steps()) == ["+- ec2/instance backend (userDataBase64)"]


def test_an_update_names_what_differs_and_a_deletion_nothing():
    report = report_of(
        step("resourcePreEvent", "update", "storage", BUCKET, diffs=["tags"]),
        step("resourcePreEvent", "delete", "old", BUCKET, diffs=None),
        step("resourcePreEvent", "same", "kept", BUCKET),
    )
    assert list(report.shown_steps()) == ["- s3/bucket old", "~ s3/bucket storage (tags)"]


def test_of_many_new_resources_only_the_count_a_kind_is_shown_but_every_other_change():
    new = [step("resourcePreEvent", "create", f"bucket-{n}", BUCKET) for n in range(5)]
    report = report_of(*new, step("resourcePreEvent", "update", "storage", BUCKET, diffs=["tags"]))
    assert list(report.shown_steps(most=3)) == ["~ s3/bucket storage (tags)", "+ s3/bucket (5)"]
    assert len(list(report.shown_steps(most=6))) == 6


def test_progress_counts_each_resource_once_and_names_the_last_change_begun():
    report = report_of(
        step("resourcePreEvent", "same", "a", BUCKET),
        step("resourcePreEvent", "create", "b", BUCKET),
        step("resOutputsEvent", "create", "b", BUCKET),
        step("resOutputsEvent", "create", "b", BUCKET),
        step("resOutputsEvent", "same", "a", BUCKET),
    )
    assert len(report.done) == 2
    assert report.now == "s3/bucket b"


def test_errors_name_the_resource_and_the_stack_s_own_stand_alone():
    report = report_of(
        told("error", "BucketAlreadyExists\n", "urn:pulumi:dev::sd-app::aws:s3/bucket:Bucket::storage"),
        told("error", "2 settings are wrong\n", "urn:pulumi:dev::sd-app::pulumi:pulumi:Stack::sd-app-dev"),
        told("error", "an unhandled error occurred: program exited with non-zero exit code: 1"),
        told("debug", "registering"),
        told("warning", "deprecated"),
    )
    assert report.printed == ["storage: BucketAlreadyExists", "2 settings are wrong"]
    assert report.warnings == ["deprecated"]


def test_a_failed_operation_is_counted_by_name():
    report = report_of(step("resOpFailedEvent", "create", "storage", BUCKET))
    assert report.failed == ["storage"]


def test_text_that_is_no_event_is_kept_as_it_is():
    report = report_of("error: no stack named 'x' found\n", "\n", "[1, 2]", '{"error": "boom\\n"}')
    assert report.printed == ["error: no stack named 'x' found", "[1, 2]", "boom"]
