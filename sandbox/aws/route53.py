"""Route 53 records."""

from __future__ import annotations

from typing import Any

from sandbox.aws.faithful import faithful, found_or_none, present
from sandbox.aws.table import Aws, Props, ResourceType


def _record(props: Props) -> Props:
    values = [_quoted(value) if props["type"] == "TXT" else value for value in props.get("records") or ()]
    targets = [
        {
            "DNSName": one["name"],
            "HostedZoneId": one["zoneId"],
            "EvaluateTargetHealth": bool(one["evaluateTargetHealth"]),
        }
        for one in props.get("aliases") or ()
    ]
    return {
        "Name": props["name"],
        "Type": props["type"],
        **present(
            AliasTarget=targets[0] if targets else None,
            HealthCheckId=props.get("healthCheckId"),
            ResourceRecords=[{"Value": value} for value in values] or None,
            TTL=int(props["ttl"]) if values else None,
        ),
    }


def _quoted(value: str) -> str:
    """A TXT value as Route 53 wants it."""
    return value if value.startswith('"') else f'"{value}"'


def _change(aws: Aws, zone: str, action: str, record: Props) -> None:
    aws.client("route53").change_resource_record_sets(
        HostedZoneId=zone, ChangeBatch={"Changes": [{"Action": action, "ResourceRecordSet": record}]}
    )


def _create(aws: Aws, inputs: Props) -> str:
    _change(aws, inputs["zoneId"], "UPSERT" if inputs.get("allowOverwrite") else "CREATE", _record(inputs))
    return f"{inputs['zoneId']}_{inputs['name']}_{inputs['type']}"


def _split(id: str) -> tuple[str, str, str]:
    zone, _, rest = id.partition("_")
    name, _, kind = rest.rpartition("_")
    return zone, name, kind


def _find(aws: Aws, id: str) -> Props | None:
    zone, name, kind = _split(id)
    answer: Any = found_or_none(
        aws.client("route53").list_resource_record_sets,
        HostedZoneId=zone,
        StartRecordName=name,
        StartRecordType=kind,
    )
    wanted = name.lower().rstrip(".")
    for one in answer["ResourceRecordSets"] if answer else ():
        if one["Name"].lower().rstrip(".") == wanted and one["Type"] == kind:
            return one
    return None


def _read(aws: Aws, id: str, last: Props) -> Props | None:
    zone, name, kind = _split(id)
    found = _find(aws, id)
    if found is None:
        return None
    target = found.get("AliasTarget")
    values = [one["Value"] for one in found.get("ResourceRecords") or ()]
    return {
        "aliases": [
            {
                "name": target["DNSName"].rstrip("."),
                "zoneId": target["HostedZoneId"],
                "evaluateTargetHealth": target["EvaluateTargetHealth"],
            }
        ]
        if target
        else [],
        "fqdn": found["Name"].rstrip("."),
        "healthCheckId": found.get("HealthCheckId") or "",
        "name": name,
        "records": [value[1:-1] if kind == "TXT" else value for value in values],
        "ttl": found.get("TTL") or 0,
        "type": kind,
        "zoneId": zone,
    }


def _update(aws: Aws, id: str, old: Props, new: Props) -> None:
    _change(aws, new["zoneId"], "UPSERT", _record(new))


def _delete(aws: Aws, id: str, last: Props) -> None:
    if (found := _find(aws, id)) is not None:
        _change(aws, _split(id)[0], "DELETE", found)


RESOURCES = (
    faithful(
        ResourceType(
            token="aws:route53/record:Record",
            create=_create,
            read=_read,
            update=_update,
            delete=_delete,
            # `type` can change in place on AWS, but it is part of the id.
            immutable=frozenset({"name", "type", "zoneId"}),
        ),
        takes="aliases healthCheckId name records ttl type zoneId",
        keeps={"allowOverwrite": False},
    ),
)
