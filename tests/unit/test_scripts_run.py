"""The machines' scripts run for real: stages, the readiness record, retries, and the stages of a role that need no machine."""

import base64
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cloud_init import render

HERE = render.HERE


FAKE_AWS = """#!/usr/bin/env bash
# A fake of the aws command: every secret is a token.
echo "ghp_FakeToken"
"""
FAKE_PUT = """# A fake of put_parameter.py: keeps what is put, refuses when told so.
import os, sys
if os.path.exists(os.environ["FAKES"] + "/refuse"):
    sys.exit("AccessDenied")
with open(os.environ["FAKES"] + "/records", "a") as kept:
    print(sys.argv[2], file=kept)
"""


@dataclass(frozen=True)
class Machine:
    """A folder that stands for a machine: its environment, state, and fakes on PATH."""

    root: Path

    def run(self, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a script that sources machine.sh, as the unit would."""
        path = self.root / "script.sh"
        path.write_text(f'#!/usr/bin/env bash\n. "{HERE}/machine.sh"\n{script}\nmain "$@"\n')
        path.chmod(0o755)
        return self.call(path, **environment)

    def call(self, *command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        base = {
            "PATH": f"{self.root}/fakes:{os.environ['PATH']}",
            "FAKES": f"{self.root}/fakes",
            "SD_APP_ETC": f"{self.root}/etc",
            "SD_APP_STATE": f"{self.root}/state",
            "SD_APP_BIN": f"{self.root}/fakes",
            "RETRY_SECONDS": "0",
        }
        return subprocess.run(
            [str(word) for word in command],
            env={**base, **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )

    def records(self) -> list[dict[str, Any]]:
        """What was sent to the machine's SSM parameter."""
        file = self.root / "fakes/records"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def fake(self, name: str, script: str) -> None:
        path = self.root / "fakes" / name
        path.write_text(script)
        path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    for folder in ("etc", "fakes"):
        (tmp_path / folder).mkdir()
    made = Machine(tmp_path)
    made.fake("aws", FAKE_AWS)
    made.fake("put_parameter.py", FAKE_PUT)
    (tmp_path / "etc/versions.env").write_text((HERE / "versions.env").read_text())
    environment = {"AWS_REGION": "us-east-1", "SD_APP_BOOT_PARAMETER": "/sd-app/dev/machines/backend/boot"}
    (tmp_path / "etc/machine.env").write_text(render.environment_file(environment))
    return made


TWO_STAGES = """
prepare() { stage one 30 same; stage two 30; }
stage_one() { echo run >>"$SD_APP_STATE/ran-one"; note "one; was slow"; }
stage_two() { echo fine; echo "it broke here" >&2; [ -z "${BREAK:-}" ]; }
"""


def test_each_stage_is_told_and_the_last_word_is_ready(machine: Machine) -> None:
    ended = machine.run(TWO_STAGES)
    assert ended.returncode == 0, ended.stderr
    told = [(one["state"], one["stage"], one["message"]) for one in machine.records()]
    assert told == [("running", "one", ""), ("running", "two", ""), ("ready", "", "one; was slow")]
    last = machine.records()[-1]
    assert set(last) == {"state", "stage", "message", "instanceId", "bootId", "startedAt", "updatedAt"}
    assert last["instanceId"]
    assert abs((datetime.now(UTC) - datetime.fromisoformat(last["updatedAt"])).total_seconds()) < 3600
    assert json.loads((machine.root / "state/boot.json").read_text()) == last


def test_a_failed_stage_names_itself_and_its_last_words_and_ends_the_boot(machine: Machine) -> None:
    assert machine.run(TWO_STAGES, BREAK="1").returncode == 1
    last = machine.records()[-1]
    assert (last["state"], last["stage"]) == ("failed", "two")
    assert last["message"].endswith("it broke here")


def test_an_error_in_the_middle_of_a_stage_ends_it(machine: Machine) -> None:
    machine.run("prepare() { stage one 30; }\nstage_one() { false; echo went on; }")
    assert machine.records()[-1]["state"] == "failed"
    assert "went on" not in machine.records()[-1]["message"]


def test_a_second_run_goes_on_where_the_first_stopped_and_keeps_its_notes(machine: Machine) -> None:
    machine.run(TWO_STAGES, BREAK="1")
    again = machine.run(TWO_STAGES)
    assert again.returncode == 0 and "one: done before" in again.stdout
    assert (machine.root / "state/ran-one").read_text() == "run\n", "a stage that was done is not done again"
    assert machine.records()[-1]["message"] == "one; was slow"


def test_a_stage_is_done_again_when_its_versions_have_changed(machine: Machine) -> None:
    machine.run(TWO_STAGES)
    machine.run(TWO_STAGES.replace("30 same", "30 newer"))
    assert (machine.root / "state/ran-one").read_text() == "run\nrun\n"


def test_a_stage_past_its_limit_is_ended_and_says_so(machine: Machine) -> None:
    machine.run("prepare() { stage slow 1; }\nstage_slow() { echo waiting for apt; sleep 50; }")
    last = machine.records()[-1]
    assert (last["state"], last["stage"]) == ("failed", "slow")
    assert last["message"] == "not done after 1 seconds; last: waiting for apt"


def test_what_goes_wrong_between_stages_is_told_too(machine: Machine) -> None:
    ended = machine.run("prepare() { stage one 30; sha256sum /no/such/file; }\nstage_one() { :; }")
    assert ended.returncode != 0
    last = machine.records()[-1]
    assert last["state"] == "failed" and last["stage"] == "one" and "sha256sum" in last["message"]


def test_a_record_that_cannot_be_sent_stops_nothing(machine: Machine) -> None:
    (machine.root / "fakes/refuse").touch()
    ended = machine.run(TWO_STAGES)
    assert ended.returncode == 0 and "could not be sent" in ended.stderr
    assert json.loads((machine.root / "state/boot.json").read_text())["state"] == "ready"


def test_a_message_is_kept_to_what_ssm_takes(machine: Machine) -> None:
    machine.run(
        "prepare() { stage one 30; }\nstage_one() { note \"{{ssm:secret}} $(printf 'x%.0s' {1..5000})\"; }"
    )
    message = machine.records()[-1]["message"]
    assert message.startswith("{ {ssm:secret} }") and len(message) < 1100


def test_retry_tries_so_often_and_no_more(machine: Machine) -> None:
    body = """
prepare() { stage one 30; }
stage_one() { retry 3 attempt; }
attempt() { echo again >>"$SD_APP_STATE/attempts"; [ "$(wc -l <"$SD_APP_STATE/attempts")" -ge "$ENOUGH" ]; }
"""
    assert machine.run(body, ENOUGH="3").returncode == 0
    (machine.root / "state/attempts").unlink()
    assert machine.run(body, ENOUGH="9").returncode == 1
    assert (machine.root / "state/attempts").read_text().count("again") == 3


def test_fetch_commit_gets_a_commit_a_tag_and_a_branch_and_moves_between_them(
    machine: Machine, git_repository: tuple[Path, Callable[[str], str]]
) -> None:
    repository, commit = git_repository
    first, second = commit("one"), commit("two")
    for ref, expected in ((first, "one"), ("v2", "two"), ("main", "two"), (first, "one")):
        body = f'prepare() {{ stage get 30; }}\nstage_get() {{ fetch_commit "file://{repository}" {ref} "{machine.root}/got"; }}'
        assert machine.run(body).returncode == 0
        assert (machine.root / "got/file").read_text() == expected
    assert second != first


def test_fetch_commit_goes_on_after_a_power_cut_in_the_middle(
    machine: Machine, git_repository: tuple[Path, Callable[[str], str]]
) -> None:
    repository, commit = git_repository
    commit("one")
    (machine.root / "got/.git").mkdir(parents=True)  # cut off in init, and in what writes under a lock
    for name in ("index.lock", "shallow.lock", "config.lock"):
        (machine.root / "got/.git" / name).touch()
    body = f'prepare() {{ stage get 30; }}\nstage_get() {{ fetch_commit "file://{repository}" main "{machine.root}/got"; }}'
    assert machine.run(body).returncode == 0
    assert (machine.root / "got/file").read_text() == "one"


FAKE_APT = """#!/usr/bin/env bash
# A fake of apt-get: installs nothing before dpkg was put right and the lists are here, which a second update brings.
case "$*" in
  *update) echo >>"$FAKES/updates" ;;
  *install*) [ -e "$FAKES/configured" ] && [ "$(wc -l <"$FAKES/updates")" = 2 ] || { echo "E: not now" >&2; exit 100; } ;;
esac
"""


def test_packages_are_put_right_and_their_lists_asked_for_again(machine: Machine) -> None:
    machine.fake("apt-get", FAKE_APT)
    machine.fake("dpkg", '#!/bin/sh\n[ "$*" = "--configure -a" ] && touch "$FAKES/configured"\n')
    body = """
prepare() { stage tools 30; }
stage_tools() { local apt=(apt-get --yes); retry 2 install_packages logrotate; }
"""
    ended = machine.run(body)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.fixture
def git_repository(tmp_path: Path) -> tuple[Path, Callable[[str], str]]:
    """A repository and what commits a text to it, tagged v1, v2, …"""
    folder = tmp_path / "repository"

    def git(*arguments: str) -> str:
        named = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        command = ["git", *named, "-C", str(folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    folder.mkdir()
    git("init", "--quiet", "--initial-branch=main")
    git("config", "uploadpack.allowReachableSHA1InWant", "true")

    def commit(text: str) -> str:
        (folder / "file").write_text(text)
        git("add", "file")
        git("commit", "--quiet", "--message", text)
        git("tag", f"v{git('rev-list', '--count', 'HEAD')}")
        return git("rev-parse", "HEAD")

    return folder, commit


FAKE_GIT = """#!/usr/bin/env bash
# A fake of git: notes what it was called with, and what its environment says.
printf '%s\\n' "$*" >>"$FAKES/git-arguments"
printf '%s %s\\n' "${GIT_CONFIG_KEY_0:-}" "${GIT_CONFIG_VALUE_0:-}" >>"$FAKES/git-environment"
"""


def backend(machine: Machine, stage: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one stage of the real backend.sh, with users and git faked."""
    keys = {
        "REPOSITORY_URL": "https://github.com/studio/sd-app",
        "REPOSITORY_REF": "main",
        "GITHUB_TOKEN_PARAMETER": "",
        "AWS_REGION": "us-east-1",
        **environment,
    }
    (machine.root / "etc/machine.env").write_text(render.environment_file(keys))
    machine.fake("git", FAKE_GIT)
    for name in ("id", "chown"):
        machine.fake(name, "#!/bin/sh\n# A fake: every user is there.\n")
    return machine.call(HERE / "backend.sh", stage, SD_APP_HOME_FOLDER=str(machine.root / "srv"))


def test_the_github_token_goes_to_git_by_its_environment_alone(machine: Machine) -> None:
    ended = backend(machine, "code", GITHUB_TOKEN_PARAMETER="/sd-app/dev/github-token")
    key, _, value = (machine.root / "fakes/git-environment").read_text().splitlines()[-1].partition(" ")
    assert key == "http.https://github.com/.extraHeader", "the token must reach no other host"
    header = base64.b64decode(value.removeprefix("Authorization: Basic ")).decode()
    assert header == "x-access-token:ghp_FakeToken"
    seen = (machine.root / "fakes/git-arguments").read_text() + ended.stdout + ended.stderr
    assert "fetch --quiet --depth 1 https://github.com/studio/sd-app main" in seen
    assert "ghp_FakeToken" not in seen and value not in seen


def test_a_repository_without_the_app_fails_with_what_is_missing(machine: Machine) -> None:
    ended = backend(machine, "code")
    assert ended.returncode == 1
    assert "https://github.com/studio/sd-app at main has no app/backend/index.js" in ended.stderr


@pytest.mark.skipif(not os.access("/opt", os.W_OK), reason="needs to write to /opt")
def test_nodejs_with_another_checksum_is_not_used(machine: Machine) -> None:
    machine.fake(
        "curl",
        '#!/bin/bash\n# A fake: answers with other bytes.\nwhile [ "$1" != --output ]; do shift; done\necho evil >"$2"\n',
    )
    machine.fake("tar", '#!/bin/sh\n# A fake that must not be reached.\ntouch "$FAKES/unpacked"\n')
    before = set(Path("/opt").iterdir())
    ended = backend(machine, "node")
    assert ended.returncode == 1 and "has another checksum than versions.env names: not used" in ended.stderr
    assert not (machine.root / "fakes/unpacked").exists()
    assert set(Path("/opt").iterdir()) == before, "nothing stays behind"


def test_an_old_driver_is_refused_and_a_new_one_taken(machine: Machine) -> None:
    environment = {key: "1" for key in ("COMFYUI_TEXT_PORT", "COMFYUI_SKETCH_PORT")}
    (machine.root / "etc/machine.env").write_text(
        render.environment_file({"AWS_REGION": "us-east-1", **environment})
    )
    for version, code in (("570.86.15", 1), ("580.105.08", 0), ("595.91.07", 0)):
        machine.fake("nvidia-smi", f"#!/bin/sh\n# A fake of a machine with one GPU.\necho {version}\n")
        ended = machine.call(HERE / "comfyui-server.sh", "driver")
        assert ended.returncode == code, ended.stderr
        assert code == 0 or "NVIDIA driver 570.86.15 is older than 580" in ended.stderr
