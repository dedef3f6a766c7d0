"""Where the stacks' state lies: a bucket that forgets nothing for a while, and a key for each stack's secrets."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from components.storage import tls_only_policy

OLD_VERSIONS_DAYS = 90
"""Replaced state is kept this long, so that one that was broken can be undone."""
UPLOADS_DAYS = 1
KEY_DELETION_DAYS = 30
"""AWS's longest wait: without the key the secrets in the state are lost."""


@dataclass(frozen=True, kw_only=True)
class StateArgs:
    """The bucket's name, and the stacks that have secrets."""

    bucket_name: str
    stacks: Sequence[str]


class State(pulumi.ComponentResource):
    """A bucket never public and never spoken to without TLS, and one key a stack, none of which an engine deletes."""

    bucket_name: pulumi.Output[str]
    key_arns: dict[str, pulumi.Output[str]]

    def __init__(self, name: str, args: StateArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("sd-app:bootstrap:State", name, None, opts)
        kept = pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True)
        bucket = aws.s3.Bucket(name, bucket=args.bucket_name, force_destroy=False, opts=kept)
        self._close(name, bucket)
        self.key_arns = {stack: self._create_key(name, stack) for stack in args.stacks}
        self.bucket_name = bucket.bucket
        self.register_outputs({"bucket_name": self.bucket_name, "key_arns": self.key_arns})

    def _close(self, name: str, bucket: aws.s3.Bucket) -> None:
        # A kept bucket keeps its locks.
        child = pulumi.ResourceOptions(parent=self, retain_on_delete=True)
        versioning = aws.s3.BucketVersioning(
            f"{name}-versioning",
            bucket=bucket.bucket,
            versioning_configuration={"status": "Enabled"},
            opts=child,
        )
        # S3's own key: what is secret in a state is encrypted by its stack's key before it comes here.
        aws.s3.BucketServerSideEncryptionConfiguration(
            f"{name}-encryption",
            bucket=bucket.bucket,
            rules=[{"apply_server_side_encryption_by_default": {"sse_algorithm": "AES256"}}],
            opts=child,
        )
        aws.s3.BucketOwnershipControls(
            f"{name}-ownership",
            bucket=bucket.bucket,
            rule={"object_ownership": "BucketOwnerEnforced"},
            opts=child,
        )
        block = aws.s3.BucketPublicAccessBlock(
            f"{name}-private",
            bucket=bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        aws.s3.BucketPolicy(
            f"{name}-tls-only",
            bucket=bucket.bucket,
            policy=tls_only_policy(bucket.arn),
            # S3 answers OperationAborted when both change the bucket's access at once.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True, depends_on=[block]),
        )
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=bucket.bucket,
            rules=[
                {
                    "id": "old-versions",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "noncurrent_version_expiration": {"noncurrent_days": OLD_VERSIONS_DAYS},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": UPLOADS_DAYS},
                }
            ],
            # The rule for old versions means nothing before versions are kept.
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True, depends_on=[versioning]),
        )

    def _create_key(self, name: str, stack: str) -> pulumi.Output[str]:
        """Who may use it is said by the roles' policies: AWS's own key policy hands that to IAM."""
        kept = pulumi.ResourceOptions(parent=self, protect=True, retain_on_delete=True)
        key = aws.kms.Key(
            f"{name}-{stack}",
            description=f"Secrets in the state of sd-app {stack}",
            enable_key_rotation=True,
            deletion_window_in_days=KEY_DELETION_DAYS,
            tags={"Stack": stack},
            opts=kept,
        )
        aws.kms.Alias(
            f"{name}-{stack}",
            name=f"alias/sd-app-{stack}",
            target_key_id=key.id,
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=True),
        )
        return key.arn
