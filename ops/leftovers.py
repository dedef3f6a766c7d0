"""`ops leftovers`: what of a stack is in the account: by its tag, and by name what has none; why, its price, its end."""

import json as jsons
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import contract
from ops.errors import AwsError, OpsError, explain, is_gone
from ops.leftovers_kinds import Gone, dollars, kind_of
from ops.show import as_json, console, counted, table
from ops.stack import Stack

CLOUDFRONT_REGION = "us-east-1"
"""The tags of what has no Region lie there."""
PROGRAM = "pulumi"
PROTECTED = "protected; the stack knows it still"
FORGET = (
    "What is protected, `make up` takes up again. The stack forgets it by `pulumi state unprotect --all --stack {stack}` and "
    "`pulumi destroy --stack {stack}`; in the account it stays until it is removed as told above."
)
UNSEEN = (
    "Not looked for: the logs and finished jobs that SageMaker keeps for the whole account (/aws/sagemaker/…), what has neither "
    "the tag Stack nor a name of the stack, the bucket and key of Pulumi's state. AWS's tag index may lag by minutes."
)


@dataclass(frozen=True, kw_only=True)
class Left:
    """A thing that is there. `usd` a month, None when unknown."""

    arn: str
    what: str
    name: str
    why: str
    usd: float | None
    remove: str


def run(stack: Stack, state: Path | None = None, *, json: bool = False) -> int:
    """Show what is there. `state`: a file with what the engine's state still knows, as `make down` writes it."""
    found, unread = scan(stack, _read(state))
    if json:
        as_json({"stack": stack.name, "left": [asdict(one) for one in found], "notLookedAt": unread})
    else:
        _show(stack, found, unread)
    return 0


@dataclass(frozen=True, kw_only=True)
class State:
    """ARNs and ids that the engine's state still has."""

    protected: frozenset[str]
    known: frozenset[str]


def _read(file: Path | None) -> State | None:
    """None when nobody told."""
    if file is None:
        return None
    try:
        told: Any = jsons.loads(file.read_text())
        return State(protected=frozenset(told["protected"]), known=frozenset(told["known"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OpsError(f"--state {file}: it is not what `make down` writes ({error!r})") from error


def scan(stack: Stack, state: State | None) -> tuple[list[Left], list[str]]:
    """All that is left, the dearest first; and what could not be looked at, with the reason."""
    seen: dict[str, Mapping[str, str]] = {}
    unread: list[str] = []
    for name, look in LOOKS.items():
        try:
            for arn, tags in look(stack):
                seen.setdefault(arn, tags)
        except AwsError as error:
            if name == "tags":
                raise  # without them nothing can be said
            unread.append(f"{name}: {explain(error)}")
    left = [one for arn, tags in seen.items() if (one := _left(stack, arn, tags, state, unread))]
    return sorted(left, key=lambda one: (-(one.usd or 0), one.what, one.name)), unread


def _left(
    stack: Stack, arn: str, tags: Mapping[str, str], state: State | None, unread: list[str]
) -> Left | None:
    found = kind_of(arn)
    if found is None:
        what = arn.split(":")[2]
        return Left(
            arn=arn,
            what=what,
            name=arn.split(":", 5)[5],
            why=_why(arn, "", tags, state),
            usd=None,
            remove=f"by its console: {arn}",
        )
    kind, id = found
    try:
        usd = dollars(stack, kind, id)
    except Gone:
        return None
    except AwsError as error:
        if is_gone(error):
            return None  # the tag index lags
        unread.append(f"price of {id}: {explain(error)}")
        usd = None
    return Left(
        arn=arn,
        what=kind.told,
        name=id,
        why=_why(arn, id, tags, state),
        usd=usd,
        remove=kind.remove.format(id=id),
    )


def _why(arn: str, id: str, tags: Mapping[str, str], state: State | None) -> str:
    maker = tags.get("ManagedBy", "")
    if state is not None and {arn, id} & state.protected:
        return PROTECTED
    if state is not None and {arn, id} & state.known:
        return "the stack has it still"
    if maker == PROGRAM:
        return "made by the program" if state is None else "kept by the program, or a broken run's"
    if maker:
        return f"made by {maker}"
    return "made outside the program" if tags else "has a name of the stack, and no tag"


Found = Iterator[tuple[str, Mapping[str, str]]]


def _by_tags(stack: Stack) -> Found:
    wanted = [
        {"Key": contract.TAG_STACK, "Values": [stack.name]},
        {"Key": contract.TAG_PROJECT, "Values": [contract.PROJECT]},
    ]
    for region in sorted({stack.region, CLOUDFRONT_REGION}):
        pages = (
            stack.client("resourcegroupstaggingapi", region)
            .get_paginator("get_resources")
            .paginate(TagFilters=wanted)
        )
        for page in pages:
            for one in page["ResourceTagMappingList"]:
                yield one["ResourceARN"], _tags(one["Tags"])


def _user_pools(stack: Stack) -> Found:
    client = stack.client("cognito-idp")
    for page in client.get_paginator("list_user_pools").paginate(MaxResults=60):
        for one in page["UserPools"]:
            if _is_named(stack, one["Name"]):
                found = client.describe_user_pool(UserPoolId=one["Id"])["UserPool"]
                yield found["Arn"], found.get("UserPoolTags", {})


def _addresses(stack: Stack) -> Found:
    wanted = [{"Name": f"tag:{contract.TAG_STACK}", "Values": [stack.name]}]
    for one in stack.client("ec2").describe_addresses(Filters=wanted)["Addresses"]:
        account = stack.client("sts").get_caller_identity()["Account"]
        yield f"arn:aws:ec2:{stack.region}:{account}:elastic-ip/{one['AllocationId']}", _tags(one["Tags"])


def _roles(stack: Stack) -> Found:
    """IAM tells the tag index nothing of roles and profiles."""
    client = stack.client("iam")
    for listing, key, name in (
        ("list_roles", "Roles", "RoleName"),
        ("list_instance_profiles", "InstanceProfiles", "InstanceProfileName"),
    ):
        for page in client.get_paginator(listing).paginate():
            yield from ((one["Arn"], {}) for one in page[key] if _is_named(stack, one[name]))


def _dashboards(stack: Stack) -> Found:
    """Dashboards bear no tags."""
    listing = stack.client("cloudwatch").list_dashboards(
        DashboardNamePrefix=f"{contract.prefix(stack.name)}-"
    )
    for one in listing["DashboardEntries"]:
        yield one["DashboardArn"], {}


def _spot_requests(stack: Stack) -> Found:
    """An open one would launch a machine again and again, and bears no tag of the stack."""
    wanted = [{"Name": "state", "Values": ["open", "active"]}]
    answer = stack.client("ec2").describe_spot_instance_requests(Filters=wanted)
    for one in answer["SpotInstanceRequests"]:
        profile = one.get("LaunchSpecification", {}).get("IamInstanceProfile", {})
        if _is_named(stack, str(profile.get("Name") or str(profile.get("Arn", "")).rpartition("/")[2])):
            yield f"arn:aws:ec2:{stack.region}::spot-instances-request/{one['SpotInstanceRequestId']}", {}


LOOKS = {
    "tags": _by_tags,
    "user pools": _user_pools,
    "addresses": _addresses,
    "roles": _roles,
    "dashboards": _dashboards,
    "spot requests": _spot_requests,
}


def _is_named(stack: Stack, name: str) -> bool:
    return name.startswith(f"{contract.prefix(stack.name)}-")


def _tags(listed: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in listed}


def _in_words(usd: float | None) -> str:
    if usd is None:
        return "unknown"
    return "under $0.01" if 0 < usd < 0.005 else f"${usd:,.2f}"


def _show(stack: Stack, found: list[Left], unread: list[str]) -> None:
    out = console()
    if not found:
        out.print(f"Nothing of stack {stack.name} is left in {stack.region}.")
    else:
        rows = table("Left", "Name", "Why", "A month")
        rows.columns[3].justify = "right"
        for one in found:
            rows.add_row(one.what, one.name, one.why, _in_words(one.usd))
        out.print(rows)
        total = sum(one.usd or 0 for one in found)
        out.print(
            f"{counted(len(found), 'thing')} of stack {stack.name}, {_in_words(total)} a month. How to remove them:",
            soft_wrap=True,
        )
        for one in found:
            out.print(f"  {one.remove}", soft_wrap=True)
    if any(one.why == PROTECTED for one in found):
        out.print(FORGET.format(stack=stack.name), soft_wrap=True)
    for reason in unread:
        out.print(f"could not be looked at: {reason}", soft_wrap=True)
    out.print(UNSEEN, soft_wrap=True)
