"""The stack's bucket: models, styles, data sets and pictures."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

import contract
from setting_models import StorageSettings


@dataclass(frozen=True, kw_only=True)
class StorageArgs:
    """The bucket's name, retention and protection."""

    settings: StorageSettings


class Storage(pulumi.ComponentResource):
    """A bucket that is never public, never spoken to without TLS, and keeps replaced objects for a while.

    With `protectData` it refuses deletion and outlives the stack.
    """

    bucket_name: pulumi.Output[str]
    bucket_arn: pulumi.Output[str]

    def __init__(self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("sd-app:storage:Storage", name, None, opts)
        keep = args.settings.protect_data
        # A kept bucket keeps its locks: without them it would stay, but open to what they close.
        child = pulumi.ResourceOptions(parent=self, retain_on_delete=keep)
        bucket = aws.s3.Bucket(
            name,
            bucket=args.settings.bucket_name,
            force_destroy=args.settings.force_destroy,
            opts=pulumi.ResourceOptions(parent=self, protect=keep, retain_on_delete=keep),
        )
        versioning = aws.s3.BucketVersioning(
            f"{name}-versioning",
            bucket=bucket.bucket,
            versioning_configuration={"status": "Enabled"},
            opts=child,
        )
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
            opts=pulumi.ResourceOptions(parent=self, retain_on_delete=keep, depends_on=[block]),
        )
        self._create_lifecycle(name, args.settings, bucket, versioning)
        self.bucket_name = bucket.bucket
        self.bucket_arn = bucket.arn
        self.register_outputs({"bucket_name": self.bucket_name, "bucket_arn": self.bucket_arn})

    def _create_lifecycle(
        self, name: str, settings: StorageSettings, bucket: aws.s3.Bucket, versioning: aws.s3.BucketVersioning
    ) -> None:
        """Old pictures, old versions and broken uploads go by themselves."""
        aws.s3.BucketLifecycleConfiguration(
            f"{name}-lifecycle",
            bucket=bucket.bucket,
            rules=[
                {
                    "id": "expire-outputs",
                    "status": "Enabled",
                    "filter": {"prefix": contract.OUTPUTS_PREFIX},
                    "expiration": {"days": settings.outputs_retention_days},
                },
                {
                    "id": "old-versions",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "noncurrent_version_expiration": {"noncurrent_days": settings.old_version_retention_days},
                    "expiration": {"expired_object_delete_marker": True},
                },
                {
                    "id": "broken-uploads",
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "abort_incomplete_multipart_upload": {
                        "days_after_initiation": settings.abort_upload_days
                    },
                },
            ],
            # Rules for old versions are refused before versioning is on.
            opts=pulumi.ResourceOptions(
                parent=self, retain_on_delete=settings.protect_data, depends_on=[versioning]
            ),
        )


def tls_only_policy(bucket_arn: pulumi.Input[str]) -> pulumi.Output[str]:
    """Bucket policy that refuses requests without TLS, or with TLS older than 1.2."""
    resources = [bucket_arn, pulumi.Output.concat(bucket_arn, "/*")]
    everyone = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": resources}
    return pulumi.Output.json_dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {**everyone, "Sid": "TlsOnly", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
                {**everyone, "Sid": "Tls12", "Condition": {"NumericLessThan": {"s3:TlsVersion": "1.2"}}},
            ],
        }
    )
