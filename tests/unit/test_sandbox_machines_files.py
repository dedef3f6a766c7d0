"""What an emulated machine's user data carries, where its addresses lie, and the record that it writes."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import socket
import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from cloud_init import render
from cloud_init.render import ENVIRONMENT_FILE, render_cloud_config, render_user_data
from sandbox.machines import addresses, user_data
from sandbox.machines.addresses import Addresses, free_port, is_free
from sandbox.machines.readiness import Readiness
from sandbox.machines.user_data import NoCloudConfig

ENVIRONMENT = {"AWS_REGION": "us-east-1", "BUCKET_NAME": "b", "ALLOWED_ORIGINS": "", "TEXT": "a b, c=d"}


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


@pytest.mark.parametrize("role", ["ml-server", "backend"])
def test_what_was_rendered_is_read_whether_packed_or_plain(role: str) -> None:
    packed = user_data.files_of(render_user_data(role, ENVIRONMENT))
    plain = user_data.files_of(encoded(render_cloud_config(role, ENVIRONMENT)))
    assert packed == plain
    assert user_data.environment_of(packed) == ENVIRONMENT
    assert packed[f"{render.SCRIPT_DIRECTORY}/machine.sh"][1] == 0o755
    versions = user_data.parse_environment(packed[f"{render.ETC}/versions.env"][0])
    assert "AWSCLI_VERSION" in versions
    file = Path(render.__file__).parent / "machine.sh"
    assert packed[f"{render.SCRIPT_DIRECTORY}/machine.sh"][0] == render.without_comments(file)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no #cloud-config"),
        (encoded("#!/bin/sh\necho hello\n"), "no #cloud-config"),
        ("not base64!", "can't be decoded"),
        (encoded(b"\x1f\x8bnot gzip at all, really"), "can't be decoded"),
        (encoded(gzip.compress(b"#cloud-config\n" * 100)[:40]), "can't be decoded"),
        (encoded(b"\xff\xfe\x00"), "can't be decoded"),
        (encoded("#cloud-config\nwrite_files: [{"), "no cloud-config that is known here"),
        (encoded("#cloud-config\n- a list"), "no cloud-config that is known here"),
        (encoded("#cloud-config\nwrite_files: [text]"), "no cloud-config that is known here"),
        (encoded("#cloud-config\nwrite_files: [{content: x}]"), "path"),
        (encoded("#cloud-config\nwrite_files: [{path: /a, content: eA==, encoding: b64}]"), "/a: only plain"),
        (encoded("#cloud-config\nwrite_files: [{path: /a/../../b, content: x}]"), "would not stay"),
        (encoded("#cloud-config\nwrite_files: [{path: etc/b, content: x}]"), "would not stay"),
        (encoded("#cloud-config\nwrite_files: [{path: /a, content: x, permissions: rwx}]"), "known here"),
    ],
)
def test_user_data_of_somebody_elses_is_refused_with_its_reason(text: str, told: str) -> None:
    with pytest.raises(NoCloudConfig, match=re.escape(told)):
        user_data.files_of(text)


@pytest.mark.parametrize("text", ["#cloud-config\n", "#cloud-config\nwrite_files: [{path: /a, content: x}]"])
def test_a_cloud_config_without_the_environment_file_boots_nothing(text: str) -> None:
    with pytest.raises(NoCloudConfig, match=re.escape(f"no {ENVIRONMENT_FILE}")):
        user_data.environment_of(user_data.files_of(encoded(text)))


def test_the_files_are_the_users_alone_and_can_be_written_again(tmp_path: Path) -> None:
    files = user_data.files_of(render_user_data("ml-server", ENVIRONMENT)) | {"/etc/locked": ("x", 0o444)}
    for _ in range(2):  # a machine that is stopped and started boots in the same folder
        user_data.write(files, tmp_path)
    modes = {path: stat.S_IMODE((tmp_path / path.lstrip("/")).stat().st_mode) for path in files}
    assert modes[ENVIRONMENT_FILE] == 0o600
    assert modes[f"{render.SCRIPT_DIRECTORY}/warm_up.py"] == 0o700
    assert not any(mode & 0o077 for mode in modes.values())
    assert (tmp_path / "etc/sd-app/machine.env").read_text() == files[ENVIRONMENT_FILE][0]


def test_an_environment_is_read_as_it_was_written_and_as_a_shell_reads_it(tmp_path: Path) -> None:
    odd = ENVIRONMENT | {"QUOTES": 'it\'s "odd" $HOME `id` \\ end', "HASH": "# no comment", "EMPTY": ""}
    file = tmp_path / "loopback.env"
    file.with_suffix(".new").write_text("left by one that was killed")
    user_data.write_environment(file, odd)
    assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0
    assert user_data.parse_environment(file.read_text()) == odd
    shell = subprocess.run(
        ["bash", "-c", '. "$1"; printf "%s" "$QUOTES"', "-", str(file)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shell.stdout == odd["QUOTES"]
    assert [path.name for path in tmp_path.iterdir()] == ["loopback.env"]
    with pytest.raises(ValueError, match="TWO"):
        user_data.write_environment(file, {"TWO": "a\nb"})
    assert user_data.parse_environment(file.read_text()) == odd, "whole or not at all"


def test_an_environment_file_is_made_with_mode_0600(tmp_path: Path) -> None:
    user_data.write_environment(tmp_path / "machine.env", ENVIRONMENT)
    assert stat.S_IMODE((tmp_path / "machine.env").stat().st_mode) == 0o600


def test_comments_and_empty_lines_of_an_environment_file_are_none_of_it() -> None:
    assert user_data.parse_environment('# A="1"\n\nB="2"\nC=three\n') == {"B": "2", "C": "three"}


def test_an_address_keeps_its_port_also_in_the_next_process(tmp_path: Path) -> None:
    first = Addresses(tmp_path / "addresses.json")
    port = first.port("local/172.16.0.10:8188")
    assert first.port("local/172.16.0.10:8188") == port
    assert first.port("local/edge") != port
    assert Addresses(tmp_path / "addresses.json").port("local/172.16.0.10:8188") == port
    assert json.loads((tmp_path / "addresses.json").read_text())["local/172.16.0.10:8188"] == port


def test_a_port_that_somebody_else_took_meanwhile_is_given_up(tmp_path: Path) -> None:
    first = Addresses(tmp_path / "addresses.json")
    taken, kept = first.port("taken"), first.port("kept")
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", taken))
        somebody.listen()
        again = Addresses(tmp_path / "addresses.json")
        assert json.loads((tmp_path / "addresses.json").read_text()) == {"kept": kept}
        assert again.port("taken") != taken
        assert again.port("kept") == kept


def test_many_who_ask_at_once_get_a_port_each_and_the_same_for_the_same_name(tmp_path: Path) -> None:
    known = Addresses(tmp_path / "addresses.json")
    names = [f"stack/{n}" for n in range(30)]
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(known.port, names * 4))
    assert answers[:30] * 4 == answers
    assert len(set(answers)) == 30
    assert json.loads((tmp_path / "addresses.json").read_text()) == dict(zip(names, answers, strict=False))


def test_ports_are_not_those_that_outgoing_connections_take() -> None:
    assert {free_port() in addresses.PORTS for _ in range(20)} == {True}
    limits = Path("/proc/sys/net/ipv4/ip_local_port_range")
    if limits.exists():
        assert addresses.PORTS.stop <= int(limits.read_text().split()[0])


def test_no_free_port_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(addresses, "is_free", lambda port: False)  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    with pytest.raises(OSError, match="ports from 20000 to 31999"):
        free_port()
    assert not is_free(1) or os.geteuid() == 0


@dataclass
class Ssm:
    """Keeps what is written, or is away."""

    written: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    is_away: bool = False

    def put_parameter(self, **args: Any) -> None:
        if self.is_away:
            raise EndpointConnectionError(endpoint_url="http://127.0.0.1:9")
        self.written.append(args)


def readiness(ssm: Ssm) -> Readiness:
    return Readiness(ssm=ssm, parameter="/sd-app/local/machines/backend/boot", instance_id="i-1")


def real_record(state: str, stage: str, message: str) -> dict[str, Any]:
    """What machine.sh's own function makes of it."""
    text = (Path(render.__file__).parent / "machine.sh").read_text()
    script = "".join(
        match.group(0)
        for name in ("record_json", "now", "instance_id")
        for match in [re.search(rf"(?ms)^{name}\(\) \{{.*?(?:^\}}$|\}}$)", text)]
        if match
    )
    script = re.sub(r"\}(?=\w+\(\))", "}\n", script)
    run = subprocess.run(
        ["bash", "-c", f'MESSAGE_LIMIT=1000\n{script}\nrecord_json "$@"', "-", state, stage, message],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(run.stdout)


@pytest.mark.parametrize("message", ["", "3 models here", "{{ ssm }} refuses these", "é" * 1200])
def test_the_record_is_what_a_real_machine_writes(message: str) -> None:
    ssm = Ssm()
    readiness(ssm).tell("failed", "models", message)
    [written] = ssm.written
    ours, real = json.loads(written.pop("Value")), real_record("failed", "models", message)
    assert written == {"Name": "/sd-app/local/machines/backend/boot", "Type": "String", "Overwrite": True}
    assert list(ours) == list(real)
    own = ("instanceId", "bootId", "startedAt", "updatedAt")
    assert {key: ours[key] for key in ours if key not in own} == {
        key: real[key] for key in real if key not in own
    }
    shape = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
    assert all(re.fullmatch(shape, one[key]) for one in (ours, real) for key in ("startedAt", "updatedAt"))
    assert re.fullmatch(r"[0-9a-f-]{36}", ours["bootId"]) and re.fullmatch(r"[0-9a-f-]{36}", real["bootId"])


def test_one_boot_has_one_id_and_one_beginning() -> None:
    ssm = Ssm()
    record = readiness(ssm)
    record.tell("running", "models")
    record.tell("ready")
    first, second = (json.loads(one["Value"]) for one in ssm.written)
    assert (first["bootId"], first["startedAt"]) == (second["bootId"], second["startedAt"])
    assert readiness(ssm).boot_id != first["bootId"]


def test_after_its_end_a_machine_says_nothing() -> None:
    ssm = Ssm()
    record = readiness(ssm)
    record.tell("running", "models")
    record.close()
    record.tell("ready")
    assert len(ssm.written) == 1


def test_a_record_that_cannot_be_sent_stops_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    readiness(Ssm(is_away=True)).tell("ready")
    assert "i-1: the readiness record could not be sent" in capsys.readouterr().out
