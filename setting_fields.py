"""What settings are made of: the section, and fields with range, unit and sentence."""

from collections.abc import Callable, Collection
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

import setting_rules as rules


class Section(BaseModel):
    """A group of settings. Unknown names are refused; values are never converted silently."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=True)


def number(default: Any, low: float, high: float, told: str, unit: str = "") -> Any:
    """A number setting: default, bounds (both allowed), sentence and unit."""
    allowed = f"{low} to {high} {unit}".strip()
    return Field(
        default,
        ge=low,
        le=high,
        description=told,
        json_schema_extra={"unit": unit, "allowed": allowed},
    )


def setting(default: Any, told: str, unit: str = "", allowed: str = "") -> Any:
    """Any other setting."""
    return Field(default, description=told, json_schema_extra={"unit": unit, "allowed": allowed})


def one_of(what: str, known: Collection[str]) -> AfterValidator:
    """Allows the known values alone."""

    def check(value: str) -> str:
        if value not in known:
            raise ValueError(f"is not {what} known here; allowed: {', '.join(known)}")
        return value

    return AfterValidator(check)


def checked(fault_of: Callable[[str], str | None]) -> AfterValidator:
    """Refuses what the rule has words for."""

    def check(value: str) -> str:
        fault = fault_of(value)
        if fault:
            raise ValueError(fault)
        return value

    return AfterValidator(check)


Cidr = Annotated[str, checked(rules.private_cidr_fault)]
AccessCidr = Annotated[str, checked(rules.access_cidr_fault)]
Domain = Annotated[str, checked(rules.domain_fault)]
Email = Annotated[str, checked(rules.email_fault)]
Schedule = Annotated[str, checked(rules.schedule_fault)]
ImageId = Annotated[str, checked(rules.image_id_fault)]
KeyName = Annotated[str, checked(rules.key_name_fault)]
Tag = Annotated[str, checked(rules.tag_fault)]
PolicyArn = Annotated[str, checked(rules.policy_fault)]
Origin = Annotated[str, checked(rules.origin_fault)]
