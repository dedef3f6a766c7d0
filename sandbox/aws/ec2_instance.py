"""EC2 instances: launched, changed, stopped where AWS stops them, and ended with all that is theirs."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from sandbox.aws.ec2_addresses import GONE_STATES, private_dns, public_dns
from sandbox.aws.ec2_calls import (
    arn,
    described,
    ec2_resource,
    filters,
    quietly,
    retag_resource,
    tagged,
    tags_of,
)
from sandbox.aws.ec2_spot import end_spot_request, request_spot, spot_request_id
from sandbox.aws.faithful import inward, outward, present, retag, tag_list
from sandbox.aws.table import Aws, Props, ResourceType

TOKEN = "aws:ec2/instance:Instance"
ROOT_DEVICE = "/dev/sda1"
"""moto's root device where it doesn't know the image."""
ROOT_GIB = 8
"""Size of a root volume when nobody says: moto doesn't take it from the image, as AWS does."""
USER_DATA_MAX = 16384
"""Bytes (docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html)."""
VOLUME_CHANGES = {
    "volumeSize": "Size",
    "volumeType": "VolumeType",
    "iops": "Iops",
    "throughput": "Throughput",
}
"""What a root volume can become while it is in use: property -> argument of ModifyVolume."""


def _create(aws: Aws, inputs: Props) -> str:
    user_data = _user_data(inputs)
    if key := inputs.get("keyName"):  # moto takes any name, AWS those that exist
        aws.client("ec2").describe_key_pairs(KeyNames=[key])
    profile = inputs.get("iamInstanceProfile")
    made = aws.client("ec2").run_instances(
        MinCount=1,
        MaxCount=1,
        ImageId=inputs["ami"],
        InstanceType=inputs["instanceType"],
        # AWS wants the groups within the interface; moto shows those of an instance only if they are given here.
        SecurityGroupIds=inputs.get("vpcSecurityGroupIds", []),
        NetworkInterfaces=[_interface(inputs)],
        BlockDeviceMappings=[_root_mapping(aws, inputs)],
        **present(
            IamInstanceProfile={"Name": profile} if profile else None,
            KeyName=key,
            MetadataOptions=outward(inputs.get("metadataOptions")),
            Monitoring={"Enabled": True} if inputs.get("monitoring") else None,
            InstanceMarketOptions=outward(inputs.get("instanceMarketOptions")),
            UserData=user_data,
        ),
        **tagged("instance", inputs),
    )
    return made["Instances"][0]["InstanceId"]


def _user_data(inputs: Props) -> bytes | None:
    """The bytes (boto3 encodes them again). Refused: what the sandbox can't change later, or EC2 wouldn't take."""
    encoded = inputs.get("userDataBase64")
    if not encoded:
        return None
    if not inputs.get("userDataReplaceOnChange"):
        # Whether new user data replaces a machine is said in the table once, not by the resource.
        raise ValueError(
            f"{TOKEN}: the sandbox changes userDataBase64 by replacement only; set userDataReplaceOnChange"
        )
    try:
        raw = base64.b64decode(encoded, validate=True)
    except binascii.Error as error:
        raise ValueError(f"{TOKEN}: userDataBase64 is not base64: {error}") from error
    if len(raw) > USER_DATA_MAX:
        raise ValueError(f"{TOKEN}: userDataBase64 has {len(raw)} bytes; EC2 takes up to {USER_DATA_MAX}")
    return raw


def _interface(inputs: Props) -> Props:
    # Told to go with the machine, it gives its address back: else moto refuses the next machine the same private IP.
    return {
        "DeviceIndex": 0,
        "DeleteOnTermination": True,
        **present(
            SubnetId=inputs.get("subnetId"),
            PrivateIpAddress=inputs.get("privateIp"),
            AssociatePublicIpAddress=inputs.get("associatePublicIpAddress"),
        ),
    }


def _root_mapping(aws: Aws, inputs: Props) -> Props:
    image = described(aws, "describe_images", "Images", ImageIds=[inputs["ami"]]) or {}
    disk: Props = inputs.get("rootBlockDevice") or {}
    return {
        "DeviceName": image.get("RootDeviceName") or ROOT_DEVICE,
        "Ebs": {
            "VolumeSize": disk.get("volumeSize", ROOT_GIB),
            "DeleteOnTermination": disk.get("deleteOnTermination", True),
            "Encrypted": disk.get("encrypted", False),
            **present(VolumeType=disk.get("volumeType"), KmsKeyId=disk.get("kmsKeyId")),
        },
    }


def _finish(aws: Aws, id: str, inputs: Props) -> None:
    """What moto's launch passes over."""
    _set_source_dest_check(aws, id, inputs)
    _change_root(aws, id, inputs)
    if inputs.get("instanceMarketOptions"):
        request_spot(aws, id, inputs)


def _instance(aws: Aws, id: str) -> Props | None:
    found: Any = described(aws, "describe_instances", "Reservations", InstanceIds=[id])
    instance = found["Instances"][0] if found else None
    return instance if instance and instance["State"]["Name"] not in GONE_STATES else None


def _read(aws: Aws, id: str, last: Props) -> Props | None:
    found = _instance(aws, id)
    if found is None:
        return None
    interface = found["NetworkInterfaces"][0]
    user_data = aws.client("ec2").describe_instance_attribute(InstanceId=id, Attribute="userData")
    return {
        "ami": found["ImageId"],
        "arn": arn(aws, "instance", id),
        "instanceState": found["State"]["Name"],
        "instanceType": found["InstanceType"],
        "availabilityZone": found["Placement"]["AvailabilityZone"],
        "tenancy": found["Placement"].get("Tenancy", "default"),
        "ebsOptimized": found.get("EbsOptimized", False),
        "instanceLifecycle": found.get("InstanceLifecycle") or "",
        "spotInstanceRequestId": spot_request_id(aws, id),
        "iamInstanceProfile": (found.get("IamInstanceProfile") or {}).get("Arn", "").rsplit("/", 1)[-1],
        "keyName": found.get("KeyName") or "",
        "metadataOptions": _metadata(found),
        "monitoring": found["Monitoring"]["State"] in {"enabled", "pending"},
        "rootBlockDevice": _root(aws, found),
        "tagsAll": tags_of(found),
        "userDataBase64": user_data["UserData"].get("Value", ""),
        **_read_network(aws, found, interface),
    }


def _read_network(aws: Aws, found: Props, interface: Props) -> Props:
    private_ip, public_ip = interface["PrivateIpAddress"], found.get("PublicIpAddress") or ""
    return {
        # An Elastic IP shows under it as well, as on AWS.
        "associatePublicIpAddress": bool(interface.get("Association", {}).get("PublicIp")),
        "primaryNetworkInterfaceId": interface["NetworkInterfaceId"],
        "privateDns": private_dns(aws.region, private_ip),
        "privateIp": private_ip,
        "publicDns": public_dns(aws.region, public_ip) if public_ip else "",
        "publicIp": public_ip,
        "sourceDestCheck": found["SourceDestCheck"],
        "subnetId": found["SubnetId"],
        "vpcSecurityGroupIds": [group["GroupId"] for group in found["SecurityGroups"]],
    }


def _metadata(found: Props) -> Props:
    options = inward(found["MetadataOptions"])
    return {key: value for key, value in options.items() if key != "state"}


def _root_volume(aws: Aws, found: Props) -> tuple[Props, Props] | None:
    """The root device as the instance has it, and its volume; None when it was taken off."""
    for device in found.get("BlockDeviceMappings", ()):
        if device["DeviceName"] == found["RootDeviceName"]:
            volume = described(aws, "describe_volumes", "Volumes", VolumeIds=[device["Ebs"]["VolumeId"]])
            return (device, volume) if volume else None
    return None


def _root(aws: Aws, found: Props) -> Props:
    both = _root_volume(aws, found)
    if both is None:
        return {}
    device, volume = both
    own = {key: value for key, value in tags_of(volume).items() if aws.default_tags.get(key) != value}
    return {
        "deleteOnTermination": device["Ebs"]["DeleteOnTermination"],
        "deviceName": device["DeviceName"],
        "encrypted": volume["Encrypted"],
        **present(
            iops=volume.get("Iops"), kmsKeyId=volume.get("KmsKeyId"), throughput=volume.get("Throughput")
        ),
        "tags": own,
        "volumeId": volume["VolumeId"],
        "volumeSize": volume["Size"],
        "volumeType": volume["VolumeType"],
    }


def _change_root(aws: Aws, id: str, new: Props) -> None:
    """Bring the root volume and its tags to what is wanted; AWS does so while the machine runs."""
    instance = _instance(aws, id) or {}
    both = _root_volume(aws, instance)
    if both is None:
        return
    device, volume = both
    ec2, volume_id = aws.client("ec2"), volume["VolumeId"]
    disk: Props = new.get("rootBlockDevice") or {}
    wanted = {theirs: disk[ours] for ours, theirs in VOLUME_CHANGES.items() if disk.get(ours)}
    if any(volume.get(theirs) != value for theirs, value in wanted.items()):
        ec2.modify_volume(VolumeId=volume_id, **wanted)
    keep = disk.get("deleteOnTermination", True)
    if device["Ebs"]["DeleteOnTermination"] != keep:
        mapping = {"DeviceName": device["DeviceName"], "Ebs": {"DeleteOnTermination": keep}}
        ec2.modify_instance_attribute(InstanceId=id, BlockDeviceMappings=[mapping])
    retag(
        {"tagsAll": tags_of(volume)},
        {"tagsAll": {**aws.default_tags, **(disk.get("tags") or {})}},
        lambda tags: ec2.create_tags(Resources=[volume_id], Tags=tag_list(tags)),
        lambda keys: ec2.delete_tags(Resources=[volume_id], Tags=[{"Key": key} for key in keys]),
    )


def _set_source_dest_check(aws: Aws, id: str, inputs: Props) -> None:
    wanted = {"Value": inputs.get("sourceDestCheck", True)}
    aws.client("ec2").modify_instance_attribute(InstanceId=id, SourceDestCheck=wanted)
    _change_interface(aws, id, SourceDestCheck=wanted)


def _change_interface(aws: Aws, id: str, **change: Any) -> None:
    """On AWS an instance and its first interface share these attributes; in moto each has its own."""
    interface = (_instance(aws, id) or {})["NetworkInterfaces"][0]["NetworkInterfaceId"]
    aws.client("ec2").modify_network_interface_attribute(NetworkInterfaceId=interface, **change)


def _change_type(aws: Aws, id: str, new: Props) -> None:
    """Only a stopped machine changes its type; like the AWS provider, it is started afterwards in any case."""
    ec2 = aws.client("ec2")
    ec2.stop_instances(InstanceIds=[id])
    ec2.get_waiter("instance_stopped").wait(InstanceIds=[id])
    ec2.modify_instance_attribute(InstanceId=id, InstanceType={"Value": new["instanceType"]})
    ec2.start_instances(InstanceIds=[id])
    ec2.get_waiter("instance_running").wait(InstanceIds=[id])


def _change_groups(aws: Aws, id: str, new: Props) -> None:
    groups = new.get("vpcSecurityGroupIds")
    if not groups:  # no longer declared: they stay, since a machine can't be without
        return
    aws.client("ec2").modify_instance_attribute(InstanceId=id, Groups=groups)
    _change_interface(aws, id, Groups=groups)


def _change_profile(aws: Aws, id: str, new: Props) -> None:
    # Not ReplaceIamInstanceProfileAssociation: moto goes on showing the old one on the instance.
    ec2 = aws.client("ec2")
    wanted = filters(instance_id=id)
    for held in ec2.describe_iam_instance_profile_associations(Filters=wanted)[
        "IamInstanceProfileAssociations"
    ]:
        ec2.disassociate_iam_instance_profile(AssociationId=held["AssociationId"])
    if profile := new.get("iamInstanceProfile"):
        ec2.associate_iam_instance_profile(InstanceId=id, IamInstanceProfile={"Name": profile})


def _change_metadata(aws: Aws, id: str, new: Props) -> None:
    # With all of today's values: moto empties what a call leaves out.
    now = _metadata(_instance(aws, id) or {})
    wanted = outward({**now, **(new.get("metadataOptions") or {})})
    aws.client("ec2").modify_instance_metadata_options(InstanceId=id, **wanted)


def _change_monitoring(aws: Aws, id: str, new: Props) -> None:
    # moto has no MonitorInstances, but lets every attribute of an instance be set by its own name for it.
    state = "enabled" if new.get("monitoring") else "disabled"
    aws.client("ec2").modify_instance_attribute(InstanceId=id, Attribute="monitoringState", Value=state)


CHANGES = {
    "instanceType": _change_type,
    "vpcSecurityGroupIds": _change_groups,
    "iamInstanceProfile": _change_profile,
    "metadataOptions": _change_metadata,
    "monitoring": _change_monitoring,
    "sourceDestCheck": _set_source_dest_check,
}


def _update(aws: Aws, id: str, old: Props, new: Props) -> None:
    for key, change in CHANGES.items():
        if old.get(key) != new.get(key):
            change(aws, id, new)
    _change_root(aws, id, new)
    retag_resource(aws, id, old, new)


def _delete(aws: Aws, id: str, last: Props) -> None:
    ec2, instance = aws.client("ec2"), _instance(aws, id)
    end_spot_request(aws, id)
    if instance is None:
        return
    # AWS lets go of a machine's Elastic IPs when it ends; moto does not.
    for address in ec2.describe_addresses(Filters=filters(instance_id=id))["Addresses"]:
        quietly(ec2.disassociate_address, AssociationId=address["AssociationId"])
    ec2.terminate_instances(InstanceIds=[id])
    ec2.get_waiter("instance_terminated").wait(InstanceIds=[id])


RESOURCES = (
    ec2_resource(
        ResourceType(
            token=TOKEN,
            create=_create,
            read=_read,
            update=_update,
            delete=_delete,
            immutable=frozenset(
                {
                    "ami",
                    "associatePublicIpAddress",
                    "instanceMarketOptions",
                    "keyName",
                    "privateIp",
                    "rootBlockDevice.encrypted",
                    "rootBlockDevice.kmsKeyId",
                    "subnetId",
                    "userDataBase64",  # always: see _user_data
                }
            ),
        ),
        takes=f"ami associatePublicIpAddress instanceMarketOptions keyName privateIp rootBlockDevice subnetId "
        f"userDataBase64 {' '.join(CHANGES)}",
        # moto has no room for the first; the second is for Pulumi alone.
        keeps={"maintenanceOptions": {"autoRecovery": "default"}, "userDataReplaceOnChange": False},
        finish=_finish,
    ),
)
