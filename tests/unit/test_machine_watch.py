"""What the machines tell and how the notebook ends: the journal shipped to CloudWatch, and the notebook's idle stop."""

import json
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.machine_fakes import fake_command, load
from tests.unit.ops_cloud import running_cloud

logs, notebook = load("shared/ship_logs.py"), load("notebook/notebook_idle_stop.py")
GROUP, STREAM = "/sd-app/dev/backend", "i-0123456789abcdef0"


def entry(
    cursor: int, message: Any, unit: str = "sd-app-prepare.service", priority: int = 6
) -> dict[str, Any]:
    """A line of `journalctl --output=json`, a second after the one before."""
    started = int((datetime.now(UTC) - timedelta(minutes=5)).timestamp())
    return {
        "__CURSOR": f"c{cursor}",
        "__REALTIME_TIMESTAMP": str((started + cursor) * 1_000_000),
        "_SYSTEMD_UNIT": unit,
        "PRIORITY": str(priority),
        "MESSAGE": message,
    }


@pytest.fixture
def client() -> Iterator[Any]:
    with running_cloud() as cloud:
        made = cloud.client("logs")
        made.create_log_group(logGroupName=GROUP)
        logs.make_stream(made, GROUP, STREAM)
        yield made


def shipped(client: Any) -> list[str]:
    found = client.get_log_events(logGroupName=GROUP, logStreamName=STREAM, startFromHead=True)
    return [one["message"] for one in found["events"]]


def fake_journal(folder: Path, entries: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal of these entries, which knows cursors."""
    (folder / "journal").write_text("".join(json.dumps(one) + "\n" for one in entries))
    script = f"""for word; do last=$word; done
case $last in
  --after-cursor=*) sed "1,/\"${{last#*=}}\"/d" {folder}/journal ;;
  --boot) cat {folder}/journal ;;
esac"""
    fake_command(folder, "journalctl", script, monkeypatch)


def test_own_units_and_errors_of_others_are_shipped_once(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [
        entry(1, "stage one"),
        entry(2, "not ours", unit="cron.service"),
        entry(3, "out of memory", unit="", priority=3),
        entry(4, [104, 105, 255], unit="comfyui@8188.service"),
    ]
    cursor = tmp_path / "cursor"
    fake_journal(tmp_path, entries, monkeypatch)
    assert logs.ship(client, GROUP, STREAM, cursor) == 3
    assert shipped(client) == ["sd-app-prepare: stage one", "system: out of memory", "comfyui@8188: hi\ufffd"]
    assert logs.ship(client, GROUP, STREAM, cursor) == 0, "the cursor is past them"
    fake_journal(tmp_path, [*entries, entry(5, "later")], monkeypatch)
    assert logs.ship(client, GROUP, STREAM, cursor) == 1
    assert shipped(client)[-1] == "sd-app-prepare: later"


def test_what_cloudwatch_did_not_take_is_sent_again(
    client: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_journal(tmp_path, [entry(1, "stage one")], monkeypatch)
    with pytest.raises(ClientError):
        logs.ship(client, "/no/such/group", STREAM, tmp_path / "cursor")
    assert logs.ship(client, GROUP, STREAM, tmp_path / "cursor") == 1


def test_a_stream_that_is_there_from_an_earlier_boot_is_used_again(client: Any) -> None:
    logs.make_stream(client, GROUP, STREAM)


@given(st.lists(st.integers(0, 400_000), max_size=12))
def test_loads_stay_within_what_cloudwatch_takes_and_lose_nothing(sizes: list[int]) -> None:
    entries = [entry(number, "x" * size) for number, size in enumerate(sizes)]
    made = list(logs.batches(entries))
    for events, _ in made:
        assert sum(len(one["message"].encode()) + 26 for one in events) <= 1_048_576
    assert sum(len(events) for events, _ in made) == len(entries)
    if entries:
        assert made[-1][1] == entries[-1]["__CURSOR"]


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A notebook where nothing happens; where its fakes write."""
    monkeypatch.setattr(notebook, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(notebook, "jupyter", lambda path: [])  # type: ignore[misc]  # a fake of Jupyter
    monkeypatch.setattr(notebook, "work_command", lambda: None)
    monkeypatch.setattr(notebook.os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    for name, value in {
        "IDLE_STOP_MINUTES": "60",
        "NOTEBOOK_NAME": "FineTune-dev",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    fake_command(tmp_path, "nvidia-smi", "echo 0", monkeypatch)
    fake_command(tmp_path, "aws", f'echo "$@" >>{tmp_path}/aws', monkeypatch)
    return tmp_path


def jump(monkeypatch: pytest.MonkeyPatch, minutes: float) -> None:
    """Each look at the clock finds it so much later."""
    clock = iter(range(10**6))
    monkeypatch.setattr(notebook.time, "monotonic", lambda: next(clock) * minutes * 60)


def test_a_quiet_notebook_stops_itself(quiet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jump(monkeypatch, 61)
    notebook.main()
    asked = (quiet / "aws").read_text()
    assert (
        asked == "sagemaker stop-notebook-instance --notebook-instance-name FineTune-dev --region us-east-1\n"
    )


def test_a_stop_that_was_refused_is_tried_again(quiet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jump(monkeypatch, 61)
    script = f'echo again >>{quiet}/aws; [ "$(wc -l <{quiet}/aws)" -ge 3 ]'
    fake_command(quiet, "aws", script, monkeypatch)
    notebook.main()
    assert (quiet / "aws").read_text().count("again") == 3


def test_with_0_minutes_it_never_stops(quiet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDLE_STOP_MINUTES", "0")
    notebook.main()
    assert not (quiet / "aws").exists()


def test_a_training_in_a_terminal_is_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "WORK_COMMANDS", ("train_network_of_this_test",))
    assert notebook.work_command() is None
    with subprocess.Popen(
        ["bash", "-c", "exec -a 'python train_network_of_this_test.py' sleep 60"]
    ) as training:
        try:
            # While the kernel swaps one program for the next, the command line is empty for a moment.
            for _ in range(100):
                if notebook.work_command():
                    break
                time.sleep(0.05)
            assert notebook.work(60) == "train_network_of_this_test runs"
        finally:
            training.kill()


@pytest.mark.parametrize(
    ("api", "sign"),
    [
        (
            {"kernels": [{"execution_state": "busy", "last_activity": "2020-01-01T00:00:00.000000Z"}]},
            "a kernel computes",
        ),
        ({"kernels": [{"execution_state": "idle", "last_activity": "2020-01-01T00:00:00.000000Z"}]}, None),
        ({"kernels": [{"execution_state": "idle", "last_activity": "now"}]}, "a kernel was used of late"),
        ({"terminals": [{"name": "1", "last_activity": "now"}]}, "a terminal was used of late"),
        ({}, None),
    ],
)
def test_jupyters_own_work_counts(
    api: dict[str, Any], sign: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = f"{datetime.now(UTC).replace(tzinfo=None).isoformat()}Z"
    known = json.loads(json.dumps(api).replace('"now"', f'"{now}"'))
    monkeypatch.setattr(notebook, "jupyter", lambda path: known.get(path, []))  # type: ignore[misc]  # a fake of Jupyter
    assert notebook.jupyter_work(60) == sign


def test_a_jupyter_that_does_not_answer_keeps_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "JUPYTER", "https://127.0.0.1:9")
    assert notebook.jupyter_work(60) is None


def test_busy_processors_are_work(quiet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook.os, "getloadavg", lambda: (0.0, 2.0, 0.0))
    assert notebook.work(60) == "the processors are in use"
