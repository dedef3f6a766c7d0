"""What a lock needs of Git: which commit this is, whether it is all there is, and what lay in another one."""

import subprocess
from pathlib import Path

import stack_lock
from ops.errors import OpsError

LIMIT_S = 60.0
NOT_LOCKS = (".", ":(exclude)locks")
"""All files of the repository but the locks, which change without the commit that they name."""


def commit(root: Path) -> str:
    """The commit of the checkout."""
    return _git(root, "rev-parse", "HEAD").strip()


def changes(root: Path) -> list[str]:
    """Files that differ from the commit, or are unknown to it."""
    told = _git(root, "status", "--porcelain", "--untracked-files=normal", "--", *NOT_LOCKS)
    return [line[3:] for line in told.splitlines()]


def differs(root: Path, wanted: str) -> list[str]:
    """Files of the checkout that are not as in that commit."""
    _must_be_known(root, wanted)
    return _git(root, "diff", "--name-only", wanted, "--", *NOT_LOCKS).splitlines()


def files_of(root: Path, wanted: str) -> dict[str, dict[str, str]]:
    """What that commit decides, as a lock has it."""
    _must_be_known(root, wanted)
    listed = _git(root, "ls-tree", "--name-only", wanted, f"{stack_lock.WORKFLOWS}/").splitlines()
    workflows = sorted(name for name in listed if name.endswith(".json"))
    return stack_lock.of_files(lambda name: _git(root, "show", f"{wanted}:{name}").encode(), workflows)


def lock_at(root: Path, commit: str, stack: str) -> stack_lock.Lock | None:
    """The stack's lock as that commit has it; None where it has none, or one of a form that nobody reads any more."""
    name = f"locks/{stack}.json"
    try:
        return stack_lock.Lock.model_validate_json(_git(root, "show", f"{commit}:{name}"))
    except (OpsError, ValueError):
        return None


def _must_be_known(root: Path, wanted: str) -> None:
    try:
        _git(root, "cat-file", "-e", f"{wanted}^{{commit}}")
    except OpsError as error:
        raise OpsError(
            f"there is no commit {wanted} in this clone: `git fetch origin`, then again"
        ) from error


def _git(root: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words],
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise OpsError(
            f"git {words[0]}: {error}: a lock names a commit, so it takes Git and a clone"
        ) from error
    if done.returncode:
        raise OpsError(f"git {words[0]}: {done.stderr.strip() or f'exit status {done.returncode}'}")
    return done.stdout
