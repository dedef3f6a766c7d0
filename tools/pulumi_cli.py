"""Finds or makes the Pulumi CLI: prints the folder to put on PATH, and on stderr which one was taken and why.

In this order: the one on PATH, if recent enough; what an earlier run left in the cache; the official installer;
a build from Go modules. SD_APP_PULUMI=path|official|build forces one.
"""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tools import pulumi_build
from tools.progress import CommandFailed, run, say

OLDEST_VERSION = (3, 250, 0)
"""Oldest CLI taken from PATH: the one that the tests run with."""

HOST = "pulumi-language-python"
WAYS = ("path", "official", "build")

INSTALLER_URL = "https://get.pulumi.com/install.sh"
REACH_LIMIT_S = 6.0
"""Longest that finding the installer's site unreachable may take."""

INSTALL_LIMIT_S = 600.0

REACH = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=float(sys.argv[2])).read(1)"
INSTALL = """import sys
from pulumi.automation import PulumiCommand
PulumiCommand.install(root=sys.argv[1])
"""
"""Without a version, the installer takes the SDK's own, which requirements.txt pins."""


class NoPulumi(Exception):
    """No way led to a CLI; the message tells what each one met and what to install."""


class Unusable(Exception):
    """This way doesn't lead to a CLI; the message is the reason."""


@dataclass(frozen=True)
class Cli:
    """A usable CLI: the folder of its binaries, which way led to it, and why that one."""

    directory: Path
    way: str
    version: str
    reason: str


def cache_directory() -> Path:
    """Where a CLI that this project fetched or built is kept, outside the checkout."""
    given = os.environ.get("SD_APP_CACHE")
    if given:
        return Path(given).expanduser().absolute()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().absolute() / "sd-app"


def find() -> Cli:
    """The CLI to use. Raises NoPulumi."""
    forced = os.environ.get("SD_APP_PULUMI")
    if forced and forced not in WAYS:
        raise NoPulumi(f"SD_APP_PULUMI={forced}: allowed are {', '.join(WAYS)}")
    cache = cache_directory()
    ways: list[tuple[str, Callable[[], Cli]]] = [
        ("path", _on_path),
        ("official", lambda: _kept(official_directory(cache), "official")),
        ("build", lambda: _kept(pulumi_build.directory(cache), "build")),
        ("official", lambda: _official(cache)),
        ("build", lambda: _built(cache)),
    ]
    reasons: dict[str, str] = {}
    for way, attempt in ways:
        if forced in (None, "", way):
            try:
                return attempt()
            except Unusable as error:
                reasons[way] = str(error)
    raise NoPulumi(_advice(reasons))


def _advice(reasons: dict[str, str]) -> str:
    wanted = ".".join(map(str, OLDEST_VERSION))
    return "\n".join(
        [
            "no Pulumi CLI, and none could be made:",
            *(f"  {way}: {reason}" for way, reason in reasons.items()),
            "Install one of these and run the command again:",
            f"  - the Pulumi CLI {wanted} or newer: https://www.pulumi.com/docs/install/",
            "  - Go 1.25 or newer (https://go.dev/doc/install), with a network that reaches its module proxy",
        ]
    )


def version_of(directory: Path) -> str:
    """`3.250.0`, as the binary itself says. Raises Unusable."""
    env = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    try:
        told = subprocess.run(
            [str(directory / "pulumi"), "version"],
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        raise Unusable(f"{directory / 'pulumi'} doesn't run: {error}") from error
    found = re.fullmatch(r"v?(\d+\.\d+\.\d+\S*)", told)
    if not found:
        raise Unusable(f"{directory / 'pulumi'} tells no version: {told[:80]!r}")
    return found[1]


def _on_path() -> Cli:
    found = shutil.which("pulumi")
    if found is None:
        raise Unusable("none on PATH")
    directory = Path(found).parent
    version = version_of(directory)
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:3])
    if numbers < OLDEST_VERSION:
        raise Unusable(f"{found} is {version}, older than {'.'.join(map(str, OLDEST_VERSION))}")
    beside = os.pathsep.join([str(directory), str(Path(found).resolve().parent), os.environ.get("PATH", "")])
    for name in (HOST, f"{HOST}-exec"):
        if shutil.which(name, path=beside) is None:
            raise Unusable(f"{found} has no {name} beside it")
    return Cli(directory, "path", version, f"{found} is recent enough")


def _check(directory: Path) -> None:
    """Refuse a folder that lacks something or whose binary doesn't run."""
    version_of(directory)
    for name in (HOST, f"{HOST}-exec"):
        if not os.access(directory / name, os.X_OK):
            raise Unusable(f"{directory} has no {name}")


def _kept(root: Path, way: str) -> Cli:
    directory = root / "bin"
    if not directory.is_dir():
        raise Unusable("not in the cache")
    _check(directory)
    return Cli(directory, way, version_of(directory), f"kept in {root}")


def official_directory(cache: Path) -> Path:
    """Where an official install of the SDK's own version is kept."""
    wanted = importlib.metadata.version("pulumi")
    return cache / f"pulumi-{wanted}-official"


def _official(cache: Path) -> Cli:
    target = official_directory(cache)
    reach = [sys.executable, "-c", REACH, INSTALLER_URL, str(REACH_LIMIT_S - 1)]
    try:
        run("asking Pulumi's site", reach, limit_s=REACH_LIMIT_S)
    except CommandFailed as error:
        last = error.tail[-1] if error.tail else f"no answer within {REACH_LIMIT_S:.0f} s"
        raise Unusable(f"the official installer can't be reached ({last})") from error
    work = cache / f".{target.name}.{os.getpid()}"
    try:
        cache.mkdir(parents=True, exist_ok=True)
        say("set-up: installing the official Pulumi CLI (about 100 MB)")
        run("installing Pulumi", [sys.executable, "-c", INSTALL, str(work)], limit_s=INSTALL_LIMIT_S)
        _check(work / "bin")
        if not target.exists():
            work.rename(target)
    except CommandFailed as error:
        raise Unusable(f"the official installer failed: {error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Cli(target / "bin", "official", version_of(target / "bin"), "installed now")


def _built(cache: Path) -> Cli:
    try:
        directory = pulumi_build.build(cache, _check)
    except pulumi_build.BuildFailed as error:
        raise Unusable(str(error)) from error
    return Cli(directory, "build", version_of(directory), "built now from Go modules")


def main() -> int:
    """Print the folder; exit status 1 with the advice when there is none."""
    try:
        cli = find()
    except NoPulumi as error:
        say(f"make: {error}")
        return 1
    say(f"Pulumi CLI {cli.version} ({cli.way}): {cli.reason}")
    print(cli.directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
