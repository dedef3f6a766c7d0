"""The stack that lives on this machine: emulator, state, passphrase and config copy, all inside one folder.

Nothing of it touches the user's own Pulumi login, AWS profile or the tracked stack file
(docs/decisions/0007-sandbox-keeps-to-its-folder.md).
"""

import json
import os
import secrets
import shutil
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import contract
from sandbox import daemon
from sandbox.daemon import Sandbox
from tools.engine import Engine, EngineFailed
from tools.engine_events import Report
from tools.progress import say

PLACEHOLDER_TOKEN = "github_pat_of_the_sandbox_which_opens_nothing"
"""Stands for the GitHub token, so that the local stack has every part that one on AWS has."""

TOKEN_KEY = f"{contract.PROJECT}:githubToken"


class LocalFailed(Exception):
    """The local stack can't do what was asked; the message tells why and what to do."""


@dataclass(frozen=True)
class State:
    """What the engine's state holds: how many resources, and how many operations that never came to an end.

    half_made: how many of these were creations, so that the emulator may have what the state doesn't know.
    """

    resources: int
    pending: int
    half_made: int


@dataclass(frozen=True)
class LocalStack:
    """A stack of the project in `root` on an emulator of its own, all kept in `folder`."""

    root: Path
    folder: Path
    cli: Path
    stack: str = "local"
    leave_out_secrets: bool = False
    """Go on without the secrets of the tracked stack file, whose key is not here; else they are an error."""

    @property
    def home(self) -> Path:
        """Folder of the copied project file and the copied config, where `stack init` may write."""
        return self.folder / "project"

    @property
    def config_file(self) -> Path:
        """The config that the engine reads: the tracked stack file, and the sandbox's own secrets."""
        return self.home / f"Pulumi.{self.stack}.yaml"

    def start(self) -> Sandbox:
        """The running emulator; started when there is none."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return daemon.ensure(self.folder, machines=True)

    def engine(self, sandbox: Sandbox | None) -> Engine:
        """The engine on this stack. Without a sandbox it can read the state, and change nothing."""
        env = clean_environment(os.environ)
        env.update(sandbox.environment() if sandbox else {})
        env.update(
            PATH=os.pathsep.join([str(self.cli), str(self.root / ".venv" / "bin"), env.get("PATH", "")]),
            PULUMI_HOME=str(self.folder / "pulumi-home"),
            PULUMI_BACKEND_URL=f"file://{self.folder / 'state'}",
            PULUMI_CONFIG_PASSPHRASE=self._passphrase(),
            PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION="true",
            PULUMI_SKIP_UPDATE_CHECK="true",
        )
        return Engine(self.cli, self.stack, self.root, env, ("--config-file", str(self.config_file)))

    def _passphrase(self) -> str:
        """Encrypts the secrets in the state. Made once; the folder and the file are the user's alone."""
        path = self.folder / "passphrase"
        if not path.exists():
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as handle:
                handle.write(secrets.token_hex(24))
        return path.read_text()

    @property
    def exists(self) -> bool:
        """Whether the stack was ever made here."""
        return (
            self.folder / "state" / ".pulumi" / "stacks" / contract.PROJECT / f"{self.stack}.json"
        ).is_file()

    def init(self, engine: Engine) -> None:
        """Make the stack when it is missing, and its config from the tracked stack file as that is now."""
        self._release_lock(engine)
        kept: dict[str, Any] = {}
        if self.config_file.is_file():
            kept = yaml.safe_load(self.config_file.read_text()) or {}
        if not self.exists:
            kept = {}
            shutil.rmtree(self.home, ignore_errors=True)
            self.home.mkdir()
            (self.folder / "state").mkdir(exist_ok=True)
            shutil.copy(self.root / "Pulumi.yaml", self.home)
            # It writes the salt of the secrets' key into the stack file beside Pulumi.yaml: here, into the copy.
            Engine(engine.cli, engine.stack, self.home, engine.env).ask("stack", "init", "--no-select")
            kept = yaml.safe_load(self.config_file.read_text()) or {}
        merged = self._merged(kept)
        self.config_file.write_text(yaml.safe_dump(merged, sort_keys=False))
        if TOKEN_KEY not in merged["config"]:
            engine.ask("config", "set", "--secret", TOKEN_KEY, PLACEHOLDER_TOKEN, *engine.config)

    def _merged(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        tracked_file = self.root / f"Pulumi.{self.stack}.yaml"
        tracked: dict[str, Any] = yaml.safe_load(tracked_file.read_text()) or {}
        config: dict[str, Any] = dict(tracked.get("config") or {})
        secret = [key for key, value in config.items() if isinstance(value, dict) and "secure" in value]
        if self.leave_out_secrets:
            config = {key: value for key, value in config.items() if key not in secret}
        elif secret:
            raise LocalFailed(
                f"{tracked_file.name}: {', '.join(secret)}: a secret encrypted with a key that the sandbox doesn't"
                " have; remove the line, and encryptionsalt with it (the sandbox makes a placeholder of its own)"
            )
        kept_config: dict[str, Any] = kept.get("config") or {}
        token = kept_config.get(TOKEN_KEY)
        if token and TOKEN_KEY not in config:
            config[TOKEN_KEY] = token
        return {"config": config, "encryptionsalt": kept["encryptionsalt"]}

    def _release_lock(self, engine: Engine) -> None:
        """A lock whose process is gone is removed; one whose process works is an error."""
        locks = list((self.folder / "state" / ".pulumi" / "locks").rglob("*.json"))
        for lock in locks:
            holder = json.loads(lock.read_text() or "{}")
            pid = int(holder.get("pid", 0))
            if holder.get("hostname", socket.gethostname()) == socket.gethostname() and not is_pulumi(pid):
                continue
            raise LocalFailed(
                f"another command works on stack {self.stack} (process {pid} on {holder.get('hostname')}, since"
                f" {holder.get('timestamp')}); wait until it is done"
            )
        if locks:
            say(f"  {self.stack}: an interrupted command left a lock; its process is gone, so it is removed")
            engine.ask("cancel", "--yes")

    def state(self, engine: Engine) -> State:
        """What the state holds now."""
        deployment: dict[str, Any] = json.loads(engine.ask("stack", "export")).get("deployment") or {}
        resources: list[Any] = deployment.get("resources") or []
        real = [one for one in resources if one.get("type") != "pulumi:pulumi:Stack"]
        pending: list[Any] = deployment.get("pending_operations") or []
        return State(len(real), len(pending), sum(one.get("type") == "creating" for one in pending))

    def ready(self) -> tuple[Engine, Sandbox, list[str]]:
        """The engine on a running emulator, with what an interrupted run or a lost emulator left put right.

        Returned besides: the extra arguments that the next command needs.
        """
        engine, sandbox, state = self._open()
        if state.half_made:
            say(
                f"  {self.stack}: an interrupted run left {state.half_made} resources half made; the emulator is"
                " started anew, empty, and all is built again"
            )
            daemon.stop(self.folder)
            sandbox = self.start()
            engine = self.engine(sandbox)
        elif sandbox.is_new and state.resources:
            say(
                f"  {self.stack}: the emulator is new and empty, the state knows {state.resources} resources:"
                " building them again"
            )
        if state.pending:
            engine.work("refresh", "refresh", "--yes", "--skip-preview", "--clear-pending-creates")
            return engine, sandbox, []
        return engine, sandbox, ["--refresh"] if sandbox.is_new and state.resources else []

    def _open(self) -> tuple[Engine, Sandbox, State]:
        sandbox = self.start()
        say(
            f"AWS emulator: {sandbox.endpoint} ({'started' if sandbox.is_new else 'running'}, process {sandbox.pid})"
        )
        engine = self.engine(sandbox)
        self.init(engine)
        return engine, sandbox, self.state(engine)

    def up(self) -> tuple[Report, Engine, Sandbox]:
        """Make the stack as the program says."""
        engine, sandbox, extra = self.ready()
        return engine.work(f"up {self.stack}", "up", "--yes", "--skip-preview", *extra), engine, sandbox

    def preview(self) -> Report:
        """What `up` would change; changes nothing itself."""
        engine, sandbox, state = self._open()
        extra = ["--refresh"] if sandbox.is_new and state.resources else []
        return engine.work(f"preview {self.stack}", "preview", *extra)

    def refresh(self) -> Report:
        """Make the state say what the emulator has."""
        engine, _, _ = self._open()
        return engine.work(
            f"refresh {self.stack}", "refresh", "--yes", "--skip-preview", "--clear-pending-creates"
        )

    def outputs(self) -> dict[str, Any]:
        """All outputs, secrets masked; empty when nothing is up."""
        if not self.exists:
            return {}
        return json.loads(self.engine(None).ask("stack", "output", "--json"))

    def down(self, force: bool) -> list[str]:
        """Remove everything, and say what was removed. Raises LocalFailed when something would be left behind.

        force: don't ask the engine to delete the resources one by one; drop the emulator with all that it holds.
        """
        if not self.folder.exists():
            return []
        removed: list[str] = []
        if self.exists and not force:
            removed.append(f"{self._destroy()} resources")
        sandbox = daemon.find(self.folder)
        faults = daemon.leftovers(sandbox) if sandbox and not force else []
        if daemon.stop(self.folder) and sandbox:
            removed.append(f"the emulator (process {sandbox.pid})")
        shutil.rmtree(self.folder)
        removed.append(f"{self.folder.name}/ (state and emulated data)")
        if faults:
            raise LocalFailed(
                "\n    ".join(
                    [
                        "destroy left these emulated resources, which no state knew; they went with the emulator:",
                        *faults,
                    ]
                )
            )
        return removed

    def _destroy(self) -> int:
        """Delete all resources and the stack; how many there were. Raises LocalFailed."""
        engine, _, extra = self.ready()
        try:
            report = engine.work(f"down {self.stack}", "destroy", "--yes", "--skip-preview", *extra)
            engine.ask("stack", "rm", "--yes", "--preserve-config")
        except EngineFailed as error:
            raise LocalFailed(
                f"{error}\n    Nothing else was removed. Once put right: `make down` again;"
                " or drop the emulator with all that it holds: `make down ARGS=--force`"
            ) from error
        return report.counts.get("delete", 0)


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what would tie the local stack to an account, a login or another backend."""
    return {key: value for key, value in environment.items() if not key.startswith(("AWS_", "PULUMI_"))}


def is_pulumi(pid: int, read: Callable[[Path], bytes] = Path.read_bytes) -> bool:
    """Whether this process exists and is a Pulumi CLI, not another one that got the same number."""
    try:
        program = read(Path(f"/proc/{pid}/cmdline")).split(b"\0")[0]
    except OSError:
        return False
    return program.rpartition(b"/")[2].startswith(b"pulumi")
