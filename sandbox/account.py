"""What `ops doctor` asks of an account before anything is made, and moto does not know: EC2's quotas of GPU machines, and
AWS's public parameters of machine images.

SageMaker's quotas are training_jobs.py's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ec2.models import ec2_backends

from sandbox.aws.ssm import STAND_INS

Fault = tuple[str, str]
"""AWS's code of an error, and its words."""
EC2_QUOTAS = {
    "L-DB2E81BA": "Running On-Demand G and VT instances",
    "L-3819A6DF": "All G and VT Spot Instance Requests",
}
VCPUS = 8.0
"""Of each: two machines of the smallest type."""
QUOTA_ACTIONS = ("GetServiceQuota", "GetAWSDefaultServiceQuota")
SERVED_BY_MOTO = "/aws/service/ami-amazon-linux-latest/"


@dataclass
class Account:
    """An emulator's answers, in place of moto's."""

    SERVICES: ClassVar[tuple[str, ...]] = ("servicequotas", "ssm")

    quotas: dict[str, float] = field(default_factory=dict[str, float])
    """vCPUs by code, where a test sets others than VCPUS."""

    def call(
        self, service: str, action: str, asked: Mapping[str, Any], scope: str
    ) -> dict[str, Any] | Fault | None:
        """The answer, or None where this is not ours to answer. `scope` is the request's signature, with the Region."""
        if service == "servicequotas" and action in QUOTA_ACTIONS and asked["ServiceCode"] == "ec2":
            return self._quota(str(asked["QuotaCode"]))
        if (service, action) == ("ssm", "GetParameter"):
            return _image_parameter(str(asked["Name"]), scope)
        return None

    def _quota(self, code: str) -> dict[str, Any] | Fault:
        if code not in EC2_QUOTAS:
            return "NoSuchResourceException", "The request failed because the specified quota does not exist."
        name, value = EC2_QUOTAS[code], self.quotas.get(code, VCPUS)
        return {"Quota": {"ServiceCode": "ec2", "QuotaCode": code, "QuotaName": name, "Value": value}}


def _image_parameter(name: str, scope: str) -> dict[str, Any] | None:
    """An image that the emulator has, as the program's own lookup finds it (aws/ssm.py)."""
    patterns = next((found for start, found in STAND_INS if name.startswith(start)), ())
    region = re.search(r"Credential=[^/]+/\d+/([^/]+)/", scope)
    if not patterns or not region or name.startswith(SERVED_BY_MOTO):
        return None
    backend: Any = ec2_backends[DEFAULT_ACCOUNT_ID][region[1]]
    for pattern in patterns:
        wanted = {
            "name": [pattern],
            "architecture": ["arm64" if "arm64" in name else "x86_64"],
            "root-device-type": ["ebs"],
        }
        images: list[Any] = backend.describe_images(filters=wanted)
        if images:
            image = max(images, key=lambda one: (one.name, one.id))
            arn = f"arn:aws:ssm:{region[1]}::parameter{name}"
            return {
                "Parameter": {"Name": name, "ARN": arn, "Type": "String", "Value": image.id, "Version": 1}
            }
    return None
