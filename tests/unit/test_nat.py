"""A private subnet's way out lets nobody in, and a NAT machine is as closed as the others."""

from typing import Any

import pulumi_aws as aws
import pytest

from components.nat import Nat, NatArgs
from declared.pretend_aws import IMAGES
from setting_models import NatMode
from tests.unit.engine import Recording, deploy

INSTANCE = "aws:ec2/instance:Instance"


def nat(mode: NatMode) -> Recording[Nat]:
    def build() -> Nat:
        args = NatArgs(
            mode=mode,
            vpc_id="vpc-1",
            public_subnet_ids={"us-east-1a": "subnet-a", "us-east-1b": "subnet-b"},
            private_route_table_ids={"us-east-1a": "rtb-a", "us-east-1b": "rtb-b"},
            private_cidrs={"us-east-1a": "172.16.0.0/20", "us-east-1b": "172.16.16.0/20"},
            internet_gateway=aws.ec2.InternetGateway("gateway"),
        )
        return Nat("nat", args)

    return deploy(build)


def machine() -> dict[str, Any]:
    return nat("instance").only(INSTANCE).inputs


@pytest.mark.parametrize(("mode", "homes"), [("gateway_per_az", 2), ("single_gateway", 1)])
def test_gateways_stand_in_public_subnets_with_an_address_each(mode: NatMode, homes: int) -> None:
    recording = nat(mode)
    gateways, addresses = recording.of("aws:ec2/natGateway:NatGateway"), recording.of("aws:ec2/eip:Eip")
    assert [one.inputs["subnetId"] for one in gateways] == ["subnet-a", "subnet-b"][:homes]
    assert {one.inputs["allocationId"] for one in gateways} == {one.outputs["id"] for one in addresses}
    assert len(addresses) == homes


@pytest.mark.parametrize(
    ("mode", "token"), [("single_gateway", "aws:ec2/natGateway:NatGateway"), ("instance", INSTANCE)]
)
def test_what_needs_the_internet_gateway_waits_for_it(mode: NatMode, token: str) -> None:
    assert "gateway" in nat(mode).only(token).depends_on, "it starts before its VPC reaches the internet"


@pytest.mark.parametrize("mode", ["gateway_per_az", "single_gateway", "instance"])
def test_each_private_table_has_one_way_out(mode: NatMode) -> None:
    routes = nat(mode).inputs_of("aws:ec2/route:Route")
    assert [one["routeTableId"] for one in routes] == ["rtb-a", "rtb-b"]
    assert {one["destinationCidrBlock"] for one in routes} == {"0.0.0.0/0"}


def test_the_instance_lets_in_the_private_ranges_alone() -> None:
    rules = nat("instance").inputs_of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    assert [one["cidrIpv4"] for one in rules] == ["172.16.0.0/20", "172.16.16.0/20"]


def test_the_instance_forwards() -> None:
    assert machine()["sourceDestCheck"] is False, "EC2 drops packets that are not its own"
    assert machine()["subnetId"] == "subnet-a"
    assert machine()["associatePublicIpAddress"] is True, "it has no Elastic IP, so no other way out"


def test_the_instance_is_hardened_and_holds_no_rights() -> None:
    assert machine()["metadataOptions"]["httpTokens"] == "required"
    assert machine()["metadataOptions"]["httpPutResponseHopLimit"] == 1
    assert machine()["rootBlockDevice"] == {"encrypted": True, "volumeType": "gp3"}
    assert not {"iamInstanceProfile", "keyName"} & set(machine())


def test_a_newer_image_alone_does_not_replace_the_instance() -> None:
    one = nat("instance").only(INSTANCE)
    assert one.inputs["ami"] == IMAGES["/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"]
    assert one.ignore_changes == ("ami",)
    assert one.inputs["instanceType"] == "t4g.nano", "the image is for arm64"
