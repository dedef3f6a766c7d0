"""The guardrails over one resource: each a function that tells what is wrong with it, in words; nothing when it is right.

Inputs have Pulumi's own names. Imports nothing of Pulumi, so that tests and the policy pack ask the same functions.
"""

import base64
import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

WORLD = ("0.0.0.0/0", "::/0")
TAGS: tuple[str, ...] = ("Project", "Stack", "Owner", "CostCentre", "ManagedBy")
"""Tags that everything bears: the bill, and the search for what is left over, go by them."""
WIDE_POLICY = re.compile(r"arn:aws[\w-]*:iam::aws:policy/.*(AdministratorAccess|PowerUserAccess|FullAccess)$")
"""AWS's own policies that allow all of a service, or everything."""
UNKNOWN = "\N{REPLACEMENT CHARACTER}unknown"
"""Stands for a value that is known only after creation; what it will be nobody can check."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A declared resource. `tags`: the default tags of its provider; None when it has no provider of the stack's own.

    secrets: paths of inputs that are marked secret (`accessToken`, `origins[0].x`); None when it is not known which are.
    keeps_data: the stack's data is protected (`storage.protectData`). protect: the engine refuses to delete it.
    """

    token: str
    name: str
    inputs: Mapping[str, Any]
    tags: Mapping[str, str] | None
    secrets: frozenset[str] | None
    protect: bool
    keeps_data: bool


Check = Callable[[Resource], Iterator[str]]


@dataclass(frozen=True)
class Guard:
    """A guardrail: its name, what it holds, and the function that tells its faults."""

    name: str
    told: str
    check: Check


def public_bucket(one: Resource) -> Iterator[str]:
    """No way by which a bucket's objects could be public."""
    if one.token == "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock":
        locks = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
        yield from (f"{lock} is not true" for lock in locks if one.inputs.get(lock) is not True)
    if re.fullmatch(r"aws:s3/bucket(Acl|V2|AclV2)?:\w+", one.token):
        acl = str(one.inputs.get("acl", ""))
        if acl.startswith("public") or acl == "authenticated-read":
            yield f"the ACL {acl} lets others read"
    if one.token.startswith("aws:s3/bucketPolicy:"):
        for statement in _statements(one.inputs.get("policy")):
            if statement.get("Effect") == "Allow" and _everybody(statement.get("Principal")):
                yield f"statement {_sid(statement)} allows everybody"


def open_security_group(one: Resource) -> Iterator[str]:
    """Nobody comes in from everywhere."""
    rules: list[Mapping[str, Any]] = []
    if one.token == "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule":
        rules = [one.inputs]
    if one.token == "aws:ec2/securityGroupRule:SecurityGroupRule" and one.inputs.get("type") == "ingress":
        rules = [one.inputs]
    if one.token in (
        "aws:ec2/securityGroup:SecurityGroup",
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    ):
        rules = list(one.inputs.get("ingress") or [])
    for rule in rules:
        sources = [rule.get("cidrIpv4"), rule.get("cidrIpv6")]
        sources += [*(rule.get("cidrBlocks") or []), *(rule.get("ipv6CidrBlocks") or [])]
        yield from (f"lets {source} in" for source in sources if source in WORLD)


def wildcard_action(one: Resource) -> Iterator[str]:
    """A role may do what is named, not all of a service."""
    if not one.token.startswith("aws:iam/"):
        return
    attached: list[Any] = [one.inputs.get("policyArn")]
    attached += list[Any](one.inputs.get("managedPolicyArns") or [])
    yield from (f"is given {arn}" for arn in attached if WIDE_POLICY.search(str(arn)))
    inline: list[Mapping[str, Any]] = list(one.inputs.get("inlinePolicies") or [])
    documents = [one.inputs.get("policy"), *(each.get("policy") for each in inline)]
    for statement in (found for document in documents for found in _statements(document)):
        if statement.get("Effect") != "Allow":
            continue
        if "NotAction" in statement:
            yield f"statement {_sid(statement)} allows all but some (NotAction)"
        yield from (
            f"statement {_sid(statement)} allows {action}"
            for action in _list(statement.get("Action"))
            if "*" in action
        )


def imds_v1(one: Resource) -> Iterator[str]:
    """A machine's credentials are given to who asks by IMDSv2, which a forwarded request can't."""
    if one.token in ("aws:ec2/instance:Instance", "aws:ec2/launchTemplate:LaunchTemplate"):
        options = _group(one, "metadataOptions")
        if options.get("httpTokens") != "required":
            yield "metadataOptions.httpTokens is not required"
    if one.token == "aws:sagemaker/notebookInstance:NotebookInstance":
        options = _group(one, "instanceMetadataServiceConfiguration")
        if options.get("minimumInstanceMetadataServiceVersion") != "2":
            yield "minimumInstanceMetadataServiceVersion is not 2"


def unencrypted_disk(one: Resource) -> Iterator[str]:
    """Every disk is encrypted."""
    if one.token == "aws:ebs/volume:Volume" and one.inputs.get("encrypted") is not True:
        yield "is not encrypted"
    if one.token == "aws:ec2/instance:Instance":
        more: list[Mapping[str, Any]] = list(one.inputs.get("ebsBlockDevices") or [])
        disks = [("rootBlockDevice", _group(one, "rootBlockDevice"))]
        disks += [("an ebsBlockDevice", disk) for disk in more]
        yield from (f"{what} is not encrypted" for what, disk in disks if disk.get("encrypted") is not True)


def missing_retention(one: Resource) -> Iterator[str]:
    """Logs end some day; data of a stack that keeps it does not end by mistake."""
    if one.token == "aws:cloudwatch/logGroup:LogGroup" and not one.inputs.get("retentionInDays"):
        yield "retentionInDays is not set: logs would be kept, and paid for, for ever"
    if not one.keeps_data:
        return
    match one.token:
        case "aws:s3/bucket:Bucket":
            if one.inputs.get("forceDestroy"):
                yield "forceDestroy would empty it"
            if not one.protect:
                yield "may be deleted (protect)"
        case "aws:s3/bucketVersioning:BucketVersioning":
            if _group(one, "versioningConfiguration").get("status") != "Enabled":
                yield "old versions are not kept"
        case "aws:dynamodb/table:Table":
            if not _group(one, "pointInTimeRecovery").get("enabled"):
                yield "can't be brought back (pointInTimeRecovery)"
            if not one.inputs.get("deletionProtectionEnabled"):
                yield "may be deleted (deletionProtectionEnabled)"
        case "aws:cognito/userPool:UserPool":
            if one.inputs.get("deletionProtection") != "ACTIVE":
                yield "may be deleted (deletionProtection)"
        case _:
            pass


def missing_tags(one: Resource) -> Iterator[str]:
    """Everything bears the tags that the bill goes by; the provider gives them, so none may lose it."""
    if not one.token.startswith("aws:"):
        return
    if one.tags is None:
        yield "has not the stack's own provider, and so no tags"
        return
    yield from (f"has no tag {tag}" for tag in TAGS if not one.tags.get(tag))


SECRET_WORDS = re.compile(
    r"gh[pousr]_\w{20,}|github_pat_\w{20,}|AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY-----|xox[bp]-[\w-]{20,}"
)
"""Tokens and keys that can be told by their form: GitHub, AWS, PEM, Slack."""
SECRET_INPUTS: Mapping[str, tuple[str, ...]] = {
    "aws:amplify/app:App": ("accessToken", "oauthToken"),
    "aws:ssm/parameter:Parameter": ("value",),
    "aws:secretsmanager/secretVersion:SecretVersion": ("secretString",),
    "aws:rds/instance:Instance": ("password",),
}
"""Inputs that hold a secret, and so must be marked as one; a parameter's only when it is a SecureString."""


def secret_in_the_clear(one: Resource) -> Iterator[str]:
    """What is secret is marked so, for the engine to encrypt it, and stands in no user data."""
    for path, text in _texts(one.inputs, ""):
        if not _marked(one, path) and SECRET_WORDS.search(text):
            yield f"{path} has what looks like a token or key"
    if one.secrets is None:
        return
    for key in SECRET_INPUTS.get(one.token, ()):
        open_parameter = (
            one.token == "aws:ssm/parameter:Parameter" and one.inputs.get("type") != "SecureString"
        )
        if one.inputs.get(key) and not open_parameter and not _marked(one, key):
            yield f"{key} is not marked secret"


GUARDS = (
    Guard("no-public-bucket", "Buckets are private.", public_bucket),
    Guard("no-open-security-group", "Nobody comes in from everywhere.", open_security_group),
    Guard("no-wildcard-action", "Roles may do what is named.", wildcard_action),
    Guard("imdsv2-only", "Machines answer IMDSv2 alone.", imds_v1),
    Guard("disks-encrypted", "Every disk is encrypted.", unencrypted_disk),
    Guard("retention", "Logs end; data that must be kept is.", missing_retention),
    Guard("tags", "Everything bears the tags that the bill goes by.", missing_tags),
    Guard("no-secret-in-the-clear", "Secrets are marked so, and are in no user data.", secret_in_the_clear),
)
"""All guardrails over one resource."""


def bucket_without_locks(all_of_them: list[Resource]) -> Iterator[str]:
    """Each bucket has its public access blocked, which is a resource of its own that names it."""
    blocked = {
        str(one.inputs.get("bucket"))
        for one in all_of_them
        if one.token == "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
    }
    for one in all_of_them:
        if one.token == "aws:s3/bucket:Bucket" and not {str(one.inputs.get("bucket")), UNKNOWN} & blocked:
            yield f"{one.name} has no public access block"


def over_budget(month_usd: float, budget_usd: float) -> Iterator[str]:
    """The working month, as `ops cost` counts it, stays within operations.monthlyBudgetUsd."""
    if month_usd > budget_usd:
        yield f"a working month costs ${month_usd:.2f}, more than the budget of ${budget_usd:.2f} (operations.monthlyBudgetUsd)"


def _group(one: Resource, key: str) -> Mapping[str, Any]:
    """A group of inputs; empty where it is not given, or not known yet."""
    found = one.inputs.get(key)
    return cast(Mapping[str, Any], found) if isinstance(found, Mapping) else {}


def _marked(one: Resource, path: str) -> bool:
    """Whether an input is marked secret; where nobody knows, what holds a secret is taken to be."""
    top = _top(path)
    if one.secrets is None:
        return top in SECRET_INPUTS.get(one.token, ())
    return any(_top(secret) == top for secret in one.secrets)


def _top(path: str) -> str:
    return re.split(r"[.\[]", path)[0]


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """All texts in a value with their paths; user data as the machine reads it."""
    if isinstance(value, str):
        yield path, _unpacked(value) if path.endswith("Base64") else value
    elif isinstance(value, Mapping):
        for key, inner in cast(Mapping[str, Any], value).items():
            yield from _texts(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for at, inner in enumerate(cast(list[Any], value)):
            yield from _texts(inner, f"{path}[{at}]")


def _unpacked(text: str) -> str:
    try:
        raw = base64.b64decode(text, validate=True)
        return (gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw).decode(errors="replace")
    except (ValueError, OSError, EOFError):
        return text


def _statements(policy: object) -> list[dict[str, Any]]:
    """Statements of a policy; none where it is not known yet."""
    if not isinstance(policy, str) or UNKNOWN in policy:
        return []
    try:
        found = json.loads(policy)["Statement"]
    except (ValueError, KeyError, TypeError):
        return []
    return cast(list[dict[str, Any]], found if isinstance(found, list) else [found])


def _list(value: object) -> list[str]:
    return [value] if isinstance(value, str) else [str(one) for one in cast(list[Any], value or [])]


def _sid(statement: Mapping[str, Any]) -> str:
    return str(statement.get("Sid", "without a name"))


def _everybody(principal: object) -> bool:
    if isinstance(principal, Mapping):
        values = cast(Mapping[str, Any], principal).values()
        return any("*" in _list(one) for one in values)
    return principal == "*"
