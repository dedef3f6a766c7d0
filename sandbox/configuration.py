"""The provider's own configuration, kept apart for every engine and stack that is attached at the same time."""

from __future__ import annotations

import contextlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from sandbox import schema
from sandbox.properties import UNKNOWN, Unknown, is_list, plain
from sandbox.schema import Fault
from sandbox.serving import stack_of

HONOURED = frozenset({"region", "defaultTags", "allowedAccountIds", "forbiddenAccountIds"})
"""Settings that the sandbox acts on."""

WITHOUT_EFFECT = frozenset(
    [
        "profile",
        "accessKey",
        "secretKey",
        "token",
        "sharedConfigFiles",
        "sharedCredentialsFiles",
        "customCaBundle",
        "httpProxy",
        "httpsProxy",
        "noProxy",
        "insecure",
        "maxRetries",
        "retryMode",
        "skipCredentialsValidation",
        "skipMetadataApiCheck",
        "skipRegionValidation",
        "skipRequestingAccountId",
        "stsRegion",
        "s3UsePathStyle",
        "userAgents",
    ]
)
"""How to get at AWS, which an emulator on this machine doesn't need."""

ENGINES_OWN = ("version", "pluginDownloadURL", "pluginChecksums")

REMEMBERED = 512
"""Connections whose configuration is kept; the engine makes a few for every command."""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """What a provider of the program says."""

    region: str
    default_tags: dict[str, str] = field(default_factory=dict[str, str])
    allowed_account_ids: tuple[str, ...] = ()
    forbidden_account_ids: tuple[str, ...] = ()

    def refuses(self, account: str) -> str | None:
        """Why this account is out of bounds, or None."""
        if self.allowed_account_ids and account not in self.allowed_account_ids:
            allowed = ", ".join(self.allowed_account_ids)
            return f"AWS account ID not allowed: {account} (allowedAccountIds: {allowed})"
        if account in self.forbidden_account_ids:
            return f"AWS account ID not allowed: {account} (it is one of forbiddenAccountIds)"
        return None


def unpacked(values: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with their values: SDKs send whatever isn't a text as JSON text."""
    hints = schema.provider().types
    found: dict[str, Any] = {}
    for key, value in values.items():
        if key.startswith(schema.INTERNAL) or key in ENGINES_OWN:
            continue
        value = plain(value)
        if isinstance(value, str) and schema.bare(hints.get(key, str)) is not str:
            with contextlib.suppress(ValueError):  # the type check says what is wrong with it
                value = json.loads(value)
        found[key] = value
    return found


def check(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """The settings in their types, and what is wrong with them."""
    checked, faults = schema.check(unpacked(values), schema.provider())
    faults.extend(
        Fault(key, f"the sandbox doesn't act on the provider's {key}; it would have to be left out here")
        for key, value in checked.items()
        if key not in HONOURED | WITHOUT_EFFECT and key in schema.provider().types and value
    )
    if not checked.get("region"):
        faults.append(Fault("region", "no region: set aws:region, or give the provider one"))
    return checked, faults


def parse(values: Mapping[str, Any]) -> Configuration:
    """The configuration that checked settings stand for."""
    tags: Any = values.get("defaultTags") or {}
    own = {} if isinstance(tags, Unknown) else cast(dict[str, Any], tags.get("tags") or {})
    return Configuration(
        region=str(values["region"]),
        default_tags={} if isinstance(own, Unknown) else {k: v for k, v in own.items() if v is not UNKNOWN},
        allowed_account_ids=_ids(values.get("allowedAccountIds")),
        forbidden_account_ids=_ids(values.get("forbiddenAccountIds")),
    )


def _ids(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if is_list(value) else ()


class Configurations:
    """Which configuration a request means.

    The engine opens a connection for each provider resource of the program, so the connection tells. Should it have
    to connect again, the stack's latest one stands in.
    """

    def __init__(self) -> None:
        self._by_peer: OrderedDict[str, Configuration] = OrderedDict()
        self._by_stack: dict[str, Configuration] = {}
        self._lock = threading.Lock()

    def put(self, peer: str, urn: str, configuration: Configuration) -> None:
        """Remember what a connection was configured with."""
        with self._lock:
            self._by_peer.pop(peer, None)
            self._by_peer[peer] = configuration
            if urn:
                self._by_stack[stack_of(urn)] = configuration
            while len(self._by_peer) > REMEMBERED:
                self._by_peer.popitem(last=False)

    def get(self, peer: str, urn: str = "") -> Configuration | None:
        """The configuration that a request on this connection, for this resource, means."""
        with self._lock:
            return self._by_peer.get(peer) or (self._by_stack.get(stack_of(urn)) if urn else None)
