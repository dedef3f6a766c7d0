"""What is in the emulator that isn't in every AWS account from its first day."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, cast

from moto.core.base_backend import BackendDict, BaseBackend
from moto.ec2.models.instances import Reservation

from sandbox.aws.table import Store

SHADOWS = frozenset(
    {
        ("ec2", "snapshots"),  # those of the public AMIs come with them; our own AMIs none
        ("ec2", "vpc_refs"),
        ("ec2", "subnet_refs"),
    }
)
"""Attributes of moto's that only point at what another one holds."""

AWS_KEY = "Default key"
"""How moto describes a key that AWS itself makes when a service first needs one (`alias/aws/ssm`)."""


def left(store: Store) -> list[str]:
    """A line for each resource that somebody made: moto's, and those that the sandbox keeps itself."""
    own = [f"{kind}: {id}" for kind in store.kinds() for id in store.all(kind)]
    return sorted({*own, *_in_moto()})


def _in_moto() -> Iterator[str]:
    in_use = cast(list[BackendDict[Any]], vars(BackendDict)["_instances"])  # moto has no public list of them
    for service in list(in_use):
        for _account, region, backend in list(service.iter_backends()):
            if service.service_name == "moto_api":
                continue
            usual = _entries(_fresh(type(backend), region, backend.account_id))
            for attribute, ids in _entries(backend).items():
                if (service.service_name, attribute) not in SHADOWS:
                    # moto makes what every account has first, and its dicts keep the order.
                    for id in ids[len(usual.get(attribute, [])) :]:
                        yield f"{service.service_name} {attribute} in {region}: {id}"


@cache
def _fresh(kind: type[BaseBackend], region: str, account: str) -> BaseBackend:
    """An account in which nobody did anything yet."""
    return kind(region, account)


def _entries(backend: BaseBackend) -> dict[str, list[str]]:
    """Attribute -> ids of the live resources in it."""
    found: dict[str, list[str]] = {}
    for name, value in list(vars(backend).items()):
        if isinstance(value, dict):
            ids = list(_ids(cast(dict[Any, Any], value)))
            if ids:
                found[name.lstrip("_")] = ids
    return found


def _ids(values: dict[Any, Any], prefix: str = "") -> Iterator[str]:
    for key, value in list(values.items()):
        if isinstance(value, dict):
            yield from _ids(cast(dict[Any, Any], value), f"{prefix}{key}/")
        elif isinstance(value, Reservation):
            yield from (machine.id for machine in value.instances if not _ended(machine))
        elif type(value).__module__.startswith("moto.") and not _ended(value):
            yield f"{prefix}{key}"


def _ended(model: Any) -> bool:
    """Whether it's no resource any more, or none that anybody made."""
    if getattr(model, "default", False) is True and hasattr(model, "vpc_id"):
        return True  # a VPC's default ACL comes and goes with it; moto forgets to remove it
    if str(getattr(model, "description", "")).startswith(("Default ", AWS_KEY)) and hasattr(
        model, "key_manager"
    ):
        return True
    state = getattr(model, "_state", None) or getattr(model, "state", None)
    return getattr(state, "name", state) in ("terminated", "deleted")  # AWS, too, shows them for an hour
