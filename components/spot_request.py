"""`python -m components.spot_request cancel ID`: cancel a spot request, so that it launches no machine again.

A persistent request outlives its machine. Whether the AWS provider cancels it is uncertain (terraform-provider-aws
issue 38142, pull request 41206), and a forgotten GPU costs money, so the stack does it itself; twice does no harm.
"""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, cast

import boto3  # pyright: ignore[reportMissingTypeStubs]  # boto3 ships none

GONE = "InvalidSpotInstanceRequestID.NotFound"


def cancel(request_id: str) -> str:
    """Cancel the request in the Region that AWS_REGION names; the words to show. Other AWS errors are raised."""
    if not request_id:
        return "no spot request to cancel"
    connect = cast(Callable[..., Any], boto3.client)  # pyright: ignore[reportUnknownMemberType]  # no stubs
    # The Region by name: boto3 itself reads AWS_DEFAULT_REGION only.
    ec2 = connect("ec2", region_name=os.environ["AWS_REGION"])
    try:
        ec2.cancel_spot_instance_requests(SpotInstanceRequestIds=[request_id])
    except ec2.exceptions.ClientError as error:
        if error.response["Error"]["Code"] != GONE:
            raise
        return f"spot request {request_id} is gone already"
    return f"spot request {request_id} is cancelled"


def main(arguments: Sequence[str]) -> int:
    """Exit status 0, or 2 with the usage."""
    if len(arguments) != 2 or arguments[0] != "cancel":
        sys.stderr.write(f"{__doc__}\n")
        return 2
    sys.stdout.write(cancel(arguments[1]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
