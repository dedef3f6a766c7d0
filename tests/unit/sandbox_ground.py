"""A network on a moto server for the lives of EC2 resources, and the AWS SDK's names that they must keep to."""

from __future__ import annotations

import inspect
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pulumi_aws
from sandbox_life import Life, live, moto_server

from sandbox.aws import ec2_addresses, ec2_firewall, ec2_instance, ec2_network, ec2_routes
from sandbox.aws.table import Aws, Props, ResourceType

TYPES = {
    resource.token.rsplit(":", 1)[1]: resource
    for module in (ec2_addresses, ec2_firewall, ec2_instance, ec2_network, ec2_routes)
    for resource in module.RESOURCES
}
TAGS = {"tagsAll": {"Project": "sd-app", "Name": "test"}}
NEW_TAGS = {"tagsAll": {"Project": "sd-app", "Owner": "studio"}}


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Where resources are put: two VPCs, and in the first a subnet, two route tables, two groups and a gateway."""

    aws: Aws
    vpc: str
    other_vpc: str
    subnet: str
    table: str
    other_table: str
    group: str
    other_group: str
    gateway: str


@contextmanager
def ground_on(folder: Path) -> Generator[Ground]:
    """A fresh emulator with the ground laid, by boto3 alone."""
    with moto_server(folder) as aws:
        ec2 = aws.client("ec2")
        vpcs = [ec2.create_vpc(CidrBlock=f"10.{n}.0.0/16")["Vpc"]["VpcId"] for n in (1, 2)]
        subnet = ec2.create_subnet(VpcId=vpcs[0], CidrBlock="10.1.0.0/24", AvailabilityZone="us-east-1b")
        tables = [ec2.create_route_table(VpcId=vpcs[0])["RouteTable"]["RouteTableId"] for _ in range(2)]
        groups = [
            ec2.create_security_group(GroupName=name, Description=name, VpcId=vpcs[0])["GroupId"]
            for name in ("own", "other")
        ]
        gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpcs[0])
        yield Ground(
            aws=aws,
            vpc=vpcs[0],
            other_vpc=vpcs[1],
            subnet=subnet["Subnet"]["SubnetId"],
            table=tables[0],
            other_table=tables[1],
            group=groups[0],
            other_group=groups[1],
            gateway=gateway,
        )


def live_by_the_sdk(aws: Aws, resource: ResourceType, life: Life) -> None:
    """A life in which every input and every output has a name that the AWS SDK knows."""
    shown: set[str] = set()

    def read(aws: Aws, id: str, last: Props) -> Props | None:
        found = resource.read(aws, id, last)
        shown.update(found or {})
        return found

    live(aws, replace(resource, read=read), life)
    assert shown <= output_names(resource.token), "the SDK has no such outputs"
    assert {*life.inputs, *life.changes} <= output_names(resource.token), "the SDK has no such inputs"


def output_names(token: str) -> set[str]:
    """Properties of a type by their Pulumi names. The EC2 types show every input as an output."""
    package, name = token.split(":")[1].split("/")[0], token.rsplit(":", 1)[1]
    kind = getattr(getattr(pulumi_aws, package), name)
    properties = inspect.getmembers(kind, lambda member: isinstance(member, property))
    return {getattr(found.fget, "_pulumi_name", found.fget.__name__) for _, found in properties}


def tamper_tags(aws: Aws, id: str) -> None:
    """What somebody does in the console."""
    aws.client("ec2").create_tags(Resources=[id], Tags=[{"Key": "Project", "Value": "other"}])
