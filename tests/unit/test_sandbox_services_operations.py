"""The sandbox's alarms, topics, schedules, notebooks and budgets, each lived through on a real moto server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sandbox.aws import budgets, monitoring, sagemaker, scheduler, sns
from sandbox.aws.table import Aws, Props
from tests.unit.sandbox_life import ACCOUNT, NEW_TAGS, TAGS, Life, live, moto_server, types_of

TYPES = types_of(budgets, monitoring, sagemaker, scheduler, sns)
TOPIC = f"arn:aws:sns:us-east-1:{ACCOUNT}:own"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/own"
TOPIC_POLICY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "budgets.amazonaws.com"},
                "Action": "sns:Publish",
                "Resource": TOPIC,
            }
        ],
    }
)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with moto_server(tmp_path_factory.mktemp("moto")) as cloud:
        cloud.client("sns").create_topic(Name="own")
        cloud.client("scheduler").create_schedule_group(Name="own")
        cloud.client("sagemaker").create_notebook_instance_lifecycle_config(
            NotebookInstanceLifecycleConfigName="own"
        )
        yield cloud


LIVES: tuple[tuple[str, Life], ...] = (
    (
        "MetricAlarm",
        Life(
            name="of a machine",
            inputs={
                "name": "ml-server-status",
                "alarmDescription": "The machine fails its checks",
                "namespace": "AWS/EC2",
                "metricName": "StatusCheckFailed",
                "dimensions": {"InstanceId": "i-1"},
                "statistic": "Maximum",
                "period": 60,
                "evaluationPeriods": 5,
                "comparisonOperator": "GreaterThanThreshold",
                "threshold": 0,
                "treatMissingData": "notBreaching",
                "alarmActions": [TOPIC],
                "okActions": [TOPIC],
                **TAGS,
            },
            changes={
                "threshold": 1,
                "dimensions": {"InstanceId": "i-2"},
                "actionsEnabled": False,
                **NEW_TAGS,
            },
            outputs={"arn": f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:ml-server-status"},
            tamper=lambda aws, id: aws.client("cloudwatch").enable_alarm_actions(AlarmNames=[id]),
            seen="actionsEnabled",
        ),
    ),
    (
        "MetricAlarm",
        Life(
            name="of an expression",
            inputs={
                "name": "share",
                "comparisonOperator": "GreaterThanThreshold",
                "evaluationPeriods": 1,
                "threshold": 5,
                "metricQueries": [
                    {"id": "share", "expression": "a / 2", "label": "Share", "returnData": True},
                    {
                        "id": "a",
                        "returnData": False,
                        "metric": {
                            "metricName": "Errors",
                            "namespace": "sd-app",
                            "period": 60,
                            "stat": "Sum",
                            "dimensions": {"Role": "backend"},
                        },
                    },
                ],
            },
            changes={"threshold": 6},
        ),
    ),
    (
        "Dashboard",
        Life(
            name="all",
            inputs={"dashboardName": "sd-app-test", "dashboardBody": '{"widgets":[]}'},
            changes={"dashboardBody": '{"widgets":[{"type":"text","properties":{"markdown":"x"}}]}'},
            tamper=lambda aws, id: aws.client("cloudwatch").put_dashboard(
                DashboardName=id, DashboardBody='{"widgets":[],"start":"-PT1H"}'
            ),
            seen="dashboardBody",
        ),
    ),
    (
        "Topic",
        Life(
            name="all",
            inputs={"name": "alarms", "displayName": "Alarms", **TAGS},
            changes={"displayName": "Alarms of the studio", **NEW_TAGS},
            outputs={"arn": f"arn:aws:sns:us-east-1:{ACCOUNT}:alarms", "owner": ACCOUNT},
            tamper=lambda aws, id: aws.client("sns").set_topic_attributes(
                TopicArn=id, AttributeName="DisplayName", AttributeValue="x"
            ),
            seen="displayName",
        ),
    ),
    (
        "TopicSubscription",
        Life(
            name="e-mail",
            inputs={"topic": TOPIC, "protocol": "email", "endpoint": "a@studio.example"},
            changes={"filterPolicy": '{"kind":["alarm"]}', "filterPolicyScope": "MessageAttributes"},
            outputs={"pendingConfirmation": True, "confirmationWasAuthenticated": False},
            tamper=lambda aws, id: aws.client("sns").set_subscription_attributes(
                SubscriptionArn=id, AttributeName="FilterPolicy", AttributeValue='{"kind":["x"]}'
            ),
            seen="filterPolicy",
        ),
    ),
    (
        "TopicPolicy",
        Life(
            name="all",
            inputs={"arn": TOPIC, "policy": TOPIC_POLICY},
            changes={"policy": TOPIC_POLICY.replace("budgets", "cloudwatch")},
            marks=frozenset({"policy"}),  # moto takes the spaces out
        ),
    ),
    (
        "ScheduleGroup",
        Life(
            name="all",
            inputs={"name": "hours", **TAGS},
            changes=NEW_TAGS,
            outputs={"state": "ACTIVE"},
        ),
    ),
    (
        "Schedule",
        Life(
            name="all",
            inputs={
                "name": "ml-server-stop",
                "groupName": "own",
                "description": "stop the ML server",
                "scheduleExpression": "cron(30 19 ? * MON-SAT *)",
                "scheduleExpressionTimezone": "Europe/Paris",
                "flexibleTimeWindow": {"mode": "OFF"},
                "target": {
                    "arn": "arn:aws:scheduler:::aws-sdk:ec2:stopInstances",
                    "roleArn": ROLE,
                    "input": '{"InstanceIds":["i-1"]}',
                    "retryPolicy": {"maximumRetryAttempts": 20, "maximumEventAgeInSeconds": 3600},
                },
            },
            changes={
                "scheduleExpression": "cron(0 20 ? * MON-FRI *)",
                "state": "DISABLED",
                "flexibleTimeWindow": {"mode": "FLEXIBLE", "maximumWindowInMinutes": 5},
                "startDate": "2099-01-01T00:00:00Z",
            },
            outputs={
                "state": "ENABLED",
                "arn": f"arn:aws:scheduler:us-east-1:{ACCOUNT}:schedule/own/ml-server-stop",
            },
            tamper=lambda aws, id: aws.client("scheduler").update_schedule(
                Name="ml-server-stop",
                GroupName="own",
                ScheduleExpression="rate(1 hour)",
                FlexibleTimeWindow={"Mode": "OFF"},
                Target={"Arn": "arn:aws:scheduler:::aws-sdk:ec2:stopInstances", "RoleArn": ROLE},
            ),
            seen="scheduleExpression",
        ),
    ),
    (
        "NotebookInstanceLifecycleConfiguration",
        Life(
            name="all",
            inputs={"name": "hook", "onStart": "IyEvYmluL3No", **TAGS},
            changes={"onStart": "IyEvYmluL2Jhc2g=", "onCreate": "IyEvYmluL3No", **NEW_TAGS},
        ),
    ),
    (
        "NotebookInstance",
        Life(
            name="as the program has it",
            inputs={
                "name": "FineTuneNotebookInstance-test",
                "roleArn": ROLE,
                "instanceType": "ml.g5.xlarge",
                "platformIdentifier": "notebook-al2023-v1",
                "subnetId": "subnet-1",
                "securityGroups": ["sg-1"],
                "directInternetAccess": "Disabled",
                "rootAccess": "Enabled",
                "volumeSize": 100,
                "lifecycleConfigName": "own",
                "instanceMetadataServiceConfiguration": {"minimumInstanceMetadataServiceVersion": "2"},
                **TAGS,
            },
            changes={"instanceType": "ml.g5.2xlarge", "volumeSize": 200, **NEW_TAGS},
            outputs={
                "arn": f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:notebook-instance/FineTuneNotebookInstance-test"
            },
            marks=frozenset({"instanceMetadataServiceConfiguration", "instanceType", "platformIdentifier"}),
            lost=frozenset({"instanceType"}),
            tamper=lambda aws, id: aws.client("sagemaker").delete_tags(
                ResourceArn=f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:notebook-instance/{id}", TagKeys=["Owner"]
            ),
            seen="tagsAll",
        ),
    ),
    (
        "Budget",
        Life(
            name="as the program has it",
            inputs={
                "name": "sd-app-test",
                "budgetType": "COST",
                "timeUnit": "MONTHLY",
                "limitAmount": "300.00",
                "limitUnit": "USD",
                "costFilters": [{"name": "TagKeyValue", "values": ["user:Stack$test"]}],
                "notifications": [
                    {
                        "notificationType": kind,
                        "comparisonOperator": "GREATER_THAN",
                        "threshold": percent,
                        "thresholdType": "PERCENTAGE",
                        "subscriberSnsTopicArns": [TOPIC],
                    }
                    for kind, percent in (("ACTUAL", 80), ("FORECASTED", 100))
                ],
                **TAGS,
            },
            changes={"limitAmount": "500.00", "timePeriodStart": "2026-01-01_00:00", **NEW_TAGS},
            outputs={"accountId": ACCOUNT, "arn": f"arn:aws:budgets::{ACCOUNT}:budget/sd-app-test"},
            marks=frozenset({"notifications"}),
            tamper=lambda aws, id: aws.client("budgets").delete_notification(
                AccountId=ACCOUNT,
                BudgetName="sd-app-test",
                Notification={
                    "NotificationType": "ACTUAL",
                    "ComparisonOperator": "GREATER_THAN",
                    "Threshold": 80,
                    "ThresholdType": "PERCENTAGE",
                },
            ),
            seen="notifications",
        ),
    ),
)


@pytest.mark.parametrize(("name", "life"), LIVES, ids=[f"{name} {life.name}" for name, life in LIVES])
def test_a_resource_is_what_was_declared_from_creation_to_deletion(aws: Aws, name: str, life: Life) -> None:
    live(aws, TYPES[name], life)


def test_a_stopped_notebook_stays_stopped_over_an_update(aws: Aws) -> None:
    notebook, inputs = (
        TYPES["NotebookInstance"],
        {"name": "n", "roleArn": ROLE, "instanceType": "ml.g5.xlarge"},
    )
    notebook.create(aws, inputs)
    client = aws.client("sagemaker")
    client.stop_notebook_instance(NotebookInstanceName="n")
    found = notebook.read(aws, "n", inputs)
    assert found and notebook.update
    notebook.update(aws, "n", found, found | {"volumeSize": 50})
    shown = client.describe_notebook_instance(NotebookInstanceName="n")
    assert (shown["NotebookInstanceStatus"], shown["VolumeSizeInGB"]) == ("Stopped", 50)
    found = notebook.read(aws, "n", found)
    assert found and found["instanceType"] == "ml.g5.xlarge", "an untouched input is lost by the update"


def test_a_changed_tag_of_a_notebook_is_there_once(aws: Aws) -> None:
    notebook = TYPES["NotebookInstance"]
    inputs: Props = {"name": "t", "roleArn": ROLE, "instanceType": "ml.t3.medium", "tagsAll": {"Owner": "a"}}
    notebook.create(aws, inputs)
    found = notebook.read(aws, "t", inputs)
    assert found and notebook.update
    notebook.update(aws, "t", found, found | {"tagsAll": {"Owner": "b"}})
    tags = aws.client("sagemaker").list_tags(ResourceArn=found["arn"])["Tags"]
    assert tags == [{"Key": "Owner", "Value": "b"}]


def test_a_notebook_needs_its_lifecycle_configuration(aws: Aws) -> None:
    inputs = {"name": "x", "roleArn": ROLE, "instanceType": "ml.t3.medium", "lifecycleConfigName": "none"}
    with pytest.raises(ValueError, match="no lifecycle configuration none"):
        TYPES["NotebookInstance"].create(aws, inputs)


def test_a_lifecycle_script_over_the_limit_is_refused(aws: Aws) -> None:
    with pytest.raises(ValueError, match="16385 characters of base64; allowed: 16384"):
        TYPES["NotebookInstanceLifecycleConfiguration"].create(aws, {"name": "big", "onStart": "a" * 16385})


def test_a_topic_takes_its_subscriptions_along(aws: Aws) -> None:
    topic = TYPES["Topic"].create(aws, {"name": "short"})
    inputs = {"topic": topic, "protocol": "email", "endpoint": "a@studio.example"}
    subscription = TYPES["TopicSubscription"].create(aws, inputs)
    TYPES["Topic"].delete(aws, topic, {"name": "short"})
    assert TYPES["TopicSubscription"].read(aws, subscription, inputs) is None


def test_a_schedule_group_takes_its_schedules_along_and_is_not_taken_over(aws: Aws) -> None:
    group = TYPES["ScheduleGroup"]
    group.create(aws, {"name": "g"})
    schedule: Props = {
        "name": "s",
        "groupName": "g",
        "scheduleExpression": "rate(1 hour)",
        "flexibleTimeWindow": {"mode": "OFF"},
        "target": {"arn": "arn:aws:scheduler:::aws-sdk:ec2:stopInstances", "roleArn": ROLE},
    }
    id = TYPES["Schedule"].create(aws, schedule)
    with pytest.raises(ValueError, match="a group g exists already"):
        group.create(aws, {"name": "g"})
    group.delete(aws, "g", {"name": "g"})
    assert TYPES["Schedule"].read(aws, id, schedule) is None
    TYPES["Schedule"].delete(aws, id, schedule)


def test_a_budget_without_subscribers_is_refused_and_an_update_with_one_leaves_it_whole(aws: Aws) -> None:
    budget = TYPES["Budget"]
    inputs: Props = {
        "name": "b",
        "budgetType": "COST",
        "timeUnit": "MONTHLY",
        "limitAmount": "1",
        "limitUnit": "USD",
    }
    id = budget.create(aws, inputs)
    found = budget.read(aws, id, inputs)
    alert = {
        "notificationType": "ACTUAL",
        "comparisonOperator": "GREATER_THAN",
        "threshold": 80,
        "thresholdType": "PERCENTAGE",
    }
    assert found and budget.update
    with pytest.raises(ValueError, match="needs a subscriber"):
        budget.update(aws, id, found, found | {"notifications": [alert]})
    assert budget.read(aws, id, inputs) == found
