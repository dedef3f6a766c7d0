"""`ops restore table`: generations as they were at a moment, merged into the table; nothing newer is overwritten.

AWS restores into a table of its own, never in place. What is missing in the stack's table is copied over from there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from time import sleep, time
from typing import Any

from botocore.exceptions import ClientError

import contract
from ops.errors import BAD, OpsError, code, is_gone
from ops.restore import must_be_wanted, told
from ops.show import as_json, console, counted
from ops.stack import Stack

LOOK_EVERY_S = 15.0
Item = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class TableArgs:
    """As of when; or from a table that was restored already. `replace_newer`: what was written since gives way."""

    at: datetime | None
    source: str | None = None
    replace_newer: bool = False
    dry_run: bool = False
    yes: bool = False


@dataclass(kw_only=True)
class Merge:
    """How many items came back, are as they were, were kept since they are newer, and are past their time."""

    missing: int = 0
    same: int = 0
    newer: int = 0
    older: int = 0
    expired: int = 0
    unfinished: int = 0

    @property
    def written(self) -> int:
        """Items that are written."""
        return self.missing + self.older


def run(stack: Stack, args: TableArgs, *, json: bool = False) -> int:
    """Restore beside the table, merge, tell; exit status 0."""
    live = stack.output("generationsTable")
    client = stack.client("dynamodb")
    if args.source is None:
        assert args.at is not None, "the command line asks for one of the two"
        _must_be_restorable(client, live, args.at)
        source = f"{live}-restored-{args.at:%Y%m%d-%H%M%S}"
        if args.dry_run:
            return _tell_plan(live, source, args.at, json=json)
        must_be_wanted(f"restore {live} as of {told(args.at)} into {source}, then merge", yes=args.yes)
        _restore(stack, client, live, source, args.at)
    else:
        source = args.source
        if not args.dry_run:
            must_be_wanted(f"merge {source} into {live}", yes=args.yes)
    _wait_until_there(client, source)
    merged = merge(client, source, live, replace_newer=args.replace_newer, dry_run=args.dry_run)
    _tell(live, source, merged, args, json=json)
    return 0


def merge(client: Any, source: str, live: str, *, replace_newer: bool, dry_run: bool) -> Merge:
    """Copy what `live` misses; with `replace_newer` what differs as well."""
    found = Merge()
    for item in _items(client, source):
        if _is_expired(item):
            found.expired += 1
            continue
        there = client.get_item(TableName=live, Key={"id": item["id"]}, ConsistentRead=True).get("Item")
        if there == item:
            found.same += 1
        elif there is not None and not replace_newer:
            found.newer += 1
        elif dry_run or _put(client, live, item, there):
            found.missing += there is None
            found.older += there is not None
            found.unfinished += item.get("state", {}).get("S") in contract.UNFINISHED_STATES
        else:
            found.newer += 1  # somebody wrote it between our look and our write
    return found


def _put(client: Any, live: str, item: Item, there: Item | None) -> bool:
    """Write the item if the table still is as it was seen."""
    condition: dict[str, Any] = {"ConditionExpression": "attribute_not_exists(id)"}
    if there is not None:
        stamp = there.get("updatedAt")
        condition = {
            "ConditionExpression": "updatedAt = :seen" if stamp else "attribute_not_exists(updatedAt)",
            **({"ExpressionAttributeValues": {":seen": stamp}} if stamp else {}),
        }
    try:
        client.put_item(TableName=live, Item=item, **condition)
    except ClientError as error:
        if code(error) != "ConditionalCheckFailedException":
            raise
        return False
    return True


def _items(client: Any, table: str) -> Iterator[Item]:
    for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        yield from page["Items"]


def _is_expired(item: Item) -> bool:
    """DynamoDB would delete it again within days."""
    return "expiresAt" in item and int(item["expiresAt"]["N"]) < time()


def _must_be_restorable(client: Any, table: str, at: datetime) -> None:
    told_of = client.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    backup = told_of.get("PointInTimeRecoveryDescription", {})
    if backup.get("PointInTimeRecoveryStatus") != "ENABLED":
        raise OpsError(
            f"{table} has no point-in-time recovery (jobs.pointInTimeRecovery): there is nothing to restore from. Backups "
            f"made by hand: aws dynamodb list-backups --table-name {table} --backup-type ALL",
            BAD,
        )
    first, last = backup.get("EarliestRestorableDateTime"), backup.get("LatestRestorableDateTime")
    if first and last and not first <= at <= last:
        raise OpsError(
            f"{told(at)} can't be restored; from {told(first.astimezone(UTC))} to {told(last.astimezone(UTC))} can",
            BAD,
        )


def _restore(stack: Stack, client: Any, live: str, source: str, at: datetime) -> None:
    try:
        client.restore_table_to_point_in_time(
            SourceTableName=live, TargetTableName=source, RestoreDateTime=at
        )
    except ClientError as error:
        if code(error) not in ("TableAlreadyExistsException", "TableInUseException"):
            raise  # an earlier run made it already: go on with that
    _wait_until_there(client, source)
    # Tags don't come along; without them nobody would find the table, and what it costs.
    arn = client.describe_table(TableName=source)["Table"]["TableArn"]
    tags = {
        contract.TAG_PROJECT: contract.PROJECT,
        contract.TAG_STACK: stack.name,
        "ManagedBy": "ops restore",
    }
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": key, "Value": value} for key, value in tags.items()])


def _wait_until_there(client: Any, name: str) -> None:
    """AWS takes minutes for a small table, hours for a large one. Ctrl-C ends the waiting, not the restoring."""
    said = False
    while True:
        try:
            state = client.describe_table(TableName=name)["Table"]["TableStatus"]
        except ClientError as error:
            if is_gone(error):
                raise OpsError(
                    f"there is no table {name}; aws dynamodb list-tables shows those there are"
                ) from error
            raise
        if state == "ACTIVE":
            return
        if not said:
            console(errors=True).print(
                f"{name}: {state.lower()}; minutes to hours. After Ctrl-C go on with --from {name}"
            )
            said = True
        sleep(LOOK_EVERY_S)


def _tell_plan(live: str, source: str, at: datetime, *, json: bool) -> int:
    if json:
        as_json({"table": live, "asOf": at, "dryRun": True, "restoredInto": source})
    else:
        console().print(
            f"{live} can be restored as of {told(at)}. It would be restored into {source} (minutes to hours; storage as the "
            "table's own), and what the table misses copied over. How much that is can be told when it is restored: "
            f"--from {source} --dry-run then counts it.",
            soft_wrap=True,
        )
    return 0


def _tell(live: str, source: str, found: Merge, args: TableArgs, *, json: bool) -> None:
    if json:
        as_json({"table": live, "from": source, "dryRun": args.dry_run, **vars(found)})
        return
    out, would = console(), "would come" if args.dry_run else "came"
    out.print(
        f"{live} from {source}: {counted(found.missing, 'item')} {would} back, {found.same} are as they were",
        soft_wrap=True,
    )
    if found.older:
        out.print(
            f"{counted(found.older, 'item')} {'would be' if args.dry_run else 'were'} put in the place of newer ones"
        )
    if found.newer:
        out.print(
            f"{counted(found.newer, 'item')} differ, and what the table has was kept; --replace-newer puts the old in place",
            soft_wrap=True,
        )
    if found.expired:
        out.print(f"{counted(found.expired, 'item')} past their time were left out")
    if found.unfinished and not args.dry_run:
        out.print(
            f"{found.unfinished} of them wait or ran then: `ops jobs list` shows them, `jobs retry` or `jobs fail` settles them",
            soft_wrap=True,
        )
    if not args.dry_run:
        out.print(f"When all is well: aws dynamodb delete-table --table-name {source}", soft_wrap=True)
