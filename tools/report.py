"""Makes the preview that `ops report` tells of: `python -m tools.report --stack dev` (`make report STACK=dev`).

`local` is previewed on its sandbox, another stack on AWS. Without an account or a login, or with --sandbox, such a stack
is tried on an emulator of its own: made there as it was at --base, then previewed as it is now.
"""

import argparse
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import yaml

import contract
from ops import cli_report
from ops.errors import OpsError
from ops.report_changes import read
from ops.report_money import history_config
from sandbox import daemon
from tools import remote_stack
from tools.engine import Engine, EngineFailed
from tools.local_stack import LocalStack
from tools.progress import say
from tools.stack import FAULTS, LOCAL, ROOT, find_cli, local_stack, stop_in_order

LIMIT_S = 900
"""Longest that a preview may take; one takes about ten seconds, with a refresh on AWS a minute."""
HISTORY = ("stack", "history", "--json", "--page-size", "10")
ACCOUNTS = "aws:allowedAccountIds"


@dataclass(frozen=True)
class Made:
    """A preview as the engine's JSON, the config of the deployment before it, and what to know of where it was made."""

    preview: str
    before: dict[str, str]
    notes: tuple[str, ...] = ()


def made(options: argparse.Namespace) -> Made:
    """The preview of the stack, where that is possible. Raises one of tools.stack.FAULTS."""
    cli, stack = find_cli(), str(options.stack)
    extra = ("--refresh",) if options.refresh else ()
    if stack == LOCAL:
        engine, _, more = local_stack(cli).ready()
        return _preview(engine, *more, *extra)
    reason = "asked for by --sandbox"
    if not options.sandbox:
        try:
            return _preview(remote_stack.engine(cli, ROOT, stack), *extra)
        except remote_stack.RemoteFailed as failure:
            if not (ROOT / f"Pulumi.{stack}.yaml").is_file() or options.account:
                raise
            reason = str(failure).splitlines()[0].partition(". ")[0].partition(",")[0].rstrip(":")
            say(f"  {reason}; on the sandbox instead")
    return on_sandbox(cli, stack, str(options.base), reason)


def on_sandbox(cli: Path, stack: str, base: str, reason: str) -> Made:
    """The stack made in an emulator as it was at `base`, and previewed as it is now; nothing of it stays."""
    with tempfile.TemporaryDirectory(prefix="sd-app-report-") as name:
        folder = Path(name)
        try:
            was = _as_it_was(cli, folder, stack, base)
            engine = _engine(LocalStack(ROOT, folder, cli, stack, leave_out_secrets=True), folder)
            compared = f"with {base}, made there first" if was else "with nothing: every resource is new"
            note = f"Tried on the sandbox, an emulated account without credentials ({reason}); compared {compared}, not with what runs on AWS."
            return replace(_preview(engine), notes=(note,))
        finally:
            daemon.stop(folder)


def _as_it_was(cli: Path, folder: Path, stack: str, base: str) -> bool:
    """Make the stack as the commit has it; False when it can't be, which is told and no fault of the change."""
    root = folder / "base"
    try:
        _check_out(base, root)
        if not (root / f"Pulumi.{stack}.yaml").is_file():
            return False
        engine = _engine(LocalStack(root, folder, cli, stack, leave_out_secrets=True), folder)
        engine.work(f"{stack} as at {base}", "up", "--yes", "--skip-preview")
    except (EngineFailed, OSError, subprocess.CalledProcessError, tarfile.TarError) as failure:
        say(f"  {base} could not be made on the sandbox: {str(failure).splitlines()[0]}")
        return False
    return True


def _check_out(commit: str, root: Path) -> None:
    """The files of a commit, beside the checkout and not in its list of worktrees."""
    packed = subprocess.run(
        ["git", "archive", "--format=tar", commit], cwd=ROOT, check=True, capture_output=True
    ).stdout
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(root, filter="data")
    (root / ".venv").symlink_to(ROOT / ".venv")


def _engine(local: LocalStack, folder: Path) -> Engine:
    """The engine on an emulated account in which nothing boots, so that nobody waits for a machine."""
    engine = local.engine(daemon.ensure(folder))
    local.init(engine)
    document: dict[str, Any] = yaml.safe_load(local.config_file.read_text())
    document["config"].pop(ACCOUNTS, None)
    for group in ("mlServer", "backend"):
        key = f"{contract.PROJECT}:{group}"
        document["config"][key] = {**(document["config"].get(key) or {}), "waitMinutes": 0}
    file = local.home / f"Pulumi.{local.stack}.report.yaml"
    file.write_text(yaml.safe_dump(document))
    return replace(engine, config=("--config-file", str(file)))


def _preview(engine: Engine, *extra: str) -> Made:
    say(f"  preview {engine.stack}")
    return Made(digest(engine, *extra), _before(engine))


def _before(engine: Engine) -> dict[str, str]:
    try:
        return history_config(engine.ask(*HISTORY))
    except (EngineFailed, OpsError) as failure:  # the report says that it is not known
        say(f"  {engine.stack}: {str(failure).splitlines()[0]}")
        return {}


def digest(engine: Engine, *extra: str) -> str:
    """What `pulumi preview --json` says, also when it says why the change can't be. Raises EngineFailed."""
    command = [*engine.command("preview", "--json", "--show-sames", *extra), "--non-interactive"]
    done = subprocess.run(
        [*command, *engine.config],
        cwd=engine.cwd,
        env={
            key: value for key, value in engine.env.items() if key != "PULUMI_ENABLE_STREAMING_JSON_PREVIEW"
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=LIMIT_S,
    )
    try:
        read(done.stdout)
    except OpsError as error:
        raise EngineFailed((done.stderr or done.stdout).strip() or str(error)) from error
    return done.stdout


def run(options: argparse.Namespace, make: Callable[[argparse.Namespace], Made] = made) -> int:
    """Make it, show it, write it; the exit status."""
    result = make(options)
    if options.preview:
        options.preview.write_text(result.preview)
    options.note = [*result.notes, *options.note]
    status = cli_report.deliver(result.preview, result.before, options, json=options.json)
    if options.expect_no_changes and read(result.preview).changes:
        say(f"make: no changes of {options.stack} were expected")
        return 1
    return status


def parser() -> argparse.ArgumentParser:
    """The command line."""
    one = argparse.ArgumentParser(prog="python -m tools.report", description=(__doc__ or "").splitlines()[0])
    one.add_argument("--stack", default=LOCAL, help="the stack; local is the sandbox on this machine")
    where = one.add_mutually_exclusive_group()
    where.add_argument("--sandbox", action="store_true", help="on an emulator, whatever account there is")
    where.add_argument("--account", action="store_true", help="on AWS or not at all")
    one.add_argument(
        "--base",
        default="HEAD",
        metavar="COMMIT",
        help="what the sandbox starts from, and whose lock is compared; HEAD if not given",
    )
    one.add_argument("--refresh", action="store_true", help="ask AWS first what is really there")
    one.add_argument("--expect-no-changes", action="store_true", help="exit status 1 when there are any")
    one.add_argument("--preview", type=Path, metavar="FILE", help="keep the engine's JSON")
    one.add_argument("--json", action="store_true", help="JSON on stdout")
    cli_report.add_outputs(one)
    return one


def main() -> int:
    """Exit status as `ops report` has it; 2 with a message when there is no preview; 130 when stopped."""
    options = parser().parse_args()
    stop_in_order()
    try:
        return run(options)
    except OpsError as error:
        say(f"make: {error}")
        return error.status
    except (*FAULTS, subprocess.TimeoutExpired) as error:
        say(f"make: {error}")
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
