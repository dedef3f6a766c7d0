"""The SageMaker notebook in which the model maker fine-tunes styles."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

import contract
from cloud_init.render import render_lifecycle
from components import machine
from components.machine_role import allow, policy
from components.training_package import archive
from setting_models import NotebookSettings

PLATFORM = "notebook-al2023-v1"
"""Amazon Linux 2023: the `notebook-al2-*` platforms can no longer be created or started since 2026-07-01."""


@dataclass(frozen=True, kw_only=True)
class NotebookArgs:
    """What the notebook needs from the rest of the platform. The subnet is private."""

    stack: str
    settings: NotebookSettings
    vpc_id: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    bucket_name: pulumi.Input[str]
    bucket_arn: pulumi.Input[str]
    region: str


class Notebook(pulumi.ComponentResource):
    """Reached through SageMaker's own sign-in alone; reads base models, writes data sets and styles, never sees
    pictures; stops no notebook but itself. All outputs but `reason` are None when the settings leave it out."""

    notebook_name: pulumi.Output[str] | None
    notebook_arn: pulumi.Output[str] | None
    reason: str | None
    """Why there is none; None when there is one."""

    def __init__(self, name: str, args: NotebookArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("sd-app:training:Notebook", name, None, opts)
        self.notebook_name, self.notebook_arn, self.reason = None, None, None
        if args.settings.enabled:
            notebook = _create_notebook(name, args, self)
            self.notebook_name, self.notebook_arn = notebook.name, notebook.arn
        else:
            self.reason = "switched off by sd-app:notebook.enabled"
        self.register_outputs(
            {
                "notebook_name": self.notebook_name,
                "notebook_arn": self.notebook_arn,
                "reason": self.reason,
            }
        )


def _create_notebook(
    name: str, args: NotebookArgs, parent: pulumi.Resource
) -> aws.sagemaker.NotebookInstance:
    child = pulumi.ResourceOptions(parent=parent)
    physical = contract.notebook_name(args.stack)
    group = aws.ec2.SecurityGroup(
        name, description="Notebook: lets nobody in", vpc_id=args.vpc_id, opts=child
    )
    machine.allow_web_egress(name, group.id, parent)
    role = _create_role(name, child)
    account = aws.get_caller_identity(opts=pulumi.InvokeOptions(parent=parent)).account_id
    rights = aws.iam.RolePolicy(
        f"{name}-rights",
        role=role.name,
        policy=policy(*_bucket_rights(args.bucket_arn), *_log_rights(args.region, account, physical)),
        opts=child,
    )
    package = aws.s3.BucketObjectv2(
        f"{name}-package",
        bucket=args.bucket_name,
        key=contract.NOTEBOOK_PACKAGE,
        content_base64=archive(),
        content_type="application/gzip",
        opts=child,
    )
    lifecycle = aws.sagemaker.NotebookInstanceLifecycleConfiguration(
        name, name=physical, on_start=_on_start(args), opts=child
    )
    notebook = aws.sagemaker.NotebookInstance(
        name,
        name=physical,
        role_arn=role.arn,
        instance_type=args.settings.instance_type,
        platform_identifier=PLATFORM,
        subnet_id=args.subnet_id,
        security_groups=[group.id],
        direct_internet_access="Disabled",
        # The model maker installs packages; what root may reach in AWS is still the role's alone.
        root_access="Enabled",
        volume_size=args.settings.volume_gib,
        lifecycle_config_name=lifecycle.name,
        instance_metadata_service_configuration={"minimum_instance_metadata_service_version": "2"},
        tags={"Name": name, "Role": contract.NOTEBOOK},
        # Its first start runs the hook, which uses these rights and brings the package.
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[rights, package]),
    )
    # A policy apart, since the notebook's ARN is known only after its creation.
    aws.iam.RolePolicy(
        f"{name}-own-stop",
        role=role.name,
        policy=policy(
            allow(
                "StopItself",
                ["sagemaker:StopNotebookInstance", "sagemaker:DescribeNotebookInstance"],
                [notebook.arn],
            )
        ),
        opts=child,
    )
    return notebook


def _create_role(name: str, child: pulumi.ResourceOptions) -> aws.iam.Role:
    trust = {
        "Sid": "SageMakerOnly",
        "Effect": "Allow",
        "Principal": {"Service": "sagemaker.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return aws.iam.Role(
        name,
        description="Notebook of the stack",
        assume_role_policy=policy(trust),
        tags={"Role": contract.NOTEBOOK},
        opts=child,
    )


def _bucket_rights(bucket_arn: pulumi.Input[str]) -> list[dict[str, Any]]:
    own = (contract.DATASETS_PREFIX, contract.LORAS_PREFIX)
    seen = (contract.MODELS_PREFIX, *own)
    return [
        allow(
            "ListModelsDataSetsAndStyles",
            ["s3:ListBucket"],
            [bucket_arn],
            {"StringLike": {"s3:prefix": [pattern for p in seen for pattern in (p.rstrip("/"), f"{p}*")]}},
        ),
        allow(
            "ReadBaseModels",
            ["s3:GetObject"],
            [pulumi.Output.concat(bucket_arn, "/", contract.MODELS_PREFIX, "*")],
        ),
        allow(
            "DataSetsAndStyles",
            ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"],
            [pulumi.Output.concat(bucket_arn, "/", prefix, "*") for prefix in own],
        ),
    ]


def _log_rights(region: str, account: str, notebook: str) -> list[dict[str, Any]]:
    """SageMaker writes the hook's log as the notebook, to a group that all notebooks of an account share; the
    streams are each notebook's own."""
    group = f"arn:aws:logs:{region}:{account}:log-group:/aws/sagemaker/NotebookInstances"
    return [
        allow("MakeSageMakersLogGroup", ["logs:CreateLogGroup"], [group]),
        allow(
            "OwnHookLog",
            ["logs:CreateLogStream", "logs:PutLogEvents"],
            [f"{group}:log-stream:{notebook}/*"],
        ),
    ]


def _on_start(args: NotebookArgs) -> pulumi.Output[str]:
    """The hook in base64. At every start, not at creation: all but the volume is reset at each stop."""
    environment: Mapping[str, pulumi.Input[str]] = {
        "SD_APP_STACK": args.stack,
        "SD_APP_ROLE": contract.NOTEBOOK,
        "AWS_REGION": args.region,
        "BUCKET_NAME": args.bucket_name,
        "NOTEBOOK_PACKAGE": contract.NOTEBOOK_PACKAGE,
        "NOTEBOOK_NAME": contract.notebook_name(args.stack),
        "IDLE_STOP_MINUTES": str(args.settings.idle_stop_minutes),
    }
    return pulumi.Output.all(**environment).apply(
        lambda known: render_lifecycle({key: str(value) for key, value in known.items()})
    )
