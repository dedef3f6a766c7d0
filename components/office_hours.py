"""Starts and stops machines by the clock, in the studio's time zone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

import contract
from components.machine_role import allow, policy
from setting_models import OperationsSettings

Machine = tuple[pulumi.Input[str], pulumi.Input[str]]
"""Id (for the notebook: its name) and ARN."""


@dataclass(frozen=True, kw_only=True)
class OfficeHoursArgs:
    """The schedules, and the machines that they may touch."""

    stack: str
    settings: OperationsSettings
    ml_server: Machine
    backend: Machine
    notebook: Machine | None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One schedule: call `action` (`ec2:stopInstances`) of AWS's API on one machine when `expression` says so."""

    role: str
    action: str
    expression: str
    machine: Machine


class OfficeHours(pulumi.ComponentResource):
    """Machines start and stop at the set times. May touch no machine that has no schedule."""

    def __init__(self, name: str, args: OfficeHoursArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("sd-app:operations:OfficeHours", name, None, opts)
        rules = rules_of(args)
        if rules:
            self._create(name, args, rules)
        self.register_outputs({})

    def _create(self, name: str, args: OfficeHoursArgs, rules: Sequence[Rule]) -> None:
        child = pulumi.ResourceOptions(parent=self)
        group = aws.scheduler.ScheduleGroup(name, name=name, opts=child)
        role = aws.iam.Role(
            name,
            description="Office hours of the stack",
            assume_role_policy=policy(_trust(group.arn)),
            opts=child,
        )
        rights = aws.iam.RolePolicy(
            f"{name}-rights",
            role=role.name,
            policy=policy(*(allow(_sid(rule), [_iam_action(rule)], [rule.machine[1]]) for rule in rules)),
            opts=child,
        )
        for rule in rules:
            aws.scheduler.Schedule(
                f"{name}-{rule.role}",
                group_name=group.name,
                description=f"{rule.role} of {contract.prefix(args.stack)}",
                schedule_expression=rule.expression,
                schedule_expression_timezone=args.settings.time_zone,
                flexible_time_window={"mode": "OFF"},
                target={
                    "arn": f"arn:aws:scheduler:::aws-sdk:{rule.action}",
                    "role_arn": role.arn,
                    "input": _input(rule),
                    # A machine that is just stopping can't be started: asked again for an hour.
                    "retry_policy": {"maximum_retry_attempts": 20, "maximum_event_age_in_seconds": 3600},
                },
                opts=pulumi.ResourceOptions(parent=self, depends_on=[rights]),
            )


def rules_of(args: OfficeHoursArgs) -> list[Rule]:
    """The schedules that the settings ask for. A schedule of a notebook that isn't there is left out."""
    settings = args.settings
    wanted = [
        ("ml-server-start", "ec2:startInstances", settings.ml_server_start, args.ml_server),
        ("ml-server-stop", "ec2:stopInstances", settings.ml_server_stop, args.ml_server),
        ("backend-start", "ec2:startInstances", settings.backend_start, args.backend),
        ("backend-stop", "ec2:stopInstances", settings.backend_stop, args.backend),
        ("notebook-start", "sagemaker:startNotebookInstance", settings.notebook_start, args.notebook),
        ("notebook-stop", "sagemaker:stopNotebookInstance", settings.notebook_stop, args.notebook),
    ]
    return [
        Rule(role=role, action=action, expression=expression, machine=machine)
        for role, action, expression, machine in wanted
        if expression is not None and machine is not None
    ]


def _sid(rule: Rule) -> str:
    return rule.role.title().replace("-", "")


def _iam_action(rule: Rule) -> str:
    """`ec2:stopInstances`, as a schedule's target spells it, is `ec2:StopInstances` to IAM."""
    service, _, verb = rule.action.partition(":")
    return f"{service}:{verb[0].upper()}{verb[1:]}"


def _input(rule: Rule) -> pulumi.Output[str]:
    identity = pulumi.Output.from_input(rule.machine[0])
    if rule.action.startswith("sagemaker:"):
        return identity.apply(lambda name: json.dumps({"NotebookInstanceName": name}))
    return identity.apply(lambda instance: json.dumps({"InstanceIds": [instance]}))


def _trust(group_arn: pulumi.Input[str]) -> dict[str, object]:
    """Only this stack's schedules may take the role
    (docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html)."""
    return {
        "Sid": "OwnSchedulesOnly",
        "Effect": "Allow",
        "Principal": {"Service": "scheduler.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"ArnLike": {"aws:SourceArn": group_arn}},
    }
