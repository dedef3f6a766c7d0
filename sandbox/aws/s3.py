"""S3 buckets, and the settings of a bucket that are resources of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

from sandbox.aws.faithful import faithful, found_or_none, inward, outward, tag_list, tag_map
from sandbox.aws.table import Aws, Props, ResourceType

HOSTED_ZONES = {"us-east-1": "Z3AQBSTGFYJSTF"}
"""Route 53 zone of the bucket website endpoint (docs.aws.amazon.com/general/latest/gr/s3.html)."""
BATCH = 1000
"""Objects in one DeleteObjects call, at most."""


def _create_bucket(aws: Aws, inputs: Props) -> str:
    name = inputs["bucket"]
    # In us-east-1 S3 says 200 to the owner who creates a bucket again: one stack would take over another's.
    if found_or_none(aws.client("s3").head_bucket, Bucket=name) is not None:
        raise ValueError(f"aws:s3/bucket:Bucket: a bucket named {name} exists already; choose another name")
    options: Props = {"ObjectLockEnabledForBucket": True} if inputs.get("objectLockEnabled") else {}
    if aws.region != "us-east-1":
        options["CreateBucketConfiguration"] = {"LocationConstraint": aws.region}
    aws.client("s3").create_bucket(Bucket=name, **options)
    return name


def _tag_bucket(aws: Aws, id: str, props: Props) -> None:
    """PutBucketTagging replaces all tags."""
    if tags := props.get("tagsAll"):
        aws.client("s3").put_bucket_tagging(Bucket=id, Tagging={"TagSet": tag_list(tags)})
    else:
        aws.client("s3").delete_bucket_tagging(Bucket=id)


def _read_bucket(aws: Aws, id: str, last: Props) -> Props | None:
    s3 = aws.client("s3")
    if found_or_none(s3.head_bucket, Bucket=id) is None:
        return None
    region = s3.get_bucket_location(Bucket=id).get("LocationConstraint") or "us-east-1"
    tags: Props = found_or_none(s3.get_bucket_tagging, Bucket=id) or {}
    lock: Props = found_or_none(s3.get_object_lock_configuration, Bucket=id) or {}
    return {
        "arn": f"arn:aws:s3:::{id}",
        "bucket": id,
        "bucketDomainName": f"{id}.s3.amazonaws.com",
        "bucketRegion": region,
        "bucketRegionalDomainName": f"{id}.s3.{region}.amazonaws.com",
        **({"hostedZoneId": HOSTED_ZONES[region]} if region in HOSTED_ZONES else {}),
        "objectLockEnabled": lock.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled",
        "region": region,
        "requestPayer": "BucketOwner",
        "tagsAll": tag_map(tags.get("TagSet")),
    }


def _update_bucket(aws: Aws, id: str, old: Props, new: Props) -> None:
    if old.get("tagsAll") != new.get("tagsAll"):
        _tag_bucket(aws, id, new)


def _versions(s3: Any, bucket: str) -> Iterator[dict[str, str]]:
    """Every version and delete marker of a bucket."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for entry in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]:
            yield {"Key": entry["Key"], "VersionId": entry["VersionId"]}


def _empty(s3: Any, bucket: str) -> None:
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", ()):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    versions = list(_versions(s3, bucket))
    for start in range(0, len(versions), BATCH):
        s3.delete_objects(Bucket=bucket, Delete={"Objects": versions[start : start + BATCH], "Quiet": True})


def _delete_bucket(aws: Aws, id: str, last: Props) -> None:
    s3 = aws.client("s3")
    if last.get("forceDestroy"):
        _empty(s3, id)
    elif next(_versions(s3, id), None):
        # moto looks at the newest versions alone; S3 refuses while any version is left.
        raise ValueError(
            f"aws:s3/bucket:Bucket: {id} is not empty; empty it, or set forceDestroy and update first"
        )
    s3.delete_bucket(Bucket=id)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A sub-resource of a bucket: its id is the bucket's name; put again to update."""

    token: str
    takes: str
    put: Callable[[Any, str, Props], Any]
    get: Callable[[Any, str], Props | None]
    remove: Callable[[Any, str], Any]


def _setting_type(setting: Setting) -> ResourceType:
    def create(aws: Aws, inputs: Props) -> str:
        setting.put(aws.client("s3"), inputs["bucket"], inputs)
        return inputs["bucket"]

    def read(aws: Aws, id: str, last: Props) -> Props | None:
        found = found_or_none(setting.get, s3=aws.client("s3"), bucket=id)
        return None if found is None else {"bucket": id, **found}

    def update(aws: Aws, id: str, old: Props, new: Props) -> None:
        setting.put(aws.client("s3"), id, new)

    def delete(aws: Aws, id: str, last: Props) -> None:
        setting.remove(aws.client("s3"), id)

    base = ResourceType(
        token=setting.token,
        create=create,
        read=read,
        update=update,
        delete=delete,
        immutable=frozenset({"bucket"}),
    )
    return faithful(base, takes=f"bucket {setting.takes}")


MFA_NAMES = {"mfaDelete": "MFADelete"}


def _get_versioning(s3: Any, bucket: str) -> Props | None:
    found = s3.get_bucket_versioning(Bucket=bucket)
    shown = {key: found[key] for key in ("Status", "MFADelete") if key in found}
    return {"versioningConfiguration": inward(shown, MFA_NAMES)} if "Status" in shown else None


def _put_versioning(s3: Any, bucket: str, props: Props) -> None:
    wanted = outward(props["versioningConfiguration"], MFA_NAMES)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=wanted)


SSE_NAMES = {"sseAlgorithm": "SSEAlgorithm", "kmsMasterKeyId": "KMSMasterKeyID"}


def _put_encryption(s3: Any, bucket: str, props: Props) -> None:
    rules = outward(props["rules"], SSE_NAMES)
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": rules})


def _get_encryption(s3: Any, bucket: str) -> Props:
    found = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
    return {"rules": inward(found["Rules"], SSE_NAMES)}


def _get_ownership(s3: Any, bucket: str) -> Props:
    return {"rule": inward(s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"][0])}


BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def _put_block(s3: Any, bucket: str, props: Props) -> None:
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration=outward({key: props.get(key, False) for key in BLOCKS}),
    )


def _get_block(s3: Any, bucket: str) -> Props:
    return inward(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"])


def enforceable(policy: str) -> str:
    """A bucket policy without the denials that depend on a condition.

    moto looks at no condition, so that `Deny everything without TLS` would deny everything; and the emulator, which
    speaks plain HTTP on this machine alone, could not even satisfy it.
    """
    document: Props = json.loads(policy)
    listed: Any = document.get("Statement", [])
    statements = cast(list[Props], listed if isinstance(listed, list) else [listed])
    document["Statement"] = [
        one for one in statements if not (one.get("Effect") == "Deny" and one.get("Condition"))
    ]
    return json.dumps(document)


def _put_policy(s3: Any, bucket: str, props: Props) -> None:
    s3.put_bucket_policy(Bucket=bucket, Policy=enforceable(props["policy"]))


LIFECYCLE_NAMES = {
    "id": "ID",
    "transitions": "Transitions",
    "noncurrentVersionTransitions": "NoncurrentVersionTransitions",
}


def _put_lifecycle(s3: Any, bucket: str, props: Props) -> None:
    rules: list[Props] = outward(props["rules"], LIFECYCLE_NAMES)
    for rule in rules:
        if tags := rule.get("Filter", {}).get("And", {}).get("Tags"):
            rule["Filter"]["And"]["Tags"] = tag_list(tags)
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})


def _get_lifecycle(s3: Any, bucket: str) -> Props:
    rules = inward(s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"], LIFECYCLE_NAMES)
    return {"rules": rules, "transitionDefaultMinimumObjectSize": "all_storage_classes_128K"}


CORS_NAMES = {"id": "ID"}


def _put_cors(s3: Any, bucket: str, props: Props) -> None:
    s3.put_bucket_cors(
        Bucket=bucket, CORSConfiguration={"CORSRules": outward(props["corsRules"], CORS_NAMES)}
    )


SETTINGS = (
    Setting(
        token="aws:s3/bucketVersioning:BucketVersioning",
        takes="versioningConfiguration",
        put=_put_versioning,
        get=_get_versioning,
        # Versioning can't be taken back, only paused; the official provider does the same.
        remove=lambda s3, bucket: s3.put_bucket_versioning(
            Bucket=bucket, VersioningConfiguration={"Status": "Suspended"}
        ),
    ),
    Setting(
        token="aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration",
        takes="rules",
        put=_put_encryption,
        get=_get_encryption,
        remove=lambda s3, bucket: s3.delete_bucket_encryption(Bucket=bucket),
    ),
    Setting(
        token="aws:s3/bucketOwnershipControls:BucketOwnershipControls",
        takes="rule",
        put=lambda s3, bucket, props: s3.put_bucket_ownership_controls(
            Bucket=bucket, OwnershipControls={"Rules": [outward(props["rule"])]}
        ),
        get=_get_ownership,
        remove=lambda s3, bucket: s3.delete_bucket_ownership_controls(Bucket=bucket),
    ),
    Setting(
        token="aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        takes=" ".join(BLOCKS),
        put=_put_block,
        get=_get_block,
        remove=lambda s3, bucket: s3.delete_public_access_block(Bucket=bucket),
    ),
    Setting(
        token="aws:s3/bucketPolicy:BucketPolicy",
        takes="policy",
        put=_put_policy,
        get=lambda s3, bucket: {"policy": s3.get_bucket_policy(Bucket=bucket)["Policy"]},
        remove=lambda s3, bucket: s3.delete_bucket_policy(Bucket=bucket),
    ),
    Setting(
        token="aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration",
        takes="rules",
        put=_put_lifecycle,
        get=_get_lifecycle,
        remove=lambda s3, bucket: s3.delete_bucket_lifecycle(Bucket=bucket),
    ),
    Setting(
        token="aws:s3/bucketCorsConfiguration:BucketCorsConfiguration",
        takes="corsRules",
        put=_put_cors,
        get=lambda s3, bucket: {
            "corsRules": inward(s3.get_bucket_cors(Bucket=bucket)["CORSRules"], CORS_NAMES)
        },
        remove=lambda s3, bucket: s3.delete_bucket_cors(Bucket=bucket),
    ),
)

RESOURCES = (
    faithful(
        ResourceType(
            token="aws:s3/bucket:Bucket",
            create=_create_bucket,
            read=_read_bucket,
            update=_update_bucket,
            delete=_delete_bucket,
            immutable=frozenset({"bucket", "objectLockEnabled", "region"}),
            autoname="bucket",
            autoname_max=63,
        ),
        takes="bucket objectLockEnabled",
        keeps={"forceDestroy": False},
        finish=_tag_bucket,
    ),
    *(_setting_type(setting) for setting in SETTINGS),
)
