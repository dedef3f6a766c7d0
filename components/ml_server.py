"""The GPU machine that runs ComfyUI, and the firewall around it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_command as command

import contract
from components import machine
from components.machine_role import MachineRole, MachineRoleArgs, allow, policy
from setting_models import MlServerSettings

IMAGE_PARAMETER = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id"
"""AWS's Deep Learning Base AMI with the NVIDIA driver; all GPU types of the settings are x86_64."""


@dataclass(frozen=True, kw_only=True)
class MlServerArgs:
    """What the ML server needs from the rest of the platform. `private_ip` lies in the subnet and is free there;
    `ways_out` are the subnet's routes, which its first boot downloads by."""

    stack: str
    settings: MlServerSettings
    vpc_id: pulumi.Input[str]
    subnet_id: pulumi.Input[str]
    private_ip: str
    ways_out: Sequence[pulumi.Resource]
    bucket_name: pulumi.Input[str]
    bucket_arn: pulumi.Input[str]
    log_retention_days: int
    region: str


class MlServer(pulumi.ComponentResource):
    """Reachable on ComfyUI's two ports from the client group alone, at an address that stays over stop, start and
    replacement. Reads models and styles from the bucket, never pictures or data sets; stops no machine but itself."""

    instance_id: pulumi.Output[str]
    instance_arn: pulumi.Output[str]
    private_ip: pulumi.Output[str]
    security_group_id: pulumi.Output[str]
    client_security_group_id: pulumi.Output[str]
    """Who carries this group may reach ComfyUI; it lets nobody in and nothing else out."""
    image_id: pulumi.Output[str]
    ready: pulumi.Output[str] | None
    log_group_name: pulumi.Output[str]
    boot_parameter_name: pulumi.Output[str]
    boot_parameter_arn: pulumi.Output[str]

    def __init__(self, name: str, args: MlServerArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("sd-app:compute:MlServer", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        clients, server = _create_firewall(name, args.vpc_id, child)
        ways_out = machine.allow_web_egress(name, server.id, self)
        ssh_groups = machine.create_ssh_group(name, args.vpc_id, args.settings.ssh_cidrs, self)
        styles = _create_styles_record(name, args.stack, child)
        role = MachineRole(
            name,
            MachineRoleArgs(
                stack=args.stack,
                role=contract.ML_SERVER,
                region=args.region,
                log_retention_days=args.log_retention_days,
                statements=_rights(args.bucket_arn, styles.arn),
            ),
            child,
        )
        needs = [*role.permissions, *ways_out, *args.ways_out]
        launch_args = _launch_args(args, role, styles, [server.id, *ssh_groups], needs)
        instance = machine.launch(name, launch_args, self)
        own_stop = _create_own_stop(name, role, instance, child)
        if args.settings.spot:
            _create_spot_request_end(name, args.region, instance, child)

        self.instance_id = instance.id
        self.instance_arn = instance.arn
        self.private_ip = pulumi.Output.from_input(args.private_ip)  # known before, and after, the machine
        self.security_group_id = server.id
        self.client_security_group_id = clients.id
        self.image_id = instance.ami
        self.ready = machine.wait_until_ready(name, launch_args, instance, self, [own_stop])
        self.log_group_name = role.log_group_name
        self.boot_parameter_name, self.boot_parameter_arn = role.boot_parameter_name, role.boot_parameter_arn
        self.register_outputs(
            {
                "instance_id": self.instance_id,
                "instance_arn": self.instance_arn,
                "private_ip": self.private_ip,
                "security_group_id": self.security_group_id,
                "client_security_group_id": self.client_security_group_id,
                "image_id": self.image_id,
                "ready": self.ready,
                "log_group_name": self.log_group_name,
                "boot_parameter_name": self.boot_parameter_name,
                "boot_parameter_arn": self.boot_parameter_arn,
            }
        )


def _create_firewall(
    name: str, vpc_id: pulumi.Input[str], child: pulumi.ResourceOptions
) -> tuple[aws.ec2.SecurityGroup, aws.ec2.SecurityGroup]:
    """The clients' group and the server's, joined by one rule a ComfyUI port in each direction."""
    clients = aws.ec2.SecurityGroup(
        f"{name}-clients", description="May call ComfyUI on the ML server", vpc_id=vpc_id, opts=child
    )
    server = aws.ec2.SecurityGroup(name, description="ML server", vpc_id=vpc_id, opts=child)
    for kind, port in contract.COMFYUI_PORTS.items():
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-{kind}-from-clients",
            security_group_id=server.id,
            referenced_security_group_id=clients.id,
            description=f"ComfyUI for {kind}",
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            opts=child,
        )
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-clients-to-{kind}",
            security_group_id=clients.id,
            referenced_security_group_id=server.id,
            description=f"ComfyUI for {kind}",
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            opts=child,
        )
    return clients, server


def _create_styles_record(name: str, stack: str, child: pulumi.ResourceOptions) -> aws.ssm.Parameter:
    return aws.ssm.Parameter(
        f"{name}-styles",
        name=contract.styles_parameter(stack),
        description="Which styles lie on the ML server and are offered; the machine itself writes it.",
        type="String",
        value=json.dumps({}),
        # From its first sync on the value is the machine's.
        opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(ignore_changes=["value"])),
    )


def _rights(bucket_arn: pulumi.Input[str], styles_parameter_arn: pulumi.Input[str]) -> list[dict[str, Any]]:
    prefixes = (contract.MODELS_PREFIX, contract.LORAS_PREFIX)
    return [
        allow(
            "ListModelsAndStyles",
            ["s3:ListBucket"],
            [bucket_arn],
            {"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in prefixes]}},
        ),
        allow(
            "ReadModelsAndStyles",
            ["s3:GetObject"],
            [pulumi.Output.concat(bucket_arn, "/", prefix, "*") for prefix in prefixes],
        ),
        allow("TellOfStyles", ["ssm:PutParameter"], [styles_parameter_arn]),
    ]


def _launch_args(
    args: MlServerArgs,
    role: MachineRole,
    styles: aws.ssm.Parameter,
    groups: list[pulumi.Output[str]],
    needs: list[pulumi.Resource],
) -> machine.LaunchArgs:
    return machine.LaunchArgs(
        stack=args.stack,
        role=contract.ML_SERVER,
        region=args.region,
        settings=args.settings,
        instance_type=args.settings.instance_type,
        disk_gib=args.settings.disk_gib,
        image_parameter=IMAGE_PARAMETER,
        machine_role=role,
        subnet_id=args.subnet_id,
        security_group_ids=groups,
        environment={
            **role.environment,
            "BUCKET_NAME": args.bucket_name,
            "COMFYUI_TEXT_PORT": str(contract.COMFYUI_PORTS["text"]),
            "COMFYUI_SKETCH_PORT": str(contract.COMFYUI_PORTS["sketch"]),
            "IDLE_STOP_MINUTES": str(args.settings.idle_stop_minutes),
            "MODEL_SYNC_SECONDS": str(args.settings.model_sync_seconds),
            "SD_APP_STYLES_PARAMETER": styles.name,
        },
        private_ip=args.private_ip,
        spot=args.settings.spot,
        needs=needs,
    )


def _create_own_stop(
    name: str, role: MachineRole, instance: aws.ec2.Instance, child: pulumi.ResourceOptions
) -> aws.iam.RolePolicy:
    """The idle machine stops itself. A policy apart, since the machine's ARN is known only after its launch."""
    return aws.iam.RolePolicy(
        f"{name}-own-stop",
        role=role.role_name,
        policy=policy(allow("StopItself", ["ec2:StopInstances"], [instance.arn])),
        opts=child,
    )


def _create_spot_request_end(
    name: str, region: str, instance: aws.ec2.Instance, child: pulumi.ResourceOptions
) -> None:
    """Cancels the persistent spot request before its machine is ended: it would launch another, seen by nobody."""
    cancel = 'PATH="$PWD/.venv/bin:$PATH" python -m components.spot_request cancel'
    request_id = instance.spot_instance_request_id.apply(lambda found: found or "")
    command.local.Command(
        f"{name}-spot-request",
        create="true",
        delete=pulumi.Output.concat(cancel, " '", request_id, "'"),
        environment={"AWS_REGION": region},
        triggers=[request_id],
        opts=child,
    )
