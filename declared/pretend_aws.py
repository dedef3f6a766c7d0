"""What AWS would answer: ids, ARNs and names of new resources, and the lookups that the program makes."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

Answer = Mapping[str, Any] | Callable[[dict[str, Any]], Mapping[str, Any]]
"""What a lookup gives back, or how it is found from the lookup's arguments."""

REGION, ACCOUNT = "us-east-1", "111111111111"
HERE = f"{REGION}:{ACCOUNT}"
ZONES = [f"{REGION}{letter}" for letter in "abcd"]
CLOUDFRONT_PREFIX_LIST_ID = "pl-3b927c52"
CACHING_DISABLED_ID = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
ALL_VIEWER_EXCEPT_HOST_ID = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
SECURITY_HEADERS_ID = "67f7725c-6f97-4210-82d7-5512b31e9d03"
"""The ids that AWS gives its managed policies (docs.aws.amazon.com/AmazonCloudFront, managed policies)."""

IMAGES = {
    "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id": "ami-0aaaaaaaaaaaaaaaa",
    "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id": "ami-0bbbbbbbbbbbbbbbb",
    "/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id": "ami-0cccccccccccccccc",
    "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64": "ami-0dddddddddddddddd",
}


def _image(arguments: dict[str, Any]) -> Mapping[str, Any]:
    """An unknown parameter is a KeyError that names it."""
    value = IMAGES[arguments["name"]]
    return {"name": arguments["name"], "type": "String", "value": value, "insecureValue": value}


def _only(known: Mapping[str, str]) -> Answer:
    """A lookup by name among the known ones; another name is a KeyError that names it."""
    return lambda arguments: {"id": known[arguments["name"]], "name": arguments["name"]}


LOOKUPS: Mapping[str, Answer] = {
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": {
        "locations": ZONES[::-1],  # AWS promises no order
        "locationType": "availability-zone",
        "instanceTypes": [],
        "locationTypes": [],
    },
    "aws:index/getRegion:getRegion": {"region": REGION, "id": REGION},
    "aws:index/getCallerIdentity:getCallerIdentity": {"accountId": ACCOUNT, "id": ACCOUNT},
    "aws:ssm/getParameter:getParameter": _image,
    "aws:ec2/getManagedPrefixList:getManagedPrefixList": _only(
        {"com.amazonaws.global.cloudfront.origin-facing": CLOUDFRONT_PREFIX_LIST_ID}
    ),
    "aws:cloudfront/getCachePolicy:getCachePolicy": _only({"Managed-CachingDisabled": CACHING_DISABLED_ID}),
    "aws:cloudfront/getOriginRequestPolicy:getOriginRequestPolicy": _only(
        {"Managed-AllViewerExceptHostHeader": ALL_VIEWER_EXCEPT_HOST_ID}
    ),
    "aws:cloudfront/getResponseHeadersPolicy:getResponseHeadersPolicy": _only(
        {"Managed-SecurityHeadersPolicy": SECURITY_HEADERS_ID}
    ),
}

QUEUE_URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{{name}}"
SHAPES: Mapping[str, Mapping[str, str]] = {
    "aws:ec2/vpc:Vpc": {"id": "vpc-{hex}"},
    "aws:ec2/subnet:Subnet": {"id": "subnet-{hex}"},
    "aws:ec2/securityGroup:SecurityGroup": {"id": "sg-{hex}"},
    "aws:ec2/internetGateway:InternetGateway": {"id": "igw-{hex}"},
    "aws:ec2/routeTable:RouteTable": {"id": "rtb-{hex}"},
    "aws:ec2/natGateway:NatGateway": {"id": "nat-{hex}"},
    "aws:ec2/vpcEndpoint:VpcEndpoint": {"id": "vpce-{hex}"},
    "aws:ec2/eip:Eip": {
        "id": "eipalloc-{hex}",
        "allocationId": "{id}",
        "publicIp": "203.0.113.7",
        "publicDns": "ec2-203-0-113-7.compute-1.amazonaws.com",
    },
    "aws:ec2/instance:Instance": {
        "id": "i-{hex}",
        "arn": f"arn:aws:ec2:{HERE}:instance/{{id}}",
        "privateIp": "172.16.255.9",
        "primaryNetworkInterfaceId": "eni-{hex}",
        "spotInstanceRequestId": "sir-{hex}",
    },
    "aws:s3/bucket:Bucket": {"bucket": "{name}", "id": "{bucket}", "arn": "arn:aws:s3:::{bucket}"},
    "aws:sqs/queue:Queue": {"url": QUEUE_URL, "id": "{url}", "arn": f"arn:aws:sqs:{HERE}:{{name}}"},
    "aws:dynamodb/table:Table": {"id": "{name}", "arn": f"arn:aws:dynamodb:{HERE}:table/{{name}}"},
    "aws:cognito/userPool:UserPool": {
        "id": f"{REGION}_{{hex}}",
        "arn": f"arn:aws:cognito-idp:{HERE}:userpool/{{id}}",
    },
    "aws:cognito/userPoolClient:UserPoolClient": {"id": "{hex}"},
    "aws:cloudwatch/logGroup:LogGroup": {"id": "{name}", "arn": f"arn:aws:logs:{HERE}:log-group:{{name}}"},
    "aws:ssm/parameter:Parameter": {"id": "{name}", "arn": f"arn:aws:ssm:{HERE}:parameter{{name}}"},
    "aws:iam/role:Role": {"id": "{name}", "arn": f"arn:aws:iam::{ACCOUNT}:role/{{name}}"},
    "aws:iam/instanceProfile:InstanceProfile": {
        "id": "{name}",
        "arn": f"arn:aws:iam::{ACCOUNT}:instance-profile/{{name}}",
    },
    "aws:cloudfront/distribution:Distribution": {
        "id": "E{hex}",
        "arn": f"arn:aws:cloudfront::{ACCOUNT}:distribution/{{id}}",
        "domainName": "d{hex}.cloudfront.net",
        "hostedZoneId": "Z2FDTNDATAQYW2",
    },
    "aws:amplify/app:App": {
        "id": "d{hex}",
        "arn": f"arn:aws:amplify:{HERE}:apps/{{id}}",
        "defaultDomain": "{id}.amplifyapp.com",
    },
    "aws:sagemaker/notebookInstance:NotebookInstance": {
        "id": "{name}",
        "arn": f"arn:aws:sagemaker:{HERE}:notebook-instance/{{name}}",
        "url": f"{{name}}.notebook.{REGION}.sagemaker.aws",
    },
    "aws:sns/topic:Topic": {"arn": f"arn:aws:sns:{HERE}:{{name}}", "id": "{arn}"},
    "command:local:Command": {"id": "{hex}", "stdout": "stdout-of-{label}"},
}
"""Outputs by resource type, each made of those before it; an input of the same name wins. Types not here get a plain
id, ARN and name."""


def new_outputs(token: str, label: str, urn: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The state of a new resource: its inputs, and what AWS adds. `label`: its logical name.

    A physical name that the program leaves open gets a suffix, as Pulumi's autonaming does. The same URN gives the
    same ids.
    """
    digest = hashlib.sha256(urn.encode()).hexdigest()
    made = {"hex": digest[:17], "label": label}
    state = {"name": f"{label}-{digest[:7]}", **inputs}
    fallback = {"id": "{name}", "arn": f"arn:aws:{token.split(':')[1].split('/')[0]}:{HERE}:{{name}}"}
    shape = SHAPES.get(token, {})
    for key, template in {**shape, **{k: v for k, v in fallback.items() if k not in shape}}.items():
        if key not in state:
            state[key] = template.format(**{**state, **made})
    return state
