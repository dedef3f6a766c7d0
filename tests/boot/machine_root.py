"""The root file system that the test machines boot: Debian 12 with what Ubuntu's image on EC2 brings, made once and kept.

A machine boots an overlay of it, so nothing ever writes to the kept one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.boot import clients

CACHE = Path.home() / ".cache" / "sd-app"
SUITE = "bookworm"
UNUSED_S = 86_400
BROUGHT = (
    "ca-certificates",
    "cloud-init",
    "curl",
    "dbus",
    "iproute2",
    "kmod",
    "netbase",
    "procps",
    "python3",
    "sudo",
    "systemd",
    "systemd-sysv",
)
"""What Ubuntu's image has before cloud-init runs, and the scripts take for granted."""
FETCHED = ("git", "python3-venv", "logrotate", "libgl1", "libglib2.0-0")
"""In apt's cache alone: the scripts install them, and needn't download them at each boot of a test."""

FILES = {
    # No metadata service here, and the network is the host's own.
    "etc/cloud/cloud.cfg.d/90-boot-test.cfg": (
        "datasource_list: [NoCloud]\n"
        "network: {config: disabled}\n"
        "apt: {preserve_sources_list: true}\n"
        "growpart: {mode: 'off'}\n"
        "resize_rootfs: false\n"
        # No server for SSH, which would listen on the host's own address; no locales but C's.
        "ssh_genkeytypes: []\n"
        "locale: C.UTF-8\n"
    ),
    # A test machine's disk needn't survive the host's power cut; a tenth of the time.
    "etc/dpkg/dpkg.cfg.d/unsafe-io": "force-unsafe-io\n",
    # Cut off, a machine shall keep what it said to the end.
    "etc/systemd/journald.conf.d/boot-test.conf": "[Journal]\nStorage=persistent\nSyncIntervalSec=1s\n",
    "etc/machine-id": "",
}


class RootFailed(Exception):
    """The root could not be made; the message has the end of what was said."""


def missing() -> str | None:
    """Why no machine can boot on this computer; None when one can."""
    if sys.platform != "linux":
        return f"systemd-nspawn is Linux's; this is {sys.platform}"
    if os.geteuid() != 0:
        return "systemd-nspawn --boot needs root"
    tools = {"systemd-nspawn": "systemd-container", "debootstrap": "debootstrap"}
    absent = [f"{tool} (package {package})" for tool, package in tools.items() if shutil.which(tool) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    if "\toverlay\n" not in Path("/proc/filesystems").read_text():
        return "the kernel has no overlayfs"
    return None


def kept() -> Path:
    """The root, made when it isn't there yet (about a minute). Raises RootFailed."""
    recipe = "\n".join([SUITE, platform.machine(), *BROUGHT, *FETCHED, *FILES, *FILES.values()])
    folder = CACHE / f"boot-root-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "boot-root.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two tests at once make one
        if not folder.is_dir():
            _drop_unused()
            draft = Path(tempfile.mkdtemp(prefix="boot-draft-", dir=CACHE))
            try:
                _make(draft)
                draft.chmod(0o755)
                draft.rename(folder)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        os.utime(folder)
    return folder


def _drop_unused() -> None:
    """Half a gigabyte each: a root that no test has asked for since yesterday goes. One in use by another checkout stays."""
    for one in CACHE.glob("boot-root-*"):
        if time.time() - one.stat().st_mtime > UNUSED_S:
            shutil.rmtree(one, ignore_errors=True)


def _make(root: Path) -> None:
    mirror = clients.debian_mirror(SUITE)
    _run("debootstrap", "--variant=minbase", SUITE, str(root), *([mirror] if mirror else []))
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    clients.configure_apt(root, SUITE)
    # In a container of its own: in a plain chroot a package's script may start its service on the host.
    apt = "apt-get --quiet --yes --no-install-recommends"
    script = f"{apt} update && {apt} install {' '.join(BROUGHT)} && {apt} install --download-only {' '.join(FETCHED)}"
    _run(
        *("systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--directory", str(root)),
        *(
            "--resolv-conf=replace-host",
            "--timezone=off",
            "--setenv=DEBIAN_FRONTEND=noninteractive",
            "--pipe",
        ),
        *("sh", "-c", script),
    )
    (root / "etc/machine-id").write_text("")  # systemd's package gave it one; each machine makes its own


def _run(*command: str) -> None:
    # The host's own language may not be there.
    ran = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=dict(os.environ, LC_ALL="C"),
        check=False,
    )
    if ran.returncode:
        end = "\n".join(ran.stdout.splitlines()[-20:])
        raise RootFailed(f"{command[0]} ended with {ran.returncode}:\n{end}")
