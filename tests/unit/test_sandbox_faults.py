"""AWS having a bad time: what boto3 makes of it is what it makes of the real one."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, cast

import boto3.session
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox import emulator, faults
from sandbox.calls import Call

TABLE = {
    "TableName": "records",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}


@dataclass
class Account:
    """An emulated account with a bucket, a table and a queue; the calls that the emulator told of."""

    endpoint: str
    seen: list[Call] = field(default_factory=list[Call])
    queue: str = ""
    clients: dict[tuple[str, int], Any] = field(default_factory=dict[tuple[str, int], Any])

    def client(self, service: str, attempts: int = 1) -> Any:
        """Kept, as making one takes long."""
        if (service, attempts) in self.clients:
            return self.clients[service, attempts]
        session: Any = boto3.session.Session("test", "test", region_name="us-east-1")
        config = Config(retries={"total_max_attempts": attempts, "mode": "standard"})
        made = self.clients[service, attempts] = session.client(
            service, endpoint_url=self.endpoint, config=config
        )
        return made

    def set(self, **fault: Any) -> None:
        answer = requests.post(
            self.endpoint + emulator.FAULTS, json=[{"share": 1, "seconds": 60} | fault], timeout=5
        )
        assert answer.ok, answer.text

    def clear(self) -> None:
        assert requests.delete(self.endpoint + emulator.FAULTS, timeout=5).ok

    def happened(self) -> dict[str, int]:
        return requests.get(self.endpoint + emulator.FAULTS, timeout=5).json()["happened"]


@pytest.fixture(scope="module")
def emulated() -> Account:
    account = Account("")
    account.endpoint = emulator.serve("test", 0, list, account.seen.append)
    requests.post(account.endpoint + "/moto-api/reset", timeout=5)
    account.client("s3").create_bucket(Bucket="pictures")
    account.client("dynamodb").create_table(**TABLE)
    account.queue = account.client("sqs").create_queue(QueueName="jobs")["QueueUrl"]
    return account


@pytest.fixture
def account(emulated: Account) -> Generator[Account]:
    """With nothing going wrong yet."""
    emulated.clear()
    yield emulated
    emulated.clear()


def write(account: Account, service: str, attempts: int = 1) -> None:
    client = account.client(service, attempts)
    if service == "s3":
        client.put_object(Bucket="pictures", Key="outputs/1/0.png", Body=b"p" * 200_000)
    elif service == "dynamodb":
        client.put_item(TableName="records", Item={"id": {"S": "1"}})
    else:
        client.send_message(QueueUrl=account.queue, MessageBody="{}")


def refusal(account: Account, service: str) -> tuple[int, str]:
    with pytest.raises(ClientError) as raised:
        write(account, service)
    response = cast(dict[str, Any], raised.value.response)
    assert response["Error"]["Message"]
    assert response["ResponseMetadata"]["RequestId"], "operators quote it"
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


@pytest.mark.parametrize(
    ("service", "kind", "expected"),
    [
        ("s3", "error", (500, "InternalError")),
        ("s3", "throttle", (503, "SlowDown")),
        ("dynamodb", "error", (500, "InternalServerError")),
        ("dynamodb", "throttle", (400, "ProvisionedThroughputExceededException")),
        ("sqs", "error", (500, "InternalFailure")),
        ("sqs", "throttle", (400, "RequestThrottled")),
    ],
)
def test_each_service_words_its_troubles_as_the_real_one(
    account: Account, service: str, kind: str, expected: tuple[int, str]
) -> None:
    account.set(service=service, kind=kind)
    assert refusal(account, service) == expected
    assert account.happened() == {f"{service} {kind}": 1}


@pytest.mark.parametrize("service", faults.SERVICES)
@pytest.mark.parametrize("kind", ["error", "throttle"])
def test_an_sdk_that_tries_again_gets_through_when_it_is_over(
    account: Account, service: str, kind: str
) -> None:
    account.set(service=service, kind=kind)
    wrong: dict[str, int] = {}

    def end_it() -> None:
        while not wrong:
            wrong.update(account.happened())
            time.sleep(0.02)
        account.clear()

    ending = threading.Thread(target=end_it)
    ending.start()
    write(account, service, attempts=20)
    ending.join()
    assert wrong.keys() == {f"{service} {kind}"}, "it did go wrong at first, and the SDK knew to try again"


def test_only_the_named_service_and_action_suffer(account: Account) -> None:
    account.set(service="s3", kind="error", action="PutObject")
    s3 = account.client("s3")
    s3.list_objects_v2(Bucket="pictures")
    s3.head_bucket(Bucket="pictures")
    s3.delete_object(Bucket="pictures", Key="x")
    write(account, "dynamodb")
    write(account, "sqs")
    assert refusal(account, "s3")[0] == 500
    account.set(service="dynamodb", kind="throttle", action="UpdateItem")
    write(account, "dynamodb")


def test_a_head_request_that_fails_has_no_body_and_the_connection_stays_good(account: Account) -> None:
    write(account, "s3")
    s3 = account.client("s3")
    account.set(service="s3", kind="error", action="HeadObject")
    for _ in range(3):
        with pytest.raises(ClientError, match="500"):
            s3.head_object(Bucket="pictures", Key="outputs/1/0.png")
    account.set(service="s3", kind="error", action="PutObject")
    for _ in range(3):
        with pytest.raises(ClientError, match="InternalError"):
            s3.put_object(Bucket="pictures", Key="x", Body=b"y" * 300_000)
        assert s3.list_objects_v2(Bucket="pictures")["KeyCount"], "the unread body is not the next request"


def test_a_share_of_the_calls_goes_wrong(account: Account) -> None:
    account.set(service="sqs", kind="error", share=0.5)
    wrong = 0
    for _ in range(40):
        try:
            write(account, "sqs")
        except ClientError:
            wrong += 1
    assert 8 < wrong < 32
    assert account.happened() == {"sqs error": wrong}


def test_a_slow_service_answers_late_and_right(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "SLOW_S", 0.4)
    account.set(service="dynamodb", kind="slow")
    started = time.monotonic()
    write(account, "dynamodb")
    assert time.monotonic() - started >= 0.4


def test_it_ends_by_itself_and_when_told(account: Account) -> None:
    account.set(service="sqs", kind="error", seconds=0.2)
    time.sleep(0.25)
    write(account, "sqs")
    account.set(service="sqs", kind="error")
    account.clear()
    write(account, "sqs")
    assert account.happened() == {}


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("no list", "expected a list"),
        (["no object"], "a fault is an object"),
        ([{"service": "ec2"}], "service: 'ec2' is not allowed; allowed: s3, dynamodb, sqs"),
        ([{"service": "s3", "kind": "fire"}], "kind: 'fire' is not allowed; allowed: error, throttle, slow"),
        ([{"service": "s3", "kind": "slow", "share": 0, "seconds": 1}], "share: 0 is not allowed"),
        ([{"service": "s3", "kind": "slow", "share": 1.5, "seconds": 1}], "share: 1.5 is not allowed"),
        ([{"service": "s3", "kind": "slow", "share": True, "seconds": 1}], "share: True is not allowed"),
        ([{"service": "s3", "kind": "slow", "share": 1}], "seconds: None is not allowed"),
        ([{"service": "s3", "kind": "slow", "share": 1, "seconds": 601}], "more than 0, up to 600"),
        (
            [{"service": "s3", "kind": "slow", "share": 1, "seconds": 1, "action": 1}],
            "action: 1 is not allowed",
        ),
        ([{"service": "s3", "kind": "slow", "delay": 1}], "delay: not known; allowed: service, kind"),
    ],
)
def test_a_wrong_fault_is_refused_by_the_field_and_none_is_set(
    account: Account, fault: Any, told: str
) -> None:
    good = {"service": "sqs", "kind": "error", "share": 1, "seconds": 60}
    wanted: Any = [good, *cast(list[Any], fault)] if isinstance(fault, list) else fault
    answer = requests.post(account.endpoint + emulator.FAULTS, json=wanted, timeout=5)
    assert answer.status_code == 400
    assert told in answer.json()["error"]
    write(account, "sqs")


def test_a_body_that_is_no_json_is_refused(account: Account) -> None:
    answer = requests.post(account.endpoint + emulator.FAULTS, data=b"{", timeout=5)
    assert answer.status_code == 400 and answer.json()["error"]


def test_what_may_have_changed_something_is_told_once_it_is_answered(account: Account) -> None:
    account.seen.clear()
    ec2, s3 = account.client("ec2"), account.client("s3")
    [machine] = ec2.run_instances(ImageId="ami-12c6146b", MinCount=1, MaxCount=1)["Instances"]
    ec2.describe_instances()
    ec2.stop_instances(InstanceIds=[machine["InstanceId"]])
    s3.put_object(Bucket="pictures", Key="models/a b.bin", Body=b"")
    s3.get_object(Bucket="pictures", Key="models/a b.bin").get("Body")
    s3.copy_object(Bucket="pictures", Key="copy", CopySource="pictures/models/a b.bin")
    upload = s3.create_multipart_upload(Bucket="pictures", Key="loras/big")["UploadId"]
    part = s3.upload_part(Bucket="pictures", Key="loras/big", UploadId=upload, PartNumber=1, Body=b"x")
    s3.complete_multipart_upload(
        Bucket="pictures",
        Key="loras/big",
        UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    s3.delete_objects(Bucket="pictures", Delete={"Objects": [{"Key": "copy"}]})
    assert [(call.service, call.action, call.instances or call.key) for call in account.seen] == [
        ("ec2", "RunInstances", ""),
        ("ec2", "StopInstances", [machine["InstanceId"]]),
        ("s3", "PutObject", "models/a b.bin"),
        ("s3", "CopyObject", "copy"),
        ("s3", "CreateMultipartUpload", "loras/big"),
        ("s3", "UploadPart", "loras/big"),
        ("s3", "CompleteMultipartUpload", "loras/big"),
        ("s3", "DeleteObjects", ""),
    ]


def test_a_bucket_can_be_emptied_of_deleted_keys_once_it_keeps_no_versions(account: Account) -> None:
    """As `make down` does it, which begins with the versioning."""
    s3 = account.client("s3")
    s3.create_bucket(Bucket="versioned")
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket="versioned", Key="models/old", Body=b"x")["VersionId"]
    marker = s3.delete_object(Bucket="versioned", Key="models/old")["VersionId"]
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Suspended"})
    objects = [{"Key": "models/old", "VersionId": one} for one in (version, marker)]
    s3.delete_objects(Bucket="versioned", Delete={"Objects": objects, "Quiet": True})
    s3.delete_bucket(Bucket="versioned")
