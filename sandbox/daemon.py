"""The sandbox's process: the AWS emulator, both providers and, if asked, the machines, in the background, one for each
folder.

`ensure` starts it, `find` looks for it, `stop` ends it. It outlives the terminal. What it emulates is in its memory:
once the process is gone, the next `ensure` says so (`is_new`), and `pulumi up --refresh` builds everything again.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.machines.processes import end_strays

START_LIMIT_S = 60.0
"""Longest that it may take to answer; it takes about two."""

STOP_LIMIT_S = 25.0
"""Longest that it may take to end before it is killed; its machines' services may take 16 of them."""

ANSWER_LIMIT_S = 5.0
LOG_LINES = 20
MODULE = "sandbox.daemon"
REGION = "us-east-1"
MACHINES = "SANDBOX_MACHINES"
"""Set in the process's environment when emulated instances shall run something."""
CHOICES = (
    "COMFY_UI_ADDRESS",
    "COMFY_UI_TEXT_PORT",
    "COMFY_UI_SKETCH_PORT",
    "SANDBOX_BOOT_SECONDS",
    "SANDBOX_SECONDS_PER_STEP",
)
"""What the user may choose in the environment of `make up` for the machines; another choice needs another process.

One that isn't in the environment stays as it was; an empty one is the default again.
"""
NUMBERS = ("SANDBOX_BOOT_SECONDS", "SANDBOX_SECONDS_PER_STEP")


class SandboxFailed(Exception):
    """The sandbox doesn't start; the message has the end of its log."""


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox."""

    endpoint: str
    """URL of the emulated AWS."""
    aws_port: int
    """Port of the `aws` provider."""
    command_port: int
    """Port of the `command` provider."""
    pid: int
    is_new: bool = field(default=False, compare=False)
    """Whether it was started just now, and so is empty."""

    def environment(self) -> dict[str, str]:
        """What Pulumi, and whatever talks to AWS, need in their environment to use it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "sandbox",
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_EC2_METADATA_DISABLED": "true",
            "PULUMI_DEBUG_PROVIDERS": f"aws:{self.aws_port},command:{self.command_port}",
        }


def ensure(folder: Path, *, machines: bool = False) -> Sandbox:
    """The sandbox whose files are in `folder`; started if it isn't alive. Raises SandboxFailed.

    machines: emulated instances of the ML server and the backend run something, once it is started.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        record = _record(folder)
        found = find(folder)
        chosen = _choices() if machines else {}
        if (
            found
            and record.get("code") == code_version()
            and (record["machines"] or not machines)
            and chosen.items() <= record["choices"].items()
        ):
            return found
        if found:
            _end(folder)  # it was started from other code than this, or with other choices
        return _start(folder, machines)


def find(folder: Path) -> Sandbox | None:
    """The sandbox that runs for this folder, or None. Asked, not believed: the number of its process may be another's."""
    record = _record(folder.absolute())
    if not record or not _is_ours(int(record["pid"]), folder.absolute()):
        return None
    if _ask(f"{record['endpoint']}/_sandbox") != {"emulator": record["emulator"]}:
        return None
    return Sandbox(record["endpoint"], record["aws_port"], record["command_port"], record["pid"])


def choices(folder: Path) -> dict[str, str]:
    """What was chosen for the machines when the sandbox was started (CHOICES); it holds until another choice is made."""
    return dict(_record(folder.absolute()).get("choices", {}))


def _choices() -> dict[str, str]:
    """What the environment chooses now. Raises SandboxFailed for a number that is none."""
    chosen = {name: os.environ[name] for name in CHOICES if name in os.environ}
    for name in NUMBERS:
        try:
            if 0 <= float(chosen.get(name) or 0) < math.inf:
                continue
        except ValueError:
            pass
        raise SandboxFailed(f"{name}: {chosen[name]!r} is not allowed; allowed: seconds, such as 0 or 2.5")
    return chosen


def stop(folder: Path) -> bool:
    """End the sandbox, and all that is emulated with it; False when none was running."""
    folder = folder.absolute()
    running = _end(folder)
    end_strays(folder / "machines")  # of one that was killed, now or earlier
    (folder / "sandbox.json").unlink(missing_ok=True)
    return running


def _end(folder: Path) -> bool:
    pid = int(_record(folder).get("pid", 0))
    if not pid or not _is_ours(pid, folder):
        return False
    os.kill(pid, signal.SIGTERM)
    if not _wait(lambda: not _is_ours(pid, folder), STOP_LIMIT_S):
        os.kill(pid, signal.SIGKILL)
        _wait(lambda: not _is_ours(pid, folder), STOP_LIMIT_S)
    return True


def edge_url(folder: Path, stack: str) -> str | None:
    """Where the stack's API is reached on this machine, as through CloudFront; None before there was a distribution."""
    return url_of(folder, f"{stack}/edge")


def page_url(folder: Path, stack: str) -> str | None:
    """Where the stack's page is on this machine; None before there was a distribution."""
    return url_of(folder, f"{stack}/page")


def page_config(folder: Path, stack: str) -> Path:
    """The file that the stack's page has its config from."""
    return folder.absolute() / "page" / f"{stack}.json"


def url_of(folder: Path, name: str) -> str | None:
    """Where something of the emulated network, such as `local/172.16.0.10:8188`, lies on this machine; None if nowhere."""
    with suppress(FileNotFoundError, ValueError, KeyError):
        return f"http://127.0.0.1:{json.loads((folder.absolute() / 'addresses.json').read_text())[name]}"
    return None


def leftovers(sandbox: Sandbox) -> list[str]:
    """What is still in the emulator, apart from what every AWS account has: a line each."""
    found = _ask(f"{sandbox.endpoint}/_sandbox/leftovers")
    if not isinstance(found, list):
        raise SandboxFailed(f"the sandbox (process {sandbox.pid}) doesn't answer at {sandbox.endpoint}")
    return [str(one) for one in found]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] # JSON


def code_version() -> str:
    """Fingerprint of what the process runs: it is started anew when that changes."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _record(folder: Path) -> dict[str, Any]:
    """The state file's content; empty when there is none."""
    with suppress(FileNotFoundError, ValueError):
        return json.loads((folder / "sandbox.json").read_text())
    return {}


@contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Two commands at once start one sandbox, not two."""
    with (folder / "sandbox.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _is_ours(pid: int, folder: Path) -> bool:
    """Whether that process is alive and is the sandbox of this folder."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)  # when it's our own child, an ended one would stay as a zombie
    told = subprocess.run(
        ["ps", "-ww", "-o", "stat=,command=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return not told.startswith("Z") and told.endswith(f"-m {MODULE} {folder}")


def _ask(url: str) -> Any:
    """The JSON at a URL on this machine, or None."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with suppress(OSError, ValueError):
        return json.loads(direct.open(url, timeout=ANSWER_LIMIT_S).read())
    return None


def _wait(done: Callable[[], Any], limit_s: float) -> bool:
    deadline = time.monotonic() + limit_s
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _start(folder: Path, machines: bool) -> Sandbox:
    log = folder / "daemon.log"
    env = dict(os.environ, PYTHONPATH=str(Path(__file__).parent.parent), PYTHONUNBUFFERED="1")
    env.pop(MACHINES, None)
    env.update({MACHINES: "1"} if machines else {})
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", MODULE, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,
        )
    _wait(lambda: find(folder) or process.poll() is not None, START_LIMIT_S)
    found = find(folder)
    if found is None:
        if process.poll() is None:
            process.kill()
        tail = "\n".join(f"    {line}" for line in log.read_text(errors="replace").splitlines()[-LOG_LINES:])
        raise SandboxFailed(f"the sandbox doesn't start; the end of {log}:\n{tail}")
    return Sandbox(found.endpoint, found.aws_port, found.command_port, found.pid, is_new=True)


def _isolate() -> None:
    """Nothing of the user's AWS set-up may reach what runs in here, and nothing of ours AWS."""
    for name in list(os.environ):
        if name.startswith("AWS_"):
            del os.environ[name]
    os.environ.update(
        AWS_ACCESS_KEY_ID="sandbox",
        AWS_SECRET_ACCESS_KEY="sandbox",
        AWS_DEFAULT_REGION=REGION,
        AWS_EC2_METADATA_DISABLED="true",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        NO_PROXY="127.0.0.1,localhost",
    )


def _last_port(folder: Path) -> int:
    """The port of the emulator before this one, or 0: programs that know its address needn't learn another."""
    return int(str(_record(folder).get("endpoint", ":0")).rsplit(":", 1)[1])


def main(folder: Path) -> None:
    """Serve until told to end."""
    _isolate()
    # Only here: whoever merely looks for the sandbox needn't wait for moto, gRPC and the SDK.
    from sandbox import emulator, leftovers, schema, serving
    from sandbox.aws import TYPES
    from sandbox.aws.table import Store
    from sandbox.command import CommandProvider
    from sandbox.machines.supervisor import Supervisor
    from sandbox.provider import AwsProvider
    from sandbox.training_jobs import TrainingJobs
    from sandbox.training_run import Runner

    store = Store(folder / "store")
    store.wipe()  # moto forgot its half with the process before, so ours must go too
    identity = secrets.token_hex(16)
    machines = Supervisor(folder / "machines", REGION)
    runner = Runner(folder / "training", REGION)
    training = TrainingJobs(emulator.ACCOUNT, REGION, runner)
    endpoint = runner.endpoint = emulator.serve(
        identity, _last_port(folder), lambda: leftovers.left(store), machines.saw_call, training
    )
    os.environ["AWS_ENDPOINT_URL"] = endpoint  # for the commands that run from here
    if os.environ.get(MACHINES):
        machines.start(endpoint)
    aws, command = AwsProvider(endpoint, store, emulator.ACCOUNT), CommandProvider()
    (_aws_server, aws_port), (_command_server, command_port) = serving.serve(aws), serving.serve(command)
    record = {
        "pid": os.getpid(),
        "endpoint": endpoint,
        "aws_port": aws_port,
        "command_port": command_port,
        "emulator": identity,
        "code": code_version(),
        "machines": bool(os.environ.get(MACHINES)),
        "choices": {name: os.environ[name] for name in CHOICES if name in os.environ},
    }
    draft = folder / "sandbox.json.new"
    draft.write_text(json.dumps(record, indent=1))
    draft.replace(folder / "sandbox.json")
    threading.Thread(target=schema.warm, args=(TYPES,), daemon=True).start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    training.close()
    machines.close()
    command.stop()
    os._exit(0)  # threads in the middle of a request don't keep the process


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})  # before any thread is made
    main(Path(sys.argv[1]))
