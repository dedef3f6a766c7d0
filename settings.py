"""The only reader of Pulumi config: every setting typed, told, and checked before any resource is registered.

`docs/settings.md` is made from this file (`make settings-docs`). Keys are camelCase in the stack files, as Pulumi's are.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pydantic import ValidationError
from pydantic.fields import FieldInfo

import contract
import setting_rules as rules
import stack_lock
from setting_models import (
    AwsSettings,
    BackendSettings,
    FrontendSettings,
    IdentitySettings,
    JobsSettings,
    LimitsSettings,
    MlServerSettings,
    NetworkSettings,
    NotebookSettings,
    OperationsSettings,
    OwnerSettings,
    RepositorySettings,
    Section,
    StorageSettings,
    TrainingSettings,
    UsageSettings,
)

SECTIONS: dict[str, type[Section]] = {
    "ownership": OwnerSettings,
    "network": NetworkSettings,
    "storage": StorageSettings,
    "jobs": JobsSettings,
    "limits": LimitsSettings,
    "identity": IdentitySettings,
    "mlServer": MlServerSettings,
    "backend": BackendSettings,
    "notebook": NotebookSettings,
    "training": TrainingSettings,
    "frontend": FrontendSettings,
    "operations": OperationsSettings,
    "repository": RepositorySettings,
    "usage": UsageSettings,
}
GITHUB_TOKEN = "githubToken"
"""The one secret that a person gives: a fine-grained GitHub token (Amplify's connection, clone of a private repository)."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that the stack file says, checked. `github_token` is True when the secret is set, never its text.

    `limits` has a field for each of `contract.LIMITS`.
    """

    stack: str
    aws: AwsSettings
    ownership: OwnerSettings
    network: NetworkSettings
    storage: StorageSettings
    jobs: JobsSettings
    limits: Section
    identity: IdentitySettings
    ml_server: MlServerSettings
    backend: BackendSettings
    notebook: NotebookSettings
    training: TrainingSettings
    frontend: FrontendSettings
    operations: OperationsSettings
    repository: RepositorySettings
    usage: UsageSettings
    github_token: bool


class SettingsError(pulumi.RunError):
    """All faults of a stack file in one message, one a line."""

    def __init__(self, stack: str, faults: list[str]) -> None:
        self.faults = faults
        count = "1 setting is" if len(faults) == 1 else f"{len(faults)} settings are"
        lines = "\n".join(f"  {fault}" for fault in faults)
        super().__init__(f"{count} wrong in Pulumi.{stack}.yaml (nothing was created or changed):\n{lines}")


def load() -> Settings:
    """Settings of the stack that the engine runs now; machine images and branch as its lock says, if it follows one."""
    stack, raw = pulumi.get_stack(), dict[str, str](pulumi.runtime.config.CONFIG.get())
    secrets = {key for key in raw if pulumi.runtime.config.is_config_secret(key)}
    try:
        lock = stack_lock.followed(stack)
        return parse(stack, stack_lock.laid_over(lock, raw) if lock else raw, secrets)
    except stack_lock.LockBroken as error:
        raise SettingsError(stack, [str(error)]) from error


def github_token(settings: Settings) -> pulumi.Output[str] | None:
    """The GitHub token as a secret, or None when the stack has none."""
    return pulumi.Config(contract.PROJECT).require_secret(GITHUB_TOKEN) if settings.github_token else None


def load_file(path: Path) -> Settings:
    """Settings of a stack file, for tools that run without the engine."""
    stack = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
    document: dict[str, Any] = yaml.safe_load(path.read_text()) or {}
    config: dict[str, Any] = document.get("config") or {}
    secrets = {key for key, value in config.items() if isinstance(value, dict) and "secure" in value}
    raw = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    return parse(stack, raw, secrets)


def parse(stack: str, raw: Mapping[str, str], secret_keys: set[str]) -> Settings:
    """Check the config of a stack; raises SettingsError with every fault that can be told at once.

    raw: as the engine hands it over: `namespace:key` to text, objects as JSON text.
    """
    faults: list[str] = []
    if not re.fullmatch(contract.STACK_PATTERN, stack):
        faults.append(
            f'stack name "{stack}": allowed: a lower-case letter, then up to 11 lower-case letters or digits'
        )
    own, aws = _by_namespace(raw, faults)
    token = own.pop(GITHUB_TOKEN, None)
    if token is not None and f"{contract.PROJECT}:{GITHUB_TOKEN}" not in secret_keys:
        faults.append(
            f"{contract.PROJECT}:{GITHUB_TOKEN}: must be a secret; use `pulumi config set --secret {GITHUB_TOKEN}`"
        )
    faults += rules.unknown_keys(f"{contract.PROJECT}:", set(own), {*SECTIONS, GITHUB_TOKEN})
    sections = {
        name: _section(f"{contract.PROJECT}:{name}.", kind, own.get(name), faults)
        for name, kind in SECTIONS.items()
    }
    sections["aws"] = _section("aws:", AwsSettings, aws, faults)
    present = {name: section for name, section in sections.items() if section is not None}
    faults += rules.cross_faults(stack, present, token is not None)
    if faults:
        raise SettingsError(stack, faults)
    ml_server = present.pop("mlServer")
    return Settings(stack=stack, ml_server=ml_server, github_token=token is not None, **present)  # pyright: ignore[reportArgumentType]  # each section was built from its own class in SECTIONS


def _by_namespace(raw: Mapping[str, str], faults: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {contract.PROJECT: {}, "aws": {}}
    for key, text in raw.items():
        namespace, _, name = key.partition(":")
        if namespace in found:
            found[namespace][name] = _value(text)
        elif namespace != "pulumi":  # the engine's own, such as pulumi:disable-default-providers
            faults.append(
                f"{key}: nobody reads this key; allowed: keys that begin with {contract.PROJECT}: or aws:"
            )
    return found[contract.PROJECT], found["aws"]


def _value(text: str) -> Any:
    """The engine hands scalars over as text and objects as JSON: `true`, `5`, `{"a": 1}`, `eu-west-1`."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _section(path: str, kind: type[Section], value: Any, faults: list[str]) -> Section | None:
    if value is not None and not isinstance(value, dict):
        faults.append(
            f"{path.rstrip('.')}: {json.dumps(value)} is not a group of settings; allowed: {_names(kind)}"
        )
        return None
    try:
        return kind.model_validate_json(json.dumps(value or {}), strict=True)
    except ValidationError as error:
        faults += [_told(path, kind, one) for one in error.errors()]
        return None


def _told(path: str, kind: type[Section], error: Any) -> str:
    """One pydantic error in the project's words: the setting, the value given, what is allowed."""
    where = path + ".".join(str(part) for part in error["loc"])
    name, given, context = (
        str(error["loc"][0]),
        json.dumps(error["input"]),
        error.get("ctx", {}),
    )
    field = next((f for f in kind.model_fields.values() if f.alias == name), None)
    match error["type"]:
        case "missing":
            return f"{where}: must be set: {field.description if field else ''}"
        case "extra_forbidden":
            return rules.unknown_key(path, name, {f.alias or "" for f in kind.model_fields.values()})
        case "value_error":
            return f"{where}: {given} {context['error']}"
        case "literal_error":
            return f"{where}: {given} is not one of the values known here; allowed: {context['expected'].replace(chr(39), '')}"
        case "string_pattern_mismatch":
            return f"{where}: {given} has not the form needed; {field.description if field else ''}"
        case _:
            return f"{where}: {given} {_expected(error, field)}"


def _expected(error: Any, field: FieldInfo | None) -> str:
    described = f"; allowed: {span_of(field)}" if field and span_of(field) else ""
    return f"is not right: {error['msg'][0].lower()}{error['msg'][1:]}{described}"


def _names(kind: type[Section]) -> str:
    return ", ".join(f.alias or "" for f in kind.model_fields.values())


def span_of(field: FieldInfo) -> str:
    """The values a setting allows, in words: `80 to 2000 GiB`; empty when its sentence tells."""
    extra: Any = field.json_schema_extra
    return str(extra.get("allowed", "")) if isinstance(extra, dict) else ""  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]  # pydantic types it as any JSON
