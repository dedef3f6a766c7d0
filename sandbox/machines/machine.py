"""One emulated instance that is running: its folder, its environment, its processes, its readiness record."""

from __future__ import annotations

import http.client
import os
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3.session

from cloud_init.render import ETC, SCRIPT_DIRECTORY
from sandbox.machines import user_data
from sandbox.machines.addresses import Addresses
from sandbox.machines.processes import MARK, Service, stop_all
from sandbox.machines.readiness import Readiness

BOOT_SECONDS = "SANDBOX_BOOT_SECONDS"
"""Environment of `make up`: how long an emulated machine takes to begin, in seconds, so that waking can be seen."""
LOOP_FAILURES = 4
"""A service that has ended so often in a row will not get up by itself."""
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE")
"""All that the processes get of the environment of whoever ran `make up`."""


class BootFailed(Exception):
    """A stage failed; the message has the last words of its log."""

    def __init__(self, stage: str, why: str) -> None:
        super().__init__(f"{stage}: {why}")
        self.stage, self.why = stage, why


class Halted(Exception):
    """The machine was stopped while it booted."""


@dataclass(frozen=True, kw_only=True)
class Boot:
    """What EC2 says of an instance, and where things lie on this machine. `bucket_changes` counts writes of models to S3."""

    instance_id: str
    role: str
    stack: str
    private_ip: str
    user_data: str
    folder: Path
    root: Path
    endpoint: str
    addresses: Addresses
    bucket_changes: Callable[[], int]


@dataclass
class Machine:
    """A running instance. `start` boots it in a thread of its own; `stop` ends all of it, from any state."""

    boot: Boot
    program: Callable[[Machine], None]
    services: list[Service] = field(default_factory=list[Service])
    _stopped: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Write its files, and begin to boot."""
        files = user_data.files_of(self.boot.user_data)
        self.files = files
        self.own = user_data.environment_of(files)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        user_data.write(files, self.folder / "files")
        user_data.write_environment(self.folder / "machine.env", self.own)
        self.readiness = Readiness(
            ssm=self.client("ssm"),
            parameter=self.own["SD_APP_BOOT_PARAMETER"],
            instance_id=self.boot.instance_id,
        )
        self.background(self._boot)

    def _boot(self, stopped: threading.Event) -> None:
        try:
            self.readiness.tell("running", "start")
            if stopped.wait(float(os.environ.get(BOOT_SECONDS) or 0)):
                return
            self.program(self)
        except Halted:
            return
        except BootFailed as error:
            self.say(str(error))
            self.readiness.tell("failed", error.stage, error.why)
        except Exception as error:
            self.say(f"{type(error).__name__}: {error}")
            self.readiness.tell("failed", "start", f"{type(error).__name__}: {error}")

    def stop(self) -> None:
        """Power off."""
        self._stopped.set()
        self.readiness.close()
        stop_all(self.services)

    def run(self, services: Sequence[Service]) -> None:
        """Have these run from now on."""
        self.services.extend(services)
        self.keep()

    def keep(self) -> None:
        """Start again what ended by itself; called often."""
        if not self._stopped.is_set():
            for service in self.services:
                service.keep()

    def background(self, work: Callable[[threading.Event], None]) -> None:
        """Run `work(stopped)` beside the rest."""
        threading.Thread(target=work, args=(self._stopped,), name=self.boot.instance_id, daemon=True).start()

    @property
    def is_stopped(self) -> bool:
        """Whether it was powered off."""
        return self._stopped.is_set()

    @property
    def folder(self) -> Path:
        """Everything of this instance on this machine."""
        return self.boot.folder

    @property
    def root(self) -> Path:
        """The checkout."""
        return self.boot.root

    @property
    def stack(self) -> str:
        """The stack that the instance belongs to."""
        return self.boot.stack

    @property
    def addresses(self) -> Addresses:
        """Where the emulated network lies on this machine."""
        return self.boot.addresses

    def bucket_changes(self) -> int:
        """Number of writes of models to S3 so far."""
        return self.boot.bucket_changes()

    @property
    def environment(self) -> dict[str, str]:
        """Its environment file, and what any program here needs besides."""
        passed: Mapping[str, str] = {key: os.environ[key] for key in PASSED_ON if key in os.environ}
        return {
            **passed,
            **self.own,
            "AWS_ENDPOINT_URL": self.boot.endpoint,
            "AWS_DEFAULT_REGION": self.own["AWS_REGION"],
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_EC2_METADATA_DISABLED": "true",
            "PYTHONUNBUFFERED": "1",
            MARK: str(self.folder),
        }

    @property
    def versions(self) -> dict[str, str]:
        """The pinned versions that its user data carries."""
        return user_data.parse_environment(self.files[f"{ETC}/versions.env"][0])

    def script(self, name: str) -> Path:
        """A script of the machine, as its user data carries it."""
        return self.folder / "files" / f"{SCRIPT_DIRECTORY}/{name}".lstrip("/")

    def client(self, service: str) -> Any:
        """A boto3 client of the emulator."""
        session: Any = boto3.session.Session(region_name=self.own["AWS_REGION"])
        return session.client(
            service,
            endpoint_url=self.boot.endpoint,
            aws_access_key_id="sandbox",
            aws_secret_access_key="sandbox",
        )

    def write_loopback(self, environment: dict[str, str]) -> None:
        """Keep beside `machine.env` what differs from it here."""
        user_data.write_environment(self.folder / "loopback.env", environment)

    def say(self, text: str) -> None:
        """A line in its own log."""
        with (self.folder / "machine.log").open("a") as log:
            log.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {text}\n")


def wait_for(url: str, limit_s: float, service: Service | None, machine: Machine) -> None:
    """Until it answers 200 there. Raises BootFailed with the service's last words, Halted when the machine was stopped."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        if machine.is_stopped:
            raise Halted
        if service and service.failures > LOOP_FAILURES:
            raise BootFailed("server", f"{service.name} ends again and again: {service.tail()}")
        try:
            direct.open(url, timeout=5).close()
            return
        except (OSError, ValueError, http.client.HTTPException):
            time.sleep(0.1)
    said = f": {service.tail()}" if service else ""
    raise BootFailed("server", f"no answer at {url} after {limit_s:.0f} s{said}")
