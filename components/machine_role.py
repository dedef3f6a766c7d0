"""The IAM role of an EC2 machine, with what belongs to it: its log group and its readiness record."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

import contract


def allow(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[pulumi.Input[str]],
    condition: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One IAM statement: one need."""
    statement: dict[str, Any] = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": list(actions),
        "Resource": list(resources),
    }
    return {**statement, "Condition": dict(condition)} if condition else statement


def policy(*statements: Mapping[str, Any]) -> pulumi.Output[str]:
    """An IAM policy document as JSON text."""
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [dict(one) for one in statements]})


@dataclass(frozen=True, kw_only=True)
class MachineRoleArgs:
    """Whose role it is. `statements` are the needs of this machine beyond those that every machine has."""

    stack: str
    role: str
    region: str
    log_retention_days: int
    statements: Sequence[Mapping[str, Any]]


class MachineRole(pulumi.ComponentResource):
    """A machine may be reached by Session Manager, say how far its boot is, write its own log and metrics; and
    what its `statements` name. Only EC2 may take the role."""

    role_name: pulumi.Output[str]
    instance_profile: pulumi.Output[str]
    log_group_name: pulumi.Output[str]
    boot_parameter_name: pulumi.Output[str]
    boot_parameter_arn: pulumi.Output[str]
    environment: dict[str, pulumi.Input[str]]
    """The keys of `/etc/sd-app/machine.env` that every machine has."""
    permissions: list[pulumi.Resource]
    """What must be there before the machine boots: its scripts use these rights in their first seconds."""

    def __init__(self, name: str, args: MachineRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("sd-app:compute:MachineRole", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        # No key of our own: CloudWatch Logs encrypts by itself, and nothing secret is logged.
        log_group = aws.cloudwatch.LogGroup(
            name,
            name=contract.log_group(args.stack, args.role),
            retention_in_days=args.log_retention_days,
            opts=child,
        )
        boot = aws.ssm.Parameter(
            f"{name}-boot",
            name=contract.boot_parameter(args.stack, args.role),
            description=f"Readiness record of the {args.role}; the machine itself writes it.",
            type="String",
            value=json.dumps({"state": "pending"}),
            # From its first boot on the value is the machine's.
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["value"]),
        )
        role = _create_role(name, args.role, child)
        rights = aws.iam.RolePolicy(
            f"{name}-rights",
            role=role.name,
            policy=policy(*_common_rights(args.stack, log_group.arn, boot.arn), *args.statements),
            opts=child,
        )
        profile = aws.iam.InstanceProfile(name, role=role.name, opts=child)

        self.role_name = role.name
        self.instance_profile = profile.name
        self.log_group_name = log_group.name
        self.boot_parameter_name, self.boot_parameter_arn = boot.name, boot.arn
        self.permissions = [rights]
        self.environment = {
            "SD_APP_STACK": args.stack,
            "SD_APP_ROLE": args.role,
            "AWS_REGION": args.region,
            "SD_APP_BOOT_PARAMETER": boot.name,
            "SD_APP_LOG_GROUP": log_group.name,
            "SD_APP_METRIC_NAMESPACE": contract.metric_namespace(args.stack),
        }
        self.register_outputs(
            {
                "role_name": self.role_name,
                "instance_profile": self.instance_profile,
                "log_group_name": self.log_group_name,
                "boot_parameter_name": self.boot_parameter_name,
                "boot_parameter_arn": self.boot_parameter_arn,
            }
        )


def _create_role(name: str, role: str, child: pulumi.ResourceOptions) -> aws.iam.Role:
    trust = {
        "Sid": "Ec2Only",
        "Effect": "Allow",
        "Principal": {"Service": "ec2.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return aws.iam.Role(
        name,
        description=f"{role} of the stack",
        assume_role_policy=policy(trust),
        tags={"Role": role},
        opts=child,
    )


def _common_rights(
    stack: str, log_group_arn: pulumi.Input[str], boot_parameter_arn: pulumi.Input[str]
) -> list[dict[str, Any]]:
    """The rights of every machine.

    Session Manager by its four channels and the agent's registration, not by the managed policy
    AmazonSSMManagedInstanceCore, which also grants ssm:GetParameter on every parameter of the account. No
    ec2messages: agents since 3.3.40 use ssmmessages alone.
    """
    channels = [
        f"ssmmessages:{verb}{which}Channel" for verb in ("Create", "Open") for which in ("Control", "Data")
    ]
    return [
        # "*": the channels have no resource of their own, and the agent registers before its instance's ARN is known
        # (docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-iam-instance-profile.html).
        allow("SessionManager", ["ssm:UpdateInstanceInformation", *channels], ["*"]),
        allow("OwnReadinessRecord", ["ssm:PutParameter"], [boot_parameter_arn]),
        allow(
            "OwnLog",
            ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
            [pulumi.Output.concat(log_group_arn, ":*")],
        ),
        # "*": PutMetricData knows no resource; the condition keeps it to the stack's own namespace.
        allow(
            "OwnMetrics",
            ["cloudwatch:PutMetricData"],
            ["*"],
            {"StringEquals": {"cloudwatch:namespace": contract.metric_namespace(stack)}},
        ),
    ]
