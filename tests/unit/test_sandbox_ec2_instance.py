"""The sandbox's machines, lived through on a real moto server."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sandbox_ground import NEW_TAGS, TAGS, TYPES, Ground, ground_on, live_by_the_sdk, tamper_tags
from sandbox_life import Life

from components.spot_request import cancel
from sandbox.aws.table import Aws, Props

INSTANCE = TYPES["Instance"]
USER_DATA = base64.b64encode(b"\x1f\x8b binary, as gzip is").decode()
SPOT = {
    "marketType": "spot",
    "spotOptions": {"spotInstanceType": "persistent", "instanceInterruptionBehavior": "stop"},
}
TRUST = '{"Version":"2012-10-17","Statement":[]}'


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    with ground_on(tmp_path_factory.mktemp("moto")) as found:
        found.aws.client("ec2").create_key_pair(KeyName="studio")
        for name in ("one", "two"):
            found.aws.client("iam").create_instance_profile(InstanceProfileName=name)
        yield found


def machine(on: Ground, **more: Any) -> Props:
    """The least that a machine is declared with."""
    return {
        "ami": "ami-1",
        "instanceType": "g5.xlarge",
        "subnetId": on.subnet,
        "vpcSecurityGroupIds": [on.group],
        **more,
    }


def shown(aws: Aws, id: str) -> Props:
    """The machine as boto3 shows it to the backend and to ops."""
    return aws.client("ec2").describe_instances(InstanceIds=[id])["Reservations"][0]["Instances"][0]


def volume(aws: Aws, id: str) -> Props:
    wanted = [{"Name": "attachment.instance-id", "Values": [id]}]
    [found] = aws.client("ec2").describe_volumes(Filters=wanted)["Volumes"]
    return found


def update(aws: Aws, id: str, old: Props, changes: Props) -> Props:
    assert INSTANCE.update
    INSTANCE.update(aws, id, old, old | changes)
    found = INSTANCE.read(aws, id, old | changes)
    assert found
    return found


def made(aws: Aws, inputs: Props) -> tuple[str, Props]:
    id = INSTANCE.create(aws, inputs)
    found = INSTANCE.read(aws, id, inputs)
    assert found
    return id, found


LIVES: dict[str, Callable[[Ground], Life]] = {
    "gpu machine": lambda on: Life(
        name="",
        inputs=machine(
            on,
            iamInstanceProfile="one",
            privateIp="10.1.0.10",
            keyName="studio",
            userDataBase64=USER_DATA,
            userDataReplaceOnChange=True,
            metadataOptions={
                "httpEndpoint": "enabled",
                "httpTokens": "required",
                "httpPutResponseHopLimit": 1,
                "instanceMetadataTags": "disabled",
            },
            rootBlockDevice={
                "volumeType": "gp3",
                "volumeSize": 120,
                "encrypted": True,
                "deleteOnTermination": True,
                "tags": {"Name": "ml-server"},
            },
            monitoring=False,
            **TAGS,
        ),
        changes={
            "instanceType": "g6.xlarge",
            "iamInstanceProfile": "two",
            "vpcSecurityGroupIds": [on.other_group],
            "metadataOptions": {"httpTokens": "optional", "httpPutResponseHopLimit": 2},
            "rootBlockDevice": {
                "volumeType": "io2",
                "volumeSize": 200,
                "iops": 4000,
                "encrypted": True,
                "deleteOnTermination": False,
                "tags": {"Name": "other"},
            },
            "monitoring": True,
            "sourceDestCheck": False,
            **NEW_TAGS,
        },
        outputs={"instanceState": "running", "availabilityZone": "us-east-1b", "publicIp": ""},
        tamper=tamper_tags,
        seen="tagsAll",
        marks=frozenset({"metadataOptions", "rootBlockDevice", "userDataReplaceOnChange"}),
    ),
    "nat machine": lambda on: Life(
        name="",
        inputs=machine(
            on,
            instanceType="t4g.nano",
            associatePublicIpAddress=True,
            sourceDestCheck=False,
            maintenanceOptions={"autoRecovery": "default"},
            rootBlockDevice={"encrypted": True, "volumeType": "gp3"},
        ),
        changes={"maintenanceOptions": {"autoRecovery": "disabled"}},
        tamper=lambda aws, id: aws.client("ec2").modify_instance_attribute(
            InstanceId=id, SourceDestCheck={"Value": True}
        ),
        seen="sourceDestCheck",
        marks=frozenset({"maintenanceOptions", "rootBlockDevice"}),
        lost=frozenset({"maintenanceOptions"}),
    ),
    "spot machine": lambda on: Life(
        name="",
        inputs=machine(on, privateIp="10.1.0.11", instanceMarketOptions=SPOT),
        outputs={"instanceLifecycle": "spot"},
        tamper=lambda aws, id: aws.client("ec2").modify_instance_attribute(
            InstanceId=id, Groups=[on.other_group]
        ),
        seen="vpcSecurityGroupIds",
        marks=frozenset({"instanceMarketOptions"}),
    ),
}


@pytest.mark.parametrize("life", LIVES)
def test_a_machine_is_what_was_declared_from_launch_to_end(ground: Ground, life: str) -> None:
    live_by_the_sdk(ground.aws, INSTANCE, LIVES[life](ground))


def test_a_machine_is_launched_on_aws_as_declared(ground: Ground) -> None:
    """What boto3 shows, apart from what the sandbox itself reads back."""
    id, found = made(ground.aws, LIVES["gpu machine"](ground).inputs)
    now, disk = shown(ground.aws, id), volume(ground.aws, id)
    assert (disk["Size"], disk["VolumeType"], disk["Encrypted"]) == (120, "gp3", True)
    assert disk["Tags"] == [{"Key": "Name", "Value": "ml-server"}]
    assert now["MetadataOptions"]["HttpTokens"] == "required"
    assert (now["PrivateIpAddress"], now["KeyName"]) == ("10.1.0.10", "studio")
    assert now["IamInstanceProfile"]["Arn"].endswith(":instance-profile/one")
    assert found["arn"] == f"arn:aws:ec2:us-east-1:123456789012:instance/{id}"
    assert found["primaryNetworkInterfaceId"] == now["NetworkInterfaces"][0]["NetworkInterfaceId"]
    INSTANCE.delete(ground.aws, id, found)


def test_a_change_reaches_aws_whole(ground: Ground) -> None:
    life = LIVES["gpu machine"](ground)
    id, found = made(ground.aws, life.inputs)
    update(ground.aws, id, found, life.changes)
    now, disk = shown(ground.aws, id), volume(ground.aws, id)
    interface = now["NetworkInterfaces"][0]
    assert (now["InstanceType"], now["State"]["Name"], now["Monitoring"]["State"]) == (
        "g6.xlarge",
        "running",
        "enabled",
    )
    assert (disk["Size"], disk["VolumeType"], disk["Iops"]) == (200, "io2", 4000)
    assert disk["Tags"] == [{"Key": "Name", "Value": "other"}]
    assert now["BlockDeviceMappings"][0]["Ebs"]["DeleteOnTermination"] is False
    assert {group["GroupId"] for group in interface["Groups"]} == {ground.other_group}
    assert (now["SourceDestCheck"], interface["SourceDestCheck"]) == (False, False)
    assert now["IamInstanceProfile"]["Arn"].endswith(":instance-profile/two")
    options = now["MetadataOptions"]
    assert (options["HttpTokens"], options["HttpPutResponseHopLimit"], options["HttpEndpoint"]) == (
        "optional",
        2,
        "enabled",
    )
    INSTANCE.delete(ground.aws, id, found)


@pytest.mark.parametrize("end", ["by the sandbox", "by hand"])
def test_a_fixed_address_is_free_again_when_its_machine_ends(ground: Ground, end: str) -> None:
    inputs = machine(ground, privateIp="10.1.0.20")
    id, found = made(ground.aws, inputs)
    if end == "by hand":
        ground.aws.client("ec2").terminate_instances(InstanceIds=[id])
        assert INSTANCE.read(ground.aws, id, found) is None, "a machine ended by hand goes unseen"
    INSTANCE.delete(ground.aws, id, found)
    id, found = made(ground.aws, inputs)
    assert found["privateIp"] == "10.1.0.20"
    INSTANCE.delete(ground.aws, id, found)


def test_an_ended_machine_leaves_nothing_behind(ground: Ground) -> None:
    ec2 = ground.aws.client("ec2")

    def left() -> tuple[int, int, int]:
        requests = ec2.describe_spot_instance_requests()["SpotInstanceRequests"]
        interfaces = ec2.describe_network_interfaces()["NetworkInterfaces"]
        return len(requests), len(interfaces), len(ec2.describe_volumes()["Volumes"])

    before = left()
    id, found = made(ground.aws, machine(ground, instanceMarketOptions=SPOT, **TAGS))
    address = ec2.allocate_address(Domain="vpc")["AllocationId"]
    ec2.associate_address(AllocationId=address, InstanceId=id)
    assert left() == (before[0] + 1, before[1] + 1, before[2] + 1), "one request, one interface, one disk"
    INSTANCE.delete(ground.aws, id, found)
    assert left() == before
    [freed] = ec2.describe_addresses(AllocationIds=[address])["Addresses"]
    assert not freed.get("AssociationId")
    assert not ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [id]}])["Tags"]


def test_a_spot_request_can_be_cancelled_by_the_program(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", ground.aws.endpoint)
    id, found = made(ground.aws, machine(ground, instanceMarketOptions=SPOT))
    assert cancel(found["spotInstanceRequestId"]).endswith("is cancelled")
    again = INSTANCE.read(ground.aws, id, found)
    assert again and again["spotInstanceRequestId"] == found["spotInstanceRequestId"]
    INSTANCE.delete(ground.aws, id, found)
    assert not ground.aws.store.all("ec2-spot-request")


def test_a_machine_on_demand_has_no_spot_request(ground: Ground) -> None:
    id, found = made(ground.aws, machine(ground))
    assert (found["spotInstanceRequestId"], found["instanceLifecycle"]) == ("", "")
    INSTANCE.delete(ground.aws, id, found)


def test_a_sleeping_machine_is_no_change(ground: Ground) -> None:
    inputs = machine(ground, privateIp="10.1.0.30", rootBlockDevice={"volumeSize": 30})
    id, found = made(ground.aws, inputs)
    ground.aws.client("ec2").stop_instances(InstanceIds=[id])
    asleep = INSTANCE.read(ground.aws, id, found)
    assert asleep and asleep["instanceState"] == "stopped"
    assert {key: asleep[key] for key in inputs} == inputs
    INSTANCE.delete(ground.aws, id, found)


def test_a_public_machine_has_an_address_and_its_name(ground: Ground) -> None:
    id, found = made(ground.aws, machine(ground, associatePublicIpAddress=True))
    address = found["publicIp"]
    assert address and found["publicDns"] == f"ec2-{address.replace('.', '-')}.compute-1.amazonaws.com"
    assert address == shown(ground.aws, id)["PublicIpAddress"]
    INSTANCE.delete(ground.aws, id, found)


def test_user_data_arrives_as_it_was_given(ground: Ground) -> None:
    id, found = made(ground.aws, machine(ground, userDataBase64=USER_DATA, userDataReplaceOnChange=True))
    answer = ground.aws.client("ec2").describe_instance_attribute(InstanceId=id, Attribute="userData")
    assert answer["UserData"]["Value"] == USER_DATA == found["userDataBase64"]
    INSTANCE.delete(ground.aws, id, found)


def test_disks_carry_the_providers_default_tags_unseen(ground: Ground) -> None:
    tagging = Aws(
        endpoint=ground.aws.endpoint,
        region="us-east-1",
        account=ground.aws.account,
        store=ground.aws.store,
        default_tags={"Stack": "dev"},
    )
    disk = {"volumeSize": 20, "tags": {"Name": "own"}}
    id, found = made(tagging, machine(ground, rootBlockDevice=disk))
    tags = {tag["Key"]: tag["Value"] for tag in volume(tagging, id)["Tags"]}
    assert tags == {"Stack": "dev", "Name": "own"}
    assert found["rootBlockDevice"] == disk
    tagging.client("ec2").create_tags(
        Resources=[volume(tagging, id)["VolumeId"]], Tags=[{"Key": "Name", "Value": "x"}]
    )
    seen = INSTANCE.read(tagging, id, found)
    assert seen and seen["rootBlockDevice"]["tags"] == {"Name": "x"}
    INSTANCE.delete(tagging, id, found)


WRONG: dict[str, tuple[Props, str]] = {
    "an input nobody handles": ({"hibernation": True}, "hibernation"),
    "user data that would not replace": ({"userDataBase64": USER_DATA}, "set userDataReplaceOnChange"),
    "user data that is not base64": (
        {"userDataBase64": "%", "userDataReplaceOnChange": True},
        "is not base64",
    ),
    "user data beyond EC2's limit": (
        {"userDataBase64": base64.b64encode(bytes(16385)).decode(), "userDataReplaceOnChange": True},
        "has 16385 bytes; EC2 takes up to 16384",
    ),
    "a key pair that is not there": ({"keyName": "nobody"}, "InvalidKeyPair.NotFound"),
    "a profile that is not there": ({"iamInstanceProfile": "nobody"}, "nobody"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_machine_is_refused_and_not_launched(ground: Ground, wrong: str) -> None:
    more, words = WRONG[wrong]
    ec2 = ground.aws.client("ec2")
    before = len(ec2.describe_instances()["Reservations"])
    with pytest.raises(Exception, match=words):
        INSTANCE.create(ground.aws, machine(ground, **more))
    assert len(ec2.describe_instances()["Reservations"]) == before
