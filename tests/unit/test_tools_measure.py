"""The figures of bench/ are of the command and of all that it starts. No time is asserted."""

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from bench import measure

HERE = Path(__file__).parent
HOLD_200_MIB = "import time; held = bytearray(b'x') * (200 << 20); time.sleep(1)"


@pytest.fixture
def sleeper() -> Generator[int]:
    """A process with a child, both asleep."""
    process = subprocess.Popen(["sh", "-c", "sleep 300 & wait"], start_new_session=True)
    yield process.pid
    for pid in measure.family(process.pid):
        subprocess.run(["kill", str(pid)], check=True)
    process.wait()


def test_memory_of_a_grandchild_is_counted():
    figures = measure.measure(["sh", "-c", f'{sys.executable} -c "{HOLD_200_MIB}"; true'], HERE)
    assert 200 <= figures.peak_mib < 400


def test_cpu_time_of_a_grandchild_is_counted_and_sleep_is_not():
    busy = f'{sys.executable} -c "sum(range(20_000_000))"; true'
    assert measure.measure(["sh", "-c", busy], HERE).cpu_s > measure.measure(["sleep", "1"], HERE).cpu_s


def test_a_command_that_fails_has_no_figures_and_its_words_are_shown():
    with pytest.raises(measure.MeasuredFailed, match=r"exit status 3\nwhy"):
        measure.measure(["sh", "-c", "echo why; exit 3"], HERE)


def test_the_family_of_a_process_are_its_living_descendants(sleeper: int):
    for _ in range(100):
        if len(measure.family(sleeper)) == 2:
            break
    assert len(measure.family(sleeper)) == 2
    assert measure.memory_mib(sleeper) > 0
    assert measure.peak_mib(sleeper) >= measure.memory_mib(sleeper)


def test_a_process_that_has_ended_counts_nothing():
    process = subprocess.Popen(["true"])
    process.wait()
    assert (measure.memory_mib(process.pid), measure.peak_mib(process.pid), measure.cpu_s(process.pid)) == (
        0,
        0,
        0,
    )
