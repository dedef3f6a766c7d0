"""The commands that the documents tell people to type."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHELLS = ("", "sh", "bash", "console", "shell")
PROGRAMS = r"(make|python|pulumi|aws|npm|…) "
CUT = ("|", "<", ">", "&&", "||", ";", "\\")
"""From here on a line is no argument of its first command."""


@dataclass(frozen=True)
class Command:
    """A command in a document: its words, without variables before it and without what its output goes to."""

    file: str
    line: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {' '.join(self.words)}"


@cache
def documents() -> list[Path]:
    """Every document of the checkout that git knows or would take."""
    asked = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    told = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in sorted(set(told.split("\n"))) if name and (ROOT / name).is_file()]


@cache
def commands() -> tuple[Command, ...]:
    """All commands, in shell blocks and between backticks."""
    return tuple(
        one
        for path in documents()
        for one in commands_of(path.relative_to(ROOT).as_posix(), path.read_text())
    )


def commands_of(file: str, text: str) -> Iterator[Command]:
    """The commands of one document."""
    fence: str | None = None
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.match(r"\s*```(\w*)", line):
            fence = found[1] if fence is None else None
        elif fence is None:
            for span in re.findall(r"`([^`]+)`", line):
                yield from _command(file, number, span)
        elif fence in SHELLS:
            yield from _command(file, number, line.strip().removeprefix("$ "))


def _command(file: str, line: int, text: str) -> Iterator[Command]:
    """One for each command of a line: `a && b` are two."""
    for part in re.split(r"\s&&\s", text):
        part = re.sub(r"^([A-Z_]+=\S* )+", "", part.strip())
        if not re.match(PROGRAMS, f"{part} "):
            continue
        try:
            words = shlex.split(part, comments=True)
        except ValueError:
            words = (
                part.split()
            )  # an output that only looks like a command, or one that goes on in the next line
        end = next(
            (at for at, word in enumerate(words) if word in CUT or word.startswith(("|", ">", "<", "─"))),
            len(words),
        )
        if words[:end] and not (len(words) > 1 and words[1].startswith("─")):
            yield Command(file, line, tuple(words[:end]))
