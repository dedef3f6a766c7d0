"""`ops smoke`: whether a stack that is up does its work: a picture from words and one from a drawing through the API, and the
page with the right config and headers."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from rich.text import Text

from ops import lock, smoke_page, smoke_pictures, smoke_user
from ops.errors import BAD, AwsError, OpsError, explain
from ops.show import as_json, console, table
from ops.smoke_page import Page
from ops.smoke_pictures import Outcome
from ops.stack import LOCAL, ROOT, Stack
from tools.api_client import Api

LIMIT_MINUTES = 20.0
"""Of one picture: a GPU that sleeps is woken for it, which takes minutes on AWS."""
KINDS = ("text", "sketch")


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a stack's API and page are. `page` is None where settings leave it out, and `left_out` says why."""

    api_url: str
    page: Page | None
    left_out: str
    pool: str
    client_id: str


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked at. Without faults it is well; `said` is told then."""

    name: str
    said: str
    faults: tuple[str, ...] = ()


def run(stack: Stack, *, json: bool, minutes: float = LIMIT_MINUTES, root: Path = ROOT) -> int:
    """Look at all of it; exit status 1, with what failed, when something did. What has passed can be locked."""
    target = target_of(stack, root / ".sandbox")
    lock.forget_passed(stack, root)
    page = _page_check(target)
    strangers = smoke_pictures.stranger_faults(target.api_url)
    closed = Check(name="API closed to strangers", said=target.api_url, faults=tuple(strangers))
    made = _pictures(stack, target, minutes * 60)
    checks = [page, closed, *_picture_checks(made)]
    is_bad = any(one.faults for one in checks)
    note = "" if is_bad else lock.note_passed(stack, made["text"].seconds, made["sketch"].seconds, root)
    if json:
        as_json([{**vars(one), "faults": list(one.faults)} for one in checks])
    else:
        _show(stack, checks, note)
    return BAD if is_bad else 0


def target_of(stack: Stack, sandbox: Path) -> Target:
    """By the stack's outputs; of the local stack, where they lie on this machine (`sandbox`: its folder)."""
    outputs = stack.outputs()
    config = outputs.get("frontendConfig")
    if not isinstance(config, dict):
        raise OpsError(
            f"the outputs of stack {stack.name} have no frontendConfig: `make up STACK={stack.name}`"
        )
    own = cast("dict[str, Any]", config)
    reason = str(cast("dict[str, Any]", outputs.get("leftOut") or {}).get("frontend", ""))
    api_url, page_url = str(own.get("backendUrl")), str(outputs.get("frontendUrl") or "")
    sign_in_url = f"https://cognito-idp.{stack.region}.amazonaws.com"
    if stack.name == LOCAL:
        api_url, page_url = _local(sandbox)
        sign_in_url = stack.endpoint or ""
        own = {**own, "backendUrl": api_url, "cognitoEndpoint": sign_in_url}
    return Target(
        api_url=api_url,
        page=Page(url=page_url.rstrip("/"), config=own, sign_in_url=sign_in_url) if page_url else None,
        left_out=reason,
        pool=str(own.get("userPoolId")),
        client_id=str(own.get("userPoolClientId")),
    )


def _local(sandbox: Path) -> tuple[str, str]:
    from sandbox import daemon  # what the local stack alone needs

    api, page = daemon.edge_url(sandbox, LOCAL), daemon.page_url(sandbox, LOCAL)
    if api is None or page is None:
        raise OpsError("the local stack has no address for API and page: run `make up`")
    return api, page


def _page_check(target: Target) -> Check:
    if target.page is None:
        return Check(name="page", said=f"left out: {target.left_out or 'the stack has none'}")
    return Check(name="page", said=target.page.url, faults=tuple(smoke_page.faults(target.page)))


def _pictures(stack: Stack, target: Target, limit_s: float) -> dict[str, Outcome]:
    """Both pictures, by a designer made for them. Faults of AWS on the way are faults of both."""
    from tools.first_pictures import draw_room  # brings the sandbox's imports

    started = time.monotonic()
    try:
        with smoke_user.designer(stack, target.pool, target.client_id) as token:
            return smoke_pictures.make(Api(target.api_url, token), limit_s, _say, draw_room())
    except AwsError as error:
        told = explain(error)
    except (OpsError, ValueError) as error:
        told = str(error)
    return dict.fromkeys(KINDS, Outcome(round(time.monotonic() - started, 1), f"no sign-in: {told}"))


def _picture_checks(made: dict[str, Outcome]) -> list[Check]:
    return [
        Check(
            name=f"{kind} picture",
            said=f"{made[kind].seconds:g} s",
            faults=(made[kind].fault,) if made[kind].fault else (),
        )
        for kind in KINDS
    ]


def _show(stack: Stack, checks: list[Check], note: str) -> None:
    rows = table("", "Check", "Found")
    for one in checks:
        mark = Text("✗", style="red") if one.faults else Text("✓", style="green")
        rows.add_row(mark, one.name, Text("\n".join(one.faults) or one.said))
    out = console()
    out.print(rows)
    failed = [one.name for one in checks if one.faults]
    if failed:
        out.print(
            f"\nstack {stack.name} fails: {', '.join(failed)}; `python -m ops --stack {stack.name} status`"
        )
    else:
        out.print(f"\nstack {stack.name} has passed" + (f"; no lock can be made: {note}" if note else ""))


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
