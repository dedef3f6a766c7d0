"""The parts of a stack and how each is asked how it is."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import contract
from ops.boot import read_boot
from ops.errors import AwsError, explain
from ops.part import Ask, Health, Outputs, Part, Reader, last, without_scheme
from ops.show import counted, size
from ops.stack import Stack
from ops.work_parts import WORK_READERS

COUNTED_FILES = 5_000
"""Objects counted under a prefix: more would make `status` slow."""
CLOUDFRONT_REGION = "us-east-1"
"""CloudFront's alarms are there, whatever the stack's Region."""

MACHINE_HEALTH: Mapping[str, Health] = {
    "running": "ok",
    "pending": "changing",
    "stopping": "changing",
    "stopped": "resting",
}
"""EC2's other states, shutting-down and terminated, are broken: Pulumi alone ends machines."""


def _machine(role: str, address_output: str) -> Ask:
    def ask(stack: Stack, outputs: Outputs, part: str, instance_id: Any) -> list[Part]:
        answer = stack.client("ec2").describe_instances(InstanceIds=[instance_id])
        found = answer["Reservations"][0]["Instances"][0]
        state = found["State"]["Name"]
        health = MACHINE_HEALTH.get(state, "broken")
        note = ""
        if state == "running":
            boot, note = _boot(stack, role, instance_id)
            state = f"running, {boot}" if boot else state
            health = BOOT_HEALTH.get(boot, health)
        return [
            Part(
                part=part,
                state=state,
                health=health,
                address=str(outputs.get(address_output) or instance_id),
                since=found.get("LaunchTime") if state.startswith("running") else None,
                note=note,
            )
        ]

    return ask


BOOT_HEALTH: Mapping[str, Health] = {"failed": "broken", "pending": "changing", "running": "changing"}


def _boot(stack: Stack, role: str, instance_id: str) -> tuple[str, str]:
    """State of the machine's readiness record, empty when it has none, and what is to be said about it."""
    try:
        boot = read_boot(stack, role)
    except AwsError as error:
        return "", f"its readiness record can't be read: {explain(error)}"
    if boot.instance_id != instance_id:
        return "", "no readiness record of this machine yet"
    return boot.state, boot.told()


def _edge(stack: Stack, outputs: Outputs, part: str, distribution_id: Any) -> list[Part]:
    found = stack.client("cloudfront").get_distribution(Id=distribution_id)["Distribution"]
    enabled = found["DistributionConfig"]["Enabled"]
    state = found["Status"].lower() if enabled else "switched off"
    return [
        Part(
            part=part,
            state=state,
            health="broken" if not enabled else "ok" if state == "deployed" else "changing",
            address=str(outputs.get("backendUrl") or found["DomainName"]),
            shown=without_scheme(str(outputs.get("backendUrl") or found["DomainName"])),
            since=found.get("LastModifiedTime"),
        )
    ]


def _bucket(stack: Stack, outputs: Outputs, part: str, bucket: Any) -> list[Part]:
    # The first listing also says whether the bucket is there.
    rows = [_prefix(stack, bucket, prefix) for prefix in contract.BUCKET_PREFIXES]
    return [Part(part=part, state="there", health="ok", address=f"s3://{bucket}"), *rows]


def _prefix(stack: Stack, bucket: str, prefix: str) -> Part:
    """Files and bytes under a prefix, up to COUNTED_FILES."""
    listing = stack.client("s3").get_paginator("list_objects_v2")
    pages = listing.paginate(Bucket=bucket, Prefix=prefix, PaginationConfig={"MaxItems": COUNTED_FILES})
    found: list[Any] = [
        entry for page in pages for entry in page.get("Contents", []) if not entry["Key"].endswith("/")
    ]
    more = pages.resume_token is not None
    count, total = len(found), sum(entry["Size"] for entry in found)
    newest = max((entry["LastModified"] for entry in found), default=None)
    state = f"{'over ' if more else ''}{counted(count, 'file')}, {size(total)}" if count else "empty"
    return Part(
        part=f"  {prefix}",
        state=state,
        health="ok",
        address=f"s3://{bucket}/{prefix}",
        since=newest,
        shown=" ",
        note=f"only the first {counted(count, 'file')} counted" if more else "",
    )


NOTEBOOK_HEALTH: Mapping[str, Health] = {
    "InService": "ok",
    "Pending": "changing",
    "Stopping": "changing",
    "Updating": "changing",
    "Stopped": "resting",
}


def _notebook(stack: Stack, outputs: Outputs, part: str, name: Any) -> list[Part]:
    found = stack.client("sagemaker").describe_notebook_instance(NotebookInstanceName=name)
    state = found["NotebookInstanceStatus"]
    return [
        Part(
            part=part,
            state=state,
            health=NOTEBOOK_HEALTH.get(state, "broken"),
            address=found.get("Url") or name,
            shown=name,
            since=found.get("LastModifiedTime"),
            note=found.get("FailureReason", ""),
        )
    ]


BUILD_HEALTH: Mapping[str, Health] = {
    "SUCCEED": "ok",
    "PENDING": "changing",
    "PROVISIONING": "changing",
    "CREATED": "changing",
    "RUNNING": "changing",
    "CANCELLING": "changing",
}


def _frontend(stack: Stack, outputs: Outputs, part: str, app_id: Any) -> list[Part]:
    """The page, and how its last build went."""
    app = stack.client("amplify").get_app(appId=app_id)["app"]
    built: Mapping[str, Any] = app.get("productionBranch") or {}
    status = built.get("status", "")
    url = str(outputs.get("frontendUrl") or app["defaultDomain"])
    if not status:
        note = "push to the branch, or start a build in Amplify's console"
        return [
            Part(
                part=part,
                state="not built yet",
                health="changing",
                address=url,
                shown=without_scheme(url),
                note=note,
            )
        ]
    return [
        Part(
            part=part,
            state=f"build {status.lower()}",
            health=BUILD_HEALTH.get(status, "broken"),
            address=url,
            shown=without_scheme(url),
            since=built.get("lastDeployTime"),
        )
    ]


def _dashboard(stack: Stack, outputs: Outputs, part: str, url: Any) -> list[Part]:
    name = unquote(last(str(url)).rpartition("name=")[2])
    stack.client("cloudwatch").get_dashboard(DashboardName=name)
    return [Part(part=part, state="there", health="ok", address=url, shown=name)]


def _alarms(stack: Stack, outputs: Outputs, part: str, _: Any) -> list[Part]:
    """How many there are, and a row for each that rings."""
    found: list[Any] = []
    for region in {stack.region, CLOUDFRONT_REGION}:
        pages = stack.client("cloudwatch", region).get_paginator("describe_alarms")
        # With the dash: the alarms of a stack `dev2` are not dev's.
        for page in pages.paginate(AlarmNamePrefix=f"{contract.prefix(stack.name)}-"):
            found += page.get("MetricAlarms", [])
    ringing = [alarm for alarm in found if alarm["StateValue"] == "ALARM"]
    if not found:
        note = f"no alarm is called {contract.prefix(stack.name)}-…; run `make up STACK={stack.name}`"
        return [Part(part=part, state="missing", health="broken", note=note)]
    state = f"{len(ringing)} of {len(found)} ringing" if ringing else f"none of {len(found)} rings"
    first = Part(part=part, state=state, health="broken" if ringing else "ok")
    return [first, *(_alarm(alarm) for alarm in ringing)]


def _alarm(alarm: Mapping[str, Any]) -> Part:
    return Part(
        part="  alarm",
        state="ALARM",
        health="broken",
        address=alarm["AlarmName"],
        since=alarm.get("StateUpdatedTimestamp"),
        note=alarm.get("AlarmDescription") or alarm.get("StateReason", ""),
    )


READERS = (
    Reader(
        part="ML server",
        output="mlServerInstanceId",
        ask=_machine(contract.ML_SERVER, "mlServerPrivateIp"),
    ),
    Reader(part="backend", output="backendInstanceId", ask=_machine(contract.BACKEND, "backendPublicIp")),
    Reader(part="edge", output="distributionId", ask=_edge, address="backendUrl"),
    Reader(part="bucket", output="bucketName", ask=_bucket),
    *WORK_READERS,
    Reader(part="notebook", output="notebookName", ask=_notebook, left_out="notebook"),
    Reader(
        part="frontend",
        output="amplifyAppId",
        ask=_frontend,
        left_out="frontend",
        address="frontendUrl",
        emulators_lack_it=True,
    ),
    Reader(part="dashboard", output="dashboardUrl", ask=_dashboard),
    Reader(part="alarms", output="dashboardUrl", ask=_alarms),
)
