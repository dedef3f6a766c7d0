"""The sandbox's networks: VPCs, routes, addresses, lived through on a real moto server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sandbox_ground import NEW_TAGS, TAGS, TYPES, Ground, ground_on, live_by_the_sdk, tamper_tags
from sandbox_life import Life

from sandbox.aws.ec2_routes import MOVED
from sandbox.aws.table import Aws, Props

S3 = "com.amazonaws.us-east-1.s3"
LOG_GROUP = "arn:aws:logs:us-east-1:123456789012:log-group:/flow"
ROLE = "arn:aws:iam::123456789012:role/flow"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground_on(tmp_path_factory.mktemp("moto")) as found:
        found.aws.client("logs").create_log_group(logGroupName="/flow")
        yield found


LIVES: dict[str, tuple[str, Callable[[Ground], Life]]] = {
    "vpc": (
        "Vpc",
        lambda on: Life(
            name="",
            inputs={
                "cidrBlock": "172.16.0.0/16",
                "enableDnsSupport": True,
                "enableDnsHostnames": True,
                **TAGS,
            },
            changes={"enableDnsHostnames": False, "enableDnsSupport": False, **NEW_TAGS},
            outputs={"instanceTenancy": "default", "ownerId": "123456789012", "region": "us-east-1"},
            tamper=tamper_tags,
            seen="tagsAll",
        ),
    ),
    "vpc whose names were switched on by hand": (
        "Vpc",
        lambda on: Life(
            name="",
            inputs={"cidrBlock": "172.17.0.0/16"},
            outputs={"enableDnsSupport": True, "enableDnsHostnames": False},
            tamper=lambda aws, id: aws.client("ec2").modify_vpc_attribute(
                VpcId=id, EnableDnsHostnames={"Value": True}
            ),
            seen="enableDnsHostnames",
        ),
    ),
    "internet gateway": (
        "InternetGateway",
        lambda on: Life(
            name="",
            inputs={"vpcId": on.other_vpc, **TAGS},
            changes=NEW_TAGS,
            tamper=lambda aws, id: aws.client("ec2").detach_internet_gateway(
                InternetGatewayId=id, VpcId=on.other_vpc
            ),
            seen="vpcId",
        ),
    ),
    "subnet": (
        "Subnet",
        lambda on: Life(
            name="",
            inputs={
                "vpcId": on.other_vpc,
                "availabilityZone": "us-east-1c",
                "cidrBlock": "10.2.1.0/24",
                "mapPublicIpOnLaunch": True,
                **TAGS,
            },
            changes={"mapPublicIpOnLaunch": False, **NEW_TAGS},
            outputs={"availabilityZoneId": "use1-az2"},
            tamper=tamper_tags,
            seen="tagsAll",
        ),
    ),
    "flow log": (
        "FlowLog",
        lambda on: Life(
            name="",
            inputs={
                "vpcId": on.vpc,
                "trafficType": "ALL",
                "logDestinationType": "cloud-watch-logs",
                "logDestination": LOG_GROUP,
                "iamRoleArn": ROLE,
                **TAGS,
            },
            changes=NEW_TAGS,
            outputs={"maxAggregationInterval": 600},
            tamper=tamper_tags,
            seen="tagsAll",
        ),
    ),
    "route table": (
        "RouteTable",
        lambda on: Life(
            name="",
            inputs={"vpcId": on.vpc, **TAGS},
            changes=NEW_TAGS,
            tamper=tamper_tags,
            seen="tagsAll",
        ),
    ),
    "route table association": (
        "RouteTableAssociation",
        lambda on: Life(
            name="",
            inputs={"routeTableId": on.table, "subnetId": on.subnet},
            changes={"routeTableId": on.other_table},
        ),
    ),
    "route": (
        "Route",
        lambda on: Life(
            name="",
            inputs={"routeTableId": on.table, "destinationCidrBlock": "0.0.0.0/0", "gatewayId": on.gateway},
            outputs={"state": "active", "origin": "CreateRoute"},
        ),
    ),
    "gateway endpoint": (
        "VpcEndpoint",
        lambda on: Life(
            name="",
            inputs={
                "vpcId": on.vpc,
                "serviceName": S3,
                "vpcEndpointType": "Gateway",
                "routeTableIds": [on.table],
                **TAGS,
            },
            changes={"routeTableIds": [on.other_table], **NEW_TAGS},
            tamper=lambda aws, id: aws.client("ec2").modify_vpc_endpoint(
                VpcEndpointId=id, AddRouteTableIds=[on.table]
            ),
            seen="routeTableIds",
        ),
    ),
    "elastic ip": (
        "Eip",
        lambda on: Life(
            name="",
            inputs={"domain": "vpc", **TAGS},
            changes=NEW_TAGS,
            outputs={"associationId": "", "instance": ""},
            tamper=tamper_tags,
            seen="tagsAll",
        ),
    ),
    "nat gateway": (
        "NatGateway",
        lambda on: Life(
            name="",
            inputs={"subnetId": on.subnet, "allocationId": allocate(on.aws), **TAGS},
            changes=NEW_TAGS,
            outputs={"connectivityType": "public", "vpcId": on.vpc},
            tamper=tamper_tags,
            seen="tagsAll",
        ),
    ),
    "elastic ip association": (
        "EipAssociation",
        lambda on: Life(
            name="",
            inputs={"allocationId": allocate(on.aws), "networkInterfaceId": interface(on)},
            outputs={"instanceId": "", "allowReassociation": True},
        ),
    ),
}


def allocate(aws: Aws) -> str:
    return aws.client("ec2").allocate_address(Domain="vpc")["AllocationId"]


def interface(on: Ground) -> str:
    made: Any = on.aws.client("ec2").create_network_interface(SubnetId=on.subnet)
    return made["NetworkInterface"]["NetworkInterfaceId"]


def routes_of(on: Ground, table: str) -> list[Props]:
    [found] = on.aws.client("ec2").describe_route_tables(RouteTableIds=[table])["RouteTables"]
    return found["Routes"]


def run(on: Ground, **options: Any) -> str:
    made = on.aws.client("ec2").run_instances(
        ImageId="ami-1", MinCount=1, MaxCount=1, SubnetId=on.subnet, **options
    )
    return made["Instances"][0]["InstanceId"]


@pytest.mark.parametrize("life", LIVES)
def test_a_resource_is_what_was_declared_from_creation_to_deletion(ground: Ground, life: str) -> None:
    name, make = LIVES[life]
    live_by_the_sdk(ground.aws, TYPES[name], make(ground))


def test_a_vpc_names_its_default_parts_and_takes_its_group_and_table_along(ground: Ground) -> None:
    ec2, vpc = ground.aws.client("ec2"), TYPES["Vpc"]
    id = vpc.create(ground.aws, {"cidrBlock": "172.18.0.0/16"})
    found = vpc.read(ground.aws, id, {})
    assert found
    [group] = ec2.describe_security_groups(GroupIds=[found["defaultSecurityGroupId"]])["SecurityGroups"]
    [acl] = ec2.describe_network_acls(NetworkAclIds=[found["defaultNetworkAclId"]])["NetworkAcls"]
    [table] = ec2.describe_route_tables(RouteTableIds=[found["mainRouteTableId"]])["RouteTables"]
    assert {group["VpcId"], acl["VpcId"], table["VpcId"]} == {id}
    vpc.delete(ground.aws, id, found)
    wanted = [{"Name": "vpc-id", "Values": [id]}]
    assert not ec2.describe_security_groups(Filters=wanted)["SecurityGroups"]
    assert not ec2.describe_route_tables(Filters=wanted)["RouteTables"]


def test_a_flow_log_finds_its_log_group(ground: Ground) -> None:
    inputs = {"vpcId": ground.vpc, "logDestination": LOG_GROUP, "iamRoleArn": ROLE}
    id = TYPES["FlowLog"].create(ground.aws, inputs)
    [found] = ground.aws.client("ec2").describe_flow_logs(FlowLogIds=[id])["FlowLogs"]
    assert (found["LogGroupName"], found["DeliverLogsStatus"]) == ("/flow", "SUCCESS")
    TYPES["FlowLog"].delete(ground.aws, id, inputs)


def test_what_is_deleted_leaves_no_tags_behind(ground: Ground) -> None:
    id = TYPES["Eip"].create(ground.aws, {"domain": "vpc", **TAGS})
    wanted = [{"Name": "resource-id", "Values": [id]}]
    assert ground.aws.client("ec2").describe_tags(Filters=wanted)["Tags"]
    TYPES["Eip"].delete(ground.aws, id, {})
    assert not ground.aws.client("ec2").describe_tags(Filters=wanted)["Tags"]


def test_a_gateway_moves_to_another_vpc_in_place(ground: Ground) -> None:
    gateway, inputs = TYPES["InternetGateway"], {"vpcId": ground.other_vpc}
    id = gateway.create(ground.aws, {})
    found = gateway.read(ground.aws, id, {})
    assert found and found["vpcId"] == "" and gateway.update
    gateway.update(ground.aws, id, found, found | inputs)
    found = gateway.read(ground.aws, id, inputs)
    assert found and found["vpcId"] == ground.other_vpc
    gateway.delete(ground.aws, id, inputs)


@pytest.mark.parametrize("target", ["natGatewayId", "networkInterfaceId"])
def test_a_route_leads_elsewhere_in_place(ground: Ground, target: str) -> None:
    route = TYPES["Route"]
    inputs = {"routeTableId": ground.table, "destinationCidrBlock": "0.0.0.0/0", "gatewayId": ground.gateway}
    id = route.create(ground.aws, inputs)
    nat = {"subnetId": ground.subnet, "allocationId": allocate(ground.aws)}
    end = TYPES["NatGateway"].create(ground.aws, nat) if target == "natGatewayId" else interface(ground)
    old = route.read(ground.aws, id, inputs)
    assert old and route.update
    route.update(ground.aws, id, old, old | {target: end})
    found = route.read(ground.aws, id, inputs)
    assert found and found[target] == end and "gatewayId" not in found
    ground.aws.client("ec2").delete_route(RouteTableId=ground.table, DestinationCidrBlock="0.0.0.0/0")
    assert route.read(ground.aws, id, inputs) is None, "a route removed by hand goes unseen"
    route.delete(ground.aws, id, inputs)


def test_a_route_is_not_taken_over(ground: Ground) -> None:
    inputs = {"routeTableId": ground.table, "destinationCidrBlock": "192.0.2.0/24"}
    id = TYPES["Route"].create(ground.aws, {**inputs, "networkInterfaceId": interface(ground)})
    with pytest.raises(ValueError, match=r"already has a route for 192\.0\.2\.0/24"):
        TYPES["Route"].create(ground.aws, {**inputs, "networkInterfaceId": interface(ground)})
    TYPES["Route"].delete(ground.aws, id, inputs)


def test_a_subnet_has_one_route_table(ground: Ground) -> None:
    association, inputs = (
        TYPES["RouteTableAssociation"],
        {"routeTableId": ground.table, "subnetId": ground.subnet},
    )
    id = association.create(ground.aws, inputs)
    with pytest.raises(ValueError, match=f"{ground.subnet} already has {ground.table}"):
        association.create(ground.aws, {**inputs, "routeTableId": ground.other_table})
    association.delete(ground.aws, id, inputs)


def test_a_moved_association_is_forgotten_with_its_end(ground: Ground) -> None:
    association = TYPES["RouteTableAssociation"]
    inputs = {"routeTableId": ground.table, "subnetId": ground.subnet}
    id = association.create(ground.aws, inputs)
    assert association.update
    for table in (ground.other_table, ground.table):
        association.update(ground.aws, id, inputs, inputs | {"routeTableId": table})
        inputs = inputs | {"routeTableId": table}
        assert association.read(ground.aws, id, inputs) == {"region": "us-east-1", **inputs}
    association.delete(ground.aws, id, inputs)
    assert not ground.aws.store.all(MOVED)


def test_a_route_table_goes_even_while_it_is_in_use(ground: Ground) -> None:
    id = TYPES["RouteTable"].create(ground.aws, {"vpcId": ground.vpc})
    inputs = {"routeTableId": id, "subnetId": ground.subnet}
    association = TYPES["RouteTableAssociation"].create(ground.aws, inputs)
    TYPES["RouteTable"].delete(ground.aws, id, {})
    assert TYPES["RouteTable"].read(ground.aws, id, {}) is None
    assert TYPES["RouteTableAssociation"].read(ground.aws, association, inputs) is None
    TYPES["RouteTableAssociation"].delete(ground.aws, association, inputs)


def test_an_endpoint_puts_its_routes_into_its_tables_and_nowhere_else(ground: Ground) -> None:
    endpoint = TYPES["VpcEndpoint"]
    inputs: Props = {"vpcId": ground.vpc, "serviceName": S3, "routeTableIds": [ground.table]}
    id = endpoint.create(ground.aws, inputs)

    def tables() -> list[bool]:
        return [
            any(route.get("GatewayId") == id for route in routes_of(ground, table))
            for table in (ground.table, ground.other_table)
        ]

    assert tables() == [True, False]
    old = endpoint.read(ground.aws, id, inputs)
    assert old and endpoint.update
    endpoint.update(ground.aws, id, old, old | {"routeTableIds": [ground.other_table]})
    assert tables() == [False, True]
    endpoint.delete(ground.aws, id, inputs)
    assert tables() == [False, False]


def test_an_endpoint_goes_after_its_route_table(ground: Ground) -> None:
    table = TYPES["RouteTable"].create(ground.aws, {"vpcId": ground.vpc})
    inputs = {"vpcId": ground.vpc, "serviceName": S3, "routeTableIds": [table]}
    id = TYPES["VpcEndpoint"].create(ground.aws, inputs)
    TYPES["RouteTable"].delete(ground.aws, table, {})
    TYPES["VpcEndpoint"].delete(ground.aws, id, inputs)
    assert TYPES["VpcEndpoint"].read(ground.aws, id, inputs) is None


def test_a_nat_gateway_gives_its_address_and_interface_back(ground: Ground) -> None:
    address = allocate(ground.aws)
    inputs = {"subnetId": ground.subnet, "allocationId": address}
    id = TYPES["NatGateway"].create(ground.aws, inputs)
    found = TYPES["NatGateway"].read(ground.aws, id, inputs)
    eip = TYPES["Eip"].read(ground.aws, address, {})
    assert (
        found
        and eip
        and found["publicIp"] == eip["publicIp"]
        and found["associationId"] == eip["associationId"]
    )
    TYPES["NatGateway"].delete(ground.aws, id, found)
    eip = TYPES["Eip"].read(ground.aws, address, {})
    assert eip and eip["associationId"] == ""
    wanted = [{"Name": "network-interface-id", "Values": [found["networkInterfaceId"]]}]
    assert not ground.aws.client("ec2").describe_network_interfaces(Filters=wanted)["NetworkInterfaces"]


def test_an_address_is_free_again_when_its_machine_ends(ground: Ground) -> None:
    association, machine = TYPES["EipAssociation"], run(ground)
    inputs = {"allocationId": allocate(ground.aws), "instanceId": machine}
    id = association.create(ground.aws, inputs)
    found = association.read(ground.aws, id, inputs)
    assert found and found["instanceId"] == machine
    ground.aws.client("ec2").terminate_instances(InstanceIds=[machine])
    assert association.read(ground.aws, id, inputs) is None


def test_an_address_that_is_in_use_is_released_all_the_same(ground: Ground) -> None:
    id = TYPES["Eip"].create(ground.aws, {"domain": "vpc"})
    TYPES["EipAssociation"].create(ground.aws, {"allocationId": id, "instanceId": run(ground)})
    TYPES["Eip"].delete(ground.aws, id, {})
    assert TYPES["Eip"].read(ground.aws, id, {}) is None


@pytest.mark.parametrize(
    ("region", "domain"), [("us-east-1", "compute-1"), ("eu-west-1", "eu-west-1.compute")]
)
def test_an_address_has_the_name_that_aws_gives_it(ground: Ground, region: str, domain: str) -> None:
    here = ground.aws.within(region)
    found = TYPES["Eip"].read(here, TYPES["Eip"].create(here, {"domain": "vpc"}), {})
    assert found
    assert found["publicDns"] == f"ec2-{found['publicIp'].replace('.', '-')}.{domain}.amazonaws.com"


WRONG: dict[str, tuple[str, Props, str]] = {
    "a route without a target": (
        "Route",
        {"routeTableId": "rtb-1", "destinationCidrBlock": "0.0.0.0/0"},
        "one of gatewayId, natGatewayId, networkInterfaceId is needed",
    ),
    "an endpoint of another type": (
        "VpcEndpoint",
        {"vpcId": "vpc-1", "serviceName": S3, "vpcEndpointType": "Interface"},
        'allowed: "Gateway"',
    ),
    "a flow log of nothing": ("FlowLog", {"logDestination": LOG_GROUP}, "one of vpcId, subnetId, eniId"),
    "an address outside VPCs": ("Eip", {"domain": "standard"}, 'allowed: "vpc"'),
    "an input nobody handles": ("Vpc", {"cidrBlock": "10.0.0.0/16", "ipv6CidrBlock": "x"}, "ipv6CidrBlock"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_the_sandbox_cannot_make_is_refused_by_name(ground: Ground, wrong: str) -> None:
    name, inputs, words = WRONG[wrong]
    with pytest.raises(ValueError, match=words):
        TYPES[name].create(ground.aws, inputs)
