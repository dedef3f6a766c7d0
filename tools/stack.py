"""A stack's day: up, preview, outputs, refresh, down. What the Makefile calls: `python -m tools.stack up --stack dev`.

`local` runs on the sandbox; every other stack on AWS, with the official plugins and the user's own Pulumi login.
"""

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Any

from ops.stack import connect
from sandbox.daemon import Sandbox, SandboxFailed
from tools import first_pictures, local_page, outputs_view, pulumi_cli, remote_down, remote_stack
from tools.engine import Engine, EngineFailed
from tools.engine_events import Report
from tools.local_stack import LocalFailed, LocalStack
from tools.progress import CommandFailed, say

ROOT = Path(__file__).resolve().parents[1]
LOCAL = "local"
ACTIONS = ("up", "preview", "outputs", "refresh", "down")
MANY = 40
"""Changes listed one by one; of more, new resources are only counted."""


FAULTS = (
    pulumi_cli.NoPulumi,
    SandboxFailed,
    EngineFailed,
    LocalFailed,
    remote_stack.RemoteFailed,
    CommandFailed,
    first_pictures.NoPictures,
    local_page.NoPage,
)
"""What a person can put right: told as one message, without a trace."""


def find_cli() -> Path:
    """Folder of the Pulumi CLI; says which one was taken."""
    cli = pulumi_cli.find()
    say(f"Pulumi CLI {cli.version} ({cli.way}): {_short(cli.reason)}")
    return cli.directory


def _short(text: str) -> str:
    return text.replace(str(Path.home()), "~")


def local_stack(cli: Path) -> LocalStack:
    """The stack of this checkout's sandbox."""
    return LocalStack(ROOT, ROOT / ".sandbox", cli)


def outputs_of(stack: str) -> dict[str, Any]:
    """All outputs of a stack; empty when nothing is up."""
    if stack == LOCAL:
        if not (ROOT / ".sandbox").is_dir():
            return {}
        return local_stack(find_cli()).outputs()
    return json.loads(remote_stack.engine(find_cli(), ROOT, stack).ask("stack", "output", "--json"))


def _up() -> int:
    report, engine, sandbox = local_stack(find_cli()).up()
    _warn(report)
    say(f"up {LOCAL}: {report.summary()}, {report.seconds:.0f} s")
    outputs: dict[str, Any] = json.loads(engine.ask("stack", "output", "--json"))
    folder = ROOT / ".sandbox"
    made = first_pictures.make(connect(LOCAL), folder, outputs)
    page = local_page.publish(folder, LOCAL, sandbox.endpoint, outputs)
    _show_main(outputs, sandbox, made, page)
    return 0


def _show_main(outputs: dict[str, Any], sandbox: Sandbox, made: first_pictures.Made, page: str) -> None:
    print(flush=True)
    outputs_view.show(outputs, [name for name in outputs_view.MAIN if outputs.get(name)])
    for line in outputs_view.left_out(outputs):
        print(f"left out: {line}")
    pictures = "  ".join(str(path.relative_to(ROOT)) for path in made.files)
    print(
        f"\npage       {page}\n"
        f"API        {made.url}  (documented at /api/openapi.json)\n"
        f"sign-in    {made.email}  {made.password}\n"
        f"pictures   {pictures}\n"
        f"\nAll of it is emulated on this machine, at {sandbox.endpoint}. Next:\n"
        "  make outputs    everything the stack tells\n"
        "  make preview    what `make up` would change\n"
        "  make down       remove it all",
        flush=True,
    )


def _preview(expect_no_changes: bool) -> int:
    report = local_stack(find_cli()).preview()
    _warn(report)
    for line in report.shown_steps(MANY):
        print(f"  {line}")
    print(f"preview {LOCAL}: {_planned(report)}, {report.seconds:.0f} s", flush=True)
    if expect_no_changes and report.changes:
        say("make: no changes were expected")
        return 1
    return 0


def _planned(report: Report) -> str:
    told = [f"{n} to {op}" for op, n in report.counts.items() if op != "same" and n]
    unchanged = report.counts.get("same", 0)
    return ", ".join([*(told or ["no changes"]), *([f"{unchanged} unchanged"] if unchanged else [])])


def _warn(report: Report) -> None:
    for text in report.warnings:
        say(f"  warning: {text}")


def _outputs(stack: str, as_json: bool) -> int:
    outputs = outputs_of(stack)
    if as_json:
        print(json.dumps(outputs, indent=2))
    elif outputs:
        outputs_view.show(outputs)
    if not outputs:
        say(f"{stack}: nothing is up; `make up STACK={stack}` makes it")
        return 1
    return 0


def _refresh() -> int:
    report = local_stack(find_cli()).refresh()
    _warn(report)
    print(f"refresh {LOCAL}: {_planned(report)}, {report.seconds:.0f} s", flush=True)
    return 0


def _down(force: bool) -> int:
    folder = ROOT / ".sandbox"
    if not folder.exists():
        print(f"{LOCAL}: nothing is up")
        return 0
    removed = local_stack(Path() if force else find_cli()).down(force)
    print(f"down {LOCAL}: removed {', '.join(removed)}")
    return 0


def _remote(action: str, stack: str, extra: list[str], doctor: bool) -> int:
    """On AWS the CLI's own screen is shown, and it asks before it changes anything."""
    cli = find_cli()
    if action == "up" and doctor:
        remote_stack.must_be_ready(ROOT, stack)
    engine: Engine = remote_stack.engine(cli, ROOT, stack)
    if action == "down":
        return remote_down.take_down(engine, ROOT)
    return engine.show(action, *extra)


def run(options: argparse.Namespace) -> int:
    """Do what was asked; the exit status."""
    action, stack = str(options.action), str(options.stack)
    if action == "outputs":
        return _outputs(stack, options.json)
    if stack != LOCAL:
        extra = ["--expect-no-changes"] if options.expect_no_changes else []
        return _remote(action, stack, extra, options.doctor)
    match action:
        case "up":
            return _up()
        case "preview":
            return _preview(options.expect_no_changes)
        case "refresh":
            return _refresh()
        case _:
            return _down(options.force)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="python -m tools.stack", description=(__doc__ or "").splitlines()[0])
    made.add_argument("action", choices=ACTIONS)
    made.add_argument("--stack", default=LOCAL, help="the stack; local is the sandbox on this machine")
    made.add_argument(
        "--expect-no-changes", action="store_true", help="preview fails when it would change anything"
    )
    made.add_argument(
        "--no-doctor",
        dest="doctor",
        action="store_false",
        help="up of a stack on AWS without `ops doctor` before it",
    )
    made.add_argument("--json", action="store_true", help="outputs as JSON")
    made.add_argument(
        "--force", action="store_true", help="down of local without the engine: drop the emulator whole"
    )
    return made


def stop_in_order() -> None:
    """Let SIGTERM end this process as Ctrl-C does: so that what it started ends too."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def main() -> int:
    """Exit status 0 when it was done; 1 with a message that tells what to do; 130 when stopped."""
    options = parser().parse_args()
    stop_in_order()
    try:
        return run(options)
    except FAULTS as error:
        say(f"make: {error}")
        return 1
    except KeyboardInterrupt:
        say(f"make: {options.action} was stopped; the same command again goes on from here")
        return 130


if __name__ == "__main__":
    sys.exit(main())
