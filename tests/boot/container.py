"""A machine that really boots: systemd as process 1 in a container of systemd-nspawn, on an overlay of the kept root.

It has the host's network, so what listens on loopback here is reached there, and the other way round. Nothing of it
outlives the test, however that ends: the kernel kills the container with the process that started it, and the overlay is
mounted in a namespace of the container's own.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
CGROUPS = Path("/sys/fs/cgroup")
_NUMBERS = itertools.count(1)
PREFIX = "sdappboot-"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
REBOOT_STATUS = 133
"""nspawn's exit status when the machine asked for a reboot and a supervisor shall start it again."""
START_LIMIT_S = 10.0
"""Until process 1 is there."""
STOP_LIMIT_S = 60.0

_CONFINED = (
    # Whoever kills the tests, even with -9, ends this, and with it every process and mount of the namespaces.
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--mount", "--propagation=slave", "--pid", "--fork", "--kill-child", "--mount-proc"),
)
# Arguments: cgroup's name, lower, upper, work and merged folder; then nspawn and its own.
_START = r"""
set -eu
name=$1 lower=$2 upper=$3 work=$4 merged=$5
shift 5
# A cgroup of its own in each hierarchy: two machines' systemd would end each other's services in a shared one.
for procs in $(find /sys/fs/cgroup -maxdepth 2 -name cgroup.procs); do
  group=$(dirname "$procs")/$name
  mkdir -p "$group"
  for setting in cpuset.cpus cpuset.mems; do
    if [ -f "$group/$setting" ]; then cat "$group/../$setting" >"$group/$setting"; fi
  done
  echo $$ >"$group/cgroup.procs"
done
mount -t overlay overlay -o "lowerdir=$lower,upperdir=$upper,workdir=$work" "$merged"
exec "$@"
"""


class MachineFailed(AssertionError):
    """The machine did not do what a test waits for; the message has what it said last."""


@dataclass
class Container:
    """One machine's disk and the container that runs on it, or nothing while it is off.

    name: as `name_of` makes it. lower: the kept root. folder: for its disk and its console's text, where overlayfs can
    write. shown: folders of this computer that it sees, read-only, by their place inside.
    """

    name: str
    lower: Path
    folder: Path
    shown: dict[str, Path] = field(default_factory=dict[str, Path])
    _process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        for one in (self.disk, self.folder / "work", self.folder / "merged"):
            one.mkdir(parents=True)
        self.disk.chmod(0o755)

    @property
    def disk(self) -> Path:
        """What differs from the kept root: the overlay's upper folder. To be written to only while the machine is off."""
        return self.folder / "disk"

    @property
    def console(self) -> Path:
        """All that was shown on the console, boot after boot."""
        return self.folder / "console.log"

    def place(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file to the disk of a machine that is off."""
        assert not self.is_on, "the overlay doesn't see what is written behind its back"
        self._folder_of(Path(path))
        target = self.disk / path.lstrip("/")
        target.write_text(text)
        target.chmod(mode)

    def _folder_of(self, path: Path) -> None:
        """The folders above a file, each with the mode that it has in the kept root."""
        for parent in reversed(path.parents):
            made, below = self.disk / str(parent).lstrip("/"), self.lower / str(parent).lstrip("/")
            if not made.is_dir():
                made.mkdir(mode=0o755)
                if below.is_dir():
                    shutil.copystat(below, made)

    @property
    def is_on(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def power_on(self) -> None:
        """Start it; it boots from here on by itself."""
        assert not self.is_on, "the machine is on"
        _sweep()
        nspawn = [
            *(
                "systemd-nspawn",
                "--quiet",
                "--boot",
                "--register=no",
                "--keep-unit",
                f"--machine={self.name}",
            ),
            *("--directory", str(self.folder / "merged"), "--resolv-conf=replace-host", "--timezone=off"),
            *("--console=read-only", "--link-journal=no"),
            *(f"--bind-ro={there}:{inside}" for inside, there in self.shown.items()),
        ]
        layers = [str(self.lower), str(self.disk), str(self.folder / "work"), str(self.folder / "merged")]
        with self.console.open("ab") as out:
            self._process = subprocess.Popen(
                [*_CONFINED, *("bash", "-c", _START, "bash"), self.name, *layers, *nspawn],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def leader(self) -> int | None:
        """The number of the machine's process 1 as this computer counts; None while there is none."""
        if self._process is None:
            return None
        # Process 1 of the namespace that holds nspawn is one level up.
        return next((pid for pid in _below(self._process.pid) if _numbers(pid)[2:] == ["1"]), None)

    def run(self, *command: str, limit_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine as root, whatever it ends with."""
        deadline = time.monotonic() + START_LIMIT_S
        while (leader := self.leader()) is None:
            if not self.is_on or time.monotonic() > deadline:
                raise MachineFailed(f"{self.name} is off: {self.last_words()}")
            time.sleep(0.02)
        inside = ("--mount", "--uts", "--ipc", "--pid", "--cgroup")
        clean = ("env", "-i", "--chdir=/", f"PATH={PATH}", "HOME=/root", "LANG=C.UTF-8")
        return subprocess.run(
            ["nsenter", f"--target={leader}", *inside, *clean, *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=limit_s,
            check=False,
        )

    def tell(self, *command: str, limit_s: float = 60.0) -> str:
        """What a command in the machine says. MachineFailed when it fails."""
        ran = self.run(*command, limit_s=limit_s)
        if ran.returncode:
            raise MachineFailed(f"{' '.join(command)}: {ran.returncode}: {ran.stderr or ran.stdout}")
        return ran.stdout

    def shell(self, script: str, limit_s: float = 60.0) -> str:
        """What a script of bash says in the machine. MachineFailed when it fails."""
        return self.tell("bash", "-euo", "pipefail", "-c", script, limit_s=limit_s)

    def reboot(self) -> None:
        """As `reboot` does: services are ended in order, then all begins anew on the same disk."""
        assert self._process is not None
        self.run("systemctl", "reboot")
        status = self._process.wait(STOP_LIMIT_S)
        if status != REBOOT_STATUS:
            raise MachineFailed(
                f"{self.name} did not reboot, its container ended with {status}: {self.last_words()}"
            )
        self.power_on()

    def cut_power(self) -> None:
        """Every process gone at once, in the middle of whatever it did. What the kernel holds of the disk is kept."""
        if self._process is None:
            return
        leader = self.leader()
        if leader is not None:
            os.kill(leader, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_LIMIT_S)
        self._process.kill()
        self._process.wait()
        for group in [*CGROUPS.glob(self.name), *CGROUPS.glob(f"*/{self.name}")]:
            _remove_group(group)

    def remove(self) -> None:
        """Off, and its disk gone; the console's text stays."""
        self.cut_power()
        for one in ("disk", "work", "merged"):
            shutil.rmtree(self.folder / one, ignore_errors=True)

    def journal(self, *options: str) -> str:
        """The machine's journal, of a running machine or of what is on its disk."""
        if self.leader() is not None:
            return self.run("journalctl", "--no-pager", "--output=short-monotonic", *options).stdout
        there = f"--directory={self.disk / 'var/log/journal'}"
        told = subprocess.run(
            ["journalctl", there, "--no-pager", *options], capture_output=True, text=True, check=False
        )
        return told.stdout

    def last_words(self, lines: int = 40) -> str:
        """The end of the console's text."""
        if not self.console.is_file():
            return "it said nothing"
        text = self.console.read_text(errors="replace").replace("\r", "")
        return "\n".join(["the end of its console:", *text.splitlines()[-lines:]])


def _below(pid: int) -> list[int]:
    """The processes that this one started, and theirs."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [one for child in children for one in (int(child), *_below(int(child)))]


def _numbers(pid: int) -> list[str]:
    """What a process is called in each namespace, from this computer's inwards."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return []
    return next(line for line in status.splitlines() if line.startswith("NSpid:")).split()[1:]


def _sweep() -> None:
    """Remove the empty cgroups of machines whose tests were killed: `name_of` has the number of the process."""
    for group in [*CGROUPS.glob(f"{PREFIX}*"), *CGROUPS.glob(f"*/{PREFIX}*")]:
        if not Path(f"/proc/{group.name.split('-')[1]}").is_dir():
            _remove_group(group)


def _remove_group(group: Path) -> None:
    """A cgroup with those below it, and whatever still runs in them."""
    deadline = time.monotonic() + STOP_LIMIT_S
    while True:
        for procs in group.rglob("cgroup.procs"):
            with suppress(OSError):
                for pid in procs.read_text().split():
                    os.kill(int(pid), signal.SIGKILL)
        try:
            for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
                folder.rmdir()
            group.rmdir()
            return
        except OSError:
            # A killed process needs a moment to leave.
            if not group.exists():
                return
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def name_of(role: str) -> str:
    """A name for one more machine, unlike any other's on this computer."""
    return f"{PREFIX}{os.getpid()}-{next(_NUMBERS)}-{role}"


def until(what: str, look: Callable[[], T], limit_s: float, every_s: float = 0.2) -> T:
    """What `look` says as soon as it is truthy. MachineFailed naming `what` when that takes too long."""
    deadline = time.monotonic() + limit_s
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise MachineFailed(f"{what}: not after {limit_s:.0f} s")
        time.sleep(every_s)
    return seen
