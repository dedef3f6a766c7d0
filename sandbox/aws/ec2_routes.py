"""Route tables, what is bound to them, and their routes; gateway endpoints, which are routes to AWS services."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from sandbox.aws.ec2_calls import (
    arn,
    described,
    ec2_resource,
    filters,
    first_changed,
    quietly,
    retag_resource,
    tagged,
    tags_of,
)
from sandbox.aws.faithful import present
from sandbox.aws.table import Aws, Props, ResourceType

MOVED = "ec2-route-table-association"
"""Store kind: association as Pulumi knows it -> the one that took its place. EC2 gives a changed association a new id,
and a resource can't change its own."""

TARGETS = {
    "gatewayId": "GatewayId",
    "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
}
"""Where a route leads: input -> EC2's argument; exactly one is given."""


def _table(aws: Aws, id: str) -> Props | None:
    return described(aws, "describe_route_tables", "RouteTables", RouteTableIds=[id])


def _create_table(aws: Aws, inputs: Props) -> str:
    made = aws.client("ec2").create_route_table(VpcId=inputs["vpcId"], **tagged("route-table", inputs))
    return made["RouteTable"]["RouteTableId"]


def _read_table(aws: Aws, id: str, last: Props) -> Props | None:
    found = _table(aws, id)
    if found is None:
        return None
    # No `routes`: they are resources of their own, and the provider would take what they add for a change.
    return {
        "arn": arn(aws, "route-table", id),
        "ownerId": found["OwnerId"],
        "propagatingVgws": [],
        "tagsAll": tags_of(found),
        "vpcId": found["VpcId"],
    }


def _delete_table(aws: Aws, id: str, last: Props) -> None:
    ec2 = aws.client("ec2")
    for association in (_table(aws, id) or {}).get("Associations", ()):
        quietly(ec2.disassociate_route_table, AssociationId=association["RouteTableAssociationId"])
    ec2.delete_route_table(RouteTableId=id)


def _associate(aws: Aws, inputs: Props) -> str:
    subnet = inputs.get("subnetId")
    taken = subnet and described(
        aws, "describe_route_tables", "RouteTables", Filters=filters(**{"association.subnet-id": subnet})
    )
    if taken:  # moto would answer with the existing association and change nothing
        raise ValueError(
            f"aws:ec2/routeTableAssociation:RouteTableAssociation: {subnet} already has {taken['RouteTableId']}; "
            "remove that association first"
        )
    made = aws.client("ec2").associate_route_table(
        RouteTableId=inputs["routeTableId"],
        **present(SubnetId=subnet, GatewayId=inputs.get("gatewayId")),
    )
    return made["AssociationId"]


def _current(aws: Aws, id: str) -> str:
    return (aws.store.get(MOVED, id) or {"now": id})["now"]


def _read_association(aws: Aws, id: str, last: Props) -> Props | None:
    current = _current(aws, id)
    wanted = filters(**{"association.route-table-association-id": current})
    table = described(aws, "describe_route_tables", "RouteTables", Filters=wanted)
    for found in (table or {}).get("Associations", ()):
        if found["RouteTableAssociationId"] == current:
            return {
                "routeTableId": found["RouteTableId"],
                **present(subnetId=found.get("SubnetId"), gatewayId=found.get("GatewayId")),
            }
    return None


def _update_association(aws: Aws, id: str, old: Props, new: Props) -> None:
    if old["routeTableId"] != new["routeTableId"]:
        made = aws.client("ec2").replace_route_table_association(
            AssociationId=_current(aws, id), RouteTableId=new["routeTableId"]
        )
        aws.store.put(MOVED, id, {"now": made["NewAssociationId"]})


def _delete_association(aws: Aws, id: str, last: Props) -> None:
    quietly(aws.client("ec2").disassociate_route_table, AssociationId=_current(aws, id))
    aws.store.delete(MOVED, id)


def _create_route(aws: Aws, inputs: Props) -> str:
    targets = {theirs: inputs[ours] for ours, theirs in TARGETS.items() if inputs.get(ours)}
    table, destination = inputs["routeTableId"], inputs["destinationCidrBlock"]
    if len(targets) != 1:
        raise ValueError(
            f"aws:ec2/route:Route: one of {', '.join(TARGETS)} is needed for {destination}; given: {', '.join(targets) or 'none'}"
        )
    if _route(aws, table, destination):  # moto looks for that in some cases only
        raise ValueError(
            f"aws:ec2/route:Route: {table} already has a route for {destination}; remove it first"
        )
    aws.client("ec2").create_route(RouteTableId=table, DestinationCidrBlock=destination, **targets)
    # The AWS provider's own id: the table and a checksum of the destination.
    return f"r-{table}{zlib.crc32(destination.encode())}"


def _route(aws: Aws, table: str, destination: str) -> Props | None:
    routes: Iterable[Props] = (_table(aws, table) or {}).get("Routes", ())
    return next((route for route in routes if route.get("DestinationCidrBlock") == destination), None)


def _read_route(aws: Aws, id: str, last: Props) -> Props | None:
    found = _route(aws, last["routeTableId"], last["destinationCidrBlock"])
    if found is None:
        return None
    return {
        "destinationCidrBlock": last["destinationCidrBlock"],
        "instanceId": found.get("InstanceId", ""),
        "instanceOwnerId": found.get("InstanceOwnerId", ""),
        "origin": found["Origin"],
        "routeTableId": last["routeTableId"],
        "state": found["State"],
        **present(**{ours: found.get(theirs) for ours, theirs in TARGETS.items()}),
    }


def _update_route(aws: Aws, id: str, old: Props, new: Props) -> None:
    if target := first_changed(TARGETS, old, new):
        aws.client("ec2").replace_route(
            RouteTableId=new["routeTableId"],
            DestinationCidrBlock=new["destinationCidrBlock"],
            **{TARGETS[target]: new[target]},
        )


def _delete_route(aws: Aws, id: str, last: Props) -> None:
    aws.client("ec2").delete_route(
        RouteTableId=last["routeTableId"], DestinationCidrBlock=last["destinationCidrBlock"]
    )


def _create_endpoint(aws: Aws, inputs: Props) -> str:
    kind = inputs.get("vpcEndpointType", "Gateway")
    if kind != "Gateway":
        raise ValueError(
            f'aws:ec2/vpcEndpoint:VpcEndpoint: vpcEndpointType "{kind}" is unknown to the sandbox; allowed: "Gateway"'
        )
    made = aws.client("ec2").create_vpc_endpoint(
        VpcId=inputs["vpcId"],
        ServiceName=inputs["serviceName"],
        VpcEndpointType=kind,
        RouteTableIds=inputs.get("routeTableIds", []),
        **present(PolicyDocument=inputs.get("policy")),
        **tagged("vpc-endpoint", inputs),
    )
    return made["VpcEndpoint"]["VpcEndpointId"]


def _endpoint(aws: Aws, id: str) -> Props | None:
    found = described(aws, "describe_vpc_endpoints", "VpcEndpoints", VpcEndpointIds=[id])
    return found if found and found["State"] != "deleted" else None  # moto shows deleted ones for ever


def _service_prefixes(aws: Aws, service: str) -> Props:
    """The prefix list that stands for a service in route tables."""
    wanted = filters(prefix_list_name=service)
    found = described(aws, "describe_managed_prefix_lists", "PrefixLists", Filters=wanted)
    if found is None:
        raise ValueError(f"aws:ec2/vpcEndpoint:VpcEndpoint: no gateway endpoint for service {service}")
    return found


def _read_endpoint(aws: Aws, id: str, last: Props) -> Props | None:
    found = _endpoint(aws, id)
    if found is None:
        return None
    prefix_list = _service_prefixes(aws, found["ServiceName"])["PrefixListId"]
    entries = aws.client("ec2").get_managed_prefix_list_entries(PrefixListId=prefix_list)["Entries"]
    return {
        "arn": arn(aws, "vpc-endpoint", id),
        "cidrBlocks": [entry["Cidr"] for entry in entries],
        "dnsEntries": [],
        "networkInterfaceIds": [],
        "ownerId": found["OwnerId"],
        "policy": found["PolicyDocument"],
        "prefixListId": prefix_list,
        "privateDnsEnabled": False,
        "requesterManaged": False,
        "routeTableIds": found.get("RouteTableIds", []),
        "securityGroupIds": [],
        "serviceName": found["ServiceName"],
        "serviceRegion": aws.region,
        "state": found["State"],
        "subnetIds": [],
        "tagsAll": tags_of(found),
        "vpcEndpointType": found["VpcEndpointType"],
        "vpcId": found["VpcId"],
    }


def _update_endpoint(aws: Aws, id: str, old: Props, new: Props) -> None:
    before, after = set(old.get("routeTableIds") or ()), set(new.get("routeTableIds") or ())
    wanted = present(
        AddRouteTableIds=sorted(after - before) or None,
        RemoveRouteTableIds=sorted(before - after) or None,
        PolicyDocument=new.get("policy") if new.get("policy") != old.get("policy") else None,
    )
    if wanted:
        aws.client("ec2").modify_vpc_endpoint(VpcEndpointId=id, **wanted)
    # AWS keeps the tables' routes itself; moto only at creation and deletion.
    prefix_list = _service_prefixes(aws, new["serviceName"])["PrefixListId"]
    for table in after - before:
        aws.client("ec2").create_route(RouteTableId=table, DestinationPrefixListId=prefix_list, GatewayId=id)
    _drop_endpoint_routes(aws, prefix_list, before - after)
    retag_resource(aws, id, old, new)


def _drop_endpoint_routes(aws: Aws, prefix_list: str, tables: Iterable[str]) -> None:
    for table in tables:
        quietly(aws.client("ec2").delete_route, RouteTableId=table, DestinationPrefixListId=prefix_list)


def _delete_endpoint(aws: Aws, id: str, last: Props) -> None:
    found = _endpoint(aws, id)
    if found is None:
        return
    ec2, tables = aws.client("ec2"), found.get("RouteTableIds", [])
    if tables:  # moto's deletion stops at a table that has gone, so the tables are let go first
        ec2.modify_vpc_endpoint(VpcEndpointId=id, RemoveRouteTableIds=tables)
        _drop_endpoint_routes(aws, _service_prefixes(aws, found["ServiceName"])["PrefixListId"], tables)
    ec2.delete_vpc_endpoints(VpcEndpointIds=[id])


RESOURCES = (
    ec2_resource(
        ResourceType(
            token="aws:ec2/routeTable:RouteTable",
            create=_create_table,
            read=_read_table,
            update=retag_resource,
            delete=_delete_table,
            immutable=frozenset({"vpcId"}),
        ),
        takes="vpcId",
    ),
    ec2_resource(
        ResourceType(
            token="aws:ec2/routeTableAssociation:RouteTableAssociation",
            create=_associate,
            read=_read_association,
            update=_update_association,
            delete=_delete_association,
            immutable=frozenset({"gatewayId", "subnetId"}),
        ),
        takes="gatewayId routeTableId subnetId",
    ),
    ec2_resource(
        ResourceType(
            token="aws:ec2/route:Route",
            create=_create_route,
            read=_read_route,
            update=_update_route,
            delete=_delete_route,
            immutable=frozenset({"destinationCidrBlock", "routeTableId"}),
        ),
        takes=f"destinationCidrBlock routeTableId {' '.join(TARGETS)}",
    ),
    ec2_resource(
        ResourceType(
            token="aws:ec2/vpcEndpoint:VpcEndpoint",
            create=_create_endpoint,
            read=_read_endpoint,
            update=_update_endpoint,
            delete=_delete_endpoint,
            immutable=frozenset({"serviceName", "vpcEndpointType", "vpcId"}),
        ),
        takes="policy routeTableIds serviceName vpcEndpointType vpcId",
    ),
)
