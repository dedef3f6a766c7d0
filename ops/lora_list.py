"""`ops loras list` and `show`: which styles there are, which version of each designers get, how far it has come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ops import lora_records
from ops.errors import BAD, OpsError
from ops.lora_records import Shelf, Style, Told, Version
from ops.show import age, as_json, console, counted, size, table
from ops.stack import Stack

COLOURS = {"offered": "green", "synced": "", "published": "yellow", "unknown": "yellow"}
"""Of states; the others are red."""
SHOWN_NAMES = 30


def run(stack: Stack, *, json: bool) -> int:
    """All styles; exit status 1 when one is left out or not offered."""
    shelf = lora_records.read(stack, stack.output("bucketName"))
    bad = any(one.state in ("left out", "not offered") for style in shelf.styles for one in style.versions)
    if json:
        as_json(
            {"styles": [lora_records.as_record(one) for one in shelf.styles], "mlServer": _told(shelf.told)}
        )
    elif not shelf.styles:
        command = f"python -m ops --stack {stack.name} loras"
        console().print(
            f"No styles yet: `{command} train NAME --images DIR` makes one, `{command} publish FILE --style NAME`"
            " publishes one that is there",
            soft_wrap=True,
        )
    else:
        _show(shelf)
    return BAD if bad else 0


def show(stack: Stack, name: str, *, json: bool) -> int:
    """A style, or one version of it, with all that is known."""
    shelf = lora_records.read(stack, stack.output("bucketName"))
    style, version = find(shelf.styles, name)
    if json:
        record = lora_records.as_record(style)
        chosen = [one for one in record["versions"] if version is None or one["version"] == version.version]
        as_json({**record, "versions": chosen})
        return 0
    out = console()
    out.print(f"{style.name}: {gets(style)}", soft_wrap=True)
    if style.alias and style.alias.changed_at:
        before = ", ".join(reversed(style.alias.previous)) or "none"
        out.print(f"changed {style.alias.changed_at}; before: {before}", soft_wrap=True)
    for one in [version] if version else style.versions:
        out.print()
        for what, told in _facts(one):
            out.print(f"  {what:12}{told}", soft_wrap=True)
    out.print()
    _foot(shelf.told)
    return 0


def find(styles: Sequence[Style], name: str) -> tuple[Style, Version | None]:
    """The style of this name (and no version), or the version with its style. Raises OpsError with the names there are."""
    for style in styles:
        if style.name == name:
            return style, None
    for style in styles:
        if found := style.version(name):
            return style, found
    shown = [f"{style.name} ({_versions(style)})" for style in styles[:SHOWN_NAMES]]
    more = f" and {len(styles) - SHOWN_NAMES} more" if len(styles) > SHOWN_NAMES else ""
    raise OpsError(
        f"there is no style or version {name}; there are: {', '.join(shown) or 'none'}{more}"
        if styles
        else f"there is no style or version {name}: no style has been published yet",
        BAD,
    )


def _versions(style: Style) -> str:
    return ", ".join(one.version for one in style.versions) or "no file"


def gets(style: Style) -> str:
    """Which version designers get, or why none."""
    if style.fault:
        return f"designers do not get it: {style.fault}"
    if style.alias and style.alias.retired:
        return f"retired; designers do not get it (it was {style.alias.version})"
    if style.current:
        return f"designers get {style.current.version}"
    if style.alias:
        return f"designers do not get it: {style.alias.version} is not in the bucket"
    return "published, and never promoted: designers do not get it"


def _show(shelf: Shelf) -> None:
    rows = table("Style", "Version", "State", "Age", "Size", "Trigger word")
    for style in shelf.styles:
        for at, one in enumerate(style.versions):
            sign = ">" if one is style.current else " "
            rows.add_row(
                _heading(style) if at == 0 else "",
                f"{sign} {f'v{one.number}' if one.number else 'file'}",
                one.state,
                age(one.modified),
                size(one.size),
                one.sidecar.trigger_word if one.sidecar else "",
                style=COLOURS.get(one.state, "red") if sign == ">" else "",
            )
        if not style.versions:
            rows.add_row(_heading(style), "", "no file", "", "", "", style="red")
    for column in rows.columns[1:5]:
        column.no_wrap = True
    rows.columns[3].justify = rows.columns[4].justify = "right"
    out = console()
    out.print(rows)
    out.print()
    count = sum(len(style.versions) for style in shelf.styles)
    out.print(f"{counted(len(shelf.styles), 'style')}, {counted(count, 'version')}; > is what designers get")
    for line in _notes(shelf.styles):
        out.print(line, style="yellow", soft_wrap=True)
    _foot(shelf.told)


def _heading(style: Style) -> str:
    return f"{style.name} (retired)" if style.alias and style.alias.retired else style.name


def _notes(styles: Sequence[Style]) -> Iterator[str]:
    """What is to be said of single styles."""
    for style in styles:
        if not style.current and not (style.alias and style.alias.retired):
            yield f"{style.name}: {gets(style)}"
        for one in style.versions:
            if one.note:
                yield f"{one.version}: {one.state}: {one.note}"
            if one.fault:
                yield f"{one.version}: its sidecar is not right: {one.fault}"


def _foot(told: Told | None) -> None:
    out = console()
    if told is None:
        out.print("The ML server has not told of its styles yet: it does once it runs", soft_wrap=True)
    elif told.is_silent:
        out.print(
            f"The ML server told so {age(told.at)} ago: it sleeps, or its sync does not run. What is new comes when it wakes",
            soft_wrap=True,
        )
    else:
        asked = counted(len(told.ports), "ComfyUI server")
        out.print(f"The ML server told so {age(told.at)} ago, and asked {asked}", soft_wrap=True)


def _told(told: Told | None) -> dict[str, Any] | None:
    return {"at": told.at, "ports": list(told.ports), "silent": told.is_silent} if told else None


def _facts(one: Version) -> Iterator[tuple[str, str]]:
    """What is known of a version, by its heading."""
    yield "version", one.version
    yield "state", f"{one.state}{f': {one.note}' if one.note else ''}"
    yield "published", f"{one.modified:%Y-%m-%d %H:%M} UTC ({age(one.modified)})"
    yield "size", size(one.size)
    yield "SHA-256", one.sha256 or "not recorded"
    yield "thumbnail", "yes" if one.has_thumbnail else "none"
    if one.fault:
        yield "sidecar", f"not right: {one.fault}"
    if one.sidecar:
        told = one.sidecar
        strength = told.recommended_strength
        yield from _known(
            ("title", told.title),
            ("trigger", told.trigger_word),
            ("strength", "" if strength is None else f"{strength:g}"),
        )
        made = told.made
        yield from _known(
            ("base model", made.base.name if made.base else ""),
            (
                "data set",
                f"{made.dataset.name}, {counted(made.dataset.pictures, 'picture')}" if made.dataset else "",
            ),
            ("steps", "" if made.steps is None else str(made.steps)),
            ("epochs", "" if made.epochs is None else str(made.epochs)),
            ("loss", "" if made.loss is None else f"{made.loss:.4f}"),
            ("job", made.job),
            ("settings", ", ".join(f"{name} {value}" for name, value in made.settings.items())),
        )


def _known(*facts: tuple[str, str]) -> Iterator[tuple[str, str]]:
    yield from (one for one in facts if one[1])
