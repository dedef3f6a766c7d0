"""CloudFront distributions, and the lookup of AWS's managed policies."""

from __future__ import annotations

import uuid
from typing import Any, cast

from sandbox.aws.faithful import faithful, found_or_none, inward, outward, retag, tag_list, tag_map
from sandbox.aws.table import Aws, Props, ResourceType

HOSTED_ZONE = "Z2FDTNDATAQYW2"
"""Route 53's zone of every distribution (docs.aws.amazon.com/general/latest/gr/cf_region.html)."""
CACHE_POLICIES = {
    "Managed-CachingDisabled": "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
    "Managed-CachingOptimized": "658327ea-f89d-4fab-a63d-7e88639e58f6",
}
"""docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html"""
ORIGIN_REQUEST_POLICIES = {
    "Managed-AllViewer": "216adef6-5c7f-47e4-b989-5492eafa07d3",
    "Managed-AllViewerExceptHostHeader": "b689b0a8-53d0-40ab-baf2-68738e2966ac",
}
"""docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-origin-request-policies.html"""
RESPONSE_HEADERS_POLICIES = {"Managed-SecurityHeadersPolicy": "67f7725c-6f97-4210-82d7-5512b31e9d03"}
"""docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-response-headers-policies.html"""
NAMES = {
    "acmCertificateArn": "ACMCertificateArn",
    "cloudfrontDefaultCertificate": "CloudFrontDefaultCertificate",
    "defaultTtl": "DefaultTTL",
    "errorCachingMinTtl": "ErrorCachingMinTTL",
    "functionArn": "FunctionARN",
    "httpPort": "HTTPPort",
    "httpsPort": "HTTPSPort",
    "iamCertificateId": "IAMCertificateId",
    "isIpv6Enabled": "IsIPV6Enabled",
    "lambdaArn": "LambdaFunctionARN",
    "loggingConfig": "Logging",
    "maxTtl": "MaxTTL",
    "minTtl": "MinTTL",
    "orderedCacheBehaviors": "CacheBehaviors",
    "originId": "Id",
    "originKeepaliveTimeout": "OriginKeepaliveTimeout",
    "s3OriginConfig": "S3OriginConfig",
    "sslSupportMethod": "SSLSupportMethod",
    "webAclId": "WebACLId",
}
"""Pulumi's names that aren't CloudFront's with a small letter."""
COUNTED = {"Quantity", "Items"}
PLAIN = {
    "comment": "",
    "defaultRootObject": "",
    "enabled": True,
    "httpVersion": "http2",
    "isIpv6Enabled": False,
    "priceClass": "PriceClass_All",
    "webAclId": "",
}
"""Inputs of one value, and Pulumi's default of each."""


def _counted(values: Any) -> Props:
    """A list as CloudFront takes it."""
    listed = list(values or ())
    return {"Quantity": len(listed), **({"Items": listed} if listed else {})}


def _uncounted(value: Any) -> Any:
    """CloudFront's counted lists as lists, empty ones and empty texts left out, at every depth."""
    if isinstance(value, dict):
        given = cast(Props, value)
        if "Quantity" in given and given.keys() <= COUNTED | {"Enabled"}:
            return [_uncounted(one) for one in given.get("Items") or ()]
        inner = {key: _uncounted(one) for key, one in given.items()}
        return {key: one for key, one in inner.items() if one not in (None, "", [], {})}
    return value


def _behavior(props: Props) -> Props:
    given = outward(
        {key: value for key, value in props.items() if key not in ("allowedMethods", "cachedMethods")}, NAMES
    )
    for key in ("LambdaFunctionAssociations", "FunctionAssociations", "TrustedKeyGroups", "TrustedSigners"):
        if key in given:
            given[key] = _counted(given[key])
    methods = _counted(props["allowedMethods"]) | {"CachedMethods": _counted(props["cachedMethods"])}
    return {**given, "AllowedMethods": methods}


def _shown_behavior(found: Props) -> Props:
    methods: Props = found.get("AllowedMethods") or {}
    shown = _uncounted({key: value for key, value in found.items() if key != "AllowedMethods"})
    if not shown.get("SmoothStreaming"):
        shown.pop("SmoothStreaming", None)
    # With a cache policy CloudFront has no forwarded values and no times of its own; moto shows some of each.
    if shown.get("CachePolicyId"):
        for key in ("ForwardedValues", "MinTTL", "DefaultTTL", "MaxTTL"):
            shown.pop(key, None)
    return {
        **inward(shown, NAMES),
        "allowedMethods": list(methods.get("Items") or ()),
        "cachedMethods": list(methods.get("CachedMethods", {}).get("Items") or ()),
    }


def _origin(props: Props) -> Props:
    given = outward(props, NAMES)
    if headers := given.get("CustomHeaders"):
        given["CustomHeaders"] = _counted(
            {"HeaderName": one["Name"], "HeaderValue": one["Value"]} for one in headers
        )
    if custom := given.get("CustomOriginConfig"):
        custom["OriginSslProtocols"] = _counted(custom["OriginSslProtocols"])
    return given


def _shown_origin(found: Props) -> Props:
    shown = inward(_uncounted(found), NAMES)
    if not shown.get("originShield", {}).get("enabled"):
        shown.pop("originShield", None)
    if headers := shown.get("customHeaders"):
        shown["customHeaders"] = [{"name": one["headerName"], "value": one["headerValue"]} for one in headers]
    return shown


def _config(inputs: Props, reference: str) -> Props:
    """The whole configuration: CloudFront takes no part of one."""
    plain = {key: inputs.get(key, default) for key, default in PLAIN.items()}
    restriction = dict(inputs["restrictions"]["geoRestriction"])
    places = _counted(restriction.get("locations"))
    return {
        **outward(plain, NAMES),
        "CallerReference": reference,
        "Aliases": _counted(inputs.get("aliases")),
        "CacheBehaviors": _counted(_behavior(one) for one in inputs.get("orderedCacheBehaviors") or ()),
        "CustomErrorResponses": _counted(
            {
                **outward(one, NAMES),
                **({"ResponseCode": str(one["responseCode"])} if "responseCode" in one else {}),
            }
            for one in inputs.get("customErrorResponses") or ()
        ),
        "DefaultCacheBehavior": _behavior(inputs["defaultCacheBehavior"]),
        "Logging": {
            "Enabled": bool(inputs.get("loggingConfig")),
            "Bucket": "",
            "IncludeCookies": False,
            "Prefix": "",
            **outward(inputs.get("loggingConfig") or {}),
        },
        "Origins": _counted(_origin(one) for one in inputs["origins"]),
        "Restrictions": {"GeoRestriction": {"RestrictionType": restriction["restrictionType"], **places}},
        # Said outright, since moto takes silence for CloudFront's own certificate.
        "ViewerCertificate": {
            "CloudFrontDefaultCertificate": False,
            **outward(inputs["viewerCertificate"], NAMES),
        },
    }


def _create(aws: Aws, inputs: Props) -> str:
    made = aws.client("cloudfront").create_distribution_with_tags(
        DistributionConfigWithTags={
            "DistributionConfig": _config(inputs, uuid.uuid4().hex),
            "Tags": {"Items": tag_list(inputs.get("tagsAll"))},
        }
    )
    return made["Distribution"]["Id"]


def _read(aws: Aws, id: str, last: Props) -> Props | None:
    client = aws.client("cloudfront")
    answer = found_or_none(client.get_distribution, Id=id)
    if answer is None:
        return None
    found, config = answer["Distribution"], answer["Distribution"]["DistributionConfig"]
    restriction = config["Restrictions"]["GeoRestriction"]
    return {
        **{key: config.get(outward_name(key), default) for key, default in PLAIN.items()},
        "aliases": _uncounted(config["Aliases"]),
        "arn": found["ARN"],
        "callerReference": config["CallerReference"],
        "customErrorResponses": [
            {**one, **({"responseCode": int(one["responseCode"])} if "responseCode" in one else {})}
            for one in inward(_uncounted(config["CustomErrorResponses"]), NAMES)
        ],
        "defaultCacheBehavior": _shown_behavior(config["DefaultCacheBehavior"]),
        "domainName": found["DomainName"],
        "etag": answer["ETag"],
        "hostedZoneId": HOSTED_ZONE,
        "inProgressValidationBatches": found["InProgressInvalidationBatches"],
        "lastModifiedTime": found["LastModifiedTime"].isoformat(),
        "loggingConfig": _shown_logging(config.get("Logging") or {}),
        "orderedCacheBehaviors": [
            _shown_behavior(one) for one in config["CacheBehaviors"].get("Items") or ()
        ],
        "origins": [_shown_origin(one) for one in config["Origins"]["Items"]],
        "restrictions": {
            "geoRestriction": {
                "restrictionType": restriction["RestrictionType"],
                **({"locations": restriction["Items"]} if restriction.get("Items") else {}),
            }
        },
        # moto deploys at the second look; `up` waits for it on AWS, so that nobody sees the time between.
        "status": "Deployed",
        "viewerCertificate": _shown_certificate(config["ViewerCertificate"]),
        "tagsAll": tag_map(client.list_tags_for_resource(Resource=found["ARN"])["Tags"]["Items"]),
    }


def outward_name(key: str) -> str:
    """CloudFront's name of an input."""
    return next(iter(outward({key: ""}, NAMES)))


def _shown_logging(found: Props) -> Props | None:
    if not found.get("Enabled"):
        return None
    shown = {
        "includeCookies": found.get("IncludeCookies"),
        "bucket": found["Bucket"],
        "prefix": found.get("Prefix"),
    }
    return {key: value for key, value in shown.items() if value}


def _shown_certificate(found: Props) -> Props:
    if found.get("CloudFrontDefaultCertificate"):
        return {"cloudfrontDefaultCertificate": True}
    known = ("ACMCertificateArn", "IAMCertificateId", "MinimumProtocolVersion", "SSLSupportMethod")
    return inward({key: found[key] for key in known if found.get(key)}, NAMES)


def _update(aws: Aws, id: str, old: Props, new: Props) -> None:
    client = aws.client("cloudfront")
    etag = client.get_distribution(Id=id)["ETag"]
    client.update_distribution(Id=id, IfMatch=etag, DistributionConfig=_config(new, old["callerReference"]))
    arn = old["arn"]
    retag(
        old,
        new,
        lambda tags: client.tag_resource(Resource=arn, Tags={"Items": tag_list(tags)}),
        lambda keys: client.untag_resource(Resource=arn, TagKeys={"Items": keys}),
    )


def _delete(aws: Aws, id: str, last: Props) -> None:
    """Switched off first: CloudFront refuses to delete what still serves. `retainOnDelete` leaves it at that."""
    client = aws.client("cloudfront")
    answer = client.get_distribution_config(Id=id)
    etag = answer["ETag"]
    if answer["DistributionConfig"]["Enabled"]:
        off = answer["DistributionConfig"] | {"Enabled": False}
        etag = client.update_distribution(Id=id, IfMatch=etag, DistributionConfig=off)["ETag"]
    if not last.get("retainOnDelete"):
        client.delete_distribution(Id=id, IfMatch=etag)


def _managed(kind: str, known: dict[str, str], arguments: Props) -> Props:
    """A policy that AWS keeps for everyone, by name or by id. moto has none."""
    for name, id in known.items():
        if arguments.get("name") == name or arguments.get("id") == id:
            return {
                "arn": f"arn:aws:cloudfront:::{kind}/{id}",
                "comment": "",
                "etag": "managed",
                "id": id,
                "name": name,
            }
    asked = arguments.get("name") or arguments.get("id")
    raise ValueError(f"aws:cloudfront: no managed {kind} {asked} in the sandbox; known: {', '.join(known)}")


def get_cache_policy(aws: Aws, arguments: Props) -> Props:
    """`aws:cloudfront/getCachePolicy:getCachePolicy`; ValueError for one that the sandbox lacks."""
    times = {"defaultTtl": 0, "maxTtl": 0, "minTtl": 0}
    return {**_managed("cache-policy", CACHE_POLICIES, arguments), **times}


def get_origin_request_policy(aws: Aws, arguments: Props) -> Props:
    """`aws:cloudfront/getOriginRequestPolicy:getOriginRequestPolicy`; ValueError for one that the sandbox lacks."""
    return _managed("origin-request-policy", ORIGIN_REQUEST_POLICIES, arguments)


def get_response_headers_policy(aws: Aws, arguments: Props) -> Props:
    """`aws:cloudfront/getResponseHeadersPolicy:getResponseHeadersPolicy`; ValueError for one that the sandbox lacks."""
    return _managed("response-headers-policy", RESPONSE_HEADERS_POLICIES, arguments)


RESOURCES = (
    faithful(
        ResourceType(
            token="aws:cloudfront/distribution:Distribution",
            create=_create,
            read=_read,
            update=_update,
            delete=_delete,
        ),
        takes="aliases customErrorResponses defaultCacheBehavior loggingConfig orderedCacheBehaviors origins restrictions "
        f"viewerCertificate {' '.join(PLAIN)}",
        keeps={"retainOnDelete": False, "waitForDeployment": True},
        # Its custom headers carry the secret that CloudFront shares with the backend.
        secret=["origins"],
    ),
)

LOOKUPS = {
    "aws:cloudfront/getCachePolicy:getCachePolicy": get_cache_policy,
    "aws:cloudfront/getOriginRequestPolicy:getOriginRequestPolicy": get_origin_request_policy,
    "aws:cloudfront/getResponseHeadersPolicy:getResponseHeadersPolicy": get_response_headers_policy,
}
