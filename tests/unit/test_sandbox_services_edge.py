"""The sandbox's distributions, records and Amplify apps, each lived through on a real moto server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandbox.aws import amplify, cloudfront, route53
from sandbox.aws.table import Aws, Props, Store
from tests.unit.sandbox_life import ACCOUNT, NEW_TAGS, TAGS, Life, declared, live, moto_server, types_of

TYPES = types_of(amplify, cloudfront, route53)
SECRET = "a secret of 64 digits"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with moto_server(tmp_path_factory.mktemp("moto")) as cloud:
        yield cloud


@pytest.fixture(scope="module")
def zone(aws: Aws) -> str:
    made = aws.client("route53").create_hosted_zone(Name="studio.example", CallerReference="1")
    return made["HostedZone"]["Id"].rsplit("/", 1)[1]


def _off(aws: Aws, id: str) -> None:
    client = aws.client("cloudfront")
    answer = client.get_distribution_config(Id=id)
    client.update_distribution(
        Id=id, IfMatch=answer["ETag"], DistributionConfig=answer["DistributionConfig"] | {"Enabled": False}
    )


def origin(secret: str = SECRET, name: str = "ec2-1.compute.amazonaws.com") -> Props:
    return {
        "originId": "backend",
        "domainName": name,
        "connectionAttempts": 2,
        "connectionTimeout": 5,
        "customHeaders": [{"name": "X-Origin-Secret", "value": secret}],
        "customOriginConfig": {
            "httpPort": 3000,
            "httpsPort": 443,
            "originProtocolPolicy": "http-only",
            "originSslProtocols": ["TLSv1.2"],
            "originReadTimeout": 60,
            "originKeepaliveTimeout": 60,
        },
    }


BEHAVIOR: Props = {
    "targetOriginId": "backend",
    "viewerProtocolPolicy": "redirect-to-https",
    "allowedMethods": ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"],
    "cachedMethods": ["GET", "HEAD"],
    "cachePolicyId": "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
    "originRequestPolicyId": "b689b0a8-53d0-40ab-baf2-68738e2966ac",
    "compress": False,
}
DISTRIBUTION: Props = {
    "comment": "Backend of sd-app-test",
    "enabled": True,
    "isIpv6Enabled": True,
    "httpVersion": "http2and3",
    "priceClass": "PriceClass_All",
    "restrictions": {"geoRestriction": {"restrictionType": "none"}},
    "origins": [origin()],
    "defaultCacheBehavior": BEHAVIOR,
    "viewerCertificate": {"cloudfrontDefaultCertificate": True},
    "waitForDeployment": True,
    "retainOnDelete": False,
}

LIVES: tuple[tuple[str, Life], ...] = (
    (
        "Distribution",
        Life(
            name="as the program has it",
            inputs={**DISTRIBUTION, **TAGS},
            changes={
                "aliases": ["api.studio.example"],
                "comment": "",
                "origins": [origin("another secret")],
                "viewerCertificate": {
                    "acmCertificateArn": f"arn:aws:acm:us-east-1:{ACCOUNT}:certificate/1",
                    "sslSupportMethod": "sni-only",
                    "minimumProtocolVersion": "TLSv1.2_2021",
                },
                "restrictions": {
                    "geoRestriction": {"restrictionType": "whitelist", "locations": ["DE", "VN"]}
                },
                **NEW_TAGS,
            },
            outputs={"hostedZoneId": "Z2FDTNDATAQYW2", "status": "Deployed"},
            tamper=_off,
            seen="enabled",
        ),
    ),
    (
        "Distribution",
        Life(
            name="with all else",
            inputs={
                **DISTRIBUTION,
                "orderedCacheBehaviors": [{**BEHAVIOR, "pathPattern": "/static/*", "compress": True}],
                "customErrorResponses": [
                    {"errorCode": 404, "responseCode": 200, "responsePagePath": "/x", "errorCachingMinTtl": 5}
                ],
                "loggingConfig": {"bucket": "logs.s3.amazonaws.com", "prefix": "edge/"},
                "defaultRootObject": "index.html",
                "webAclId": f"arn:aws:wafv2:us-east-1:{ACCOUNT}:global/webacl/a/1",
            },
            changes={
                "httpVersion": "http2",
                "loggingConfig": {"bucket": "logs.s3.amazonaws.com", "prefix": "e/"},
            },
        ),
    ),
    (
        "App",
        Life(
            name="as the program has it",
            inputs={
                "name": "sd-app-test-frontend",
                "description": "The page",
                "repository": "https://github.com/studio/sd-app",
                "accessToken": SECRET,
                "platform": "WEB",
                "environmentVariables": {"AMPLIFY_MONOREPO_APP_ROOT": "app/frontend"},
                "customRules": [{"source": "</^[^.]+$/>", "target": "/index.html", "status": "200"}],
                "customHeaders": "applications: []",
                "enableAutoBranchCreation": False,
                **TAGS,
            },
            changes={"accessToken": "another", "customHeaders": "applications: [1]", **NEW_TAGS},
            marks=frozenset({"accessToken"}),
            lost=frozenset({"accessToken"}),
        ),
    ),
)


@pytest.mark.parametrize(("name", "life"), LIVES, ids=[f"{name} {life.name}" for name, life in LIVES])
def test_a_resource_is_what_was_declared_from_creation_to_deletion(aws: Aws, name: str, life: Life) -> None:
    live(aws, TYPES[name], life)


@pytest.mark.parametrize(
    ("kind", "values", "changed"),
    [
        ("A", {"records": ["192.0.2.1"], "ttl": 60}, {"records": ["192.0.2.2"], "ttl": 300}),
        ("TXT", {"records": ["a b"], "ttl": 60}, {"records": ["c d"], "ttl": 60}),
        (
            "AAAA",
            {
                "aliases": [
                    {"name": "d1.cloudfront.net", "zoneId": "Z2FDTNDATAQYW2", "evaluateTargetHealth": False}
                ]
            },
            {
                "aliases": [
                    {"name": "d2.cloudfront.net", "zoneId": "Z2FDTNDATAQYW2", "evaluateTargetHealth": False}
                ]
            },
        ),
    ],
)
def test_a_record_is_what_was_declared(aws: Aws, zone: str, kind: str, values: Props, changed: Props) -> None:
    inputs = {"zoneId": zone, "name": "api.studio.example", "type": kind, **values}
    live(
        aws,
        TYPES["Record"],
        Life(name=kind, inputs=inputs, changes=changed, outputs={"fqdn": "api.studio.example"}),
    )


def test_what_hangs_on_an_app_lives_and_goes_with_it(aws: Aws) -> None:
    app = TYPES["App"].create(aws, {"name": "page"})
    found = TYPES["App"].read(aws, app, {})
    assert found and found["defaultDomain"] == f"{app}.amplifyapp.com"
    branch: Props = {
        "appId": app,
        "branchName": "main",
        "stage": "PRODUCTION",
        "enableAutoBuild": True,
        **TAGS,
    }
    domain: Props = {
        "appId": app,
        "domainName": "studio.example",
        "subDomains": [{"branchName": "main", "prefix": ""}],
        "waitForVerification": False,
    }
    hook: Props = {"appId": app, "branchName": "main", "description": "build"}
    parts = (("Branch", branch), ("DomainAssociation", domain), ("Webhook", hook))
    with pytest.raises(ValueError, match="no branch main"):
        TYPES["Webhook"].create(aws, hook)
    ids = {name: TYPES[name].create(aws, inputs) for name, inputs in parts}
    for name, inputs in parts:
        read = TYPES[name].read(aws, ids[name], inputs)
        assert read and declared(inputs, read) == inputs
        update = TYPES[name].update
        assert update
        if name != "DomainAssociation":
            update(aws, ids[name], read, read | {"description": "changed"})
            changed = TYPES[name].read(aws, ids[name], read)
            assert changed and changed["description"] == "changed"
    TYPES["App"].delete(aws, app, found)
    for name, inputs in parts:
        assert TYPES[name].read(aws, ids[name], inputs) is None, f"{name} outlives its app"
        TYPES[name].delete(aws, ids[name], inputs)
    with pytest.raises(ValueError, match=f"no app {app}"):
        TYPES["Branch"].create(aws, branch)


def test_a_repository_without_a_token_is_refused(aws: Aws) -> None:
    with pytest.raises(ValueError, match="page-2: repository needs accessToken"):
        TYPES["App"].create(aws, {"name": "page-2", "repository": "https://github.com/studio/sd-app"})


def test_no_secret_reaches_the_store(aws: Aws, tmp_path: Path) -> None:
    own = replace(aws, store=Store(tmp_path))
    app = {"name": "p", "repository": "https://github.com/a/b", "accessToken": SECRET}
    headers = [*origin()["customHeaders"], {"name": "X-A", "value": "b"}]
    edge = {**DISTRIBUTION, "origins": [{**origin(), "customHeaders": headers, "originPath": ""}]}
    TYPES["App"].create(own, app)
    id = TYPES["Distribution"].create(own, edge)
    stored = "".join(file.read_text() for file in tmp_path.rglob("*.json"))
    assert "origins" in stored and "accessToken" in stored, "nothing was marked: this test shows nothing"
    assert SECRET not in stored
    found = TYPES["Distribution"].read(own, id, edge)
    assert found and found["origins"] == edge["origins"]


def test_a_distribution_is_switched_off_before_it_goes(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    client: Any = aws.client("cloudfront")
    id = TYPES["Distribution"].create(aws, DISTRIBUTION)
    seen: list[bool] = []
    delete = client.delete_distribution

    def watch(**arguments: Any) -> Any:
        seen.append(client.get_distribution_config(Id=id)["DistributionConfig"]["Enabled"])
        return delete(**arguments)

    monkeypatch.setattr(client, "delete_distribution", watch)
    TYPES["Distribution"].delete(aws, id, DISTRIBUTION)
    assert seen == [False]


def test_a_retained_distribution_is_only_switched_off(aws: Aws) -> None:
    inputs = {**DISTRIBUTION, "retainOnDelete": True}
    id = TYPES["Distribution"].create(aws, inputs)
    TYPES["Distribution"].delete(aws, id, inputs)
    found = TYPES["Distribution"].read(aws, id, inputs)
    assert found and found["enabled"] is False


@pytest.mark.parametrize(
    ("lookup", "name", "id"),
    [
        ("CachePolicy", "Managed-CachingDisabled", "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"),
        (
            "OriginRequestPolicy",
            "Managed-AllViewerExceptHostHeader",
            "b689b0a8-53d0-40ab-baf2-68738e2966ac",
        ),
    ],
)
def test_a_managed_policy_is_found_by_name_and_by_id(aws: Aws, lookup: str, name: str, id: str) -> None:
    find = cloudfront.LOOKUPS[f"aws:cloudfront/get{lookup}:get{lookup}"]
    assert find(aws, {"name": name})["id"] == id
    assert find(aws, {"id": id})["name"] == name
    with pytest.raises(ValueError, match="Managed-Nothing"):
        find(aws, {"name": "Managed-Nothing"})
