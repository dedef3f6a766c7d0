"""The AWS types and lookups that the sandbox knows: whatever the modules of this folder export."""

from importlib import import_module
from pkgutil import iter_modules

from sandbox.aws.table import Lookup, ResourceType


def _collect() -> tuple[dict[str, ResourceType], dict[str, Lookup]]:
    """Gather RESOURCES and LOOKUPS of every module here; a token defined twice is a programming error."""
    types: dict[str, ResourceType] = {}
    lookups: dict[str, Lookup] = {}
    for found in iter_modules(__path__):
        module = import_module(f"{__name__}.{found.name}")
        resources: tuple[ResourceType, ...] = getattr(module, "RESOURCES", ())
        for resource in resources:
            if types.setdefault(resource.token, resource) is not resource:
                raise ValueError(f"{resource.token} is defined twice, the second time in {module.__name__}")
        functions: dict[str, Lookup] = getattr(module, "LOOKUPS", {})
        for token, lookup in functions.items():
            if lookups.setdefault(token, lookup) is not lookup:
                raise ValueError(f"{token} is defined twice, the second time in {module.__name__}")
    return types, lookups


TYPES, LOOKUPS = _collect()
