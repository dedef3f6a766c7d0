"""Services of an emulated machine: kept alive, ended whole, their logs kept, strays known from everybody else's."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sandbox.machines import processes
from sandbox.machines.processes import MARK, Service, end_strays, stop_all


def until(done: Callable[[], object], what: str, limit_s: float = 15) -> None:
    deadline = time.monotonic() + limit_s
    while not done():
        assert time.monotonic() < deadline, f"not in {limit_s} s: {what}"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    told = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(told.stdout.strip()) and not told.stdout.startswith("Z")


def numbers(file: Path) -> list[int]:
    """The process numbers that a command wrote, a line each."""
    return [int(line) for line in file.read_text().split()] if file.exists() else []


@dataclass
class Bench:
    """Makes services in a folder of a machine, and ends all of them."""

    folder: Path
    made: list[Service] = field(default_factory=list[Service])

    def service(self, script: str, name: str = "service") -> Service:
        """A service that runs this shell script; $0 is a file for process numbers."""
        service = Service(
            name=name,
            command=["bash", "-c", script, str(self.folder / f"{name}.pids")],
            environment={"PATH": os.environ["PATH"], MARK: str(self.folder)},
            folder=self.folder,
            log=self.folder / f"{name}.log",
        )
        self.made.append(service)
        return service

    def numbers(self, name: str = "service") -> list[int]:
        return numbers(self.folder / f"{name}.pids")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Bench]:
    monkeypatch.setattr(processes, "BACKOFF_S", (0.05, 0.1, 0.2))
    folder = tmp_path / "machines" / "i-1"
    folder.mkdir(parents=True)
    made = Bench(folder)
    yield made
    stop_all(made.made)


def keep_until(service: Service, done: Callable[[], object], what: str) -> None:
    def look() -> object:
        service.keep()
        return done()

    until(look, what)


def test_it_runs_once_with_its_own_environment_and_folder_and_its_log_is_kept(bench: Bench) -> None:
    service = bench.service("echo said; env | cut -d= -f1 | sort | paste -sd,; pwd; echo $$ >> $0; sleep 60")
    for _ in range(3):
        service.keep()
    until(bench.numbers, "it writes its number")
    assert service.is_running
    assert service.process and bench.numbers() == [service.process.pid]
    said = service.log.read_text().split()
    assert said[0] == "said" and said[2] == str(bench.folder)
    assert set(said[1].split(",")) == {"PATH", MARK, "PWD", "SHLVL", "_"}, "nothing of ours leaks into it"


def test_killed_it_is_started_again_with_what_it_said_kept(bench: Bench) -> None:
    service = bench.service("echo again; echo $$ >> $0; exec sleep 60")
    service.keep()
    until(bench.numbers, "the first")
    os.kill(bench.numbers()[0], signal.SIGKILL)
    until(lambda: not service.is_running, "the kill is seen")
    keep_until(service, lambda: len(bench.numbers()) == 2, "the second")
    assert service.log.read_text().split() == ["again", "again"]
    assert not service.is_running, "one that ended by itself is not yet to be trusted"


def test_what_a_killed_one_had_started_goes_with_it(bench: Bench) -> None:
    service = bench.service("sleep 60 & echo $! >> $0; wait")
    service.keep()
    until(bench.numbers, "its child")
    assert service.process
    os.kill(service.process.pid, signal.SIGKILL)
    until(lambda: not service.is_running, "the kill is seen")
    assert alive(bench.numbers()[0])
    service.keep()
    until(lambda: not alive(bench.numbers()[0]), "its child is ended, too")


def test_a_crash_loop_is_paced_and_a_steady_one_begins_with_the_shortest_pause(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "BACKOFF_S", (0.0, 0.0, 0.0, 30.0))
    service = bench.service("echo $$ >> $0; exit 1")
    keep_until(service, lambda: service.failures == 3, "three failures")
    runs = len(bench.numbers())
    for _ in range(20):
        service.keep()
    assert len(bench.numbers()) == runs == 3, "it waits now"
    steady = bench.service("echo $$ >> $0; sleep 0.3", "steady")
    steady.failures = 2
    monkeypatch.setattr(processes, "STEADY_S", 0.1)
    steady.keep()
    keep_until(steady, lambda: len(bench.numbers("steady")) == 2, "the second")
    assert steady.failures == 0


def test_a_program_that_is_not_there_is_told_and_tried_again_and_raises_nothing(bench: Bench) -> None:
    service = bench.service("")
    service.command = ["/does/not/exist"]
    keep_until(service, lambda: service.failures >= 2, "two tries")
    assert "service does not start" in service.tail() and "/does/not/exist" in service.tail()
    service.stop()


def test_a_log_that_has_grown_too_large_is_begun_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LOG_LIMIT_BYTES", 100)
    service = bench.service("echo new; echo $$ >> $0; sleep 60")
    service.log.write_text("x" * 101)
    service.keep()
    until(lambda: service.log.read_text() == "new\n", "the log is begun again")


def test_a_stop_asks_first(bench: Bench) -> None:
    service = bench.service("trap 'echo good bye; exit 0' TERM; echo $$ >> $0; sleep 60 & wait")
    service.keep()
    until(bench.numbers, "it runs")
    service.stop()
    assert service.log.read_text() == "good bye\n"
    assert not alive(bench.numbers()[0])
    for _ in range(10):
        service.keep()
        time.sleep(0.03)
    assert len(bench.numbers()) == 1, "a stopped one is not kept"


def test_a_stop_ends_the_whole_group_even_what_does_not_want_to(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STOP_LIMIT_S", 0.5)
    deaf = "trap '' TERM; echo $$ >> $0; while true; do sleep 0.1; done"
    service = bench.service(f"({deaf.replace('$$', '$BASHPID')}) & {deaf}")
    service.keep()
    until(lambda: len(bench.numbers()) == 2, "both run")
    started = time.monotonic()
    service.stop()
    assert time.monotonic() - started < 5
    until(lambda: not any(map(alive, bench.numbers())), "neither is left")


def test_a_leader_that_goes_in_peace_takes_its_children_along(bench: Bench) -> None:
    service = bench.service(
        "(trap '' TERM; echo $BASHPID >> $0; sleep 60; sleep 60) & trap 'exit 0' TERM; wait"
    )
    service.keep()
    until(bench.numbers, "its child")
    service.stop()
    until(lambda: not alive(bench.numbers()[0]), "its child is ended")


def test_several_are_stopped_side_by_side(bench: Bench) -> None:
    slow = "trap 'sleep 1; exit 0' TERM; echo $$ >> $0; sleep 60 & wait"
    services = [bench.service(slow, name) for name in ("a", "b", "c")]
    for service in services:
        service.keep()
    until(lambda: all(bench.numbers(name) for name in ("a", "b", "c")), "all run")
    started = time.monotonic()
    stop_all(services)
    assert time.monotonic() - started < 2.5


def test_a_stop_in_the_middle_of_a_start_leaves_nothing(bench: Bench) -> None:
    for n in range(20):
        service = bench.service("echo $$ >> $0; exec sleep 60", f"s{n}")
        starting = threading.Thread(target=service.keep)
        starting.start()
        service.stop()
        starting.join()
        service.stop()
        assert service.process is None or service.process.poll() is not None


def test_the_tail_is_the_end_of_the_log_in_a_line(bench: Bench) -> None:
    service = bench.service("")
    assert service.tail() == ""
    service.log.write_bytes(b"one\n\n two \nthree\n\xff four\n\n")
    assert service.tail() == "two | three | � four"
    assert service.tail(1) == "� four"


def test_strays_are_those_with_the_mark_and_nobody_else(bench: Bench) -> None:
    """Whoever reads a log with an editor, or runs another checkout's sandbox, keeps what they have."""
    folder = bench.folder.parent
    service = bench.service("(sleep 61; sleep 62) & echo $! >> $0; echo $$ >> $0; exec sleep 60")
    service.keep()
    until(lambda: len(bench.numbers()) == 2, "it runs")
    other = Path(f"{folder}-of-another") / "i-1"
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    bystanders = [
        subprocess.Popen([*sleep, str(service.log)], start_new_session=True),
        subprocess.Popen(sleep, env={**os.environ, MARK: str(other)}, start_new_session=True),
        subprocess.Popen(sleep, env={**os.environ, "NOT_" + MARK: str(bench.folder)}),
    ]
    try:
        assert end_strays(folder) >= 2
        assert not any(map(alive, bench.numbers())), "gone when it returns: their ports are free"
        assert [one.poll() for one in bystanders] == [None, None, None]
        assert end_strays(folder) == 0
    finally:
        for one in bystanders:
            one.kill()
            one.wait()
