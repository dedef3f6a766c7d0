"""`ops deploy backend`: another release of the API and its worker on the running machine, without a lost request; or the
one before again. The machine does it itself (cloud_init/backend.sh: `release`), and goes on with what it has when the new
one is no good."""

import re
import sys
from dataclasses import dataclass

import contract
from ops import run_command
from ops.boot import read_boot
from ops.errors import BAD, OpsError
from ops.machines import OUTPUTS
from ops.show import as_json, console
from ops.stack import Stack

SCRIPT = "/opt/sd-app/bin/backend.sh"
MINUTES = 30.0
REF = r"[A-Za-z0-9][\w./-]{0,199}"
"""Tags, branches and commits; nothing that a shell or git reads as an option."""
BUSY = 75
"""The script's exit status while it does this already (its lock)."""
TOLD_LINES = 12
"""Of the machine's last words when it refuses."""


@dataclass(frozen=True, kw_only=True)
class DeployArgs:
    """ref: tag, branch or commit of the repository; None with `rollback`, for the release before."""

    ref: str | None
    rollback: bool = False
    poll_seconds: float = run_command.POLL_SECONDS


def run(stack: Stack, args: DeployArgs, *, json: bool) -> int:
    """Roll it out and wait; exit status 1 with the machine's words when it was refused."""
    if bool(args.ref) == args.rollback:
        raise OpsError("name a release (a tag, branch or commit), or --rollback, and not both")
    if args.ref and not re.fullmatch(REF, args.ref):
        raise OpsError(f'"{args.ref}" is no tag, branch or commit: letters, digits and . _ / - are allowed')
    instance_id = stack.output(OUTPUTS[contract.BACKEND])
    what = args.ref or "the release before"
    told = _Told()
    told.say(f"backend {instance_id}: {what}")

    def look() -> None:
        boot = read_boot(stack, contract.BACKEND)
        if boot.state == "running" and boot.instance_id == instance_id:
            told.say(f"  {boot.stage}")

    command = f"{SCRIPT} rollback" if args.rollback else f"{SCRIPT} release {args.ref}"
    ended = run_command.run(
        stack, instance_id, command, minutes=MINUTES, look=look, poll_seconds=args.poll_seconds
    )
    last = [line for line in (ended.output + ended.errors).splitlines() if line.strip()][-TOLD_LINES:]
    if ended.status == BUSY:
        raise OpsError(
            f"another release is being rolled out on {instance_id}: try again when it is done", BAD
        )
    if ended.status != 0:
        words = "\n  ".join(last)
        raise OpsError(f"{what} was not taken:\n  {words}", BAD)
    if json:
        as_json({"instanceId": instance_id, "ref": args.ref, "rollback": args.rollback, "told": last[-1:]})
    else:
        console().print(last[-1] if last else "done", soft_wrap=True)
        console().print(
            "A machine made anew starts with sd-app:repository.ref of its stack: set it there too.",
            soft_wrap=True,
        )
    return 0


class _Told:
    """Says each thing once, on stderr: stdout is the result's."""

    def __init__(self) -> None:
        self._last = ""

    def say(self, text: str) -> None:
        if text != self._last:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()
            self._last = text
