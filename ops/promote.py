"""`ops promote dev prod`: prod is to be made from what dev has passed; and back again. Writes `locks/prod.json` and nothing
else: the deployment follows (.github/workflows/deploy.yml, or the commands that are told)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.text import Text

import stack_lock
from ops import lock_git
from ops.errors import BAD, OpsError
from ops.show import as_json, console, table
from ops.stack import LOCAL, ROOT
from stack_lock import Lock, LockBroken

SHORT = 12
"""Characters of a hash that are shown; images and versions are shown whole."""


@dataclass(frozen=True, kw_only=True)
class PromoteArgs:
    """From which stack to which; without `source`, the target goes back to its lock before."""

    source: str | None
    target: str
    dry_run: bool


def run(args: PromoteArgs, root: Path = ROOT, *, json: bool) -> int:
    """Write the target's lock and show what changes. OpsError for what the source has not passed."""
    folder = root / "locks"
    if LOCAL in (args.source, args.target):
        raise OpsError(f"stack {LOCAL} is on this machine alone: nothing is promoted from it or to it")
    try:
        current = stack_lock.followed(args.target, folder)
        new = _promoted(args.source, args.target, root) if args.source else _before(args.target, current)
    except LockBroken as error:
        raise OpsError(str(error), BAD) from error
    changes = stack_lock.difference(current, new)
    if changes and not args.dry_run:
        past = current.model_copy(update={"before": None}) if current else None
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        stack_lock.write(new.model_copy(update={"before": past, "promoted_at": moment}), folder)
    if json:
        told = [{"what": what, "before": then, "after": now} for what, then, now in changes]
        as_json({"stack": args.target, "commit": new.commit, "written": not args.dry_run, "changes": told})
    else:
        _show(args, new, changes)
    return 0


def _promoted(source: str, target: str, root: Path) -> Lock:
    """The target's lock by what the source has passed."""
    if source == target:
        raise OpsError(f"from {source} to {target}: name two stacks")
    lock = stack_lock.read(source, root / "locks")
    if lock is None:
        raise OpsError(
            f"stack {source} has no lock: it must pass first: `python -m ops --stack {source} smoke`, then `… lock`",
            BAD,
        )
    if lock.promoted_from:
        raise OpsError(f"stack {source} follows {lock.promoted_from}: promote from there", BAD)
    if lock.files() != lock_git.files_of(root, lock.commit):
        raise OpsError(
            f"locks/{source}.json says other than its commit {lock.commit[:SHORT]}: what {source} has not passed is not "
            f"promoted; `python -m ops --stack {source} smoke`, then `… lock`",
            BAD,
        )
    _must_fit(lock, target, root)
    return lock.model_copy(update={"stack": target, "promoted_from": source})


def _must_fit(lock: Lock, target: str, root: Path) -> None:
    """An image is one Region's and one architecture's."""
    from instance_types import BACKEND_TYPES
    from settings import (
        SettingsError,
        load_file,
    )  # brings the program's SDK, a second that others don't wait for

    try:
        theirs, own = (load_file(root / f"Pulumi.{name}.yaml") for name in (lock.stack, target))
    except FileNotFoundError as error:
        raise OpsError(f"there is no {Path(str(error.filename)).name} here") from error
    except SettingsError as error:
        raise OpsError(str(error), BAD) from error
    if own.aws.region != lock.region:
        raise OpsError(
            f"{lock.stack} is in {lock.region}, {target} in {own.aws.region}: an image is one Region's; copy it "
            f"(`aws ec2 copy-image`) and set {target}'s amiId by hand, without a lock",
            BAD,
        )
    types = (theirs.backend.instance_type, own.backend.instance_type)
    if BACKEND_TYPES[types[0]].arm != BACKEND_TYPES[types[1]].arm:
        raise OpsError(
            f"the backends are {types[0]} and {types[1]}, of two architectures: {lock.stack}'s image doesn't start on "
            f"{target}'s; set the same architecture for both",
            BAD,
        )


def _before(target: str, current: Lock | None) -> Lock:
    if current is None:
        raise OpsError(f"stack {target} follows no lock, so there is none to go back to", BAD)
    if current.before is None:
        raise OpsError(
            f"stack {target} has had one lock alone; an older one is in Git: `git log -- locks/{target}.json`",
            BAD,
        )
    return current.before


def _show(args: PromoteArgs, new: Lock, changes: list[tuple[str, str, str]]) -> None:
    out = console()
    if not changes:
        out.print(f"stack {args.target} is at {new.commit[:SHORT]} already: nothing changes")
        return
    rows = table("", args.target, f"from {args.source}" if args.source else "the one before")
    for what, then, now in changes:
        rows.add_row(what, Text(_shown(then)), Text(_shown(now)))
    out.print(rows)
    if args.dry_run:
        out.print("\nnothing was written (--dry-run)")
        return
    target, commit = args.target, new.commit
    out.print(
        f"\nlocks/{target}.json is written. GitHub's workflow `deploy` does this and what follows; by hand:\n"
        f"  git add locks/{target}.json && git commit -m 'chore({target}): {commit[:SHORT]}' && git push\n"
        f"  git push --force origin {commit}:refs/heads/{target}\n"
        f"  git switch --detach {commit} && git checkout @{{-1}} -- locks\n"
        f"  make up STACK={target} && python -m ops --stack {target} deploy backend {commit}",
        soft_wrap=True,
    )


def _shown(value: str) -> str:
    is_hash = len(value) >= 40 and all(sign in "0123456789abcdef" for sign in value)
    return value[:SHORT] if is_hash else value or "\N{EN DASH}"
