"""The settings of the bootstrap program, checked before anything is registered."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import contract
from settings import load_file

PROJECT = "sd-app-bootstrap"
KEYS = ("stateBucket", "repository", "ownerId", "repositoryId", "environments", "branch")
ROOT = Path(__file__).resolve().parents[1]


class ConfigurationError(Exception):
    """What is wrong, with what is allowed."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A stack of the platform: what its stack file says of where it is and which bucket is its own."""

    name: str
    bucket_name: str


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One account. subjects: how GitHub begins the `sub` of this repository's tokens, in each form that it may have."""

    region: str
    state_bucket: str
    subjects: tuple[str, ...]
    branch: str
    environments: tuple[Environment, ...]


def parse(raw: Mapping[str, str], root: Path = ROOT) -> Configuration:
    """From the engine's config, `namespace:key` to text. Raises ConfigurationError."""
    own = {key.partition(":")[2]: value for key, value in raw.items() if key.startswith(f"{PROJECT}:")}
    if unknown := sorted(set(own) - set(KEYS)):
        raise ConfigurationError(f"{PROJECT}:{unknown[0]} is not known; known: {', '.join(KEYS)}")
    region = raw.get("aws:region", "")
    environments = tuple(_environment(name, region, root) for name in _names(own))
    return Configuration(
        region=region,
        state_bucket=_matching(own, "stateBucket", r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "a bucket's name"),
        subjects=_subjects(own),
        branch=_matching({"branch": "main", **own}, "branch", r"[\w./-]+", "a branch"),
        environments=environments,
    )


def _subjects(own: Mapping[str, str]) -> tuple[str, ...]:
    """Repositories made since 2026-07-15, and those that opted in, have ids in `sub`; older ones have names alone
    (docs.github.com/actions/reference/security/oidc)."""
    repository = _matching(own, "repository", r"[\w.-]+/[\w.-]+", "OWNER/NAME")
    ids = [key for key in ("ownerId", "repositoryId") if key in own]
    if not ids:
        return (f"repo:{repository}",)
    if len(ids) == 1:
        raise ConfigurationError(
            f"{PROJECT}:{ids[0]} stands alone; give ownerId and repositoryId, or neither "
            f"(gh api repos/{repository} --jq '.owner.id, .id')"
        )
    owner_id, repository_id = (_matching(own, key, r"[1-9]\d*", "GitHub's number") for key in ids)
    owner, name = repository.split("/")
    return (f"repo:{repository}", f"repo:{owner}@{owner_id}/{name}@{repository_id}")


def _names(own: Mapping[str, str]) -> list[str]:
    try:
        names: Any = json.loads(own.get("environments", '["dev", "prod"]'))
    except ValueError:
        names = None
    if not isinstance(names, list) or not names or len(set(map(str, names))) != len(names):  # pyright: ignore[reportUnknownArgumentType]  # JSON
        raise ConfigurationError(
            f"{PROJECT}:environments is not a list of different stacks such as [dev, prod]"
        )
    return [str(name) for name in names]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # JSON


def _environment(name: str, region: str, root: Path) -> Environment:
    # sd-app-github-… and sd-app-boundary-… are this program's own names: no stack may match them.
    if not re.fullmatch(contract.STACK_PATTERN, name) or name in ("github", "boundary", "state"):
        raise ConfigurationError(f"{PROJECT}:environments: {name} is no legal name of a stack")
    path = root / f"Pulumi.{name}.yaml"
    if not path.is_file():
        raise ConfigurationError(f"{PROJECT}:environments: {name} has no file {path.name}")
    settings = load_file(path)
    if settings.aws.region != region:
        raise ConfigurationError(
            f"aws:region is {region or 'not set'}, and {settings.aws.region} in {path.name}: "
            "keys are one Region's; give both the same"
        )
    return Environment(name=name, bucket_name=settings.storage.bucket_name)


def _matching(own: Mapping[str, str], key: str, pattern: str, what: str) -> str:
    value = own.get(key, "")
    if not re.fullmatch(pattern, value):
        raise ConfigurationError(f'{PROJECT}:{key} is "{value}", not {what}')
    return value
