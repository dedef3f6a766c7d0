"""Asks AWS's price API for what `prices.json` holds, and keeps the answers there (`ops cost --refresh-prices`).

GetProducts of service `pricing`, which us-east-1 answers for all Regions; it needs credentials and costs nothing.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ops.errors import OpsError
from ops.prices import FILE, HOME, Price, entry_of, read, text_of
from ops.show import console, counted, table
from ops.stack import Stack, connect

API_REGION = "us-east-1"
UNLIKE = 5
"""A price that many times another, or less than such a part of it, is taken for one of another unit or product."""
SOURCE = "price-api"
SOURCE_TOLD = "AWS Price List API (GetProducts), on-demand terms, asked by `ops cost --refresh-prices`"
REGION_PREFIX = r"(?:EU-|[A-Z]{3,4}\d-)?"
"""Usage types begin with a short name of their Region (`EUW1-`, `EU-`), those of us-east-1 with `USE1-` or nothing."""


@dataclass(frozen=True)
class Query:
    """A product of the price list: its service, its usage type without the Region, and attributes that tell it from others."""

    service: str
    usage: str
    attributes: Mapping[str, str] = field(default_factory=dict[str, str])
    everywhere: bool = False
    """The usage type names the place itself, and the product no Region: CloudFront."""


_MACHINE = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
}
QUERIES: dict[str, Query] = {
    "amplify build": Query("AWSAmplify", "BuildDuration"),
    "amplify data": Query("AWSAmplify", "DataTransferOut"),
    "amplify storage": Query("AWSAmplify", "DataStorage"),
    "cloudfront data": Query("AmazonCloudFront", "US-DataTransfer-Out-Bytes", everywhere=True),
    "cloudfront request": Query("AmazonCloudFront", "US-Requests-Tier2-HTTPS", everywhere=True),
    "cloudwatch alarm": Query("AmazonCloudWatch", "CW:AlarmMonitorUsage"),
    "cloudwatch metric": Query("AmazonCloudWatch", "CW:MetricMonitorUsage"),
    "cloudwatch request": Query("AmazonCloudWatch", "CW:Requests"),
    "dynamodb read": Query("AmazonDynamoDB", "ReadRequestUnits"),
    "dynamodb recovery": Query("AmazonDynamoDB", "TimedPITRStorage-ByteHrs"),
    "dynamodb storage": Query("AmazonDynamoDB", "TimedStorage-ByteHrs"),
    "dynamodb write": Query("AmazonDynamoDB", "WriteRequestUnits"),
    "ebs gp3": Query("AmazonEC2", "EBS:VolumeUsage.gp3"),
    "flow logs taken in": Query("AmazonCloudWatch", "VendedLog-Bytes"),
    "logs kept": Query("AmazonCloudWatch", "TimedStorage-ByteHrs"),
    "logs taken in": Query("AmazonCloudWatch", "DataProcessing-Bytes"),
    "nat gateway": Query("AmazonEC2", "NatGateway-Hours"),
    "nat gateway data": Query("AmazonEC2", "NatGateway-Bytes"),
    "public ipv4": Query("AmazonVPC", "PublicIPv4:InUseAddress"),
    "s3 read": Query("AmazonS3", "Requests-Tier2"),
    "s3 storage": Query("AmazonS3", "TimedStorage-ByteHrs", {"volumeType": "Standard"}),
    "s3 write": Query("AmazonS3", "Requests-Tier1"),
    "sagemaker notebook disk": Query("AmazonSageMaker", "Notebk:VolumeUsage.gp2"),
    "sagemaker training disk": Query("AmazonSageMaker", "Train:VolumeUsage.gp2"),
    "sqs request": Query("AWSQueueService", "Requests-RBP"),
    "vpc endpoint": Query("AmazonVPC", "VpcEndpoint-Hours"),
}
"""What each item is in the price list, as public programs that read it name it; not tried against AWS itself. Spot prices
and shares are not in the list, and others that are not here have no usage type that is known: they are kept by hand."""


def query_of(item: str) -> Query | None:
    """Where an item stands in the price list; None when it doesn't, or nobody knows."""
    if match := re.fullmatch(r"ec2 (\S+\.\S+)", item):
        return Query("AmazonEC2", f"BoxUsage:{match[1]}", _MACHINE)
    if match := re.fullmatch(r"sagemaker (notebook|training) (ml\.\S+)", item):
        return Query("AmazonSageMaker", f"{'Notebk' if match[1] == 'notebook' else 'Train'}:{match[2]}")
    return QUERIES.get(item)


def run(name: str, region: str | None = None, *, quiet: bool = False, file: Path = FILE) -> None:
    """Ask for every price in the stack's Region, keep what AWS answers, and tell what changed. Raises OpsError."""
    stack = connect(name, region)
    document = read(file)
    # A Region without prices is asked for all that the home Region has; units, and what is likely, are the same.
    before: dict[str, Any] = document["prices"].get(stack.region, {})
    like: dict[str, Any] = {**document["prices"][HOME], **before}
    answers = ask(stack, {item: one for item, one in like.items() if item in (before or like)})
    if not answers.found:
        raise OpsError(f"AWS's price API told no price of {stack.region}: nothing was changed")
    document["sources"][SOURCE] = SOURCE_TOLD
    kept = {**before, **{item: entry_of(price) for item, price in answers.found.items()}}
    document["prices"][stack.region] = kept
    file.write_text(text_of(document))
    if not quiet:
        _show(stack.region, before, answers)


@dataclass
class Answers:
    """What AWS told: prices by item; items that its list has not; prices that can't be of the same unit, in words."""

    found: dict[str, Price] = field(default_factory=dict[str, Price])
    missing: list[str] = field(default_factory=list[str])
    unlike: list[str] = field(default_factory=list[str])


def ask(stack: Stack, like: Mapping[str, Any]) -> Answers:
    """Ask for each item that `like` has, as `prices.json` has it."""
    client = stack.client("pricing", API_REGION)
    answers, today = Answers(), datetime.now(UTC).date().isoformat()
    for item, known in like.items():
        query = query_of(item)
        usd = _first(client, query, stack.region) if query else None
        if usd is None:
            answers.missing.append(item)
        elif not known["usd"] / UNLIKE <= usd <= known["usd"] * UNLIKE:
            answers.unlike.append(f"{item}: {usd:g}, not {known['usd']:g} a {known['unit']}")
        else:
            answers.found[item] = Price(
                item=item,
                region=stack.region,
                usd=usd,
                unit=known["unit"],
                on=today,
                source=SOURCE,
                confirmed=True,
            )
    return answers


def _first(client: Any, query: Query, region: str) -> float | None:
    """Dollars of the first step of the price that costs something."""
    for product in _products(client, query, region):
        attributes: dict[str, str] = product["product"]["attributes"]
        if not re.fullmatch(REGION_PREFIX + re.escape(query.usage), attributes.get("usagetype", "")):
            continue
        steps = [
            step
            for term in product.get("terms", {}).get("OnDemand", {}).values()
            for step in term["priceDimensions"].values()
        ]
        steps.sort(key=lambda step: float(step.get("beginRange", 0)))
        for step in steps:
            if float(step["pricePerUnit"].get("USD", 0)) > 0:
                return float(step["pricePerUnit"]["USD"])
    return None


def _products(client: Any, query: Query, region: str) -> Iterator[dict[str, Any]]:
    filters = [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in query.attributes.items()]
    if not query.everywhere:
        filters.append({"Type": "TERM_MATCH", "Field": "regionCode", "Value": region})
    filters.append({"Type": "CONTAINS", "Field": "usagetype", "Value": query.usage})
    pages = client.get_paginator("get_products").paginate(
        ServiceCode=query.service, Filters=filters, FormatVersion="aws_v1"
    )
    for page in pages:
        for text in page["PriceList"]:
            yield json.loads(text)


def _show(region: str, before: Mapping[str, Any], answers: Answers) -> None:
    out = console(errors=True)
    rows = table("Price", "Before", "Now", "Unit")
    for item, price in answers.found.items():
        old = before.get(item, {}).get("usd")
        if old is None or abs(old - price.usd) > price.usd * 1e-9:
            rows.add_row(item, "" if old is None else f"{old:g}", f"{price.usd:g}", price.unit)
    if rows.row_count:
        out.print(rows)
    changed = counted(rows.row_count, "changed", "changed")
    out.print(
        f"{counted(len(answers.found), 'price')} of {region} from AWS, {changed}; ops/prices.json is written."
    )
    if answers.missing:
        out.print(f"Not in the price list, left as they are: {', '.join(answers.missing)}.", soft_wrap=True)
    for one in answers.unlike:
        out.print(f"Left as it is, for what AWS tells is of another kind: {one}.", soft_wrap=True)
