"""The emulated AWS account in which a test's machines live: the local stack, deployed by the real engine with nothing booted.

What the program rendered for an instance is taken from the emulated EC2, as the instance itself would get it.
"""

from __future__ import annotations

import base64
import itertools
import json
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import contract
from cloud_init.render import ENVIRONMENT_FILE, UNIT
from ops.stack import Stack, connect
from tests.boot import clients, machine_root
from tests.boot.container import Container, MachineFailed, name_of
from tests.stack.platform_stack import Platform

STACK = "local"
SEED = "/var/lib/cloud/seed/nocloud"
GIT_HOSTS = "/srv/git-hosts"
"""Where a machine sees the repositories that stand in for git hosts."""
LOOK_S = 0.3
STAND_INS = "/etc/sd-app-stand-ins.env"

# Vendor data is the cloud's own word to cloud-init: its scripts run after the user data's files were written, and
# before its commands. A key that is in both files shall be in machine.env once: not every reader takes the last.
_VENDOR_SCRIPT = f"""#!/bin/bash
set -eu
env={ENVIRONMENT_FILE}
while IFS='=' read -r key _; do sed -i "/^$key=/d" "$env"; done <{STAND_INS}
cat {STAND_INS} >>"$env"
"""


@dataclass
class Account:
    """The emulated account with the local stack in it."""

    platform: Platform
    stack: Stack
    outputs: dict[str, Any]

    @classmethod
    def start(cls, cli: Path, folder: Path) -> Account:
        """A new emulator with the whole stack."""
        platform = Platform.start(cli, folder)
        local = platform.stack(STACK)
        local.up()
        stack = connect(STACK, None, {"AWS_ENDPOINT_URL": platform.sandbox.endpoint})
        return cls(platform, stack, local.outputs())

    def instance(self, role: str) -> tuple[str, bytes]:
        """Id and user data of the stack's machine of that role, as EC2 has them."""
        ec2 = self.stack.client("ec2")
        found = ec2.describe_instances(
            Filters=[
                {"Name": "tag:Role", "Values": [role]},
                {"Name": f"tag:{contract.TAG_STACK}", "Values": [STACK]},
                {"Name": "instance-state-name", "Values": ["running"]},
            ]
        )["Reservations"]
        [instance] = [one for reservation in found for one in reservation["Instances"]]
        told = ec2.describe_instance_attribute(InstanceId=instance["InstanceId"], Attribute="userData")
        return instance["InstanceId"], base64.b64decode(told["UserData"]["Value"])

    def stand_ins(self) -> dict[str, str]:
        """What machine.env says besides, so that AWS is the emulator: its address, and keys that an instance role gives."""
        return {
            "AWS_ENDPOINT_URL": self.platform.sandbox.endpoint,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def log_lines(self, role: str, instance_id: str) -> list[str]:
        """What the machine has shipped to its log group."""
        logs = self.stack.client("logs")
        pages = logs.get_paginator("filter_log_events").paginate(
            logGroupName=contract.log_group(STACK, role), logStreamNames=[instance_id]
        )
        return [event["message"] for page in pages for event in page["events"]]


@dataclass
class BootedMachine:
    """A machine of the stack on a disk of its own: made from what EC2 has for its role, off until `boot`.

    stand_ins: what its machine.env says besides. shown: folders that it sees, by their place. git: local repositories by
    the address that they stand in for, as places inside.
    """

    role: str
    account: Account
    folder: Path
    stand_ins: Mapping[str, str]
    shown: dict[str, Path] = field(default_factory=dict[str, Path])
    git: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        self.instance_id, user_data = self.account.instance(self.role)
        self.container = Container(name_of(self.role), machine_root.kept(), self.folder, dict(self.shown))
        place = self.container.place
        self.container.disk.joinpath("var/lib/cloud/seed/nocloud").mkdir(parents=True)
        self.container.disk.joinpath(f"{SEED}/user-data".lstrip("/")).write_bytes(user_data)
        place(f"{SEED}/meta-data", f"instance-id: {self.instance_id}\nlocal-hostname: {self.role}\n")
        place(f"{SEED}/vendor-data", _VENDOR_SCRIPT)
        self.stand_in({})
        self.redirect_git(self.git)
        variables = clients.configure(self.container.disk)
        place(
            "/etc/systemd/system.conf.d/clients.conf",
            "[Manager]\n"
            + "".join(f'DefaultEnvironment="{key}={value}"\n' for key, value in variables.items()),
        )
        self._seen: tuple[str, str, str] | None = None
        self._boot_before = ""
        self.told: list[str] = []

    def stand_in(self, values: Mapping[str, str]) -> None:
        """Let machine.env say this too, of a machine that is off: through vendor data before its first boot, later in the
        file itself, as an operator would change it."""
        environment = self.container.disk / ENVIRONMENT_FILE.lstrip("/")
        if environment.is_file():
            kept = [
                line for line in environment.read_text().splitlines() if line.partition("=")[0] not in values
            ]
            self.container.place(ENVIRONMENT_FILE, "\n".join(kept) + "\n" + _lines(values), 0o640)
        else:
            self.container.place(STAND_INS, _lines({**self.account.stand_ins(), **self.stand_ins, **values}))

    def redirect_git(self, git: Mapping[str, str]) -> None:
        """Let git look for these addresses elsewhere, by its own `insteadOf`."""
        text = "".join(f'[url "{place}"]\n\tinsteadOf = {url}\n' for url, place in git.items())
        safe = f"[safe]\n\tdirectory = {GIT_HOSTS}/*\n"
        self.container.place("/etc/gitconfig", text + safe)

    def become(self, instance_id: str, values: Mapping[str, str]) -> None:
        """Be another instance, made from this one's image while it is off: cloud-init sees an id that it does not know, and
        writes machine.env anew, with these values in it."""
        self.instance_id = instance_id
        meta = f"instance-id: {instance_id}\nlocal-hostname: {self.role}\n"
        self.container.place(f"{SEED}/meta-data", meta)
        self.container.place(STAND_INS, _lines({**self.account.stand_ins(), **self.stand_ins, **values}))

    def boot(self) -> None:
        """Power on."""
        self._boot_before = self.record().get("bootId", "")
        if not (self.container.disk / "etc/systemd/system/multi-user.target.wants" / UNIT).is_symlink():
            # User data's files will be written again, and so must be what stands in.
            for note in self.container.disk.glob("var/lib/cloud/instances/*/sem/config_scripts_vendor"):
                note.unlink()
        self.container.power_on()

    def reboot(self) -> None:
        """`systemctl reboot`, and up again."""
        self._boot_before = self.record().get("bootId", "")
        self.container.reboot()

    def record(self) -> dict[str, Any]:
        """The readiness record as whoever waits sees it."""
        name = contract.boot_parameter(STACK, self.role)
        return json.loads(self.account.stack.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])

    def own_record(self) -> dict[str, Any]:
        """The readiness record on the machine's own disk; empty before this boot has written one."""
        ran = self.container.run("cat", "/var/lib/sd-app/boot.json", "/proc/sys/kernel/random/boot_id")
        text, _, boot_id = ran.stdout.strip().rpartition("\n")
        record: dict[str, Any] = json.loads(text) if ran.returncode == 0 else {}
        return record if record.get("bootId") == boot_id else {}

    def wait(self, state: str, limit_s: float) -> dict[str, Any]:
        """This boot's readiness record once it has that state; each stage is told as it comes.

        MachineFailed when it takes too long, and when the record says `failed` and that wasn't asked for.
        """
        begun = time.monotonic()
        while (took := time.monotonic() - begun) < limit_s:
            record = self.record()
            if record.get("instanceId") == self.instance_id and record["bootId"] != self._boot_before:
                self._tell(record, took)
                if record["state"] == state:
                    return record
                if record["state"] == "failed":
                    raise MachineFailed(f"{self.role} failed at {record['stage']}: {record['message']}")
            if not self.container.is_on:
                raise MachineFailed(f"{self.role} went off: {self.container.last_words()}")
            time.sleep(LOOK_S)
        raise MachineFailed(
            f"{self.role} is not {state} after {limit_s:.0f} s: {self.container.last_words()}"
        )

    def _tell(self, record: dict[str, Any], took: float) -> None:
        seen = (record["bootId"], record["state"], record["stage"])
        if seen != self._seen:
            self._seen = seen
            self.told.append(record["stage"] or record["state"])
            words = [record["state"], record["stage"], record["message"]]
            print(f"{self.role} {took:5.1f} s: {' · '.join(word for word in words if word)}", flush=True)

    def stages(self) -> dict[str, float]:
        """Seconds that each stage of the current boot took, by the journal; one that was skipped isn't in it."""
        told = self.container.tell(
            *("journalctl", "--unit=sd-app-prepare", "--boot", "--output=json", "--no-pager")
        )
        lines = [json.loads(line) for line in told.splitlines()]
        marks = [
            (int(one["__REALTIME_TIMESTAMP"]) / 1e6, str(one["MESSAGE"]).split(" · ")[1:])
            for one in lines
            if str(one["MESSAGE"]).startswith(("sd-app: running · ", "sd-app: ready"))
        ]
        return {
            words[0]: round(after - at, 1) for (at, words), (after, _) in itertools.pairwise(marks) if words
        }

    def remove(self) -> None:
        """Off and gone; its journal is kept as text beside its console's."""
        if self.container.leader() is not None:
            (self.folder / "journal.txt").write_text(self.container.journal())
        self.container.remove()


def _lines(values: Mapping[str, str]) -> str:
    return "".join(f'{key}="{value}"\n' for key, value in values.items())


def free_port() -> int:
    """A port of loopback that nothing listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
