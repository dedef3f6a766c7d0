"""Elastic IPs, what they are bound to, and NAT gateways."""

from __future__ import annotations

from typing import Any

from sandbox.aws.ec2_calls import arn, described, ec2_resource, quietly, retag_resource, tagged, tags_of
from sandbox.aws.faithful import found_or_none, present
from sandbox.aws.table import Aws, Props, ResourceType

GONE_STATES = {"shutting-down", "terminated"}
"""An instance in these holds nothing any more."""


def public_dns(region: str, address: str) -> str:
    """The name that AWS's resolver has for a public address
    (docs.aws.amazon.com/vpc/latest/userguide/vpc-dns.html)."""
    host = f"ec2-{address.replace('.', '-')}"
    return (
        f"{host}.compute-1.amazonaws.com"
        if region == "us-east-1"
        else f"{host}.{region}.compute.amazonaws.com"
    )


def private_dns(region: str, address: str) -> str:
    """The name that a VPC's resolver has for a private address."""
    host = f"ip-{address.replace('.', '-')}"
    return f"{host}.ec2.internal" if region == "us-east-1" else f"{host}.{region}.compute.internal"


def _allocate(aws: Aws, inputs: Props) -> str:
    if inputs.get("domain", "vpc") != "vpc":
        raise ValueError(
            f'aws:ec2/eip:Eip: domain "{inputs["domain"]}" is no longer known to AWS; allowed: "vpc"'
        )
    return aws.client("ec2").allocate_address(Domain="vpc", **tagged("elastic-ip", inputs))["AllocationId"]


def _read_address(aws: Aws, id: str, last: Props) -> Props | None:
    found = described(aws, "describe_addresses", "Addresses", AllocationIds=[id])
    if found is None:
        return None
    private_ip = found.get("PrivateIpAddress") or ""
    return {
        "allocationId": id,
        "arn": arn(aws, "elastic-ip", id),
        "associationId": found.get("AssociationId") or "",
        "domain": found["Domain"],
        "instance": found.get("InstanceId") or "",
        "networkBorderGroup": aws.region,
        "networkInterface": found.get("NetworkInterfaceId") or "",
        "privateDns": private_dns(aws.region, private_ip) if private_ip else "",
        "privateIp": private_ip,
        "publicDns": public_dns(aws.region, found["PublicIp"]),
        "publicIp": found["PublicIp"],
        "publicIpv4Pool": "amazon",
        "tagsAll": tags_of(found),
    }


def _release(aws: Aws, id: str, last: Props) -> None:
    # moto ends an association with it; AWS wants that done first.
    aws.client("ec2").release_address(AllocationId=id)


def _associate(aws: Aws, inputs: Props) -> str:
    made = aws.client("ec2").associate_address(
        AllocationId=inputs["allocationId"],
        AllowReassociation=inputs.get("allowReassociation", True),
        **present(InstanceId=inputs.get("instanceId"), NetworkInterfaceId=inputs.get("networkInterfaceId")),
    )
    return made["AssociationId"]


def _association(aws: Aws, id: str) -> Props | None:
    wanted = [{"Name": "association-id", "Values": [id]}]
    found = described(aws, "describe_addresses", "Addresses", Filters=wanted)
    if found and (instance := found.get("InstanceId")) and _terminated(aws, instance):
        return None  # AWS frees the address of a machine that ends; moto does not
    return found


def _terminated(aws: Aws, instance_id: str) -> bool:
    found: Any = described(aws, "describe_instances", "Reservations", InstanceIds=[instance_id])
    return found is None or found["Instances"][0]["State"]["Name"] in GONE_STATES


def _read_association(aws: Aws, id: str, last: Props) -> Props | None:
    found = _association(aws, id)
    if found is None:
        return None
    return {
        "allocationId": found["AllocationId"],
        "instanceId": found.get("InstanceId") or "",
        "networkInterfaceId": found.get("NetworkInterfaceId") or "",
        "privateIpAddress": found.get("PrivateIpAddress") or "",
        "publicIp": found["PublicIp"],
    }


def _disassociate(aws: Aws, id: str, last: Props) -> None:
    aws.client("ec2").disassociate_address(AssociationId=id)


def _create_nat_gateway(aws: Aws, inputs: Props) -> str:
    made = aws.client("ec2").create_nat_gateway(
        SubnetId=inputs["subnetId"],
        ConnectivityType=inputs.get("connectivityType", "public"),
        **present(AllocationId=inputs.get("allocationId")),
        **tagged("natgateway", inputs),
    )
    return made["NatGateway"]["NatGatewayId"]


def _nat_gateway(aws: Aws, id: str) -> Props | None:
    found = described(aws, "describe_nat_gateways", "NatGateways", NatGatewayIds=[id])
    return found if found and found["State"] != "deleted" else None


def _read_nat_gateway(aws: Aws, id: str, last: Props) -> Props | None:
    found = _nat_gateway(aws, id)
    if found is None:
        return None
    address = found["NatGatewayAddresses"][0]
    return {
        **present(allocationId=address.get("AllocationId")),
        "associationId": address.get("AssociationId", ""),
        "availabilityMode": "zonal",
        "connectivityType": found["ConnectivityType"],
        "networkInterfaceId": address["NetworkInterfaceId"],
        "privateIp": address["PrivateIp"],
        "publicIp": address.get("PublicIp", ""),
        "secondaryAllocationIds": [],
        "secondaryPrivateIpAddressCount": 0,
        "secondaryPrivateIpAddresses": [],
        "subnetId": found["SubnetId"],
        "tagsAll": tags_of(found),
        "vpcId": found["VpcId"],
    }


def _delete_nat_gateway(aws: Aws, id: str, last: Props) -> None:
    found = _nat_gateway(aws, id)
    if found is None:
        return
    ec2 = aws.client("ec2")
    ec2.delete_nat_gateway(NatGatewayId=id)
    # AWS frees the address and the interface with the gateway; moto keeps both.
    for address in found["NatGatewayAddresses"]:
        if address.get("AssociationId"):
            quietly(ec2.disassociate_address, AssociationId=address["AssociationId"])
        found_or_none(ec2.delete_network_interface, NetworkInterfaceId=address["NetworkInterfaceId"])


RESOURCES = (
    ec2_resource(
        ResourceType(
            token="aws:ec2/eip:Eip",
            create=_allocate,
            read=_read_address,
            update=retag_resource,
            delete=_release,
            immutable=frozenset({"domain"}),
        ),
        takes="domain",
    ),
    ec2_resource(
        ResourceType(
            token="aws:ec2/eipAssociation:EipAssociation",
            create=_associate,
            read=_read_association,
            delete=_disassociate,
            immutable=frozenset({"allocationId", "allowReassociation", "instanceId", "networkInterfaceId"}),
        ),
        takes="allocationId instanceId networkInterfaceId",
        keeps={"allowReassociation": True},
    ),
    ec2_resource(
        ResourceType(
            token="aws:ec2/natGateway:NatGateway",
            create=_create_nat_gateway,
            read=_read_nat_gateway,
            update=retag_resource,
            delete=_delete_nat_gateway,
            immutable=frozenset({"allocationId", "connectivityType", "subnetId"}),
        ),
        takes="allocationId connectivityType subnetId",
    ),
)
