"""The real `__main__.py` of a stack, recorded: all that it declares, from the files of the checkout alone."""

import json
import runpy
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

import yaml

import contract
from declared.pretend_aws import Answer
from declared.recorder import Recording, deploy
from settings import Settings, parse

ROOT = Path(__file__).parents[1]
UNSEEN = "secret-that-stays-encrypted"
"""Stands for every secret: the stack file has it encrypted, and nothing that is declared depends on what it says."""
REGION = "aws:index/getRegion:getRegion"
OFFERINGS = "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings"
GITHUB_TOKEN = f"{contract.PROJECT}:githubToken"


def run_program(
    stack: str,
    *,
    config: Mapping[str, Any] | None = None,
    secret_keys: Collection[str] = (),
    lookups: Mapping[str, Answer] | None = None,
) -> Recording[Any]:
    """Run the real `__main__.py` with the config of `Pulumi.<stack>.yaml`, `config` laid over it key by key."""
    values: dict[str, Any] = {**config_of(stack), **(config or {})}
    return deploy(
        lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"),
        lookups=lookups,
        stack=stack,
        config=_texts(values),
        secret_keys=secret_keys,
    )


def declare(stack: str, *, config: Mapping[str, Any] | None = None) -> Recording[Any]:
    """Everything that the stack declares. Secrets are stood for: those of the stack file, and the GitHub token that
    `make up` brings along where the stack has a page."""
    values, hidden = _with_secrets({**config_of(stack), **(config or {})})
    lookups = _of_region(str(values["aws:region"])) if "aws:region" in values else None
    return run_program(stack, config=values, secret_keys=hidden, lookups=lookups)


def settings_of(stack: str, *, config: Mapping[str, Any] | None = None) -> Settings:
    """The settings that `declare` runs the program with. SettingsError tells every fault."""
    values, hidden = _with_secrets({**config_of(stack), **(config or {})})
    return parse(stack, _texts(values), set(hidden))


def _of_region(region: str) -> dict[str, Answer]:
    """The stack's own Region; whether its zones offer the GPU is AWS's to say, and no concern of who only counts."""
    zones = [f"{region}{letter}" for letter in "abcdef"]
    return {
        REGION: {"region": region, "id": region},
        OFFERINGS: {"locations": zones, "locationType": "availability-zone"},
    }


def config_of(stack: str) -> dict[str, Any]:
    """The config of `Pulumi.<stack>.yaml`. FileNotFoundError when the stack has none."""
    document: dict[str, Any] = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text()) or {}
    return dict(document.get("config") or {})


def _with_secrets(values: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The config with every secret stood for, and the keys of those."""
    hidden = {key for key, one in values.items() if _is_encrypted(one)}
    if _has_page(values) and GITHUB_TOKEN not in values:
        hidden.add(GITHUB_TOKEN)
    return {**values, **dict.fromkeys(hidden, UNSEEN)}, sorted(hidden)


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """As the engine hands the config over."""
    return {key: one if isinstance(one, str) else json.dumps(one) for key, one in values.items()}


def _is_encrypted(value: object) -> bool:
    return isinstance(value, dict) and "secure" in cast(dict[str, Any], value)


def _has_page(values: Mapping[str, Any]) -> bool:
    page = values.get(f"{contract.PROJECT}:frontend")
    return isinstance(page, dict) and cast(dict[str, Any], page).get("enabled") is True
