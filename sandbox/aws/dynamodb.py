"""DynamoDB tables."""

from __future__ import annotations

from typing import Any

from sandbox.aws.faithful import faithful, found_or_none, present, retag, tag_list, tag_map
from sandbox.aws.table import Aws, Props, ResourceType

ON_DEMAND = "PAY_PER_REQUEST"


def _attributes(props: Props) -> list[dict[str, str]]:
    return [{"AttributeName": one["name"], "AttributeType": one["type"]} for one in props["attributes"]]


def _keys(props: Props) -> list[dict[str, str]]:
    """The key schema of a table or an index."""
    hash_key = [{"AttributeName": props["hashKey"], "KeyType": "HASH"}]
    range_key = props.get("rangeKey")
    return hash_key + ([{"AttributeName": range_key, "KeyType": "RANGE"}] if range_key else [])


def _capacity(props: Props) -> Props:
    """Units a second; DynamoDB takes none on demand."""
    return {
        "ReadCapacityUnits": int(props.get("readCapacity") or 1),
        "WriteCapacityUnits": int(props.get("writeCapacity") or 1),
    }


def _index(props: Props, mode: str) -> Props:
    projection = present(
        ProjectionType=props["projectionType"], NonKeyAttributes=props.get("nonKeyAttributes") or None
    )
    throughput = {} if mode == ON_DEMAND else {"ProvisionedThroughput": _capacity(props)}
    return {"IndexName": props["name"], "KeySchema": _keys(props), "Projection": projection, **throughput}


def _stream(props: Props) -> Props:
    if not props.get("streamEnabled"):
        return {"StreamEnabled": False}
    return {"StreamEnabled": True, "StreamViewType": props["streamViewType"]}


def _encryption(props: Props) -> Props:
    wanted: Props = props.get("serverSideEncryption") or {}
    if not wanted.get("enabled"):
        return {"Enabled": False}
    return {"Enabled": True, "SSEType": "KMS", **present(KMSMasterKeyId=wanted.get("kmsKeyArn"))}


def _create(aws: Aws, inputs: Props) -> str:
    mode = inputs.get("billingMode") or "PROVISIONED"
    local = [
        {
            "IndexName": one["name"],
            "KeySchema": _keys({"hashKey": inputs["hashKey"], **one}),
            "Projection": {"ProjectionType": one["projectionType"]},
        }
        for one in inputs.get("localSecondaryIndexes") or ()
    ]
    aws.client("dynamodb").create_table(
        TableName=inputs["name"],
        AttributeDefinitions=_attributes(inputs),
        KeySchema=_keys(inputs),
        BillingMode=mode,
        DeletionProtectionEnabled=bool(inputs.get("deletionProtectionEnabled")),
        Tags=tag_list(inputs.get("tagsAll")),
        **present(
            GlobalSecondaryIndexes=[_index(one, mode) for one in inputs.get("globalSecondaryIndexes") or ()]
            or None,
            LocalSecondaryIndexes=local or None,
            ProvisionedThroughput=None if mode == ON_DEMAND else _capacity(inputs),
            StreamSpecification=_stream(inputs) if inputs.get("streamEnabled") else None,
            SSESpecification=_encryption(inputs) if inputs.get("serverSideEncryption") else None,
            TableClass=inputs.get("tableClass"),
        ),
    )
    return inputs["name"]


def _finish(aws: Aws, id: str, inputs: Props) -> None:
    if inputs.get("ttl", {}).get("enabled"):
        _set_ttl(aws, id, inputs["ttl"])
    if inputs.get("pointInTimeRecovery", {}).get("enabled"):
        _set_recovery(aws, id, inputs["pointInTimeRecovery"])


def _set_ttl(aws: Aws, id: str, ttl: Props) -> None:
    aws.client("dynamodb").update_time_to_live(
        TableName=id,
        TimeToLiveSpecification={"Enabled": bool(ttl.get("enabled")), "AttributeName": ttl["attributeName"]},
    )


def _set_recovery(aws: Aws, id: str, wanted: Props) -> None:
    days = wanted.get("recoveryPeriodInDays")
    specification = {"PointInTimeRecoveryEnabled": bool(wanted.get("enabled"))}
    aws.client("dynamodb").update_continuous_backups(
        TableName=id,
        PointInTimeRecoverySpecification=specification | present(RecoveryPeriodInDays=days and int(days)),
    )


def _key_of(schema: list[dict[str, str]], kind: str) -> str:
    return next((key["AttributeName"] for key in schema if key["KeyType"] == kind), "")


def _shown_index(index: Props, on_demand: bool) -> Props:
    capacity = index.get("ProvisionedThroughput", {})
    shown = present(
        name=index["IndexName"],
        hashKey=_key_of(index["KeySchema"], "HASH"),
        rangeKey=_key_of(index["KeySchema"], "RANGE"),
        projectionType=index["Projection"]["ProjectionType"],
        nonKeyAttributes=index["Projection"].get("NonKeyAttributes") or None,
    )
    if on_demand:
        return shown
    return shown | {
        "readCapacity": capacity.get("ReadCapacityUnits", 0),
        "writeCapacity": capacity.get("WriteCapacityUnits", 0),
    }


def _read(aws: Aws, id: str, last: Props) -> Props | None:
    client = aws.client("dynamodb")
    answer = found_or_none(client.describe_table, TableName=id)
    if answer is None:
        return None
    table = answer["Table"]
    mode = table.get("BillingModeSummary", {}).get("BillingMode") or "PROVISIONED"
    capacity, stream = table.get("ProvisionedThroughput", {}), table.get("StreamSpecification", {})
    encryption = table.get("SSEDescription", {})
    return {
        "arn": table["TableArn"],
        "attributes": [
            {"name": one["AttributeName"], "type": one["AttributeType"]}
            for one in table["AttributeDefinitions"]
        ],
        "billingMode": mode,
        "deletionProtectionEnabled": bool(table.get("DeletionProtectionEnabled")),
        "globalSecondaryIndexes": [
            _shown_index(index, mode == ON_DEMAND) for index in table.get("GlobalSecondaryIndexes") or ()
        ],
        "hashKey": _key_of(table["KeySchema"], "HASH"),
        "localSecondaryIndexes": [
            _shown_index(index, True) for index in table.get("LocalSecondaryIndexes") or ()
        ],
        "name": table["TableName"],
        "pointInTimeRecovery": _recovery(client, id),
        "rangeKey": _key_of(table["KeySchema"], "RANGE"),
        "readCapacity": capacity.get("ReadCapacityUnits", 0),
        "serverSideEncryption": {
            "enabled": encryption.get("Status") == "ENABLED",
            **present(kmsKeyArn=encryption.get("KMSMasterKeyArn")),
        },
        "streamArn": table.get("LatestStreamArn") or "",
        "streamEnabled": bool(stream.get("StreamEnabled")),
        "streamLabel": table.get("LatestStreamLabel") or "",
        "streamViewType": stream.get("StreamViewType") or "",
        "tableClass": table.get("TableClassSummary", {}).get("TableClass") or "STANDARD",
        "ttl": _ttl(client, id),
        "writeCapacity": capacity.get("WriteCapacityUnits", 0),
        "tagsAll": tag_map(client.list_tags_of_resource(ResourceArn=table["TableArn"]).get("Tags")),
    }


def _ttl(client: Any, id: str) -> Props:
    found = client.describe_time_to_live(TableName=id)["TimeToLiveDescription"]
    enabled = found.get("TimeToLiveStatus") == "ENABLED"
    return {"enabled": enabled, "attributeName": (found.get("AttributeName") or "") if enabled else ""}


def _recovery(client: Any, id: str) -> Props:
    found = client.describe_continuous_backups(TableName=id)["ContinuousBackupsDescription"]
    shown = found["PointInTimeRecoveryDescription"]
    enabled = shown["PointInTimeRecoveryStatus"] == "ENABLED"
    return {"enabled": enabled, **present(recoveryPeriodInDays=shown.get("RecoveryPeriodInDays"))}


def _update(aws: Aws, id: str, old: Props, new: Props) -> None:
    client = aws.client("dynamodb")

    def changed(*keys: str) -> bool:
        return any(new.get(key) != old.get(key) for key in keys)

    mode = new.get("billingMode") or "PROVISIONED"
    if changed("billingMode") or (mode != ON_DEMAND and changed("readCapacity", "writeCapacity")):
        throughput = {} if mode == ON_DEMAND else {"ProvisionedThroughput": _capacity(new)}
        client.update_table(TableName=id, BillingMode=mode, **throughput)
    if changed("streamEnabled", "streamViewType"):
        client.update_table(TableName=id, StreamSpecification=_stream(new))
    if changed("serverSideEncryption"):
        client.update_table(TableName=id, SSESpecification=_encryption(new))
    if changed("tableClass"):
        client.update_table(TableName=id, TableClass=new.get("tableClass") or "STANDARD")
    if changed("deletionProtectionEnabled"):
        client.update_table(
            TableName=id, DeletionProtectionEnabled=bool(new.get("deletionProtectionEnabled"))
        )
    if changed("globalSecondaryIndexes"):
        _update_indexes(client, id, new, mode)
    _update_ttl(aws, id, old.get("ttl") or {}, new.get("ttl") or {})
    if changed("pointInTimeRecovery"):
        _set_recovery(aws, id, new.get("pointInTimeRecovery") or {})
    retag(
        old,
        new,
        lambda tags: client.tag_resource(ResourceArn=old["arn"], Tags=tag_list(tags)),
        lambda keys: client.untag_resource(ResourceArn=old["arn"], TagKeys=keys),
    )


def _update_indexes(client: Any, id: str, new: Props, mode: str) -> None:
    """One change a call, as DynamoDB wants it: an index that differs is made anew."""
    table = client.describe_table(TableName=id)["Table"]
    there = {
        index["IndexName"]: _shown_index(index, mode == ON_DEMAND)
        for index in table.get("GlobalSecondaryIndexes") or ()
    }
    wanted = {index["name"]: index for index in new.get("globalSecondaryIndexes") or ()}

    def same(name: str) -> bool:
        return name in wanted and all(there[name].get(key) == value for key, value in wanted[name].items())

    for name in there:
        if not same(name):
            client.update_table(TableName=id, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": name}}])
    for name, index in wanted.items():
        if name not in there or not same(name):
            client.update_table(
                TableName=id,
                AttributeDefinitions=_attributes(new),
                GlobalSecondaryIndexUpdates=[{"Create": _index(index, mode)}],
            )


def _update_ttl(aws: Aws, id: str, old: Props, new: Props) -> None:
    """Another attribute needs the old one switched off first."""
    if old == new:
        return
    if old.get("enabled") and old.get("attributeName") != new.get("attributeName"):
        _set_ttl(aws, id, {"enabled": False, "attributeName": old["attributeName"]})
    if new.get("attributeName"):
        _set_ttl(aws, id, new)


def _delete(aws: Aws, id: str, last: Props) -> None:
    """Refused by DynamoDB itself while the table is protected."""
    aws.client("dynamodb").delete_table(TableName=id)


RESOURCES = (
    faithful(
        ResourceType(
            token="aws:dynamodb/table:Table",
            create=_create,
            read=_read,
            update=_update,
            delete=_delete,
            immutable=frozenset({"hashKey", "localSecondaryIndexes", "name", "rangeKey"}),
            autoname="name",
        ),
        takes="attributes billingMode deletionProtectionEnabled globalSecondaryIndexes hashKey localSecondaryIndexes name "
        "pointInTimeRecovery rangeKey readCapacity serverSideEncryption streamEnabled streamViewType tableClass ttl "
        "writeCapacity",
        finish=_finish,
    ),
)
