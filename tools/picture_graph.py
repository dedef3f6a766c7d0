"""What the picture of a stack shows, read from all that its program declares: rooms, what is in them, who talks to whom."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import contract
from declared.program import declare
from declared.recorder import Recorded, Recording

INSTANCE = "aws:ec2/instance:Instance"
NOTEBOOK = "aws:sagemaker/notebookInstance:NotebookInstance"
CLOCK, BELL, LOCK = "clock", "bell", "lock"
"""What hangs at a room's door: runs by a schedule, is watched by alarms, stays when the stack is destroyed."""
READS = ("Get", "BatchGet", "Query", "Receive")
WRITES = ("Put", "Update", "Send")
SERVICES = {"s3": "S3", "dynamodb": "DynamoDB"}
NAMES = {
    "backend": "Backend",
    "ml-server": "ML server",
    "notebook": "Notebook",
    "training": "Training",
}


@dataclass(kw_only=True)
class Room:
    """A component: what it has, what hangs at its door. `left_out`: it has nothing in this stack."""

    lines: list[str]
    signs: list[str] = field(default_factory=list[str])
    left_out: bool = False


@dataclass(kw_only=True)
class Graph:
    """What is drawn of a stack."""

    stack: str
    region: str
    network: str
    zones: str
    ranges: Mapping[str, list[str]]
    """`public` and `private`: their subnets' ranges."""
    endpoints: list[str]
    """Services that the private subnets reach past the way out."""
    rooms: dict[str, Room]
    talks: dict[tuple[str, str], str]
    """From which room to which, and what is to be said of it."""


def of_stack(stack: str) -> Graph:
    """The graph of a stack that has a file here."""
    return read(stack, declare(stack))


def read(stack: str, recording: Recording[Any]) -> Graph:
    """The graph of what was declared."""
    made = _Reader(recording)
    vpc = recording.only("aws:ec2/vpc:Vpc").inputs["cidrBlock"]
    subnets = recording.of("aws:ec2/subnet:Subnet")
    zones = sorted({str(one.inputs["availabilityZone"]) for one in subnets})
    region = str(recording.exports["region"])
    return Graph(
        stack=stack,
        region=region,
        network=f"VPC {vpc}",
        zones=", ".join(zones),
        ranges={kind: _ranges(subnets, kind) for kind in ("public", "private")},
        endpoints=sorted(
            SERVICES[one["serviceName"].rpartition(".")[2]]
            for one in recording.inputs_of("aws:ec2/vpcEndpoint:VpcEndpoint")
        ),
        rooms=made.rooms(),
        talks=made.talks(),
    )


def component_of(urn: str) -> str:
    """`ml-server` of a resource in `sd-app:compute:MlServer`; empty for what stands in no component."""
    token = urn.split("::")[2].split("$")[0]
    own = token.startswith(f"{contract.PROJECT}:")
    return re.sub(r"(?<!^)(?=[A-Z])", "-", token.rpartition(":")[2]).lower() if own else ""


def _ranges(subnets: Iterable[Recorded], kind: str) -> list[str]:
    return sorted(str(one.inputs["cidrBlock"]) for one in subnets if f"-{kind}-" in one.name)


class _Reader:
    """Reads rooms and ways out of one recording."""

    def __init__(self, recording: Recording[Any]) -> None:
        self._all = recording
        self._in: dict[str, list[Recorded]] = {}
        for one in sorted(recording.all, key=lambda one: one.urn):
            self._in.setdefault(component_of(one.urn), []).append(one)
        self._rights = [
            (component_of(one.urn), statement)
            for one in recording.of("aws:iam/rolePolicy:RolePolicy")
            for statement in json.loads(one.inputs["policy"])["Statement"]
        ]

    def rooms(self) -> dict[str, Room]:
        """All components but the network, which is the ground that they stand on; and the way out of it."""
        words = {
            "frontend": self._frontend,
            "edge": self._edge,
            "identity": self._identity,
            "backend": lambda: self._machine("backend"),
            "ml-server": lambda: self._machine("ml-server"),
            "notebook": self._notebook,
            "training": self._training,
            "jobs": self._jobs,
            "storage": self._storage,
            "operations": self._operations,
        }
        known = {*words, "network", ""}
        unknown = sorted(set(self._in) - known)
        if unknown:
            raise LookupError(
                f"no room for the component {', '.join(unknown)}: tell what is in it (tools/picture_graph.py), and its "
                "place (tools/picture_plan.py)"
            )
        left_out: Mapping[str, str] = self._all.exports["leftOut"]
        rooms = {"nat": Room(lines=self._nat())}
        for name, tell in words.items():
            if name in left_out:
                rooms[name] = Room(lines=["left out of this stack"], left_out=True)
            else:
                rooms[name] = Room(lines=tell(), signs=self._signs(name))
        return rooms

    def talks(self) -> dict[tuple[str, str], str]:
        """Who talks to whom: by firewall rules, by rights, and by the people's ways in."""
        talks = {("designer", "edge"): "asks the API", ("designer", "identity"): "signs in"}
        if self._in_room("frontend", "aws:amplify/app:App"):
            talks["designer", "frontend"] = "opens the page"
        for (source, target), ports in self._ports().items():
            talks[source, target] = f"port {ports[0]}" if len(ports) == 1 else ", ".join(map(str, ports))
        for source, statement in self._rights:
            for target in {component_of(one.urn) for one in self._targets(statement)} - {source}:
                if target in ("jobs", "storage"):
                    talks.setdefault((source, target), "")
                elif source != "operations" and "ec2:StartInstances" in statement["Action"]:
                    talks[source, target] = f"wakes it; {talks.get((source, target), '')}".rstrip("; ")
        if self._all.of("aws:sns/topicSubscription:TopicSubscription"):
            talks["operations", "operator"] = "e-mail"
        talks["ml-server", "nat"] = ""
        # Registrations come in another order each time.
        return dict(sorted(talks.items()))

    def _ports(self) -> dict[tuple[str, str], list[int]]:
        """Ports that a firewall opens, from the room that the rule lets in."""
        found: dict[tuple[str, str], list[int]] = {}
        groups = {one.outputs["id"]: one for one in self._all.of("aws:ec2/securityGroup:SecurityGroup")}
        for rule in self._all.inputs_of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"):
            target = component_of(groups[rule["securityGroupId"]].urn)
            if "prefixListId" in rule:
                sources = {"edge"}
            else:
                sources = self._who_has(str(rule.get("referencedSecurityGroupId"))) - {target}
            for source in sources:
                found.setdefault((source, target), []).append(int(rule["fromPort"]))
        return {pair: sorted(ports) for pair, ports in found.items()}

    def _who_has(self, group: str) -> set[str]:
        return {
            component_of(one.urn)
            for one in self._all.of(INSTANCE)
            if group in one.inputs.get("vpcSecurityGroupIds", [])
        }

    def _targets(self, statement: Mapping[str, Any]) -> Iterator[Recorded]:
        """Resources of the stack that a statement is about."""
        for arn in statement["Resource"]:
            for one in self._all.all:
                own = str(one.outputs.get("arn", ""))
                if own and (arn == own or str(arn).startswith(f"{own}/")):
                    yield one

    def _in_room(self, room: str, token: str) -> list[Recorded]:
        return [one for one in self._in.get(room, []) if one.token == token]

    def _signs(self, room: str) -> list[str]:
        ids = {str(one.outputs.get(key, "")) for one in self._in[room] for key in ("id", "name")} - {""}
        roles = {str(one.inputs.get("tags", {}).get("Role", "")) for one in self._in[room]} - {""}
        alarms = self._all.inputs_of("aws:cloudwatch/metricAlarm:MetricAlarm")
        watched = {str(value) for one in alarms for value in one["dimensions"].values()}
        timed = json.dumps([one["target"] for one in self._all.inputs_of("aws:scheduler/schedule:Schedule")])
        is_machine = any(one.token in (INSTANCE, NOTEBOOK) for one in self._in[room])
        return [
            *([CLOCK] if is_machine and any(f'"{one}' in timed.replace("\\", "") for one in ids) else []),
            *([BELL] if watched & (ids | roles) else []),
            *([LOCK] if any(one.protect for one in self._in[room]) else []),
        ]

    def _frontend(self) -> list[str]:
        return ["the designer's page,", "on Amplify"]

    def _edge(self) -> list[str]:
        [site] = self._in_room("edge", "aws:cloudfront/distribution:Distribution")
        own = site.inputs.get("aliases")
        return ["CloudFront, HTTPS alone", str(own[0]) if own else "at a fixed address"]

    def _identity(self) -> list[str]:
        [pool] = self._in_room("identity", "aws:cognito/userPool:UserPool")
        return ["Cognito, by invitation", f"second factor {str(pool.inputs['mfaConfiguration']).lower()}"]

    def _machine(self, room: str) -> list[str]:
        [machine] = self._in_room(room, INSTANCE)
        spot = "spot, " if machine.inputs.get("instanceMarketOptions") else ""
        does = {"backend": "API and worker, Node.js", "ml-server": "ComfyUI for text and for sketches"}[room]
        disk = machine.inputs["rootBlockDevice"]["volumeSize"]
        return [does, f"{machine.inputs['instanceType']}, {spot}{disk} GiB"]

    def _notebook(self) -> list[str]:
        [notebook] = self._in_room("notebook", NOTEBOOK)
        return ["SageMaker", str(notebook.inputs["instanceType"])]

    def _training(self) -> list[str]:
        job: Mapping[str, Any] = self._all.exports["training"]
        return [str(job["instanceType"]), *(["on spot"] if job["spot"] else [])]

    def _jobs(self) -> list[str]:
        queues = [
            one.name.rpartition("-")[2] for one in reversed(self._in_room("jobs", "aws:sqs/queue:Queue"))
        ]
        [table] = self._in_room("jobs", "aws:dynamodb/table:Table")
        kept = table.inputs.get("pointInTimeRecovery", {}).get("enabled")
        return [
            f"SQS: {', '.join(queues)} letters",
            "DynamoDB: generations",
            "restorable to any second" if kept else "no backup of the table",
        ]

    def _storage(self) -> list[str]:
        [bucket] = self._in_room("storage", "aws:s3/bucket:Bucket")
        return [
            f"S3: {bucket.inputs['bucket']}, old versions kept",
            *self._users_of(str(bucket.outputs["arn"])),
        ]

    def _users_of(self, bucket: str) -> list[str]:
        """`ML server reads models/ loras/`, a line for each who may."""
        rights: dict[str, dict[str, str]] = {}
        for room, statement in self._rights:
            words = [action.partition(":")[2] for action in statement["Action"]]
            verb = "writes" if any(word.startswith(WRITES) for word in words) else "reads"
            for arn in statement["Resource"]:
                if str(arn).startswith(f"{bucket}/") and any(word.startswith(READS) for word in words):
                    rights.setdefault(room, {})[str(arn).removeprefix(f"{bucket}/").rstrip("*")] = verb
        return [f"{NAMES[room]} {_phrase(rights[room])}" for room in NAMES if room in rights]

    def _nat(self) -> list[str]:
        gateways = len(self._all.of("aws:ec2/natGateway:NatGateway"))
        instances = [one for one in self._all.of(INSTANCE) if component_of(one.urn) == "network"]
        if gateways:
            return ["a NAT gateway" if gateways == 1 else f"{gateways} NAT gateways"]
        return ["a NAT machine", str(instances[0].inputs["instanceType"])] if instances else ["none"]

    def _operations(self) -> list[str]:
        alarms = len(self._in_room("operations", "aws:cloudwatch/metricAlarm:MetricAlarm"))
        [budget] = self._in_room("operations", "aws:budgets/budget:Budget")
        lines = [
            f"{alarms} alarms, a dashboard, a budget of ${float(budget.inputs['limitAmount']):g} a month"
        ]
        times: dict[str, list[str]] = {}
        zone = ""
        for one in self._in_room("operations", "aws:scheduler/schedule:Schedule"):
            role, _, what = one.name.partition("-hours-")[2].rpartition("-")
            zone = str(one.inputs["scheduleExpressionTimezone"])
            times.setdefault(role, []).append(f"{what} {_moment(str(one.inputs['scheduleExpression']))}")
        lines += [f"{NAMES[role]}: {', '.join(told)}" for role, told in times.items()]
        return [*lines, *([f"times of {zone}"] if zone else [])]


def _phrase(prefixes: Mapping[str, str]) -> str:
    parts = [
        f"{verb} {' '.join(sorted(p for p, v in prefixes.items() if v == verb))}"
        for verb in ("writes", "reads")
        if verb in prefixes.values()
    ]
    return ", ".join(parts)


def _moment(cron: str) -> str:
    """`08:00 Mon-Fri` of `cron(0 8 ? * MON-FRI *)`; another form as it stands."""
    found = re.fullmatch(r"cron\((\d+) (\d+) \? \* (\S+) \*\)", cron)
    if not found:
        return cron
    minute, hour, days = found.groups()
    when = "daily" if days == "*" else re.sub("[A-Z]+", lambda day: day[0].capitalize(), days)
    return f"{int(hour):02}:{int(minute):02} {when}"
