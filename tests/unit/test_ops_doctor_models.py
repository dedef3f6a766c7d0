"""`ops doctor` on models: whether they are there, whole as far as can be told without reading them, and fit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from ops import doctor_models
from ops.doctor_finding import Finding
from ops.upload import SHA256_KEY
from tests.unit.doctor_ground import Account, account, told
from tests.unit.ops_cloud import BUCKET

MODELS, FIT = doctor_models.CHECKS
CHECKPOINT = "models/checkpoints/interiordesignsuperm_v2.safetensors"
CONTROL = "models/controlnet/control_v11p_sd15_scribble_fp16.safetensors"
BYTES = b"a model"


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    with account(monkeypatch) as made:
        yield made


def models(cloud: Account) -> dict[str, Finding]:
    return told(MODELS.look(cloud.ground()))


def fit(cloud: Account, **changes: Any) -> dict[str, Finding]:
    return told(FIT.look(cloud.ground(**changes)))


def put(cloud: Account, *keys: str, sha256: str = hashlib.sha256(BYTES).hexdigest(), **more: Any) -> None:
    for key in keys:
        metadata = {SHA256_KEY: sha256} if sha256 else {}
        cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=BYTES, Metadata=metadata, **more)


def test_the_models_are_those_that_the_workflows_declare() -> None:
    found = {kind: [model.key for model in models] for kind, models in doctor_models.named().items()}
    assert found == {"text": [CHECKPOINT], "sketch": [CHECKPOINT, CONTROL]}


def test_models_that_are_there_are_told_with_their_checksum(cloud: Account) -> None:
    cloud.make_bucket()
    put(cloud, CHECKPOINT, CONTROL)
    found = models(cloud)
    assert {name: one.verdict for name, one in found.items()} == {
        "model checkpoints": "ok",
        "model controlnet": "ok",
    }
    assert hashlib.sha256(BYTES).hexdigest()[:12] in found["model controlnet"].said


def test_without_a_bucket_they_come_after_up(cloud: Account) -> None:
    found = models(cloud)["model checkpoints"]
    assert found.verdict == "unseen" and "comes after the first `up`" in found.said
    assert "models push interiordesignsuperm_v2.safetensors --folder checkpoints" in found.todo


def test_a_model_that_the_bucket_lacks_is_told_with_the_command_that_brings_it(cloud: Account) -> None:
    cloud.make_bucket()
    put(cloud, CHECKPOINT)
    found = models(cloud)["model controlnet"]
    assert found.verdict == "bad" and CONTROL.rpartition("/")[2] in found.said
    assert not found.stops_up, "models are pushed into the bucket that `up` makes"
    assert (
        found.todo
        == f"python -m ops --stack dev models push {CONTROL.rpartition('/')[2]} --folder controlnet"
    )


@pytest.mark.parametrize(
    ("sha256", "said"), [("", "nobody recorded its SHA-256"), ("0" * 64, "000000000000… was recorded")]
)
def test_a_checksum_that_nobody_recorded_or_another_one_is_told(
    cloud: Account, sha256: str, said: str
) -> None:
    cloud.make_bucket()
    put(cloud, CHECKPOINT, sha256=sha256, **({"ChecksumAlgorithm": "SHA256"} if sha256 else {}))
    found = models(cloud)["model checkpoints"]
    assert found.verdict == "bad" and said in found.said and "--replace" in found.todo


def test_a_missing_right_is_named(cloud: Account) -> None:
    cloud.make_bucket()
    put(cloud, CHECKPOINT)
    cloud.denied.add(("s3", "HeadObject"))
    found = models(cloud)["model checkpoints"]
    assert found.verdict == "unseen" and "s3:GetObject" in found.said


def test_both_servers_fit_the_machine_and_the_sums_are_told(cloud: Account) -> None:
    found = fit(cloud)
    assert {name: one.verdict for name, one in found.items()} == {
        "memory": "ok",
        "GPU memory": "ok",
        "disk": "ok",
    }
    assert "text 3.0 + 2.0 = 5.0; sketch 3.0 + 2.0 + 0.7 = 5.7" in found["memory"].said
    assert "each may have 7.7 of 16 GiB" in found["memory"].said
    assert "both 14.1 of A10G's 22 GiB" in found["GPU memory"].said
    assert "65.0 + 15.0 + 2.7 + 2.0 = 84.7" in found["disk"].said


def test_pictures_too_large_for_the_gpu_are_told(cloud: Account) -> None:
    found = fit(cloud, limits={"pictureMaxSide": 2048})["GPU memory"]
    assert found.verdict == "bad" and "2048x2048" in found.said and "pictureMaxSide" in found.todo


def test_a_disk_that_would_alarm_at_once_is_told_with_the_size_that_does(cloud: Account) -> None:
    found = fit(cloud, mlServer={"diskGib": 100}, operations={"diskPercent": 80})["disk"]
    assert found.verdict == "bad" and "of 100 GiB; alarm at 80" in found.said
    assert "sd-app:mlServer.diskGib to 106 or more" in found.todo


def test_sizes_are_the_buckets_own_where_it_has_the_model(
    cloud: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.make_bucket()
    monkeypatch.setattr(doctor_models, "STAND_IN_BYTES", 1)
    monkeypatch.setattr(doctor_models, "GIB", 1.0)
    put(cloud, CHECKPOINT, CONTROL, "loras/Indochine.safetensors")
    found = fit(cloud)
    assert found["memory"].verdict == "bad" and "text 3.0 + 7.0 = 10.0" in found["memory"].said
    assert "65.0 + 15.0 + 21.0 + 2.0" in found["disk"].said, "styles take room on the disk too"


def test_an_emulators_stand_ins_do_not_count_for_models(cloud: Account) -> None:
    cloud.make_bucket()
    put(cloud, CHECKPOINT, CONTROL)
    assert "text 3.0 + 2.0 = 5.0" in fit(cloud)["memory"].said


def test_a_model_of_unknown_size_is_told(cloud: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_models, "KNOWN_BYTES", {})
    found = fit(cloud)["fit"]
    assert found.verdict == "unseen" and "interiordesignsuperm_v2.safetensors" in found.said


def test_without_the_right_to_list_known_sizes_are_taken_and_told(cloud: Account) -> None:
    cloud.denied.add(("s3", "ListObjectsV2"))
    assert "s3:ListBucket" in fit(cloud)["disk"].said
