"""The whole program under the real engine: up, what a change does, what is found behind its back, and away again."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path

import pytest
from platform_stack import Platform

QUEUE = "sd-app-local-jobs-text"
NOTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Sid": "Nothing", "Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}],
}


@pytest.fixture(scope="module")
def platform(cli: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Platform]:
    made = Platform.start(cli, tmp_path_factory.mktemp("platform"))
    made.stack("local").up()
    yield made
    made.stop()


def test_everything_is_there_and_a_second_up_changes_nothing(platform: Platform) -> None:
    stack = platform.stack("local")
    again = stack.up()
    assert again.changes == 0, again.summary()
    assert again.counts["same"] > 100
    outputs = stack.outputs()
    s3, ec2 = platform.client("s3"), platform.client("ec2")
    assert s3.get_bucket_versioning(Bucket=outputs["bucketName"])["Status"] == "Enabled"
    [[machine]] = [
        r["Instances"]
        for r in ec2.describe_instances(InstanceIds=[outputs["mlServerInstanceId"]])["Reservations"]
    ]
    assert (machine["PrivateIpAddress"], machine["InstanceType"]) == ("172.16.0.10", "g5.xlarge")
    assert outputs["comfyUiAddress"] == "172.16.0.10"
    assert outputs["frontendUrl"].endswith(".amplifyapp.com")


def test_what_ops_reads_is_what_the_stack_tells(platform: Platform) -> None:
    kept = platform.client("ssm").get_parameter(Name="/sd-app/local/outputs")["Parameter"]["Value"]
    assert json.loads(kept) == platform.stack("local").outputs()


def test_the_state_and_the_outputs_show_no_secret(platform: Platform) -> None:
    outputs = json.dumps(platform.stack("local").outputs())
    value = platform.client("ssm").get_parameter(
        Name="/sd-app/local/backend/origin-secret", WithDecryption=True
    )["Parameter"]["Value"]
    assert len(value) == 64
    assert value not in outputs
    assert value not in platform.stack("local").exported(), "the state must hold it encrypted"


def test_a_setting_changes_in_place_or_replaces_as_on_aws(platform: Platform) -> None:
    stack = platform.stack("local")
    changed = stack.preview({"jobs": {"visibilityTimeoutSeconds": 240}})
    assert {(s.op, s.name) for s in changed} == {("update", QUEUE), ("update", "sd-app-local-jobs-sketch")}
    replaced = {
        s.name
        for s in stack.preview({"mlServer": {"diskGib": 200, "idleStopMinutes": 5}})
        if s.op == "replace"
    }
    assert replaced == {"sd-app-local-ml-server"}, (
        "changed user data makes a new machine, and nothing else new"
    )


def test_another_zone_leaves_those_that_are_there_alone(platform: Platform) -> None:
    steps = platform.stack("local").preview({"network": {"zoneCount": 3}})
    assert {s.op for s in steps} <= {"create", "update"}, [s.line() for s in steps]
    assert {"sd-app-local-network-public-us-east-1c"} <= {s.name for s in steps if s.op == "create"}


def test_what_is_deleted_or_changed_behind_its_back_is_found_and_mended(platform: Platform) -> None:
    stack = platform.stack("local")
    outputs = stack.outputs()
    sqs, iam = platform.client("sqs"), platform.client("iam")
    sqs.delete_queue(QueueUrl=outputs["queueUrls"]["text"])
    ec2 = platform.client("ec2")
    group = stack.resource("sd-app-local-backend", "aws:ec2/securityGroup:SecurityGroup")["id"]
    ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=22, ToPort=22, CidrIp="0.0.0.0/0"
    )
    role = stack.resource("sd-app-local-backend", "aws:iam/role:Role")["id"]
    iam.put_role_policy(
        RoleName=role,
        PolicyName=stack.resource("sd-app-local-backend-rights", "aws:iam/rolePolicy:RolePolicy")["outputs"][
            "name"
        ],
        PolicyDocument=json.dumps(NOTHING),
    )
    found = stack.refresh()
    assert found.counts.get("delete") == 2, "the queue is gone, and its policy with it"
    mended = stack.up()
    assert QUEUE in {s.name for s in mended.steps.values() if s.op == "create"}
    assert ("update", "sd-app-local-backend-rights") in {(s.op, s.name) for s in mended.steps.values()}
    assert stack.up().changes == 0


def test_destroyed_it_leaves_the_emulator_empty(platform: Platform) -> None:
    stack = platform.stack("local")
    bucket = stack.outputs()["bucketName"]
    platform.client("s3").put_object(Bucket=bucket, Key="outputs/picture.png", Body=b"a picture")
    stack.destroy()
    left = platform.leftovers()
    assert left == [], "\n".join(left)
