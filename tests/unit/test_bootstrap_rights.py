"""GitHub's roles, evaluated as IAM does over everything that both stacks declare: what a stack's deployment needs is allowed,
and nothing of the other stack is reached, by name or by tag."""

from __future__ import annotations

import json
from typing import Any

import pytest

import contract
from bootstrap.names import role_name
from declared.pretend_aws import ACCOUNT, HERE
from tests.unit.bootstrap_ground import STATE_BUCKET, account, arn_of, boundary, policies, statements, things
from tests.unit.bootstrap_iam import REQUEST_TAG, TAG, Request, allowed
from tests.unit.bootstrap_needs import MAKE, MANAGE, READS, kind_of
from tests.unit.test_isolation import things as within
from tests.unit.test_program import statements as rights_of_roles

PAIRS = [("dev", "prod"), ("prod", "dev")]
STATE = f"arn:aws:s3:::{STATE_BUCKET}"
BOUNDARY = "iam:PermissionsBoundary"
DATA = {
    "s3:GetObject": "arn:aws:s3:::{bucket}/outputs/x.png",
    "dynamodb:GetItem": f"arn:aws:dynamodb:{HERE}:table/sd-app-{{stack}}-jobs-generations-1234567",
    "sqs:ReceiveMessage": f"arn:aws:sqs:{HERE}:sd-app-{{stack}}-jobs-text-1234567",
    "logs:GetLogEvents": f"arn:aws:logs:{HERE}:log-group:/sd-app/{{stack}}/backend:log-stream:x",
}
"""Pictures, prompts, messages, logs."""
BUCKETS = {"dev": "sd-app-s3-dev", "prod": "sd-app-s3"}


def boundary_of(stack: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy/sd-app-boundary-{stack}"


def test_every_policy_fits_what_iam_takes() -> None:
    for one in policies():
        assert len(one.inputs["policy"]) <= 6144, f"{one.name}: the limit of a managed policy"
    attached: dict[str, int] = {}
    for one in account().of("aws:iam/rolePolicyAttachment:RolePolicyAttachment"):
        attached[one.inputs["role"]] = attached.get(one.inputs["role"], 0) + 1
    assert len(attached) == 4 and max(attached.values()) <= 10, "the limit of policies on a role"


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_a_deployment_may_make_and_manage_everything_that_its_stack_declares(stack: str) -> None:
    rights = statements("deploy", stack)
    checked = 0
    for one in things(stack):
        arn = arn_of(one)
        kind = kind_of(arn)
        made: dict[str, str] = {REQUEST_TAG: stack, "ec2:CreateAction": "x", BOUNDARY: boundary_of(stack)}
        for action in MAKE[kind]:
            assert allowed(rights, Request(action, arn, made)), f"{action} for a new {one.name}"
        for action in MANAGE[kind]:
            assert allowed(rights, Request(action, arn, {TAG: stack})), f"{action} on {one.name}: {arn}"
            checked += 1
    assert checked > 150, "there must be something to check"


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_a_deployment_may_do_what_has_no_resource_of_the_stack(stack: str) -> None:
    rights = statements("deploy", stack)
    image = f"arn:aws:ec2:{HERE.split(':')[0]}::image/ami-1"
    parameter = "arn:aws:ssm:us-east-1::parameter/aws/service/canonical/x"
    for action, arn in {
        "ec2:DescribeInstances": "*",
        "ec2:RunInstances": image,
        "ssm:GetParameter": parameter,
        "cloudfront:GetCachePolicy": "*",
        "cloudfront:ListCachePolicies": "*",
        "ssm:GetCommandInvocation": "*",
        "servicequotas:GetServiceQuota": "*",
    }.items():
        assert allowed(rights, Request(action, arn)), action
    machine = f"arn:aws:ec2:{HERE}:instance/i-1"
    own = {"ssm:resourceTag/Stack": stack}
    assert allowed(rights, Request("ssm:SendCommand", machine, own)), "ops deploy backend"
    assert not allowed(rights, Request("ssm:SendCommand", machine, {"ssm:resourceTag/Stack": "x"}))
    passed = {"iam:PassedToService": "ec2.amazonaws.com"}
    assert allowed(rights, Request("iam:PassRole", f"arn:aws:iam::{ACCOUNT}:role/sd-app-{stack}-x", passed))


@pytest.mark.parametrize("kind", ["deploy", "preview"])
@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
def test_no_role_reaches_anything_of_the_other_stack(kind: str, mine: str, theirs: str) -> None:
    rights = statements(kind, mine)
    arns = {arn_of(one) for one in things(theirs)}
    for arn in arns:
        for action in {*MAKE[kind_of(arn)], *MANAGE[kind_of(arn)]}:
            for made in ({}, {REQUEST_TAG: mine, "ec2:CreateAction": "x"}):
                request = Request(action, arn, {TAG: theirs, **made})
                assert not allowed(rights, request), f"{kind} of {mine}: {action} on {arn}"
    for arn in within(theirs):
        for action in (
            "s3:GetObject",
            "s3:PutObject",
            "logs:GetLogEvents",
            "dynamodb:Query",
            "ssm:GetParameter",
        ):
            assert not allowed(rights, Request(action, arn, {TAG: theirs})), f"{action} on {arn}"


@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
def test_what_has_a_name_is_safe_even_where_a_service_sends_no_tags_along(mine: str, theirs: str) -> None:
    rights = statements("deploy", mine)
    marks = (f"sd-app-{theirs}", "sd-app-s3", f"/sd-app/{theirs}/")
    arns = [arn_of(one) for one in things(theirs)]
    by_name = [arn for arn in arns if ":ec2:" not in arn and any(mark in arn for mark in marks)]
    assert len(by_name) > 25
    for arn in by_name:
        for action in {*MAKE.get(kind_of(arn), ()), *MANAGE.get(kind_of(arn), ())}:
            assert not allowed(rights, Request(action, arn, {REQUEST_TAG: mine})), f"{action} on {arn}"


@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
def test_no_tag_opens_a_way_to_the_other_stack(mine: str, theirs: str) -> None:
    rights = statements("deploy", mine)
    machine = f"arn:aws:ec2:{HERE}:instance/i-0"
    taking = {TAG: theirs, REQUEST_TAG: mine}
    giving = {TAG: mine, REQUEST_TAG: theirs}
    for context in (taking, giving, {REQUEST_TAG: theirs, "ec2:CreateAction": "RunInstances"}):
        assert not allowed(rights, Request("ec2:CreateTags", machine, context)), context
    for service in ("cognito-idp", "amplify", "cloudfront"):
        arn = f"arn:aws:{service}:{HERE}:x/1"
        assert not allowed(rights, Request(f"{service}:TagResource", arn, taking))
    # What bears no tag at all is nobody's; nothing of that kind may be changed but a VPC's default group.
    for action in ("ec2:TerminateInstances", "ec2:CreateTags", "ec2:StopInstances"):
        assert not allowed(rights, Request(action, machine)), action


@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
def test_a_deployment_can_not_make_itself_greater(mine: str, theirs: str) -> None:
    rights = statements("deploy", mine)
    role = f"arn:aws:iam::{ACCOUNT}:role/sd-app-{mine}-evil"
    own, wrong = {BOUNDARY: boundary_of(mine)}, {BOUNDARY: boundary_of(theirs)}
    for action in ("iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"):
        assert allowed(rights, Request(action, role, own)), action
        assert not allowed(rights, Request(action, role)), f"{action} without the boundary"
        assert not allowed(rights, Request(action, role, wrong)), f"{action} with another's boundary"
    assert not allowed(rights, Request("iam:DeleteRolePermissionsBoundary", role, own))
    for stack in (mine, theirs):
        policy = boundary_of(stack)
        assert not allowed(rights, Request("iam:CreatePolicyVersion", policy, own)), (
            "the boundary is not its own"
        )
        for kind in ("preview", "deploy"):
            github = f"arn:aws:iam::{ACCOUNT}:role/{role_name(kind, stack)}"
            for action in (
                "iam:PutRolePolicy",
                "iam:UpdateAssumeRolePolicy",
                "iam:PassRole",
                "iam:DeleteRole",
            ):
                assert not allowed(rights, Request(action, github, {**own, TAG: mine})), (
                    f"{action} on {github}"
                )
    passed = {"iam:PassedToService": "lambda.amazonaws.com"}
    assert not allowed(rights, Request("iam:PassRole", role, passed)), "to services of the stack alone"
    for action in (
        "iam:CreateUser",
        "iam:CreateAccessKey",
        "sts:AssumeRole",
        "organizations:LeaveOrganization",
    ):
        assert not allowed(rights, Request(action, "*")), action


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_a_preview_sees_the_stack_and_changes_nothing(stack: str) -> None:
    rights = statements("preview", stack)
    granted = [action for one in rights if one["Effect"] == "Allow" for action in one["Action"]]
    assert all(action.split(":")[1].startswith((*READS, "Decrypt")) for action in granted), granted
    for one in things(stack):
        arn = arn_of(one)
        for action in {*MAKE[kind_of(arn)], *MANAGE[kind_of(arn)]}:
            if not action.split(":")[1].startswith(READS):
                request = Request(action, arn, {TAG: stack, REQUEST_TAG: stack, BOUNDARY: boundary_of(stack)})
                assert not allowed(rights, request), f"{action} on {arn}"


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_a_preview_sees_how_things_are_set_and_no_content(stack: str) -> None:
    rights = statements("preview", stack)
    seen = 0
    for one in things(stack):
        arn = arn_of(one)
        for action in MANAGE[kind_of(arn)]:
            if action.split(":")[1].startswith(READS):
                seen += 1
                assert (
                    allowed(rights, Request(action, arn, {TAG: stack})) or action == "s3:ListBucketVersions"
                )
    assert seen > 20
    for action, pattern in DATA.items():
        arn = pattern.format(stack=stack, bucket=BUCKETS[stack])
        assert not allowed(rights, Request(action, arn, {TAG: stack})), action


@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
def test_each_role_has_its_own_state_and_key_alone(mine: str, theirs: str) -> None:
    keys = {one.name.rsplit("-", 1)[1]: one.outputs["arn"] for one in account().of("aws:kms/key:Key")}
    objects = [
        "stacks/sd-app/{}.json",
        "stacks/sd-app/{}.json.bak",
        "locks/organization/sd-app/{}/x.json",
        "history/sd-app/{}/{}-1.history.json",
        "backups/sd-app/{}/{}.1.json",
    ]
    for kind, may_write in (("deploy", True), ("preview", False)):
        rights = statements(kind, mine)
        assert allowed(rights, Request("s3:ListBucket", STATE))
        assert allowed(rights, Request("s3:GetObject", f"{STATE}/.pulumi/meta.yaml"))
        for key in objects:
            own, other = (f"{STATE}/.pulumi/{key.format(stack, stack)}" for stack in (mine, theirs))
            assert allowed(rights, Request("s3:GetObject", own)), f"{kind}: {key}"
            assert allowed(rights, Request("s3:PutObject", own)) is may_write, f"{kind}: {key}"
            for action in ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"):
                assert not allowed(rights, Request(action, other)), f"{kind}: {action} {other}"
            assert not allowed(rights, Request("s3:DeleteObjectVersion", own)), "the past stays"
        assert not allowed(rights, Request("s3:PutBucketVersioning", STATE))
        assert not allowed(
            rights, Request("s3:GetObject", f"{STATE}/.pulumi/stacks/sd-app-bootstrap/account.json")
        )
        assert allowed(rights, Request("kms:Decrypt", keys[mine]))
        assert allowed(rights, Request("kms:Encrypt", keys[mine])) is may_write
        for action in ("kms:Decrypt", "kms:Encrypt", "kms:ScheduleKeyDeletion", "kms:PutKeyPolicy"):
            assert not allowed(rights, Request(action, keys[theirs])), f"{kind}: {action}"
        assert not allowed(rights, Request("kms:ScheduleKeyDeletion", keys[mine]))


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_every_right_of_the_stacks_roles_is_within_the_boundary(stack: str) -> None:
    most = boundary(stack)
    checked = 0
    for role, statement in rights_of_roles(stack):
        for action in as_list(statement["Action"]):
            for resource in as_list(statement["Resource"]):
                checked += 1
                arn = resource.replace("*", "x") if resource != "*" else "*"
                assert allowed(most, Request(action, arn)), f"{role}: {action} on {resource}"
    assert checked > 60


@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
def test_the_boundary_holds_a_role_that_was_given_everything(mine: str, theirs: str) -> None:
    most = boundary(mine)
    for one in things(theirs):
        arn = arn_of(one)
        for action in {*MAKE[kind_of(arn)], *MANAGE[kind_of(arn)]}:
            assert not allowed(most, Request(action, arn, {TAG: theirs})), f"{action} on {arn}"
    for action in (
        "iam:CreateRole",
        "iam:PutRolePolicy",
        "sts:AssumeRole",
        "kms:Decrypt",
        "ec2:TerminateInstances",
    ):
        assert not allowed(most, Request(action, "*")), action
    assert not allowed(most, Request("s3:GetObject", f"{STATE}/.pulumi/stacks/sd-app/{mine}.json"))


def test_the_evaluation_can_fail() -> None:
    """Each check above rests on it: a right too wide is seen, a Deny wins, a condition must hold."""
    wide: dict[str, Any] = {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::sd-app-s3*"}
    never: dict[str, Any] = {"Effect": "Deny", "Action": "*", "Resource": "arn:aws:s3:::sd-app-s3"}
    request = Request("s3:DeleteBucket", "arn:aws:s3:::sd-app-s3")
    assert allowed([wide], request) and not allowed([wide, never], request)
    tagged = {**wide, "Condition": {"StringEquals": {TAG: "dev"}}}
    assert not allowed([tagged], request)
    with pytest.raises(LookupError, match="NumericLessThan"):
        allowed([{**wide, "Condition": {"NumericLessThan": {"x": "1"}}}], request)


def test_a_stack_whose_name_begins_as_anothers_is_another() -> None:
    rights = statements("deploy", "dev")
    for arn in (
        f"arn:aws:sqs:{HERE}:sd-app-dev2-jobs",
        f"arn:aws:ssm:{HERE}:parameter/sd-app/dev2/outputs",
        "arn:aws:s3:::sd-app-s3-dev2",
        f"{STATE}/.pulumi/stacks/sd-app/dev2.json",
    ):
        for action in ("sqs:DeleteQueue", "ssm:PutParameter", "s3:DeleteBucket", "s3:PutObject"):
            assert not allowed(rights, Request(action, arn)), arn


def as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def test_names_are_those_of_the_contract() -> None:
    told = json.dumps(statements("deploy", "dev"))
    for name in (
        contract.log_group("dev", "*"),
        contract.parameter_path("dev", "*"),
        contract.notebook_name("dev"),
        contract.training_job_prefix("dev"),
    ):
        assert name in told, name
