"""Stack outputs for a person: a table, parts left out told with their reason."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from rich.console import Console
from rich.table import Table

MAIN = (
    "backendUrl",
    "frontendUrl",
    "comfyUiAddress",
    "bucketName",
    "generationsTable",
    "notebookName",
    "dashboardUrl",
)
"""What a person looks for first after `make up`."""

WIDEST = 4000
"""Columns that a value may take before it is cut."""


def table(outputs: Mapping[str, Any], names: Iterable[str] | None = None) -> Table:
    """A row an output; one that holds several has a row for each, `queueUrls.text`."""
    view = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    view.add_column("output", no_wrap=True)
    view.add_column("value", no_wrap=True)
    for name in outputs if names is None else names:
        value = outputs.get(name)
        if isinstance(value, Mapping):
            for part, held in cast("Mapping[str, Any]", value).items():
                view.add_row(f"{name}.{part}", _text(held))
        else:
            view.add_row(name, _text(value))
    return view


def _text(value: Any) -> str:
    if value is None:
        return "left out"
    return value if isinstance(value, str) else str(value)


def left_out(outputs: Mapping[str, Any]) -> list[str]:
    """`frontend: no GitHub token`: a line for each part that the settings leave out."""
    reasons: Mapping[str, Any] = outputs.get("leftOut") or {}
    return [f"{part}: {reason}" for part, reason in reasons.items()]


def show(outputs: Mapping[str, Any], names: Iterable[str] | None = None) -> None:
    """Print the table to stdout. A long address is left to the terminal to wrap, so that it can be copied whole."""
    console = Console(width=WIDEST, highlight=False, markup=False)
    with console.capture() as captured:
        console.print(table(outputs, names))
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))
