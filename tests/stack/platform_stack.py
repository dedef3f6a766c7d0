"""The platform's own stacks on a sandbox of the tests' own, with settings laid over those of the stack files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import boto3.session
import yaml

from sandbox import daemon
from sandbox.daemon import Sandbox
from tools.engine import Engine, EngineFailed
from tools.engine_events import Report, Step
from tools.local_stack import LocalStack

ROOT = Path(__file__).parents[2]
NO_WAITING: Mapping[str, Any] = {"mlServer": {"waitMinutes": 0}, "backend": {"waitMinutes": 0}}
"""No machine boots here: nothing could ever say that it is ready."""
Overrides = Mapping[str, Mapping[str, Any]]


@dataclass
class Platform:
    """An emulated account, for any number of the platform's stacks side by side."""

    cli: Path
    folder: Path
    sandbox: Sandbox

    @classmethod
    def start(cls, cli: Path, folder: Path) -> Platform:
        """A new emulator, with nothing in it."""
        return cls(cli, folder, daemon.ensure(folder))

    def stop(self) -> None:
        """End the emulator, and with it all that is in it."""
        daemon.stop(self.folder)

    def leftovers(self) -> list[str]:
        """What is in the emulator that a new account doesn't have."""
        return daemon.leftovers(self.sandbox)

    def client(self, service: str, **credentials: str) -> Any:
        """boto3 on the emulator; without credentials as an administrator."""
        own = {"aws_access_key_id": "test", "aws_secret_access_key": "test", **credentials}
        connect = cast(Callable[..., Any], boto3.session.Session().client)  # no stubs
        return connect(service, region_name="us-east-1", endpoint_url=self.sandbox.endpoint, **own)

    def stack(self, name: str) -> PlatformStack:
        """The stack of `Pulumi.<name>.yaml`; made when it isn't there yet."""
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        local = LocalStack(ROOT, folder, self.cli, name)
        engine = local.engine(self.sandbox)
        if not local.exists:
            local.init(engine)
        return PlatformStack(local, engine)


@dataclass
class PlatformStack:
    """One stack of the platform. Overrides last for one run."""

    local: LocalStack
    engine: Engine

    def configured(self, overrides: Overrides) -> Engine:
        """The engine, reading the stack file with settings laid over it group by group."""
        document: dict[str, Any] = yaml.safe_load(self.local.config_file.read_text())
        for given in (NO_WAITING, overrides):
            for group, settings in given.items():
                key = f"sd-app:{group}"
                document["config"][key] = {**document["config"].get(key, {}), **settings}
        file = self.local.home / f"Pulumi.{self.local.stack}.overridden.yaml"
        file.write_text(yaml.safe_dump(document))
        return replace(self.engine, config=("--config-file", str(file)))

    def up(self, overrides: Overrides | None = None) -> Report:
        """Deploy. Raises EngineFailed."""
        return self.configured(overrides or {}).work("up", "up", "--yes", "--skip-preview")

    def fails(self, overrides: Overrides) -> str:
        """Deploy, which must fail; what was said."""
        try:
            self.up(overrides)
        except EngineFailed as failure:
            return str(failure)
        raise AssertionError("it did not fail")

    def preview(self, overrides: Overrides) -> list[Step]:
        """What a deployment would do."""
        report = self.configured(overrides).work("preview", "preview")
        return list(report.steps.values())

    def refresh(self) -> Report:
        """Make the state say what is really there."""
        return self.configured({}).work("refresh", "refresh", "--yes", "--skip-preview")

    def destroy(self) -> Report:
        """Remove all of it. Raises EngineFailed."""
        return self.configured({}).work("destroy", "destroy", "--yes", "--skip-preview")

    def outputs(self) -> dict[str, Any]:
        """The stack's outputs, without secrets."""
        return json.loads(self.engine.ask("stack", "output", "--json"))

    def exported(self) -> str:
        """The whole state as text."""
        return self.engine.ask("stack", "export")

    def resource(self, name: str, token: str) -> dict[str, Any]:
        """A resource in the state: id, inputs, outputs."""
        found = [
            one
            for one in json.loads(self.exported())["deployment"]["resources"]
            if one["urn"].endswith(f"::{name}") and one["type"] == token
        ]
        assert len(found) == 1, f"{len(found)} resources are {token} {name}"
        return found[0]
