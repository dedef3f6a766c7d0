"""The real Pulumi engine on a sandbox of the tests' own, for small programs of theirs."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3.session
import pytest

from sandbox import daemon
from sandbox.daemon import Sandbox
from tools import pulumi_cli
from tools.engine import Engine, EngineFailed
from tools.engine_events import Report

ROOT = Path(__file__).parent.parent.parent
REGION = "us-east-1"


@dataclass(frozen=True)
class Ground:
    """Where the tests' stacks run: the CLI's folder, a sandbox, and a folder for files."""

    cli: Path
    sandbox: Sandbox
    folder: Path

    def environment(self) -> dict[str, str]:
        """The user's own environment without their Pulumi and AWS set-up, on the sandbox."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PULUMI_"))}
        return kept | {
            **self.sandbox.environment(),
            "PATH": os.pathsep.join([str(self.cli), str(ROOT / ".venv/bin"), os.environ.get("PATH", "")]),
            "PULUMI_HOME": str(self.folder / "home"),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }

    def stack(self, program: str, name: str = "dev", project: str = "tiny") -> Stack:
        """A new stack of a small program; aws is pulumi_aws, command pulumi_command, on pins the provider."""
        home = self.folder / project
        home.mkdir(parents=True, exist_ok=True)
        (self.folder / "state").mkdir(exist_ok=True)
        (home / "Pulumi.yaml").write_text(f"name: {project}\nruntime:\n  name: python\n")
        made = Stack(Engine(self.cli, name, home, self.environment()), self.sandbox)
        made.write(program)
        made.engine.ask("stack", "init", "--no-select")
        return made

    def client(self, service: str, region: str = REGION) -> Any:
        """boto3 on the emulator, for looking at and meddling with what is there."""
        session: Any = boto3.session.Session()
        return session.client(
            service,
            region_name=region,
            endpoint_url=self.sandbox.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )


@dataclass
class Stack:
    """A stack of a small program."""

    engine: Engine
    sandbox: Sandbox

    def write(self, program: str) -> None:
        """Make this the program."""
        header = "import json\nimport pulumi\nimport pulumi_aws as aws\nimport pulumi_command as command\n"
        (self.engine.cwd / "__main__.py").write_text(header + textwrap.dedent(program))

    def up(self, *options: str) -> Report:
        """Deploy it, without a preview first. Raises EngineFailed."""
        return self.engine.work("up", "up", "--yes", "--skip-preview", *options)

    def preview(self, *options: str) -> Report:
        """What `up` would do. Raises EngineFailed."""
        return self.engine.work("preview", "preview", *options)

    def refresh(self) -> Report:
        """Make the state say what is really there."""
        return self.engine.work("refresh", "refresh", "--yes", "--skip-preview")

    def destroy(self) -> Report:
        """Remove everything."""
        return self.engine.work("destroy", "destroy", "--yes", "--skip-preview")

    def state(self) -> dict[str, Any]:
        """The state's resources by name, apart from the stack and the providers."""
        deployment: dict[str, Any] = json.loads(self.engine.ask("stack", "export")).get("deployment") or {}
        resources: list[dict[str, Any]] = deployment.get("resources") or []
        return {
            str(one["urn"]).rsplit("::", 1)[1]: one
            for one in resources
            if not str(one["type"]).startswith("pulumi:")
        }

    def refused(self, *options: str) -> str:
        """Preview it, which must fail; what was said."""
        with pytest.raises(EngineFailed) as failure:
            self.preview(*options)
        return str(failure.value)

    def fails(self) -> str:
        """Deploy it, which must fail; what was said."""
        with pytest.raises(EngineFailed) as failure:
            self.up()
        return str(failure.value)


@pytest.fixture(scope="session")
def cli() -> Path:
    """Folder of the Pulumi CLI."""
    return pulumi_cli.find().directory


@pytest.fixture(scope="session")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Generator[Sandbox]:
    """One sandbox for the session; each test must leave it as empty as it found it."""
    folder = tmp_path_factory.mktemp("sandbox")
    yield daemon.ensure(folder)
    daemon.stop(folder)


@pytest.fixture
def ground(cli: Path, shared_sandbox: Sandbox, tmp_path: Path) -> Generator[Ground]:
    """Where a test's stacks run; what they leave behind fails the test."""
    yield Ground(cli, shared_sandbox, tmp_path)
    assert daemon.leftovers(shared_sandbox) == [], "the test's stacks left resources in the emulator"
