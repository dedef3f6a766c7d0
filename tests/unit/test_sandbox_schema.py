"""What the SDK says of types, and what is found wrong with inputs."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import schema
from sandbox.properties import UNKNOWN, Secret

INSTANCE = "aws:ec2/instance:Instance"
QUEUE = "aws:sqs/queue:Queue"
POLICY = "aws:sqs/queuePolicy:QueuePolicy"


def check(token: str, inputs: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    checked, faults = schema.check(inputs, schema.of(token).inputs)
    return checked, {one.path: one.reason for one in faults}


def test_types_are_those_of_the_sdk():
    found = schema.of(POLICY)
    assert set(found.inputs.types) == {"policy", "queueUrl", "region"}
    assert found.inputs.required == {"policy", "queueUrl"}
    assert "url" in schema.of(QUEUE).outputs
    assert "tagsAll" in schema.of(QUEUE).outputs
    assert "urn" not in schema.of(QUEUE).outputs


def test_an_unknown_type_is_told_with_a_near_one():
    with pytest.raises(
        schema.UnknownType,
        match=r"has no resource type aws:sqs/queue:Quue \(did you mean aws:sqs/queue:Queue\?\)",
    ):
        schema.of("aws:sqs/queue:Quue")


@pytest.mark.parametrize(
    ("token", "inputs", "path", "reason"),
    [
        (QUEUE, {"visibilityTimeout": 3}, "visibilityTimeout", "did you mean visibilityTimeoutSeconds?"),
        (QUEUE, {"delaySeconds": "soon"}, "delaySeconds", "a whole number is meant, and it is a text"),
        (QUEUE, {"delaySeconds": 1.5}, "delaySeconds", "a whole number is meant, and it is a number"),
        (QUEUE, {"delaySeconds": True}, "delaySeconds", "a whole number is meant, and it is true or false"),
        (QUEUE, {"fifoQueue": "yes"}, "fifoQueue", "true or false is meant, and it is a text"),
        (QUEUE, {"name": ["a"]}, "name", "a single value is meant, and it is a list"),
        (QUEUE, {"tags": "a"}, "tags", "an object is meant, and it is a text"),
        (QUEUE, {"tags": {"a": {"b": "c"}}}, "tags.a", "a single value is meant, and it is an object"),
        (POLICY, {"policy": "{}"}, "queueUrl", "QueuePolicyArgs needs queueUrl, and it is missing"),
        (POLICY, {"policy": "{}", "queueUrl": None}, "queueUrl", "QueuePolicyArgs needs queueUrl"),
        (
            INSTANCE,
            {"vpcSecurityGroupIds": "sg-1"},
            "vpcSecurityGroupIds",
            "a list is meant, and it is a text",
        ),
        (
            INSTANCE,
            {"rootBlockDevice": {"volumSize": 8}},
            "rootBlockDevice.volumSize",
            "did you mean volumeSize?",
        ),
        (INSTANCE, {"rootBlockDevice": 8}, "rootBlockDevice", "an object is meant, and it is a number"),
        (
            INSTANCE,
            {"ebsBlockDevices": [{"deviceName": "/dev/sdb"}, {"deviceNam": "/dev/sdc"}]},
            "ebsBlockDevices[1].deviceNam",
            "did you mean deviceName?",
        ),
        (
            INSTANCE,
            {"ebsBlockDevices": [{"volumeSize": 1}]},
            "ebsBlockDevices[0].deviceName",
            "InstanceEbsBlockDeviceArgs needs deviceName, and it is missing",
        ),
    ],
)
def test_a_wrong_input_is_told_by_its_path(token: str, inputs: dict[str, Any], path: str, reason: str):
    assert reason in check(token, inputs)[1][path]


def test_every_fault_is_told_at_once():
    assert set(check(POLICY, {"polcy": "{}", "queueUrl": []})[1]) == {"polcy", "policy", "queueUrl"}


def test_scalars_become_what_the_sdk_has():
    checked, faults = check(QUEUE, {"delaySeconds": "5", "fifoQueue": "true", "name": 7, "tags": {"a": True}})
    assert faults == {}
    assert checked == {"delaySeconds": 5, "fifoQueue": True, "name": "7", "tags": {"a": "true"}}


def test_unknown_and_secret_values_pass_as_such():
    checked, faults = check(QUEUE, {"delaySeconds": UNKNOWN, "name": Secret("a"), "tags": {"a": Secret(1)}})
    assert faults == {}
    assert checked == {"delaySeconds": UNKNOWN, "name": Secret("a"), "tags": {"a": Secret("1")}}


def test_a_secret_of_the_wrong_type_isnt_shown():
    assert "hidden" not in str(check(QUEUE, {"delaySeconds": Secret("hidden")})[1])


def test_a_policy_may_be_an_object_and_becomes_a_text():
    checked, faults = check(
        "aws:iam/role:Role", {"assumeRolePolicy": {"Version": "2012-10-17", "Statement": []}}
    )
    assert faults == {}
    assert checked == {"assumeRolePolicy": '{"Version": "2012-10-17", "Statement": []}'}


@pytest.mark.parametrize(
    ("token", "argument"),
    [
        ("aws:index/getRegion:getRegion", "region"),
        ("aws:ssm/getParameter:getParameter", "withDecryption"),
        ("aws:ec2/getAmi:getAmi", "mostRecent"),
    ],
)
def test_lookups_have_the_arguments_of_the_sdks_functions(token: str, argument: str):
    assert argument in schema.lookup(token).types


@pytest.mark.parametrize("token", ["aws:ssm/getParametr:getParametr", "aws:nowhere/getIt:getIt", "aws:x"])
def test_an_unknown_lookup_is_told(token: str):
    with pytest.raises(schema.UnknownType, match="has no lookup"):
        schema.lookup(token)
