"""What the sandbox answers to the program's questions, on a real moto server."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pulumi_aws
import pytest
from sandbox_life import moto_server

from sandbox.aws.ec2_lookups import LOOKUPS
from sandbox.aws.table import Aws, Props

OFFERINGS = "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings"
PREFIX_LIST = "aws:ec2/getManagedPrefixList:getManagedPrefixList"
CLOUDFRONT = "com.amazonaws.global.cloudfront.origin-facing"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with moto_server(tmp_path_factory.mktemp("moto")) as cloud:
        yield cloud


def offerings(instance_type: str) -> Props:
    return {
        "filters": [{"name": "instance-type", "values": [instance_type]}],
        "locationType": "availability-zone",
    }


def test_a_gpu_machine_is_offered_in_five_zones_of_us_east_1(aws: Aws) -> None:
    found = LOOKUPS[OFFERINGS](aws, offerings("g5.xlarge"))
    assert sorted(found["locations"]) == [f"us-east-1{letter}" for letter in "abcdf"]
    assert set(found["instanceTypes"]) == {"g5.xlarge"}
    assert set(found["locationTypes"]) == {"availability-zone"}


def test_a_machine_that_nobody_offers_is_offered_nowhere(aws: Aws) -> None:
    assert LOOKUPS[OFFERINGS](aws, offerings("g5.tiny"))["locations"] == []


def test_the_region_is_the_resources_own(aws: Aws) -> None:
    region = LOOKUPS["aws:index/getRegion:getRegion"]
    assert region(aws, {})["region"] == "us-east-1"
    assert region(aws, {})["description"] == "US East (N. Virginia)"
    assert region(aws, {"region": "eu-central-1"})["region"] == "eu-central-1"
    assert region(aws.within("eu-north-1"), {})["endpoint"] == "ec2.eu-north-1.amazonaws.com"


def test_the_caller_is_in_the_emulators_account(aws: Aws) -> None:
    found = LOOKUPS["aws:index/getCallerIdentity:getCallerIdentity"](aws, {})
    assert found["accountId"] == found["id"] == "123456789012"
    assert found["arn"].startswith("arn:aws:sts::123456789012:")


def test_zones_are_those_of_the_region_without_the_excluded(aws: Aws) -> None:
    zones = LOOKUPS["aws:index/getAvailabilityZones:getAvailabilityZones"]
    found = zones(aws, {"state": "available", "excludeNames": ["us-east-1e"], "excludeZoneIds": ["use1-az6"]})
    assert found["names"] == [f"us-east-1{letter}" for letter in "bcdf"]
    assert found["zoneIds"] == ["use1-az1", "use1-az2", "use1-az4", "use1-az5"]
    assert zones(aws, {"region": "eu-west-1"})["names"] == ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
    assert zones(aws, {"state": "impaired"})["names"] == []


def test_cloudfronts_addresses_are_a_list_that_a_rule_can_name(aws: Aws) -> None:
    found = LOOKUPS[PREFIX_LIST](aws, {"name": CLOUDFRONT})
    assert (found["name"], found["ownerId"], found["addressFamily"]) == (CLOUDFRONT, "AWS", "IPv4")
    assert "13.124.199.0/24" in [entry["cidr"] for entry in found["entries"]]
    assert LOOKUPS[PREFIX_LIST](aws, {"id": found["id"]})["name"] == CLOUDFRONT
    filters = [{"name": "prefix-list-name", "values": [CLOUDFRONT]}]
    assert LOOKUPS[PREFIX_LIST](aws, {"filters": filters})["id"] == found["id"]


@pytest.mark.parametrize(("asked", "words"), [({"name": "nobody's"}, "name nobody's"), ({}, "nothing")])
def test_an_unknown_prefix_list_is_an_error_that_names_it(aws: Aws, asked: Props, words: str) -> None:
    with pytest.raises(ValueError, match=f"no prefix list for {words}"):
        LOOKUPS[PREFIX_LIST](aws, asked)


ASKED: dict[str, Props] = {OFFERINGS: offerings("g5.xlarge"), PREFIX_LIST: {"name": CLOUDFRONT}}


@pytest.mark.parametrize("token", LOOKUPS)
def test_an_answer_has_the_fields_that_the_sdk_reads(aws: Aws, token: str) -> None:
    package, name = re.split("[:/]", token)[1], token.rsplit(":", 1)[1]
    home: Any = pulumi_aws if package == "index" else getattr(pulumi_aws, package)
    result = getattr(home, f"{name[0].upper()}{name[1:]}Result")
    properties = inspect.getmembers(result, lambda member: isinstance(member, property))
    fields = {getattr(found.fget, "_pulumi_name", found.fget.__name__): found for _, found in properties}
    answer = LOOKUPS[token](aws, ASKED.get(token, {}))
    assert answer.keys() <= fields.keys(), "the SDK has no such fields"
    needed = {
        key for key, found in fields.items() if "Optional" not in str(found.fget.__annotations__["return"])
    }
    assert needed <= answer.keys(), "the SDK promises more"
