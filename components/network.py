"""The stack's own network: a VPC with a public and a private subnet in each zone."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components import addresses
from components.nat import Nat, NatArgs
from setting_models import NetworkSettings

ANYWHERE = "0.0.0.0/0"
REGION_ZONE = r"[a-z-]+-\d[a-z]"


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """Ranges, zones and the way out; `gpu_instance_type` decides which zones will do."""

    settings: NetworkSettings
    gpu_instance_type: str
    flow_log_group_name: str
    log_retention_days: int


class Network(pulumi.ComponentResource):
    """Private subnets reach out by NAT as set and are never reached from outside.

    Every zone offers the GPU machine. A zone's subnets depend on its letter alone: adding one later recreates nothing.
    S3 and DynamoDB are reached by gateway endpoints, free and past the NAT. The default security group is closed.
    """

    vpc_id: pulumi.Output[str]
    public_subnet_ids: list[pulumi.Output[str]]
    private_subnet_ids: list[pulumi.Output[str]]
    private_subnet_cidrs: list[str]
    zones: list[str]
    private_routes: list[pulumi.Resource]
    """The private subnets' ways out, for what must not boot before them."""

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("sd-app:network:Network", name, None, opts)
        settings, child = args.settings, pulumi.ResourceOptions(parent=self)
        self.zones = choose_zones(args.gpu_instance_type, settings, self)
        plan = addresses.plan_subnets(
            settings.vpc_cidr, self.zones, settings.public_subnet_prefix, settings.private_subnet_prefix
        )
        vpc = aws.ec2.Vpc(
            name,
            cidr_block=settings.vpc_cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags={"Name": name},
            opts=child,
        )
        aws.ec2.DefaultSecurityGroup(f"{name}-default-closed", vpc_id=vpc.id, opts=child)
        gateway = aws.ec2.InternetGateway(name, vpc_id=vpc.id, tags={"Name": name}, opts=child)
        public = {
            z: _create_subnet(f"{name}-public-{z}", vpc, z, str(plan[z].public), child) for z in self.zones
        }
        private = {
            z: _create_subnet(f"{name}-private-{z}", vpc, z, str(plan[z].private), child) for z in self.zones
        }
        public_table = _create_route_table(f"{name}-public", vpc, public, child)
        aws.ec2.Route(
            f"{name}-public-out",
            route_table_id=public_table.id,
            destination_cidr_block=ANYWHERE,
            gateway_id=gateway.id,
            opts=child,
        )
        # A table for each zone in every NAT mode, so that a change of mode replaces routes and nothing else.
        private_tables = {
            z: _create_route_table(f"{name}-private-{z}", vpc, {z: subnet}, child)
            for z, subnet in private.items()
        }
        nat = Nat(
            f"{name}-nat",
            NatArgs(
                mode=settings.nat,
                vpc_id=vpc.id,
                public_subnet_ids={z: subnet.id for z, subnet in public.items()},
                private_route_table_ids={z: table.id for z, table in private_tables.items()},
                private_cidrs={z: str(plan[z].private) for z in self.zones},
                internet_gateway=gateway,
            ),
            child,
        )
        _create_gateway_endpoints(name, vpc, [public_table, *private_tables.values()], self)
        if settings.flow_logs:
            _create_flow_log(name, vpc, args, child)

        self.private_routes = nat.routes
        self.vpc_id = vpc.id
        self.public_subnet_ids = [public[z].id for z in self.zones]
        self.private_subnet_ids = [private[z].id for z in self.zones]
        self.private_subnet_cidrs = [str(plan[z].private) for z in self.zones]
        self.register_outputs(
            {
                "vpc_id": self.vpc_id,
                "public_subnet_ids": self.public_subnet_ids,
                "private_subnet_ids": self.private_subnet_ids,
                "private_subnet_cidrs": self.private_subnet_cidrs,
                "zones": self.zones,
            }
        )


def choose_zones(instance_type: str, settings: NetworkSettings, parent: pulumi.Resource) -> list[str]:
    """Zones to use: those named by the setting, else the first that offer the instance type.

    Asked while the program is built, since the names key the resources. Raises RunError when there are too few.
    """
    offered = aws.ec2.get_instance_type_offerings(
        # A filter's values are a set to the provider: named once for each zone wanted, it asks AWS the same thing,
        # and a stand-in for AWS that answers with one zone a value gives enough of them.
        filters=[{"name": "instance-type", "values": [instance_type] * settings.zone_count}],
        location_type="availability-zone",
        opts=pulumi.InvokeOptions(parent=parent),
    ).locations
    return pick_zones(instance_type, settings.zones, settings.zone_count, offered)


def pick_zones(instance_type: str, named: Sequence[str], count: int, offered: Sequence[str]) -> list[str]:
    """The choice itself, without AWS. Local Zones, such as us-west-2-lax-1a, are no choice: they
    sort first, have few services, and share their letter with a zone of the Region."""
    offered = sorted(zone for zone in offered if re.fullmatch(REGION_ZONE, zone))
    without = [zone for zone in named if zone not in offered]
    if without:
        raise pulumi.RunError(
            f"sd-app:network.zones: {', '.join(without)} does not offer {instance_type}; allowed: {', '.join(offered)}"
        )
    if len(offered) < count:
        raise pulumi.RunError(
            f"sd-app:network.zoneCount: {count} zones wanted, but {instance_type} is offered in {len(offered)} "
            f"({', '.join(offered) or 'none'}); lower it, or choose another sd-app:mlServer.instanceType"
        )
    return list(named) or list(offered[:count])


def _create_subnet(
    name: str, vpc: aws.ec2.Vpc, zone: str, cidr: str, opts: pulumi.ResourceOptions
) -> aws.ec2.Subnet:
    """No public addresses by themselves: what must be reached from outside gets an Elastic IP."""
    return aws.ec2.Subnet(
        name,
        vpc_id=vpc.id,
        availability_zone=zone,
        cidr_block=cidr,
        map_public_ip_on_launch=False,
        tags={"Name": name},
        opts=opts,
    )


def _create_route_table(
    name: str, vpc: aws.ec2.Vpc, subnets: dict[str, aws.ec2.Subnet], opts: pulumi.ResourceOptions
) -> aws.ec2.RouteTable:
    table = aws.ec2.RouteTable(name, vpc_id=vpc.id, tags={"Name": name}, opts=opts)
    for zone, subnet in subnets.items():
        own = name if name.endswith(zone) else f"{name}-{zone}"
        aws.ec2.RouteTableAssociation(own, route_table_id=table.id, subnet_id=subnet.id, opts=opts)
    return table


def _create_gateway_endpoints(
    name: str, vpc: aws.ec2.Vpc, tables: list[aws.ec2.RouteTable], parent: pulumi.Resource
) -> None:
    region = aws.get_region(opts=pulumi.InvokeOptions(parent=parent)).region
    for service in ("s3", "dynamodb"):
        aws.ec2.VpcEndpoint(
            f"{name}-{service}",
            vpc_id=vpc.id,
            service_name=f"com.amazonaws.{region}.{service}",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in tables],
            tags={"Name": f"{name}-{service}"},
            opts=pulumi.ResourceOptions(parent=parent),
        )


def _create_flow_log(name: str, vpc: aws.ec2.Vpc, args: NetworkArgs, opts: pulumi.ResourceOptions) -> None:
    group = aws.cloudwatch.LogGroup(
        f"{name}-flow", name=args.flow_log_group_name, retention_in_days=args.log_retention_days, opts=opts
    )
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": "vpc-flow-logs.amazonaws.com"},
    }
    role = aws.iam.Role(
        f"{name}-flow",
        assume_role_policy=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        opts=opts,
    )
    aws.iam.RolePolicy(
        f"{name}-flow",
        role=role.id,
        policy=pulumi.Output.json_dumps(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": "WriteOwnLogs",
                        "Effect": "Allow",
                        "Action": ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
                        "Resource": [group.arn, pulumi.Output.concat(group.arn, ":*")],
                    }
                ],
            }
        ),
        opts=opts,
    )
    aws.ec2.FlowLog(
        f"{name}-flow",
        vpc_id=vpc.id,
        traffic_type="ALL",
        log_destination_type="cloud-watch-logs",
        log_destination=group.arn,
        iam_role_arn=role.arn,
        opts=opts,
    )
