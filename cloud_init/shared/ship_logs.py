"""Ships the journal to the machine's CloudWatch log group: all of sd-app's own units, and errors of any other.

The journal is the one place where everything is written; this reads on from its cursor every few seconds, so nothing is
lost while CloudWatch or the network is away, as long as the journal keeps it.
"""

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import boto3.session
from botocore.exceptions import BotoCoreError, ClientError

OWN_UNITS = ("sd-app", "comfyui", "pm2-", "cloud-")
ERROR_PRIORITY = 3
POLL_SECONDS = 5.0
MAX_BATCH_EVENTS = 5_000
MAX_BATCH_BYTES = 900_000
"""Below the 10,000 events and 1,048,576 bytes of a PutLogEvents; each event counts 26 bytes on top of its text."""
MAX_EVENT_BYTES = 200_000
EVENT_OVERHEAD_BYTES = 26

Entry = dict[str, Any]


def journal(cursor: str | None) -> Iterator[Entry]:
    """What was written after the cursor; without one, since this boot."""
    since = f"--after-cursor={cursor}" if cursor else "--boot"
    command = ("journalctl", "--output=json", "--no-pager", "--quiet", "--all", since)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as reading:
        assert reading.stdout is not None
        for line in reading.stdout:
            yield json.loads(line)


def wanted(entry: Entry) -> bool:
    """Whether an entry is ours or an error."""
    unit = str(entry.get("_SYSTEMD_UNIT") or entry.get("UNIT") or "")
    return unit.startswith(OWN_UNITS) or int(entry.get("PRIORITY", 6)) <= ERROR_PRIORITY


def event(entry: Entry) -> dict[str, Any]:
    """An entry as a log event. journalctl gives text that is not UTF-8 as a list of bytes."""
    message: Any = entry.get("MESSAGE") or ""
    text = str(message) if isinstance(message, str) else bytes(message).decode(errors="replace")
    unit = str(entry.get("_SYSTEMD_UNIT") or entry.get("UNIT") or entry.get("SYSLOG_IDENTIFIER") or "system")
    whole = f"{unit.removesuffix('.service')}: {text}".encode()[:MAX_EVENT_BYTES]
    return {
        "timestamp": int(entry["__REALTIME_TIMESTAMP"]) // 1000,
        "message": whole.decode(errors="ignore"),
    }


def batches(entries: Iterable[Entry]) -> Iterator[tuple[list[dict[str, Any]], str]]:
    """Events in loads that CloudWatch takes, each with the cursor that is reached with it."""
    events: list[dict[str, Any]] = []
    size, cursor = 0, ""
    for entry in entries:
        if wanted(entry):
            new = event(entry)
            weight = len(new["message"].encode()) + EVENT_OVERHEAD_BYTES
            if events and (len(events) >= MAX_BATCH_EVENTS or size + weight > MAX_BATCH_BYTES):
                yield events, cursor
                events, size = [], 0
            events.append(new)
            size += weight
        cursor = entry["__CURSOR"]
    if cursor:
        yield events, cursor


def ship(client: Any, group: str, stream: str, cursor_file: Path) -> int:
    """Send what is new; how many events. The cursor moves only past what CloudWatch has taken."""
    cursor = cursor_file.read_text() if cursor_file.exists() else None
    sent = 0
    for events, reached in batches(journal(cursor)):
        if events:
            # CloudWatch wants them in order of time, and a corrected clock makes the journal jump.
            events.sort(key=lambda one: one["timestamp"])
            client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
            sent += len(events)
        cursor_file.write_text(reached)
    return sent


def make_stream(client: Any, group: str, stream: str) -> None:
    """The machine's own stream; it may be there from an earlier boot."""
    with contextlib.suppress(client.exceptions.ResourceAlreadyExistsException):
        client.create_log_stream(logGroupName=group, logStreamName=stream)


def instance_id() -> str:
    return Path("/var/lib/cloud/data/instance-id").read_text().strip()


def main() -> None:
    client = cast(Any, boto3.session.Session(region_name=os.environ["AWS_REGION"])).client("logs")
    group, stream = os.environ["SD_APP_LOG_GROUP"], instance_id()
    cursor_file = Path(os.environ["STATE_DIRECTORY"]) / "cursor"
    stop = threading.Event()

    def end(_signal: int, _frame: object) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    make_stream(client, group, stream)
    while True:
        last = stop.wait(POLL_SECONDS)
        try:
            ship(client, group, stream, cursor_file)
        except (BotoCoreError, ClientError) as error:
            print(f"not shipped, again in {POLL_SECONDS:g} s: {error}", flush=True)
        if last:
            return


if __name__ == "__main__":
    main()
