"""What GitHub may do for a stack, as IAM statements: see it (preview), or change it and nothing else (deploy).

By name where a service's ARNs hold names, by the tag Stack where they hold ids. An action on `*` knows no resource, or
is one that only reads what the account has. Which actions know what: the Service Authorization Reference
(docs.aws.amazon.com/service-authorization/latest/reference/).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import contract
from bootstrap.names import Names

Statement = dict[str, Any]
TAG = contract.TAG_STACK

LOOKUPS = (
    "ec2:Describe*",
    "ec2:GetManagedPrefixListEntries",
    "cloudfront:GetCachePolicy*",
    "cloudfront:GetOriginRequestPolicy*",
    "cloudfront:GetResponseHeadersPolicy*",
    "cloudfront:List*",
    "cognito-idp:ListUserPools",
    "cloudwatch:DescribeAlarms",
    "logs:DescribeLogGroups",
    "ssm:DescribeParameters",
    "sagemaker:List*",
    "servicequotas:GetServiceQuota",
    "servicequotas:GetAWSDefaultServiceQuota",
    "tag:GetResources",
)
"""What is there, in the account and in AWS: without content, and without a resource to name."""
MACHINE_PARTS = ("network-interface", "volume", "key-pair", "spot-instances-request")
"""EC2's types that a launch makes or uses beside the machine."""
PUBLIC_PARAMETERS = "arn:aws:ssm:*::parameter/aws/service/*"
"""In which AWS publishes its machine images."""


def allow(
    sid: str, actions: Sequence[str], resources: Sequence[str], condition: Mapping[str, Any] | None = None
) -> Statement:
    """One statement: one need."""
    return _statement("Allow", sid, actions, resources, condition)


def deny(
    sid: str, actions: Sequence[str], resources: Sequence[str], condition: Mapping[str, Any] | None = None
) -> Statement:
    """One statement that no other can undo."""
    return _statement("Deny", sid, actions, resources, condition)


def _statement(
    effect: str,
    sid: str,
    actions: Sequence[str],
    resources: Sequence[str],
    condition: Mapping[str, Any] | None,
) -> Statement:
    made: Statement = {"Sid": sid, "Effect": effect, "Action": list(actions), "Resource": list(resources)}
    return {**made, "Condition": dict(condition)} if condition else made


def tagged(stack: str) -> Statement:
    """Condition: the thing bears the stack's tag."""
    return {"StringEquals": {f"aws:ResourceTag/{TAG}": stack}}


def lookups() -> list[Statement]:
    """What every role may see."""
    return [
        allow("SeeTheAccount", LOOKUPS, ["*"]),
        allow("PublicImages", ["ssm:GetParameter", "ssm:GetParameters"], [PUBLIC_PARAMETERS]),
    ]


def read_state(names: Names) -> list[Statement]:
    """The state of its stack, and the secrets in it."""
    bucket = f"arn:aws:s3:::{names.state_bucket}"
    return [
        # Keys alone: the backend looks for its stacks, and asks once without a prefix whether it may at all.
        allow("ListTheState", ["s3:ListBucket", "s3:GetBucketLocation"], [bucket]),
        allow("ReadTheState", ["s3:GetObject"], [*names.state, f"{bucket}/.pulumi/meta.yaml"]),
        allow("ReadTheSecrets", ["kms:Decrypt", "kms:DescribeKey"], [names.key_arn]),
    ]


def write_state(names: Names) -> list[Statement]:
    """The state of its stack and its locks; no version of them can be removed."""
    return [
        allow("WriteTheState", ["s3:PutObject", "s3:DeleteObject"], names.state),
        allow("WriteTheSecrets", ["kms:Encrypt", "kms:GenerateDataKey"], [names.key_arn]),
    ]


def preview(names: Names) -> list[Statement]:
    """See the stack: how everything is set, and no picture, prompt, message or log."""
    stack = names.stack
    return [
        *lookups(),
        *read_state(names),
        allow(
            "SeeOwnBucket",
            [
                "s3:GetBucket*",
                "s3:GetEncryptionConfiguration",
                "s3:GetLifecycleConfiguration",
                "s3:GetAccelerateConfiguration",
                "s3:GetReplicationConfiguration",
                "s3:ListBucket",
            ],
            names.bucket[:1],
        ),
        allow("SeeOwnRoles", ["iam:Get*", "iam:List*"], _iam(names)),
        allow("SeeOwnParameters", ["ssm:GetParameter*", "ssm:ListTagsForResource"], [names.parameters]),
        allow("SeeOwnLogGroups", ["logs:ListTags*", "logs:Describe*"], [names.logs]),
        allow("SeeOwnNotebook", ["sagemaker:Describe*"], [*names.notebooks, names.jobs]),
        allow(
            "SeeOwnAlarms",
            ["cloudwatch:Describe*", "cloudwatch:GetDashboard", "cloudwatch:List*"],
            names.alarms,
        ),
        allow("SeeOwnSchedules", ["scheduler:Get*", "scheduler:List*"], names.schedules),
        allow(
            "SeeOwnQueuesTopicsTables",
            [
                "sqs:GetQueue*",
                "sqs:ListQueueTags",
                "sns:Get*",
                "sns:List*",
                "dynamodb:Describe*",
                "dynamodb:ListTagsOfResource",
                "budgets:ViewBudget",
                "budgets:ListTagsForResource",
            ],
            names.plain,
        ),
        allow(
            "SeeOwnByTag",
            [
                "cognito-idp:Describe*",
                "cognito-idp:GetUserPoolMfaConfig",
                "cognito-idp:ListTagsForResource",
                "cloudfront:GetDistribution*",
                "amplify:GetApp",
                "amplify:GetBranch",
                "amplify:ListTagsForResource",
            ],
            names.by_id,
            tagged(stack),
        ),
    ]


def deploy_by_name(names: Names) -> list[Statement]:
    """All of what is the stack's by its name."""
    machine_rights = {"StringEquals": {"iam:PermissionsBoundary": names.boundary}}
    services = ["ec2", "sagemaker", "scheduler", "vpc-flow-logs"]
    passed_to = {"StringEquals": {"iam:PassedToService": [f"{one}.amazonaws.com" for one in services]}}
    return [
        *lookups(),
        allow("OwnBucket", ["s3:*"], names.bucket),
        allow("OwnParameters", ["ssm:*"], [names.parameters]),
        allow("OwnLogGroups", ["logs:*"], [names.logs, f"{names.logs}:*"]),
        allow("OwnNotebook", ["sagemaker:*"], [*names.notebooks, names.jobs]),
        allow("OwnAlarms", ["cloudwatch:*"], names.alarms),
        allow("OwnSchedules", ["scheduler:*"], names.schedules),
        allow("OwnQueuesTopicsTables", ["sqs:*", "sns:*", "dynamodb:*", "budgets:*"], names.plain),
        allow("SeeOwnRoles", ["iam:Get*", "iam:List*"], _iam(names)),
        # A role without the boundary could be given everything, the other stack too.
        allow(
            "MakeBoundedRoles",
            [
                "iam:CreateRole",
                "iam:PutRolePolicy",
                "iam:AttachRolePolicy",
                "iam:DeleteRolePolicy",
                "iam:DetachRolePolicy",
                "iam:PutRolePermissionsBoundary",
            ],
            [names.roles],
            machine_rights,
        ),
        allow(
            "ChangeOwnRoles",
            [
                "iam:DeleteRole",
                "iam:UpdateRole*",
                "iam:UpdateAssumeRolePolicy",
                "iam:TagRole",
                "iam:UntagRole",
            ],
            [names.roles],
        ),
        allow(
            "OwnProfiles",
            [
                "iam:CreateInstanceProfile",
                "iam:DeleteInstanceProfile",
                "iam:AddRoleToInstanceProfile",
                "iam:RemoveRoleFromInstanceProfile",
                "iam:TagInstanceProfile",
                "iam:UntagInstanceProfile",
            ],
            _iam(names),
        ),
        allow("PassOwnRoles", ["iam:PassRole"], [names.roles], passed_to),
        # The first spot machine of an account needs it; AWS alone may use it.
        allow(
            "SpotsOwnRole",
            ["iam:CreateServiceLinkedRole"],
            [names.arn("iam", "role/aws-service-role/spot.amazonaws.com/*")],
            {"StringEquals": {"iam:AWSServiceName": "spot.amazonaws.com"}},
        ),
    ]


def deploy_by_tag(names: Names) -> list[Statement]:
    """All of what is the stack's by its tag: what is made must bear it, and what bears it may be changed."""
    stack = names.stack
    making = {"StringEquals": {f"aws:RequestTag/{TAG}": stack}}
    at_creation = {**making, "StringLike": {"ec2:CreateAction": "*"}}
    ec2_any = names.arn("ec2", "*")
    return [
        allow(
            "MakeTagged",
            [
                "ec2:CreateVpc",
                "ec2:CreateSubnet",
                "ec2:CreateSecurityGroup",
                "ec2:CreateInternetGateway",
                "ec2:CreateRouteTable",
                "ec2:CreateNatGateway",
                "ec2:CreateVpcEndpoint",
                "ec2:CreateFlowLogs",
                "ec2:AllocateAddress",
                "ec2:RunInstances",
                "ec2:AuthorizeSecurityGroup*",
            ],
            [ec2_any],
            making,
        ),
        allow("TagWhatIsMade", ["ec2:CreateTags"], [ec2_any], at_creation),
        allow(
            "OwnNetworkAndMachines",
            ["ec2:*"],
            [ec2_any],
            tagged(stack),
        ),
        # A machine's image is AWS's or the account's, its disks and interfaces come without tags, and are made with it.
        allow(
            "WhatMachinesAreMadeOf",
            ["ec2:RunInstances"],
            ["arn:aws:ec2:*::image/*", "arn:aws:ec2:*::snapshot/*"]
            + [names.arn("ec2", f"{kind}/*") for kind in MACHINE_PARTS],
        ),
        # A VPC brings its default group along, untagged: it is emptied and tagged, so that it is the stack's from then on.
        allow(
            "DefaultGroup",
            ["ec2:RevokeSecurityGroup*", "ec2:CreateTags"],
            [names.arn("ec2", kind) for kind in ("security-group/*", "security-group-rule/*")],
            {"Null": {f"aws:ResourceTag/{TAG}": "true"}},
        ),
        # Spot requests bear no tag of the machine's; a cancelled one leaves its machine running.
        allow(
            "EndSpotRequests",
            ["ec2:CancelSpotInstanceRequests"],
            [names.arn("ec2", "spot-instances-request/*")],
        ),
        allow(
            "MakeTaggedElsewhere",
            [
                "cognito-idp:CreateUserPool",
                "cognito-idp:TagResource",
                "cloudfront:TagResource",
                "amplify:CreateApp",
                "amplify:CreateBranch",
                "amplify:TagResource",
            ],
            ["*"],
            making,
        ),
        # Whether CloudFront sends the tags along at creation isn't said; tagging it, which comes with it, needs the own tag.
        allow(
            "MakeDistributions",
            ["cloudfront:CreateDistribution", "cloudfront:CreateDistributionWithTags"],
            names.by_id,
        ),
        allow(
            "OwnElsewhere",
            ["cognito-idp:*", "cloudfront:*", "amplify:*"],
            names.by_id,
            tagged(stack),
        ),
        # Builds and domains of an app bear no tags.
        allow(
            "Builds",
            ["amplify:StartJob", "amplify:GetJob", "amplify:ListJobs", "amplify:*DomainAssociation"],
            [names.arn("amplify", "apps/*/branches/*/jobs/*"), names.arn("amplify", "apps/*/domains/*")],
        ),
        allow(
            "CommandsToOwnMachines", ["ssm:SendCommand"], [names.arn("ec2", "instance/*")], _ssm_tagged(stack)
        ),
        allow("ShellCommands", ["ssm:SendCommand"], ["arn:aws:ssm:*::document/AWS-RunShellScript"]),
        allow("CommandsAnswers", ["ssm:GetCommandInvocation"], ["*"]),
    ]


def guard(own: Names, others: Sequence[Names]) -> list[Statement]:
    """What nothing can allow: the other stacks, by name and by tag; taking a tag that isn't one's own; leaving the boundary."""
    tags = [one.stack for one in others]
    own_tag = {f"aws:RequestTag/{TAG}": own.stack}
    statements = [
        deny(
            "NeverAnothersTag",
            ["*"],
            ["*"],
            {"StringNotEquals": own_tag, "Null": {f"aws:RequestTag/{TAG}": "false"}},
        ),
        deny("BoundaryStays", ["iam:DeleteRolePermissionsBoundary"], ["*"]),
    ]
    if not others:
        return statements
    return [
        *statements,
        deny("NeverOthersByTag", ["*"], ["*"], {"StringEquals": {f"aws:ResourceTag/{TAG}": tags}}),
        deny("NeverOthersByName", ["*"], [arn for one in others for arn in one.everything]),
    ]


def boundary(own: Names, others: Sequence[Names]) -> list[Statement]:
    """The most that a role of the stack can be given: its own data, logs and metrics; nothing of IAM."""
    aws_sagemaker_logs = own.arn("logs", "log-group:/aws/sagemaker/*")
    return [
        allow("OwnBucket", ["s3:*"], own.bucket),
        allow("OwnQueuesTopicsTables", ["sqs:*", "sns:*", "dynamodb:*"], own.plain),
        allow("OwnParameters", ["ssm:*"], [own.parameters]),
        allow("OwnLogs", ["logs:*"], [own.logs, f"{own.logs}:*", aws_sagemaker_logs]),
        allow("OwnNotebook", ["sagemaker:*"], [*own.notebooks, own.jobs]),
        allow("OwnMachines", ["ec2:StartInstances", "ec2:StopInstances"], [own.arn("ec2", "instance/*")]),
        # Interfaces that SageMaker makes for a job in the stack's subnets, before they have a name or tag.
        allow("JobsInterfaces", ["ec2:*NetworkInterface*"], [own.arn("ec2", "*")]),
        allow(
            "WithoutResource",
            [
                "ec2:Describe*",
                "cloudwatch:PutMetricData",
                "ssm:UpdateInstanceInformation",
                "ssmmessages:*",
                "ecr:GetAuthorizationToken",
                "logs:DescribeLogGroups",
            ],
            ["*"],
        ),
        allow("AwsImages", ["ecr:BatchGet*", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheck*"], ["*"]),
        *(one for one in guard(own, others) if one["Sid"].startswith("NeverOthers")),
    ]


def trust(provider_arn: str, subjects: Sequence[str]) -> list[Statement]:
    """GitHub's tokens for these subjects, and no other."""
    issuer = "token.actions.githubusercontent.com"
    return [
        {
            "Sid": "GitHub",
            "Effect": "Allow",
            "Principal": {"Federated": provider_arn},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {f"{issuer}:aud": "sts.amazonaws.com", f"{issuer}:sub": list(subjects)}
            },
        }
    ]


def _iam(names: Names) -> list[str]:
    return [names.roles, names.arn("iam", f"instance-profile/{names.prefix}*")]


def _ssm_tagged(stack: str) -> Statement:
    """Run Command has a condition key of its own for the machine's tags."""
    return {"StringEquals": {f"ssm:resourceTag/{TAG}": stack}}
