"""The sandbox's providers under the real engine: a resource's life, what is refused, failures and recovery."""

from __future__ import annotations

import signal
import subprocess
import time
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
    assert (
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]["VisibilityTimeout"]
        == "50"
    )
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
    assert "nobody may read this" not in (ground.folder / "state/.pulumi/stacks/tiny/dev.json").read_text()
    assert "token" not in state, "what is gone must leave the state"
    assert state["jobs"]["inputs"]["visibilityTimeoutSeconds"] == 77
    assert state["jobs"]["outputs"]["tagsAll"] == {"Owner": "somebody", "Size": "small", "Extra": "1"}

    assert steps(stack.up()) == {"update jobs", "create token"}
    assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"Owner": "studio", "Size": "small"}
    assert (
        ssm.get_parameter(Name="/tiny/token", WithDecryption=True)["Parameter"]["Value"]
        == "nobody may read this"
    )
    stack.destroy()


REFUSED = {
    "a type that the sandbox doesn't know": (
        'aws.chime.VoiceConnector("x", require_encryption=True, opts=on)',
        ["the sandbox doesn't know aws:chime/voiceConnector:VoiceConnector", "sandbox/README.md"],
    ),
    "an input that the SDK doesn't have": (
        'pulumi.CustomResource("aws:sqs/queue:Queue", "x", {"visibilityTimeout": 3}, on)',
        ["QueueArgs has no property visibilityTimeout (did you mean visibilityTimeoutSeconds?)"],
    ),
    "an account that isn't allowed": (
        'aws.sqs.Queue("x", opts=pulumi.ResourceOptions('
        'provider=aws.Provider("p", region="us-east-1", allowed_account_ids=["999999999999"])))',
        ["AWS account ID not allowed: 123456789012"],
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
    stack = pulumi.get_stack()
    settings = aws.Provider(
        "mine",
        region={"dev": "us-east-1", "prod": "eu-west-1"}[stack],
        default_tags={"tags": {"Stack": stack, "By": {"dev": "BY", "prod": "one"}[stack]}},
    )
    aws.sqs.Queue("jobs", name=f"jobs-{stack}", opts=pulumi.ResourceOptions(provider=settings))
"""


def test_stacks_deployed_in_turn_keep_their_own_settings(ground: Ground):
    dev = ground.stack(TAGGED.replace("BY", "one"))
    dev.up()
    prod = ground.stack(TAGGED.replace("BY", "two"), "prod")
    prod.up()
    assert [one.why for one in dev.up().steps.values() if one.name == "jobs"] == [("tagsAll",)]
    tags: dict[str, dict[str, str]] = {}
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


COMMAND = """
    made = command.local.Command(
        "file",
        create="echo $COLOUR > FOLDER/file && cat FOLDER/file",
        delete="rm FOLDER/file && echo gone >> FOLDER/log",
        environment={"COLOUR": "blue"},
        triggers=[TRIGGER],
    )
    pulumi.export("printed", made.stdout)
"""


def test_a_command_runs_for_real_and_a_trigger_runs_it_again(ground: Ground):
    program = COMMAND.replace("FOLDER", str(ground.folder))
    file = ground.folder / "file"
    stack = ground.stack(program.replace("TRIGGER", "1"))
    stack.up()
    assert file.read_text() == "blue\n"
    assert stack.state()["file"]["outputs"]["stdout"] == "blue"
    file.write_text("red\n")
    assert stack.up("--refresh").changes == 0, "a command has no reality of its own to drift from"
    stack.write(program.replace("TRIGGER", "2"))
    assert "replace file" in steps(stack.up())
    assert not file.exists(), "the old one is deleted last, as always"
    file.touch()
    stack.destroy()
    assert (ground.folder / "log").read_text() == "gone\ngone\n"


def test_interrupting_the_engine_ends_the_command(ground: Ground):
    pid_file = ground.folder / "pid"
    stack = ground.stack(f'command.local.Command("wait", create="echo $$ > {pid_file}; sleep 600")\n')
    engine = subprocess.Popen(
        stack.engine.command("up", "--yes", "--skip-preview", "--non-interactive"),
        cwd=stack.engine.cwd,
        env=dict(stack.engine.env),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while not (pid_file.exists() and pid_file.read_text().strip()):
        assert engine.poll() is None, engine.stdout and engine.stdout.read()
        time.sleep(0.1)
    engine.send_signal(signal.SIGINT)
    said, _ = engine.communicate()
    assert "the command was ended: cancelled" in said
    assert not Path(f"/proc/{int(pid_file.read_text())}").exists()
    assert stack.state() == {}
