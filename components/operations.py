"""Watching, money and office hours of one stack: who is told, of what, and when machines run."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

import contract
from components import alarms, dashboard
from components.machine_role import policy
from components.office_hours import OfficeHours, OfficeHoursArgs
from setting_models import OperationsSettings

CLOUDFRONT_REGION = "us-east-1"
"""CloudFront's metrics lie there alone, whatever the stack's Region; an alarm tells topics of its own Region only."""


@dataclass(frozen=True, kw_only=True)
class OperationsArgs:
    """What is watched and switched. The notebook's two are None when there is none."""

    stack: str
    settings: OperationsSettings
    region: str
    ml_server_instance_id: pulumi.Input[str]
    ml_server_instance_arn: pulumi.Input[str]
    backend_instance_id: pulumi.Input[str]
    backend_instance_arn: pulumi.Input[str]
    notebook_name: pulumi.Input[str] | None
    notebook_arn: pulumi.Input[str] | None
    distribution_id: pulumi.Input[str]
    queue_names: Mapping[str, pulumi.Input[str]]
    dead_letter_queue_name: pulumi.Input[str]
    table_name: pulumi.Input[str]


class Operations(pulumi.ComponentResource):
    """An e-mail for every alarm and its end, and before the month's budget is spent; one dashboard; machines that run
    in office hours alone where the settings say so."""

    topic_arn: pulumi.Output[str]
    dashboard_url: pulumi.Output[str]

    def __init__(self, name: str, args: OperationsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("sd-app:operations:Operations", name, None, opts)
        topic = self._create_topic(name, args, args.region)
        edge_topic = topic
        if args.region != CLOUDFRONT_REGION:
            edge_topic = self._create_topic(f"{name}-edge", args, CLOUDFRONT_REGION)
        for alarm in _alarms(args):
            edge = alarm.namespace == alarms.CLOUDFRONT
            self._create_alarm(
                name, alarm, edge_topic if edge else topic, CLOUDFRONT_REGION if edge else args.region
            )
        self._create_budget(name, args, topic)
        board = self._create_dashboard(name, args)
        OfficeHours(
            f"{name}-hours",
            OfficeHoursArgs(
                stack=args.stack,
                settings=args.settings,
                ml_server=(args.ml_server_instance_id, args.ml_server_instance_arn),
                backend=(args.backend_instance_id, args.backend_instance_arn),
                notebook=(args.notebook_name, args.notebook_arn)
                if args.notebook_name is not None and args.notebook_arn is not None
                else None,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        console = f"https://{args.region}.console.aws.amazon.com/cloudwatch/home?region={args.region}"
        self.topic_arn = topic.arn
        self.dashboard_url = pulumi.Output.concat(console, "#dashboards/dashboard/", board.dashboard_name)
        self.register_outputs({"topic_arn": self.topic_arn, "dashboard_url": self.dashboard_url})

    def _create_topic(self, name: str, args: OperationsArgs, region: str) -> aws.sns.Topic:
        """Not encrypted with a key: CloudWatch and Budgets can't use AWS's own SNS key, and one of ours would cost
        a dollar a month to hide sentences such as 'the disk is full'."""
        child = pulumi.ResourceOptions(parent=self)
        topic = aws.sns.Topic(f"{name}-alarms", region=region, opts=child)
        account = aws.get_caller_identity(opts=pulumi.InvokeOptions(parent=self)).account_id
        aws.sns.TopicPolicy(
            f"{name}-alarms",
            arn=topic.arn,
            policy=_topic_policy(topic.arn, account),
            region=region,
            opts=child,
        )
        for email in args.settings.alarm_emails:
            aws.sns.TopicSubscription(
                f"{name}-{email}",
                topic=topic.arn,
                protocol="email",
                endpoint=email,
                region=region,
                opts=child,
            )
        return topic

    def _create_alarm(self, name: str, alarm: alarms.Alarm, topic: aws.sns.Topic, region: str) -> None:
        aws.cloudwatch.MetricAlarm(
            f"{name}-{alarm.role}",
            alarm_description=alarm.told,
            namespace=alarm.namespace,
            metric_name=alarm.metric,
            dimensions=alarm.dimensions,
            statistic="Maximum" if alarm.peak else "Average",
            period=alarm.period_seconds,
            evaluation_periods=alarm.periods,
            comparison_operator="GreaterThanThreshold",
            threshold=alarm.threshold,
            # A machine that sleeps sends nothing, and that is no fault.
            treat_missing_data="notBreaching",
            alarm_actions=[topic.arn],
            ok_actions=[topic.arn],
            region=region,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _create_budget(self, name: str, args: OperationsArgs, topic: aws.sns.Topic) -> None:
        """Counts what carries the stack's tag, once `Stack` is activated as a cost allocation tag (README).
        Figures lag by hours: it tells, it stops nothing."""
        steps = (("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100))
        aws.budgets.Budget(
            name,
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=f"{args.settings.monthly_budget_usd:.2f}",
            limit_unit="USD",
            cost_filters=[{"name": "TagKeyValue", "values": [f"user:{contract.TAG_STACK}${args.stack}"]}],
            notifications=[
                {
                    "notification_type": kind,
                    "comparison_operator": "GREATER_THAN",
                    "threshold": percent,
                    "threshold_type": "PERCENTAGE",
                    "subscriber_sns_topic_arns": [topic.arn],
                }
                for kind, percent in steps
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _create_dashboard(self, name: str, args: OperationsArgs) -> aws.cloudwatch.Dashboard:
        watched = pulumi.Output.all(
            ml_server=args.ml_server_instance_id,
            backend=args.backend_instance_id,
            distribution=args.distribution_id,
            dead_letters=args.dead_letter_queue_name,
            table=args.table_name,
            **{f"queue_{kind}": queue for kind, queue in args.queue_names.items()},
        )
        return aws.cloudwatch.Dashboard(
            name,
            dashboard_name=name,
            dashboard_body=watched.apply(lambda known: dashboard.body(args.stack, args.region, known)),
            opts=pulumi.ResourceOptions(parent=self),
        )


def _topic_policy(topic_arn: pulumi.Input[str], account: str) -> pulumi.Output[str]:
    """CloudWatch and Budgets of this account may write; a topic's policy replaces AWS's default one."""
    return policy(
        {
            "Sid": "AlarmsAndBudget",
            "Effect": "Allow",
            "Principal": {"Service": ["cloudwatch.amazonaws.com", "budgets.amazonaws.com"]},
            "Action": "sns:Publish",
            "Resource": topic_arn,
            "Condition": {"StringEquals": {"aws:SourceAccount": account}},
        }
    )


def _alarms(args: OperationsArgs) -> list[alarms.Alarm]:
    return [
        *alarms.of_machine(contract.ML_SERVER, args.ml_server_instance_id, args.stack, args.settings),
        *alarms.of_machine(contract.BACKEND, args.backend_instance_id, args.stack, args.settings),
        alarms.of_gpu_memory(args.stack, args.settings),
        *(alarms.of_queue(kind, queue, args.settings) for kind, queue in args.queue_names.items()),
        alarms.of_dead_letters(args.dead_letter_queue_name),
        alarms.of_edge(args.distribution_id, args.settings),
    ]
