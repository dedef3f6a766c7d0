"""How every EC2 machine is launched, reached by SSH and waited for."""

from typing import Any

import pulumi
import pulumi_aws as aws

from components import machine
from components.machine_role import MachineRole, MachineRoleArgs
from declared.pretend_aws import IMAGES
from setting_models import MachineSettings
from tests.unit.engine import Recorded, Recording, deploy, environment_of

INSTANCE = "aws:ec2/instance:Instance"
COMMAND = "command:local:Command"
IMAGE_PARAMETER = next(iter(IMAGES))
IMAGE = "ami-0123456789abcdef0"


def launched(
    private_ip: str | None = None, spot: bool = False, disk_gib: int = 20, **settings: Any
) -> Recording[Any]:
    """A machine `m` with what belongs to it."""

    def build() -> None:
        role = MachineRole(
            "role",
            MachineRoleArgs(
                stack="dev", role="backend", region="us-east-1", log_retention_days=7, statements=[]
            ),
        )
        ways_out = machine.allow_web_egress("m", "sg-1", role)
        args = machine.LaunchArgs(
            stack="dev",
            role="backend",
            region="us-east-1",
            settings=MachineSettings(**settings),
            instance_type="t2.medium",
            disk_gib=disk_gib,
            image_parameter=IMAGE_PARAMETER,
            machine_role=role,
            subnet_id="subnet-1",
            security_group_ids=["sg-1"],
            environment={"BUCKET_NAME": "b", "LATER": role.role_name},
            private_ip=private_ip,
            spot=spot,
            needs=[*role.permissions, *ways_out],
        )
        one = machine.launch("m", args, role)
        address = aws.ec2.EipAssociation("address", instance_id=one.id, opts=pulumi.ResourceOptions())
        machine.wait_until_ready("m", args, one, role, [address])

    return deploy(build)


def the_machine(**changes: Any) -> Recorded:
    return launched(**changes).only(INSTANCE)


def test_only_imdsv2_answers_and_only_the_machine_itself() -> None:
    assert the_machine().inputs["metadataOptions"] == {
        "httpEndpoint": "enabled",
        "httpTokens": "required",
        "httpPutResponseHopLimit": 1,
        "instanceMetadataTags": "disabled",
    }


def test_the_disk_is_encrypted_gp3_of_the_set_size() -> None:
    disk = the_machine(disk_gib=77).inputs["rootBlockDevice"]
    assert (disk["encrypted"], disk["volumeType"], disk["volumeSize"]) == (True, "gp3", 77)
    assert disk["deleteOnTermination"] is True, "old disks would be paid for, unseen"
    assert disk["tags"] == {"Name": "m", "Role": "backend"}, "default_tags do not reach the root disk"


def test_the_image_is_the_newest_at_first_and_then_kept() -> None:
    one = the_machine()
    assert one.inputs["ami"] == IMAGES[IMAGE_PARAMETER]
    assert one.ignore_changes == ("ami",), "a new image alone would replace the machine"


def test_a_named_image_is_used_and_its_change_replaces() -> None:
    one = the_machine(ami_id=IMAGE)
    assert one.inputs["ami"] == IMAGE
    assert one.ignore_changes == (), "a changed setting would do nothing"


def test_changed_user_data_replaces_the_machine() -> None:
    assert the_machine().inputs["userDataReplaceOnChange"] is True, "scripts run at first boot only"


def test_the_environment_reaches_the_machine_with_values_known_later() -> None:
    recording = launched()
    assert environment_of(recording.only(INSTANCE)) == {
        "BUCKET_NAME": "b",
        "LATER": recording.only("aws:iam/role:Role").outputs["name"],
    }


def test_the_machine_waits_for_its_rights_and_its_ways_out() -> None:
    assert {"role-rights", "m-to-https", "m-to-http"} <= the_machine().depends_on, (
        "its scripts would fail in their first seconds"
    )


def test_a_fixed_address_is_freed_before_the_next_holder_comes() -> None:
    fixed = the_machine(private_ip="172.16.0.10")
    assert (fixed.inputs["privateIp"], fixed.delete_before_replace) == ("172.16.0.10", True)
    loose = the_machine()
    assert "privateIp" not in loose.inputs
    assert loose.delete_before_replace is False, "down for longer than needed"


def test_a_spot_machine_is_stopped_and_not_ended_when_interrupted() -> None:
    assert the_machine(spot=True).inputs["instanceMarketOptions"] == {
        "marketType": "spot",
        "spotOptions": {"spotInstanceType": "persistent", "instanceInterruptionBehavior": "stop"},
    }
    assert "instanceMarketOptions" not in the_machine().inputs


def test_a_change_of_market_replaces_the_machine() -> None:
    triggers = [the_machine(spot=spot).replacement_trigger for spot in (True, False)]
    assert triggers == ["spot", "on demand"], "the provider sees no change when spot options go"


def test_no_public_address_is_set_on_the_machine() -> None:
    assert "associatePublicIpAddress" not in the_machine().inputs, "an Elastic IP would replace the machine"


def test_a_key_is_there_only_when_named() -> None:
    assert the_machine(key_name="studio").inputs["keyName"] == "studio"
    assert "keyName" not in the_machine().inputs


def test_out_goes_the_web_alone() -> None:
    rules = launched().inputs_of("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
    assert {(one["fromPort"], one["toPort"], one["ipProtocol"]) for one in rules} == {
        (443, 443, "tcp"),
        (80, 80, "tcp"),
    }


def test_ssh_is_open_to_the_named_ranges_alone() -> None:
    cidrs = ["203.0.113.0/24", "198.51.100.7/32"]

    def build() -> list[pulumi.Output[str]]:
        return machine.create_ssh_group("m", "vpc-1", cidrs, pulumi.ComponentResource("test:a:B", "parent"))

    recording = deploy(build)
    rules = recording.inputs_of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    assert [(one["cidrIpv4"], one["fromPort"], one["toPort"]) for one in rules] == [
        (cidr, 22, 22) for cidr in cidrs
    ]
    group = recording.only("aws:ec2/securityGroup:SecurityGroup").outputs["id"]
    assert {one["securityGroupId"] for one in rules} == {group}


def test_without_ranges_there_is_no_ssh_group() -> None:
    recording = deploy(
        lambda: machine.create_ssh_group("m", "vpc-1", [], pulumi.ComponentResource("test:a:B", "parent"))
    )
    assert recording.built == []
    assert not recording.of("aws:ec2/securityGroup:SecurityGroup")


def test_up_does_not_wait_at_0_minutes() -> None:
    assert not launched(wait_minutes=0).of(COMMAND)


def test_up_waits_by_this_exact_command_and_fails_by_its_message() -> None:
    recording = launched(wait_minutes=40)
    command, one = recording.only(COMMAND), recording.only(INSTANCE)
    assert command.inputs["create"] == (
        'PATH="$PWD/.venv/bin:$PATH" python -m ops --stack dev wait backend '
        f"--instance {one.outputs['id']} --minutes 40"
    )
    assert command.inputs["environment"] == {"AWS_REGION": "us-east-1"}
    assert command.create_timeout == "45m", "the engine would cut the wait before it names the failed stage"
    assert "address" in command.depends_on, "the machine cannot get ready without its address"


def test_up_waits_again_only_for_another_machine_or_other_user_data() -> None:
    recording = launched(wait_minutes=1)
    [machine_id, digest] = recording.only(COMMAND).inputs["triggers"]
    assert machine_id == recording.only(INSTANCE).outputs["id"]
    assert len(digest) == 64, "user data itself would fill the state"
    assert "update" not in recording.only(COMMAND).inputs
