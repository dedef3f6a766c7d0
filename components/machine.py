"""How an EC2 machine of the platform is launched, reached by SSH where asked, and waited for."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_command as command

from cloud_init.render import render_user_data
from components.machine_role import MachineRole
from setting_models import MachineSettings

SSH_PORT = 22
WAIT_GRACE_MINUTES = 5
"""The engine's own limit lies this far beyond the wait's, so that the wait's message wins: it names the stage."""


def newest_image(parameter: str, parent: pulumi.Resource) -> pulumi.Output[str]:
    """Machine image that a public SSM parameter names today."""
    # `insecure_value` is the same text unmarked: an image id is no secret, and the outputs show it.
    found = aws.ssm.get_parameter_output(name=parameter, opts=pulumi.InvokeOptions(parent=parent))
    return found.apply(lambda answer: answer.insecure_value)


def allow_web_egress(
    name: str, group_id: pulumi.Input[str], parent: pulumi.Resource
) -> list[pulumi.Resource]:
    """Out to anywhere on 443 and 80 (apt's mirrors): packages, Git, models and AWS itself have no fixed addresses.

    Nothing else leaves: the VPC's resolver and clock (169.254.169.123) are not subject to security groups.
    """
    return [
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-to-{role}",
            security_group_id=group_id,
            description=f"{role} to anywhere: packages, code, AWS",
            cidr_ipv4="0.0.0.0/0",
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            opts=pulumi.ResourceOptions(parent=parent),
        )
        for role, port in (("https", 443), ("http", 80))
    ]


def create_ssh_group(
    name: str, vpc_id: pulumi.Input[str], cidrs: Sequence[str], parent: pulumi.Resource
) -> list[pulumi.Output[str]]:
    """Group that lets the named ranges in by SSH; none without ranges.

    A group of its own: CloudFront's prefix list alone counts as 55 of the 60 rules that a group may have.
    """
    if not cidrs:
        return []
    child = pulumi.ResourceOptions(parent=parent)
    group = aws.ec2.SecurityGroup(
        f"{name}-ssh", description="SSH from named ranges", vpc_id=vpc_id, opts=child
    )
    for cidr in cidrs:
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-ssh-from-{cidr.replace('/', '-')}",
            security_group_id=group.id,
            description="SSH",
            cidr_ipv4=cidr,
            ip_protocol="tcp",
            from_port=SSH_PORT,
            to_port=SSH_PORT,
            opts=child,
        )
    return [group.id]


@dataclass(frozen=True, kw_only=True)
class LaunchArgs:
    """How a machine is launched. `environment` becomes its `/etc/sd-app/machine.env`: names only, never a secret.

    needs: what its scripts use in their first seconds and Pulumi cannot see: its rights, its firewall's ways out.
    """

    stack: str
    role: str
    region: str
    settings: MachineSettings
    instance_type: str
    disk_gib: int
    image_parameter: str
    machine_role: MachineRole
    subnet_id: pulumi.Input[str]
    security_group_ids: Sequence[pulumi.Input[str]]
    environment: Mapping[str, pulumi.Input[str]]
    private_ip: str | None
    spot: bool
    needs: Sequence[pulumi.Resource]


def launch(name: str, args: LaunchArgs, parent: pulumi.Resource) -> aws.ec2.Instance:
    """The machine. Changed user data, a changed `ami_id` setting or market replaces it; a newer image alone does not.

    No termination protection and no kept disk: what matters lies in S3 and DynamoDB, and a machine can be made again.
    """
    tags = {"Name": name, "Role": args.role}
    return aws.ec2.Instance(
        name,
        ami=args.settings.ami_id or newest_image(args.image_parameter, parent),
        instance_type=args.instance_type,
        iam_instance_profile=args.machine_role.instance_profile,
        subnet_id=args.subnet_id,
        private_ip=args.private_ip,
        vpc_security_group_ids=list(args.security_group_ids),
        # associate_public_ip_address stays unset: AWS reports an Elastic IP under it too, and the provider
        # would then replace the machine.
        key_name=args.settings.key_name,
        user_data_base64=user_data(args.role, args.environment),
        user_data_replace_on_change=True,
        # IMDSv2 alone; hop limit 1, so that no container or proxy on the machine can ask for the role's keys.
        metadata_options={
            "http_endpoint": "enabled",
            "http_tokens": "required",
            "http_put_response_hop_limit": 1,
            "instance_metadata_tags": "disabled",
        },
        root_block_device={
            "volume_type": "gp3",
            "volume_size": args.disk_gib,
            "encrypted": True,
            "delete_on_termination": True,
            "tags": tags,
        },
        instance_market_options=_SPOT if args.spot else None,
        # A shutdown from inside stops the machine: EC2's default, and the only one that a persistent spot request has.
        # The machine sends its own metrics each minute; detailed monitoring would cost on top and tell less.
        monitoring=False,
        # CPU credits as AWS has them: t2 is standard and never costs more; t3 and t4g only while they really compute.
        tags=tags,
        opts=_launch_options(args, parent),
    )


_SPOT = aws.ec2.InstanceInstanceMarketOptionsArgs(
    market_type="spot",
    spot_options=aws.ec2.InstanceInstanceMarketOptionsSpotOptionsArgs(
        spot_instance_type="persistent", instance_interruption_behavior="stop"
    ),
)
"""An interrupted machine is stopped, not ended: disk and private IP stay. Only a persistent request can be stopped
(docs.aws.amazon.com/AWSEC2/latest/UserGuide/interruption-behavior.html)."""


def _launch_options(args: LaunchArgs, parent: pulumi.Resource) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(
        parent=parent,
        depends_on=list(args.needs),
        # A fixed address is free again only when its holder is gone.
        delete_before_replace=args.private_ip is not None,
        ignore_changes=[] if args.settings.ami_id else ["ami"],
        # The provider sees no change when the spot options go away (terraform-provider-aws issue 38141).
        replacement_trigger="spot" if args.spot else "on demand",
    )


def user_data(role: str, environment: Mapping[str, pulumi.Input[str]]) -> pulumi.Output[str]:
    """User data in base64, from the environment once all its values are known."""
    known = pulumi.Output.all(**environment)
    return known.apply(
        lambda values: render_user_data(role, {key: str(value) for key, value in values.items()})
    )


def wait_until_ready(
    name: str,
    args: LaunchArgs,
    machine: aws.ec2.Instance,
    parent: pulumi.Resource,
    after: Sequence[pulumi.Resource],
) -> pulumi.Output[str] | None:
    """Let `up` end only when the machine says that it is ready; its output, or None when the setting is 0 minutes.

    Runs `ops wait`, which fails with the stage that failed. Waits again only for another machine or other user data.
    after: what the machine needs to get ready and Pulumi cannot see, such as its address.
    """
    minutes = args.settings.wait_minutes
    if minutes == 0:
        return None
    limit = f"{minutes + WAIT_GRACE_MINUTES}m"
    ops = f"python -m ops --stack {args.stack} wait {args.role} --instance"
    waiting = command.local.Command(
        f"{name}-ready",
        # The checkout's own Python where there is one: plain `pulumi up` does not put it on PATH.
        create=pulumi.Output.concat(
            'PATH="$PWD/.venv/bin:$PATH" ', ops, " ", machine.id, f" --minutes {minutes}"
        ),
        environment={"AWS_REGION": args.region},
        triggers=[machine.id, machine.user_data_base64.apply(_digest)],
        opts=pulumi.ResourceOptions(
            parent=parent,
            depends_on=list(after),
            custom_timeouts=pulumi.CustomTimeouts(create=limit, update=limit),
        ),
    )
    return waiting.stdout


def _digest(text: str | None) -> str:
    return hashlib.sha256((text or "").encode()).hexdigest()
