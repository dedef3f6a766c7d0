"""The network's promises: closed from outside, one letter one place, the way out as set."""

from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from components.network import Network, NetworkArgs, pick_zones
from declared.pretend_aws import ZONES, Answer
from setting_models import NetworkSettings
from tests.unit.engine import Recording, deploy, policy_of

OFFERINGS = "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings"
SUBNET = "aws:ec2/subnet:Subnet"
ROUTE = "aws:ec2/route:Route"
MODES = ("gateway_per_az", "single_gateway", "instance", "none")


def network(lookups: Mapping[str, Answer] | None = None, **settings: Any) -> Recording[Network]:
    args = NetworkArgs(
        settings=NetworkSettings(**settings),
        gpu_instance_type="g5.xlarge",
        flow_log_group_name="/sd-app/dev/network",
        log_retention_days=30,
    )
    return deploy(lambda: Network("net", args), lookups=lookups)


def private_routes(recording: Recording[Network]) -> dict[str, dict[str, Any]]:
    """Route of each private table, by zone."""
    tables = {z: recording.named(f"net-private-{z}", "aws:ec2/routeTable:RouteTable") for z in ZONES[:2]}
    return {
        zone: route
        for route in recording.inputs_of(ROUTE)
        for zone, table in tables.items()
        if route["routeTableId"] == table.outputs["id"]
    }


def test_zones_are_asked_for_the_gpu_type_and_taken_in_order() -> None:
    asked: list[dict[str, Any]] = []

    def offer(arguments: dict[str, Any]) -> dict[str, Any]:
        asked.append(arguments)
        return {"locations": ["us-east-1d", "us-east-1b", "us-east-1c"]}

    recording = network({OFFERINGS: offer})
    assert recording.registered["net"]["zones"] == ["us-east-1b", "us-east-1c"], "not the first that offer it"
    [arguments] = asked
    assert arguments["locationType"] == "availability-zone"
    [wanted] = arguments["filters"]
    assert (wanted["name"], set(wanted["values"])) == ("instance-type", {"g5.xlarge"})


def test_zones_named_by_the_setting_are_used_in_that_order() -> None:
    assert pick_zones("g5.xlarge", ["us-east-1d", "us-east-1a"], 2, ZONES) == ["us-east-1d", "us-east-1a"]


def test_a_local_zone_is_never_chosen() -> None:
    offered = ["us-west-2-lax-1a", "us-west-2a", "us-west-2b"]
    assert pick_zones("g4dn.xlarge", [], 2, offered) == ["us-west-2a", "us-west-2b"], (
        "a Local Zone shares the letter, and so the addresses, of a zone of the Region"
    )


def test_a_named_zone_without_the_gpu_type_is_refused_with_those_that_have_it() -> None:
    with pytest.raises(
        pulumi.RunError, match=r"sd-app:network\.zones: us-east-1e does not offer g5.*allowed: us-east-1a, us"
    ):
        pick_zones("g5.xlarge", ["us-east-1a", "us-east-1e"], 2, ZONES)


@pytest.mark.parametrize(
    ("offered", "told"), [(["us-east-1a"], r"in 1 \(us-east-1a\)"), ([], r"in 0 \(none\)")]
)
def test_too_few_zones_stop_the_program_and_say_the_way_out(offered: list[str], told: str) -> None:
    with pytest.raises(pulumi.RunError, match=rf"network\.zoneCount: 2 zones wanted.*{told}; lower it, or"):
        network({OFFERINGS: {"locations": offered}})


def test_each_zone_has_a_public_and_a_private_subnet_in_the_vpc() -> None:
    recording = network()
    found = {
        one.name: (one.inputs["availabilityZone"], one.inputs["cidrBlock"]) for one in recording.of(SUBNET)
    }
    assert found == {
        "net-public-us-east-1a": ("us-east-1a", "172.16.255.0/24"),
        "net-public-us-east-1b": ("us-east-1b", "172.16.254.0/24"),
        "net-private-us-east-1a": ("us-east-1a", "172.16.0.0/20"),
        "net-private-us-east-1b": ("us-east-1b", "172.16.16.0/20"),
    }
    vpc = recording.only("aws:ec2/vpc:Vpc")
    assert vpc.inputs["cidrBlock"] == "172.16.0.0/16"
    assert {one["vpcId"] for one in recording.inputs_of(SUBNET)} == {vpc.outputs["id"]}


def test_no_subnet_gives_public_addresses_by_itself() -> None:
    assert not any(one["mapPublicIpOnLaunch"] for one in network().inputs_of(SUBNET))


def test_the_default_security_group_is_closed() -> None:
    group = network().only("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
    assert not {"ingress", "egress"} & set(group.inputs), "a rule here opens whatever forgets its own group"


def test_only_the_public_table_leads_to_the_internet_gateway() -> None:
    recording = network()
    [route] = [one for one in recording.inputs_of(ROUTE) if "gatewayId" in one]
    public = recording.named("net-public", "aws:ec2/routeTable:RouteTable")
    assert route["routeTableId"] == public.outputs["id"]
    associated = {
        one.name: one.inputs["routeTableId"]
        for one in recording.of("aws:ec2/routeTableAssociation:RouteTableAssociation")
    }
    on_public = {name for name, table in associated.items() if table == public.outputs["id"]}
    assert on_public == {"net-public-us-east-1a", "net-public-us-east-1b"}
    assert len(set(associated.values())) == 3, "a private zone shares a table"


def test_gateway_per_az_sends_each_zone_through_its_own() -> None:
    recording = network(nat="gateway_per_az")
    for zone, route in private_routes(recording).items():
        gateway = recording.named(f"net-nat-{zone}", "aws:ec2/natGateway:NatGateway")
        assert route["natGatewayId"] == gateway.outputs["id"], "traffic crosses zones"
        assert gateway.inputs["subnetId"] == recording.named(f"net-public-{zone}", SUBNET).outputs["id"]


def test_single_gateway_serves_all_zones() -> None:
    recording = network(nat="single_gateway")
    gateway = recording.only("aws:ec2/natGateway:NatGateway").outputs["id"]
    assert [route["natGatewayId"] for route in private_routes(recording).values()] == [gateway] * 2


def test_the_nat_instance_serves_all_zones() -> None:
    recording = network(nat="instance")
    interface = recording.only("aws:ec2/instance:Instance").outputs["primaryNetworkInterfaceId"]
    assert [one["networkInterfaceId"] for one in private_routes(recording).values()] == [interface] * 2
    assert not recording.of("aws:ec2/natGateway:NatGateway"), "a gateway is paid for beside the instance"


def test_without_nat_private_subnets_have_no_way_out() -> None:
    recording = network(nat="none")
    assert private_routes(recording) == {}
    assert not recording.of("aws:ec2/eip:Eip")


@pytest.mark.parametrize("mode", MODES)
def test_another_zone_recreates_nothing(mode: str) -> None:
    grows = "aws:ec2/vpcEndpoint:VpcEndpoint"  # gains a route table, in place
    before, after = network(nat=mode, zone_count=2), network(nat=mode, zone_count=3)
    later = {(one.token, one.name): one.inputs for one in after.all}
    for one in before.all:
        assert (one.token, one.name) in later, f"{one.name} goes when a zone joins"
        if one.token != grows:
            assert later[one.token, one.name] == one.inputs, f"{one.name} changes when a zone joins"
    assert len(after.of(SUBNET)) == 6


def test_a_change_of_nat_mode_touches_no_subnet_or_table() -> None:
    def core(mode: str) -> list[tuple[str, dict[str, Any]]]:
        kept = (SUBNET, "aws:ec2/routeTable:RouteTable", "aws:ec2/vpc:Vpc")
        return [(one.name, one.inputs) for one in network(nat=mode).all if one.token in kept]

    assert core("gateway_per_az") == core("single_gateway") == core("instance") == core("none")


def test_s3_and_dynamodb_are_reached_past_the_nat() -> None:
    recording = network()
    endpoints = recording.inputs_of("aws:ec2/vpcEndpoint:VpcEndpoint")
    tables = {one.outputs["id"] for one in recording.of("aws:ec2/routeTable:RouteTable")}
    assert {one["serviceName"] for one in endpoints} == {
        "com.amazonaws.us-east-1.s3",
        "com.amazonaws.us-east-1.dynamodb",
    }
    for one in endpoints:
        assert one["vpcEndpointType"] == "Gateway", "an interface endpoint costs by the hour"
        assert set(one["routeTableIds"]) == tables, (
            "a subnet without the endpoint pays the NAT for its models"
        )


def test_flow_logs_are_kept_as_long_as_set_by_a_role_for_them_alone() -> None:
    recording = network(flow_logs=True)
    group = recording.only("aws:cloudwatch/logGroup:LogGroup")
    assert (group.inputs["name"], group.inputs["retentionInDays"]) == ("/sd-app/dev/network", 30)
    assert recording.only("aws:ec2/flowLog:FlowLog").inputs["logDestination"] == group.outputs["arn"]
    assert "vpc-flow-logs.amazonaws.com" in recording.only("aws:iam/role:Role").inputs["assumeRolePolicy"]
    rights = policy_of(recording.only("aws:iam/rolePolicy:RolePolicy").inputs["policy"])
    assert rights["WriteOwnLogs"]["Resource"] == [group.outputs["arn"], f"{group.outputs['arn']}:*"]


def test_without_the_setting_there_are_no_flow_logs() -> None:
    assert not network().of("aws:ec2/flowLog:FlowLog")


def test_the_outputs_are_in_the_order_of_the_zones() -> None:
    recording = network()
    outputs = recording.registered["net"]
    assert outputs["private_subnet_cidrs"] == ["172.16.0.0/20", "172.16.16.0/20"]
    for kind in ("public", "private"):
        ids = [recording.named(f"net-{kind}-{z}", SUBNET).outputs["id"] for z in outputs["zones"]]
        assert outputs[f"{kind}_subnet_ids"] == ids
