"""What the emulator adds to moto for who asks about an account: quotas of GPU machines, and image parameters."""

from __future__ import annotations

from typing import Any

import boto3.session
import pytest
import requests
from botocore.exceptions import ClientError

from components.backend import image_parameter
from components.ml_server import IMAGE_PARAMETER
from components.nat import IMAGE_PARAMETER as NAT_PARAMETER
from sandbox import emulator


@pytest.fixture(scope="module")
def session() -> Any:
    endpoint = emulator.serve("test", 0, list)
    requests.post(f"{endpoint}/moto-api/reset", timeout=30)
    made: Any = boto3.session.Session("test", "test", region_name="us-west-2")

    def client(service: str) -> Any:
        return made.client(service, endpoint_url=endpoint)

    return client


@pytest.mark.parametrize("operation", ["get_service_quota", "get_aws_default_service_quota"])
@pytest.mark.parametrize("code", ["L-DB2E81BA", "L-3819A6DF"])
def test_the_quotas_of_gpu_machines_are_told(session: Any, operation: str, code: str) -> None:
    quota = getattr(session("service-quotas"), operation)(ServiceCode="ec2", QuotaCode=code)["Quota"]
    assert (quota["QuotaCode"], quota["Value"]) == (code, 8.0)


def test_another_quota_of_ec2_is_not_known(session: Any) -> None:
    with pytest.raises(ClientError, match="NoSuchResourceException"):
        session("service-quotas").get_service_quota(ServiceCode="ec2", QuotaCode="L-00000000")


@pytest.mark.parametrize(
    ("name", "architecture"),
    [
        (IMAGE_PARAMETER, "x86_64"),
        (image_parameter("t2.medium"), "x86_64"),
        (image_parameter("t4g.medium"), "arm64"),
        (NAT_PARAMETER, "arm64"),
    ],
)
def test_a_public_parameter_leads_to_an_image_of_that_region(
    session: Any, name: str, architecture: str
) -> None:
    found = session("ssm").get_parameter(Name=name)["Parameter"]["Value"]
    (image,) = session("ec2").describe_images(ImageIds=[found])["Images"]
    assert image["Architecture"] == architecture


def test_other_parameters_are_motos(session: Any) -> None:
    session("ssm").put_parameter(Name="/sd-app/dev/outputs", Value="{}", Type="String")
    assert session("ssm").get_parameter(Name="/sd-app/dev/outputs")["Parameter"]["Value"] == "{}"
    with pytest.raises(ClientError, match="ParameterNotFound"):
        session("ssm").get_parameter(Name="/aws/service/nobody/knows")
