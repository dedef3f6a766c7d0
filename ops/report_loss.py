"""What a change destroys: data, the protection of data, running machines, addresses that people know."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import contract
from ops.report_changes import Change, Preview, State, at

DATA, KEPT, GUARD, MACHINE, ADDRESS = "data", "left behind", "protection", "machine", "address"
SEVERITIES = (DATA, KEPT, GUARD, MACHINE, ADDRESS)
"""The worst first."""

GONE: Mapping[str, tuple[str, str]] = {
    "aws:s3/bucket:Bucket": (DATA, "every model, style and picture in it, old versions too"),
    "aws:dynamodb/table:Table": (DATA, "the record of every generation"),
    "aws:cognito/userPool:UserPool": (DATA, "every user; all must be invited anew"),
    "aws:sagemaker/notebookInstance:NotebookInstance": (DATA, "what lies on its disk and not in the bucket"),
    "aws:ebs/volume:Volume": (DATA, "everything on the disk"),
    "aws:cloudwatch/logGroup:LogGroup": (DATA, "its logs"),
    "aws:sqs/queue:Queue": (DATA, "the jobs that wait in it"),
    "aws:kms/key:Key": (DATA, "everything that is encrypted with it"),
    "aws:ec2/eip:Eip": (ADDRESS, "the public address"),
    "aws:cloudfront/distribution:Distribution": (ADDRESS, "the API's address (cloudfront.net)"),
    "aws:amplify/app:App": (ADDRESS, "the page's address and its builds"),
    "aws:cognito/userPoolClient:UserPoolClient": (ADDRESS, "everybody's session: all sign in again"),
}
"""What is lost with a resource of a type."""
MACHINE_TYPE = "aws:ec2/instance:Instance"
MACHINES: Mapping[str, str] = {
    contract.ML_SERVER: "no pictures until the new one has its models from the bucket; jobs wait in the queues",
    contract.BACKEND: "no API until the new one has booted",
    contract.NAT: "no way out of the private subnets until the new one is there",
}
"""What a machine's replacement means, by its role."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Something that goes. `stops`: what would hinder it; `along`: changes that happen because of it."""

    severity: str
    change: Change
    what: str
    stops: str = ""
    along: tuple[Change, ...] = ()


def losses(preview: Preview) -> list[Loss]:
    """All of them, the worst first."""
    found = [loss for change in preview.resources for loss in _of(change, preview)]
    known = list(GONE)  # the dearest data first

    def weight(one: Loss) -> tuple[int, int, str, str]:
        token = one.change.token
        rank = known.index(token) if token in known else len(known)
        return SEVERITIES.index(one.severity), rank, one.change.component, one.change.name

    return sorted(found, key=weight)


def _of(change: Change, preview: Preview) -> Iterator[Loss]:
    if change.old is None or not change.old.custom:
        return
    if change.op in ("delete", "replace"):
        yield from _destroyed(change, change.old, preview)
        return
    if change.old.protect and not change.state.protect:
        yield Loss(severity=GUARD, change=change, what="the engine would no longer refuse to delete it")
    for token, key, weaker, severity, told in WEAKER:
        if change.token == token and change.new:
            before, after = at(change.old.inputs, key), at(change.new.inputs, key)
            if before != after and weaker(before, after):
                yield Loss(severity=severity, change=change, what=told.format(before=before, after=after))
    yield from _expiry(change)
    if "instanceType" in change.keys and change.token == MACHINE_TYPE:
        yield Loss(severity=MACHINE, change=change, what="it is stopped and started for another type")


def _destroyed(change: Change, old: State, preview: Preview) -> Iterator[Loss]:
    known = _machine(change, old) if change.token == MACHINE_TYPE else GONE.get(change.token)
    if known is None and not old.protect:
        return  # a setting of what is kept, or what is made again as it was
    severity, what = known or (GUARD, "a protected resource")
    if old.retain and severity == DATA:
        severity = KEPT
    yield Loss(
        severity=severity,
        change=change,
        what=what,
        stops=_stops(change.token, old),
        along=_along(change, preview),
    )


def _machine(change: Change, old: State) -> tuple[str, str]:
    role = str(at(old.inputs, "tags.Role") or contract.NAT)
    if change.op == "delete":
        return MACHINE, "the machine and its disk"
    return MACHINE, f"its disk; {MACHINES.get(role, 'nothing in its place until the new one is there')}"


def _stops(token: str, old: State) -> str:
    """Why it would not come to it; the first reason that there is."""
    if old.protect:
        return "protected: the engine refuses"
    if token == "aws:s3/bucket:Bucket" and not old.inputs.get("forceDestroy"):
        return "AWS refuses while anything is in it"
    if (
        old.inputs.get("deletionProtectionEnabled") is True
        or old.inputs.get("deletionProtection") == "ACTIVE"
    ):
        return "AWS refuses: deletion protection"
    return ""


def _along(change: Change, preview: Preview) -> tuple[Change, ...]:
    """What is replaced, or deleted, besides because it depends on it, however far away."""
    reached, found = {change.urn}, list[Change]()
    candidates = [one for one in preview.changes if one.op == change.op and one.old]
    grew = True
    while grew:
        grew = False
        for one in candidates:
            if one.urn not in reached and one.old and one.old.depends_on & reached:
                reached.add(one.urn)
                found.append(one)
                grew = True
    return tuple(sorted(found, key=lambda one: one.urn))


def _off(before: Any, after: Any) -> bool:
    return bool(before) and not after


def _on(before: Any, after: Any) -> bool:
    return _off(after, before)


def _fewer(before: Any, after: Any) -> bool:
    numbers = isinstance(before, int | float) and isinstance(after, int | float)
    return numbers and bool(after) and (not before or after < before)


def _no_longer(word: str) -> Callable[[Any, Any], bool]:
    return lambda before, after: before == word and after != word


WEAKER: tuple[tuple[str, str, Callable[[Any, Any], bool], str, str], ...] = (
    ("aws:s3/bucket:Bucket", "forceDestroy", _on, GUARD, "a delete would empty it, not be refused"),
    ("aws:s3/bucketVersioning:BucketVersioning", "versioningConfiguration.status", _no_longer("Enabled"), GUARD, "what is overwritten or deleted can't be brought back"),
    ("aws:dynamodb/table:Table", "pointInTimeRecovery.enabled", _off, DATA, "its backups: it can't be brought back to an earlier moment"),
    ("aws:dynamodb/table:Table", "deletionProtectionEnabled", _off, GUARD, "AWS would no longer refuse to delete it"),
    ("aws:cognito/userPool:UserPool", "deletionProtection", _no_longer("ACTIVE"), GUARD, "AWS would no longer refuse to delete it"),
    ("aws:cloudwatch/logGroup:LogGroup", "retentionInDays", _fewer, DATA, "logs older than {after:g} days (till now {before:g})"),
    ("aws:sqs/queue:Queue", "messageRetentionSeconds", _fewer, DATA, "jobs that wait longer than {after:g} s (till now {before:g})"),
)  # fmt: skip  # a row a rule
"""Changes in place that destroy: type, property, whether it gets weaker, how bad, what is lost."""


def _expiry(change: Change) -> Iterator[Loss]:
    """Rules of the bucket by which objects go after fewer days than till now."""
    if change.token != "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration" or not (
        change.old and change.new
    ):
        return
    old, new = _days(change.old), _days(change.new)
    for what, days in new.items():
        before = old.get(what)
        if before is None or days < before:
            till_now = "kept for ever" if before is None else f"{before:g}"
            told = f"{what}, once {days:g} days old (till now {till_now})"
            yield Loss(severity=DATA, change=change, what=told)


EXPIRY = {"expiration.days": "objects", "noncurrentVersionExpiration.noncurrentDays": "old versions"}


def _days(state: State) -> dict[str, float]:
    """`objects in outputs/` by the days after which they go."""
    rules: list[Mapping[str, Any]] = list(state.inputs.get("rules") or [])
    found: dict[str, float] = {}
    for rule in (one for one in rules if one.get("status") == "Enabled"):
        for path, what in EXPIRY.items():
            days = at(rule, path)
            if isinstance(days, int | float):
                found[f"{what} in {at(rule, 'filter.prefix') or 'the whole bucket'}"] = days
    return found
