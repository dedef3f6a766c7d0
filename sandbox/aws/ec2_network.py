"""VPCs, their subnets, internet gateways and flow logs."""

from __future__ import annotations

from sandbox.aws.ec2_calls import (
    arn,
    described,
    ec2_resource,
    filters,
    retag_resource,
    tagged,
    tags_of,
)
from sandbox.aws.faithful import found_or_none, present
from sandbox.aws.table import Aws, Props, ResourceType

VPC_SWITCHES = {
    "enableDnsSupport": ("EnableDnsSupport", True),
    "enableDnsHostnames": ("EnableDnsHostnames", False),
    "enableNetworkAddressUsageMetrics": ("EnableNetworkAddressUsageMetrics", False),
}
"""Input -> attribute that a VPC has only after its creation, and what EC2 sets it to by itself."""


def _create_vpc(aws: Aws, inputs: Props) -> str:
    made = aws.client("ec2").create_vpc(
        CidrBlock=inputs["cidrBlock"],
        **present(InstanceTenancy=inputs.get("instanceTenancy")),
        **tagged("vpc", inputs),
    )
    return made["Vpc"]["VpcId"]


def _switch_vpc(aws: Aws, id: str, inputs: Props) -> None:
    # One call for each: EC2 takes one attribute at a time.
    for key, (attribute, default) in VPC_SWITCHES.items():
        aws.client("ec2").modify_vpc_attribute(VpcId=id, **{attribute: {"Value": inputs.get(key, default)}})


def _read_vpc(aws: Aws, id: str, last: Props) -> Props | None:
    ec2, found = aws.client("ec2"), described(aws, "describe_vpcs", "Vpcs", VpcIds=[id])
    if found is None:
        return None
    table = described(
        aws,
        "describe_route_tables",
        "RouteTables",
        Filters=filters(vpc_id=id) + filters(**{"association.main": "true"}),
    )
    group = default_group(aws, id)
    acl = _default_acl(aws, id)
    table_id = table["RouteTableId"] if table else ""
    return {
        **{
            key: ec2.describe_vpc_attribute(VpcId=id, Attribute=key)[attribute]["Value"]
            for key, (attribute, _) in VPC_SWITCHES.items()
        },
        "arn": arn(aws, "vpc", id),
        "assignGeneratedIpv6CidrBlock": False,
        "cidrBlock": found["CidrBlock"],
        "defaultNetworkAclId": acl["NetworkAclId"] if acl else "",
        "defaultRouteTableId": table_id,
        "defaultSecurityGroupId": group["GroupId"] if group else "",
        "dhcpOptionsId": found.get("DhcpOptionsId", ""),
        "instanceTenancy": found["InstanceTenancy"],
        "mainRouteTableId": table_id,
        "ownerId": found["OwnerId"],
        "tagsAll": tags_of(found),
    }


def default_group(aws: Aws, vpc_id: str) -> Props | None:
    """The security group that AWS gives a VPC."""
    wanted = filters(vpc_id=vpc_id, group_name="default")
    return described(aws, "describe_security_groups", "SecurityGroups", Filters=wanted)


def _default_acl(aws: Aws, vpc_id: str) -> Props | None:
    return described(
        aws, "describe_network_acls", "NetworkAcls", Filters=filters(vpc_id=vpc_id, default="true")
    )


def _update_vpc(aws: Aws, id: str, old: Props, new: Props) -> None:
    _switch_vpc(aws, id, new)
    retag_resource(aws, id, old, new)


def _delete_vpc(aws: Aws, id: str, last: Props) -> None:
    # moto leaves the VPC's network ACL behind, and can't delete it: it still counts the subnets that are gone.
    aws.client("ec2").delete_vpc(VpcId=id)


def _create_internet_gateway(aws: Aws, inputs: Props) -> str:
    made = aws.client("ec2").create_internet_gateway(**tagged("internet-gateway", inputs))
    return made["InternetGateway"]["InternetGatewayId"]


def _attach_internet_gateway(aws: Aws, id: str, inputs: Props) -> None:
    if vpc_id := inputs.get("vpcId"):
        aws.client("ec2").attach_internet_gateway(InternetGatewayId=id, VpcId=vpc_id)


def _internet_gateway(aws: Aws, id: str) -> Props | None:
    return described(aws, "describe_internet_gateways", "InternetGateways", InternetGatewayIds=[id])


def _detach_internet_gateway(aws: Aws, id: str) -> None:
    for attachment in (_internet_gateway(aws, id) or {}).get("Attachments", ()):
        aws.client("ec2").detach_internet_gateway(InternetGatewayId=id, VpcId=attachment["VpcId"])


def _read_internet_gateway(aws: Aws, id: str, last: Props) -> Props | None:
    found = _internet_gateway(aws, id)
    if found is None:
        return None
    return {
        "arn": arn(aws, "internet-gateway", id),
        "ownerId": found["OwnerId"],
        "tagsAll": tags_of(found),
        "vpcId": next((attachment["VpcId"] for attachment in found["Attachments"]), ""),
    }


def _update_internet_gateway(aws: Aws, id: str, old: Props, new: Props) -> None:
    if old.get("vpcId") != new.get("vpcId"):
        _detach_internet_gateway(aws, id)
        _attach_internet_gateway(aws, id, new)
    retag_resource(aws, id, old, new)


def _delete_internet_gateway(aws: Aws, id: str, last: Props) -> None:
    _detach_internet_gateway(aws, id)
    aws.client("ec2").delete_internet_gateway(InternetGatewayId=id)


def _create_subnet(aws: Aws, inputs: Props) -> str:
    made = aws.client("ec2").create_subnet(
        VpcId=inputs["vpcId"],
        CidrBlock=inputs["cidrBlock"],
        **present(
            AvailabilityZone=inputs.get("availabilityZone"),
            AvailabilityZoneId=inputs.get("availabilityZoneId"),
        ),
        **tagged("subnet", inputs),
    )
    return made["Subnet"]["SubnetId"]


def _switch_subnet(aws: Aws, id: str, inputs: Props) -> None:
    # Always set: moto switches public addresses on in the first subnet of a zone, AWS in default VPCs only.
    wanted = {"Value": bool(inputs.get("mapPublicIpOnLaunch"))}
    aws.client("ec2").modify_subnet_attribute(SubnetId=id, MapPublicIpOnLaunch=wanted)


def _read_subnet(aws: Aws, id: str, last: Props) -> Props | None:
    found = described(aws, "describe_subnets", "Subnets", SubnetIds=[id])
    if found is None:
        return None
    return {
        "arn": found["SubnetArn"],
        "assignIpv6AddressOnCreation": found["AssignIpv6AddressOnCreation"],
        "availabilityZone": found["AvailabilityZone"],
        "availabilityZoneId": found["AvailabilityZoneId"],
        "cidrBlock": found["CidrBlock"],
        "mapPublicIpOnLaunch": found["MapPublicIpOnLaunch"],
        "ownerId": found["OwnerId"],
        "privateDnsHostnameTypeOnLaunch": "ip-name",
        "tagsAll": tags_of(found),
        "vpcId": found["VpcId"],
    }


def _update_subnet(aws: Aws, id: str, old: Props, new: Props) -> None:
    _switch_subnet(aws, id, new)
    retag_resource(aws, id, old, new)


def _delete_subnet(aws: Aws, id: str, last: Props) -> None:
    aws.client("ec2").delete_subnet(SubnetId=id)


FLOW_LOG_TARGETS = {"vpcId": "VPC", "subnetId": "Subnet", "eniId": "NetworkInterface"}
"""Input that says whose traffic is logged -> EC2's word for it; exactly one is given."""


def _create_flow_log(aws: Aws, inputs: Props) -> str:
    targets = [key for key in FLOW_LOG_TARGETS if inputs.get(key)]
    if len(targets) != 1:
        raise ValueError(
            f"aws:ec2/flowLog:FlowLog: one of {', '.join(FLOW_LOG_TARGETS)} is needed; given: {', '.join(targets) or 'none'}"
        )
    destination, kind = inputs["logDestination"], inputs.get("logDestinationType", "cloud-watch-logs")
    made = aws.client("ec2").create_flow_logs(
        ResourceType=FLOW_LOG_TARGETS[targets[0]],
        ResourceIds=[inputs[targets[0]]],
        TrafficType=inputs.get("trafficType", "ALL"),
        LogDestinationType=kind,
        LogDestination=destination,
        **present(
            # AWS finds the group by the ARN; moto looks for it by its name alone, and reports a failure without.
            LogGroupName=destination.split(":")[6] if kind == "cloud-watch-logs" else None,
            DeliverLogsPermissionArn=inputs.get("iamRoleArn"),
            MaxAggregationInterval=inputs.get("maxAggregationInterval"),
            LogFormat=inputs.get("logFormat"),
        ),
        **tagged("vpc-flow-log", inputs),
    )
    if failed := made.get("Unsuccessful"):
        raise ValueError(f"aws:ec2/flowLog:FlowLog: {failed[0]['Error']['Message']}")
    return made["FlowLogIds"][0]


def _read_flow_log(aws: Aws, id: str, last: Props) -> Props | None:
    found = described(aws, "describe_flow_logs", "FlowLogs", FlowLogIds=[id])
    if found is None:
        return None
    kind = {"vpc": "vpcId", "subnet": "subnetId", "eni": "eniId"}[found["ResourceId"].split("-")[0]]
    return {
        kind: found["ResourceId"],
        "arn": arn(aws, "vpc-flow-log", id),
        **present(iamRoleArn=found.get("DeliverLogsPermissionArn")),
        "logDestination": found["LogDestination"],
        "logDestinationType": found["LogDestinationType"],
        "logFormat": found["LogFormat"],
        "maxAggregationInterval": found["MaxAggregationInterval"],
        "tagsAll": tags_of(found),
        "trafficType": found["TrafficType"],
    }


def _delete_flow_log(aws: Aws, id: str, last: Props) -> None:
    found_or_none(aws.client("ec2").delete_flow_logs, FlowLogIds=[id])


FLOW_LOG_INPUTS = "eniId iamRoleArn logDestination logDestinationType logFormat maxAggregationInterval subnetId trafficType vpcId"

RESOURCES = (
    ec2_resource(
        ResourceType(
            token="aws:ec2/vpc:Vpc",
            create=_create_vpc,
            read=_read_vpc,
            update=_update_vpc,
            delete=_delete_vpc,
            immutable=frozenset({"cidrBlock", "instanceTenancy"}),
        ),
        takes=f"cidrBlock instanceTenancy {' '.join(VPC_SWITCHES)}",
        finish=_switch_vpc,
    ),
    ec2_resource(
        ResourceType(
            token="aws:ec2/internetGateway:InternetGateway",
            create=_create_internet_gateway,
            read=_read_internet_gateway,
            update=_update_internet_gateway,
            delete=_delete_internet_gateway,
        ),
        takes="vpcId",
        finish=_attach_internet_gateway,
    ),
    ec2_resource(
        ResourceType(
            token="aws:ec2/subnet:Subnet",
            create=_create_subnet,
            read=_read_subnet,
            update=_update_subnet,
            delete=_delete_subnet,
            immutable=frozenset({"availabilityZone", "availabilityZoneId", "cidrBlock", "vpcId"}),
        ),
        takes="availabilityZone availabilityZoneId cidrBlock mapPublicIpOnLaunch vpcId",
        finish=_switch_subnet,
    ),
    ec2_resource(
        ResourceType(
            token="aws:ec2/flowLog:FlowLog",
            create=_create_flow_log,
            read=_read_flow_log,
            update=retag_resource,
            delete=_delete_flow_log,
            immutable=frozenset(FLOW_LOG_INPUTS.split()),
        ),
        takes=FLOW_LOG_INPUTS,
    ),
)
