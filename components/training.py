"""What a training job on SageMaker needs, before there is one: a role, a place in the network, an image, limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

import contract
from components import machine
from components.machine_role import allow, policy
from instance_types import TRAINING_DOLLARS_PER_HOUR
from setting_models import TrainingSettings

IMAGE_ACCOUNT = "763104351884"
"""AWS's own, of its Deep Learning Containers, in the Regions that the settings allow
(github.com/aws/deep-learning-containers: available_images.md)."""
IMAGE = "pytorch-training:2.6.0-gpu-py312-cu126-ubuntu22.04-sagemaker"
"""PyTorch of the minor version that kohya's scripts are pinned to."""
LOG_GROUP = "/aws/sagemaker/TrainingJobs"
"""SageMaker's own, which all jobs of an account share; a stream begins with its job's name."""


@dataclass(frozen=True, kw_only=True)
class TrainingArgs:
    """What jobs need from the rest of the platform. The subnets are private."""

    stack: str
    settings: TrainingSettings
    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    bucket_arn: pulumi.Input[str]
    region: str


class Training(pulumi.ComponentResource):
    """Lets SageMaker run jobs of this stack: they read base models, read and write data sets, and nothing else.

    Styles are published by who looked at them, not by the job. `job` is what `ops loras train` starts one with; None, with
    the `reason`, when the settings leave training out.
    """

    job: pulumi.Output[dict[str, Any]] | None
    reason: str | None

    def __init__(self, name: str, args: TrainingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("sd-app:training:Training", name, None, opts)
        self.job, self.reason = None, None
        if args.settings.enabled:
            self.job = _create(name, args, self)
        else:
            self.reason = "switched off by sd-app:training.enabled"
        self.register_outputs({"job": self.job, "reason": self.reason})


def _create(name: str, args: TrainingArgs, parent: pulumi.Resource) -> pulumi.Output[dict[str, Any]]:
    child = pulumi.ResourceOptions(parent=parent)
    settings = args.settings
    image = settings.image_uri or f"{IMAGE_ACCOUNT}.dkr.ecr.{args.region}.amazonaws.com/{IMAGE}"
    group = aws.ec2.SecurityGroup(
        name, description="Training jobs: let nobody in", vpc_id=args.vpc_id, opts=child
    )
    machine.allow_web_egress(name, group.id, parent)
    account = aws.get_caller_identity(opts=pulumi.InvokeOptions(parent=parent)).account_id
    role = aws.iam.Role(
        name,
        description="Training jobs of the stack",
        assume_role_policy=policy(_trust(account)),
        tags={"Role": contract.TRAINING},
        opts=child,
    )
    rights = aws.iam.RolePolicy(
        f"{name}-rights",
        role=role.name,
        policy=policy(
            *_bucket_rights(args.bucket_arn),
            *_image_rights(image),
            *_network_rights(args, account, group.id),
            *_log_rights(args, account),
        ),
        opts=child,
    )
    return pulumi.Output.all(
        # Not before the rights are there: a job that starts at once would lack them.
        roleArn=pulumi.Output.all(role.arn, rights.id).apply(lambda known: known[0]),
        securityGroupIds=[group.id],
        subnetIds=list(args.subnet_ids),
        imageUri=image,
        instanceType=settings.instance_type,
        spot=settings.spot,
        volumeGib=settings.volume_gib,
        maxMinutes=settings.max_minutes,
        maxDollars=settings.max_dollars,
        dollarsPerHour=settings.dollars_per_hour or TRAINING_DOLLARS_PER_HOUR[settings.instance_type],
    )


def _trust(account: str) -> dict[str, Any]:
    return {
        "Sid": "SageMakerOnly",
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": account}},
    }


def _bucket_rights(bucket_arn: pulumi.Input[str]) -> list[dict[str, Any]]:
    seen = (contract.MODELS_PREFIX, contract.DATASETS_PREFIX)
    return [
        allow(
            "ListModelsAndDataSets",
            ["s3:ListBucket"],
            [bucket_arn],
            {"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in seen]}},
        ),
        allow(
            "ReadBaseModels",
            ["s3:GetObject"],
            [pulumi.Output.concat(bucket_arn, "/", contract.MODELS_PREFIX, "*")],
        ),
        allow(
            "DataSetsAndResults",
            ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
            [pulumi.Output.concat(bucket_arn, "/", contract.DATASETS_PREFIX, "*")],
        ),
    ]


def _image_rights(image: str) -> list[dict[str, Any]]:
    registry, _, rest = image.partition("/")
    account, _, _, region, *_ = registry.split(".")
    repository = f"arn:aws:ecr:{region}:{account}:repository/{rest.partition(':')[0]}"
    return [
        # "*": the login to ECR knows no resource (docs.aws.amazon.com/AmazonECR/latest/userguide/security-iam.html).
        allow("ImageLogin", ["ecr:GetAuthorizationToken"], ["*"]),
        allow(
            "Image",
            ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            [repository],
        ),
    ]


def _network_rights(args: TrainingArgs, account: str, group_id: pulumi.Input[str]) -> list[dict[str, Any]]:
    """SageMaker puts a job's network interfaces into the subnets as the role itself
    (docs.aws.amazon.com/sagemaker/latest/dg/sagemaker-roles.html: CreateTrainingJob with a VPC)."""
    own = f"arn:aws:ec2:{args.region}:{account}"
    interfaces = f"{own}:network-interface/*"
    subnets = [pulumi.Output.concat(own, ":subnet/", one) for one in args.subnet_ids]
    group = pulumi.Output.concat(own, ":security-group/", group_id)
    return [
        # "*": what is only looked at has no resource.
        allow(
            "SeeTheNetwork",
            [
                "ec2:DescribeDhcpOptions",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcs",
            ],
            ["*"],
        ),
        allow("MakeInterfaces", ["ec2:CreateNetworkInterface"], [interfaces, group, *subnets]),
        allow(
            "OwnInterfaces",
            [
                "ec2:CreateNetworkInterfacePermission",
                "ec2:DeleteNetworkInterface",
                "ec2:DeleteNetworkInterfacePermission",
            ],
            [interfaces],
            {"ArnEquals": {"ec2:Subnet": subnets}},
        ),
    ]


def _log_rights(args: TrainingArgs, account: str) -> list[dict[str, Any]]:
    group = f"arn:aws:logs:{args.region}:{account}:log-group:{LOG_GROUP}"
    return [
        allow(
            "MakeSageMakersLogGroup",
            ["logs:CreateLogGroup", "logs:DescribeLogStreams"],
            [group, f"{group}:*"],
        ),
        allow(
            "OwnJobsLogs",
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            [f"{group}:log-stream:{contract.training_job_prefix(args.stack)}*"],
        ),
        # "*": PutMetricData knows no resource; the condition keeps it to the jobs' namespace.
        allow(
            "OwnMetrics",
            ["cloudwatch:PutMetricData"],
            ["*"],
            {"StringEquals": {"cloudwatch:namespace": LOG_GROUP}},
        ),
    ]
