"""A clone with locks for the tests of `ops lock` and `ops promote`: the few files that a lock reads, in a Git repository."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import stack_lock
from stack_lock import Lock, Passed

IMAGES = {"mlServer": "ami-0123456789abcdef0", "backend": "ami-0fedcba9876543210"}
FILES = (stack_lock.VERSIONS, *stack_lock.PACKAGES, "Pulumi.dev.yaml", "Pulumi.prod.yaml", ".gitignore")


@dataclass(frozen=True)
class Clone:
    """A repository with this checkout's own files in its first commit."""

    root: Path

    @property
    def locks(self) -> Path:
        return self.root / "locks"

    def git(self, *words: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
        done = subprocess.run(
            ["git", *who, *words], cwd=self.root, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def commit(self, told: str = "change") -> str:
        """Commit all that is there; the commit."""
        self.git("add", "-A")
        self.git("commit", "-q", "-m", told)
        return self.git("rev-parse", "HEAD")

    def change(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def lock(self, stack: str, commit: str | None = None, **changed: Any) -> Lock:
        """The lock of a stack that runs what this clone holds; written."""
        values: dict[str, Any] = {
            "stack": stack,
            "region": "us-east-1",
            "commit": commit or self.git("rev-parse", "HEAD"),
            "passed": Passed(at="2026-11-28T06:00:00+00:00", text_seconds=3.2, sketch_seconds=4.1),
            "images": IMAGES,
            **stack_lock.of_checkout(self.root),
        }
        made = Lock(**{**values, **changed})
        stack_lock.write(made, self.locks)
        return made

    def read(self, stack: str) -> Lock:
        found = stack_lock.read(stack, self.locks)
        assert found is not None
        return found


def clone(folder: Path) -> Clone:
    """A new one."""
    made = Clone(folder)
    workflows = sorted((stack_lock.ROOT / stack_lock.WORKFLOWS).glob("*.json"))
    for path in [*(stack_lock.ROOT / name for name in FILES), *workflows]:
        target = folder / path.relative_to(stack_lock.ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    made.git("init", "-q", "-b", "main")
    made.commit("first")
    return made
