"""`ops doctor` on the account itself: whose, allowed, the Region, the zones and the images."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ops import doctor_account, doctor_machines
from ops.doctor_finding import Check, Denied, Finding, Ground, ask
from tests.unit.doctor_ground import XML, Account, account, told

ACCOUNT = "123456789012"
GPU_IMAGE, ARM_IMAGE = "Deep Learning AMI Ubuntu*", "al2023-ami-2023*arm64"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    with account(monkeypatch) as made:
        yield made


def look(checks: tuple[Check, ...], name: str, ground: Ground) -> list[Finding]:
    (check,) = (one for one in checks if one.name == name)
    return check.look(ground)


def zones(ground: Ground) -> Finding:
    (found,) = look(doctor_machines.CHECKS, "zones", ground)
    return found


def image_id(cloud: Account, name: str) -> str:
    filters = [{"Name": "name", "Values": [name]}, {"Name": "root-device-type", "Values": ["ebs"]}]
    return cloud.client("ec2").describe_images(Filters=filters)["Images"][0]["ImageId"]


@pytest.mark.parametrize("allowed", [[], [ACCOUNT]])
def test_credentials_that_work_are_told_with_their_account(cloud: Account, allowed: list[str]) -> None:
    found = doctor_account.credentials(cloud.ground(aws={"allowedAccountIds": allowed}))
    assert found.verdict == "ok" and ACCOUNT in found.said
    assert ("any would be taken" in found.said) is not bool(allowed)


def test_another_account_is_refused_with_the_allowed_one(cloud: Account) -> None:
    found = doctor_account.credentials(cloud.ground(aws={"allowedAccountIds": ["999999999999"]}))
    assert found.verdict == "bad"
    assert ACCOUNT in found.said and "999999999999" in found.said and "AWS_PROFILE" in found.todo


def test_keys_that_aws_does_not_know_are_told(cloud: Account) -> None:
    body = (
        "<ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>no</Message></Error></ErrorResponse>"
    )
    cloud.answers[("sts", "GetCallerIdentity")] = (403, XML, body)
    found = doctor_account.credentials(cloud.ground())
    assert found.verdict == "bad" and "does not accept these credentials" in found.said


def region(name: str, status: str) -> tuple[int, str, str]:
    item = f"<regionName>{name}</regionName><optInStatus>{status}</optInStatus>"
    return (
        200,
        XML,
        f"<DescribeRegionsResponse><regionInfo><item>{item}</item></regionInfo></DescribeRegionsResponse>",
    )


def test_a_region_that_is_switched_on(cloud: Account) -> None:
    (found,) = look(doctor_account.CHECKS, "region", cloud.ground())
    assert found.verdict == "ok" and "us-east-1" in found.said


def test_a_region_that_is_switched_off_is_told_with_where_to_switch_it_on(cloud: Account) -> None:
    cloud.answers[("ec2", "DescribeRegions")] = region("eu-west-1", "not-opted-in")
    (found,) = look(doctor_account.CHECKS, "region", cloud.ground(aws={"region": "eu-west-1"}))
    assert found.verdict == "bad"
    assert "not-opted-in" in found.said and "https://console.aws.amazon.com/" in found.todo


def test_the_zones_are_those_that_the_network_will_choose(cloud: Account) -> None:
    found = zones(cloud.ground())
    assert found.verdict == "ok"
    assert "us-east-1a, us-east-1b offer" in found.said
    assert {"g5.xlarge", "t2.medium", "t4g.nano"} <= set(found.said.replace(",", "").split())


def offerings(**zones_of: str) -> tuple[int, str, str]:
    items = "".join(
        f"<item><instanceType>{kind.replace('_', '.')}</instanceType><location>us-east-1{letter}</location></item>"
        for kind, letters in zones_of.items()
        for letter in letters
    )
    body = f"<instanceTypeOfferingSet>{items}</instanceTypeOfferingSet>"
    return (
        200,
        XML,
        f"<DescribeInstanceTypeOfferingsResponse>{body}</DescribeInstanceTypeOfferingsResponse>",
    )


def test_too_few_zones_with_the_gpu_type_are_told_in_the_programs_own_words(cloud: Account) -> None:
    cloud.answers[("ec2", "DescribeInstanceTypeOfferings")] = offerings(
        g5_xlarge="b", t2_medium="ab", t4g_nano="ab"
    )
    found = zones(cloud.ground())
    assert found.verdict == "bad"
    assert "2 zones wanted, but g5.xlarge is offered in 1 (us-east-1b)" in found.said
    assert "sd-app:mlServer.instanceType" in found.todo


def test_a_first_zone_without_the_backends_type_is_told_with_those_that_have_it(cloud: Account) -> None:
    cloud.answers[("ec2", "DescribeInstanceTypeOfferings")] = offerings(
        g5_xlarge="ab", t2_medium="b", t4g_nano="ab"
    )
    found = zones(cloud.ground())
    assert found.verdict == "bad"
    assert "us-east-1a" in found.said and "backend's t2.medium" in found.said and "us-east-1b" in found.todo


def images(ground: Ground) -> dict[str, Finding]:
    return told(look(doctor_machines.CHECKS, "images", ground))


def test_all_images_are_found_for_the_architecture_of_their_machines(cloud: Account) -> None:
    found = images(cloud.ground())
    assert {name: one.verdict for name, one in found.items()} == {
        "image ml-server": "ok",
        "image backend": "ok",
        "image nat": "ok",
    }
    assert "x86_64" in found["image ml-server"].said and "arm64" in found["image nat"].said


def test_without_a_nat_instance_none_is_looked_at(cloud: Account) -> None:
    assert "image nat" not in images(cloud.ground(network={"nat": "single_gateway"}))


@pytest.mark.parametrize(
    ("change", "said", "todo"),
    [
        ({"amiId": "ami-0123456789abcdef0"}, "is not in us-east-1", "ops images list"),
        ({"amiId": ARM_IMAGE}, "is for arm64, but g5.xlarge is x86_64", "sd-app:mlServer.amiId"),
    ],
)
def test_an_image_of_the_settings_that_will_not_do_is_told(
    cloud: Account, change: dict[str, Any], said: str, todo: str
) -> None:
    chosen = change["amiId"]
    chosen = chosen if chosen.startswith("ami-") else image_id(cloud, chosen)
    found = images(cloud.ground(mlServer={"amiId": chosen}))["image ml-server"]
    assert found.verdict == "bad" and said in found.said and todo in found.todo


def test_an_image_of_the_settings_that_will_do_is_told_as_set(cloud: Account) -> None:
    found = images(cloud.ground(mlServer={"amiId": image_id(cloud, GPU_IMAGE)}))["image ml-server"]
    assert found.verdict == "ok" and "(set)" in found.said


def described(image: str, **changed: str) -> tuple[int, str, str]:
    parts = {"imageState": "available", "architecture": "x86_64", "volumeSize": "30", **changed}
    disk = f"<item><deviceName>/dev/sda1</deviceName><ebs><volumeSize>{parts['volumeSize']}</volumeSize></ebs></item>"
    body = (
        f"<item><imageId>{image}</imageId><imageState>{parts['imageState']}</imageState>"
        f"<architecture>{parts['architecture']}</architecture><rootDeviceName>/dev/sda1</rootDeviceName>"
        f"<blockDeviceMapping>{disk}</blockDeviceMapping></item>"
    )
    return 200, XML, f"<DescribeImagesResponse><imagesSet>{body}</imagesSet></DescribeImagesResponse>"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"imageState": "pending"}, "is pending, not available"),
        ({"volumeSize": "200"}, "needs 200 GiB, sd-app:mlServer.diskGib is 150"),
    ],
)
def test_an_image_that_is_not_ready_or_larger_than_the_disk_is_told(
    cloud: Account, changed: dict[str, str], said: str
) -> None:
    cloud.answers[("ec2", "DescribeImages")] = described("ami-12345678", **changed)
    found = images(cloud.ground())["image ml-server"]
    assert found.verdict == "bad" and said in found.said


def test_a_region_without_the_public_parameter_is_told(cloud: Account) -> None:
    body = '{"__type": "ParameterNotFound", "message": ""}'
    cloud.answers[("ssm", "GetParameter")] = (400, "application/x-amz-json-1.1", body)
    found = images(cloud.ground())
    assert {one.verdict for one in found.values()} == {"bad"}
    assert (
        "deeplearning" in found["image ml-server"].said
        and "sd-app:mlServer.amiId" in found["image ml-server"].todo
    )


@pytest.mark.parametrize(
    ("checks", "name", "action", "right"),
    [
        (doctor_account.CHECKS, "region", ("ec2", "DescribeRegions"), "ec2:DescribeRegions"),
        (
            doctor_machines.CHECKS,
            "zones",
            ("ec2", "DescribeInstanceTypeOfferings"),
            "ec2:DescribeInstanceTypeOfferings",
        ),
        (doctor_machines.CHECKS, "images", ("ssm", "GetParameter"), "ssm:GetParameter"),
        (doctor_machines.CHECKS, "images", ("ec2", "DescribeImages"), "ec2:DescribeImages"),
    ],
)
def test_a_missing_right_is_named(
    cloud: Account, checks: tuple[Check, ...], name: str, action: tuple[str, str], right: str
) -> None:
    cloud.denied.add(action)
    with pytest.raises(Denied) as caught:
        look(checks, name, cloud.ground())
    assert caught.value.right == right


def test_what_writes_can_not_even_be_asked(cloud: Account) -> None:
    with pytest.raises(ValueError, match="create_bucket is no operation that reads"):
        ask(cloud.ground().stack, "s3", "create_bucket", Bucket="mine")
    assert not cloud.calls
