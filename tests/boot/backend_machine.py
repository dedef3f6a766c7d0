"""A backend's machine for a test: its disk, its repository, its port, and how its API is asked."""

from __future__ import annotations

import http.client
import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import contract
from tests.boot.account import GIT_HOSTS, Account, BootedMachine, free_port
from tests.boot.container import until
from tests.boot.stand_ins import Repository

REPOSITORY_URL = "https://github.com/your-studio/sd-app"
"""What Pulumi.local.yaml names."""
READY_LIMIT_S = 300.0
CURRENT = "/srv/sd-app/current"
"""The release that serves."""
APP = f"{CURRENT}/app/backend"


@dataclass
class BackendMachine(BootedMachine):
    """The stack's backend."""

    port: int = 0
    repository: Repository | None = None

    def secret(self) -> str:
        """What CloudFront adds to each request."""
        name = contract.parameter_path(self.account.stack.name, self.role, "origin-secret")
        ssm = self.account.stack.client("ssm")
        return ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]

    def ask(self, path: str, secret: str | None = None) -> tuple[int, Any]:
        """Status and JSON of a request as CloudFront sends it; without the right secret as anybody else's."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            headers = {contract.ORIGIN_SECRET_HEADER: self.secret() if secret is None else secret}
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")
        finally:
            connection.close()

    def is_healthy(self) -> bool:
        """Whether the API answers."""
        try:
            return self.ask("/api/health")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def apps(self) -> dict[str, dict[str, Any]]:
        """What PM2 says of each program, by name: pid, status, restarts, script."""
        told = self.container.shell(
            "runuser -u sd-app -- env -i HOME=/home/sd-app PM2_HOME=/home/sd-app/.pm2 PATH=/usr/local/bin:/usr/bin:/bin pm2 jlist"
        )
        return {
            one["name"]: {
                "pid": one["pid"],
                "status": one["pm2_env"]["status"],
                "restarts": one["pm2_env"]["restart_time"],
                "script": Path(one["pm2_env"]["pm_exec_path"]).name,
            }
            for one in json.loads(told[told.index("[") :])
        }

    def shipped(self, text: str, limit_s: float = 30.0) -> str:
        """The line with this text in the machine's log group, once it is there."""

        def look() -> str:
            lines = self.account.log_lines(self.role, self.instance_id)
            return next((line for line in lines if text in line), "")

        return until(f'"{text}" in the log group', look, limit_s)


@contextmanager
def backend(
    account: Account, folder: Path, node: Mapping[str, str], **stand_ins: str
) -> Generator[BackendMachine]:
    """A backend that is off, never booted, with a repository of its own in `folder`; gone at the end."""
    hosts = folder / "git-hosts"
    repository = Repository(hosts, "app")
    port = free_port()
    machine = BackendMachine(
        role=contract.BACKEND,
        account=account,
        folder=folder / "machine",
        stand_ins={**node, "PORT": str(port), **stand_ins},
        shown={GIT_HOSTS: hosts},
        git={REPOSITORY_URL: f"file://{GIT_HOSTS}/app.git"},
        port=port,
        repository=repository,
    )
    try:
        yield machine
    finally:
        machine.remove()
