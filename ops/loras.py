"""`ops loras publish`, `promote`, `retire`, `rollback`: which version of a style designers get (docs/decisions/0017).

Nothing here deletes a file: all but `publish` write a style's alias alone, under the condition that nobody else did.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ops import lora_records
from ops.errors import BAD, OpsError
from ops.lora_list import find, gets
from ops.lora_records import Style, Version
from ops.show import as_json, console, size
from ops.stack import Stack
from training import publish as publishing
from training.lora import BrokenFile
from training.publish import NotPromoted, PublishArgs, Published, PublishRefused
from training.shelf import Alias, AliasBroken, Taken, write_alias


def publish(stack: Stack, args: PublishArgs, *, json: bool) -> int:
    """Publish a LoRA's file as the next version of its style."""
    made = put_out(stack, args)
    if json:
        as_json(vars(made))
    else:
        console().print(published(stack, made), soft_wrap=True)
    return 0


def put_out(stack: Stack, args: PublishArgs) -> Published:
    """Publish it; OpsError with the reason when it is refused."""
    try:
        return publishing.publish(stack.client("s3"), stack.output("bucketName"), args)
    except BrokenFile as why:
        raise OpsError(f"{args.file}: {why}; nothing was published", BAD) from why
    except (PublishRefused, AliasBroken) as why:
        raise OpsError(f"nothing was published: {why}", BAD) from why
    except NotPromoted as why:
        raise OpsError(str(why), BAD) from why
    except OSError as error:
        raise OpsError(f"{args.file}: {error.strerror or error}; nothing was published", BAD) from error


def published(stack: Stack, made: Published) -> str:
    """What designers get now, and how to change it."""
    said = f"{'already published' if made.already else 'published'}: {made.version} ({size(made.size)}). "
    if made.retired:
        return f"{said}The style is retired; to bring it back: {_command(stack, 'promote', made.version)}"
    if made.current != made.version:
        return f"{said}Designers still get {made.current}; to change it: {_command(stack, 'promote', made.version)}"
    back = f"; to go back: {_command(stack, 'rollback', made.style)}" if made.before else ""
    return f"{said}Designers get it once the ML server has it ({_command(stack, 'list')} tells){back}"


def promote(stack: Stack, name: str, *, json: bool) -> int:
    """Let designers get this version; of a style's name: the newest, or the one that it was retired with."""
    style, version = _found(stack, name)
    chosen = version or _to_promote(style)
    before = style.current
    if before is chosen and style.alias:
        return _said(
            stack,
            style,
            json,
            f"{style.name}: designers get {chosen.version} already; nothing was changed",
            "",
        )
    alias = (
        style.alias.promoted(chosen.version)
        if style.alias
        else Alias(style=style.name, version=chosen.version)
    )
    _write(stack, style, alias)
    if before is chosen:
        told = f"{style.name}: designers get its file as before, now as a style with versions"
        return _said(stack, replace(style, alias=alias), json, told, "")
    was = f"before: {before.version}" if before else "before: none"
    undo = "rollback" if before and alias.previous else "retire"
    told = f"{style.name}: designers get {chosen.version} ({was}){_when(chosen)}"
    return _said(stack, replace(style, alias=alias, fault=""), json, told, _command(stack, undo, style.name))


def _to_promote(style: Style) -> Version:
    alias = style.alias
    if alias and alias.retired and (kept := style.version(alias.version)):
        return kept
    if not style.versions:
        raise OpsError(f"{style.name} has no file in the bucket: publish one", BAD)
    return style.versions[0]


def _when(version: Version) -> str:
    match version.state:
        case "published":
            return "; the ML server does not have it yet, and brings it within a minute or so while it runs"
        case "left out" | "not offered":
            return f"; but it is {version.state}: {version.note}"
        case _:
            return ""


def retire(stack: Stack, name: str, *, json: bool) -> int:
    """Take a style from designers; its files stay."""
    style, version = _found(stack, name)
    if version:
        raise OpsError(
            f"{name} is a version, and a style is retired as a whole: {_command(stack, 'retire', style.name)};"
            f" or give designers another version: {_command(stack, 'promote', 'VERSION')}",
            BAD,
        )
    if style.alias is None:
        if style.current is None:
            raise OpsError(f"{style.name}: {gets(style)}; nothing was changed", BAD)
        alias = Alias(style=style.name, version=style.current.version, retired=True)
    elif style.alias.retired:
        return _said(stack, style, json, f"{style.name} is retired already; nothing was changed", "")
    else:
        alias = replace(style.alias, retired=True)
    _write(stack, style, alias)
    told = f"{style.name}: designers get it no more (before: {alias.version}); its files stay"
    return _said(stack, replace(style, alias=alias), json, told, _command(stack, "promote", style.name))


def rollback(stack: Stack, name: str, *, json: bool) -> int:
    """Let designers get the version before again."""
    style, version = _found(stack, name)
    if version:
        raise OpsError(
            f"{name} is a version: {_command(stack, 'promote', name)} gives designers just that one", BAD
        )
    alias = style.alias
    if alias is None or alias.retired:
        state = "is retired" if alias else "has no alias"
        raise OpsError(f"{style.name} {state}: {_command(stack, 'promote', style.name)}", BAD)
    there = [at for at, one in enumerate(alias.previous) if one != alias.version and style.version(one)]
    if not there:
        others = ", ".join(one.version for one in style.versions if one.version != alias.version) or "none"
        raise OpsError(
            f"{style.name} has no version before {alias.version}; others in the bucket: {others}", BAD
        )
    at = there[-1]
    back = replace(alias, version=alias.previous[at], previous=alias.previous[:at])
    _write(stack, style, back)
    told = f"{style.name}: designers get {back.version} again (before: {alias.version})"
    return _said(stack, replace(style, alias=back), json, told, _command(stack, "promote", alias.version))


def _found(stack: Stack, name: str) -> tuple[Style, Version | None]:
    return find(lora_records.read(stack, stack.output("bucketName")).styles, name)


def _write(stack: Stack, style: Style, alias: Alias) -> None:
    try:
        write_alias(stack.client("s3"), stack.output("bucketName"), alias, style.etag)
    except Taken as error:
        raise OpsError(
            f"somebody else changed the style {style.name} meanwhile, and nothing was changed by you; look with"
            f" {_command(stack, 'list')}, then repeat the command",
            BAD,
        ) from error


def _said(stack: Stack, style: Style, json: bool, told: str, undo: str) -> int:
    """What is so now, and how to undo it."""
    if json:
        now: dict[str, Any] = lora_records.as_record(style)
        as_json(
            {key: now[key] for key in ("style", "version", "retired", "previous")} | {"undo": undo or None}
        )
    else:
        console().print(f"{told}{f'; undo: {undo}' if undo else ''}", soft_wrap=True)
    return 0


def _command(stack: Stack, action: str, *words: str) -> str:
    return " ".join(("python -m ops --stack", stack.name, "loras", action, *words))
