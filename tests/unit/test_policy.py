"""The guardrails: no resource of any stack has a fault, and each guardrail tells a bad resource."""

import base64
import gzip
import json
from typing import Any

import pytest

from declared.program import declare, settings_of
from declared.recorder import Recording
from ops import cost
from policy import rules
from policy.rules import GUARDS, Resource

STACKS = ("local", "dev", "prod")
TAGS = dict.fromkeys(rules.TAGS, "x")
CHECKS = {guard.name: guard.check for guard in GUARDS}


def of(stack: str) -> list[Resource]:
    """All that the stack declares, as the guardrails look at it."""
    made, keeps = declare(stack), settings_of(stack).storage.protect_data
    tags = provider_tags(made)
    return [
        Resource(
            token=one.token,
            name=one.name,
            inputs=one.inputs,
            tags=tags.get(one.provider),
            secrets=one.secret_inputs,
            protect=one.protect,
            keeps_data=keeps,
        )
        for one in made.all
    ]


def provider_tags(made: Recording[Any]) -> dict[str, dict[str, str]]:
    providers = made.of("pulumi:providers:aws")
    return {one.name: json.loads(one.inputs["defaultTags"])["tags"] for one in providers}


@pytest.fixture(scope="module", params=STACKS)
def declared(request: pytest.FixtureRequest) -> list[Resource]:
    return of(request.param)


@pytest.mark.parametrize("name", CHECKS)
def test_no_resource_of_a_stack_has_a_fault(name: str, declared: list[Resource]) -> None:
    faults = [f"{one.name}: {fault}" for one in declared for fault in CHECKS[name](one)]
    assert not faults


def test_every_bucket_of_a_stack_is_locked(declared: list[Resource]) -> None:
    assert not list(rules.bucket_without_locks(declared))


@pytest.mark.parametrize("stack", ["dev", "prod"])  # nobody bills the local one
def test_a_working_month_stays_within_the_budget(stack: str) -> None:
    settings, found = cost.of_stack(stack)
    assert not list(rules.over_budget(found.month.usd, settings.operations.monthly_budget_usd))


def bad(
    token: str,
    *,
    protect: bool = True,
    tags: dict[str, str] | None = TAGS,
    inputs: dict[str, Any] | None = None,
    **more: Any,
) -> Resource:
    return Resource(
        token=token,
        name="bad",
        inputs={**(inputs or {}), **more},
        tags=tags,
        secrets=frozenset(),
        protect=protect,
        keeps_data=True,
    )


def policy(**statement: Any) -> str:
    return json.dumps({"Statement": [{"Sid": "S", "Effect": "Allow", "Resource": "r", **statement}]})


BLOCK: dict[str, Any] = dict.fromkeys(
    ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True
)
PACKED = base64.b64encode(gzip.compress(b"token: github_pat_" + b"a" * 30)).decode()
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
TABLE = "aws:dynamodb/table:Table"
BAD: tuple[tuple[str, Resource, str], ...] = (
    (
        "no-public-bucket",
        bad(
            "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
            inputs={**BLOCK, "blockPublicPolicy": False},
        ),
        "blockPublicPolicy is not true",
    ),
    ("no-public-bucket", bad("aws:s3/bucketAcl:BucketAcl", acl="public-read"), "ACL public-read"),
    (
        "no-public-bucket",
        bad("aws:s3/bucketPolicy:BucketPolicy", policy=policy(Principal={"AWS": "*"})),
        "statement S allows everybody",
    ),
    ("no-open-security-group", bad(INGRESS, cidrIpv4="0.0.0.0/0"), "lets 0.0.0.0/0 in"),
    ("no-open-security-group", bad(INGRESS, cidrIpv6="::/0"), "lets ::/0 in"),
    ("no-open-security-group", bad(GROUP, ingress=[{"cidrBlocks": ["0.0.0.0/0"]}]), "lets 0.0.0.0/0 in"),
    (
        "no-open-security-group",
        bad("aws:ec2/securityGroupRule:SecurityGroupRule", type="ingress", cidrBlocks=["0.0.0.0/0"]),
        "lets 0.0.0.0/0 in",
    ),
    (
        "no-wildcard-action",
        bad("aws:iam/rolePolicy:RolePolicy", policy=policy(Action=["s3:GetObject", "s3:Put*"])),
        "statement S allows s3:Put*",
    ),
    (
        "no-wildcard-action",
        bad("aws:iam/policy:Policy", policy=policy(NotAction="iam:PassRole")),
        "allows all but some",
    ),
    (
        "no-wildcard-action",
        bad("aws:iam/role:Role", inlinePolicies=[{"name": "n", "policy": policy(Action="*")}]),
        "statement S allows *",
    ),
    (
        "no-wildcard-action",
        bad(
            "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
            policyArn="arn:aws:iam::aws:policy/AmazonS3FullAccess",
        ),
        "is given arn:aws:iam::aws:policy/AmazonS3FullAccess",
    ),
    (
        "imdsv2-only",
        bad("aws:ec2/instance:Instance", metadataOptions={"httpTokens": "optional"}),
        "httpTokens is not required",
    ),
    ("imdsv2-only", bad("aws:ec2/launchTemplate:LaunchTemplate"), "httpTokens is not required"),
    ("imdsv2-only", bad("aws:sagemaker/notebookInstance:NotebookInstance"), "Version is not 2"),
    ("disks-encrypted", bad("aws:ec2/instance:Instance"), "rootBlockDevice is not encrypted"),
    (
        "disks-encrypted",
        bad("aws:ec2/instance:Instance", rootBlockDevice={"encrypted": True}, ebsBlockDevices=[{}]),
        "an ebsBlockDevice is not encrypted",
    ),
    ("disks-encrypted", bad("aws:ebs/volume:Volume", encrypted=False), "is not encrypted"),
    ("retention", bad("aws:cloudwatch/logGroup:LogGroup"), "retentionInDays is not set"),
    ("retention", bad("aws:s3/bucket:Bucket", forceDestroy=True), "forceDestroy would empty it"),
    ("retention", bad("aws:s3/bucket:Bucket", protect=False), "may be deleted"),
    ("retention", bad("aws:s3/bucketVersioning:BucketVersioning"), "old versions are not kept"),
    ("retention", bad(TABLE, deletionProtectionEnabled=True), "can't be brought back"),
    ("retention", bad(TABLE, pointInTimeRecovery={"enabled": True}), "may be deleted"),
    ("retention", bad("aws:cognito/userPool:UserPool"), "may be deleted"),
    ("tags", bad("aws:sqs/queue:Queue", tags=None), "has not the stack's own provider"),
    ("tags", bad("aws:sqs/queue:Queue", tags={**TAGS, "CostCentre": ""}), "has no tag CostCentre"),
    (
        "no-secret-in-the-clear",
        bad("aws:ec2/instance:Instance", userDataBase64=PACKED),
        "userDataBase64 has what looks like",
    ),
    (
        "no-secret-in-the-clear",
        bad("aws:ec2/instance:Instance", tags_=[{"a": f"AKIA{'A' * 16}"}]),
        "tags_[0].a has what",
    ),
    (
        "no-secret-in-the-clear",
        bad("aws:amplify/app:App", accessToken="plain"),
        "accessToken is not marked secret",
    ),
    (
        "no-secret-in-the-clear",
        bad("aws:ssm/parameter:Parameter", type="SecureString", value="plain"),
        "value is not marked secret",
    ),
)


@pytest.mark.parametrize(("name", "one", "told"), BAD, ids=[f"{n}: {t}" for n, _, t in BAD])
def test_a_guardrail_tells_a_bad_resource(name: str, one: Resource, told: str) -> None:
    faults = list(CHECKS[name](one))
    assert any(told in fault for fault in faults), faults


def test_every_guardrail_is_shown_to_tell() -> None:
    assert {name for name, _, _ in BAD} == set(CHECKS)


def test_a_bucket_without_a_lock_is_told() -> None:
    bucket = bad("aws:s3/bucket:Bucket", bucket="b")
    other = bad("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", inputs={**BLOCK, "bucket": "c"})
    assert list(rules.bucket_without_locks([bucket, other])) == ["bad has no public access block"]


def test_a_month_over_the_budget_is_told() -> None:
    assert "more than the budget of $100.00" in next(rules.over_budget(100.01, 100))
    assert not list(rules.over_budget(100, 100))


def test_a_stack_that_keeps_no_data_may_lose_it_but_not_keep_logs_for_ever() -> None:
    table = Resource(
        token=TABLE,
        name="t",
        inputs={},
        tags=TAGS,
        secrets=frozenset(),
        protect=False,
        keeps_data=False,
    )
    assert not list(rules.missing_retention(table))


def test_a_policy_that_is_not_known_yet_is_no_fault() -> None:
    assert not list(rules.wildcard_action(bad("aws:iam/rolePolicy:RolePolicy", policy=rules.UNKNOWN)))


def test_where_nobody_knows_what_is_secret_tokens_are_looked_for_elsewhere() -> None:
    """The engine doesn't tell a policy pack which inputs are secret."""
    token = f"github_pat_{'a' * 30}"
    app = Resource(
        token="aws:amplify/app:App",
        name="page",
        inputs={"accessToken": token, "description": f"use {token}"},
        tags=TAGS,
        secrets=None,
        protect=False,
        keeps_data=False,
    )
    assert list(rules.secret_in_the_clear(app)) == ["description has what looks like a token or key"]
