"""`ops cost --refresh-prices`: what is asked of AWS's price API, and what is made of its answers.

The client is botocore's own, which checks each request; the answers have the form of the price list.
"""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3.session
import pytest

from ops import prices, prices_refresh
from ops.errors import OpsError
from ops.prices_refresh import Query, query_of
from ops.stack import Stack


@dataclass
class PriceList:
    """AWS's price list: dollars by service and usage type. `asked`: each request's parameters."""

    dollars: dict[tuple[str, str], list[str]] = field(default_factory=dict[tuple[str, str], list[str]])
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def answer(self, params: dict[str, Any], **_: Any) -> Any:
        sent = json.loads(params["body"])
        self.asked.append(sent)
        part = next(one["Value"] for one in sent["Filters"] if one["Field"] == "usagetype")
        found = [
            product(usage, steps)
            for (service, usage), steps in self.dollars.items()
            if service == sent["ServiceCode"] and part in usage
        ]
        return SimpleNamespace(status_code=200), {"PriceList": [json.dumps(one) for one in found]}


def product(usage: str, steps: list[str]) -> dict[str, Any]:
    dimensions = {
        str(n): {"unit": "Hrs", "beginRange": str(n), "pricePerUnit": {"USD": usd}}
        for n, usd in reversed(list(enumerate(steps)))
    }
    return {
        "product": {"sku": usage, "attributes": {"usagetype": usage}},
        "terms": {"OnDemand": {f"{usage}.JRTC": {"priceDimensions": dimensions}}},
    }


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> PriceList:
    known = PriceList()

    def connect(name: str, region: str | None = None) -> Stack:
        session = boto3.session.Session(aws_access_key_id="x", aws_secret_access_key="x")
        stack = Stack(name=name, region=region or "us-east-1", endpoint=None, session=session)
        client = stack.client("pricing", "us-east-1")
        client.meta.events.register("before-call.pricing.GetProducts", known.answer)
        return stack

    monkeypatch.setattr(prices_refresh, "connect", connect)
    return known


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return Path(shutil.copy(prices.FILE, tmp_path))


def test_a_price_that_aws_tells_takes_the_place_of_the_old_one(aws: PriceList, file: Path) -> None:
    aws.dollars["AmazonEC2", "BoxUsage:g5.xlarge"] = ["0.9990000000"]
    prices_refresh.run("prod", file=file)
    now, before = prices.load("us-east-1", file), prices.load("us-east-1")
    price = now.of("ec2 g5.xlarge")
    assert (price.usd, price.unit, price.source, price.confirmed) == (0.999, "hour", "price-api", True)
    assert price.on > before.of("ec2 g5.xlarge").on
    assert now.of("ebs gp3") == before.of("ebs gp3"), "what AWS did not tell stays as it was"


def test_what_is_asked_names_region_and_kind(aws: PriceList, file: Path) -> None:
    aws.dollars["AmazonEC2", "BoxUsage:g5.xlarge"] = ["1"]
    prices_refresh.run("prod", file=file)
    sent = {
        tuple(sorted((one["Type"], one["Field"], one["Value"]) for one in each["Filters"]))
        for each in aws.asked
    }
    assert (
        ("CONTAINS", "usagetype", "BoxUsage:g5.xlarge"),
        ("TERM_MATCH", "capacitystatus", "Used"),
        ("TERM_MATCH", "operatingSystem", "Linux"),
        ("TERM_MATCH", "preInstalledSw", "NA"),
        ("TERM_MATCH", "regionCode", "us-east-1"),
        ("TERM_MATCH", "tenancy", "Shared"),
    ) in sent
    assert (("CONTAINS", "usagetype", "US-DataTransfer-Out-Bytes"),) in sent, "CloudFront has no Region"


def test_the_first_step_that_costs_something_counts(aws: PriceList, file: Path) -> None:
    aws.dollars["AmazonCloudFront", "US-DataTransfer-Out-Bytes"] = ["0.0000000000", "0.0850000000", "0.08"]
    prices_refresh.run("prod", file=file)
    assert prices.load("us-east-1", file).of("cloudfront data").usd == 0.085


def test_a_usage_type_is_taken_whole_with_its_region_before_it_at_most(aws: PriceList, file: Path) -> None:
    aws.dollars |= {
        ("AmazonDynamoDB", "IA-WriteRequestUnits"): ["0.00000078"],
        ("AmazonDynamoDB", "ReplWriteRequestUnits"): ["0.0000009"],
        ("AmazonDynamoDB", "USE1-WriteRequestUnits"): ["0.0000006"],
        ("AmazonEC2", "UnusedBox:BoxUsage:g5.xlarge"): ["9"],
    }
    prices_refresh.run("prod", file=file)
    now = prices.load("us-east-1", file)
    assert now.of("dynamodb write").usd == 0.0000006
    assert now.of("ec2 g5.xlarge").usd == 1.006


def test_a_price_of_another_unit_is_left_out_and_told(
    aws: PriceList, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aws.dollars |= {
        ("AmazonEC2", "BoxUsage:g5.xlarge"): ["1"],
        ("AmazonEC2", "EBS:VolumeUsage.gp3"): ["80"],
    }
    prices_refresh.run("prod", file=file)
    told = " ".join(capsys.readouterr().err.split())
    assert prices.load("us-east-1", file).of("ebs gp3").usd == 0.08
    assert "of another kind: ebs gp3: 80, not 0.08 a GB-month" in told
    assert "1 price of us-east-1 from AWS, 1 changed" in told
    assert "ec2 spot share" in told, "what is not in the list is named"


def test_another_region_gets_prices_of_its_own(aws: PriceList, file: Path) -> None:
    aws.dollars["AmazonEC2", "EUW1-BoxUsage:g5.xlarge"] = ["1.123"]
    prices_refresh.run("prod", "eu-west-1", file=file)
    assert prices.load("eu-west-1", file).of("ec2 g5.xlarge").usd == 1.123
    assert prices.load("us-east-1", file).of("ec2 g5.xlarge").usd == 1.006
    with pytest.raises(prices.PriceMissing, match=r'no price of "ebs gp3" in eu-west-1'):
        prices.load("eu-west-1", file).of("ebs gp3")


def test_an_api_that_knows_nothing_changes_nothing(aws: PriceList, file: Path) -> None:
    before = file.read_text()
    with pytest.raises(OpsError, match="nothing was changed"):
        prices_refresh.run("prod", file=file)
    assert file.read_text() == before


def test_the_file_reads_as_a_line_a_price() -> None:
    text = prices.FILE.read_text()
    assert text == prices.text_of(json.loads(text)), "prices.json is not as --refresh-prices writes it"
    assert len(text.splitlines()) > len(prices.load("us-east-1").by_item)


def test_spare_capacity_and_what_nobody_knows_the_place_of_is_not_asked_for() -> None:
    assert query_of("ec2 spot g5.xlarge") is query_of("ec2 spot share") is query_of("sns email") is None
    assert query_of("sagemaker notebook ml.g5.xlarge") == Query("AmazonSageMaker", "Notebk:ml.g5.xlarge")
