"""Generations come back from a table that AWS restored beside the stack's; what is newer stays unless it is said otherwise.

moto's point-in-time recovery copies the table as it is now, at once, whatever the moment asked for: that the moment is
kept, and how long it takes, only AWS shows.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import time
from typing import Any

import pytest

from ops import cli, restore_table
from ops.errors import OpsError
from tests.unit.ops_cloud import STACK, Cloud, cloud_for_ops

LIVE, SIDE = "sd-app-dev-jobs-generations", "restored-by-hand"


@pytest.fixture
def any_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """moto's window of restorable moments is a single one."""

    def allow(client: Any, table: str, at: datetime) -> None:
        """Every moment will do."""

    monkeypatch.setattr(restore_table, "_must_be_restorable", allow)


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with cloud_for_ops(monkeypatch) as made:
        made.put_outputs({"generationsTable": LIVE})
        for name in (LIVE, SIDE):
            make_table(made, name)
        made.client("dynamodb").update_continuous_backups(
            TableName=LIVE, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
        yield made


def make_table(cloud: Cloud, name: str) -> None:
    cloud.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def put(cloud: Cloud, table: str, id: str, **more: str) -> None:
    item = {"id": {"S": id}, "state": {"S": "done"}, "updatedAt": {"S": "2026-11-01T00:00:00Z"}}
    item |= {key: {"S": value} for key, value in more.items()}
    cloud.client("dynamodb").put_item(TableName=table, Item=item)


def live(cloud: Cloud) -> dict[str, dict[str, Any]]:
    items = cloud.client("dynamodb").scan(TableName=LIVE)["Items"]
    return {one["id"]["S"]: {key: next(iter(value.values())) for key, value in one.items()} for one in items}


def restore(*words: str) -> int:
    return cli.main(["--stack", STACK, "restore", "table", *words])


def test_what_is_missing_comes_back_and_what_is_newer_stays(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    put(cloud, SIDE, "lost")
    put(cloud, SIDE, "same")
    put(cloud, LIVE, "same")
    put(cloud, SIDE, "changed", prompt="old")
    put(cloud, LIVE, "changed", prompt="new")
    put(cloud, LIVE, "made since")
    assert restore("--from", SIDE, "--yes") == 0
    now = live(cloud)
    assert set(now) == {"lost", "same", "changed", "made since"}
    assert now["changed"]["prompt"] == "new"
    told = capsys.readouterr().out.replace("\n", " ")
    assert "1 item came back, 1 are as they were" in told
    assert "--replace-newer" in told and f"delete-table --table-name {SIDE}" in told


def test_when_it_is_said_the_old_takes_the_place(cloud: Cloud) -> None:
    put(cloud, SIDE, "changed", prompt="old")
    put(cloud, LIVE, "changed", prompt="new", updatedAt="2026-11-02T00:00:00Z")
    assert restore("--from", SIDE, "--yes", "--replace-newer") == 0
    assert live(cloud)["changed"]["prompt"] == "old"


def test_a_dry_run_counts_and_writes_nothing(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    put(cloud, SIDE, "lost")
    assert restore("--from", SIDE, "--dry-run", "--json") == 0
    assert json.loads(capsys.readouterr().out)["missing"] == 1
    assert live(cloud) == {}


def test_what_is_past_its_time_stays_away_and_what_waited_is_told(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    client = cloud.client("dynamodb")
    for id, end in (("past", time() - 60), ("not yet", time() + 3600)):
        client.put_item(TableName=SIDE, Item={"id": {"S": id}, "expiresAt": {"N": str(int(end))}})
    put(cloud, SIDE, "waiting", state="queued")
    assert restore("--from", SIDE, "--yes") == 0
    assert set(live(cloud)) == {"not yet", "waiting"}
    told = capsys.readouterr().out
    assert "1 item past their time" in told and "jobs retry" in told


def test_a_record_that_a_worker_writes_meanwhile_is_left_alone(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(cloud, SIDE, "lost")
    real = restore_table._put  # pyright: ignore[reportPrivateUsage]  (the moment between look and write)

    def meanwhile(client: Any, table: str, item: Any, there: Any) -> bool:
        put(cloud, LIVE, "lost", prompt="newest")
        return real(client, table, item, there)

    monkeypatch.setattr(restore_table, "_put", meanwhile)
    assert restore("--from", SIDE, "--yes") == 0
    assert live(cloud)["lost"]["prompt"] == "newest"


@pytest.mark.usefixtures("any_moment")
def test_from_a_moment_a_table_is_made_beside_it_with_the_stacks_tags(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    put(cloud, LIVE, "same")
    assert restore("--as-of", "30s", "--yes") == 0
    client = cloud.client("dynamodb")
    [made] = [name for name in client.list_tables()["TableNames"] if name.startswith(f"{LIVE}-restored-")]
    arn = client.describe_table(TableName=made)["Table"]["TableArn"]
    tags = {one["Key"]: one["Value"] for one in client.list_tags_of_resource(ResourceArn=arn)["Tags"]}
    assert (tags["Stack"], tags["ManagedBy"]) == (STACK, "ops restore"), "the scan after `make down` finds it"
    assert "1 are as they were" in capsys.readouterr().out.replace("\n", " ")


@pytest.mark.usefixtures("any_moment")
def test_a_dry_run_from_a_moment_makes_no_table(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert restore("--as-of", "30s", "--dry-run") == 0
    assert cloud.client("dynamodb").list_tables()["TableNames"] == [LIVE, SIDE]
    assert "It would be restored into" in capsys.readouterr().out


def test_a_table_without_recovery_is_told_with_the_way_to_look_for_backups(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.client("dynamodb").update_continuous_backups(
        TableName=LIVE, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False}
    )
    assert restore("--as-of", "2h", "--dry-run") == 1
    assert "aws dynamodb list-backups" in capsys.readouterr().err


def test_a_moment_outside_what_is_kept_is_told_with_what_is() -> None:
    class Client:
        def describe_continuous_backups(self, TableName: str) -> dict[str, Any]:
            now = datetime.now(UTC)
            kept = {
                "PointInTimeRecoveryStatus": "ENABLED",
                "EarliestRestorableDateTime": now - timedelta(days=1),
                "LatestRestorableDateTime": now - timedelta(minutes=5),
            }
            return {"ContinuousBackupsDescription": {"PointInTimeRecoveryDescription": kept}}

    must = restore_table._must_be_restorable  # pyright: ignore[reportPrivateUsage]  (moto has no window)
    must(Client(), LIVE, datetime.now(UTC) - timedelta(hours=2))
    with pytest.raises(OpsError, match=r"can't be restored; from .* to .* can"):
        must(Client(), LIVE, datetime.now(UTC) - timedelta(days=2))


def test_a_table_that_is_not_there_is_told(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    assert restore("--from", "nowhere", "--dry-run") == 2
    assert "there is no table nowhere" in capsys.readouterr().err
