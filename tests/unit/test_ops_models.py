"""Models go up whole with their SHA-256, or not at all; what is broken in the bucket is found."""

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops import cli
from ops.upload import PART_BYTES, digest
from tests.unit.ops_cloud import (
    BUCKET,
    MIB,
    STACK,
    Cloud,
    cloud_for_ops,
    environment,
    safetensors,
    write_model,
)

ROOT = Path(__file__).resolve().parents[2]
BIG = 33 * MIB  # three parts


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with cloud_for_ops(monkeypatch) as made:
        made.make_bucket()
        made.put_outputs({"bucketName": BUCKET})
        made.requests.clear()
        yield made


def push(*arguments: str | Path) -> int:
    return cli.main(["--stack", STACK, "models", "push", *map(str, arguments)])


def verify() -> int:
    return cli.main(["--stack", STACK, "models", "verify"])


def keys(cloud: Cloud) -> list[str]:
    found = cloud.client("s3").list_objects_v2(Bucket=BUCKET)
    return [entry["Key"] for entry in found.get("Contents", [])]


def unfinished(cloud: Cloud) -> list[Any]:
    return cloud.client("s3").list_multipart_uploads(Bucket=BUCKET).get("Uploads", [])


def test_a_big_file_goes_up_in_parts_with_both_sums_recorded(cloud: Cloud, tmp_path: Path) -> None:
    file = write_model(tmp_path, "room.safetensors", BIG)
    assert push(file) == 0
    parts = [request for request in cloud.sent("PUT") if "partNumber=" in request]
    assert len(parts) == 3
    found = cloud.client("s3").get_object(
        Bucket=BUCKET, Key="models/checkpoints/room.safetensors", ChecksumMode="ENABLED"
    )
    raw = file.read_bytes()
    of_parts = b"".join(
        hashlib.sha256(raw[at : at + PART_BYTES]).digest() for at in range(0, len(raw), PART_BYTES)
    )
    assert found["Metadata"]["sha256"] == hashlib.sha256(raw).hexdigest()
    assert found["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(of_parts).digest()).decode() + "-3"
    assert found["Body"].read() == raw


@pytest.mark.parametrize("size", [10_000, BIG])
def test_the_same_file_again_uploads_nothing(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str], size: int
) -> None:
    file = write_model(tmp_path, "room.safetensors", size)
    assert push(file) == 0
    cloud.requests.clear()
    assert push(file) == 0
    assert cloud.sent("PUT") == [], "an upload"
    assert [r for r in cloud.sent("POST") if BUCKET in r] == [], "the beginning of an upload in parts"
    assert "already there" in capsys.readouterr().out


def test_a_copy_that_nobody_recorded_is_compared_and_not_uploaded(cloud: Cloud, tmp_path: Path) -> None:
    file = write_model(tmp_path, "Indochine.safetensors", 10_000)
    cloud.client("s3").put_object(Bucket=BUCKET, Key="loras/Indochine.safetensors", Body=file.read_bytes())
    cloud.requests.clear()
    assert push(file, "--to", "loras") == 0
    assert cloud.sent("PUT") == []


def test_replace_records_the_sum_of_a_copy_that_nobody_recorded(cloud: Cloud, tmp_path: Path) -> None:
    file = write_model(tmp_path, "Indochine.safetensors", 10_000)
    cloud.client("s3").put_object(Bucket=BUCKET, Key="loras/Indochine.safetensors", Body=file.read_bytes())
    assert verify() == 1
    assert push(file, "--to", "loras", "--replace") == 0
    assert verify() == 0


def test_another_file_of_the_same_name_needs_replace(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert push(write_model(tmp_path, "room.safetensors", 10_000)) == 0
    other = write_model(tmp_path, "room.safetensors", 10_000, seed=2)
    new = write_model(tmp_path, "new.safetensors", 10_000)
    cloud.requests.clear()
    assert push(new, other) == 1
    assert cloud.sent("PUT") == [], "the new file must wait too: nothing goes up before all is clear"
    assert "--replace" in capsys.readouterr().err
    assert push(new, other, "--replace") == 0
    stored = cloud.client("s3").get_object(Bucket=BUCKET, Key="models/checkpoints/room.safetensors")
    assert stored["Body"].read() == other.read_bytes()


def test_a_published_version_of_a_style_is_never_replaced(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    s3, key = cloud.client("s3"), "loras/Loft-v1.safetensors"
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"a version")
    other = write_model(tmp_path, "Loft-v1.safetensors", 10_000)
    s3.put_object(Bucket=BUCKET, Key="loras/Loft-v1.json", Body=b"{}")
    assert push(other, "--to", "loras", "--replace") == 1
    assert "never changes" in capsys.readouterr().err
    assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == b"a version"
    s3.delete_object(Bucket=BUCKET, Key="loras/Loft-v1.json")
    assert push(other, "--to", "loras", "--replace") == 0, "a plain file that only looks like one"


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ([], "models/checkpoints/x.safetensors"),
        (["--folder", "controlnet"], "models/controlnet/x.safetensors"),
        (["--to", "loras"], "loras/x.safetensors"),
    ],
)
def test_a_file_goes_where_comfyui_looks(
    cloud: Cloud, tmp_path: Path, arguments: list[str], key: str
) -> None:
    assert push(write_model(tmp_path, "x.safetensors", 10_000), *arguments) == 0
    assert keys(cloud) == [key]


def test_an_upload_that_breaks_off_leaves_nothing(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.refuse = lambda method, path: method == "PUT" and "partNumber=2" in path
    assert push(write_model(tmp_path, "room.safetensors", BIG)) == 1
    assert any("partNumber=1" in request for request in cloud.sent("PUT")), "it never began"
    assert keys(cloud) == []
    assert unfinished(cloud) == []
    said = capsys.readouterr().err
    assert "broke off" in said
    assert "nothing of it is left" in said


def test_parts_that_can_not_be_removed_are_told(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud.refuse = lambda method, path: "partNumber=2" in path or method == "DELETE"
    assert push(write_model(tmp_path, "room.safetensors", BIG)) == 1
    assert len(unfinished(cloud)) == 1, "the test's own premise"
    assert "parts may be left" in capsys.readouterr().err


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_leaves_nothing(cloud: Cloud, tmp_path: Path, sent: signal.Signals) -> None:
    file = write_model(tmp_path, "room.safetensors", BIG)
    process = subprocess.Popen(
        [sys.executable, "-m", "ops", "--stack", STACK, "models", "push", str(file)],
        cwd=ROOT,
        env={**os.environ, **environment(cloud)},
        stderr=subprocess.PIPE,
        text=True,
    )

    def interrupt_at_the_second_part(method: str, path: str) -> bool:
        if "partNumber=2" in path:
            process.send_signal(sent)
            time.sleep(0.5)  # the part is still on its way when the signal arrives
        return False

    cloud.refuse = interrupt_at_the_second_part
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.strip().endswith("interrupted")
    assert "Traceback" not in said
    assert keys(cloud) == []
    assert unfinished(cloud) == []


def test_a_file_that_changes_on_its_way_is_removed_again(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = write_model(tmp_path, "room.safetensors", 10_000)
    assert push(before) == 0
    changed = write_model(tmp_path, "room.safetensors", 10_000, seed=2)

    def digest_then_change(path: Path, advance: Any) -> Any:
        found = digest(path, advance)
        write_model(tmp_path, "room.safetensors", 10_000, seed=3)
        return found

    monkeypatch.setattr("ops.models.digest", digest_then_change)
    assert push(changed, "--replace") == 1
    assert "not what was read" in capsys.readouterr().err
    assert verify() == 0, "the version from before must be back"


def test_verify_finds_a_corrupted_object_and_one_that_nobody_recorded(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (
        push(write_model(tmp_path, "good.safetensors", BIG), write_model(tmp_path, "bad.safetensors", 10_000))
        == 0
    )
    assert verify() == 0
    s3 = cloud.client("s3")
    key = "models/checkpoints/bad.safetensors"
    stored = s3.get_object(Bucket=BUCKET, Key=key)
    raw = bytearray(stored["Body"].read())
    raw[-1] ^= 1
    s3.put_object(Bucket=BUCKET, Key=key, Body=bytes(raw), Metadata=stored["Metadata"])
    s3.put_object(Bucket=BUCKET, Key="loras/found.safetensors", Body=b"x")
    capsys.readouterr()
    assert cli.main(["--stack", STACK, "--json", "models", "verify"]) == 1
    states = {one["key"]: one["state"] for one in json.loads(capsys.readouterr().out)}
    assert states == {
        "loras/found.safetensors": "unknown",
        key: "broken",
        "models/checkpoints/good.safetensors": "whole",
    }


def test_list_tells_name_size_sum_and_age(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_model(tmp_path, "room.safetensors", 10_000)
    assert push(file) == 0
    s3 = cloud.client("s3")
    for beside in ("", "Loft-v1.json", "Loft-v1.jpg", "Loft.alias.json"):
        s3.put_object(Bucket=BUCKET, Key=f"loras/{beside}", Body=b"")
    s3.put_object(Bucket=BUCKET, Key="loras/Indochine.safetensors", Body=b"x", ChecksumAlgorithm="SHA256")
    capsys.readouterr()
    assert cli.main(["models", "list", "--stack", STACK, "--json"]) == 0
    listed = {one["key"]: one for one in json.loads(capsys.readouterr().out)}
    room = listed.pop("models/checkpoints/room.safetensors")
    assert room["size"] == file.stat().st_size
    assert room["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert listed.pop("loras/Indochine.safetensors")["sha256"] == hashlib.sha256(b"x").hexdigest()
    assert not listed, "the console's folder objects are no models, nor is what lies beside a style"
    assert cli.main(["models", "list", "--stack", STACK]) == 0
    shown = capsys.readouterr().out
    assert "room.safetensors" in shown
    assert room["sha256"][:12] in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_broken_file_stops_the_others_too(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write_model(tmp_path, "good.safetensors", 10_000)
    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(safetensors(b"12345678")[:-1])
    assert push(good, bad, tmp_path / "absent.pt") == 1
    assert cloud.requests == [], "refused before AWS is asked anything"
    said = capsys.readouterr().err
    assert "2 files refused" in said
    assert "bad.safetensors: its header tells of 8 bytes of tensors, but the file has 7" in said
    assert "absent.pt: there is no such file" in said


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--folder", "checkpoint"], "not one of ComfyUI's folders"),
        (["--to", "loras", "--folder", "vae"], "--folder is for --to models"),
    ],
)
def test_a_wrong_place_is_refused(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert push(write_model(tmp_path, "x.safetensors", 100), *arguments) == 2
    assert told in capsys.readouterr().err
    assert cloud.requests == []


def test_two_files_for_one_place_are_refused(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other").mkdir()
    files = [write_model(folder, "x.safetensors", 100) for folder in (tmp_path, tmp_path / "other")]
    assert push(*files) == 2
    assert "overwrite each other" in capsys.readouterr().err
    assert cloud.requests == []
