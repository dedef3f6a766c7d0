"""The `aws` provider asked directly, as the engine would, on an emulator of its own."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, status_pb2
from sandbox_life import ACCOUNT, moto_server

from sandbox.aws import TYPES
from sandbox.aws.table import Aws, Partial, Props
from sandbox.properties import UNKNOWN, Secret, decode, encode, plain
from sandbox.provider import AwsProvider

QUEUE = "aws:sqs/queue:Queue"
SETTINGS = {"region": "us-east-1", "defaultTags": '{"tags": {"Owner": "studio"}}'}


class Refused(Exception):
    """The provider's error; details are what it says of a half-made resource."""

    def __init__(self, message: str, details: bytes = b"") -> None:
        super().__init__(message)
        self.details = details


class Connection:
    """Stands for gRPC's side of a request."""

    def __init__(self, peer: str = "ipv4:127.0.0.1:1") -> None:
        self._peer = peer

    def peer(self) -> str:
        return self._peer

    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        raise Refused(details)

    def abort_with_status(self, status: Any) -> NoReturn:
        raise Refused(status.details, dict(status.trailing_metadata)["grpc-status-details-bin"])


class Client:
    """The engine, as far as the provider sees it."""

    def __init__(self, provider: AwsProvider, stack: str = "dev", peer: str = "ipv4:127.0.0.1:1") -> None:
        self.provider, self.stack = provider, stack
        self.context: Any = Connection(peer)

    def urn(self, token: str, name: str = "jobs") -> str:
        return f"urn:pulumi:{self.stack}::tiny::my:component:Thing${token}::{name}"

    def configure(self, **settings: Any) -> None:
        urn = f"urn:pulumi:{self.stack}::tiny::pulumi:providers:aws::mine"
        args = encode(SETTINGS | settings)
        self.provider.Configure(provider_pb2.ConfigureRequest(args=args, urn=urn), self.context)

    def check(self, news: Props, olds: Props | None = None, token: str = QUEUE, seed: bytes = b"1") -> Props:
        """Checked inputs. Raises AssertionError with the failures."""
        request = provider_pb2.CheckRequest(
            urn=self.urn(token), news=encode(news), olds=encode(olds or {}), randomSeed=seed
        )
        response = self.provider.Check(request, self.context)
        assert not response.failures, [f"{one.property}: {one.reason}" for one in response.failures]
        return decode(response.inputs)

    def create(self, inputs: Props, token: str = QUEUE, preview: bool = False) -> tuple[str, Props]:
        request = provider_pb2.CreateRequest(urn=self.urn(token), properties=encode(inputs), preview=preview)
        response = self.provider.Create(request, self.context)
        return response.id, decode(response.properties)

    def read(self, id: str, outputs: Props, inputs: Props, token: str = QUEUE) -> tuple[str, Props, Props]:
        request = provider_pb2.ReadRequest(
            urn=self.urn(token), id=id, properties=encode(outputs), inputs=encode(inputs)
        )
        response = self.provider.Read(request, self.context)
        return response.id, decode(response.properties), decode(response.inputs)

    def diff(
        self, inputs: Props, outputs: Props, news: Props, token: str = QUEUE
    ) -> provider_pb2.DiffResponse:
        request = provider_pb2.DiffRequest(
            urn=self.urn(token), old_inputs=encode(inputs), olds=encode(outputs), news=encode(news)
        )
        return self.provider.Diff(request, self.context)

    def update(
        self, id: str, inputs: Props, outputs: Props, news: Props, token: str = QUEUE, preview: bool = False
    ) -> Props:
        request = provider_pb2.UpdateRequest(
            urn=self.urn(token),
            id=id,
            old_inputs=encode(inputs),
            olds=encode(outputs),
            news=encode(news),
            preview=preview,
        )
        return decode(self.provider.Update(request, self.context).properties)

    def invoke(self, token: str, **arguments: Any) -> Props:
        """Raises AssertionError with the failures."""
        request = provider_pb2.InvokeRequest(tok=token, args=encode(arguments))
        response = self.provider.Invoke(request, self.context)
        assert not response.failures, [f"{one.property}: {one.reason}" for one in response.failures]
        return decode(getattr(response, "return"))


@pytest.fixture
def aws(tmp_path: Path) -> Generator[Aws]:
    with moto_server(tmp_path) as emulator:
        yield emulator


@pytest.fixture
def client(aws: Aws) -> Client:
    made = Client(AwsProvider(aws.endpoint, aws.store, ACCOUNT))
    made.configure()
    return made


# Names and tags


def test_a_name_is_made_and_stays(client: Client):
    first = client.check({})
    assert first["name"].startswith("jobs-") and len(first["name"]) == len("jobs-") + 7
    assert first["tagsAll"] == {"Owner": "studio"}
    assert client.check({"delaySeconds": 1}, first, seed=b"2")["name"] == first["name"]
    assert client.check({}, seed=b"2")["name"] != first["name"], "a replacement gets another name"
    assert client.check({"name": "own"}, first)["name"] == "own"
    assert client.check({"namePrefix": "pre-"})["name"].startswith("pre-")
    assert client.check({"namePrefix": "new-"}, client.check({"namePrefix": "pre-"}))["name"].startswith(
        "new-"
    )


def test_a_long_name_is_cut_to_what_the_service_takes(client: Client):
    request = provider_pb2.CheckRequest(urn=client.urn(QUEUE, "n" * 90), news=encode({}), randomSeed=b"1")
    name = decode(client.provider.Check(request, client.context).inputs)["name"]
    assert len(name) == 80


def test_own_tags_win_over_default_ones(client: Client):
    made = client.check({"tags": {"Owner": "me", "a": "b"}})
    assert made["tagsAll"] == {"Owner": "me", "a": "b"}
    assert client.check({"tags": UNKNOWN})["tagsAll"] is UNKNOWN


def test_types_without_tags_get_none(client: Client):
    assert client.check({"policy": "{}", "queueUrl": "x"}, token="aws:sqs/queuePolicy:QueuePolicy") == {
        "policy": "{}",
        "queueUrl": "x",
    }


# Refusals


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("aws:sqs/queue:Quue", "did you mean aws:sqs/queue:Queue?"),
        (
            "aws:chime/voiceConnector:VoiceConnector",
            "the sandbox doesn't know aws:chime/voiceConnector:VoiceConnector",
        ),
    ],
)
def test_an_unknown_type_is_refused_by_name(client: Client, token: str, said: str):
    with pytest.raises(Refused) as error:
        client.check({}, token=token)
    assert said in str(error.value)


def test_wrong_inputs_are_refused_by_name(client: Client):
    with pytest.raises(
        AssertionError, match=r"delaySecond: QueueArgs has no property delaySecond \(did you mean"
    ):
        client.check({"delaySecond": 1})


def test_an_input_that_the_table_doesnt_act_on_is_refused_before_anything_is_made(
    client: Client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(TYPES, QUEUE, replace(TYPES[QUEUE], takes=frozenset({"name", "tags"})))
    client.check({"name": "a", "tags": {}})
    with pytest.raises(
        AssertionError, match="delaySeconds: the sandbox's aws:sqs/queue:Queue doesn't act on delaySeconds"
    ):
        client.check({"delaySeconds": 1})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"allowedAccountIds": '["999999999999"]'}, "AWS account ID not allowed: 123456789012"),
        ({"forbiddenAccountIds": '["123456789012"]'}, "AWS account ID not allowed: 123456789012"),
        ({"region": ""}, "no region"),
        ({"assumeRoles": '[{"roleArn": "arn"}]'}, "the sandbox doesn't act on the provider's assumeRoles"),
        ({"regoin": "x"}, "did you mean region?"),
        ({"defaultTags": '{"tag": {}}'}, "did you mean tags?"),
    ],
)
def test_provider_settings_are_refused_by_name(aws: Aws, settings: Props, said: str):
    with pytest.raises(Refused) as error:
        Client(AwsProvider(aws.endpoint, aws.store, ACCOUNT)).configure(**settings)
    assert said in str(error.value)


def test_the_own_account_is_allowed(aws: Aws):
    Client(AwsProvider(aws.endpoint, aws.store, ACCOUNT)).configure(allowedAccountIds=f'["{ACCOUNT}"]')


# Several stacks


def test_each_connection_keeps_its_own_settings(client: Client):
    other = Client(client.provider, "prod", "ipv4:127.0.0.1:2")
    other.configure(defaultTags='{"tags": {"Owner": "prod"}}', region="eu-west-1")
    assert client.check({})["tagsAll"] == {"Owner": "studio"}
    assert other.check({})["tagsAll"] == {"Owner": "prod"}
    assert client.invoke("aws:index/getRegion:getRegion")["region"] == "us-east-1"
    assert other.invoke("aws:index/getRegion:getRegion")["region"] == "eu-west-1"
    again = Client(client.provider, "prod", "ipv4:127.0.0.1:3")
    assert again.check({})["tagsAll"] == {"Owner": "prod"}, "a new connection of a known stack"
    with pytest.raises(Refused, match="started anew"):
        Client(client.provider, "unknown", "ipv4:127.0.0.1:4").check({})


# Preview, secrets, life


def test_a_preview_makes_nothing_and_knows_what_it_knows(client: Client, aws: Aws):
    id, shown = client.create(client.check({"name": "a", "kmsMasterKeyId": UNKNOWN}), preview=True)
    assert id == ""
    assert shown["name"] == "a" and shown["tagsAll"] == {"Owner": "studio"}
    assert shown["url"] is UNKNOWN and shown["kmsMasterKeyId"] is UNKNOWN
    assert aws.client("sqs").list_queues().get("QueueUrls", []) == []


def test_secrets_stay_secret_wherever_they_turn_up(client: Client):
    token = "aws:ssm/parameter:Parameter"
    declared = client.check(
        {"name": "/a", "type": "SecureString", "value": Secret("very secret")}, token=token
    )
    id, outputs = client.create(declared, token)
    assert outputs["value"] == Secret("very secret")
    assert not isinstance(outputs["name"], Secret)
    _, read, inputs = client.read(id, outputs, declared, token)
    assert read["value"] == inputs["value"] == Secret("very secret")
    assert "very secret" not in str({k: v for k, v in read.items() if not isinstance(v, Secret)})


def test_a_life(client: Client, aws: Aws):
    declared = client.check({"delaySeconds": 5, "tags": {"a": "b"}})
    id, outputs = client.create(declared)
    assert outputs["arn"].endswith(declared["name"])
    assert outputs["region"] == "us-east-1"
    assert client.read(id, outputs, declared) == (id, outputs, declared), "nothing changed"
    assert client.diff(declared, outputs, declared).changes == provider_pb2.DiffResponse.DIFF_NONE

    news = client.check({"visibilityTimeoutSeconds": 9, "tags": {"a": "c"}}, declared)
    change = client.diff(declared, outputs, news)
    assert {path: one.kind for path, one in change.detailedDiff.items()} == {
        "delaySeconds": provider_pb2.PropertyDiff.DELETE,
        "visibilityTimeoutSeconds": provider_pb2.PropertyDiff.ADD,
        "tags.a": provider_pb2.PropertyDiff.UPDATE,
        "tagsAll.a": provider_pb2.PropertyDiff.UPDATE,
    }
    assert list(change.replaces) == []
    expected = client.update(id, declared, outputs, news, preview=True)
    assert expected["visibilityTimeoutSeconds"] == 9 and expected["url"] == outputs["url"]
    assert "delaySeconds" not in expected
    outputs = client.update(id, declared, outputs, news)
    found = aws.client("sqs").get_queue_attributes(QueueUrl=id, AttributeNames=["All"])["Attributes"]
    assert (found["DelaySeconds"], found["VisibilityTimeout"]) == ("0", "9"), (
        "what is left out gets its default"
    )

    request = provider_pb2.DeleteRequest(id=id, urn=client.urn(QUEUE), properties=encode(outputs))
    client.provider.Delete(request, client.context)
    client.provider.Delete(request, client.context)
    assert client.read(id, outputs, news) == ("", {}, {})


def test_drift_is_shown_in_inputs_and_outputs(client: Client, aws: Aws):
    declared = client.check({"delaySeconds": 5, "tags": {"a": "b"}})
    id, outputs = client.create(declared)
    sqs = aws.client("sqs")
    sqs.set_queue_attributes(QueueUrl=id, Attributes={"DelaySeconds": "6"})
    sqs.untag_queue(QueueUrl=id, TagKeys=["a"])
    sqs.tag_queue(QueueUrl=id, Tags={"Owner": "x"})
    _, read, inputs = client.read(id, outputs, declared)
    assert read["delaySeconds"] == inputs["delaySeconds"] == 6
    assert inputs["tagsAll"] == {"Owner": "x"} and inputs["tags"] == {"Owner": "x"}
    assert set(client.diff(inputs, read, declared).detailedDiff) == {
        "delaySeconds",
        "tags.a",
        "tags.Owner",
        "tagsAll.a",
        "tagsAll.Owner",
    }


def test_an_import_gets_its_inputs_from_what_is_there(client: Client, aws: Aws):
    url = aws.client("sqs").create_queue(QueueName="found", Attributes={"DelaySeconds": "3"})["QueueUrl"]
    id, outputs, inputs = client.read(url, {}, {})
    assert id == url and outputs["name"] == "found"
    assert (inputs["name"], inputs["delaySeconds"]) == ("found", 3)
    assert "arn" not in inputs


@pytest.mark.parametrize(
    ("old", "new", "replaces", "first"),
    [
        ({"name": "a"}, {"name": "b"}, ["name"], False),
        ({"name": "a"}, {"name": "a", "fifoQueue": True}, ["fifoQueue"], True),
        ({}, {"fifoQueue": True}, ["fifoQueue"], False),
        ({"name": "a"}, {"name": UNKNOWN}, ["name"], False),
        ({"name": "a"}, {"name": "a", "region": "eu-west-1"}, ["region"], True),
    ],
)
def test_what_replaces(client: Client, old: Props, new: Props, replaces: list[str], first: bool):
    declared = client.check(old)
    outputs = declared | {"region": "us-east-1"}
    change = client.diff(declared, outputs, client.check(new, declared))
    assert list(change.replaces) == replaces
    assert change.deleteBeforeReplace is first, "two of one name can't be there at once"


def test_another_region_of_the_provider_replaces(client: Client):
    declared = client.check({})
    client.configure(region="eu-west-1")
    assert list(client.diff(declared, declared | {"region": "us-east-1"}, declared).replaces) == ["region"]


# Failures


def test_a_services_error_is_told_with_its_code(client: Client):
    with pytest.raises(Refused, match="creating aws:sqs/queue:Queue: CreateQueue: InvalidParameterValue: "):
        client.create(client.check({"name": "not a name"}))


def test_a_half_made_resource_is_told_with_its_id_and_replaced(
    client: Client, monkeypatch: pytest.MonkeyPatch
):
    def create(aws: Aws, inputs: Props) -> str:
        raise Partial(id="half", reason="the other half is missing")

    monkeypatch.setitem(TYPES, QUEUE, replace(TYPES[QUEUE], create=create))
    declared = client.check({"name": "a"})
    with pytest.raises(
        Refused, match="half was created, but isn't whole: the other half is missing"
    ) as error:
        client.create(declared)
    detail = provider_pb2.ErrorResourceInitFailed()
    status_pb2.Status.FromString(error.value.details).details[0].Unpack(detail)
    assert detail.id == "half"
    outputs = plain(decode(detail.properties))
    change = client.diff(declared, outputs, declared)
    assert list(change.replaces) == ["name"] and change.deleteBeforeReplace


def test_a_table_that_reads_what_the_sdk_doesnt_have_is_told(client: Client, monkeypatch: pytest.MonkeyPatch):
    def read(aws: Aws, id: str, last: Props) -> Props:
        return {"nam": "a"}

    monkeypatch.setitem(TYPES, QUEUE, replace(TYPES[QUEUE], read=read))
    with pytest.raises(
        Refused, match=r"reads a property nam, which pulumi_aws doesn't have \(did you mean name\?\)"
    ):
        client.create(client.check({"name": "a"}))


# Lookups


def test_lookups_are_answered_or_refused_by_name(client: Client):
    assert client.invoke("aws:index/getCallerIdentity:getCallerIdentity")["accountId"] == ACCOUNT
    with pytest.raises(
        Refused, match="the sandbox doesn't know the lookup aws:index/getBillingServiceAccount"
    ):
        client.invoke("aws:index/getBillingServiceAccount:getBillingServiceAccount")
    with pytest.raises(Refused, match="has no lookup aws:index/getRegoin:getRegoin"):
        client.invoke("aws:index/getRegoin:getRegoin")
    with pytest.raises(AssertionError, match="get_region has no property regio"):
        client.invoke("aws:index/getRegion:getRegion", regio="x")
