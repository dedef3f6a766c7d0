"""The moment to go back to, and the question before anything is written."""

import re
import sys
from datetime import UTC, datetime, timedelta

from ops.errors import OpsError

UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}


def moment(text: str, now: datetime | None = None) -> datetime:
    """`2h` ago, or an ISO 8601 time (UTC where no zone is given). ValueError for others and for the future."""
    now = now or datetime.now(UTC)
    if found := re.fullmatch(r"(\d+)(s|min|h|d)", text):
        return now - timedelta(seconds=int(found[1]) * UNITS[found[2]])
    at = datetime.fromisoformat(text)
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    if at > now:
        raise ValueError(f"{text} is in the future")
    return at.astimezone(UTC)


def told(at: datetime) -> str:
    """The moment as people and AWS read it."""
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def must_be_wanted(what: str, *, yes: bool) -> None:
    """Ask, unless it was said already. OpsError when the answer is no, or nobody is there to give one."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise OpsError(f"{what}: nobody is here to be asked; look with --dry-run, then say --yes")
    sys.stderr.write(f"{what}. Go on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise OpsError("nothing was changed")
