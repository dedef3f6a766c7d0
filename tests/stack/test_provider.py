"""The sandbox's providers under the real engine: a resource's life, what is refused, failures and recovery."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Ground

from sandbox import daemon
from tools.engine_events import Report

PROVIDER = """
    settings = aws.Provider("mine", region="us-east-1", default_tags={"tags": {"Owner": "studio"}})
    on = pulumi.ResourceOptions(provider=settings)
"""

LIFE = (
    PROVIDER
    + """
    queue = aws.sqs.Queue("jobs", visibility_timeout_seconds=SECONDS, tags={"Size": "small"}, opts=on)
    aws.sqs.QueuePolicy(
        "rules", queue_url=queue.url, opts=on,
        policy=pulumi.Output.json_dumps({
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": "*", "Action": ["sqs:SendMessage"], "Resource": queue.arn}],
        }),
    )
    secret = aws.ssm.Parameter(
        "token", name="/tiny/NAME", type="SecureString", value=pulumi.Output.secret("nobody may read this"), opts=on
    )
    pulumi.export("region", aws.get_region(opts=pulumi.InvokeOptions(provider=settings)).region)
"""
)


def life(seconds: int = 40, name: str = "token") -> str:
    return LIFE.replace("SECONDS", str(seconds)).replace("NAME", name)


def steps(report: Report) -> set[str]:
    """`update jobs (visibilityTimeoutSeconds)`, for each step."""
    return {f"{one.op} {one.name}" for one in report.steps.values() if one.op != "create-replacement"}


def test_a_resource_is_made_kept_changed_replaced_and_removed(ground: Ground):
    stack = ground.stack(life())
    first = stack.up()
    assert first.counts["create"] == 5
    sqs, ssm = ground.client("sqs"), ground.client("ssm")
    [url] = sqs.list_queues()["QueueUrls"]
    assert "/jobs-" in url, "the queue is named after the resource"
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"Owner": "studio", "Size": "small"}

    assert stack.up().changes == 0
    assert stack.preview("--refresh").changes == 0, "what is read back must be what was declared"

    stack.write(life(seconds=50))
    changed = stack.up()
    assert steps(changed) == {"update jobs"}
    assert next(iter(changed.steps.values())).why == ("visibilityTimeoutSeconds",)
    assert sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["VisibilityTimeout"] == "50"
    assert sqs.list_queues()["QueueUrls"] == [url], "a change in place keeps the generated name"

    stack.write(life(seconds=50, name="other"))
    assert "replace token" in steps(stack.up())
    assert [one["Name"] for one in ssm.describe_parameters()["Parameters"]] == ["/tiny/other"]

    assert stack.destroy().counts["delete"] == 5
    assert daemon.leftovers(ground.sandbox) == []


def test_what_happens_behind_its_back_is_found_by_refresh_and_put_right(ground: Ground):
    stack = ground.stack(life())
    stack.up()
    sqs, ssm = ground.client("sqs"), ground.client("ssm")
    [url] = sqs.list_queues()["QueueUrls"]
    policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "77", "Policy": policy})
    sqs.tag_queue(QueueUrl=url, Tags={"Owner": "somebody", "Extra": "1"})
    ssm.delete_parameter(Name="/tiny/token")

    stack.refresh()
    state = stack.state()
    assert "token" not in state, "what is gone must leave the state"
    assert state["jobs"]["inputs"]["visibilityTimeoutSeconds"] == 77
    assert state["jobs"]["outputs"]["tagsAll"] == {"Owner": "somebody", "Size": "small", "Extra": "1"}

    assert steps(stack.up()) == {"update jobs", "create token"}
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"Owner": "studio", "Size": "small"}
    assert ssm.get_parameter(Name="/tiny/token", WithDecryption=True)["Parameter"]["Value"] == "nobody may read this"
    stack.destroy()


def test_a_secret_is_nowhere_in_the_clear(ground: Ground):
    stack = ground.stack(life())
    stack.up()
    stack.refresh()
    assert "nobody may read this" not in json.dumps(stack.state())
    assert "nobody may read this" not in (ground.folder / "state").joinpath(
        ".pulumi/stacks/tiny/dev.json"
    ).read_text()
    stack.destroy()


REFUSED = {
    "a type that the SDK doesn't have": (
        'pulumi.CustomResource("aws:sqs/queue:Quue", "x", {}, on)',
        ["aws:sqs/queue:Quue", "did you mean aws:sqs/queue:Queue?"],
    ),
    "a type that the sandbox doesn't know": (
        'aws.chime.VoiceConnector("x", require_encryption=True, opts=on)',
        ["the sandbox doesn't know aws:chime/voiceConnector:VoiceConnector", "sandbox/README.md"],
    ),
    "an input that the SDK doesn't have": (
        'pulumi.CustomResource("aws:sqs/queue:Queue", "x", {"visibilityTimeout": 3}, on)',
        ["QueueArgs has no property visibilityTimeout (did you mean visibilityTimeoutSeconds?)"],
    ),
    "a nested input that the SDK doesn't have": (
        'aws.ec2.Instance("x", ami="ami-1", instance_type="t3.micro", root_block_device={"volume_sze": 8}, opts=on)',
        ["rootBlockDevice.volume_sze", "InstanceRootBlockDeviceArgs has no property volume_sze"],
    ),
    "a required input left out": (
        'pulumi.CustomResource("aws:sqs/queuePolicy:QueuePolicy", "x", {"policy": "{}"}, on)',
        ["QueuePolicyArgs needs queueUrl"],
    ),
    "an input of another type": (
        'pulumi.CustomResource("aws:sqs/queue:Queue", "x", {"delaySeconds": "soon"}, on)',
        ["delaySeconds", "a whole number is meant, and it is a text"],
    ),
    "a lookup that the sandbox doesn't know": (
        'aws.get_billing_service_account(opts=pulumi.InvokeOptions(provider=settings))',
        ["the sandbox doesn't know the lookup aws:index/getBillingServiceAccount:getBillingServiceAccount"],
    ),
    "an account that isn't allowed": (
        'aws.sqs.Queue("x", opts=pulumi.ResourceOptions('
        'provider=aws.Provider("p", region="us-east-1", allowed_account_ids=["999999999999"])))',
        ["AWS account ID not allowed: 123456789012"],
    ),
    "a provider setting that the sandbox doesn't act on": (
        'aws.sqs.Queue("x", opts=pulumi.ResourceOptions('
        'provider=aws.Provider("p", region="us-east-1", assume_roles=[{"role_arn": "arn:aws:iam::1:role/r"}])))',
        ["the sandbox doesn't act on the provider's assumeRoles"],
    ),
    "a command's input that the sandbox doesn't act on": (
        'command.local.Command("x", create="true", asset_paths=["*.txt"])',
        ["the sandbox doesn't collect assetPaths"],
    ),
}


@pytest.mark.parametrize(("line", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_refused_by_name(ground: Ground, line: str, said: list[str]):
    message = ground.stack(PROVIDER + f"    {line}\n").refused()
    for part in said:
        assert part in message


FAILING = (
    PROVIDER
    + """
    first = aws.sqs.Queue("first", opts=on)
    second = aws.sqs.Queue("second", name="NAME", opts=pulumi.ResourceOptions(provider=settings, depends_on=[first]))
    aws.ssm.Parameter("third", name="/tiny/third", type="String", value=second.url, opts=on)
"""
)


def test_a_failure_half_way_keeps_what_was_made_and_the_next_up_goes_on(ground: Ground):
    stack = ground.stack(FAILING.replace("NAME", "not a name"))
    message = stack.fails()
    assert "second" in message and "CreateQueue: InvalidParameterValue" in message
    [url] = ground.client("sqs").list_queues()["QueueUrls"]
    stack.write(FAILING.replace("NAME", "good"))
    report = stack.up()
    assert steps(report) == {"create second", "create third"}
    assert url in ground.client("sqs").list_queues()["QueueUrls"], "the first queue is kept, not made again"
    stack.destroy()


HALF_MADE = (
    PROVIDER
    + """
    vpc = aws.ec2.Vpc("vpc", cidr_block="10.9.0.0/16", opts=on)
    aws.ec2.InternetGateway("gateway", vpc_id=VPC, opts=on)
"""
)


def test_a_half_made_resource_is_recorded_and_replaced(ground: Ground):
    stack = ground.stack(HALF_MADE.replace("VPC", '"vpc-0123456789"'))
    assert "InvalidVpcID.NotFound" in stack.fails()
    ec2 = ground.client("ec2")
    [half] = [one["InternetGatewayId"] for one in ec2.describe_internet_gateways()["InternetGateways"]]
    assert stack.state()["gateway"]["id"] == half, "the engine must know of what exists"
    stack.write(HALF_MADE.replace("VPC", "vpc.id"))
    assert "replace gateway" in steps(stack.up())
    [whole] = ec2.describe_internet_gateways()["InternetGateways"]
    assert whole["InternetGatewayId"] != half
    assert [one["State"] for one in whole["Attachments"]] == ["available"]
    assert stack.up().changes == 0
    stack.destroy()


TAGGED = """
    settings = aws.Provider("mine", region="REGION", default_tags={"tags": {"Stack": pulumi.get_stack(), "By": "BY"}})
    aws.sqs.Queue("jobs", name=f"jobs-{pulumi.get_stack()}", opts=pulumi.ResourceOptions(provider=settings))
"""


def test_stacks_deployed_in_turn_keep_their_own_settings(ground: Ground):
    program = TAGGED.replace("REGION", "us-east-1").replace("BY", "one")
    dev = ground.stack(program)
    dev.up()
    prod = ground.stack(program.replace("us-east-1", "eu-west-1"), "prod")
    prod.up()
    dev.write(program.replace("one", "two"))
    assert [one.why for one in dev.up().steps.values() if one.name == "jobs"] == [("tagsAll",)]
    tags = {}
    for region in ("us-east-1", "eu-west-1"):
        sqs = ground.client("sqs", region)
        [url] = sqs.list_queues()["QueueUrls"]
        tags[region] = sqs.list_queue_tags(QueueUrl=url)["Tags"]
    assert tags == {"us-east-1": {"Stack": "dev", "By": "two"}, "eu-west-1": {"Stack": "prod", "By": "one"}}
    dev.destroy()
    assert prod.preview("--refresh").changes == 0, "removing dev must not touch prod"
    prod.destroy()


def test_a_new_emulator_is_built_again_by_refresh(cli: Path, tmp_path: Path):
    folder = tmp_path / "sandbox"
    ground = Ground(cli, daemon.ensure(folder), tmp_path)
    try:
        assert ground.sandbox.is_new
        assert not daemon.ensure(folder).is_new, "one that runs is taken as it is"
        stack = ground.stack(life())
        stack.up()
        daemon.stop(folder)
        assert daemon.find(folder) is None
        again = Ground(cli, daemon.ensure(folder), tmp_path)
        assert again.sandbox.is_new
        assert again.client("sqs").list_queues().get("QueueUrls", []) == []
        stack.engine = type(stack.engine)(cli, "dev", stack.engine.cwd, again.environment())
        assert stack.up("--refresh").counts["create"] >= 3
        assert len(again.client("sqs").list_queues()["QueueUrls"]) == 1
        assert stack.up().changes == 0
        stack.destroy()
        assert daemon.leftovers(again.sandbox) == []
    finally:
        daemon.stop(folder)
