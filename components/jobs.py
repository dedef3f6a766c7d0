"""The queues that drive the work and the table that tells the truth about it."""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

import contract
from setting_models import JobsSettings

DAY_SECONDS = 86_400
DEAD_LETTER_RETENTION_DAYS = 14
"""The most SQS allows: time for a person to look."""
RECEIVES_PER_ATTEMPT = 4
"""A message received is no attempt: it comes back when a worker ends, when its time of being unseen runs out, when AWS
delivers it twice. The worker counts attempts in the record and sends the dead letter itself, so SQS's own count is only
the net below it, wide enough never to take a job that still has attempts left."""


@dataclass(frozen=True, kw_only=True)
class JobsArgs:
    """Times and attempts of the queues; whether the table refuses deletion."""

    settings: JobsSettings
    protect_data: bool


class Jobs(pulumi.ComponentResource):
    """A queue for each kind of generation, one queue for the jobs given up on, and the table of generations.

    Encrypted at rest, TLS only. What no worker settles, however often it is received, moves to the dead-letter queue.
    """

    queue_urls: Mapping[str, pulumi.Output[str]]
    queue_arns: Mapping[str, pulumi.Output[str]]
    queue_names: Mapping[str, pulumi.Output[str]]
    dead_letter_queue_url: pulumi.Output[str]
    dead_letter_queue_arn: pulumi.Output[str]
    dead_letter_queue_name: pulumi.Output[str]
    table_name: pulumi.Output[str]
    table_arn: pulumi.Output[str]

    def __init__(self, name: str, args: JobsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("sd-app:jobs:Jobs", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        dead = aws.sqs.Queue(
            f"{name}-dead",
            message_retention_seconds=DEAD_LETTER_RETENTION_DAYS * DAY_SECONDS,
            sqs_managed_sse_enabled=True,
            opts=child,
        )
        queues = {
            kind: _create_queue(f"{name}-{kind}", args.settings, dead, child) for kind in contract.KINDS
        }
        aws.sqs.RedriveAllowPolicy(
            f"{name}-dead-sources",
            queue_url=dead.url,
            redrive_allow_policy=pulumi.Output.json_dumps(
                {"redrivePermission": "byQueue", "sourceQueueArns": [queue.arn for queue in queues.values()]}
            ),
            opts=child,
        )
        for role, queue in {**queues, "dead": dead}.items():
            aws.sqs.QueuePolicy(
                f"{name}-{role}-tls-only", queue_url=queue.url, policy=_tls_only(queue.arn), opts=child
            )
        table = _create_table(name, args, self)
        self.queue_urls = {kind: queue.url for kind, queue in queues.items()}
        self.queue_arns = {kind: queue.arn for kind, queue in queues.items()}
        self.queue_names = {kind: queue.name for kind, queue in queues.items()}
        self.dead_letter_queue_url, self.dead_letter_queue_arn = dead.url, dead.arn
        self.dead_letter_queue_name = dead.name
        self.table_name, self.table_arn = table.name, table.arn
        self.register_outputs(
            {
                "queue_urls": self.queue_urls,
                "queue_arns": self.queue_arns,
                "queue_names": self.queue_names,
                "dead_letter_queue_url": self.dead_letter_queue_url,
                "dead_letter_queue_arn": self.dead_letter_queue_arn,
                "dead_letter_queue_name": self.dead_letter_queue_name,
                "table_name": self.table_name,
                "table_arn": self.table_arn,
            }
        )


def _create_queue(
    name: str, settings: JobsSettings, dead: aws.sqs.Queue, opts: pulumi.ResourceOptions
) -> aws.sqs.Queue:
    return aws.sqs.Queue(
        name,
        visibility_timeout_seconds=settings.visibility_timeout_seconds,
        message_retention_seconds=settings.retention_days * DAY_SECONDS,
        receive_wait_time_seconds=20,  # long polling: the longest SQS allows, so idle workers cost next to nothing
        sqs_managed_sse_enabled=True,
        redrive_policy=pulumi.Output.json_dumps(
            {
                "deadLetterTargetArn": dead.arn,
                "maxReceiveCount": RECEIVES_PER_ATTEMPT * settings.max_attempts,
            }
        ),
        opts=opts,
    )


def _create_table(name: str, args: JobsArgs, parent: pulumi.Resource) -> aws.dynamodb.Table:
    """Item by `id`; a designer's own, newest first, by one index; the unfinished ones
    of a kind, oldest first, by the other; `expiresAt` (epoch seconds) lets items go."""
    return aws.dynamodb.Table(
        f"{name}-generations",
        billing_mode="PAY_PER_REQUEST",
        hash_key="id",
        attributes=[{"name": key, "type": "S"} for key in ("id", "owner", "queue", "createdAt")],
        global_secondary_indexes=[
            {
                "name": contract.GENERATIONS_OWNER_INDEX,
                "hash_key": "owner",
                "range_key": "createdAt",
                "projection_type": "ALL",
            },
            {
                "name": contract.GENERATIONS_QUEUE_INDEX,
                "hash_key": "queue",
                "range_key": "createdAt",
                "projection_type": "INCLUDE",
                "non_key_attributes": list(contract.GENERATIONS_QUEUE_INDEX_ATTRIBUTES),
            },
        ],
        ttl={"attribute_name": "expiresAt", "enabled": True},
        point_in_time_recovery={"enabled": args.settings.point_in_time_recovery},
        deletion_protection_enabled=args.protect_data,
        opts=pulumi.ResourceOptions(
            parent=parent, protect=args.protect_data, retain_on_delete=args.protect_data
        ),
    )


def _tls_only(queue_arn: pulumi.Output[str]) -> pulumi.Output[str]:
    return pulumi.Output.json_dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "TlsOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "sqs:*",
                    "Resource": queue_arn,
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ],
        }
    )
