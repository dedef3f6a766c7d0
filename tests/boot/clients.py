"""How this computer reaches the registries of packages, carried into a root: the machines' apt, pip and npm are ordinary
clients there as here, behind the same proxy, mirror or certificates."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

APT = Path("/etc/apt")
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
NAMES = re.compile(
    r"(https?|all|no)_proxy|PIP_(CERT|INDEX_URL|EXTRA_INDEX_URL|TRUSTED_HOST|DEFAULT_TIMEOUT|PROXY)"
    r"|npm_config_(registry|cafile|strict_ssl|noproxy|\w*proxy)|NODE_EXTRA_CA_CERTS|SSL_CERT_FILE|REQUESTS_CA_BUNDLE",
    re.IGNORECASE,
)
"""Variables that say how a client gets out; all others of the environment stay outside."""


def debian_mirror(suite: str) -> str | None:
    """Where this computer's apt finds that suite of Debian; None when it is another system: debootstrap's own then."""
    return next((uri for uri, name in _targets() if name == suite), None)


def configure_apt(root: Path, suite: str) -> None:
    """Give a root this computer's sources, when it is of the same suite, and in any case its way to the mirrors."""
    settings = [path for path in (APT / "apt.conf.d").glob("*") if "Acquire::" in path.read_text()]
    for path in [*settings, *(APT / "auth.conf.d").glob("*")]:
        _copy(path, root)
    if debian_mirror(suite) is None:
        return
    for path in [*(APT / "sources.list.d").glob("*.*"), *(APT / "trusted.gpg.d").glob("*")]:
        if path.suffix in (".sources", ".list", ".asc", ".gpg"):
            _copy(path, root)
    (root / "etc/apt/sources.list").unlink(missing_ok=True)
    for path in [APT / "sources.list", *Path("/usr/share/keyrings").glob("*"), *(APT / "keyrings").glob("*")]:
        if path.is_file():
            _copy(path, root)


def configure(root: Path) -> dict[str, str]:
    """Give a machine's root certificates and the settings of pip and npm, for root and every user made later.

    Returned: the variables that its services need besides.
    """
    _copy(Path(BUNDLE), root)
    for path in (Path("/etc/pip.conf"), Path.home() / ".config/pip/pip.conf"):
        if path.is_file():
            _place(path, root / "etc/pip.conf")
    npmrc = Path.home() / ".npmrc"
    if npmrc.is_file():
        text = "".join(
            line for line in npmrc.open() if not line.startswith("nodedir")
        )  # a folder of this computer
        for home in ("root", "etc/skel"):
            (root / home).mkdir(parents=True, exist_ok=True)
            (root / home / ".npmrc").write_text(text)
    return variables(os.environ)


def variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Those that say how a client gets out; files of this computer but the certificates' are not there."""
    return {
        name: value
        for name, value in environment.items()
        if NAMES.fullmatch(name) and (not value.startswith("/") or value == BUNDLE)
    }


def _targets() -> list[tuple[str, str]]:
    if shutil.which("apt-get") is None:
        return []
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)"],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = {line for line in told.stdout.splitlines() if len(line.split()) == 2}
    return [(line.split()[0], line.split()[1]) for line in sorted(lines)]


def _copy(path: Path, root: Path) -> None:
    _place(path, root / path.relative_to("/"))


def _place(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    shutil.copy(path, target)
