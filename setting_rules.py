"""What makes a setting wrong beyond its type. Each `..._fault` returns the words after the value, or None."""

import difflib
import ipaddress
import re
import zoneinfo
from collections.abc import Callable, Collection, Mapping
from typing import Any

import schedules
from components import addresses
from instance_types import TRAINING_DOLLARS_PER_HOUR

REGIONS = (
    *("us-east-1", "us-east-2", "us-west-2", "ca-central-1", "sa-east-1"),
    *("eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3"),
    *(
        "ap-northeast-1",
        "ap-northeast-2",
        "ap-south-1",
        "ap-southeast-1",
        "ap-southeast-2",
    ),
)
"""Regions where g5 or g4dn are offered; the zones are asked of AWS at each run."""

_PRIVATE = [ipaddress.IPv4Network(cidr) for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
"""RFC 1918."""

schedule_fault = schedules.fault_of


def _network(value: str) -> ipaddress.IPv4Network | str:
    try:
        return ipaddress.IPv4Network(value)
    except ValueError as error:
        return f"is not an IPv4 range ({error}); allowed: such as 172.16.0.0/16"


def private_cidr_fault(value: str) -> str | None:
    """Private by RFC 1918. A VPC's own range is held against AWS's /16 to /28 and its subnets elsewhere."""
    network = _network(value)
    if isinstance(network, str):
        return network
    if not any(network.subnet_of(private) for private in _PRIVATE):
        return "is not a private range; allowed: inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16"
    if not 8 <= network.prefixlen <= 28:
        return "is too small; allowed: /8 to /28"
    return None


def access_cidr_fault(value: str) -> str | None:
    """SSH is for named places, not for the world."""
    network = _network(value)
    if isinstance(network, str):
        return network
    return "is open to too many; allowed: /16 to /32" if network.prefixlen < 16 else None


def bucket_name_fault(value: str) -> str | None:
    """docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; no dots, since they break TLS host names."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", value):
        return "is not a legal bucket name; allowed: 3 to 63 lower-case letters, digits and hyphens, no hyphen at an end"
    if value.startswith(("xn--", "sthree-", "amzn-s3-demo-")) or value.endswith(
        ("-s3alias", "--ol-s3", "--x-s3")
    ):
        return "has a beginning or ending that S3 keeps for itself; allowed: another name"
    return None


def domain_fault(value: str) -> str | None:
    """A host name with at least one dot (RFC 1035)."""
    label = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    ok = len(value) <= 253 and re.fullmatch(rf"({label}\.)+[a-z]{{2,63}}", value)
    return None if ok else "is not a domain name; allowed: such as studio.example.com, in lower case"


def subdomain_fault(value: str) -> str | None:
    """Empty, or one label."""
    return (
        None
        if re.fullmatch(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)?", value)
        else "is not a subdomain; allowed: such as app"
    )


def email_fault(value: str) -> str | None:
    """Enough of RFC 5322 to catch slips; SNS asks the person anyway."""
    return None if re.fullmatch(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+", value) else "is not an e-mail address"


def image_id_fault(value: str) -> str | None:
    """EC2 image ids have 8 or 17 hex digits."""
    return (
        None
        if re.fullmatch(r"ami-([0-9a-f]{8}|[0-9a-f]{17})", value)
        else "is not an image id; allowed: ami- and 8 or 17 hex digits"
    )


def key_name_fault(value: str) -> str | None:
    """EC2 key pair names: up to 255 printable ASCII characters."""
    return (
        None
        if re.fullmatch(r"[!-~][ -~]{0,253}[!-~]|[!-~]", value)
        else "is not a key pair name; allowed: up to 255 ASCII characters"
    )


def tag_fault(value: str) -> str | None:
    """Tag values that every service accepts (docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html)."""
    return (
        None
        if re.fullmatch(r"[\w .:/=+@-]{1,128}", value)
        else "is no legal tag; allowed: 1 to 128 letters, digits, spaces and . : / = + - @ _"
    )


def account_fault(value: str) -> str | None:
    """AWS account ids."""
    return None if re.fullmatch(r"\d{12}", value) else "is not an account id; allowed: 12 digits, in quotes"


def policy_fault(value: str) -> str | None:
    """ARNs of policies of the account's own."""
    is_arn = re.fullmatch(r"arn:aws:iam::\d{12}:policy/[\w+=,.@/-]{1,600}", value)
    return None if is_arn else "is not a policy's ARN; allowed: arn:aws:iam::123456789012:policy/NAME"


def origin_fault(value: str) -> str | None:
    """A browser origin: scheme, host, port; no path, no slash at the end."""
    ok = re.fullmatch(
        r"https://[a-z0-9.-]+(:\d{1,5})?|http://(localhost|127\.0\.0\.1)(:\d{1,5})?",
        value,
    )
    return None if ok else "is not an origin; allowed: https://host[:port], or http:// on localhost"


def certificate_fault(value: str) -> str | None:
    """CloudFront takes certificates from us-east-1 alone."""
    ok = re.fullmatch(r"arn:aws:acm:us-east-1:\d{12}:certificate/[0-9a-f-]{36}", value)
    return (
        None
        if ok
        else "is not a certificate's ARN in us-east-1; allowed: arn:aws:acm:us-east-1:<account>:certificate/<id>"
    )


def image_uri_fault(value: str) -> str | None:
    """Images in ECR: SageMaker takes training images from nowhere else."""
    ok = re.fullmatch(
        r"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com/[a-z0-9][a-z0-9._/-]*:[\w.-]{1,128}", value
    )
    return (
        None
        if ok
        else "is no image in ECR; allowed: <account>.dkr.ecr.<region>.amazonaws.com/<repository>:<tag>"
    )


def hosted_zone_fault(value: str) -> str | None:
    """Route 53 hosted zone ids."""
    return (
        None
        if re.fullmatch(r"Z[A-Z0-9]{5,31}", value)
        else "is not a hosted zone id; allowed: Z and capitals or digits"
    )


def repository_fault(value: str) -> str | None:
    """Amplify's `accessToken` and the fine-grained token are for GitHub alone."""
    ok = re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+?(\.git)?", value)
    return None if ok else "is not a GitHub repository; allowed: https://github.com/<owner>/<name>"


def git_ref_fault(value: str) -> str | None:
    """git-check-ref-format, without its rarer forms."""
    bad = re.search(r"\.\.|//|@\{|[\s~^:?*\[\\]|^[-/.]|[/.]$|\.lock$", value)
    return "is not a branch, tag or commit" if bad or not value or len(value) > 200 else None


def time_zone_fault(value: str) -> str | None:
    """IANA names, as EventBridge Scheduler takes them."""
    return (
        None
        if value in zoneinfo.available_timezones()
        else "is no time zone; allowed: IANA names such as UTC or Asia/Ho_Chi_Minh"
    )


def unknown_key(path: str, name: str, known: Collection[str]) -> str:
    """The fault for a key that nobody reads, with the nearest that somebody does."""
    near = difflib.get_close_matches(name, known, 1, 0.6)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{path}{name}: nobody reads this setting{hint}; allowed: {', '.join(sorted(known))}"


def unknown_keys(path: str, given: set[str], known: set[str]) -> list[str]:
    """Faults for all keys that nobody reads."""
    return [unknown_key(path, name, known) for name in sorted(given - known)]


def cross_faults(stack: str, sections: Mapping[str, Any], has_token: bool) -> list[str]:
    """Faults between settings. A rule whose groups failed by themselves is left for the next run."""
    faults: list[str] = []
    for needs, rule in _CROSS_RULES:
        if all(name in sections for name in needs):
            faults += rule(*(sections[name] for name in needs))
    if {"storage"} <= set(sections):
        faults += _storage(stack, sections["storage"])
    if {"identity"} <= set(sections) and stack == "prod" and sections["identity"].password_auth:
        faults.append(
            "sd-app:identity.passwordAuth: true is refused in prod: passwords would travel to be checked; allowed: false"
        )
    if {"frontend"} <= set(sections) and sections["frontend"].enabled and not has_token:
        faults.append(
            "sd-app:frontend.enabled: true needs the secret sd-app:githubToken; "
            "run `pulumi config set --secret githubToken`, or set it to false"
        )
    return faults


def _storage(stack: str, storage: Any) -> list[str]:
    if stack == "prod" and storage.force_destroy:
        return [
            "sd-app:storage.forceDestroy: true is refused in prod: its pictures and models could be lost; allowed: false"
        ]
    if stack == "prod" and not storage.protect_data:
        return ["sd-app:storage.protectData: false is refused in prod; allowed: true"]
    if storage.force_destroy and storage.protect_data:
        return [
            "sd-app:storage.forceDestroy: true contradicts sd-app:storage.protectData: true; allowed: one of them"
        ]
    return []


def _network_rules(network: Any) -> list[str]:
    faults: list[str] = []
    if ipaddress.ip_network(network.vpc_cidr).prefixlen < 16:
        return [
            f'sd-app:network.vpcCidr: "{network.vpc_cidr}" is larger than a VPC may be; allowed: /16 to /28'
        ]
    misfit = addresses.fits(network.vpc_cidr, network.public_subnet_prefix, network.private_subnet_prefix)
    if misfit:
        faults.append(f"sd-app:network.vpcCidr: {misfit}")
    own = ipaddress.ip_network(network.vpc_cidr)
    for index, cidr in enumerate(network.reserved_cidrs):
        if own.overlaps(ipaddress.ip_network(cidr)):
            faults.append(
                f"sd-app:network.reservedCidrs.{index}: {cidr} overlaps sd-app:network.vpcCidr {own}; allowed: ranges apart"
            )
    if network.zones and len(network.zones) != network.zone_count:
        faults.append(
            f"sd-app:network.zones: names {len(network.zones)} zones, sd-app:network.zoneCount says {network.zone_count}"
        )
    if len(set(network.zones)) != len(network.zones):
        faults.append("sd-app:network.zones: names a zone twice")
    return faults


def _zone_rules(network: Any, aws: Any) -> list[str]:
    return [
        f'sd-app:network.zones.{index}: "{zone}" is no zone of aws:region {aws.region}; allowed: {aws.region}a to {aws.region}f'
        for index, zone in enumerate(network.zones)
        if not re.fullmatch(rf"{aws.region}[a-f]", zone)
    ]


def _host_rule(network: Any, ml_server: Any) -> list[str]:
    most = 2 ** (32 - network.private_subnet_prefix) - 2  # the last address is the broadcast's
    if ml_server.host_number > most:
        return [
            f"sd-app:mlServer.hostNumber: {ml_server.host_number} lies outside a /{network.private_subnet_prefix} subnet; allowed: 4 to {most}"
        ]
    return []


def _ssh_rule(name: str) -> Callable[[Any], list[str]]:
    def rule(machine: Any) -> list[str]:
        if bool(machine.ssh_cidrs) != (machine.key_name is not None):
            return [
                f"sd-app:{name}: SSH needs both sshCidrs and keyName; allowed: both, or neither (Session Manager always works)"
            ]
        return []

    return rule


def _domain_rule(backend: Any) -> list[str]:
    if (backend.domain_name is None) != (backend.certificate_arn is None):
        return [
            "sd-app:backend.domainName: goes with sd-app:backend.certificateArn; allowed: both, or neither"
        ]
    if backend.hosted_zone_id and not backend.domain_name:
        return ["sd-app:backend.hostedZoneId: needs sd-app:backend.domainName"]
    return []


def _limits_rules(limits: Any) -> list[str]:
    sides = {"pictureMinSide": limits.picture_min_side, "pictureMaxSide": limits.picture_max_side}
    faults = [
        f"sd-app:limits.{name}: {side} is no multiple of 8, as the model's pictures are; allowed: such as {side - side % 8}"
        for name, side in sides.items()
        if side % 8
    ]
    if limits.picture_min_side >= limits.picture_max_side:
        faults.append(
            f"sd-app:limits.pictureMinSide: {limits.picture_min_side} is not below sd-app:limits.pictureMaxSide "
            f"{limits.picture_max_side}; allowed: less than it"
        )
    return faults


def _wait_rule(limits: Any, jobs: Any) -> list[str]:
    kept = jobs.retention_days * 24
    if limits.wait_hours >= kept:
        return [
            f"sd-app:limits.waitHours: {limits.wait_hours} is as long as a queue keeps a job, which would be lost "
            f"(sd-app:jobs.retentionDays {jobs.retention_days}); allowed: up to {kept - 1}"
        ]
    return []


def _subdomain_rule(frontend: Any) -> list[str]:
    if frontend.subdomain and not frontend.domain_name:
        return ["sd-app:frontend.subdomain: needs sd-app:frontend.domainName"]
    return []


def _price_rule(training: Any) -> list[str]:
    if training.enabled and not (
        training.dollars_per_hour or training.instance_type in TRAINING_DOLLARS_PER_HOUR
    ):
        return [
            f"sd-app:training.dollarsPerHour: must be set for {training.instance_type}, whose price is not known here, or "
            f"maxDollars could not be kept; known: {', '.join(TRAINING_DOLLARS_PER_HOUR)}"
        ]
    return []


def _image_region_rule(training: Any, aws: Any) -> list[str]:
    if training.image_uri and f".ecr.{aws.region}." not in training.image_uri:
        return [
            f"sd-app:training.imageUri: lies in another Region; SageMaker takes images of its own alone, aws:region {aws.region}"
        ]
    return []


def _schedule_rules(operations: Any) -> list[str]:
    return [
        f"sd-app:operations.{name}Start: needs sd-app:operations.{name}Stop, or the machine runs until somebody notices"
        for name, start, stop in (
            ("mlServer", operations.ml_server_start, operations.ml_server_stop),
            ("backend", operations.backend_start, operations.backend_stop),
            ("notebook", operations.notebook_start, operations.notebook_stop),
        )
        if start and not stop
    ] + [
        "sd-app:operations.backendStop: needs sd-app:operations.backendStart, or the page stays dark"
        for _ in (1,)
        if operations.backend_stop and not operations.backend_start
    ]


_CROSS_RULES: tuple[tuple[tuple[str, ...], Callable[..., list[str]]], ...] = (
    (("network",), _network_rules),
    (("network", "aws"), _zone_rules),
    (("network", "mlServer"), _host_rule),
    (("mlServer",), _ssh_rule("mlServer")),
    (("backend",), _ssh_rule("backend")),
    (("backend",), _domain_rule),
    (("limits",), _limits_rules),
    (("limits", "jobs"), _wait_rule),
    (("frontend",), _subdomain_rule),
    (("training",), _price_rule),
    (("training", "aws"), _image_region_rule),
    (("operations",), _schedule_rules),
)
