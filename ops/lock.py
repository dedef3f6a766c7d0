"""`ops lock`: keeps as `locks/<stack>.json` what a stack has passed its smoke test with, and tells whether a checkout is what
a stack's lock says."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import stack_lock
from ops import lock_git
from ops.errors import BAD, OpsError
from ops.show import as_json, console, lines
from ops.stack import LOCAL, ROOT, Stack
from stack_lock import Lock, LockBroken, Passed

TOLD_FILES = 10
"""Files that are named when a checkout isn't as it should be; of more, their number is told."""


def passed_folder(root: Path = ROOT) -> Path:
    """Where a smoke test that was passed is noted, for `ops lock`: on this machine alone."""
    return root / ".cache" / "passed"


def note_passed(stack: Stack, text_seconds: float, sketch_seconds: float, root: Path = ROOT) -> str:
    """Note what the stack has just passed with; empty, or why it can't become a lock."""
    if stack.name == LOCAL:
        return f"stack {LOCAL} is never promoted"
    if changed := lock_git.changes(root):
        return f"this checkout has changes that no commit holds: {_some(changed)}"
    moment = datetime.now(UTC).isoformat(timespec="seconds")
    passed = Passed(at=moment, text_seconds=text_seconds, sketch_seconds=sketch_seconds)
    stack_lock.write(_now(stack, passed, root), passed_folder(root))
    return ""


def forget_passed(stack: Stack, root: Path = ROOT) -> None:
    """A test that fails undoes the one before."""
    stack_lock.path_of(stack.name, passed_folder(root)).unlink(missing_ok=True)


def keep(stack: Stack, root: Path = ROOT, *, json: bool) -> int:
    """Write the lock. OpsError for what has not passed: no test noted, or of something else than runs now."""
    folder = root / "locks"
    try:
        tested = stack_lock.read(stack.name, passed_folder(root))
        before = stack_lock.read(stack.name, folder)
    except LockBroken as error:
        raise OpsError(str(error), BAD) from error
    again = f"`python -m ops --stack {stack.name} smoke`"
    if before and before.promoted_from:
        raise OpsError(
            f"stack {stack.name} is made from what {before.promoted_from} has passed: lock that, and promote it",
            BAD,
        )
    if tested is None:
        raise OpsError(f"stack {stack.name} has passed no smoke test from this checkout: {again}", BAD)
    changed = stack_lock.difference(tested, _now(stack, tested.passed, root))
    if changed or lock_git.changes(root):
        what = lines(
            [f"{key}: {then or 'nothing'} then, {now or 'nothing'} now" for key, then, now in changed]
        )
        raise OpsError(
            f"stack {stack.name} has passed its smoke test with something else than is there now: {again}\n"
            + (what or lines(lock_git.changes(root))),
            BAD,
        )
    path = stack_lock.write(tested, folder)
    if json:
        as_json(tested.model_dump(by_alias=True))
    else:
        console().print(f"locks/{path.name}: {tested.commit[:12]}, passed {tested.passed.at}", soft_wrap=True)
    return 0


def check(name: str, root: Path = ROOT) -> int:
    """Whether the checkout is what the stack's lock says; 0 as well for a stack that follows none. OpsError tells."""
    try:
        lock = stack_lock.followed(name, root / "locks")
    except LockBroken as error:
        raise OpsError(str(error), BAD) from error
    if lock is None:
        console().print(f"stack {name} follows no lock: it is made from this checkout")
        return 0
    other = lock_git.differs(root, lock.commit)
    if other:
        raise OpsError(
            f"this checkout is not what {lock.promoted_from} has passed and {name} is made from; {_some(other)}\n"
            f"  git switch --detach {lock.commit} && git checkout @{{-1}} -- locks\n"
            f"or promote what it holds, when {lock.promoted_from} has passed with it",
            BAD,
        )
    console().print(f"stack {name}: {lock.commit[:12]}, as {lock.promoted_from} has passed {lock.passed.at}")
    return 0


def _now(stack: Stack, passed: Passed, root: Path) -> Lock:
    """What runs now, and what this checkout holds."""
    images = cast("dict[str, str] | None", stack.outputs().get("imageIds"))
    if not images:
        raise OpsError(f"the outputs of stack {stack.name} have no imageIds: `make up STACK={stack.name}`")
    own: dict[str, Any] = {
        "stack": stack.name,
        "region": stack.region,
        "commit": lock_git.commit(root),
        "passed": passed,
        "images": images,
        **stack_lock.of_checkout(root),
    }
    return Lock(**own)


def _some(files: list[str]) -> str:
    more = len(files) - TOLD_FILES
    return ", ".join(files[:TOLD_FILES]) + (f" and {more} more" if more > 0 else "")
