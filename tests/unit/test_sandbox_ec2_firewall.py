"""The sandbox's security groups and their rules, lived through on a real moto server."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sandbox_ground import NEW_TAGS, TAGS, TYPES, Ground, ground_on, live_by_the_sdk, tamper_tags
from sandbox_life import Life

from sandbox.aws.table import Props

CLOUDFRONT = "com.amazonaws.global.cloudfront.origin-facing"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground_on(tmp_path_factory.mktemp("moto")) as found:
        yield found


def prefix_list(on: Ground) -> str:
    wanted = [{"Name": "prefix-list-name", "Values": [CLOUDFRONT]}]
    [found] = on.aws.client("ec2").describe_managed_prefix_lists(Filters=wanted)["PrefixLists"]
    return found["PrefixListId"]


def rules_of(on: Ground, group: str) -> list[Props]:
    wanted = [{"Name": "group-id", "Values": [group]}]
    return on.aws.client("ec2").describe_security_group_rules(Filters=wanted)["SecurityGroupRules"]


LIVES: dict[str, tuple[str, Callable[[Ground], Life]]] = {
    "group": (
        "SecurityGroup",
        lambda on: Life(
            name="",
            inputs={"name": "ml-server-0a1b2c3", "description": "ML server", "vpcId": on.vpc, **TAGS},
            changes={"revokeRulesOnDelete": True, **NEW_TAGS},
            tamper=tamper_tags,
            seen="tagsAll",
            marks=frozenset({"revokeRulesOnDelete"}),
        ),
    ),
    "rule for an address range": (
        "SecurityGroupIngressRule",
        lambda on: Life(
            name="",
            inputs={
                "securityGroupId": on.group,
                "cidrIpv4": "203.0.113.0/24",
                "description": "SSH",
                "ipProtocol": "tcp",
                "fromPort": 22,
                "toPort": 22,
                **TAGS,
            },
            changes={
                "cidrIpv4": "198.51.100.0/24",
                "description": "Web",
                "fromPort": 80,
                "toPort": 81,
                **NEW_TAGS,
            },
            tamper=tamper_tags,
            seen="tagsAll",
        ),
    ),
    "rule for a group": (
        "SecurityGroupIngressRule",
        lambda on: Life(
            name="",
            inputs={
                "securityGroupId": on.group,
                "referencedSecurityGroupId": on.other_group,
                "description": "ComfyUI for text",
                "ipProtocol": "tcp",
                "fromPort": 8188,
                "toPort": 8188,
            },
            changes={"description": "ComfyUI for sketch", "fromPort": 8189, "toPort": 8189},
            marks=frozenset({"description"}),
        ),
    ),
    "rule for CloudFront": (
        "SecurityGroupIngressRule",
        lambda on: Life(
            name="",
            inputs={
                "securityGroupId": on.group,
                "prefixListId": prefix_list(on),
                "description": "CloudFront",
                "ipProtocol": "tcp",
                "fromPort": 8080,
                "toPort": 8080,
            },
            changes={"toPort": 8081},
            marks=frozenset({"description"}),
        ),
    ),
    "rule for all protocols": (
        "SecurityGroupEgressRule",
        lambda on: Life(
            name="",
            inputs={"securityGroupId": on.other_group, "cidrIpv4": "10.9.0.0/16", "ipProtocol": "-1"},
            changes={"cidrIpv4": "10.8.0.0/16", **NEW_TAGS},
            tamper=lambda aws, id: aws.client("ec2").modify_security_group_rules(
                GroupId=on.other_group,
                SecurityGroupRules=[
                    {
                        "SecurityGroupRuleId": id,
                        "SecurityGroupRule": {
                            "CidrIpv4": "0.0.0.0/0",
                            "IpProtocol": "-1",
                            "FromPort": -1,
                            "ToPort": -1,
                        },
                    }
                ],
            ),
            seen="cidrIpv4",
        ),
    ),
}


@pytest.mark.parametrize("life", LIVES)
def test_a_resource_is_what_was_declared_from_creation_to_deletion(ground: Ground, life: str) -> None:
    name, make = LIVES[life]
    live_by_the_sdk(ground.aws, TYPES[name], make(ground))


def test_a_new_group_lets_nothing_out(ground: Ground) -> None:
    assert rules_of(ground, ground.group), "moto no longer gives a group AWS's own rule: nothing to take away"
    id = TYPES["SecurityGroup"].create(ground.aws, {"name": "closed", "vpcId": ground.vpc})
    found = TYPES["SecurityGroup"].read(ground.aws, id, {})
    assert found and found["description"] == "Managed by Pulumi"
    assert rules_of(ground, id) == []


def test_the_default_group_is_adopted_emptied_and_left(ground: Ground) -> None:
    group, inputs = TYPES["DefaultSecurityGroup"], {"vpcId": ground.other_vpc, **TAGS}
    id = group.create(ground.aws, inputs)
    found = group.read(ground.aws, id, inputs)
    assert found
    assert (found["name"], found["vpcId"]) == ("default", ground.other_vpc)
    assert (found["ingress"], found["egress"], found["tagsAll"]) == ([], [], TAGS["tagsAll"])
    ground.aws.client("ec2").authorize_security_group_ingress(
        GroupId=id,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
        ],
    )
    opened = group.read(ground.aws, id, inputs)
    assert opened and [rule["cidrBlocks"] for rule in opened["ingress"]] == [["0.0.0.0/0"]], "goes unseen"
    assert group.update
    group.update(ground.aws, id, opened, opened | NEW_TAGS)
    assert rules_of(ground, id) == [], "the next change must close it again"
    group.delete(ground.aws, id, found)
    group.delete(ground.aws, id, found)
    left = group.read(ground.aws, id, found)
    assert left and left["tagsAll"] == NEW_TAGS["tagsAll"]


@pytest.mark.parametrize("name", ["SecurityGroupIngressRule", "SecurityGroupEgressRule"])
def test_a_rule_lies_on_its_own_side(ground: Ground, name: str) -> None:
    inputs = {
        "securityGroupId": ground.group,
        "cidrIpv4": "192.0.2.0/24",
        "ipProtocol": "udp",
        "fromPort": 1,
        "toPort": 2,
    }
    id = TYPES[name].create(ground.aws, inputs)
    [rule] = [rule for rule in rules_of(ground, ground.group) if rule["SecurityGroupRuleId"] == id]
    assert rule["IsEgress"] == (name == "SecurityGroupEgressRule")
    TYPES[name].delete(ground.aws, id, inputs)


def test_a_rule_goes_with_its_group(ground: Ground) -> None:
    group = TYPES["SecurityGroup"].create(ground.aws, {"name": "short-lived", "vpcId": ground.vpc})
    inputs = {"securityGroupId": group, "cidrIpv4": "192.0.2.0/24", "ipProtocol": "-1"}
    rule = TYPES["SecurityGroupEgressRule"].create(ground.aws, inputs)
    TYPES["SecurityGroup"].delete(ground.aws, group, {})
    assert TYPES["SecurityGroupEgressRule"].read(ground.aws, rule, inputs) is None
    TYPES["SecurityGroupEgressRule"].delete(ground.aws, rule, inputs)


@pytest.mark.parametrize(
    ("sources", "given"),
    [({}, "none"), ({"cidrIpv4": "192.0.2.0/24", "prefixListId": "pl-1"}, "cidrIpv4, prefixListId")],
)
def test_a_rule_has_one_peer(ground: Ground, sources: Props, given: str) -> None:
    inputs = {"securityGroupId": ground.group, "ipProtocol": "-1", **sources}
    with pytest.raises(ValueError, match=f"one of .* is needed; given: {given}"):
        TYPES["SecurityGroupIngressRule"].create(ground.aws, inputs)


def test_a_group_of_a_vpc_that_is_gone_is_an_error_that_names_it(ground: Ground) -> None:
    with pytest.raises(ValueError, match='"vpc-0000" has no default group'):
        TYPES["DefaultSecurityGroup"].create(ground.aws, {"vpcId": "vpc-0000"})
