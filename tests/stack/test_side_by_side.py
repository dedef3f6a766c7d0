"""Dev and prod side by side in one emulated account: neither touches the other, and a failed `up` is taken up again."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError
from platform_stack import Platform, PlatformStack

ACCOUNT = "123456789012"
STRANGE_LOG_GROUP = "/sd-app/dev/ml-server"


@pytest.fixture(scope="module")
def platform(cli: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Platform]:
    made = Platform.start(cli, tmp_path_factory.mktemp("isolation"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def both(platform: Platform) -> tuple[PlatformStack, PlatformStack]:
    """dev and prod, up. The first `up` of dev fails half-way, as when somebody made a thing of that name by hand."""
    dev, prod = platform.stack("dev"), platform.stack("prod")
    platform.client("logs").create_log_group(logGroupName=STRANGE_LOG_GROUP)
    said = dev.fails({})
    assert "ResourceAlreadyExistsException" in said and "sd-app-dev-ml-server" in said, said
    platform.client("logs").delete_log_group(logGroupName=STRANGE_LOG_GROUP)
    recovered = dev.up()
    assert recovered.counts.get("create"), "what was missing is made"
    assert recovered.counts.get("same"), "what was made before is kept"
    prod.up()
    return dev, prod


def test_after_both_are_up_neither_wants_a_change(both: tuple[PlatformStack, PlatformStack]) -> None:
    for stack in both:
        assert stack.up().changes == 0


def test_each_stack_has_its_own_tags(platform: Platform, both: tuple[PlatformStack, PlatformStack]) -> None:
    for stack, name in zip(both, ("dev", "prod"), strict=True):
        [table] = [stack.outputs()["generationsTable"]]
        arn = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/{table}"
        tags = platform.client("dynamodb").list_tags_of_resource(ResourceArn=arn)["Tags"]
        assert {"Key": "Stack", "Value": name} in tags


def test_devs_backend_is_refused_on_everything_of_prod(
    platform: Platform, both: tuple[PlatformStack, PlatformStack]
) -> None:
    """By moto's own evaluation of the policies. It knows the resource for S3 and SQS; for DynamoDB and EC2 it takes
    every statement on a single ARN as no permission, so there only the refusal can be shown."""
    dev, prod = both
    credentials = _assume(platform, dev, "sd-app-dev-backend")
    with _Enforced(platform):
        tried = {name: _tries(platform, stack, credentials) for name, stack in (("dev", dev), ("prod", prod))}
    assert tried["prod"] == {"picture": False, "job": False, "generation": False, "machine": False}
    assert tried["dev"]["picture"] and tried["dev"]["job"], "the same role may do it in its own stack"


def test_dev_destroyed_leaves_prod_whole(
    platform: Platform, both: tuple[PlatformStack, PlatformStack]
) -> None:
    dev, prod = both
    dev.destroy()
    assert prod.refresh().changes == 0, "nothing of prod is gone or changed"
    assert prod.up().changes == 0
    assert not [line for line in platform.leftovers() if "sd-app-dev" in line or "/sd-app/dev" in line]


def test_prods_data_outlives_even_a_destroy(
    platform: Platform, both: tuple[PlatformStack, PlatformStack]
) -> None:
    prod = both[1]
    outputs = prod.outputs()
    with pytest.raises(Exception, match="protected"):
        prod.destroy()
    platform.client("s3").head_bucket(Bucket=outputs["bucketName"])
    table = platform.client("dynamodb").describe_table(TableName=outputs["generationsTable"])["Table"]
    assert table["DeletionProtectionEnabled"] is True


def _assume(platform: Platform, stack: PlatformStack, name: str) -> dict[str, str]:
    """Short-lived keys of a machine's role, as the machine itself gets them."""
    arn = stack.resource(name, "aws:iam/role:Role")["outputs"]["arn"]
    keys = platform.client("sts").assume_role(RoleArn=arn, RoleSessionName="machine")["Credentials"]
    return {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }


class _Enforced:
    """Switches moto's evaluation of IAM policies on, for as long as the block lasts."""

    def __init__(self, platform: Platform) -> None:
        self._url = f"{platform.sandbox.endpoint}/moto-api/reset-auth"

    def _after(self, actions: str) -> None:
        requests.post(
            self._url, data=actions, headers={"Content-Type": "text/plain"}, timeout=10
        ).raise_for_status()

    def __enter__(self) -> None:
        self._after("0")

    def __exit__(self, *_: object) -> None:
        self._after("inf")


def _tries(platform: Platform, stack: PlatformStack, keys: dict[str, str]) -> dict[str, bool]:
    """What a role is allowed to do in a stack, by trying it."""
    outputs: dict[str, Any] = json.loads(stack.engine.ask("stack", "output", "--json"))
    s3, sqs = platform.client("s3", **keys), platform.client("sqs", **keys)
    dynamodb, ec2 = platform.client("dynamodb", **keys), platform.client("ec2", **keys)
    tries: dict[str, Callable[[], object]] = {
        "picture": lambda: s3.put_object(Bucket=outputs["bucketName"], Key="outputs/x.png", Body=b"x"),
        "job": lambda: sqs.send_message(QueueUrl=outputs["queueUrls"]["text"], MessageBody="x"),
        "generation": lambda: dynamodb.get_item(
            TableName=outputs["generationsTable"], Key={"id": {"S": "x"}}
        ),
        "machine": lambda: ec2.start_instances(InstanceIds=[outputs["mlServerInstanceId"]]),
    }
    return {name: _allowed(attempt) for name, attempt in tries.items()}


def _allowed(attempt: Callable[[], object]) -> bool:
    """Only a refusal counts as one; any other error is the test's own fault."""
    try:
        attempt()
    except ClientError as error:
        answer: Any = error.response
        status: int = answer["ResponseMetadata"]["HTTPStatusCode"]
        if status != 403:
            raise
        return False
    return True
