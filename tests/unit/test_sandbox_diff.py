"""What differs, what replaces, and how a declaration is shown beside what is really there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox import diff, schema
from sandbox.diff import Change
from sandbox.properties import UNKNOWN


def test_paths_tell_what_was_added_changed_and_removed():
    old = {"a": 1, "b": {"c": [1, 2], "d": "x"}, "gone": True, "same": [{"k": "v"}]}
    new = {"a": 2, "b": {"c": [1, 3, 4], "d": "x"}, "new.key": 1, "same": [{"k": "v"}]}
    assert diff.changes(old, new) == {
        "a": Change("update"),
        "b.c[1]": Change("update"),
        "b.c[2]": Change("add"),
        "gone": Change("delete"),
        '["new.key"]': Change("add"),
    }


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ({"fixed": 1}, {"fixed": 2}, "fixed"),
        ({"list": [{"in": 1, "out": 1}]}, {"list": [{"in": 2, "out": 1}]}, "list[0].in"),
        ({}, {"list": [{"in": 1}]}, "list"),
        ({"list": [{"in": 1}]}, {"list": []}, "list[0]"),
        ({"fixed": 1}, {"fixed": UNKNOWN}, "fixed"),
        ({"fixed": {"below": 1}}, {"fixed": {"below": 2}}, "fixed.below"),
    ],
)
def test_immutable_paths_replace(old: dict[str, Any], new: dict[str, Any], path: str):
    assert diff.changes(old, new, {"fixed", "list.in"})[path].replaces


def test_other_paths_dont_replace():
    changes = diff.changes(
        {"list": [{"in": 1, "out": 1}]}, {"list": [{"in": 1, "out": 2}]}, {"list.in", "li"}
    )
    assert changes == {"list[0].out": Change("update")}
    assert not diff.changes({}, {"list": [{"out": 1}]}, {"list.in"})["list"].replaces


def test_every_change_replaces_a_type_without_update():
    assert diff.changes({"a": 1}, {"a": 2}, every=True) == {"a": Change("update", True)}


def test_the_providers_own_notes_are_no_difference():
    assert diff.changes({"__defaults": ["name"]}, {}) == {}


STATEMENT = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "*"}


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("5", 5, True),
        ("true", True, True),
        (1, True, False),
        ("a", "A", False),
        (None, "", False),
        ([], None, False),
        ('{"a": 1, "b": [1, 2]}', '{"b":[1,2],"a":1}', True),
        ('{"a": [1, 2]}', '{"a": [2, 1]}', False),
        ('{"a": 1}', '{"a": 2}', False),
        ("{not json", "{not  json", False),
        ("[1]", "[1 ]", True),
        ("1.0", "1", False),
        (UNKNOWN, UNKNOWN, False),
        (
            json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT]}),
            json.dumps(
                {
                    "Statement": STATEMENT | {"Action": "s3:GetObject", "Resource": ["*"]},
                    "Version": "2012-10-17",
                }
            ),
            True,
        ),
        (
            json.dumps({"Statement": [STATEMENT | {"Action": ["a:b", "a:c"]}]}),
            json.dumps({"Statement": [STATEMENT | {"Action": ["a:c", "a:b"]}]}),
            True,
        ),
        (
            json.dumps({"Statement": [STATEMENT]}),
            json.dumps({"Statement": [STATEMENT | {"Effect": "Deny"}]}),
            False,
        ),
        (
            json.dumps({"Statement": [STATEMENT | {"Condition": {"StringEquals": {"a": "b"}}}]}),
            json.dumps({"Statement": [STATEMENT | {"Condition": {"StringEquals": {"a": ["b"]}}}]}),
            True,
        ),
    ],
)
def test_values_are_compared_by_what_they_mean(one: Any, other: Any, alike: bool):
    assert diff.same(one, other) is alike
    assert diff.same(other, one) is alike


TYPES = schema.of("aws:ec2/instance:Instance").inputs.types


@pytest.mark.parametrize(
    ("key", "declared", "actual", "shown"),
    [
        ("instanceType", "t3.micro", "t3.large", "t3.large"),
        ("keyName", "mine", None, None),
        ("keyName", "", None, ""),
        ("ebsOptimized", False, "", False),
        ("rootBlockDevice", {"volumeSize": 8}, {"volumeSize": 8, "volumeId": "vol-1"}, {"volumeSize": 8}),
        ("rootBlockDevice", {"volumeSize": 8}, {"volumeSize": 9, "volumeId": "vol-1"}, {"volumeSize": 9}),
        ("rootBlockDevice", {"volumeSize": 8}, {"volumeId": "vol-1"}, {"volumeSize": 8}),
        ("tags", {"a": "1"}, {"a": "1", "b": "2"}, {"a": "1", "b": "2"}),
        ("tags", {"a": "1", "b": "2"}, {"a": "1"}, {"a": "1"}),
        ("vpcSecurityGroupIds", ["a", "b"], ["b", "a"], ["a", "b"]),
        ("vpcSecurityGroupIds", ["a", "b"], ["b", "c"], ["b", "c"]),
        ("vpcSecurityGroupIds", ["a"], ["a", "b"], ["a", "b"]),
        (
            "ebsBlockDevices",
            [{"deviceName": "b"}, {"deviceName": "c"}],
            [{"deviceName": "c", "volumeId": "1"}, {"deviceName": "b", "volumeId": "2"}],
            [{"deviceName": "b"}, {"deviceName": "c"}],
        ),
        ("userData", '{"a": 1}', '{"a":1}', '{"a": 1}'),
    ],
)
def test_a_declaration_stands_where_what_is_there_means_the_same(
    key: str, declared: Any, actual: Any, shown: Any
):
    assert diff.shown(declared, actual, TYPES[key]) == shown


def test_outputs_have_all_that_is_there_in_the_declarations_words():
    declared = {"policy": '{"a": 1}', "device": {"size": 8}}
    actual = {"policy": '{"a":1}', "device": {"size": "8", "id": "vol-1"}}
    assert diff.joined(declared, actual) == {"policy": '{"a": 1}', "device": {"size": 8, "id": "vol-1"}}
