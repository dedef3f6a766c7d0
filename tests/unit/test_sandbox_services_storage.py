"""The sandbox's buckets and tables, each lived through on a real moto server."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from sandbox.aws import dynamodb, s3, s3_objects
from sandbox.aws.table import Aws, Props
from tests.unit.sandbox_life import NEW_TAGS, TAGS, Life, live, moto_server, policy, types_of

TYPES = types_of(dynamodb, s3, s3_objects)
TLS_ONLY = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "TlsOnly",
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": ["arn:aws:s3:::own", "arn:aws:s3:::own/*"],
                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
            }
        ],
    }
)


READERS = {
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
    "Action": "s3:GetObject",
    "Resource": "arn:aws:s3:::own/*",
}
WITH_READERS = json.dumps(
    {"Version": "2012-10-17", "Statement": [*json.loads(TLS_ONLY)["Statement"], READERS]}
)


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with moto_server(tmp_path_factory.mktemp("moto")) as cloud:
        cloud.client("s3").create_bucket(Bucket="own")
        yield cloud


LIVES: tuple[tuple[str, Life], ...] = (
    (
        "Bucket",
        Life(
            name="all",
            marks=frozenset({"forceDestroy"}),
            lost=frozenset({"forceDestroy"}),
            inputs={"bucket": "sd-app-test", "forceDestroy": False, **TAGS},
            changes={"forceDestroy": True, **NEW_TAGS},
            outputs={"arn": "arn:aws:s3:::sd-app-test", "region": "us-east-1"},
            tamper=lambda aws, id: aws.client("s3").delete_bucket_tagging(Bucket=id),
            seen="tagsAll",
        ),
    ),
    (
        "BucketObjectv2",
        Life(
            name="all",
            inputs={"bucket": "own", "key": "a/b.txt", "contentBase64": "b25l", "contentType": "text/plain"},
            changes={"contentBase64": "dHdv"},
            outputs={"etag": "f97c5d29941bfb1b2fdab0874906ab82"},
            tamper=lambda aws, id: aws.client("s3").put_object(Bucket="own", Key="a/b.txt", Body=b"other"),
            seen="etag",
        ),
    ),
    (
        "BucketVersioning",
        Life(
            name="all",
            inputs={"bucket": "own", "versioningConfiguration": {"status": "Enabled"}},
            tamper=lambda aws, id: aws.client("s3").put_bucket_versioning(
                Bucket=id, VersioningConfiguration={"Status": "Suspended"}
            ),
            seen="versioningConfiguration",
            leaves={"bucket": "own", "versioningConfiguration": {"status": "Suspended"}},
        ),
    ),
    (
        "BucketServerSideEncryptionConfiguration",
        Life(
            name="all",
            marks=frozenset({"rules"}),
            inputs={
                "bucket": "own",
                "rules": [{"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}],
            },
            changes={
                "rules": [
                    {
                        "applyServerSideEncryptionByDefault": {
                            "sseAlgorithm": "aws:kms",
                            "kmsMasterKeyId": "alias/own",
                        },
                        "bucketKeyEnabled": True,
                    }
                ]
            },
            tamper=lambda aws, id: aws.client("s3").put_bucket_encryption(
                Bucket=id,
                ServerSideEncryptionConfiguration={
                    "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
                },
            ),
            seen="rules",
        ),
    ),
    (
        "BucketOwnershipControls",
        Life(
            name="all",
            inputs={"bucket": "own", "rule": {"objectOwnership": "BucketOwnerEnforced"}},
            changes={"rule": {"objectOwnership": "BucketOwnerPreferred"}},
        ),
    ),
    (
        "BucketPublicAccessBlock",
        Life(
            name="all",
            inputs={
                "bucket": "own",
                "blockPublicAcls": True,
                "blockPublicPolicy": True,
                "ignorePublicAcls": True,
                "restrictPublicBuckets": True,
            },
            changes={"ignorePublicAcls": False},
            tamper=lambda aws, id: aws.client("s3").put_public_access_block(
                Bucket=id, PublicAccessBlockConfiguration={"BlockPublicAcls": False}
            ),
            seen="blockPublicAcls",
        ),
    ),
    (
        "BucketPolicy",
        Life(
            name="tls only",
            marks=frozenset({"policy"}),
            inputs={"bucket": "own", "policy": TLS_ONLY},
            changes={"policy": WITH_READERS},
            tamper=lambda aws, id: aws.client("s3").put_bucket_policy(
                Bucket=id, Policy=policy("s3:GetObject")
            ),
            seen="policy",
        ),
    ),
    (
        "BucketLifecycleConfiguration",
        Life(
            name="all",
            marks=frozenset({"rules"}),
            inputs={
                "bucket": "own",
                "rules": [
                    {
                        "id": "expire-outputs",
                        "status": "Enabled",
                        "filter": {"prefix": "outputs/"},
                        "expiration": {"days": 30},
                    },
                    {
                        "id": "old-versions",
                        "status": "Enabled",
                        "filter": {"prefix": ""},
                        "noncurrentVersionExpiration": {"noncurrentDays": 7},
                        "expiration": {"expiredObjectDeleteMarker": True},
                    },
                    {
                        "id": "broken-uploads",
                        "status": "Enabled",
                        "filter": {},
                        "abortIncompleteMultipartUpload": {"daysAfterInitiation": 2},
                    },
                ],
            },
            changes={
                "rules": [
                    {
                        "id": "tagged",
                        "status": "Enabled",
                        "filter": {"and": {"prefix": "a/", "tags": {"Kind": "old"}}},
                        "transitions": [{"days": 30, "storageClass": "STANDARD_IA"}],
                    }
                ]
            },
            tamper=lambda aws, id: aws.client("s3").put_bucket_lifecycle_configuration(
                Bucket=id,
                LifecycleConfiguration={
                    "Rules": [
                        {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
                    ]
                },
            ),
            seen="rules",
        ),
    ),
    (
        "BucketCorsConfiguration",
        Life(
            name="all",
            inputs={
                "bucket": "own",
                "corsRules": [
                    {
                        "allowedMethods": ["GET", "PUT"],
                        "allowedOrigins": ["https://a.example"],
                        "allowedHeaders": ["*"],
                        "maxAgeSeconds": 300,
                    }
                ],
            },
            changes={"corsRules": [{"allowedMethods": ["GET"], "allowedOrigins": ["https://b.example"]}]},
        ),
    ),
    (
        "Table",
        Life(
            name="as the program has it",
            marks=frozenset({"pointInTimeRecovery"}),
            inputs={
                "name": "generations",
                "billingMode": "PAY_PER_REQUEST",
                "hashKey": "id",
                "attributes": [{"name": key, "type": "S"} for key in ("id", "owner", "createdAt")],
                "globalSecondaryIndexes": [
                    {
                        "name": "byOwner",
                        "hashKey": "owner",
                        "rangeKey": "createdAt",
                        "projectionType": "ALL",
                    }
                ],
                "ttl": {"attributeName": "expiresAt", "enabled": True},
                "pointInTimeRecovery": {"enabled": False},
                "deletionProtectionEnabled": True,
                **TAGS,
            },
            changes={
                "attributes": [{"name": key, "type": "S"} for key in ("id", "kind")],
                "globalSecondaryIndexes": [
                    {
                        "name": "byKind",
                        "hashKey": "kind",
                        "projectionType": "INCLUDE",
                        "nonKeyAttributes": ["id"],
                    }
                ],
                "ttl": {"attributeName": "goesAt", "enabled": True},
                "pointInTimeRecovery": {"enabled": True},
                "deletionProtectionEnabled": False,
                **NEW_TAGS,
            },
            outputs={"arn": "arn:aws:dynamodb:us-east-1:123456789012:table/generations"},
            tamper=lambda aws, id: aws.client("dynamodb").update_continuous_backups(
                TableName=id, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
            ),
            seen="pointInTimeRecovery",
        ),
    ),
    (
        "Table",
        Life(
            name="with capacity and stream",
            marks=frozenset({"serverSideEncryption"}),
            inputs={
                "name": "counts",
                "billingMode": "PROVISIONED",
                "readCapacity": 2,
                "writeCapacity": 1,
                "hashKey": "id",
                "rangeKey": "day",
                "attributes": [{"name": "day", "type": "N"}, {"name": "id", "type": "S"}],
                "streamEnabled": True,
                "streamViewType": "NEW_IMAGE",
                "serverSideEncryption": {"enabled": True},
            },
            changes={"readCapacity": 3, "streamEnabled": False, "streamViewType": ""},
            outputs={"deletionProtectionEnabled": False},
            tamper=lambda aws, id: aws.client("dynamodb").update_table(
                TableName=id, ProvisionedThroughput={"ReadCapacityUnits": 9, "WriteCapacityUnits": 1}
            ),
            seen="readCapacity",
        ),
    ),
)


@pytest.mark.parametrize(("name", "life"), LIVES, ids=[f"{name} {life.name}" for name, life in LIVES])
def test_a_resource_is_what_was_declared_from_creation_to_deletion(aws: Aws, name: str, life: Life) -> None:
    live(aws, TYPES[name], life)


def test_a_full_bucket_is_deleted_by_force_only(aws: Aws) -> None:
    bucket, inputs = TYPES["Bucket"], {"bucket": "full", "forceDestroy": False}
    bucket.create(aws, inputs)
    client = aws.client("s3")
    client.put_bucket_versioning(Bucket="full", VersioningConfiguration={"Status": "Enabled"})
    for body in (b"old", b"new"):
        client.put_object(Bucket="full", Key="outputs/a.png", Body=body)
    client.create_multipart_upload(Bucket="full", Key="models/half")
    client.delete_object(Bucket="full", Key="outputs/a.png")  # a marker hides the versions
    with pytest.raises(ValueError, match="full is not empty"):
        bucket.delete(aws, "full", inputs)
    assert bucket.read(aws, "full", inputs) is not None, "the refused bucket must stay"
    bucket.delete(aws, "full", inputs | {"forceDestroy": True})
    assert bucket.read(aws, "full", inputs) is None


def test_a_bucket_of_another_is_not_taken_over(aws: Aws) -> None:
    with pytest.raises(ValueError, match="a bucket named own exists already"):
        TYPES["Bucket"].create(aws, {"bucket": "own"})


def test_a_bucket_stays_usable_under_the_tls_only_policy(aws: Aws) -> None:
    aws.client("s3").create_bucket(Bucket="tls")
    TYPES["BucketPolicy"].create(aws, {"bucket": "tls", "policy": TLS_ONLY.replace("own", "tls")})
    aws.client("s3").put_object(Bucket="tls", Key="a", Body=b"a")
    assert aws.client("s3").get_object(Bucket="tls", Key="a")["Body"].read() == b"a"


def test_a_bucket_lies_in_its_region(aws: Aws) -> None:
    abroad = aws.within("eu-west-1")
    TYPES["Bucket"].create(abroad, {"bucket": "abroad"})
    found = TYPES["Bucket"].read(abroad, "abroad", {})
    assert found and found["bucketRegionalDomainName"] == "abroad.s3.eu-west-1.amazonaws.com"


def test_a_protected_table_refuses_deletion(aws: Aws) -> None:
    table = TYPES["Table"]
    inputs: Props = {
        "name": "kept",
        "billingMode": "PAY_PER_REQUEST",
        "hashKey": "id",
        "attributes": [{"name": "id", "type": "S"}],
        "deletionProtectionEnabled": True,
    }
    table.create(aws, inputs)
    with pytest.raises(Exception, match="DeletionProtectionEnabled"):
        table.delete(aws, "kept", inputs)
    assert table.read(aws, "kept", inputs) is not None


def test_an_input_nobody_handles_is_refused_before_anything_is_made(aws: Aws) -> None:
    with pytest.raises(ValueError, match="acl"):
        TYPES["Bucket"].create(aws, {"bucket": "with-acl", "acl": "public-read"})
    assert TYPES["Bucket"].read(aws, "with-acl", {}) is None
