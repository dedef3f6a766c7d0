"""`ops start` and `ops stop`: wake a machine or put it to sleep, and wait until it is."""

import time
from dataclasses import dataclass
from typing import Any, Literal

import contract
from ops.errors import BAD, OpsError
from ops.show import as_json, console
from ops.stack import Stack

OUTPUTS = {contract.ML_SERVER: "mlServerInstanceId", contract.BACKEND: "backendInstanceId"}
"""Output that names the machine of a role."""
ADDRESSES = {contract.ML_SERVER: "mlServerPrivateIp", contract.BACKEND: "backendPublicIp"}
POLL_SECONDS = 3.0
LIMIT_MINUTES = 15.0
"""A GPU machine may take some minutes to stop; capacity is refused at once."""

Goal = Literal["running", "stopped"]
FINAL = ("shutting-down", "terminated")


@dataclass(frozen=True, kw_only=True)
class SwitchArgs:
    """Which machine, to which state; how often to look, and for how long."""

    role: str
    goal: Goal
    poll_seconds: float = POLL_SECONDS
    limit_minutes: float = LIMIT_MINUTES


def run(stack: Stack, args: SwitchArgs, *, json: bool) -> int:
    """Bring the machine there; a machine that is there already is left alone."""
    outputs = stack.outputs()
    instance_id = outputs.get(OUTPUTS[args.role])
    if not instance_id:
        raise OpsError(
            f"the outputs of stack {stack.name} name no {args.role}: run `make up STACK={stack.name}`"
        )
    ec2 = stack.client("ec2")
    started = _state(ec2, instance_id)
    _switch(ec2, instance_id, args, told=not json)
    address = outputs.get(ADDRESSES[args.role], "")
    if json:
        as_json(
            {
                "role": args.role,
                "instanceId": instance_id,
                "state": args.goal,
                "changed": started != args.goal,
            }
        )
    else:
        already = "already " if started == args.goal else ""
        console().print(f"{args.role} is {already}{args.goal} ({instance_id}, {address})")
    return 0


def _switch(ec2: Any, instance_id: str, args: SwitchArgs, *, told: bool) -> None:
    deadline = time.monotonic() + args.limit_minutes * 60
    asked, last = False, ""
    while True:
        state = _state(ec2, instance_id)
        if state in FINAL:
            raise OpsError(f"{args.role} {instance_id} is {state}: Pulumi makes a new one (`make up`)", BAD)
        if told and state != last and state != args.goal:
            console(errors=True).print(f"{args.role} is {state}…")
        last = state
        if state == args.goal:
            return
        # EC2 starts no machine that is stopping, and stops none that is pending: wait for the end of it first.
        if not asked and state == ("stopped" if args.goal == "running" else "running"):
            action = ec2.start_instances if args.goal == "running" else ec2.stop_instances
            action(InstanceIds=[instance_id])
            asked = True
        if time.monotonic() >= deadline:
            raise OpsError(
                f"{args.role} {instance_id} is still {state} after {args.limit_minutes:g} minutes; look again with "
                "`python -m ops status`",
                BAD,
            )
        time.sleep(args.poll_seconds)


def _state(ec2: Any, instance_id: str) -> str:
    answer = ec2.describe_instances(InstanceIds=[instance_id])
    return str(answer["Reservations"][0]["Instances"][0]["State"]["Name"])
