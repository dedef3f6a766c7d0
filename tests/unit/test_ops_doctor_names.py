"""`ops doctor` on names: the bucket's, and the own domains of the API and of the page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from ops import doctor_names
from ops.doctor_finding import Finding
from tests.unit.doctor_ground import XML, Account, account
from tests.unit.ops_cloud import BUCKET

BUCKET_CHECK, API_CHECK, PAGE_CHECK = doctor_names.CHECKS
OWN = [{"Key": "Project", "Value": "sd-app"}, {"Key": "Stack", "Value": "dev"}]
DOMAIN = "api.studio.example"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
TAKEN = (403, XML, "")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    monkeypatch.setattr(
        "moto.settings.ACM_VALIDATION_WAIT", -1
    )  # a certificate is issued when it is looked at
    with account(monkeypatch) as made:
        yield made


def bucket(cloud: Account) -> Finding:
    (found,) = BUCKET_CHECK.look(cloud.ground())
    return found


def test_a_free_bucket_name(cloud: Account) -> None:
    assert bucket(cloud).verdict == "ok"


def test_the_stacks_own_bucket_is_known_by_its_tags(cloud: Account) -> None:
    cloud.make_bucket().put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": OWN})
    found = bucket(cloud)
    assert found.verdict == "ok" and "own" in found.said


@pytest.mark.parametrize(
    "tags", [[], [{"Key": "Project", "Value": "sd-app"}, {"Key": "Stack", "Value": "prod"}]]
)
def test_a_bucket_of_the_account_that_is_not_the_stacks_is_told(cloud: Account, tags: list[Any]) -> None:
    s3 = cloud.make_bucket()
    if tags:
        s3.put_bucket_tagging(Bucket=BUCKET, Tagging={"TagSet": tags})
    found = bucket(cloud)
    assert found.verdict == "bad" and "does not carry this stack's tags" in found.said
    assert "sd-app:storage.bucketName" in found.todo


def test_somebody_elses_bucket_is_told(cloud: Account) -> None:
    cloud.answers[("s3", "HeadBucket")] = TAKEN
    found = bucket(cloud)
    assert found.verdict == "bad" and "taken by somebody else" in found.said


def test_an_own_bucket_that_one_may_not_look_into_is_not_somebody_elses(cloud: Account) -> None:
    cloud.make_bucket()
    cloud.denied.add(("s3", "HeadBucket"))
    found = bucket(cloud)
    assert found.verdict == "unseen" and "s3:ListBucket" in found.said


def test_without_the_right_to_list_buckets_nobody_knows_whose_it_is(cloud: Account) -> None:
    cloud.denied.update({("s3", "HeadBucket"), ("s3", "ListBuckets")})
    found = bucket(cloud)
    assert found.verdict == "unseen" and "s3:ListAllMyBuckets" in found.said


def api(cloud: Account, arn: str = CERTIFICATE, zone: str | None = None) -> list[Finding]:
    ground = cloud.ground(backend={"domainName": DOMAIN, "certificateArn": arn})
    # Moto's zones have ids that no zone of AWS's has.
    backend = ground.settings.backend.model_copy(update={"hosted_zone_id": zone and zone.rpartition("/")[2]})
    return API_CHECK.look(replace(ground, settings=replace(ground.settings, backend=backend)))


def certificate(cloud: Account, domain: str = DOMAIN) -> str:
    acm = cloud.client("acm")
    arn = acm.request_certificate(DomainName=domain, ValidationMethod="DNS")["CertificateArn"]
    acm.describe_certificate(CertificateArn=arn)
    return arn


def zone(cloud: Account, name: str = "studio.example") -> str:
    made = cloud.client("route53").create_hosted_zone(Name=name, CallerReference=name)
    return made["HostedZone"]["Id"]


def distribution(cloud: Account, tags: list[dict[str, str]]) -> None:
    origin = {
        "Id": "o",
        "DomainName": "example.com",
        "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "http-only"},
    }
    config = {
        "CallerReference": "t",
        "Comment": "",
        "Enabled": True,
        "Aliases": {"Quantity": 1, "Items": [DOMAIN]},
        "Origins": {"Quantity": 1, "Items": [origin]},
        "DefaultCacheBehavior": {"TargetOriginId": "o", "ViewerProtocolPolicy": "https-only"},
    }
    wanted = {"DistributionConfig": config, "Tags": {"Items": tags}}
    cloud.client("cloudfront").create_distribution_with_tags(DistributionConfigWithTags=wanted)


def test_without_an_own_domain_nothing_is_asked(cloud: Account) -> None:
    (found,) = API_CHECK.look(cloud.ground())
    assert found.verdict == "unneeded" and not cloud.calls


def test_an_own_domain_with_all_that_it_needs(cloud: Account) -> None:
    found = api(cloud, certificate(cloud), zone(cloud))
    assert [one.verdict for one in found] == ["ok", "ok", "ok"], found
    assert "issued" in found[0].said and "free" in found[1].said


@pytest.mark.parametrize("name", ["*.studio.example", DOMAIN])
def test_a_certificate_covers_its_own_name_and_one_label_for_a_star(cloud: Account, name: str) -> None:
    assert api(cloud, certificate(cloud, name))[0].verdict == "ok"


@pytest.mark.parametrize(
    ("name", "domain", "covered"),
    [
        ("*.studio.example", "a.b.studio.example", False),
        ("*.studio.example", "studio.example", False),
        ("studio.example", "api.studio.example", False),
    ],
)
def test_a_star_is_one_label(name: str, domain: str, covered: bool) -> None:
    assert doctor_names.covers(name, domain) is covered


def test_a_certificate_for_another_name_is_told(cloud: Account) -> None:
    found = api(cloud, certificate(cloud, "other.example"))[0]
    assert found.verdict == "bad" and f"is for other.example, not for {DOMAIN}" in found.said


def test_a_certificate_that_is_not_there_is_told(cloud: Account) -> None:
    found = api(cloud)[0]
    assert (
        found.verdict == "bad"
        and "is not there" in found.said
        and "sd-app:backend.certificateArn" in found.todo
    )


def test_a_certificate_that_is_not_issued_yet_is_told(cloud: Account) -> None:
    told = {"Certificate": {"DomainName": DOMAIN, "Status": "PENDING_VALIDATION"}}
    cloud.answers[("acm", "DescribeCertificate")] = (200, "application/x-amz-json-1.1", json.dumps(told))
    found = api(cloud)[0]
    assert found.verdict == "bad" and "PENDING_VALIDATION" in found.said and "DNS records" in found.todo


def test_without_a_zone_the_record_is_the_persons_own(cloud: Account) -> None:
    assert api(cloud)[1].verdict == "unneeded"


@pytest.mark.parametrize(
    ("name", "said"), [(None, "has no zone Z0123456789"), ("other.example", f"{DOMAIN} is not in it")]
)
def test_a_zone_that_is_not_there_or_another_one_is_told(cloud: Account, name: str | None, said: str) -> None:
    found = api(cloud, zone=zone(cloud, name) if name else "Z0123456789")[1]
    assert found.verdict == "bad" and said in found.said


@pytest.mark.parametrize("own", [True, False])
def test_a_record_that_is_there_already_must_be_the_stacks_own(cloud: Account, own: bool) -> None:
    place = zone(cloud)
    record = {"Name": DOMAIN, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}
    changes = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
    cloud.client("route53").change_resource_record_sets(HostedZoneId=place, ChangeBatch=changes)
    if own:
        distribution(cloud, OWN)
    found = api(cloud, zone=place)[1]
    assert found.verdict == ("ok" if own else "bad"), found


@pytest.mark.parametrize("own", [True, False])
def test_an_alias_in_use_must_be_the_stacks_own(cloud: Account, own: bool) -> None:
    distribution(cloud, OWN if own else [])
    found = api(cloud)[2]
    assert found.verdict == ("ok" if own else "bad"), found
    assert own or "is not this stack's" in found.said


def test_each_missing_right_is_named_beside_what_could_be_seen(cloud: Account) -> None:
    place = zone(cloud)
    cloud.denied.update({("acm", "DescribeCertificate"), ("cloudfront", "GET")})
    found = api(cloud, zone=place)
    assert [one.verdict for one in found] == ["unseen", "ok", "unseen"]
    assert "acm:DescribeCertificate" in found[0].said and "cloudfront:ListDistributions" in found[2].said


def page(cloud: Account) -> Finding:
    changes = {"enabled": True, "domainName": "studio.example", "subdomain": "app"}
    (found,) = PAGE_CHECK.look(cloud.ground(frontend=changes, githubToken=True))
    return found


def test_a_page_that_is_switched_off_needs_no_domain(cloud: Account) -> None:
    (found,) = PAGE_CHECK.look(cloud.ground())
    assert found.verdict == "unneeded"


def test_an_emulator_without_amplify_is_told(cloud: Account) -> None:
    found = page(cloud)
    assert found.verdict == "unneeded" and "emulator" in found.said


APP: dict[str, Any] = {
    "appId": "d1",
    "appArn": "arn:aws:amplify:us-east-1:123456789012:apps/d1",
    "name": "elder",
    "description": "",
    "repository": "",
    "platform": "WEB",
    "createTime": 0,
    "updateTime": 0,
    "environmentVariables": {},
    "defaultDomain": "d1.amplifyapp.com",
    "enableBranchAutoBuild": False,
    "enableBasicAuth": False,
}


@pytest.mark.parametrize(
    ("tags", "domain", "verdict"),
    [
        ({}, "studio.example", "bad"),
        ({"Project": "sd-app", "Stack": "prod"}, "studio.example", "bad"),
        ({"Project": "sd-app", "Stack": "dev"}, "studio.example", "ok"),
        ({}, "other.example", "ok"),
    ],
)
def test_a_page_domain_that_another_amplify_app_has_is_told(
    cloud: Account, tags: dict[str, str], domain: str, verdict: str
) -> None:
    association: dict[str, Any] = {"domainName": domain, "domainAssociationArn": "", "subDomains": []}
    both: dict[str, Any] = {"apps": [{**APP, "tags": tags}], "domainAssociations": [association]}
    cloud.answers[("amplify", "GET")] = (200, "application/json", json.dumps(both))
    found = page(cloud)
    assert found.verdict == verdict
    assert verdict == "ok" or "belongs to the Amplify app elder (d1)" in found.said
