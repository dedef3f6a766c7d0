"""Writes docs/settings.md and docs/outputs.md from the code that defines them (`make settings-docs`)."""

import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import outputs
import settings
from setting_fields import Section

DOCS = Path(__file__).parents[1] / "docs"


def settings_page() -> str:
    """The page of all settings, a table a group."""
    lines = [
        "# Settings",
        "",
        "Made from `setting_models.py` by `make settings-docs`; do not edit. They stand in `Pulumi.<stack>.yaml`; change one",
        "there, or with `pulumi config set --path 'sd-app:mlServer.diskGib' 200`. A wrong or unknown setting stops the",
        "program before anything is created, with one message that lists every fault.",
    ]
    for name, kind in (("aws", settings.AwsSettings), *settings.SECTIONS.items()):
        lines += [
            "",
            f"## {'aws' if name == 'aws' else f'sd-app:{name}'}",
            "",
            (kind.__doc__ or "").strip(),
            "",
            *_table(name, kind),
        ]
    lines += [
        "",
        f"## sd-app:{settings.GITHUB_TOKEN}",
        "",
        "Secret. Fine-grained GitHub token for the repository, for Amplify and for a private clone.",
        f"`pulumi config set --secret {settings.GITHUB_TOKEN}`; in the clear it is refused.",
        "",
    ]
    return "\n".join(lines)


def outputs_page() -> str:
    """The page of all stack outputs."""
    rows = [f"| `{entry.name}` | {entry.metadata['told']} |" for entry in fields(outputs.Outputs)]
    head = [
        "# Outputs",
        "",
        "Made from `outputs.py` by `make settings-docs`; do not edit. Seen with `make outputs STACK=…`.",
        "",
    ]
    return "\n".join([*head, "| output | what it is |", "|---|---|", *rows, ""])


def _table(name: str, kind: type[Section]) -> list[str]:
    prefix = "aws:" if name == "aws" else ""
    rows = [
        f"| `{prefix}{field.alias}` | {_default(field)} | {settings.span_of(field) or _kind(field)} | {field.description} |"
        for field in kind.model_fields.values()
    ]
    return ["| setting | default | allowed | what it does |", "|---|---|---|---|", *rows]


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "must be set"
    value: Any = field.default
    if value is None or value == () or value == "":
        return "none"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _kind(field: FieldInfo) -> str:
    text = str(field.annotation)
    if "Literal[" in text:
        return text.partition("Literal[")[2].rstrip("]").replace("'", "")
    names = {"bool": "true, false", "tuple": "a list", "int": "a number", "float": "a number"}
    return next((words for part, words in names.items() if part in text), "text")


PAGES = {"settings.md": settings_page, "outputs.md": outputs_page}


def main() -> int:
    """Write the pages that changed and say so."""
    for name, page in PAGES.items():
        path, text = DOCS / name, page()
        changed = not path.exists() or path.read_text() != text
        path.write_text(text)
        print(f"docs/{name}: {'written' if changed else 'unchanged'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
