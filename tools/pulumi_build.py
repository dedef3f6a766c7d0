"""Builds the Pulumi CLI and its Python language host from Go modules pinned by go.mod and go.sum under tools/.

The way for a machine that reaches a Go module proxy but not Pulumi's own site. The result is kept outside the
checkout, under a name that changes when the pins do, so a second clone doesn't build again.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from tools.progress import CommandFailed, run, say

VERSION = "3.250.0"
"""Version of pulumi/pkg in tools/pulumi-cli/go.mod. Newer ones can't be built from modules alone: their go.mod replaces sdk."""

SDK_MODULE = "github.com/pulumi/pulumi/sdk/v3"
TOOLS = Path(__file__).parent
BUILDS = (
    ("pulumi", TOOLS / "pulumi-cli", "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"),
    # The last version whose language host is a package of the sdk module; the protocol it speaks is still served.
    (
        "pulumi-language-python",
        TOOLS / "pulumi-language-python",
        f"{SDK_MODULE}/python/cmd/pulumi-language-python",
    ),
)
"""What is built: name, folder of its go.mod, package."""

SCRIPTS = (
    "python/cmd/pulumi-language-python-exec",
    "python/dist/pulumi-resource-pulumi-python",
)
"""Scripts that the language host runs, as they stand in the sdk module."""

BUILD_LIMIT_S = 1800
"""A build takes about 4 minutes on two cores; this is for slow machines and slow networks."""

LOCK_POLL_S = 5.0
OLDEST_GO = (1, 21)
"""The first Go that reads a `go 1.25.11` line and can fetch that toolchain by itself (go.dev/doc/toolchain)."""


class BuildFailed(Exception):
    """There is no Go that can do it, or the build ended badly; the message tells what to do."""


def pins_hash() -> str:
    """12 hex digits over all pins: another set of pins is another build."""
    digest = hashlib.sha256()
    for _, folder, _ in BUILDS:
        for name in ("go.mod", "go.sum"):
            digest.update((folder / name).read_bytes())
    return digest.hexdigest()[:12]


def directory(cache: Path) -> Path:
    """Where the build with today's pins is kept."""
    return cache / f"pulumi-{VERSION}-{pins_hash()}"


def build(cache: Path, check: Callable[[Path], None]) -> Path:
    """Build into the cache, unless another process just did, and return the folder to put on PATH.

    `check` refuses (by raising) a folder of binaries that don't work, before it's kept. Raises BuildFailed.
    """
    target = directory(cache)
    cache.mkdir(parents=True, exist_ok=True)
    with _lock(cache / f"{target.name}.lock"):
        if (target / "bin").is_dir():
            try:
                check(target / "bin")
                return target / "bin"
            except Exception as error:  # whatever it was, a build that doesn't work is no use
                say(f"set-up: the build kept in {target} doesn't work, so it is made again: {error}")
                shutil.rmtree(target)
        go = _go()
        for left_over in cache.glob(f".{target.name}.*"):
            shutil.rmtree(left_over)
        work = cache / f".{target.name}.{os.getpid()}"
        try:
            _build_into(go, work / "bin")
            check(work / "bin")
            work.rename(target)
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return target / "bin"


@contextmanager
def _lock(path: Path) -> Generator[None]:
    """One builder at a time on this machine; the lock goes with its process, so none is left behind."""
    with path.open("w") as handle:
        started = time.monotonic()
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                say(f"  waiting for another build of the Pulumi CLI: {time.monotonic() - started:.0f} s")
                time.sleep(LOCK_POLL_S)
        yield


def _go() -> str:
    go = shutil.which("go")
    if go is None:
        raise BuildFailed("no Go on PATH")
    try:
        told = run("go version", [go, "version"], limit_s=60)
    except CommandFailed as error:
        raise BuildFailed(str(error)) from error
    found = re.search(r"go(\d+)\.(\d+)", told)
    if found and (int(found[1]), int(found[2])) < OLDEST_GO:
        raise BuildFailed(
            f"Go {found[1]}.{found[2]} ({go}) is too old: {OLDEST_GO[0]}.{OLDEST_GO[1]} or newer is needed"
        )
    return go


def _build_into(go: str, target: Path) -> None:
    target.mkdir(parents=True)
    say(f"set-up: building Pulumi CLI {VERSION} from Go modules, once (about 4 minutes)")
    env = {**os.environ, "GOFLAGS": "-mod=readonly -buildvcs=false", "CGO_ENABLED": "0"}
    flags = f"-s -w -X {SDK_MODULE}/go/common/version.Version=v{VERSION}"
    try:
        for name, folder, package in BUILDS:
            run(
                f"fetching modules of {name}",
                [go, "mod", "download"],
                cwd=folder,
                env=env,
                limit_s=BUILD_LIMIT_S,
            )
            run(
                f"building {name}",
                [go, "build", "-v", "-trimpath", "-ldflags", flags, "-o", str(target / name), package],
                cwd=folder,
                env=env,
                limit_s=BUILD_LIMIT_S,
                describe=_packages(),
            )
        _, cli_folder, _ = BUILDS[0]
        told = run(
            "finding the SDK",
            [go, "mod", "download", "-json", SDK_MODULE],
            cwd=cli_folder,
            env=env,
            limit_s=300,
        )
        source = Path(json.loads(told)["Dir"])
    except CommandFailed as error:
        raise BuildFailed(
            f"{error}\n    Go fetches modules from the proxy that GOPROXY names: is it reachable?"
        ) from error
    for script in SCRIPTS:
        copy = target / Path(script).name
        shutil.copyfile(source / script, copy)
        copy.chmod(0o755)


def _packages() -> Callable[[str], str | None]:
    """Turns the lines of `go build -v` (a package each) into `812 packages, now google.golang.org/grpc`."""
    count = 0

    def describe(line: str) -> str | None:
        nonlocal count
        if " " in line or "/" not in line:
            return line[:100] if line.startswith("go: ") else None
        count += 1
        return f"{count} packages, now {line[:80]}"

    return describe
