"""What another lock means for a stack, as its report shows it: images, versions, workflows, then and now."""

from pathlib import Path

import stack_lock
from ops import lock_git
from ops.errors import OpsError
from ops.report_page import Section, Table, Text
from ops.stack import ROOT
from stack_lock import Lock, LockBroken

SHOWN = 16
"""Characters of a value: a checksum tells itself apart by fewer."""


def section(stack: str, base: str, root: Path = ROOT) -> Section | None:
    """The difference between the stack's lock at a commit and the one that lies here; None when there is none.

    Raises OpsError for a lock that is none.
    """
    try:
        after = stack_lock.read(stack, root / "locks")
    except LockBroken as error:
        raise OpsError(str(error)) from error
    before = lock_git.lock_at(root, base, stack)
    if after is None:
        return (
            Section("The lock", [Text("It is gone: the stack follows what its branch has.")])
            if before
            else None
        )
    rows = tuple((key, _short(was), _short(now)) for key, was, now in stack_lock.difference(before, after))
    if not rows:
        return None
    return Section("The lock", [Text(_said(after)), Table(("What", "Then", "Now"), rows)])


def _said(lock: Lock) -> str:
    tested = f"smoke-tested at {lock.passed.at}"
    return (
        f"Promoted from {lock.promoted_from}, {tested}."
        if lock.promoted_from
        else f"A record of what it runs, {tested}."
    )


def _short(value: str) -> str:
    return value if len(value) <= SHOWN else f"{value[:SHOWN]}…"
