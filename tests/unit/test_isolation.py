"""Stacks share nothing: the whole program for dev and for prod, held against each other."""

import ipaddress
import json
import re
from typing import Any

import pytest

from tests.unit import iam
from tests.unit.test_program import custom, program, statements

NAMES = ("name", "bucket", "dashboardName", "namePrefix", "groupName")
"""Inputs that become physical names."""
SHARED_BY_AWS = re.compile(
    r"arn:aws:logs:[^:]+:\d+:log-group:/aws/sagemaker/(NotebookInstances|TrainingJobs)(:log-stream:.*|:\*)?"
    r"|arn:aws:ecr:[^:]+:763104351884:repository/pytorch-training"
    r"|arn:aws:ec2:[^:]+:\d+:network-interface/\*"
)
"""SageMaker writes all notebooks and all jobs of an account to a group each, and the streams are their own. The image is
AWS's. Interfaces have no name before they are made: the subnets, which are the stack's, keep them apart."""
WITHOUT_RESOURCE = {"SessionManager", "OwnMetrics", "SeeTheMlServer", "ImageLogin", "SeeTheNetwork"}
"""Statements on `*`: their actions know no resource, and they read or concern the caller itself. test_program holds
that no others exist."""


def physical_names(stack: str) -> set[str]:
    return {one.inputs[key] for one in custom(stack) for key in NAMES if isinstance(one.inputs.get(key), str)}


def arns(stack: str) -> set[str]:
    return {one.outputs["arn"] for one in custom(stack) if "arn" in one.outputs}


def things(stack: str) -> set[str]:
    """ARNs of all that the stack has, and of what lies in it: objects, streams, indexes, channels."""
    within: set[str] = set()
    for arn in arns(stack):
        within |= {
            arn,
            f"{arn}/models/x",
            f"{arn}/outputs/x",
            f"{arn}/index/byOwner",
            f"{arn}/index/byQueue",
            f"{arn}:*",
            f"{arn}:log-stream:x",
        }
    return within


def test_no_physical_name_is_in_common() -> None:
    assert not physical_names("dev") & physical_names("prod")


def test_no_arn_or_id_is_in_common() -> None:
    assert not arns("dev") & arns("prod")
    ids = [{one.outputs["id"] for one in custom(stack)} for stack in ("dev", "prod")]
    assert not ids[0] & ids[1]


def test_no_address_is_in_common() -> None:
    cidrs = [
        [
            ipaddress.ip_network(c)
            for t in ("aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet")
            for c in ranges(stack, t)
        ]
        for stack in ("dev", "prod")
    ]
    for mine in cidrs[0]:
        for theirs in cidrs[1]:
            assert not mine.overlaps(theirs), f"dev's {mine} overlaps prod's {theirs}"


def ranges(stack: str, token: str) -> list[str]:
    return [one["cidrBlock"] for one in program(stack).inputs_of(token)]


@pytest.mark.parametrize(("mine", "theirs"), [("dev", "prod"), ("prod", "dev")])
def test_no_statement_of_a_role_matches_an_arn_of_the_other_stack(mine: str, theirs: str) -> None:
    others = things(theirs)
    checked = 0
    for role, statement in statements(mine):
        if statement["Sid"] not in WITHOUT_RESOURCE:
            checked += 1
            assert not iam.reaches(statement, others), f"{role} of {mine} reaches {theirs}: {statement}"
    assert checked >= 15, "there must be statements to check"


def test_the_same_evaluation_finds_what_a_role_may_reach_in_its_own_stack() -> None:
    """The check above can fail: dev's roles do match dev's own ARNs, and prod's when a pattern is made too wide."""
    own = things("dev")
    matched = {s["Sid"] for _, s in statements("dev") if iam.reaches(s, own)}
    assert {
        "OwnQueues",
        "OwnGenerations",
        "Pictures",
        "ReadModelsAndStyles",
        "OwnSecrets",
        "WakeTheMlServer",
    } <= matched
    wide: dict[str, Any] = {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::sd-app-s3*"}
    assert iam.reaches(wide, things("prod")), (
        "dev's bucket name is prod's with a suffix: a prefix would match both"
    )


@pytest.mark.parametrize(("mine", "theirs"), [("dev", "prod"), ("prod", "dev")])
def test_nothing_of_a_stack_names_the_other(mine: str, theirs: str) -> None:
    shared = arns(theirs) | physical_names(theirs)
    for one in custom(mine):
        told = json.dumps(one.inputs)
        for name in shared:
            assert f'"{name}"' not in told, f"{mine}'s {one.name} names {theirs}'s {name}"


def test_only_aws_itself_shares_a_log_group() -> None:
    def resources(stack: str) -> set[str]:
        return {r for _, s in statements(stack) for r in s["Resource"] if r != "*"}

    for resource in resources("dev") & resources("prod"):
        assert SHARED_BY_AWS.fullmatch(resource), f"{resource} is granted to roles of both stacks"
