"""The machines' own writer of their readiness record, which signs as AWS's SDK does and knows the metadata service."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import Request

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.unit.machine_fakes import load
from tests.unit.ops_cloud import Cloud, running_cloud

put_parameter = load("shared/put_parameter.py")
ROLE = {"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "a/secret+key", "Token": "a//token=="}
NAME = "/sd-app/dev/machines/backend/boot"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with running_cloud() as made:
        environment = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
        }
        for name, value in {**environment, "AWS_ENDPOINT_URL": made.endpoint}.items():
            monkeypatch.setenv(name, value)
        yield made


class MetadataService:
    """Answers as IMDSv2: nothing without the session token that it gave."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def answer(self, request: Request) -> str:
        path = request.full_url.removeprefix("http://169.254.169.254/latest/")
        headers = {name.lower(): value for name, value in request.header_items()}
        self.asked.append(f"{request.get_method()} {path}")
        if request.get_method() == "PUT":
            assert headers["x-aws-ec2-metadata-token-ttl-seconds"] == "60"
            return "session"
        assert headers["x-aws-ec2-metadata-token"] == "session"
        return json.dumps(ROLE) if path.endswith("/the-role") else "the-role"


def test_a_parameter_is_written_and_written_over(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("one", '{"state": "ready", "message": "Straße"}'):
        monkeypatch.setattr("sys.argv", ["put_parameter.py", NAME, value])
        put_parameter.main()
        assert cloud.client("ssm").get_parameter(Name=NAME)["Parameter"]["Value"] == value


def test_what_aws_refuses_is_told_in_its_words(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["put_parameter.py", "/ssm/reserved", "x"])
    with pytest.raises(SystemExit, match=r"400.*Exception"):
        put_parameter.main()


def test_the_role_s_keys_come_from_the_metadata_service_and_the_signature_is_the_sdk_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = MetadataService()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.setattr(put_parameter, "answer", service.answer)
    url, body = "https://ssm.eu-west-1.amazonaws.com/", b'{"Name": "n"}'
    ours = put_parameter.signed(url, body, "eu-west-1")
    roles = "GET meta-data/iam/security-credentials/"
    assert service.asked == ["PUT api/token", roles, f"{roles}the-role"]

    headers = {name.lower(): value for name, value in ours.header_items()}
    credentials = Credentials(ROLE["AccessKeyId"], ROLE["SecretAccessKey"], ROLE["Token"])
    sdk: Any = SigV4Auth(credentials, "ssm", "eu-west-1")
    unsigned = {name: value for name, value in headers.items() if name != "authorization"}
    request: Any = AWSRequest("POST", url, headers=unsigned, data=body)
    request.context["timestamp"] = headers["x-amz-date"]
    text = sdk.string_to_sign(request, sdk.canonical_request(request))
    assert headers["authorization"].endswith(f"Signature={sdk.signature(text, request)}")
    assert sdk.scope(request) in headers["authorization"]


def test_no_keys_is_told_as_that(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty key is none, as for boto3; a machine without a role gets 404 from the metadata service."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "")
    monkeypatch.setattr("sys.argv", ["put_parameter.py", NAME, "x"])
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(SystemExit, match="Unable to locate credentials"):
        put_parameter.main()

    def no_role(_request: Request) -> str:
        raise OSError("HTTP Error 404: Not Found")

    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setattr(put_parameter, "answer", no_role)
    with pytest.raises(SystemExit, match=r"has the machine a role\? .*404"):
        put_parameter.main()
