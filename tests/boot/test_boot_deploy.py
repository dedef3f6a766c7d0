"""Releases on a backend that serves: rolled out and back by `ops deploy`, without a lost request, and refused when they are
no good."""

from __future__ import annotations

import http.client
import json
import threading
import time
import urllib.request
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from backend_machine import CURRENT, READY_LIMIT_S, BackendMachine, backend

import contract
from ops import deploy
from ops.errors import OpsError
from tests.boot.container import until
from tests.boot.stand_ins import Repository

BREAK_S = 0.01
"""Between two requests of a client."""


@pytest.fixture(scope="module")
def machine(
    account: object, node: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Generator[BackendMachine]:
    """A backend that serves its first release, with an SSM agent."""
    with backend(account, tmp_path_factory.mktemp("deploy"), node) as made, agent(made):  # pyright: ignore[reportArgumentType]
        made.boot()
        made.wait("ready", READY_LIMIT_S)
        yield made


@pytest.fixture(scope="module")
def repository(machine: BackendMachine) -> Repository:
    assert machine.repository is not None
    return machine.repository


@contextmanager
def agent(machine: BackendMachine) -> Generator[None]:
    """The machine's SSM agent: takes what Run Command has for it, runs it there as root, says how it ended."""
    over = threading.Event()
    url = f"{machine.account.platform.sandbox.endpoint}/_sandbox/commands"

    def work() -> None:
        while not over.wait(0.2):
            with urllib.request.urlopen(f"{url}?instance={machine.instance_id}") as answer:
                taken = json.load(answer)
            for one in taken:
                ran = machine.container.run("bash", "-c", "\n".join(one["commands"]), limit_s=600)
                said = {"id": one["id"], "instance": machine.instance_id, "code": ran.returncode}
                body = json.dumps({**said, "stdout": ran.stdout, "stderr": ran.stderr}).encode()
                urllib.request.urlopen(urllib.request.Request(url, body)).close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@dataclass
class Visitors:
    """Clients who never stop asking, as CloudFront does: one with a connection for each request, one that keeps its own."""

    machine: BackendMachine
    answers: list[int] = field(default_factory=list[int])
    lost: list[str] = field(default_factory=list[str])
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Visitors:
        headers = {contract.ORIGIN_SECRET_HEADER: self.machine.secret()}
        self._threads = [threading.Thread(target=self._ask, args=(keep, headers)) for keep in (False, True)]
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for one in self._threads:
            one.join()

    def _ask(self, keep: bool, headers: dict[str, str]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.machine.port, timeout=20)
        while not self._over.wait(BREAK_S):
            try:
                connection.request("GET", "/api/health", headers=headers)
                answer = connection.getresponse()
                answer.read()
                self.answers.append(answer.status)
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(f"{time.strftime('%X')} {'kept' if keep else 'new'}: {error!r}")
                connection.close()
            if not keep:
                connection.close()
        connection.close()


def serving(machine: BackendMachine) -> str:
    """Commit of the release that the API's process runs from."""
    pid = machine.apps()["sd-app"]["pid"]
    folder = machine.container.tell("readlink", f"/proc/{pid}/cwd").strip()
    assert folder == f"{machine.container.tell('readlink', CURRENT).strip()}/app/backend"
    return folder.split("/")[4]


def released(machine: BackendMachine, ref: str | None) -> int:
    args = deploy.DeployArgs(ref=ref, rollback=ref is None, poll_seconds=0.2)
    return deploy.run(machine.account.stack, args, json=False)


def change(repository: Repository, name: str, before: str, after: str) -> str:
    """A commit with a changed file of the app; it is on main afterwards. The commit's id."""
    file = repository.work / "app/backend" / name
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))
    made = repository.commit(f"{name} changed")
    repository.push()
    return made


def undo(repository: Repository, name: str, before: str, after: str) -> None:
    change(repository, name, after, before)


def test_a_release_takes_over_without_a_lost_request(
    machine: BackendMachine, repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    first = serving(machine)
    commit = change(repository, "package.json", '"version": "1.0.0"', '"version": "1.1.0"')
    with Visitors(machine) as visitors:
        assert released(machine, "main") == 0
    assert visitors.lost == []
    assert {*visitors.answers} == {200}
    assert len(visitors.answers) > 100
    assert serving(machine) == commit
    assert f"main serves: {commit[:12]}, {first[:12]} before it" in capsys.readouterr().out
    assert f"release {commit[:12]}" in machine.record()["message"]
    assert machine.record()["state"] == "ready"


def test_the_release_that_serves_may_be_asked_for_again(machine: BackendMachine) -> None:
    before = serving(machine)
    assert released(machine, "main") == 0
    assert serving(machine) == before
    machine.container.tell("test", "-d", f"{CURRENT}/app/backend/node_modules/fastify")


def test_it_comes_back_after_a_reboot_as_it_was(machine: BackendMachine) -> None:
    before = serving(machine)
    machine.reboot()
    machine.wait("ready", 90)
    assert serving(machine) == before


@pytest.mark.parametrize(
    ("name", "before", "after", "told"),
    [
        ("app.js", "import", "this is no JavaScript import", "does not start.*SyntaxError"),
        (
            "worker.js",
            "async function main() {",
            "async function main() {\n  throw new Error('no good')",
            "sd-app-worker",
        ),
        ("package-lock.json", '"packages": {', '"packages": ', "npm"),
    ],
)
def test_a_bad_release_is_refused_and_what_serves_goes_on(
    machine: BackendMachine, repository: Repository, name: str, before: str, after: str, told: str
) -> None:
    was = serving(machine)
    change(repository, name, before, after)
    with Visitors(machine) as visitors, pytest.raises(OpsError, match=f"(?s)main was not taken.*{told}"):
        released(machine, "main")
    undo(repository, name, before, after)
    assert visitors.lost == []
    assert {*visitors.answers} == {200}
    assert serving(machine) == was
    assert {one["status"] for one in machine.apps().values()} == {"online"}
    record = machine.record()
    assert (record["state"], record["stage"]) == ("ready", "")
    assert "main was refused" in record["message"]


def test_a_release_that_nobody_has_is_refused(machine: BackendMachine) -> None:
    with pytest.raises(OpsError, match=r"(?s)v9\.9\.9 was not taken:.*goes on"):
        released(machine, "v9.9.9")


def test_the_release_before_comes_back_without_a_lost_request(
    machine: BackendMachine, repository: Repository
) -> None:
    before = serving(machine)
    with Visitors(machine) as visitors:
        assert released(machine, None) == 0
    assert (visitors.lost, {*visitors.answers}) == ([], {200})
    assert serving(machine) != before
    assert released(machine, None) == 0, "and forth"
    assert serving(machine) == before


@pytest.mark.parametrize("is_newer", [False, True])
def test_a_machine_made_from_its_image_has_what_its_own_setting_asks_for(
    machine: BackendMachine, repository: Repository, is_newer: bool
) -> None:
    before = serving(machine)
    ref = change(repository, "package.json", '"private": true', '"private":  true') if is_newer else ""
    machine.container.cut_power()
    machine.become(f"i-0image{is_newer:d}", {"REPOSITORY_REF": ref} if is_newer else {})
    machine.boot()
    # cloud-init says what stands in at its very end, which waits for the image's unit: it is said by hand here.
    until("it knows who it is", lambda: machine.own_record().get("instanceId") == machine.instance_id, 60)
    machine.container.shell("for script in /var/lib/cloud/instance/scripts/vendor/*; do bash $script; done")
    machine.container.tell("systemctl", "restart", "--no-block", "sd-app-prepare.service")
    machine.wait("ready", READY_LIMIT_S)
    assert not {"tools", "node"} & machine.stages().keys(), "what the image has is not installed again"
    assert serving(machine) == (ref or before)
    assert machine.record()["instanceId"] == machine.instance_id
