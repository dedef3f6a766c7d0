"""Names that must be free, or this stack's own: the bucket's, which is unique in all of AWS, and own domain names."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from ops.doctor_finding import Check, Denied, Finding, Ground, ask, ask_all, bad, good, unneeded, unseen
from ops.doctor_quotas import is_own
from ops.errors import code, is_gone

BUCKET, API, PAGE = "bucket name", "domain of the API", "domain of the page"
EVERYWHERE = "us-east-1"
"""Where CloudFront's certificates are, and the services without a Region answer."""
OTHER_NAME = "choose another sd-app:storage.bucketName"
MOVED = ("301", "PermanentRedirect", "AuthorizationHeaderMalformed")
NOT_EMULATED = ("404", "405", "500", "501")
"""What moto answers for a service that it lacks."""


def _bucket(ground: Ground) -> list[Finding]:
    name = ground.settings.storage.bucket_name
    try:
        head = ask(ground.stack, "s3", "head_bucket", Bucket=name)
    except Denied as denied:
        return [_closed(ground, name, denied)]
    except ClientError as error:
        if is_gone(error):
            return [good(BUCKET, f"{name} is free")]
        if code(error) in MOVED:
            return [bad(BUCKET, f"{name} is taken, in another Region", OTHER_NAME)]
        raise
    region = head.get("BucketRegion") or ground.stack.region
    if region != ground.stack.region:
        return [
            bad(BUCKET, f"{name} is taken: it lies in {region}, not in {ground.stack.region}", OTHER_NAME)
        ]
    if is_own(_bucket_tags(ground, name), ground.stack.name):
        return [good(BUCKET, f"{name} is this stack's own")]
    return [
        bad(
            BUCKET,
            f"{name} is there already, and does not carry this stack's tags",
            f"{OTHER_NAME}, or `pulumi import` it when it shall be the stack's",
        )
    ]


def _closed(ground: Ground, name: str, denied: Denied) -> Finding:
    """403 says that it exists (one that does not is a 404): somebody else's, unless the account lists it."""
    try:
        own = any(
            one["Name"] == name for one in ask_all(ground.stack, "s3", "list_buckets", "Buckets", Prefix=name)
        )
    except Denied as unlisted:
        return unseen(BUCKET, f"{name} is taken; whose it is needs {denied.right} or {unlisted.right}")
    if own:
        return unseen(BUCKET, f"{name} is this account's, but {denied}")
    return bad(BUCKET, f"{name} is taken by somebody else", OTHER_NAME)


def _bucket_tags(ground: Ground, name: str) -> list[Any]:
    try:
        return ask(ground.stack, "s3", "get_bucket_tagging", Bucket=name)["TagSet"]
    except ClientError as error:
        if code(error) != "NoSuchTagSet":
            raise
        return []


def _api(ground: Ground) -> list[Finding]:
    settings = ground.settings.backend
    domain = settings.domain_name
    if domain is None:
        return [unneeded(API, "no sd-app:backend.domainName: CloudFront gives one")]
    looks = (
        lambda: _certificate(ground, domain, str(settings.certificate_arn)),
        lambda: _zone(ground, domain, settings.hosted_zone_id),
        lambda: _alias(ground, domain),
    )
    return [_or_denied(API, look) for look in looks]


def _or_denied(check: str, look: Any) -> Finding:
    try:
        return look()
    except Denied as denied:
        return unseen(check, str(denied))


def _certificate(ground: Ground, domain: str, arn: str) -> Finding:
    new = f"ask ACM in {EVERYWHERE} for one for {domain}, and set sd-app:backend.certificateArn"
    try:
        found = ask(ground.stack, "acm", "describe_certificate", region=EVERYWHERE, CertificateArn=arn)
    except ClientError as error:
        if not is_gone(error):
            raise
        return bad(API, f"the certificate {arn} is not there", new)
    certificate = found["Certificate"]
    if certificate["Status"] != "ISSUED":
        todo = "make the DNS records that ACM shows for it, and wait until it is issued"
        return bad(API, f"the certificate is {certificate['Status']}, not ISSUED", todo)
    names: list[str] = certificate.get("SubjectAlternativeNames") or [certificate["DomainName"]]
    if not any(covers(name, domain) for name in names):
        return bad(API, f"the certificate is for {', '.join(names)}, not for {domain}", new)
    return good(API, f"the certificate for {domain} is issued, in {EVERYWHERE}")


def covers(name: str, domain: str) -> bool:
    """A certificate's name covers a domain: the same, or one label in place of `*` (RFC 6125)."""
    return name == domain or (name.startswith("*.") and domain.partition(".")[2] == name[2:])


def _zone(ground: Ground, domain: str, zone: str | None) -> Finding:
    if zone is None:
        return unneeded(API, f"no sd-app:backend.hostedZoneId: you make the record of {domain} yourself")
    try:
        name = str(ask(ground.stack, "route53", "get_hosted_zone", Id=zone)["HostedZone"]["Name"]).rstrip(".")
    except ClientError as error:
        if code(error) != "NoSuchHostedZone":
            raise
        return bad(
            API,
            f"Route 53 has no zone {zone} in this account",
            "correct sd-app:backend.hostedZoneId, or leave it out",
        )
    if domain != name and not domain.endswith(f".{name}"):
        return bad(
            API, f"zone {zone} is {name}: {domain} is not in it", "correct sd-app:backend.hostedZoneId"
        )
    records = ask(
        ground.stack,
        "route53",
        "list_resource_record_sets",
        HostedZoneId=zone,
        StartRecordName=domain,
        MaxItems="5",
    )["ResourceRecordSets"]
    taken = [
        one for one in records if one["Name"].rstrip(".") == domain and one["Type"] in ("A", "AAAA", "CNAME")
    ]
    if taken and not _own_distribution(ground, domain):
        return bad(
            API, f"zone {name} has a record {domain} ({taken[0]['Type']}) already", "delete the record"
        )
    whose = "this stack's own" if taken else "free"
    return good(API, f"zone {name} is there, the record of {domain} {whose}")


def _alias(ground: Ground, domain: str) -> Finding:
    """Another account's distributions can't be seen; CloudFront refuses there."""
    holder = _holder(ground, domain)
    if holder is None:
        return good(API, f"no distribution of this account has the alias {domain}")
    if _is_own_distribution(ground, holder):
        return good(API, f"the alias {domain} is on this stack's own distribution")
    return bad(
        API,
        f"the alias {domain} is on distribution {holder['Id']}, which is not this stack's",
        "take it off there, or choose another sd-app:backend.domainName",
    )


def _holder(ground: Ground, domain: str) -> Any | None:
    """The account's distribution that has the alias; pages are read by hand, for the list lies a level deeper."""
    marker: dict[str, str] = {}
    while True:
        listed = ask(ground.stack, "cloudfront", "list_distributions", region=EVERYWHERE, **marker)[
            "DistributionList"
        ]
        for one in listed.get("Items") or ():
            if domain in (one["Aliases"].get("Items") or ()):
                return one
        if not listed["IsTruncated"]:
            return None
        marker = {"Marker": listed["NextMarker"]}


def _is_own_distribution(ground: Ground, holder: Any) -> bool:
    tags = ask(
        ground.stack, "cloudfront", "list_tags_for_resource", region=EVERYWHERE, Resource=holder["ARN"]
    )["Tags"]["Items"]
    return is_own(tags, ground.stack.name)


def _own_distribution(ground: Ground, domain: str) -> bool:
    holder = _holder(ground, domain)
    return holder is not None and _is_own_distribution(ground, holder)


def _page(ground: Ground) -> list[Finding]:
    settings = ground.settings.frontend
    domain = settings.domain_name
    if not settings.enabled or domain is None:
        why = "no sd-app:frontend.domainName: Amplify gives one"
        return [unneeded(PAGE, why if settings.enabled else "switched off by sd-app:frontend.enabled")]
    try:
        apps = list(ask_all(ground.stack, "amplify", "list_apps", "apps"))
    except ClientError as error:
        if not ground.stack.endpoint or code(error) not in NOT_EMULATED:
            raise
        return [unneeded(PAGE, "the emulator has no Amplify")]
    for app in apps:
        tags: dict[str, str] = app.get("tags") or {}
        if is_own([{"Key": key, "Value": value} for key, value in tags.items()], ground.stack.name):
            continue
        names = ask_all(
            ground.stack, "amplify", "list_domain_associations", "domainAssociations", appId=app["appId"]
        )
        if any(one["domainName"] == domain for one in names):
            return [
                bad(
                    PAGE,
                    f"{domain} belongs to the Amplify app {app['name']} ({app['appId']}), which is not this stack's",
                    "take it away there, or choose another sd-app:frontend.domainName",
                )
            ]
    return [good(PAGE, f"no other Amplify app of this account has {domain}")]


CHECKS = (Check(name=BUCKET, look=_bucket), Check(name=API, look=_api), Check(name=PAGE, look=_page))
