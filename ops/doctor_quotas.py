"""What the account may run: vCPUs of GPU machines on EC2, notebooks and training jobs on SageMaker."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import ClientError

import contract
from instance_types import GPU_TYPES
from ops.doctor_finding import Check, Denied, Finding, Ground, ask, ask_all, bad, good, unneeded, unseen
from ops.errors import code
from ops.show import counted

CONSOLE = "https://console.aws.amazon.com/servicequotas/home"
APPROVAL = "an approval takes hours to days"
GPU_FAMILIES = ("g", "vt")
"""Of the quotas below: all types whose names begin so (g4dn, g5, g6e, gr6, vt1, …)."""
COUNTED = ("pending", "running")
"""A stopped machine takes nothing (docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html)."""
IN_USE = ("InService", "Pending", "Updating")
"""A notebook that sleeps takes nothing."""
NOTEBOOK, TRAINING = "quota notebook", "quota training"
LARGE_PAGES: dict[str, Any] = {"PaginationConfig": {"PageSize": 100}}
"""SageMaker has more than a thousand quotas, and Service Quotas lets nobody ask often."""
NO_QUOTA = "NoSuchResourceException"


@dataclass(frozen=True, kw_only=True)
class Market:
    """A way to get a GPU machine, and its quota in vCPUs (docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html)."""

    check: str
    code: str
    name: str
    spot: bool


MARKETS = (
    Market(
        check="quota on demand", code="L-DB2E81BA", name="Running On-Demand G and VT instances", spot=False
    ),
    Market(check="quota spot", code="L-3819A6DF", name="All G and VT Spot Instance Requests", spot=True),
)


def _gpu(ground: Ground) -> list[Finding]:
    """Both are told; the one that the ML server is launched by must be large enough."""
    return [
        _market(ground, market) if market.spot is ground.settings.ml_server.spot else _other(ground, market)
        for market in MARKETS
    ]


def _market(ground: Ground, market: Market) -> Finding:
    kind = ground.settings.ml_server.instance_type
    need = GPU_TYPES[kind].vcpus
    link = f"{CONSOLE}/services/ec2/quotas/{market.code}?region={ground.stack.region}"
    try:
        quota = _quota(ground, market.code)
        others = _running(ground, spot=market.spot)
    except Denied as denied:
        return unseen(market.check, f"{denied}; {need} vCPU of {market.code} are needed", f"look at {link}")
    taken = f", {counted(others, 'vCPU', 'vCPU')} taken by other machines" if others else ""
    said = f"{quota:g} vCPU{taken}; {kind} needs {need} ({market.code})"
    if quota - others >= need:
        return good(market.check, said)
    return bad(
        market.check,
        said,
        f'ask for {others + need} or more of "{market.name}": {link} ({APPROVAL})',
    )


def _other(ground: Ground, market: Market) -> Finding:
    word = "true" if market.spot else "false"
    try:
        amount = f"{_quota(ground, market.code):g} vCPU"
    except Denied as denied:
        amount = str(denied)
    return unneeded(market.check, f"{amount}; used with sd-app:mlServer.spot: {word} alone ({market.code})")


def _quota(ground: Ground, quota: str) -> float:
    """What holds for the account, else what AWS gives everybody: the first is not there before it was ever changed."""
    which = {"ServiceCode": "ec2", "QuotaCode": quota}
    try:
        found = ask(ground.stack, "service-quotas", "get_service_quota", **which)
    except ClientError as error:
        if code(error) != NO_QUOTA:
            raise
        found = ask(ground.stack, "service-quotas", "get_aws_default_service_quota", **which)
    return float(found["Quota"]["Value"])


def _running(ground: Ground, *, spot: bool) -> int:
    """vCPUs of GPU machines that are not this stack's own, which `up` keeps or replaces."""
    states = [{"Name": "instance-state-name", "Values": list(COUNTED)}]
    reservations = ask_all(ground.stack, "ec2", "describe_instances", "Reservations", Filters=states)
    types = [
        str(one["InstanceType"])
        for reservation in reservations
        for one in reservation["Instances"]
        if one["InstanceType"].startswith(GPU_FAMILIES)
        and (one.get("InstanceLifecycle") == "spot") is spot
        and not is_own(one.get("Tags") or (), ground.stack.name)
    ]
    sizes = _vcpus(ground, set(types))
    return sum(sizes[kind] for kind in types)


def is_own(tags: Iterable[Any], stack: str) -> bool:
    """Whether AWS's list of tags says that it is this stack's."""
    read = {tag["Key"]: tag["Value"] for tag in tags}
    return (read.get(contract.TAG_PROJECT), read.get(contract.TAG_STACK)) == (contract.PROJECT, stack)


def _vcpus(ground: Ground, kinds: set[str]) -> dict[str, int]:
    known = {kind: GPU_TYPES[kind].vcpus for kind in kinds if kind in GPU_TYPES}
    unknown = sorted(kinds - set(known))
    if unknown:
        for one in ask_all(
            ground.stack, "ec2", "describe_instance_types", "InstanceTypes", InstanceTypes=unknown
        ):
            known[one["InstanceType"]] = int(one["VCpuInfo"]["DefaultVCpus"])
    return known


def _sagemaker(ground: Ground) -> list[Finding]:
    """SageMaker's quotas are by type, and often 0 in a new account; their codes are found by name, in one reading."""
    notebook, training = ground.settings.notebook, ground.settings.training
    wanted: dict[str, str] = {}
    if notebook.enabled:
        wanted[NOTEBOOK] = f"{notebook.instance_type} for notebook instance usage"
    if training.enabled:
        market = "spot " if training.spot else ""
        wanted[TRAINING] = f"{training.instance_type} for {market}training job usage"
    findings = [
        unneeded(check, f"switched off by sd-app:{section}.enabled")
        for check, section in ((NOTEBOOK, "notebook"), (TRAINING, "training"))
        if check not in wanted
    ]
    if wanted:
        findings += _by_name(ground, wanted)
    return findings


def _by_name(ground: Ground, wanted: dict[str, str]) -> list[Finding]:
    names = set(wanted.values())
    page = f"{CONSOLE}/services/sagemaker/quotas"
    try:
        found = {
            one["QuotaName"]: one
            for one in ask_all(
                ground.stack,
                "service-quotas",
                "list_service_quotas",
                "Quotas",
                ServiceCode="sagemaker",
                **LARGE_PAGES,
            )
            if one["QuotaName"] in names
        }
    except Denied as denied:
        return [
            unseen(check, f'{denied}; "{name}" must be 1', f"look at {page}")
            for check, name in wanted.items()
        ]
    return [_named(ground, check, name, found.get(name), page) for check, name in wanted.items()]


def _named(ground: Ground, check: str, name: str, quota: Any | None, page: str) -> Finding:
    if quota is None:
        section = check.rpartition(" ")[2]
        return bad(
            check,
            f'Service Quotas has no "{name}" in {ground.stack.region}: is the type offered there?',
            f"set sd-app:{section}.instanceType to another, or sd-app:{section}.enabled to false",
        )
    others = _other_notebooks(ground) if check == NOTEBOOK else 0
    taken = f", {others} taken by other notebooks" if others else ""
    said = f'{quota["Value"]:g}{taken}: "{name}"'
    if quota["Value"] - others >= 1:
        return good(check, said)
    link = f"{page}/{quota['QuotaCode']}?region={ground.stack.region}"
    fault = bad(check, said, f"ask for {others + 1} or more: {link} ({APPROVAL})")
    # `up` starts the notebook, and no training job.
    return replace(fault, stops_up=check != TRAINING)


def _other_notebooks(ground: Ground) -> int:
    own, kind = contract.notebook_name(ground.stack.name), ground.settings.notebook.instance_type
    all_of_them = ask_all(ground.stack, "sagemaker", "list_notebook_instances", "NotebookInstances")
    return sum(
        one["InstanceType"] == kind
        and one["NotebookInstanceStatus"] in IN_USE
        and one["NotebookInstanceName"] != own
        for one in all_of_them
    )


CHECKS = (Check(name="quotas EC2", look=_gpu), Check(name="quotas SageMaker", look=_sagemaker))
