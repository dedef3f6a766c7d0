"""`ops smoke` on a stack that is well, and on one with each of its faults: every fault is told and ends with 1."""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from lock_ground import clone
from ops_cloud import Cloud, cloud_for_ops
from smoke_ground import IMAGES, Site, put_stack, site

import stack_lock
from ops import lock, smoke
from ops.errors import OpsError
from ops.stack import connect


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Generator[Cloud]:
    with cloud_for_ops(monkeypatch) as made:
        yield made


@pytest.fixture
def well(cloud: Cloud) -> Generator[Site]:
    with site() as made:
        put_stack(cloud, made)
        yield made


def run(root: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, list[str]]]:
    """Exit status, and the faults by check."""
    status = smoke.run(connect("dev"), json=True, minutes=0.2, root=root)
    return status, {one["name"]: one["faults"] for one in json.loads(capsys.readouterr().out)}


def test_a_stack_that_is_well_passes_and_can_be_locked(
    well: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = clone(tmp_path)
    status, faults = run(tmp_path, capsys)
    assert (status, set(faults)) == (0, {"page", "API closed to strangers", "text picture", "sketch picture"})
    assert not any(faults.values())
    passed = stack_lock.read("dev", lock.passed_folder(tmp_path))
    assert passed is not None and passed.images == IMAGES and passed.commit == made.git("rev-parse", "HEAD")


def test_it_draws_and_asks_with_another_seed_each_time(
    well: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clone(tmp_path)
    run(tmp_path, capsys)
    run(tmp_path, capsys)
    wishes = [
        json.loads(body)
        for method, path, body in well.asked
        if (method, path) == ("POST", "/api/generations")
    ]
    assert len({wish["seed"] for wish in wishes}) == 2 and len(wishes) == 4
    drawings = [body for _, path, body in well.asked if path == "/api/sketches"]
    assert drawings and all(one.startswith(b"\x89PNG") for one in drawings)


def test_the_designer_is_gone_afterwards(
    well: Site, cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clone(tmp_path)
    well.states["text"] = "failed"
    run(tmp_path, capsys)
    assert cloud.client("cognito-idp").list_users(UserPoolId=well.config["userPoolId"])["Users"] == []


@pytest.mark.parametrize("kind", ["text", "sketch"])
def test_a_picture_that_fails_is_told_with_its_reason_and_undoes_what_has_passed(
    well: Site, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    clone(tmp_path)
    run(tmp_path, capsys)
    well.states[kind] = "failed"
    status, faults = run(tmp_path, capsys)
    assert status == 1
    assert faults.pop(f"{kind} picture") == ["it has failed: the GPU is out of memory"]
    assert not any(faults.values()), "the other picture is well"
    assert stack_lock.read("dev", lock.passed_folder(tmp_path)) is None


@pytest.mark.parametrize("image", [b"\x89PNG\r\n\x1a\n short", b"<html>" + b"x" * 5000])
def test_what_is_no_picture_fails(
    well: Site, tmp_path: Path, image: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    well.image = image
    status, faults = run(tmp_path, capsys)
    assert status == 1 and "are no picture" in faults["text picture"][0]


@pytest.mark.parametrize(
    ("path", "answer", "told"),
    [
        ("GET /", (502, "text/html", b"bad"), "/ answers 502"),
        ("GET /", (200, "text/plain", b"hello"), "/ is no page but text/plain"),
        ("GET /config.json", (404, "text/html", b""), "/config.json answers 404"),
        ("GET /config.json", (200, "text/html", b"<html>"), "is no JSON object"),
    ],
)
def test_a_page_that_is_not_there_or_has_no_config_fails(
    well: Site,
    tmp_path: Path,
    path: str,
    answer: tuple[int, str, bytes],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    well.answers[path] = answer
    status, faults = run(tmp_path, capsys)
    assert status == 1 and any(told in one for one in faults["page"]), faults["page"]


def test_a_page_with_another_stacks_config_fails_by_each_key(
    well: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    well.config = {**well.config, "stack": "prod", "more": 1}
    status, faults = run(tmp_path, capsys)
    assert status == 1
    assert faults["page"] == [
        "/config.json: more is 1, the stack says null",
        '/config.json: stack is "prod", the stack says "dev"',
    ]


def test_each_security_header_is_looked_at(
    well: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = well.headers.pop("X-Frame-Options")
    well.headers["Content-Security-Policy"] = "default-src *"
    status, faults = run(tmp_path, capsys)
    assert status == 1 and len(faults["page"]) == 2
    assert f'header X-Frame-Options is null, not "{missing}"' in faults["page"]


def test_an_api_that_is_open_to_strangers_fails(
    well: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    well.answers["GET /api/generations"] = (200, "application/json", b"[]")
    status, faults = run(tmp_path, capsys)
    assert status == 1
    assert faults["API closed to strangers"] == ["/api/generations answers 200 to a stranger, not 401"]


def test_nobody_at_the_address_is_told_of_both(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with site() as gone:
        put_stack(cloud, gone)
    status, faults = run(tmp_path, capsys)
    assert status == 1 and all(faults.values())
    assert all("can't be reached" in faults[name][0] for name in ("page", "API closed to strangers"))


def test_a_stack_without_a_page_says_so_and_passes(
    well: Site, cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clone(tmp_path)
    outputs: dict[str, Any] = {"frontendConfig": well.config, "leftOut": {"frontend": "switched off"}}
    cloud.put_outputs({**outputs, "imageIds": IMAGES})
    assert smoke.run(connect("dev"), json=False, minutes=0.2, root=tmp_path) == 0
    told = capsys.readouterr()
    assert "left out: switched off" in told.out and "dev has passed" in told.out
    assert "the GPU is waking, about 200 s" in told.err


def test_a_pool_that_refuses_is_told(
    well: Site, cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = {**well.config, "userPoolId": "us-east-1_gone"}
    cloud.put_outputs({"frontendConfig": config, "imageIds": IMAGES})
    status, faults = run(tmp_path, capsys)
    assert status == 1 and "no sign-in: AdminCreateUser" in faults["text picture"][0]


def test_a_checkout_with_changes_passes_and_says_that_it_makes_no_lock(
    well: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clone(tmp_path)
    (tmp_path / "new.py").write_text("")
    assert smoke.run(connect("dev"), json=False, minutes=0.2, root=tmp_path) == 0
    assert "no lock can be made" in capsys.readouterr().out


def test_outputs_without_a_config_are_told(cloud: Cloud, tmp_path: Path) -> None:
    cloud.put_outputs({"imageIds": IMAGES})
    with pytest.raises(OpsError, match="no frontendConfig"):
        smoke.run(connect("dev"), json=True, root=tmp_path)
