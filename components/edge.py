"""The backend's public face: a fixed address, CloudFront's HTTPS before it, and the secret that the two share."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_command as command

import contract
from setting_models import BackendSettings

ORIGIN_ID = "backend"
READ_TIMEOUT_SECONDS = 60
"""CloudFront gives up on a silent origin after this; the backend's event streams send a sign of life more often."""
KEEPALIVE_SECONDS = 60
"""CloudFront holds idle connections this long; the backend must hold them longer, or requests fail with 502."""
CONNECT_ATTEMPTS = 2
CONNECT_SECONDS = 5
"""A stopped backend is told of after 10 seconds, not after CloudFront's 30."""


@dataclass(frozen=True, kw_only=True)
class EdgeArgs:
    """The stack, and the settings that name an own domain."""

    stack: str
    settings: BackendSettings


class Edge(pulumi.ComponentResource):
    """HTTPS to everyone, HTTP only on the last step to the Elastic IP, where every request carries a secret header
    that nobody outside knows. Nothing is cached. Apart from the backend, whose settings need this address."""

    elastic_ip_allocation_id: pulumi.Output[str]
    public_ip: pulumi.Output[str]
    url: pulumi.Output[str]
    distribution_id: pulumi.Output[str]
    origin_secret: pulumi.Output[str]
    """Marked secret: encrypted in the state, shown nowhere."""
    origin_secret_parameter_name: pulumi.Output[str]
    origin_secret_parameter_arn: pulumi.Output[str]

    def __init__(self, name: str, args: EdgeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("sd-app:edge:Edge", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        address = aws.ec2.Eip(name, domain="vpc", tags={"Name": name}, opts=child)
        secret = _create_secret(name, self)
        parameter = aws.ssm.Parameter(
            f"{name}-origin-secret",
            name=contract.parameter_path(args.stack, "backend", "origin-secret"),
            description=f"Value of {contract.ORIGIN_SECRET_HEADER}, which CloudFront adds and the backend demands.",
            type="SecureString",
            value=secret,
            opts=child,
        )
        distribution = _create_distribution(name, args, address.public_dns, secret, self)
        if args.settings.domain_name and args.settings.hosted_zone_id:
            _create_records(
                name, args.settings.domain_name, args.settings.hosted_zone_id, distribution, child
            )

        self.elastic_ip_allocation_id = address.allocation_id
        self.public_ip = address.public_ip
        self.url = pulumi.Output.concat("https://", args.settings.domain_name or distribution.domain_name)
        self.distribution_id = distribution.id
        self.origin_secret = secret
        self.origin_secret_parameter_name = parameter.name
        self.origin_secret_parameter_arn = parameter.arn
        self.register_outputs(
            {
                "elastic_ip_allocation_id": self.elastic_ip_allocation_id,
                "public_ip": self.public_ip,
                "url": self.url,
                "distribution_id": self.distribution_id,
                "origin_secret": self.origin_secret,
                "origin_secret_parameter_name": self.origin_secret_parameter_name,
                "origin_secret_parameter_arn": self.origin_secret_parameter_arn,
            }
        )


def _create_secret(name: str, parent: pulumi.Resource) -> pulumi.Output[str]:
    """256 random bits as 64 hex digits, made once; `pulumi up --replace` of this command makes new ones."""
    made = command.local.Command(
        f"{name}-origin-secret",
        create="openssl rand -hex 32",
        logging=command.local.Logging.NONE,
        add_previous_output_in_env=False,
        opts=pulumi.ResourceOptions(parent=parent, additional_secret_outputs=["stdout"]),
    )
    return pulumi.Output.secret(made.stdout)


def _create_distribution(
    name: str,
    args: EdgeArgs,
    origin_domain: pulumi.Input[str],
    secret: pulumi.Output[str],
    parent: pulumi.Resource,
) -> aws.cloudfront.Distribution:
    lookup = pulumi.InvokeOptions(parent=parent)
    uncached = aws.cloudfront.get_cache_policy_output(name="Managed-CachingDisabled", opts=lookup)
    # All but Host: the origin is known by its own name; Authorization and WebSocket headers pass.
    forwarded = aws.cloudfront.get_origin_request_policy_output(
        name="Managed-AllViewerExceptHostHeader", opts=lookup
    )
    # HSTS, nosniff, no framing, on every answer, whatever the backend says.
    secured = aws.cloudfront.get_response_headers_policy_output(
        name="Managed-SecurityHeadersPolicy", opts=lookup
    )
    domain = args.settings.domain_name
    return aws.cloudfront.Distribution(
        name,
        comment=f"Backend of {contract.prefix(args.stack)}",
        enabled=True,
        is_ipv6_enabled=True,
        http_version="http2and3",
        aliases=[domain] if domain else None,
        # All edges: the price differs by the GB alone, and pictures come from S3; a studio may sit anywhere.
        price_class="PriceClass_All",
        # No access log (the backend logs each request with its user; CloudFront's metrics feed the alarm), no geo
        # limit (designers travel), no firewall of AWS WAF (a monthly price; the backend limits rates itself).
        restrictions={"geo_restriction": {"restriction_type": "none"}},
        origins=[_origin(origin_domain, secret)],
        default_cache_behavior={
            "target_origin_id": ORIGIN_ID,
            "viewer_protocol_policy": "redirect-to-https",
            "allowed_methods": ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"],
            "cached_methods": ["GET", "HEAD"],
            "cache_policy_id": uncached.apply(lambda found: found.id or ""),
            "origin_request_policy_id": forwarded.apply(lambda found: found.id or ""),
            "response_headers_policy_id": secured.apply(lambda found: found.id or ""),
            # Event streams must not be held back; the backend compresses what is worth it.
            "compress": False,
        },
        viewer_certificate=_certificate(args.settings.certificate_arn if domain else None),
        # `up` ends only when the address answers.
        wait_for_deployment=True,
        retain_on_delete=False,
        tags={"Name": name},
        opts=pulumi.ResourceOptions(parent=parent),
    )


def _origin(
    domain: pulumi.Input[str], secret: pulumi.Output[str]
) -> aws.cloudfront.DistributionOriginArgsDict:
    """The backend as CloudFront sees it. Plain HTTP: there is no certificate for an Elastic IP's name; the path from
    CloudFront to EC2 is AWS's own network, and the backend's firewall admits nobody else."""
    return {
        "origin_id": ORIGIN_ID,
        "domain_name": domain,
        "connection_attempts": CONNECT_ATTEMPTS,
        "connection_timeout": CONNECT_SECONDS,
        "custom_headers": [{"name": contract.ORIGIN_SECRET_HEADER, "value": secret}],
        "custom_origin_config": {
            "http_port": contract.BACKEND_PORT,
            "https_port": 443,
            "origin_protocol_policy": "http-only",
            "origin_ssl_protocols": ["TLSv1.2"],
            "origin_read_timeout": READ_TIMEOUT_SECONDS,
            "origin_keepalive_timeout": KEEPALIVE_SECONDS,
        },
    }


def _certificate(arn: str | None) -> aws.cloudfront.DistributionViewerCertificateArgsDict:
    """CloudFront's own certificate allows no minimum protocol of ours; an own one demands TLS 1.2."""
    if arn is None:
        return {"cloudfront_default_certificate": True}
    return {
        "acm_certificate_arn": arn,
        "ssl_support_method": "sni-only",
        "minimum_protocol_version": "TLSv1.2_2021",
    }


def _create_records(
    name: str,
    domain: str,
    zone_id: str,
    distribution: aws.cloudfront.Distribution,
    child: pulumi.ResourceOptions,
) -> None:
    for kind in ("A", "AAAA"):
        aws.route53.Record(
            f"{name}-{kind.lower()}",
            zone_id=zone_id,
            name=domain,
            type=kind,
            aliases=[
                {
                    "name": distribution.domain_name,
                    "zone_id": distribution.hosted_zone_id,
                    "evaluate_target_health": False,
                }
            ],
            opts=child,
        )
