"""Security groups and their rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sandbox.aws.ec2_calls import arn, described, ec2_resource, filters, retag_resource, tagged, tags_of
from sandbox.aws.ec2_network import default_group
from sandbox.aws.faithful import present
from sandbox.aws.table import Aws, Props, ResourceType

DESCRIPTION = "Managed by Pulumi"
"""What the AWS provider calls a group when the program says nothing: EC2 wants a description."""
ALL_PROTOCOLS = "-1"
SOURCES = ("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId")
"""Who a rule is about; exactly one is given."""


def _create_group(aws: Aws, inputs: Props) -> str:
    made = aws.client("ec2").create_security_group(
        GroupName=inputs["name"],
        Description=inputs.get("description") or DESCRIPTION,
        **present(VpcId=inputs.get("vpcId")),
        **tagged("security-group", inputs),
    )
    return made["GroupId"]


def _close(aws: Aws, id: str, inputs: Props) -> None:
    """Take away the rules that AWS gives a new group, as its provider does: what may pass is what is declared."""
    ec2 = aws.client("ec2")
    rules: Iterable[Props] = ec2.describe_security_group_rules(Filters=filters(group_id=id))[
        "SecurityGroupRules"
    ]
    for egress, revoke in (
        (False, ec2.revoke_security_group_ingress),
        (True, ec2.revoke_security_group_egress),
    ):
        if ids := [rule["SecurityGroupRuleId"] for rule in rules if rule["IsEgress"] == egress]:
            revoke(GroupId=id, SecurityGroupRuleIds=ids)


def _read_group(aws: Aws, id: str, last: Props) -> Props | None:
    found = described(aws, "describe_security_groups", "SecurityGroups", GroupIds=[id])
    if found is None:
        return None
    # No `ingress`, no `egress`: rules are resources of their own, and would be taken for a change of their group.
    return {
        "arn": arn(aws, "security-group", id),
        "description": found["Description"],
        "name": found["GroupName"],
        "namePrefix": "",
        "ownerId": found["OwnerId"],
        "tagsAll": tags_of(found),
        "vpcId": found["VpcId"],
    }


def _delete_group(aws: Aws, id: str, last: Props) -> None:
    aws.client("ec2").delete_security_group(GroupId=id)


def _adopt_default_group(aws: Aws, inputs: Props) -> str:
    vpc_id = inputs.get("vpcId")
    if not vpc_id:
        vpc = described(aws, "describe_vpcs", "Vpcs", Filters=filters(is_default="true"))
        vpc_id = vpc["VpcId"] if vpc else ""
    found = default_group(aws, vpc_id)
    if found is None:
        raise ValueError(
            f'aws:ec2/defaultSecurityGroup:DefaultSecurityGroup: vpcId "{vpc_id}" has no default group'
        )
    return found["GroupId"]


def _finish_default_group(aws: Aws, id: str, inputs: Props) -> None:
    _close(aws, id, inputs)
    now = described(aws, "describe_security_groups", "SecurityGroups", GroupIds=[id]) or {}
    retag_resource(aws, id, {"tagsAll": tags_of(now)}, inputs)


def _read_default_group(aws: Aws, id: str, last: Props) -> Props | None:
    """With its rules: whoever adds one opens what the program closed."""
    found = _read_group(aws, id, last)
    if found is None:
        return None
    rules: list[Props] = aws.client("ec2").describe_security_group_rules(Filters=filters(group_id=id))[
        "SecurityGroupRules"
    ]
    return {
        **found,
        "ingress": [_inline(rule) for rule in rules if not rule["IsEgress"]],
        "egress": [_inline(rule) for rule in rules if rule["IsEgress"]],
    }


def _inline(rule: Props) -> Props:
    """A rule as a group lists it."""
    group = rule.get("ReferencedGroupInfo", {}).get("GroupId")
    return {
        "cidrBlocks": [rule["CidrIpv4"]] if rule.get("CidrIpv4") else [],
        "description": rule.get("Description", ""),
        "fromPort": max(rule["FromPort"], 0),
        "ipv6CidrBlocks": [rule["CidrIpv6"]] if rule.get("CidrIpv6") else [],
        "prefixListIds": [rule["PrefixListId"]] if rule.get("PrefixListId") else [],
        "protocol": rule["IpProtocol"],
        "securityGroups": [group] if group else [],
        "self": False,
        "toPort": max(rule["ToPort"], 0),
    }


def _update_default_group(aws: Aws, id: str, old: Props, new: Props) -> None:
    _finish_default_group(aws, id, new)


def _leave(aws: Aws, id: str, last: Props) -> None:
    """A VPC can't be without its default group: it stays, closed, as with the AWS provider."""


def _permission(token: str, inputs: Props) -> Props:
    """A rule as EC2 takes it."""
    sources = [key for key in SOURCES if inputs.get(key)]
    if len(sources) != 1:
        raise ValueError(
            f"{token}: one of {', '.join(SOURCES)} is needed; given: {', '.join(sources) or 'none'}"
        )
    [key] = sources
    note = present(Description=inputs.get("description"))
    peer: dict[str, Any] = {
        "cidrIpv4": {"IpRanges": [{"CidrIp": inputs[key], **note}]},
        "cidrIpv6": {"Ipv6Ranges": [{"CidrIpv6": inputs[key], **note}]},
        "prefixListId": {"PrefixListIds": [{"PrefixListId": inputs[key], **note}]},
        "referencedSecurityGroupId": {"UserIdGroupPairs": [{"GroupId": inputs[key], **note}]},
    }[key]
    return {"IpProtocol": inputs["ipProtocol"], **_ports(inputs), **peer}


def _ports(inputs: Props) -> Props:
    """The ports; -1 (all) where the protocol has none."""
    return {"FromPort": int(inputs.get("fromPort", -1)), "ToPort": int(inputs.get("toPort", -1))}


def _read_rule(aws: Aws, id: str, egress: bool) -> Props | None:
    found = described(aws, "describe_security_group_rules", "SecurityGroupRules", SecurityGroupRuleIds=[id])
    if found is None or found["IsEgress"] != egress:
        return None
    every = found["IpProtocol"] == ALL_PROTOCOLS
    return {
        "arn": arn(aws, "security-group-rule", id),
        **present(
            cidrIpv4=found.get("CidrIpv4"),
            cidrIpv6=found.get("CidrIpv6"),
            description=found.get("Description"),
            fromPort=None if every else found["FromPort"],
            prefixListId=found.get("PrefixListId"),
            referencedSecurityGroupId=found.get("ReferencedGroupInfo", {}).get("GroupId"),
            toPort=None if every else found["ToPort"],
        ),
        "ipProtocol": found["IpProtocol"],
        "securityGroupId": found["GroupId"],
        "securityGroupRuleId": id,
        "tagsAll": tags_of(found),
    }


def _rule_type(token: str, egress: bool) -> ResourceType:
    """Ingress and egress rules differ in nothing but the calls' names."""
    way = "egress" if egress else "ingress"

    def create(aws: Aws, inputs: Props) -> str:
        authorize = getattr(aws.client("ec2"), f"authorize_security_group_{way}")
        made = authorize(
            GroupId=inputs["securityGroupId"],
            IpPermissions=[_permission(token, inputs)],
            **tagged("security-group-rule", inputs),
        )
        return made["SecurityGroupRules"][0]["SecurityGroupRuleId"]

    def read(aws: Aws, id: str, last: Props) -> Props | None:
        return _read_rule(aws, id, egress)

    def update(aws: Aws, id: str, old: Props, new: Props) -> None:
        source = next(key for key in SOURCES if new.get(key))
        rule = {
            "IpProtocol": new["ipProtocol"],
            **_ports(new),
            "Description": new.get("description", ""),
            {
                "cidrIpv4": "CidrIpv4",
                "cidrIpv6": "CidrIpv6",
                "prefixListId": "PrefixListId",
                "referencedSecurityGroupId": "ReferencedGroupId",
            }[source]: new[source],
        }
        aws.client("ec2").modify_security_group_rules(
            GroupId=new["securityGroupId"],
            SecurityGroupRules=[{"SecurityGroupRuleId": id, "SecurityGroupRule": rule}],
        )
        retag_resource(aws, id, old, new)

    def delete(aws: Aws, id: str, last: Props) -> None:
        revoke = getattr(aws.client("ec2"), f"revoke_security_group_{way}")
        revoke(GroupId=last["securityGroupId"], SecurityGroupRuleIds=[id])

    return ec2_resource(
        ResourceType(
            token=token,
            create=create,
            read=read,
            update=update,
            delete=delete,
            # The provider changes all but the group in place; moto can't change these three (AWS has the last two
            # in place, and never turns an address range into another kind of peer).
            immutable=frozenset({"securityGroupId", "cidrIpv6", "prefixListId", "referencedSecurityGroupId"}),
        ),
        takes=f"description fromPort ipProtocol securityGroupId toPort {' '.join(SOURCES)}",
    )


RESOURCES = (
    ec2_resource(
        ResourceType(
            token="aws:ec2/securityGroup:SecurityGroup",
            create=_create_group,
            read=_read_group,
            update=retag_resource,
            delete=_delete_group,
            immutable=frozenset({"description", "name", "vpcId"}),
            autoname="name",
        ),
        takes="description name vpcId",
        keeps={"revokeRulesOnDelete": False},
        finish=_close,
    ),
    ec2_resource(
        ResourceType(
            token="aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
            create=_adopt_default_group,
            read=_read_default_group,
            update=_update_default_group,
            delete=_leave,
            immutable=frozenset({"vpcId"}),
        ),
        takes="vpcId",
        keeps={"revokeRulesOnDelete": False},
        finish=_finish_default_group,
    ),
    _rule_type("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", egress=False),
    _rule_type("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", egress=True),
)
