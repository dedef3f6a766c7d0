"""How private subnets reach out: NAT gateways, one small instance, or nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

import contract
from cloud_init.render import render_user_data
from components.machine import newest_image
from instance_types import NAT_INSTANCE_TYPE
from setting_models import NatMode

ANYWHERE = "0.0.0.0/0"
IMAGE_PARAMETER = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"


@dataclass(frozen=True, kw_only=True)
class NatArgs:
    """Subnets, private route tables and private ranges, by zone."""

    mode: NatMode
    vpc_id: pulumi.Input[str]
    public_subnet_ids: Mapping[str, pulumi.Input[str]]
    private_route_table_ids: Mapping[str, pulumi.Input[str]]
    private_cidrs: Mapping[str, str]
    internet_gateway: pulumi.Resource


class Nat(pulumi.ComponentResource):
    """Each private route table has one way out, or none; nobody comes in by it."""

    routes: list[pulumi.Resource]
    """The private subnets' ways out: what boots there needs them in its first seconds, and Pulumi cannot see that."""

    def __init__(self, name: str, args: NatArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("sd-app:network:Nat", name, None, opts)
        zones = list(args.private_route_table_ids)
        self.routes = []
        if args.mode == "instance":
            interface = _create_instance(name, args, zones[0], self).primary_network_interface_id
            self.routes = [
                self._create_route(name, args, zone, network_interface_id=interface) for zone in zones
            ]
        elif args.mode != "none":
            homes = zones if args.mode == "gateway_per_az" else zones[:1]
            gateways = {zone: self._create_gateway(name, args, zone) for zone in homes}
            self.routes = [
                self._create_route(name, args, zone, nat_gateway_id=gateways.get(zone, gateways[zones[0]]).id)
                for zone in zones
            ]
        self.register_outputs({})

    def _create_gateway(self, name: str, args: NatArgs, zone: str) -> aws.ec2.NatGateway:
        # An address or NAT gateway cannot work before the VPC has its internet gateway.
        child = pulumi.ResourceOptions(parent=self, depends_on=[args.internet_gateway])
        address = aws.ec2.Eip(f"{name}-{zone}", domain="vpc", tags={"Name": f"{name}-{zone}"}, opts=child)
        return aws.ec2.NatGateway(
            f"{name}-{zone}",
            allocation_id=address.allocation_id,
            subnet_id=args.public_subnet_ids[zone],
            tags={"Name": f"{name}-{zone}"},
            opts=child,
        )

    def _create_route(
        self, name: str, args: NatArgs, zone: str, **way_out: pulumi.Input[str]
    ) -> aws.ec2.Route:
        return aws.ec2.Route(
            f"{name}-out-{zone}",
            route_table_id=args.private_route_table_ids[zone],
            destination_cidr_block=ANYWHERE,
            opts=pulumi.ResourceOptions(parent=self),
            **way_out,
        )


def _create_instance(name: str, args: NatArgs, zone: str, parent: pulumi.Resource) -> aws.ec2.Instance:
    """A NAT of our own: a tenth of a gateway's price, and one machine to fail.

    It has no role: it holds no data and is replaced, not repaired.
    """
    child = pulumi.ResourceOptions(parent=parent)
    group = aws.ec2.SecurityGroup(
        name, description="NAT instance: from the private subnets out", vpc_id=args.vpc_id, opts=child
    )
    for private_zone, cidr in args.private_cidrs.items():
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-from-{private_zone}",
            security_group_id=group.id,
            cidr_ipv4=cidr,
            ip_protocol="-1",
            opts=child,
        )
    # What the machines behind it may reach is their own groups' matter.
    way_out = aws.vpc.SecurityGroupEgressRule(
        f"{name}-to-anywhere", security_group_id=group.id, cidr_ipv4=ANYWHERE, ip_protocol="-1", opts=child
    )
    return aws.ec2.Instance(
        name,
        ami=newest_image(IMAGE_PARAMETER, parent),
        instance_type=NAT_INSTANCE_TYPE,
        subnet_id=args.public_subnet_ids[zone],
        associate_public_ip_address=True,
        source_dest_check=False,
        vpc_security_group_ids=[group.id],
        metadata_options={
            "http_tokens": "required",
            "http_endpoint": "enabled",
            "http_put_response_hop_limit": 1,
        },
        root_block_device={"encrypted": True, "volume_type": "gp3"},
        maintenance_options={"auto_recovery": "default"},
        user_data_base64=render_user_data(contract.NAT, {}),
        user_data_replace_on_change=True,
        tags={"Name": name},
        opts=pulumi.ResourceOptions(
            parent=parent,
            # A newer image alone never replaces a machine.
            ignore_changes=["ami"],
            # Its script needs the internet in its first seconds.
            depends_on=[args.internet_gateway, way_out],
        ),
    )
