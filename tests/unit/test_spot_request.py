"""A cancelled spot request launches no machine again; one that is gone is no error, another failure is."""

from collections.abc import Callable
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from moto import mock_aws

from components import spot_request

connect = cast(Callable[..., Any], boto3.client)  # boto3 has no types
REQUEST = "sir-0123456789"


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


def refuse(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let EC2 answer the cancellation with an error."""
    client = connect("ec2", region_name="us-east-1")
    stub = Stubber(client)
    stub.add_client_error(
        "cancel_spot_instance_requests",
        code,
        expected_params={"SpotInstanceRequestIds": [REQUEST]},
    )
    stub.activate()

    def connected(service: str, region_name: str) -> Any:
        assert (service, region_name) == ("ec2", "us-east-1")
        return client

    monkeypatch.setattr(spot_request.boto3, "client", connected)


@mock_aws
def test_the_request_is_cancelled() -> None:
    ec2 = connect("ec2", region_name="us-east-1")
    image = ec2.describe_images()["Images"][0]["ImageId"]
    made = ec2.request_spot_instances(LaunchSpecification={"ImageId": image, "InstanceType": "g5.xlarge"})
    request = made["SpotInstanceRequests"][0]["SpotInstanceRequestId"]
    assert spot_request.cancel(request) == f"spot request {request} is cancelled"
    left = ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
    assert not [one for one in left if one["State"] in ("open", "active")], "it would launch a machine again"


def test_without_a_request_aws_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spot_request.boto3, "client", None)
    assert spot_request.cancel("") == "no spot request to cancel"


def test_a_request_that_is_gone_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "InvalidSpotInstanceRequestID.NotFound")
    assert spot_request.cancel(REQUEST) == f"spot request {REQUEST} is gone already"


def test_another_failure_stops_the_destruction(monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "UnauthorizedOperation")
    with pytest.raises(ClientError, match="UnauthorizedOperation"):
        spot_request.cancel(REQUEST)


def test_the_command_line_says_what_was_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refuse(monkeypatch, "InvalidSpotInstanceRequestID.NotFound")
    assert spot_request.main(["cancel", REQUEST]) == 0
    assert REQUEST in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["cancel"], ["stop", REQUEST], ["cancel", REQUEST, "more"]])
def test_a_wrong_command_line_shows_the_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert spot_request.main(arguments) == 2
    assert "python -m components.spot_request cancel ID" in capsys.readouterr().err
