"""`ops doctor` on this machine: Python, packages, Node.js, the Pulumi CLI and what it says. The CLI is a fake."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from ops import doctor_tools
from ops.doctor_tools import Place
from tests.unit.fakes import answering_cli, fake_cli, script
from tools import pulumi_cli

NOT_LOGGED_IN = "PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without programs of its own, and an empty cache."""
    made = tmp_path / "checkout"
    (made / "app" / "backend").mkdir(parents=True)
    (made / "app" / "backend" / "package.json").write_text('{"engines": {"node": ">=20.12"}}')
    (made / "requirements.txt").write_text(f"# why\nrich=={version('rich')}   # tables\n")
    (made / "Pulumi.dev.yaml").write_text("config: {aws:region: eu-west-1}\n")
    monkeypatch.setenv("SD_APP_CACHE", str(tmp_path / "cache"))
    return made


def place(root: Path, *path: Path, **environment: str) -> Place:
    return Place(root=root, environment={"PATH": ":".join(map(str, path)), **environment})


@pytest.mark.parametrize(("numbers", "verdict"), [((3, 11, 7), "ok"), ((3, 10, 9), "bad")])
def test_python_must_be_recent_enough(numbers: tuple[int, ...], verdict: str) -> None:
    (found,) = doctor_tools.python(numbers)
    assert found.verdict == verdict and ".".join(map(str, numbers)) in found.said


def test_packages_must_be_those_that_are_pinned(root: Path) -> None:
    (found,) = doctor_tools.packages(place(root))
    assert found.verdict == "ok"
    (root / "requirements.txt").write_text("rich==0.1\nno-such-package==2.0  # gone\n")
    (found,) = doctor_tools.packages(place(root))
    assert found.verdict == "bad" and "run `make`" in found.todo
    assert f"rich {version('rich')} (wanted 0.1), no-such-package missing (wanted 2.0)" in found.said


@pytest.mark.parametrize(("told", "verdict"), [("v24.19.0", "ok"), ("v20.12.0", "ok"), ("v18.20.1", "bad")])
def test_node_must_be_what_the_backend_needs(root: Path, tmp_path: Path, told: str, verdict: str) -> None:
    script(tmp_path / "bin" / "node", f"echo {told}")
    (found,) = doctor_tools.node(place(root, tmp_path / "bin"))
    assert found.verdict == verdict and told.removeprefix("v") in found.said


def test_node_of_the_environment_comes_first_and_none_at_all_is_told(root: Path, tmp_path: Path) -> None:
    (found,) = doctor_tools.node(place(root, tmp_path / "empty"))
    assert found.verdict == "bad" and "none on PATH" in found.said
    script(tmp_path / "bin" / "node", "echo v18.0.0")
    script(root / ".venv" / "bin" / "node", "echo v24.0.0")
    (found,) = doctor_tools.node(place(root, tmp_path / "bin"))
    assert found.verdict == "ok"


def test_a_cli_on_path_that_is_recent_enough_is_taken(root: Path, tmp_path: Path) -> None:
    folder, found = doctor_tools.find_cli(place(root, fake_cli(tmp_path / "bin", "3.300.0")))
    assert folder == tmp_path / "bin" and found.verdict == "ok" and "3.300.0" in found.said


def test_an_old_cli_on_path_gives_way_to_one_that_make_kept(root: Path, tmp_path: Path) -> None:
    old = fake_cli(tmp_path / "bin", "3.100.0")
    folder, found = doctor_tools.find_cli(place(root, old))
    assert folder is None and found.verdict == "bad" and "has 3.100.0" in found.said
    kept = fake_cli(pulumi_cli.official_directory(pulumi_cli.cache_directory()) / "bin", "3.272.0")
    folder, found = doctor_tools.find_cli(place(root, old))
    assert folder == kept and found.verdict == "ok"


def test_without_a_cli_none_is_made(root: Path, tmp_path: Path) -> None:
    folder, found = doctor_tools.find_cli(place(root))
    assert folder is None and found.verdict == "unseen" and "make up" in found.todo
    assert not (tmp_path / "cache").exists()
    (found,) = doctor_tools.pulumi(place(root), "dev", None)
    assert found.verdict == "unseen"


class Fake:
    """A CLI that answers from files."""

    def __init__(self, folder: Path) -> None:
        self.answers = folder / "answers"
        self.cli = answering_cli(folder / "fakes", self.answers)
        self.say("whoami", {"url": "s3://studio-state"})
        self.say(
            "plugin ls", [{"name": name, "version": version(of)} for name, of in doctor_tools.PLUGINS.items()]
        )

    def say(self, command: str, answer: Any) -> None:
        (self.answers / command).write_text(json.dumps(answer))

    def fail(self, command: str, words: str) -> None:
        (self.answers / f"{command} fails").write_text(words)

    def words(self) -> list[list[str]]:
        return [json.loads(line)["words"] for line in (self.answers / "calls").read_text().splitlines()]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    made = Fake(tmp_path)
    monkeypatch.setenv("FAKE_ANSWERS", str(made.answers))
    return made


def ask(root: Path, fake: Fake, **environment: str) -> dict[str, Any]:
    told = place(root, fake.cli, FAKE_ANSWERS=str(fake.answers), **environment)
    return {found.check: found for found in doctor_tools.pulumi(told, "dev", fake.cli)}


def test_plugins_login_and_stack_that_are_there(root: Path, fake: Fake) -> None:
    found = ask(root, fake)
    assert {one.verdict for one in found.values()} == {"ok"}, found
    assert "s3://studio-state, stack dev is there" in found["Pulumi backend"].said
    assert {tuple(words[:2]) for words in fake.words()} == {
        ("plugin", "ls"),
        ("stack", "--show-name"),
        ("whoami", "--json"),
    }, "the CLI is asked to read alone"


def test_plugins_that_are_missing_are_fetched_by_the_first_preview(root: Path, fake: Fake) -> None:
    fake.say("plugin ls", [{"name": "aws", "version": "6.0.0"}])
    found = ask(root, fake)["plugins"]
    assert found.verdict == "unseen" and f"aws {version('pulumi-aws')}" in found.said


def test_plugins_that_nothing_will_fetch_are_told_with_the_command(root: Path, fake: Fake) -> None:
    fake.say("plugin ls", [])
    found = ask(root, fake, PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION="true")["plugins"]
    assert found.verdict == "bad"
    assert found.todo == f"pulumi plugin install resource aws {version('pulumi-aws')}"


def test_without_a_login_the_commands_are_told(root: Path, fake: Fake) -> None:
    fake.fail("whoami", NOT_LOGGED_IN)
    found = ask(root, fake)["Pulumi backend"]
    assert found.verdict == "bad" and "not logged in" in found.said
    assert "pulumi login 's3://YOUR-STATE-BUCKET?region=eu-west-1'" in found.todo


def test_a_stack_that_was_not_made_is_told_with_how_to_make_it(root: Path, fake: Fake) -> None:
    fake.fail("stack", "no stack named 'dev' found")
    found = ask(root, fake)["Pulumi backend"]
    assert found.verdict == "bad" and "there is no stack dev in s3://studio-state" in found.said
    assert "pulumi stack init dev --secrets-provider" in found.todo


def test_a_backend_that_does_not_answer_is_told(root: Path, fake: Fake) -> None:
    fake.fail("whoami", "unable to read s3://studio-state: AccessDenied\nmore")
    found = ask(root, fake)["Pulumi backend"]
    assert found.verdict == "bad" and "AccessDenied" in found.said and "more" not in found.said


def test_the_local_stack_has_no_backend_of_its_own(root: Path, fake: Fake) -> None:
    (found,) = doctor_tools.pulumi(place(root), "local", fake.cli)
    assert found.verdict == "unneeded" and not (fake.answers / "calls").exists()


def test_the_token_is_read_by_the_cli_and_a_failure_is_a_line(root: Path, fake: Fake) -> None:
    (fake.answers / "config get").write_text("github_pat_of_the_test\n")
    told = place(root, FAKE_ANSWERS=str(fake.answers))
    assert doctor_tools.github_token(told, "dev", fake.cli) == "github_pat_of_the_test"
    fake.fail("config get", "passphrase must be set\nmore")
    with pytest.raises(ValueError, match=r"^passphrase must be set$"):
        doctor_tools.github_token(told, "dev", fake.cli)
