"""What the program asks about the account, its Region, the zones and AWS's own lists."""

from __future__ import annotations

from typing import Any

from sandbox.aws.ec2_calls import described, tags_of
from sandbox.aws.faithful import present
from sandbox.aws.table import Aws, Lookup, Props

REGION_NAMES = {
    "us-east-1": "US East (N. Virginia)",
    "us-east-2": "US East (Ohio)",
    "us-west-1": "US West (N. California)",
    "us-west-2": "US West (Oregon)",
    "eu-central-1": "Europe (Frankfurt)",
    "eu-west-1": "Europe (Ireland)",
    "ap-northeast-1": "Asia Pacific (Tokyo)",
    "ap-southeast-1": "Asia Pacific (Singapore)",
}
"""As AWS calls its Regions (docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html); moto doesn't
know. Another Region goes by its code."""


def _filters(args: Props) -> list[Props]:
    return [{"Name": item["name"], "Values": item["values"]} for item in args.get("filters") or ()]


def _own_region(aws: Aws, args: Props) -> Aws:
    """The emulator in the Region that the lookup names, else in the provider's."""
    return aws.within(args.get("region"))


def _instance_type_offerings(aws: Aws, args: Props) -> Props:
    here = _own_region(aws, args)
    offers: list[Props] = []
    pages = (
        here.client("ec2")
        .get_paginator("describe_instance_type_offerings")
        .paginate(LocationType=args.get("locationType", "region"), Filters=_filters(args))
    )
    for page in pages:
        offers += page["InstanceTypeOfferings"]
    return {
        **args,
        "id": here.region,
        "instanceTypes": [offer["InstanceType"] for offer in offers],
        "locations": [offer["Location"] for offer in offers],
        "locationTypes": [offer["LocationType"] for offer in offers],
        "region": here.region,
    }


def _region(aws: Aws, args: Props) -> Props:
    region = _own_region(aws, args).region
    return {
        "description": REGION_NAMES.get(region, region),
        "endpoint": f"ec2.{region}.amazonaws.com",
        "id": region,
        "name": region,
        "region": region,
    }


def _caller_identity(aws: Aws, args: Props) -> Props:
    found: Any = aws.client("sts").get_caller_identity()
    return {
        "accountId": found["Account"],
        "arn": found["Arn"],
        "id": found["Account"],
        "userId": found["UserId"],
    }


def _availability_zones(aws: Aws, args: Props) -> Props:
    here = _own_region(aws, args)
    wanted = _filters(args)
    if state := args.get("state"):
        wanted.append({"Name": "state", "Values": [state]})
    found: list[Props] = here.client("ec2").describe_availability_zones(Filters=wanted)["AvailabilityZones"]
    names, ids = set(args.get("excludeNames") or ()), set(args.get("excludeZoneIds") or ())
    zones = sorted(
        (zone for zone in found if zone["ZoneName"] not in names and zone["ZoneId"] not in ids),
        key=lambda zone: zone["ZoneName"],
    )
    return {
        **args,
        "groupNames": [here.region] if zones else [],
        "id": here.region,
        "names": [zone["ZoneName"] for zone in zones],
        "region": here.region,
        "zoneIds": [zone["ZoneId"] for zone in zones],
    }


def _managed_prefix_list(aws: Aws, args: Props) -> Props:
    """moto has AWS's own lists, CloudFront's origin-facing one too, with a few ranges each."""
    here = _own_region(aws, args)
    wanted = _filters(args)
    if name := args.get("name"):
        wanted.append({"Name": "prefix-list-name", "Values": [name]})
    asked = present(PrefixListIds=[args["id"]] if args.get("id") else None, Filters=wanted or None)
    found = described(here, "describe_managed_prefix_lists", "PrefixLists", **asked) if asked else None
    if found is None:
        words = ", ".join(f"{key} {value}" for key, value in args.items()) or "nothing"
        raise ValueError(f"aws:ec2/getManagedPrefixList:getManagedPrefixList: no prefix list for {words}")
    entries = here.client("ec2").get_managed_prefix_list_entries(PrefixListId=found["PrefixListId"])
    return {
        **args,
        "addressFamily": found["AddressFamily"],
        "arn": found["PrefixListArn"],
        "entries": [
            {"cidr": entry["Cidr"], "description": entry.get("Description", "")}
            for entry in entries["Entries"]
        ],
        "id": found["PrefixListId"],
        "maxEntries": found.get("MaxEntries", 0),
        "name": found["PrefixListName"],
        "ownerId": found["OwnerId"],
        "region": here.region,
        "tags": tags_of(found),
        "version": found.get("Version", 0),
    }


LOOKUPS: dict[str, Lookup] = {
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": _instance_type_offerings,
    "aws:ec2/getManagedPrefixList:getManagedPrefixList": _managed_prefix_list,
    "aws:index/getAvailabilityZones:getAvailabilityZones": _availability_zones,
    "aws:index/getCallerIdentity:getCallerIdentity": _caller_identity,
    "aws:index/getRegion:getRegion": _region,
}
