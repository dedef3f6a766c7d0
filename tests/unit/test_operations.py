"""Operations: who is told of what, and what runs when."""

import json
from typing import Any

from components.operations import Operations, OperationsArgs
from setting_models import OperationsSettings
from tests.unit.engine import Recording, deploy, policy_of

ML, BACKEND = "arn:aws:ec2:us-east-1:1:instance/i-ml", "arn:aws:ec2:us-east-1:1:instance/i-backend"
NOTEBOOK = "arn:aws:sagemaker:us-east-1:1:notebook-instance/notebook"
ALARM, SCHEDULE = "aws:cloudwatch/metricAlarm:MetricAlarm", "aws:scheduler/schedule:Schedule"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"


def operations(*, region: str = "us-east-1", notebook: bool = True, **settings: Any) -> Recording[Any]:
    return deploy(
        lambda: Operations(
            "ops",
            OperationsArgs(
                stack="dev",
                settings=OperationsSettings(**settings),
                region=region,
                ml_server_instance_id="i-ml",
                ml_server_instance_arn=ML,
                backend_instance_id="i-backend",
                backend_instance_arn=BACKEND,
                notebook_name="notebook" if notebook else None,
                notebook_arn=NOTEBOOK if notebook else None,
                distribution_id="E123",
                queue_names={"text": "text-queue", "sketch": "sketch-queue"},
                dead_letter_queue_name="dead-queue",
                table_name="generations",
            ),
        )
    )


def watched(made: Recording[Any]) -> dict[str, dict[str, Any]]:
    return {one.name.removeprefix("ops-"): one.inputs for one in made.of(ALARM)}


def test_everything_that_can_go_wrong_has_its_alarm() -> None:
    assert set(watched(operations())) == {
        *("ml-server-status", "ml-server-disk", "backend-status", "backend-disk", "gpu-memory"),
        *("text-queue-age", "sketch-queue-age", "dead-letters", "edge-errors"),
    }


def test_an_alarm_and_its_end_go_to_the_topic_and_a_sleeping_machine_is_no_alarm() -> None:
    made = operations()
    topic = made.only("aws:sns/topic:Topic").outputs["arn"]
    for name, alarm in watched(made).items():
        assert alarm["alarmActions"] == [topic] and alarm["okActions"] == [topic], name
        assert alarm["treatMissingData"] == "notBreaching", name
        assert alarm["alarmDescription"], name


def test_the_queues_age_alarm_is_in_seconds() -> None:
    alarm = watched(operations(queue_age_minutes=7))["text-queue-age"]
    assert (alarm["threshold"], alarm["dimensions"]) == (420, {"QueueName": "text-queue"})


def test_outside_us_east_1_the_edges_alarm_and_its_topic_lie_where_cloudfronts_metrics_are() -> None:
    made = operations(region="eu-west-1", alarm_emails=("a@example.com",))
    edge = made.named("ops-edge-errors")
    topics = {one.name: one for one in made.of("aws:sns/topic:Topic")}
    assert edge.inputs["region"] == "us-east-1"
    assert edge.inputs["alarmActions"] == [topics["ops-edge-alarms"].outputs["arn"]]
    assert topics["ops-edge-alarms"].inputs["region"] == "us-east-1"
    assert {one.inputs["region"] for one in made.of(SUBSCRIPTION)} == {"us-east-1", "eu-west-1"}
    assert made.named("ops-dead-letters").inputs["region"] == "eu-west-1"


def test_every_address_is_subscribed_and_only_this_accounts_alarms_and_budget_may_write() -> None:
    made = operations(alarm_emails=("a@example.com", "b@example.com"))
    assert {one["endpoint"] for one in made.inputs_of(SUBSCRIPTION)} == {"a@example.com", "b@example.com"}
    rule = policy_of(made.only("aws:sns/topicPolicy:TopicPolicy").inputs["policy"])["AlarmsAndBudget"]
    assert rule["Condition"] == {"StringEquals": {"aws:SourceAccount": "111111111111"}}


def test_the_budget_counts_the_stacks_own_tag_and_tells_before_the_money_is_spent() -> None:
    budget = operations(monthly_budget_usd=150).only("aws:budgets/budget:Budget").inputs
    assert (budget["limitAmount"], budget["limitUnit"], budget["timeUnit"]) == ("150.00", "USD", "MONTHLY")
    assert budget["costFilters"] == [{"name": "TagKeyValue", "values": ["user:Stack$dev"]}]
    told = {(n["notificationType"], n["threshold"]) for n in budget["notifications"]}
    assert told == {("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100)}


def test_a_schedule_names_its_machine_and_the_role_may_touch_no_other() -> None:
    made = operations(
        time_zone="Asia/Ho_Chi_Minh", ml_server_stop="cron(0 19 ? * * *)", notebook_stop="cron(0 20 ? * * *)"
    )
    rules = {one.name: one.inputs for one in made.of(SCHEDULE)}
    assert set(rules) == {"ops-hours-ml-server-stop", "ops-hours-notebook-stop"}
    stop = rules["ops-hours-ml-server-stop"]
    assert stop["scheduleExpressionTimezone"] == "Asia/Ho_Chi_Minh"
    assert stop["target"]["arn"] == "arn:aws:scheduler:::aws-sdk:ec2:stopInstances"
    assert json.loads(stop["target"]["input"]) == {"InstanceIds": ["i-ml"]}
    sleep = rules["ops-hours-notebook-stop"]["target"]
    assert json.loads(sleep["input"]) == {"NotebookInstanceName": "notebook"}
    rights = policy_of(made.only("aws:iam/rolePolicy:RolePolicy").inputs["policy"])
    granted = {(s["Action"][0], s["Resource"][0]) for s in rights.values()}
    assert granted == {("ec2:StopInstances", ML), ("sagemaker:StopNotebookInstance", NOTEBOOK)}


def test_without_schedules_or_without_the_notebook_nothing_is_made_for_them() -> None:
    assert not operations().of("aws:iam/role:Role"), "a role without a use is a risk without a use"
    made = operations(notebook=False, notebook_stop="cron(0 20 ? * * *)")
    assert not made.of(SCHEDULE)


def test_the_schedules_role_is_taken_by_the_stacks_own_group_alone() -> None:
    made = operations(backend_start="cron(0 8 ? * * *)", backend_stop="cron(0 20 ? * * *)")
    trust = policy_of(made.only("aws:iam/role:Role").inputs["assumeRolePolicy"])["OwnSchedulesOnly"]
    group = made.only("aws:scheduler/scheduleGroup:ScheduleGroup").outputs["arn"]
    assert trust["Condition"] == {"ArnLike": {"aws:SourceArn": group}}


def test_the_dashboard_shows_queues_machines_and_edge() -> None:
    body = operations().only("aws:cloudwatch/dashboard:Dashboard").inputs["dashboardBody"]
    metrics = json.dumps(json.loads(body))
    for name in (
        "text-queue",
        "sketch-queue",
        "dead-queue",
        "i-ml",
        "i-backend",
        "E123",
        "generations",
        "sd-app/dev",
    ):
        assert f'"{name}"' in metrics, f"{name} is on no chart"
