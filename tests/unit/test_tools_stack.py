"""What `make up`, `preview`, `outputs` and `down` print, and the exit status that CI sees. The engine's part is a fake."""

import json
from pathlib import Path
from typing import Any

import pytest

from tools import first_pictures, local_page, outputs_view, pulumi_cli, remote_down, remote_stack, stack
from tools.engine import EngineFailed
from tools.engine_events import Report
from tools.first_pictures import Made, NoPictures

ADDRESS = (
    "https://us-east-1.console.aws.amazon.com/cloudwatch/home?region=us-east-1#dashboards/dashboard/sd-app"
)
OUTPUTS: dict[str, Any] = {
    "backendUrl": "https://d1.cloudfront.net",
    "dashboardUrl": ADDRESS,
    "leftOut": {"frontend": "no GitHub token"},
    "queueUrls": {"sketch": "http://127.0.0.1/2", "text": "http://127.0.0.1/1"},
    "vpcCidr": None,
}


class FakeEngine:
    """Answers `stack output`."""

    def ask(self, *words: str) -> str:
        assert words[:2] == ("stack", "output")
        return json.dumps(OUTPUTS)


class FakeSandbox:
    endpoint = "http://127.0.0.1:4566"


class FakeStack:
    """Plays the local stack: reports what it is told to."""

    def __init__(self, counts: dict[str, int], fault: Exception | None = None) -> None:
        self.report = Report(counts=counts, seconds=42.0, warnings=["deprecated"])
        self.fault = fault
        self.force: bool | None = None

    def up(self) -> tuple[Report, FakeEngine, FakeSandbox]:
        if self.fault:
            raise self.fault
        return self.report, FakeEngine(), FakeSandbox()

    def preview(self) -> Report:
        return self.report

    def refresh(self) -> Report:
        return self.report

    def outputs(self) -> dict[str, Any]:
        return OUTPUTS

    def down(self, force: bool) -> list[str]:
        self.force = force
        return ["154 resources", "the emulator (process 4711)", ".sandbox/"]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a sandbox folder, where any CLI will do."""
    (tmp_path / ".sandbox").mkdir()
    monkeypatch.setattr(stack, "ROOT", tmp_path)
    monkeypatch.setattr(
        pulumi_cli,
        "find",
        lambda: pulumi_cli.Cli(Path("/fakes"), "path", "3.300.0", "/fakes/pulumi is recent enough"),
    )

    def connect(name: str) -> str:
        return f"stack {name}"

    def make(connected: object, folder: Path, outputs: dict[str, Any]) -> Made:
        assert (connected, folder, outputs) == ("stack local", tmp_path / ".sandbox", OUTPUTS)
        files = [folder / "pictures" / "text.png", folder / "pictures" / "sketch.png"]
        return Made("http://127.0.0.1:20000", "designer@example.com", "their-password", files)

    def publish(folder: Path, name: str, endpoint: str, outputs: dict[str, Any]) -> str:
        assert (folder, name, outputs) == (tmp_path / ".sandbox", "local", OUTPUTS)
        return "http://127.0.0.1:20001"

    monkeypatch.setattr(stack, "connect", connect)
    monkeypatch.setattr(first_pictures, "make", make)
    monkeypatch.setattr(local_page, "publish", publish)
    return tmp_path


def call(monkeypatch: pytest.MonkeyPatch, fake: FakeStack, *words: str) -> int:
    """Exit status of `python -m tools.stack WORDS`."""

    def local_stack(cli: Path) -> FakeStack:
        return fake

    monkeypatch.setattr(stack, "local_stack", local_stack)
    monkeypatch.setattr("sys.argv", ["stack", *words])
    monkeypatch.setattr(stack, "stop_in_order", lambda: None)
    return stack.main()


Capture = pytest.CaptureFixture[str]


def test_up_tells_the_cli_the_counts_the_addresses_and_what_to_do_next(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
):
    assert call(monkeypatch, FakeStack({"create": 154}), "up") == 0
    told = capfd.readouterr()
    assert "Pulumi CLI 3.300.0 (path): /fakes/pulumi is recent enough" in told.err
    assert "up local: 154 created, 42 s" in told.err
    assert "warning: deprecated" in told.err
    assert "backendUrl    https://d1.cloudfront.net" in told.out
    assert "left out: frontend: no GitHub token" in told.out
    assert "page       http://127.0.0.1:20001" in told.out
    assert "API        http://127.0.0.1:20000  (documented at /api/openapi.json)" in told.out
    assert "sign-in    designer@example.com  their-password" in told.out
    assert "pictures   .sandbox/pictures/text.png  .sandbox/pictures/sketch.png" in told.out
    for next_step in ("make outputs", "make preview", "make down"):
        assert next_step in told.out


def test_an_up_without_pictures_fails_and_says_why(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
):
    def make(*_: object) -> Made:
        raise NoPictures("the text picture has failed: no such style")

    monkeypatch.setattr(first_pictures, "make", make)
    assert call(monkeypatch, FakeStack({"create": 154}), "up") == 1
    assert "make: the text picture has failed: no such style" in capfd.readouterr().err


def test_a_second_up_says_0_changes(root: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture):
    call(monkeypatch, FakeStack({"same": 154}), "up")
    assert "up local: 0 changes, 154 unchanged" in capfd.readouterr().err


def test_a_preview_with_changes_fails_only_when_none_were_expected(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
):
    changes = FakeStack({"same": 150, "update": 1})
    assert call(monkeypatch, changes, "preview") == 0
    assert call(monkeypatch, changes, "preview", "--expect-no-changes") == 1
    assert call(monkeypatch, FakeStack({"same": 151}), "preview", "--expect-no-changes") == 0
    told = capfd.readouterr().out
    assert "preview local: 1 to update, 150 unchanged" in told
    assert "preview local: no changes, 151 unchanged" in told


def test_a_fault_is_one_message_and_exit_status_1(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
):
    assert call(monkeypatch, FakeStack({}, EngineFailed("up local: failed\n    boom")), "up") == 1
    told = capfd.readouterr()
    assert told.err.endswith("make: up local: failed\n    boom\n")
    assert told.out == ""


def test_a_stopped_run_has_the_shell_s_status_and_says_how_to_go_on(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
):
    class Stopped(FakeStack):
        def preview(self) -> Report:
            raise KeyboardInterrupt

    assert call(monkeypatch, Stopped({}), "preview") == 130
    assert "preview was stopped; the same command again goes on" in capfd.readouterr().err


def test_outputs_are_a_table_or_json(root: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture):
    assert call(monkeypatch, FakeStack({}), "outputs") == 0
    table = capfd.readouterr().out
    assert call(monkeypatch, FakeStack({}), "outputs", "--json") == 0
    assert json.loads(capfd.readouterr().out) == OUTPUTS
    assert "queueUrls.text    http://127.0.0.1/1" in table.splitlines()


@pytest.mark.parametrize("words", [["outputs"], ["outputs", "--json"]])
def test_outputs_of_nothing_say_so_and_fail(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture, words: list[str]
):
    (root / ".sandbox").rmdir()
    assert call(monkeypatch, FakeStack({}), *words) == 1
    assert "local: nothing is up; `make up STACK=local` makes it" in capfd.readouterr().err


def test_down_says_what_it_removed(root: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture):
    assert call(monkeypatch, FakeStack({}), "down") == 0
    told = capfd.readouterr().out
    assert told == "down local: removed 154 resources, the emulator (process 4711), .sandbox/\n"


def test_down_by_force_needs_no_cli(root: Path, monkeypatch: pytest.MonkeyPatch):
    def none() -> pulumi_cli.Cli:
        raise pulumi_cli.NoPulumi("no CLI")

    monkeypatch.setattr(pulumi_cli, "find", none)
    fake = FakeStack({})
    assert call(monkeypatch, fake, "down", "--force") == 0
    assert fake.force is True
    assert call(monkeypatch, fake, "down") == 1


def test_down_of_nothing_says_so_and_is_no_failure(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture
):
    (root / ".sandbox").rmdir()
    assert call(monkeypatch, FakeStack({}), "down") == 0
    assert capfd.readouterr().out == "local: nothing is up\n"


def test_a_long_address_stays_whole_and_no_line_ends_in_blanks(capfd: Capture):
    outputs_view.show(OUTPUTS)
    lines = capfd.readouterr().out.splitlines()
    assert f"dashboardUrl      {ADDRESS}" in lines
    assert "vpcCidr           left out" in lines
    assert all(line == line.rstrip() for line in lines)


def test_a_value_that_looks_like_markup_is_shown_as_it_is(capfd: Capture):
    outputs_view.show({"name": "[bold]x[/bold]"})
    assert "[bold]x[/bold]" in capfd.readouterr().out


class Remote:
    """Plays a stack on AWS; keeps what was done, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, ready: bool = True) -> None:
        self.done: list[str] = []
        self.ready = ready
        monkeypatch.setattr(remote_stack, "must_be_ready", self.must_be_ready)
        monkeypatch.setattr(remote_stack, "engine", self.engine)
        monkeypatch.setattr(remote_down, "tell_what_is_left", self.tell_what_is_left)

    def must_be_ready(self, root: Path, stack: str) -> None:
        self.done.append(f"doctor {stack}")
        if not self.ready:
            raise remote_stack.RemoteFailed("not ready")

    def engine(self, cli: Path, root: Path, stack: str) -> "Remote":
        return self

    def ask(self, *words: str) -> str:
        return "{}"

    def show(self, *words: str) -> int:
        self.done.append(" ".join(words))
        return 0

    def tell_what_is_left(self, engine: "Remote", root: Path) -> int:
        self.done.append("what is left")
        return 0


@pytest.mark.parametrize(
    ("words", "done"),
    [
        (["up"], ["doctor dev", "up"]),
        (["up", "--no-doctor"], ["up"]),
        (["preview"], ["preview"]),
        (["down"], ["destroy", "what is left"]),
    ],
)
def test_only_up_on_aws_asks_the_doctor_first(
    root: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], done: list[str]
):
    remote = Remote(monkeypatch)
    assert call(monkeypatch, FakeStack({}), *words, "--stack", "dev") == 0
    assert remote.done == done


def test_what_the_doctor_refuses_is_not_done(root: Path, monkeypatch: pytest.MonkeyPatch, capfd: Capture):
    remote = Remote(monkeypatch, ready=False)
    assert call(monkeypatch, FakeStack({}), "up", "--stack", "dev") == 1
    assert remote.done == ["doctor dev"] and "make: not ready" in capfd.readouterr().err


def test_the_local_stack_comes_up_without_the_doctor(root: Path, monkeypatch: pytest.MonkeyPatch):
    remote = Remote(monkeypatch)
    assert call(monkeypatch, FakeStack({"create": 1}), "up") == 0
    assert remote.done == []
