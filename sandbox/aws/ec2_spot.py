"""Spot requests: moto launches spot machines, and takes requests for them, but never brings the two together."""

from __future__ import annotations

from botocore.exceptions import ClientError

from sandbox.aws.ec2_calls import quietly
from sandbox.aws.table import Aws, Props, absent

REQUESTS = "ec2-spot-request"
"""Store kind: instance -> the request that it runs under, which moto doesn't show on the instance."""


def request_spot(aws: Aws, instance_id: str, inputs: Props) -> None:
    """Make the request that AWS makes with a spot machine, so that it can be seen and cancelled.

    moto launches a machine of its own for each request, of which it knows too little to be ours: it's ended at once.
    """
    ec2 = aws.client("ec2")
    options: Props = inputs["instanceMarketOptions"].get("spotOptions") or {}
    made = ec2.request_spot_instances(
        Type=options.get("spotInstanceType", "one-time"),
        InstanceInterruptionBehavior=options.get("instanceInterruptionBehavior", "terminate"),
        # No subnet: in ours the other machine would hold an address for ever, perhaps the one that a machine asks for.
        LaunchSpecification={"ImageId": inputs["ami"], "InstanceType": inputs["instanceType"]},
    )["SpotInstanceRequests"][0]
    aws.store.put(REQUESTS, instance_id, {"id": made["SpotInstanceRequestId"]})
    _end_other(aws, made["InstanceId"])


def _end_other(aws: Aws, instance_id: str) -> None:
    ec2 = aws.client("ec2")
    [held] = ec2.describe_instances(InstanceIds=[instance_id])["Reservations"]
    ec2.terminate_instances(InstanceIds=[instance_id])
    for interface in held["Instances"][0]["NetworkInterfaces"]:
        quietly(ec2.delete_network_interface, NetworkInterfaceId=interface["NetworkInterfaceId"])


def spot_request_id(aws: Aws, instance_id: str) -> str:
    """The request that an instance runs under; empty for others. AWS shows it even when it's cancelled."""
    return (aws.store.get(REQUESTS, instance_id) or {"id": ""})["id"]


def end_spot_request(aws: Aws, instance_id: str) -> None:
    """Cancel an instance's request, whatever is left of it: the program may have done so before."""
    if not (request := spot_request_id(aws, instance_id)):
        return
    ec2 = aws.client("ec2")
    try:
        # moto answers 500 to the cancellation of what it doesn't know, so it's looked for first.
        if ec2.describe_spot_instance_requests(SpotInstanceRequestIds=[request])["SpotInstanceRequests"]:
            ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[request])
    except ClientError as error:
        if not absent(error):
            raise
    aws.store.delete(REQUESTS, instance_id)
