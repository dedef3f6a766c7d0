"""The bootstrap program on the recording engine, and every resource of the platform's stacks as AWS's ARNs and tags."""

from __future__ import annotations

import json
import runpy
from collections.abc import Mapping
from functools import cache
from typing import Any

from declared.pretend_aws import ACCOUNT, HERE
from tests.unit.engine import Recorded, Recording, deploy
from tests.unit.test_program import custom

STATE_BUCKET = "your-studio-pulumi-state"
CONFIG = {
    "aws:region": "us-east-1",
    "sd-app-bootstrap:stateBucket": STATE_BUCKET,
    "sd-app-bootstrap:repository": "your-studio/sd-app",
    "sd-app-bootstrap:ownerId": "123456",
    "sd-app-bootstrap:repositoryId": "789012",
    "sd-app-bootstrap:environments": '["dev", "prod"]',
}
BY_ID = {
    "aws:ec2/vpc:Vpc": "vpc",
    "aws:ec2/subnet:Subnet": "subnet",
    "aws:ec2/securityGroup:SecurityGroup": "security-group",
    "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup": "security-group",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": "security-group-rule",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": "security-group-rule",
    "aws:ec2/internetGateway:InternetGateway": "internet-gateway",
    "aws:ec2/routeTable:RouteTable": "route-table",
    "aws:ec2/natGateway:NatGateway": "natgateway",
    "aws:ec2/vpcEndpoint:VpcEndpoint": "vpc-endpoint",
    "aws:ec2/flowLog:FlowLog": "vpc-flow-log",
    "aws:ec2/eip:Eip": "elastic-ip",
    "aws:ec2/instance:Instance": "instance",
}
"""EC2's own types, whose ARNs hold an id."""
BY_NAME = {
    "aws:cloudwatch/metricAlarm:MetricAlarm": f"arn:aws:cloudwatch:{HERE}:alarm:{{name}}",
    "aws:cloudwatch/dashboard:Dashboard": f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{{dashboardName}}",
    "aws:budgets/budget:Budget": f"arn:aws:budgets::{ACCOUNT}:budget/{{name}}",
    "aws:scheduler/scheduleGroup:ScheduleGroup": f"arn:aws:scheduler:{HERE}:schedule-group/{{name}}",
    "aws:scheduler/schedule:Schedule": f"arn:aws:scheduler:{HERE}:schedule/{{groupName}}/{{name}}",
    "aws:sagemaker/notebookInstanceLifecycleConfiguration:NotebookInstanceLifecycleConfiguration": (
        f"arn:aws:sagemaker:{HERE}:notebook-instance-lifecycle-config/{{name}}"
    ),
}
"""Types whose ARN the recording engine has not as AWS has it."""
PARTS = {
    "aws:ec2/route:Route",
    "aws:ec2/routeTableAssociation:RouteTableAssociation",
    "aws:ec2/eipAssociation:EipAssociation",
    "aws:iam/rolePolicy:RolePolicy",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "aws:sqs/queuePolicy:QueuePolicy",
    "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy",
    "aws:sns/topicPolicy:TopicPolicy",
    "aws:sns/topicSubscription:TopicSubscription",
    "aws:cognito/userPoolClient:UserPoolClient",
    "aws:amplify/branch:Branch",
    "aws:amplify/domainAssociation:DomainAssociation",
}
"""Parts of another resource: what is done to them is done to that one's ARN."""


@cache
def account() -> Recording[Any]:
    """The program as its file has it, with both forms of `sub`."""
    return run(CONFIG)


def run(config: Mapping[str, str]) -> Recording[Any]:
    """The program with another configuration."""
    return deploy(
        lambda: runpy.run_path("bootstrap/__main__.py", run_name="__main__"), stack="account", config=config
    )


def statements(kind: str, stack: str) -> list[dict[str, Any]]:
    """All that a role may and may not: `deploy` or `preview` of a stack."""
    made = account()
    [role] = [one for one in made.of("aws:iam/role:Role") if one.name == f"sd-app-github-{kind}-{stack}"]
    attached = {
        one.inputs["policyArn"]
        for one in made.of("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
        if one.inputs["role"] == role.outputs["name"]
    }
    documents = [one.inputs["policy"] for one in policies() if one.outputs["arn"] in attached]
    assert len(documents) == len(attached) >= 2
    return [statement for document in documents for statement in json.loads(document)["Statement"]]


def policies() -> list[Recorded]:
    return account().of("aws:iam/policy:Policy")


def boundary(stack: str) -> list[dict[str, Any]]:
    """The most that a role of the stack may."""
    [found] = [one for one in policies() if one.name == f"sd-app-github-boundary-{stack}"]
    return json.loads(found.inputs["policy"])["Statement"]


def arn_of(one: Recorded) -> str:
    """The ARN as AWS has it."""
    if one.token in BY_ID:
        return f"arn:aws:ec2:{HERE}:{BY_ID[one.token]}/{one.outputs['id']}"
    if one.token in BY_NAME:
        return BY_NAME[one.token].format(**one.outputs)
    return str(one.outputs["arn"])


def things(stack: str) -> list[Recorded]:
    """What the stack has that an ARN names; a bucket's parts have the bucket's."""
    own = [one for one in custom(stack) if one.token not in PARTS]
    return [
        one for one in own if not one.token.startswith("aws:s3/bucket") or one.token == "aws:s3/bucket:Bucket"
    ]
