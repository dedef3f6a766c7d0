"""Long commands: what is told while they run, what when they fail, and that none of them leaves a process behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tools import progress

ROOT = Path(__file__).parents[2]
PARENT_OF_A_SLEEPER = "sleep 300 & echo $! > {pid}; echo started; wait"
PATIENCE_S = 20


def is_alive(pid: int) -> bool:
    """Whether the process exists and hasn't ended (a zombie has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def sleeper_of(file: Path) -> int:
    """Process id that the shell wrote, waiting until it has."""
    for _ in range(PATIENCE_S * 20):
        if file.exists() and file.read_text().strip():
            return int(file.read_text())
        time.sleep(0.05)
    raise AssertionError("the command did not start")


def ends(pid: int) -> bool:
    """Whether the process ends, given a while."""
    for _ in range(PATIENCE_S * 20):
        if not is_alive(pid):
            return True
        time.sleep(0.05)
    return False


def test_output_and_errors_of_a_command_come_back():
    assert progress.run("both", ["sh", "-c", "echo one; echo two >&2"], limit_s=60) == "one\ntwo"


def test_a_failure_shows_its_title_status_and_last_lines():
    with pytest.raises(progress.CommandFailed) as caught:
        progress.run("counting", ["sh", "-c", "seq 1 100; exit 3"], limit_s=60)
    assert str(caught.value).startswith("counting: exit status 3\n")
    assert caught.value.tail == [str(n) for n in range(101 - progress.KEPT_LINES, 101)]


def test_a_command_that_is_not_there_is_told():
    with pytest.raises(progress.CommandFailed, match=r"fetching: .*no-such-program"):
        progress.run("fetching", ["no-such-program"], limit_s=60)


def test_progress_lines_tell_what_the_command_does_now(capfd: pytest.CaptureFixture[str]):
    command = ["sh", "-c", "echo 7 packages; sleep 0.6"]
    progress.run("building", command, limit_s=60, every_s=0.2, describe=lambda line: line)
    assert "building: 0 s, 7 packages" in capfd.readouterr().err


def test_the_time_limit_ends_the_command_and_all_that_it_started(tmp_path: Path):
    pid_file = tmp_path / "pid"
    command = ["sh", "-c", PARENT_OF_A_SLEEPER.format(pid=pid_file)]
    with pytest.raises(progress.CommandFailed) as caught:
        progress.run("waiting", command, limit_s=1)
    assert "waiting: not done after 1 s" in str(caught.value)
    assert caught.value.tail == ["started"]
    assert ends(sleeper_of(pid_file)), "the sleeper outlived its command"


def test_what_a_command_leaves_running_when_it_ends_well_is_ended_too(tmp_path: Path):
    pid_file = tmp_path / "pid"
    progress.run(
        "short", ["sh", "-c", f"sleep 300 >/dev/null 2>&1 & echo $! > {pid_file}; exit 0"], limit_s=60
    )
    assert ends(sleeper_of(pid_file))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_process_behind(tmp_path: Path, number: signal.Signals):
    pid_file = tmp_path / "pid"
    command = ["sh", "-c", PARENT_OF_A_SLEEPER.format(pid=pid_file)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.progress", "waiting", *command], cwd=ROOT, env={**os.environ}
    )
    sleeper = sleeper_of(pid_file)
    process.send_signal(number)
    assert process.wait(timeout=PATIENCE_S) == 130
    assert ends(sleeper), f"the sleeper outlived {number.name}"


def test_as_a_command_it_is_silent_when_all_goes_well_and_tells_the_tail_when_not():
    argv = [sys.executable, "-m", "tools.progress", "installing"]
    good = subprocess.run([*argv, "echo", "noise"], cwd=ROOT, capture_output=True, text=True)
    bad = subprocess.run([*argv, "sh", "-c", "echo why; exit 2"], cwd=ROOT, capture_output=True, text=True)
    assert (good.returncode, good.stdout, good.stderr) == (0, "", "")
    assert bad.returncode == 1
    assert bad.stderr == "installing: exit status 2\n    why\n"


def test_pips_lines_become_how_far_it_is():
    describe = progress.pip_progress()
    lines = [
        "Collecting annotated-types==0.8.0 (from -r requirements.lock (line 3))",
        "  Downloading annotated_types-0.8.0-py3-none-any.whl (13 kB)",
        "Collecting moto[server]==5.2.5 (from -r requirements.lock (line 40))",
        "Installing collected packages: annotated-types, moto",
    ]
    assert [describe(line) for line in lines] == [
        "1 packages fetched, now annotated-types==0.8.0",
        None,
        "2 packages fetched, now moto[server]==5.2.5",
        "writing them to disk",
    ]
