"""`ops status` tells how each part of a stack is, whatever another part does."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

import contract
from ops import cli
from tests.unit.job_ground import Ground, make_queues, make_table
from tests.unit.ops_cloud import BUCKET, REGION, STACK, Cloud, cloud_for_ops

PREFIX = contract.prefix(STACK)
CONSOLE = f"https://{REGION}.console.aws.amazon.com/cloudwatch/home?region={REGION}#dashboards/dashboard/"
LEFT_OUT = {
    "frontend": "switched off by sd-app:frontend.enabled",
    "notebook": "switched off by sd-app:notebook.enabled",
}


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with cloud_for_ops(monkeypatch) as made:
        yield made


@pytest.fixture
def outputs(cloud: Cloud) -> dict[str, Any]:
    """A stack that is whole, of the resources that `status` asks for."""
    queue, table = make_queues(cloud), make_table(cloud)
    pool = cloud.client("cognito-idp").create_user_pool(PoolName="identity")["UserPool"]["Id"]
    cloud.client("cognito-idp").admin_create_user(UserPoolId=pool, Username="ann@example.com")
    cloud.client("cloudwatch").put_dashboard(DashboardName=f"{PREFIX}-operations", DashboardBody="{}")
    make_alarm(cloud, f"{PREFIX}-operations-text-queue-age")
    cloud.make_bucket()
    machines = {role: cloud.make_machine() for role in (contract.ML_SERVER, contract.BACKEND)}
    for role, machine in machines.items():
        cloud.put_boot(
            role, state="ready", stage="done", instanceId=machine, updatedAt="2026-11-25T03:00:00Z"
        )
    made = {
        "backendUrl": "https://d111111abcdef8.cloudfront.net",
        "backendInstanceId": machines[contract.BACKEND],
        "backendPublicIp": "203.0.113.7",
        "mlServerInstanceId": machines[contract.ML_SERVER],
        "mlServerPrivateIp": "172.20.16.10",
        "bucketName": BUCKET,
        "queueUrls": {kind: queue[kind] for kind in contract.KINDS},
        "deadLetterQueueUrl": queue["dead"],
        "generationsTable": table,
        "userPoolId": pool,
        "notebookName": make_notebook(cloud),
        "amplifyAppId": None,
        "frontendUrl": None,
        "dashboardUrl": f"{CONSOLE}{PREFIX}-operations",
        "distributionId": make_distribution(cloud),
        "leftOut": {"frontend": LEFT_OUT["frontend"]},
    }
    cloud.put_outputs(made)
    return made


def make_distribution(cloud: Cloud) -> str:
    config: dict[str, Any] = {
        "CallerReference": "test",
        "Comment": "",
        "Enabled": True,
        "Origins": {
            "Quantity": 1,
            "Items": [
                {
                    "Id": "backend",
                    "DomainName": "example.com",
                    "CustomOriginConfig": {
                        "HTTPPort": 80,
                        "HTTPSPort": 443,
                        "OriginProtocolPolicy": "http-only",
                    },
                }
            ],
        },
        "DefaultCacheBehavior": {"TargetOriginId": "backend", "ViewerProtocolPolicy": "redirect-to-https"},
    }
    return str(
        cloud.client("cloudfront").create_distribution(DistributionConfig=config)["Distribution"]["Id"]
    )


def make_notebook(cloud: Cloud) -> str:
    name = f"{PREFIX}-FineTuneNotebookInstance"
    cloud.client("sagemaker").create_notebook_instance(
        NotebookInstanceName=name,
        InstanceType="ml.t3.medium",
        RoleArn="arn:aws:iam::123456789012:role/sd-app-dev-notebook",
    )
    return name


def make_alarm(cloud: Cloud, name: str, region: str = REGION) -> Any:
    cloudwatch = cloud.client("cloudwatch", region)
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        AlarmDescription=f"{name} rings",
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        ComparisonOperator="GreaterThanThreshold",
        Threshold=600,
    )
    return cloudwatch


def status(capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit status, and the parts by name."""
    capsys.readouterr()
    code = cli.main(["--stack", STACK, "--json", "status"])
    out = capsys.readouterr().out
    answer = json.loads(out[out.index("{") :])  # moto prints before it where it lacks a service
    assert answer["healthy"] is (code == 0)
    return code, {part["part"]: part for part in answer["parts"]}


def test_a_whole_stack(cloud: Cloud, outputs: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        cloud.client("s3").put_object(Bucket=BUCKET, Key=f"loras/{number}.safetensors", Body=bytes(1000))
    sqs, url = cloud.client("sqs"), outputs["queueUrls"]["text"]
    for delay in (0, 0, 0, 600):
        sqs.send_message(QueueUrl=url, MessageBody="1", DelaySeconds=delay)
    sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=2, VisibilityTimeout=600)
    code, parts = status(capsys)
    assert code == 0
    assert {name: part["state"] for name, part in parts.items()} == {
        "ML server": "running, ready",
        "backend": "running, ready",
        "edge": "deployed",
        "bucket": "there",
        "models/": "empty",
        "loras/": "3 files, 3.0 kB",
        "datasets/": "empty",
        "outputs/": "empty",
        "identity": "1 user, no MFA",
        "queue text": "2 waiting, 2 in work",
        "queue sketch": "empty",
        "dead letters": "empty",
        "table": "active, ~0 items",
        "jobs": "none unfinished",
        "notebook": "InService",
        "frontend": "left out",
        "dashboard": "there",
        "alarms": "none of 1 rings",
    }
    assert parts["ML server"]["address"] == "172.20.16.10"
    assert parts["edge"]["address"] == outputs["backendUrl"]
    assert parts["frontend"]["note"] == LEFT_OUT["frontend"]
    assert parts["ML server"]["since"].startswith("20")


def test_the_table_fits_80_columns_and_long_addresses_stay_whole(
    cloud: Cloud, outputs: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--stack", STACK, "status"]) == 0
    shown = capsys.readouterr().out
    assert max(len(line) for line in shown.splitlines() if "https:" not in line) <= 80
    assert outputs["notebookName"] in shown
    assert f"dashboard: {outputs['dashboardUrl']}\n" in shown
    assert shown.endswith("Nothing is broken.\n")


def test_missing_parts_are_broken_and_the_rest_still_shows(
    cloud: Cloud, outputs: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.client("sqs").delete_queue(QueueUrl=outputs["queueUrls"]["sketch"])
    cloud.client("dynamodb").delete_table(TableName=outputs["generationsTable"])
    cloud.client("s3").delete_bucket(Bucket=BUCKET)
    cloud.client("cloudwatch").delete_dashboards(DashboardNames=[f"{PREFIX}-operations"])
    cloud.client("ec2").terminate_instances(InstanceIds=[outputs["mlServerInstanceId"]])
    lost = {
        "notebookName": "no-such-notebook",
        "distributionId": "ENONE",
        "backendInstanceId": "i-0123456789abcdef0",
    }
    cloud.put_outputs({**outputs, **lost})
    code, parts = status(capsys)
    assert code == 1
    gone = {name for name, part in parts.items() if part["state"] == "gone"}
    assert gone == {"queue sketch", "table", "jobs", "bucket", "dashboard", "notebook", "edge", "backend"}
    assert parts["ML server"]["state"] == "terminated"
    assert parts["ML server"]["health"] == "broken"
    assert parts["queue text"]["health"] == "ok"
    assert "pulumi refresh" in parts["table"]["note"]


def test_outputs_that_lack_a_part_say_so(
    cloud: Cloud, outputs: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    del outputs["bucketName"]
    urls = {"text": outputs["queueUrls"]["text"]}
    cloud.put_outputs({**outputs, "queueUrls": urls, "notebookName": None, "leftOut": LEFT_OUT})
    code, parts = status(capsys)
    assert code == 1
    assert parts["bucket"]["note"].startswith("the stack's outputs have no bucketName")
    assert parts["queue sketch"]["state"] == "missing"
    assert parts["queue text"]["state"] == "empty"
    assert parts["notebook"]["health"] == "left out"
    assert parts["notebook"]["note"] == LEFT_OUT["notebook"]


def test_a_part_that_can_not_be_read_says_why(
    cloud: Cloud, outputs: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.refuse = lambda method, path: "distribution" in path
    code, parts = status(capsys)
    assert code == 1
    assert parts["edge"]["health"] == "unread"
    assert "503" in parts["edge"]["note"]
    assert parts["table"]["health"] == "ok"


def test_a_service_that_the_emulator_lacks_is_no_fault(
    cloud: Cloud, outputs: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.put_outputs({**outputs, "amplifyAppId": "d111", "frontendUrl": "https://main.d111.amplifyapp.com"})
    code, parts = status(capsys)
    assert code == 0
    assert parts["frontend"]["state"] == "not emulated"
    assert parts["frontend"]["address"] == "https://main.d111.amplifyapp.com"


def test_dead_letters_are_trouble(
    cloud: Cloud, outputs: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.client("sqs").send_message(QueueUrl=outputs["deadLetterQueueUrl"], MessageBody="1")
    code, parts = status(capsys)
    assert code == 1
    assert parts["dead letters"]["state"] == "1 job given up"
    assert f"python -m ops --stack {STACK} jobs list" in parts["dead letters"]["note"]


def test_jobs_are_counted_by_state_with_the_age_of_the_oldest(
    cloud: Cloud, outputs: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    ground = Ground(cloud=cloud, queues={})
    ground.put("queued", hours=5)
    ground.put("queued", kind="sketch")
    ground.put("running")
    ground.put("succeeded", hours=9)
    code, parts = status(capsys)
    assert code == 0
    assert parts["jobs"]["state"] == "2 queued, 1 running"
    waited = datetime.now(UTC) - datetime.fromisoformat(parts["jobs"]["since"])
    assert 4.9 < waited.total_seconds() / 3600 < 5.1


@pytest.mark.parametrize(("mfa", "words"), [("OPTIONAL", "MFA optional"), ("ON", "MFA required")])
def test_identity_tells_who_is_in_and_how(
    cloud: Cloud, outputs: dict[str, Any], capsys: pytest.CaptureFixture[str], mfa: str, words: str
) -> None:
    client, pool = cloud.client("cognito-idp"), outputs["userPoolId"]
    client.set_user_pool_mfa_config(
        UserPoolId=pool, MfaConfiguration=mfa, SoftwareTokenMfaConfiguration={"Enabled": True}
    )
    client.admin_delete_user(UserPoolId=pool, Username="ann@example.com")
    _, parts = status(capsys)
    assert parts["identity"]["state"] == f"0 users, {words}"
    assert "users add EMAIL" in parts["identity"]["note"]
    client.delete_user_pool(UserPoolId=pool)
    code, parts = status(capsys)
    assert (code, parts["identity"]["state"]) == (1, "gone")


def test_alarms_that_ring_are_told_also_those_of_cloudfront_but_not_another_stacks(
    cloud: Cloud, outputs: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.client("ssm", "eu-west-1").put_parameter(
        Name=contract.outputs_parameter(STACK), Value=json.dumps(outputs), Type="String"
    )
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    make_alarm(cloud, f"{PREFIX}-operations-dead-letters", "eu-west-1")
    for name in (f"{PREFIX}-operations-edge", f"{PREFIX}2-operations-edge"):
        make_alarm(cloud, name).set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="5xx")
    code, parts = status(capsys)
    assert code == 1
    assert parts["alarms"]["state"] == "1 of 3 ringing"
    assert parts["alarm"]["address"] == f"{PREFIX}-operations-edge"


@pytest.mark.parametrize(
    ("record", "state", "health", "note"),
    [
        (
            {"state": "failed", "stage": "torch", "message": "no space"},
            "running, failed",
            "broken",
            "torch: no space",
        ),
        ({"state": "running", "stage": "models"}, "running, running", "changing", "models"),
        (
            {"state": "ready", "instanceId": "i-other"},
            "running",
            "ok",
            "no readiness record of this machine yet",
        ),
    ],
)
def test_the_readiness_record_is_told(
    cloud: Cloud,
    outputs: dict[str, Any],
    capsys: pytest.CaptureFixture[str],
    record: dict[str, str],
    state: str,
    health: str,
    note: str,
) -> None:
    cloud.put_boot(contract.ML_SERVER, **{"instanceId": outputs["mlServerInstanceId"], **record})
    code, parts = status(capsys)
    assert code == (1 if health == "broken" else 0)
    assert (parts["ML server"]["state"], parts["ML server"]["health"]) == (state, health)
    assert note in parts["ML server"]["note"]


def test_a_machine_that_sleeps_is_well(
    cloud: Cloud, outputs: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.client("ec2").stop_instances(InstanceIds=[outputs["mlServerInstanceId"]])
    code, parts = status(capsys)
    assert code == 0
    assert (parts["ML server"]["state"], parts["ML server"]["health"]) == ("stopped", "resting")


def test_a_large_prefix_is_counted_only_so_far(
    cloud: Cloud, outputs: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.parts.COUNTED_FILES", 2)
    for number in range(3):
        cloud.client("s3").put_object(Bucket=BUCKET, Key=f"outputs/{number}.png", Body=b"12")
    _, parts = status(capsys)
    assert parts["outputs/"]["state"] == "over 2 files, 4 B"
