"""What a service module tells the provider about its resources: the table that everything is driven by."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import boto3
import boto3.session
from botocore.config import Config
from botocore.exceptions import ClientError

Props = dict[str, Any]
"""Property values by their Pulumi names (camelCase), nested ones too; secrets unwrapped."""


class Store:
    """Durable records for what moto lacks: one JSON file a kind, whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.RLock()

    def _file(self, kind: str) -> Path:
        return self._folder / (re.sub(r"[^A-Za-z0-9]+", "-", kind) + ".json")

    def _load(self, kind: str) -> dict[str, Props]:
        file = self._file(kind)
        return json.loads(file.read_text()) if file.exists() else {}

    def _save(self, kind: str, records: dict[str, Props]) -> None:
        file = self._file(kind)
        if not records:
            file.unlink(missing_ok=True)
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".new")
        draft.write_text(json.dumps(records, indent=1, sort_keys=True))
        draft.replace(file)

    def get(self, kind: str, id: str) -> Props | None:
        """The record, or None."""
        with self._lock:
            return self._load(kind).get(id)

    def put(self, kind: str, id: str, record: Props) -> None:
        """Create or replace a record; it must be JSON."""
        with self._lock:
            self._save(kind, self._load(kind) | {id: record})

    def delete(self, kind: str, id: str) -> None:
        """Remove a record; one that is gone is no error."""
        with self._lock:
            records = self._load(kind)
            if records.pop(id, None) is not None:
                self._save(kind, records)

    def all(self, kind: str) -> dict[str, Props]:
        """Every record of a kind, by id."""
        with self._lock:
            return self._load(kind)

    def kinds(self) -> list[str]:
        """Kinds that have a record (as their file names spell them)."""
        return sorted(file.stem for file in self._folder.glob("*.json")) if self._folder.exists() else []

    def wipe(self) -> None:
        """Forget everything: the emulator beside it is a new one."""
        with self._lock:
            for kind in self.kinds():
                self._file(kind).unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class Aws:
    """The emulator as one provider sees it. `region` is the resource's own (its `region` input, else the provider's)."""

    endpoint: str
    region: str
    account: str
    store: Store
    default_tags: dict[str, str] = field(default_factory=dict[str, str])
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict[tuple[str, str], Any], repr=False)
    _lock: Any = field(default_factory=threading.RLock, repr=False)

    def client(self, service: str, region: str | None = None) -> Any:
        """A boto3 client on the emulator, in the resource's region if none is given; kept for the next call."""
        key = (service, region or self.region)
        with (
            self._lock
        ):  # boto3's default session is not safe to share between threads while it makes a client
            if key not in self._clients:
                self._clients[key] = boto3.session.Session().client(
                    service,
                    region_name=key[1],
                    endpoint_url=self.endpoint,
                    config=Config(retries={"total_max_attempts": 2}, max_pool_connections=32),
                )
            return self._clients[key]

    def within(self, region: str | None) -> Aws:
        """The same emulator seen from another region."""
        return replace(self, region=region) if region and region != self.region else self

    def seen_by(self, default_tags: dict[str, str]) -> Aws:
        """The same emulator for a provider with these default tags."""
        return replace(self, default_tags=default_tags)


ABSENT = re.compile(r"NotFound|NoSuch|NonExist|NotExist|^404$|UnknownResource", re.IGNORECASE)
"""The many words that AWS services have in the error codes of what isn't there."""


def absent(error: ClientError) -> bool:
    """Whether AWS says that the resource doesn't exist (any more)."""
    fault = cast(Props, error.response.get("Error") or {})
    return bool(ABSENT.search(str(fault.get("Code", ""))))


Create = Callable[[Aws, Props], str]
Read = Callable[[Aws, str, Props], Props | None]
Update = Callable[[Aws, str, Props, Props], None]
Delete = Callable[[Aws, str, Props], None]
Lookup = Callable[[Aws, Props], Props]
"""An invoke: arguments in, result out."""


@dataclass(frozen=True, kw_only=True)
class ResourceType:
    """One `aws:*` resource type: what may change in place and how it is made, read, changed and removed."""

    token: str
    """Pulumi's type token, e.g. `aws:sqs/queue:Queue`."""
    create: Create
    """Inputs (with `tagsAll`: the provider's default tags and its own) -> physical id."""
    read: Read
    """Id and last known properties -> all outputs as they really are now; None: it's gone."""
    delete: Delete
    """Id and last known properties; already gone is success."""
    update: Update | None = None
    """Id, old and new properties (inputs over the last known outputs). None: every change replaces."""
    takes: frozenset[str] | None = None
    """Inputs that it acts on; any other is refused before anything is made. None: all that the SDK has."""
    immutable: frozenset[str] = frozenset()
    """Inputs that AWS can only change by replacement: top-level names, or a path `a.b` (list indexes left out)."""
    autoname: str | None = None
    """The input filled with `<name>-<7 hex digits>` when the program leaves it out."""
    autoname_max: int = 255
    """Longest name that the service takes, in characters."""
    delete_before_replace: bool = False
    """Two can't exist side by side, so the old one goes first."""


@dataclass(frozen=True, kw_only=True)
class Partial(Exception):
    """Raised by `create` when a resource `id` exists but isn't whole; the next `up` replaces or completes it."""

    id: str
    reason: str
