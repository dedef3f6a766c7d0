"""Files come back from the bucket's versions as they were at a moment; what is newer stays unless it is said otherwise.

moto keeps versions and delete markers as S3 does; what it can't show: copies of more than 5 GiB, lifecycle rules at work.
"""

import io
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ops import cli, restore_bucket
from ops.restore import moment
from ops.restore_bucket import BucketArgs, Version, step
from tests.unit.ops_cloud import BUCKET, STACK, Cloud, cloud_for_ops

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
KEY = "loras/Indochine.safetensors"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with cloud_for_ops(monkeypatch) as made:
        made.make_bucket()
        made.put_outputs({"bucketName": BUCKET})
        yield made


def put(cloud: Cloud, body: bytes, key: str = KEY) -> str:
    made = cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body, Metadata={"sha256": body.hex()})
    return str(made["VersionId"])


def delete(cloud: Cloud, key: str = KEY) -> None:
    cloud.client("s3").delete_object(Bucket=BUCKET, Key=key)


def read(cloud: Cloud, key: str = KEY) -> bytes:
    return bytes(cloud.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read())


def keys(cloud: Cloud) -> list[str]:
    return [one["Key"] for one in cloud.client("s3").list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def age(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, **hours: float) -> None:
    """Make versions as old as told, by id: moto's own times are of this second."""
    real = restore_bucket.histories

    def histories(client: Any, bucket: str, prefix: str) -> Iterator[tuple[str, list[Version]]]:
        for key, history in real(client, bucket, prefix):
            aged = [
                restore_bucket.replace(one, at=datetime.now(UTC) - timedelta(hours=hours.get(one.id, 0)))
                for one in history
            ]
            yield key, aged

    monkeypatch.setattr(restore_bucket, "histories", histories)


def restore(*words: str) -> int:
    return cli.main(["--stack", STACK, "restore", "bucket", "--as-of", "2h", *words])


def test_what_was_deleted_comes_back_with_all_that_belongs_to_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = put(cloud, b"style")
    delete(cloud)
    age(cloud, monkeypatch, **{old: 3})
    assert restore("--yes") == 0
    head = cloud.client("s3").head_object(Bucket=BUCKET, Key=KEY)
    assert (read(cloud), head["Metadata"]) == (b"style", {"sha256": b"style".hex()})
    assert "1 file bring back" in capsys.readouterr().out


def test_deleted_twice_it_comes_back_all_the_same(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    old = put(cloud, b"style")
    delete(cloud)
    delete(cloud)
    age(cloud, monkeypatch, **{old: 3})
    assert restore("--yes") == 0
    assert read(cloud) == b"style"


def test_a_dry_run_writes_nothing_and_tells_each_file(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = put(cloud, b"style")
    delete(cloud)
    age(cloud, monkeypatch, **{old: 3})
    cloud.requests.clear()
    assert restore("--dry-run") == 0
    assert not [one for one in cloud.requests if BUCKET in one and not one.startswith("GET")]
    told = capsys.readouterr().out
    assert KEY in told and "bring back" in told


def test_what_is_newer_stays_and_is_told_of(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = put(cloud, b"old"), put(cloud, b"new")
    age(cloud, monkeypatch, **{old: 3, new: 1})
    assert restore("--yes") == 0
    assert read(cloud) == b"new"
    assert "--replace-newer" in capsys.readouterr().out


def test_when_it_is_said_the_old_takes_the_place_and_the_newer_stays_a_version(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = put(cloud, b"old"), put(cloud, b"new")
    age(cloud, monkeypatch, **{old: 3, new: 1})
    assert restore("--yes", "--replace-newer") == 0
    assert read(cloud) == b"old"
    assert cloud.client("s3").head_object(Bucket=BUCKET, Key=KEY)["Metadata"] == {"sha256": b"old".hex()}
    kept = cloud.client("s3").get_object(Bucket=BUCKET, Key=KEY, VersionId=new)["Body"].read()
    assert kept == b"new"


def test_only_the_prefix_is_looked_at(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = {put(cloud, b"x", key): 3 for key in ("loras/a", "outputs/b")}
    for key in ("loras/a", "outputs/b"):
        delete(cloud, key)
    age(cloud, monkeypatch, **ids)
    assert restore("--yes", "--prefix", "loras/") == 0
    assert keys(cloud) == ["loras/a"]


def test_what_somebody_writes_meanwhile_is_left_alone(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = put(cloud, b"style")
    delete(cloud)
    age(cloud, monkeypatch, **{old: 3})

    def asked(what: str, *, yes: bool) -> None:
        put(cloud, b"newest")

    monkeypatch.setattr(restore_bucket, "must_be_wanted", asked)
    assert restore() == 1, "the exit status tells that it is not as it was"
    assert read(cloud) == b"newest"
    assert "changed meanwhile" in capsys.readouterr().out


def test_without_somebody_to_ask_nothing_is_written(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = put(cloud, b"style")
    delete(cloud)
    age(cloud, monkeypatch, **{old: 3})
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert restore() == 2
    assert keys(cloud) == []
    assert "--dry-run" in capsys.readouterr().err


def test_a_bucket_without_versions_is_told(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Suspended"})
    assert restore("--dry-run") == 2
    assert "keeps no versions" in capsys.readouterr().err


def test_json_lists_every_file(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    old = put(cloud, b"style")
    delete(cloud)
    age(cloud, monkeypatch, **{old: 3})
    assert restore("--dry-run", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [(one["key"], one["deed"]) for one in told["files"]] == [(KEY, "bring back")]


def version(id: str, hours: float, *, marker: bool = False, latest: bool = False) -> Version:
    return Version(id=id, at=NOW - timedelta(hours=hours), marker=marker, size=1, latest=latest)


@pytest.mark.parametrize(
    ("history", "deed"),
    [
        ([version("a", 3, latest=True)], None),  # as it was
        ([version("a", 1, latest=True)], None),  # made after the moment
        ([version("m", 3, marker=True, latest=True), version("a", 4)], None),  # was deleted before it
        ([version("m", 1, marker=True, latest=True), version("a", 3)], "bring back"),
        ([version("b", 1, latest=True), version("a", 3)], "newer stays"),
        ([version("m", 0.5, marker=True, latest=True), version("b", 1), version("a", 3)], "put in place"),
        ([version("b", 1, latest=True), version("m", 3, marker=True), version("a", 4)], None),
    ],
)
def test_what_happens_to_a_file_follows_from_its_history(history: list[Version], deed: str | None) -> None:
    found = step("key", history, BucketArgs(at=NOW - timedelta(hours=2)))
    assert (found.deed if found else None) == deed


def test_a_moment_is_told_in_words_or_by_the_clock() -> None:
    assert moment("2h", NOW) == NOW - timedelta(hours=2)
    assert moment("2026-11-28T13:00+07:00", NOW) == datetime(2026, 11, 28, 6, 0, tzinfo=UTC)
    assert moment("2026-11-28T06:00", NOW) == datetime(2026, 11, 28, 6, 0, tzinfo=UTC)
    for wrong in ("yesterday", "2026-11-29", ""):
        with pytest.raises(ValueError):
            moment(wrong, NOW)
