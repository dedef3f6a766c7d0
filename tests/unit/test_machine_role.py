"""Every machine's role: its own log, record and metrics, Session Manager, and not a right more."""

import json

import pytest

from components.machine_role import MachineRole, MachineRoleArgs, allow
from tests.unit.engine import Recording, deploy, policy_of


def role(stack: str = "dev") -> Recording[MachineRole]:
    args = MachineRoleArgs(
        stack=stack,
        role="backend",
        region="us-east-1",
        log_retention_days=7,
        statements=[allow("Extra", ["s3:GetObject"], ["arn:aws:s3:::bucket/*"])],
    )
    return deploy(lambda: MachineRole("m", args), stack=stack)


def test_only_ec2_may_take_the_role() -> None:
    [trust] = json.loads(role().only("aws:iam/role:Role").inputs["assumeRolePolicy"])["Statement"]
    assert trust["Principal"] == {"Service": "ec2.amazonaws.com"}
    assert trust["Action"] == "sts:AssumeRole"


def test_the_rights_are_the_common_ones_and_those_asked_for() -> None:
    recording = role()
    rights = policy_of(recording.only("aws:iam/rolePolicy:RolePolicy").inputs["policy"])
    assert set(rights) == {"SessionManager", "OwnReadinessRecord", "OwnLog", "OwnMetrics", "Extra"}
    assert {one["Effect"] for one in rights.values()} == {"Allow"}
    assert not recording.of("aws:iam/rolePolicyAttachment:RolePolicyAttachment"), (
        "AWS's managed policy reads every parameter of the account"
    )


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_record_log_and_metrics_are_the_stack_s_own(stack: str) -> None:
    rights = policy_of(role(stack).only("aws:iam/rolePolicy:RolePolicy").inputs["policy"])
    own = f"us-east-1:111111111111:parameter/sd-app/{stack}/machines/backend/boot"
    assert rights["OwnReadinessRecord"]["Resource"] == [f"arn:aws:ssm:{own}"]
    assert rights["OwnLog"]["Resource"] == [
        f"arn:aws:logs:us-east-1:111111111111:log-group:/sd-app/{stack}/backend:*"
    ]
    assert rights["OwnMetrics"]["Condition"] == {"StringEquals": {"cloudwatch:namespace": f"sd-app/{stack}"}}


def test_only_actions_that_know_no_resource_are_on_any() -> None:
    rights = policy_of(role().only("aws:iam/rolePolicy:RolePolicy").inputs["policy"])
    anywhere = {action for one in rights.values() if one["Resource"] == ["*"] for action in one["Action"]}
    assert {action.partition(":")[0] for action in anywhere} == {"ssm", "ssmmessages", "cloudwatch"}
    assert "ssm:GetParameter" not in anywhere
    assert not [action for one in rights.values() for action in one["Action"] if "*" in action]


def test_the_readiness_record_starts_pending_and_is_then_the_machine_s() -> None:
    boot = role().only("aws:ssm/parameter:Parameter")
    assert json.loads(boot.inputs["value"]) == {"state": "pending"}
    assert boot.inputs["name"] == "/sd-app/dev/machines/backend/boot"
    assert boot.ignore_changes == ("value",), "`up` would set a running machine back to pending"


def test_the_log_is_kept_as_long_as_set() -> None:
    group = role().only("aws:cloudwatch/logGroup:LogGroup").inputs
    assert group == {"name": "/sd-app/dev/backend", "retentionInDays": 7}


def test_the_profile_carries_the_role() -> None:
    recording = role()
    profile = recording.only("aws:iam/instanceProfile:InstanceProfile")
    assert profile.inputs["role"] == recording.only("aws:iam/role:Role").outputs["name"]
    assert recording.registered["m"]["instance_profile"] == profile.outputs["name"]


def test_a_condition_is_there_only_when_given() -> None:
    assert "Condition" not in allow("A", ["s3:GetObject"], ["arn"])
    assert allow("A", ["s3:GetObject"], ["arn"], {"Bool": {}})["Condition"] == {"Bool": {}}
