"""The Node.js machine that the page talks to, with the worker beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

import contract
from components import machine
from components.machine_role import MachineRole, MachineRoleArgs, allow
from instance_types import BACKEND_TYPES
from setting_models import BackendSettings, RepositorySettings

CLOUDFRONT_PREFIX_LIST = "com.amazonaws.global.cloudfront.origin-facing"
"""AWS keeps the addresses from which CloudFront calls origins in it."""


@dataclass(frozen=True, kw_only=True)
class BackendArgs:
    """What the backend needs from the rest of the platform. `github_token` only for a private repository.

    limits: one for each of `contract.LIMITS`, by its name.
    """

    stack: str
    settings: BackendSettings
    repository: RepositorySettings
    vpc_id: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    elastic_ip_allocation_id: pulumi.Input[str]
    edge_url: pulumi.Input[str]
    origin_secret_parameter_name: pulumi.Input[str]
    origin_secret_parameter_arn: pulumi.Input[str]
    github_token: pulumi.Output[str] | None
    comfyui_address: pulumi.Input[str]
    ml_server_instance_arn: pulumi.Input[str]
    ml_server_boot_parameter_name: pulumi.Input[str]
    ml_server_boot_parameter_arn: pulumi.Input[str]
    ml_server_client_group_id: pulumi.Input[str]
    bucket_name: pulumi.Input[str]
    bucket_arn: pulumi.Input[str]
    queue_urls: Mapping[str, pulumi.Input[str]]
    queue_arns: Mapping[str, pulumi.Input[str]]
    dead_letter_queue_url: pulumi.Input[str]
    dead_letter_queue_arn: pulumi.Input[str]
    table_name: pulumi.Input[str]
    table_arn: pulumi.Input[str]
    user_pool_id: pulumi.Input[str]
    user_pool_client_id: pulumi.Input[str]
    limits: Mapping[str, int]
    max_attempts: int
    outputs_retention_days: int
    allowed_origins: Sequence[pulumi.Input[str]]
    log_retention_days: int
    region: str


class Backend(pulumi.ComponentResource):
    """Answers CloudFront alone, at the edge's address. Works on its stack's queues, table and pictures, reads the
    styles, wakes the ML server; never writes models or styles, never reads data sets."""

    instance_id: pulumi.Output[str]
    instance_arn: pulumi.Output[str]
    security_group_id: pulumi.Output[str]
    image_id: pulumi.Output[str]
    ready: pulumi.Output[str] | None
    log_group_name: pulumi.Output[str]
    role_name: pulumi.Output[str]

    def __init__(self, name: str, args: BackendArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("sd-app:compute:Backend", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        firewall, ways_out = _create_firewall(name, args.vpc_id, self)
        ssh_groups = machine.create_ssh_group(name, args.vpc_id, args.settings.ssh_cidrs, self)
        token = _create_token_parameter(name, args, child)
        role = MachineRole(
            name,
            MachineRoleArgs(
                stack=args.stack,
                role=contract.BACKEND,
                region=args.region,
                log_retention_days=args.log_retention_days,
                statements=_rights(args, token),
            ),
            child,
        )
        groups = [firewall.id, args.ml_server_client_group_id, *ssh_groups]
        needs = [*role.permissions, *ways_out]
        launch_args = _launch_args(args, role, groups, _environment(args, role, token), needs)
        instance = machine.launch(name, launch_args, self)
        address = aws.ec2.EipAssociation(
            name,
            allocation_id=args.elastic_ip_allocation_id,
            instance_id=instance.id,
            # One address, one holder: the old association goes first, or its end would be looked for in vain.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )

        self.instance_id = instance.id
        self.instance_arn = instance.arn
        self.security_group_id = firewall.id
        self.image_id = instance.ami
        self.ready = machine.wait_until_ready(name, launch_args, instance, self, [address])
        self.log_group_name = role.log_group_name
        self.role_name = role.role_name
        self.register_outputs(
            {
                "instance_id": self.instance_id,
                "instance_arn": self.instance_arn,
                "security_group_id": self.security_group_id,
                "image_id": self.image_id,
                "ready": self.ready,
                "log_group_name": self.log_group_name,
                "role_name": self.role_name,
            }
        )


def image_parameter(instance_type: str) -> str:
    """Canonical's parameter of the newest Ubuntu 24.04 image for the type's architecture."""
    architecture = "arm64" if BACKEND_TYPES[instance_type].arm else "amd64"
    return f"/aws/service/canonical/ubuntu/server/24.04/stable/current/{architecture}/hvm/ebs-gp3/ami-id"


def _create_firewall(
    name: str, vpc_id: pulumi.Input[str], parent: pulumi.Resource
) -> tuple[aws.ec2.SecurityGroup, list[pulumi.Resource]]:
    """The group that CloudFront alone enters, and its rules outwards."""
    child = pulumi.ResourceOptions(parent=parent)
    cloudfront = aws.ec2.get_managed_prefix_list_output(
        name=CLOUDFRONT_PREFIX_LIST, opts=pulumi.InvokeOptions(parent=parent)
    )
    firewall = aws.ec2.SecurityGroup(name, description="Backend", vpc_id=vpc_id, opts=child)
    aws.vpc.SecurityGroupIngressRule(
        f"{name}-from-edge",
        security_group_id=firewall.id,
        description="CloudFront",
        prefix_list_id=cloudfront.apply(lambda found: found.id),
        ip_protocol="tcp",
        from_port=contract.BACKEND_PORT,
        to_port=contract.BACKEND_PORT,
        opts=child,
    )
    return firewall, machine.allow_web_egress(name, firewall.id, parent)


def _create_token_parameter(
    name: str, args: BackendArgs, child: pulumi.ResourceOptions
) -> aws.ssm.Parameter | None:
    """The GitHub token where the machine's role can fetch it; None without a token."""
    if args.github_token is None:
        return None
    return aws.ssm.Parameter(
        f"{name}-github-token",
        name=contract.parameter_path(args.stack, "github-token"),
        description="Fine-grained GitHub token; the backend clones a private repository with it.",
        type="SecureString",
        value=pulumi.Output.secret(args.github_token),
        opts=child,
    )


def _rights(args: BackendArgs, token: aws.ssm.Parameter | None) -> list[dict[str, Any]]:
    secrets = [args.origin_secret_parameter_arn, *([token.arn] if token else [])]
    return [
        # The worker runs beside the backend: it takes jobs as well as giving them.
        allow(
            "OwnQueues",
            [
                "sqs:SendMessage",
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:ChangeMessageVisibility",
            ],
            list(args.queue_arns.values()),
        ),
        # It reports what it gave up on; the operator alone looks at it and settles it.
        allow("DeadLetters", ["sqs:SendMessage"], [args.dead_letter_queue_arn]),
        # A transaction asks for the rights of the writes in it and for none of its own
        # (docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html).
        allow(
            "OwnGenerations",
            [
                "dynamodb:GetItem",
                "dynamodb:BatchGetItem",
                "dynamodb:PutItem",
                "dynamodb:UpdateItem",
                "dynamodb:DeleteItem",
            ],
            [args.table_arn],
        ),
        allow(
            "GenerationsByIndex",
            ["dynamodb:Query"],
            [
                pulumi.Output.concat(args.table_arn, "/index/", index)
                for index in (contract.GENERATIONS_OWNER_INDEX, contract.GENERATIONS_QUEUE_INDEX)
            ],
        ),
        *_bucket_rights(args.bucket_arn),
        allow("WakeTheMlServer", ["ec2:StartInstances"], [args.ml_server_instance_arn]),
        allow("HowFarTheMlServerIs", ["ssm:GetParameter"], [args.ml_server_boot_parameter_arn]),
        # "*": EC2's Describe actions know no resource (Service Authorization Reference); they change nothing.
        allow("SeeTheMlServer", ["ec2:DescribeInstances"], ["*"]),
        # No kms:Decrypt: SecureStrings are under aws/ssm, whose key policy grants it to every principal of the
        # account through SSM (docs.aws.amazon.com/systems-manager/latest/userguide/ps-restrict-decryption.html),
        # so that this statement alone decides who reads them.
        allow("OwnSecrets", ["ssm:GetParameter"], secrets),
    ]


def _bucket_rights(bucket_arn: pulumi.Input[str]) -> list[dict[str, Any]]:
    pictures = pulumi.Output.concat(bucket_arn, "/", contract.OUTPUTS_PREFIX, "*")
    styles = pulumi.Output.concat(bucket_arn, "/", contract.LORAS_PREFIX, "*")
    return [
        allow("Pictures", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], [pictures]),
        allow("ReadStyles", ["s3:GetObject"], [styles]),
        allow(
            "ListStyles",
            ["s3:ListBucket"],
            [bucket_arn],
            {"StringLike": {"s3:prefix": [f"{contract.LORAS_PREFIX}*"]}},
        ),
    ]


def _environment(
    args: BackendArgs, role: MachineRole, token: aws.ssm.Parameter | None
) -> dict[str, pulumi.Input[str]]:
    """What `backend.sh` makes `.env` of. The two secrets by their parameters' names alone.

    The ML server's id is not in it: the backend finds the machine by its tags, so a new one there doesn't make a new
    one here (docs/decisions/0009).
    """
    origins = pulumi.Output.all(*args.allowed_origins)
    return {
        **role.environment,
        "BUCKET_NAME": args.bucket_name,
        "COMFY_UI_ADDRESS": args.comfyui_address,
        "PORT": str(contract.BACKEND_PORT),
        "REPOSITORY_URL": args.repository.url,
        "REPOSITORY_REF": args.repository.ref,
        "GITHUB_TOKEN_PARAMETER": token.name if token else "",
        "ORIGIN_SECRET_PARAMETER": args.origin_secret_parameter_name,
        "TEXT_QUEUE_URL": args.queue_urls["text"],
        "SKETCH_QUEUE_URL": args.queue_urls["sketch"],
        "DEAD_LETTER_QUEUE_URL": args.dead_letter_queue_url,
        "GENERATIONS_TABLE": args.table_name,
        "USER_POOL_ID": args.user_pool_id,
        "USER_POOL_CLIENT_ID": args.user_pool_client_id,
        "MAX_ATTEMPTS": str(args.max_attempts),
        "OUTPUTS_RETENTION_DAYS": str(args.outputs_retention_days),
        **{contract.limit_variable(name): str(value) for name, value in args.limits.items()},
        "ALLOWED_ORIGINS": origins.apply(lambda known: ",".join(known)),
        "BACKEND_URL": args.edge_url,
        "ML_SERVER_BOOT_PARAMETER": args.ml_server_boot_parameter_name,
    }


def _launch_args(
    args: BackendArgs,
    role: MachineRole,
    groups: Sequence[pulumi.Input[str]],
    environment: Mapping[str, pulumi.Input[str]],
    needs: Sequence[pulumi.Resource],
) -> machine.LaunchArgs:
    return machine.LaunchArgs(
        stack=args.stack,
        role=contract.BACKEND,
        region=args.region,
        settings=args.settings,
        instance_type=args.settings.instance_type,
        disk_gib=args.settings.disk_gib,
        image_parameter=image_parameter(args.settings.instance_type),
        machine_role=role,
        subnet_id=args.subnet_id,
        security_group_ids=groups,
        environment=environment,
        private_ip=None,
        spot=False,
        needs=needs,
    )
