"""The bucket is private, TLS only, tidy, and as hard to lose as its setting says."""

import json
from typing import Any

import pytest

from components.storage import Storage, StorageArgs
from setting_models import StorageSettings
from tests.unit.engine import Recording, deploy

NAME = "sd-app-s3-dev"


def storage(**settings: Any) -> Recording[Storage]:
    args = StorageArgs(settings=StorageSettings(bucket_name=NAME, **settings))
    return deploy(lambda: Storage("st", args))


def rules(**settings: Any) -> dict[str, dict[str, Any]]:
    configuration = storage(**settings).only(
        "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
    )
    return {rule["id"]: rule for rule in configuration.inputs["rules"]}


def test_the_bucket_has_the_name_of_the_setting() -> None:
    recording = storage()
    assert recording.only("aws:s3/bucket:Bucket").inputs["bucket"] == NAME
    assert recording.registered["st"] == {"bucket_name": NAME, "bucket_arn": f"arn:aws:s3:::{NAME}"}


def test_every_way_to_the_public_is_blocked() -> None:
    block = storage().only("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock").inputs
    assert {key: value for key, value in block.items() if key != "bucket"} == {
        "blockPublicAcls": True,
        "blockPublicPolicy": True,
        "ignorePublicAcls": True,
        "restrictPublicBuckets": True,
    }
    ownership = storage().only("aws:s3/bucketOwnershipControls:BucketOwnershipControls").inputs
    assert ownership["rule"] == {"objectOwnership": "BucketOwnerEnforced"}, "access lists work again"


def test_objects_are_encrypted_and_versioned() -> None:
    recording = storage()
    [rule] = recording.only(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    ).inputs["rules"]
    assert rule["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}
    versioning = recording.only("aws:s3/bucketVersioning:BucketVersioning").inputs
    assert versioning["versioningConfiguration"] == {"status": "Enabled"}


def test_nobody_speaks_to_it_without_tls_1_2() -> None:
    policy = storage().only("aws:s3/bucketPolicy:BucketPolicy")
    plain, old = json.loads(policy.inputs["policy"])["Statement"]
    for statement in (plain, old):
        assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
        assert statement["Resource"] == [f"arn:aws:s3:::{NAME}", f"arn:aws:s3:::{NAME}/*"], "objects slip by"
    assert plain["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert old["Condition"] == {"NumericLessThan": {"s3:TlsVersion": "1.2"}}
    assert "st-private" in policy.depends_on, "S3 refuses both changes at once"


def test_only_pictures_expire() -> None:
    found = rules(outputs_retention_days=30)
    assert found["expire-outputs"]["filter"] == {"prefix": "outputs/"}
    assert found["expire-outputs"]["expiration"] == {"days": 30}
    deleting = {name for name, rule in found.items() if "days" in rule.get("expiration", {})}
    assert deleting == {"expire-outputs"}, "models, styles or data sets would be deleted by time"


def test_old_versions_and_broken_uploads_go_everywhere() -> None:
    found = rules(old_version_retention_days=9, abort_upload_days=2)
    assert found["old-versions"]["noncurrentVersionExpiration"] == {"noncurrentDays": 9}
    assert found["old-versions"]["expiration"] == {"expiredObjectDeleteMarker": True}
    assert found["broken-uploads"]["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 2}
    assert {found[name]["filter"]["prefix"] for name in ("old-versions", "broken-uploads")} == {""}
    assert {rule["status"] for rule in found.values()} == {"Enabled"}


def test_rules_for_old_versions_wait_for_versioning() -> None:
    one = storage().only("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration")
    assert "st-versioning" in one.depends_on


@pytest.mark.parametrize("protected", [True, False])
def test_protected_data_refuses_deletion_and_stays_locked_when_kept(protected: bool) -> None:
    recording = storage(protect_data=protected, force_destroy=not protected)
    bucket, *settings = [one for one in recording.all if one.token.startswith("aws:s3/")]
    assert (bucket.protect, bucket.retain_on_delete) == (protected, protected)
    assert bucket.inputs["forceDestroy"] is not protected
    assert {one.retain_on_delete for one in settings} == {protected}, "a kept bucket would lose its locks"
