"""`ops wait`: until a machine says itself that it is ready; what lets `pulumi up` end only when all is complete."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic, sleep
from typing import Any

from botocore.exceptions import ClientError

import contract
from ops.boot import Boot, read_boot
from ops.errors import BAD, AwsError, OpsError, code, explain, is_refusal
from ops.show import as_json, span
from ops.stack import Stack

POLL_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 0.5
LOOKS_BEFORE_GONE = 3
"""EC2 may not know a new instance for a moment; after so many looks it does not exist."""
ENDED = ("shutting-down", "terminated")
HALTED = ("stopping", "stopped")


@dataclass(frozen=True, kw_only=True)
class WaitArgs:
    """Which machine, how long, and how often to look."""

    role: str
    instance_id: str
    minutes: float
    poll_seconds: float = POLL_SECONDS


@dataclass(kw_only=True)
class _Watch:
    """What was seen so far."""

    stack: Stack
    args: WaitArgs
    say: Callable[[str], None]
    started: float = field(default_factory=monotonic)
    last: Boot = field(default_factory=lambda: Boot(state="pending"))
    unknown: int = 0
    trouble: str = ""

    def elapsed(self) -> str:
        return span(timedelta(seconds=monotonic() - self.started))

    def look(self) -> str | None:
        """Look once. None: go on; empty: ready; else why it will never be. AwsError when AWS refuses to tell."""
        boot = read_boot(self.stack, self.args.role)
        if boot.instance_id == self.args.instance_id:
            self._tell(boot)
            if boot.state == "ready":
                return ""
            if boot.state == "failed":
                return f"failed at {_stage(boot)}"
        return self._ended()

    def _tell(self, boot: Boot) -> None:
        if (boot.state, boot.stage) != (self.last.state, self.last.stage):
            said = boot.state if boot.state == "ready" else _stage(boot)
            self.say(f"{self.args.role}: {said} ({self.elapsed()})")
        self.last = boot

    def _ended(self) -> str | None:
        """Why the machine can't get ready any more, as EC2 sees it."""
        state, reason = self._instance()
        if state in ENDED:
            return f"the machine was ended{reason} at {_stage(self.last)}"
        if state in HALTED:
            return f"the machine was stopped{reason} at {_stage(self.last)}"
        if state == "unknown":
            self.unknown += 1
            if self.unknown >= LOOKS_BEFORE_GONE:
                return "EC2 knows no such machine"
        else:
            self.unknown = 0
        return None

    def _instance(self) -> tuple[str, str]:
        ec2 = self.stack.client("ec2")
        try:
            found = ec2.describe_instances(InstanceIds=[self.args.instance_id])["Reservations"]
        except ClientError as error:
            if code(error) == "InvalidInstanceID.NotFound":
                return "unknown", ""
            raise
        if not found:
            return "unknown", ""
        instance: Any = found[0]["Instances"][0]
        reason = instance.get("StateReason", {}).get("Message") or instance.get("StateTransitionReason")
        return instance["State"]["Name"], f" ({reason})" if reason else ""


def run(stack: Stack, args: WaitArgs, *, json: bool) -> int:
    """Wait; exit status 0 when ready, 1 with the reason on stderr when it failed, ended, or took too long."""
    watch = _Watch(stack=stack, args=args, say=_say_on(sys.stderr if json else sys.stdout))
    watch.say(f"{args.role}: waiting for {args.instance_id}, up to {args.minutes:g} minutes")
    fault = _poll(watch)
    if json:
        last = watch.last
        as_json(
            {
                "role": args.role,
                "instanceId": args.instance_id,
                "ready": fault == "",
                "state": last.state,
                "stage": last.stage,
                "message": last.message,
                "fault": fault,
                "elapsedSeconds": round(monotonic() - watch.started),
            }
        )
    if fault:
        log = contract.log_group(stack.name, args.role)
        raise OpsError(
            f"{args.role} {args.instance_id} is not ready after {watch.elapsed()}: {fault}\n"
            f"  its log: CloudWatch group {log}; a shell on it: aws ssm start-session --target {args.instance_id}",
            BAD,
        )
    return 0


def _poll(watch: _Watch) -> str:
    """Look again and again; empty when ready, else why not."""
    deadline = watch.started + watch.args.minutes * 60
    while True:
        try:
            result = watch.look()
            watch.trouble = ""
            if result is not None:
                return result
        except AwsError as error:
            # A refusal stays one; so does a wrong name. What the network does may pass.
            if is_refusal(error) or (isinstance(error, ClientError) and code(error) in NEVER):
                raise
            _tell_trouble(watch, explain(error))
        left = deadline - monotonic()
        if left <= 0:
            return f"time is up; last stage: {_stage(watch.last)}" + (
                f"; {watch.trouble}" if watch.trouble else ""
            )
        # Often at first: a machine of the sandbox is ready in seconds.
        pause = max(FIRST_PAUSE_SECONDS, (monotonic() - watch.started) / 10)
        sleep(min(watch.args.poll_seconds, pause, left))


NEVER = ("ParameterNotFound", "InvalidInstanceID.Malformed", "ValidationException")
"""Codes of a wrong stack, role or instance: asking again gives the same answer."""


def _tell_trouble(watch: _Watch, told: str) -> None:
    if told != watch.trouble:
        watch.say(f"{watch.args.role}: can't look now, trying again ({watch.elapsed()}): {told}")
    watch.trouble = told


def _stage(boot: Boot) -> str:
    if boot.state == "pending" and not boot.stage:
        return "none: the machine has not written its readiness record yet"
    return ": ".join(text for text in (boot.stage or boot.state, boot.message) if text)


def _say_on(stream: Any) -> Callable[[str], None]:
    def say(text: str) -> None:
        # At once: Pulumi shows the lines as they come.
        stream.write(text + "\n")
        stream.flush()

    return say
