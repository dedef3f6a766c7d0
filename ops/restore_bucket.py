"""`ops restore bucket`: files as they were at a moment, from the versions that the bucket keeps."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal

from boto3.s3.transfer import TransferConfig

from ops.errors import BAD, OpsError
from ops.restore import must_be_wanted, told
from ops.show import as_json, console, counted, size, table
from ops.stack import Stack

ONE_COPY = 5 * 1024**3
"""S3 copies up to this at once (docs.aws.amazon.com/AmazonS3/latest/userguide/copy-object.html); more goes in parts."""
SHOWN = 40
"""Files listed one by one; of more, the rest is counted."""

Deed = Literal["bring back", "put in place", "newer stays", "changed meanwhile"]


@dataclass(frozen=True, kw_only=True)
class BucketArgs:
    """Which files, as of when; whether what was written since gives way; whether to look alone."""

    at: datetime
    prefix: str = ""
    replace_newer: bool = False
    dry_run: bool = False
    yes: bool = False


@dataclass(frozen=True, kw_only=True)
class Version:
    """An entry of an object's history, the newest first. A marker says that the object was deleted then."""

    id: str
    at: datetime
    marker: bool
    size: int
    latest: bool


@dataclass(frozen=True, kw_only=True)
class Step:
    """What happens to one file. `version` is what it was at the moment; `latest` what it was when we looked."""

    key: str
    deed: Deed
    version: str
    latest: str
    size: int
    markers: tuple[str, ...] = ()


def run(stack: Stack, args: BucketArgs, *, json: bool = False) -> int:
    """Show what would come back, ask, bring it back; exit status 1 when something changed meanwhile."""
    bucket = stack.output("bucketName")
    client = stack.client("s3")
    steps = [
        one for key, history in histories(client, bucket, args.prefix) if (one := step(key, history, args))
    ]
    todo = [one for one in steps if one.deed != "newer stays"]
    if todo and not args.dry_run:
        if not json:
            _show(bucket, args, steps)
        must_be_wanted(f"{counted(len(todo), 'file')} in s3://{bucket}/{args.prefix}", yes=args.yes)
        steps = [_do(client, bucket, one) if one in todo else one for one in steps]
    if json:
        as_json(
            {
                "bucket": bucket,
                "asOf": args.at,
                "dryRun": args.dry_run,
                "files": [asdict(one) for one in steps],
            }
        )
    else:
        _show(bucket, args, steps, done=bool(todo) and not args.dry_run)
    return BAD if any(one.deed == "changed meanwhile" for one in steps) else 0


def histories(client: Any, bucket: str, prefix: str) -> Iterator[tuple[str, list[Version]]]:
    """Each file with its history, the newest first."""
    found: dict[str, list[Version]] = {}
    versioning = client.get_bucket_versioning(Bucket=bucket).get("Status")
    if versioning != "Enabled":
        raise OpsError(f"s3://{bucket} keeps no versions: nothing can be brought back from it")
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        entries = [(one, False) for one in page.get("Versions", [])]
        entries += [(one, True) for one in page.get("DeleteMarkers", [])]
        for one, marker in entries:
            made = Version(
                id=one["VersionId"],
                at=one["LastModified"],
                marker=marker,
                size=one.get("Size", 0),
                latest=one["IsLatest"],
            )
            found.setdefault(one["Key"], []).append(made)
    for key, history in sorted(found.items()):
        yield key, _newest_first(history)


def _newest_first(history: Iterable[Version]) -> list[Version]:
    # S3's times are whole seconds. Of one second, the order of S3's own list holds, which is the newest first; a marker
    # comes in a list of its own, and stands before what it covers.
    return sorted(history, key=lambda one: (one.latest, one.at, one.marker), reverse=True)


def step(key: str, history: list[Version], args: BucketArgs) -> Step | None:
    """What is to be done about a file: None when it is as it was, or was not there."""
    then = next((one for one in history if one.at <= args.at), None)
    if then is None or then.marker:
        return None  # made after the moment: stays; or deleted before it: stays away
    latest = history[0]
    if latest.id == then.id:
        return None
    told: dict[str, Any] = {"key": key, "version": then.id, "latest": latest.id, "size": then.size}
    if not latest.marker:
        return Step(deed="put in place" if args.replace_newer else "newer stays", **told)
    newest = next(one for one in history if not one.marker)
    if newest.id != then.id:  # written anew after the moment, then deleted: both stay in the history
        return Step(deed="put in place", **told)
    above = tuple(one.id for one in history[: history.index(newest)])
    return Step(deed="bring back", markers=above, **told)


def _do(client: Any, bucket: str, one: Step) -> Step:
    """Do it, unless somebody wrote the file since we looked. What is there now becomes an old version; nothing is lost."""
    page = client.list_object_versions(Bucket=bucket, Prefix=one.key, MaxKeys=2)
    now = [
        e
        for e in (*page.get("Versions", []), *page.get("DeleteMarkers", []))
        if e["IsLatest"] and e["Key"] == one.key
    ]
    if [entry["VersionId"] for entry in now] != [one.latest]:
        return replace(one, deed="changed meanwhile")
    if one.deed == "bring back":
        for marker in one.markers:
            client.delete_object(Bucket=bucket, Key=one.key, VersionId=marker)
    else:
        _copy(client, bucket, one)
    return one


def _copy(client: Any, bucket: str, one: Step) -> None:
    source = {"Bucket": bucket, "Key": one.key, "VersionId": one.version}
    head = client.head_object(**source)
    # A copy in parts takes no metadata along by itself, and `models verify` needs the SHA-256 in it.
    kept = {"Metadata": head["Metadata"], "ContentType": head["ContentType"], "MetadataDirective": "REPLACE"}
    client.copy(
        source,
        bucket,
        one.key,
        ExtraArgs=kept,
        Config=TransferConfig(multipart_threshold=ONE_COPY, multipart_chunksize=1 << 30),
    )


def _show(bucket: str, args: BucketArgs, steps: list[Step], *, done: bool = False) -> None:
    out = console()
    where = f"s3://{bucket}/{args.prefix}"
    if not steps:
        out.print(f"{where} is as it was at {told(args.at)}, or newer; nothing to bring back")
        return
    if not done:
        rows = table("File", "Size then", "What happens")
        for one in steps[:SHOWN]:
            rows.add_row(one.key, size(one.size), one.deed)
        out.print(rows)
        if len(steps) > SHOWN:
            out.print(f"and {counted(len(steps) - SHOWN, 'file')} more (--json lists all)")
    counts = Counter(one.deed for one in steps)
    summary = ", ".join(f"{counted(count, 'file')} {deed}" for deed, count in counts.items())
    out.print(f"{'done: ' if done else ''}{where} as of {told(args.at)}: {summary}", soft_wrap=True)
    if counts["newer stays"]:
        out.print(
            "What was written since is kept; --replace-newer puts the old in place (the newer stays as a version).",
            soft_wrap=True,
        )
    if counts["changed meanwhile"]:
        out.print(
            "Somebody wrote files while this ran; they were left alone. Run it again to see them.",
            soft_wrap=True,
        )
