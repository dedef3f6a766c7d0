"""Publishing: whole, under the next free number, and cut off anywhere no style has changed."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.unit.lora_files import kohya, safetensors, write_lora
from tests.unit.ops_cloud import BUCKET, Cloud, running_cloud
from training.lora import LoraRefused
from training.publish import NotPromoted, PublishArgs, Published, PublishRefused, publish
from training.shelf import PREFIX, Taken, entries, read_alias, write_alias
from training.sidecar import DataSet, Made, read

SEVERAL = 5


class Cut(Exception):
    """The power went."""


class CutClient:
    """An S3 client that is cut off after so many calls: before the next is sent, or before its answer arrives."""

    def __init__(self, client: Any, calls: int, *, after: bool = False) -> None:
        self._client, self._left, self._after = client, calls, after

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._client, name)
        if name == "get_paginator":
            return real

        def call(**arguments: Any) -> Any:
            self._left -= 1
            if self._left < 0 and not self._after:
                raise Cut
            answer = real(**arguments)
            if self._left < 0:
                raise Cut
            return answer

        return call


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with running_cloud() as made:
        yield made


@pytest.fixture
def s3(cloud: Cloud) -> Any:
    return cloud.make_bucket()


def args(tmp_path: Path, seed: int = 1, **changed: Any) -> PublishArgs:
    file = write_lora(tmp_path, f"{seed}.safetensors", seed)
    return replace(PublishArgs(file=file, style="Indochine"), **changed)


def picture(tmp_path: Path) -> Path:
    path = tmp_path / "picture.png"
    Image.effect_noise((700, 600), 60).save(path)
    return path


def styles(s3: Any) -> dict[str, str]:
    """What designers get: version by style, each of which must be whole."""
    found: dict[str, str] = {}
    there = entries(s3, BUCKET)
    for name in there:
        if name.endswith(".alias.json"):
            answer = read_alias(s3, BUCKET, name.removesuffix(".alias.json"))
            assert answer
            version = answer[0].version
            body = s3.get_object(Bucket=BUCKET, Key=f"{PREFIX}{version}.safetensors")
            sidecar = read(s3.get_object(Bucket=BUCKET, Key=f"{PREFIX}{version}.json")["Body"].read())
            assert (
                hashlib.sha256(body["Body"].read()).hexdigest()
                == sidecar.sha256
                == body["Metadata"]["sha256"]
            )
            assert not sidecar.thumbnail or sidecar.thumbnail in there
            found[answer[0].style] = version
    return found


def test_a_first_version_goes_out_whole_with_its_story_and_is_what_designers_get(
    s3: Any, tmp_path: Path
) -> None:
    made = Made(dataset=DataSet(name="indochine", pictures=24), loss=0.08)
    wish = args(
        tmp_path, title="Đông Dương", trigger_word="indochine", thumbnail=picture(tmp_path), made=made
    )
    wish.file.write_bytes(safetensors(kohya(), {"ss_steps": "900", "ss_sd_model_name": "sd15.safetensors"}))
    found = publish(s3, BUCKET, wish)
    assert found == Published(
        style="Indochine",
        version="Indochine-v1",
        sha256=hashlib.sha256(wish.file.read_bytes()).hexdigest(),
        size=wish.file.stat().st_size,
        current="Indochine-v1",
        before="",
        retired=False,
    )
    assert styles(s3) == {"Indochine": "Indochine-v1"}
    assert set(entries(s3, BUCKET)) == {
        *(f"Indochine-v1.{end}" for end in ("safetensors", "json", "jpg")),
        "Indochine.alias.json",
    }
    sidecar = read(s3.get_object(Bucket=BUCKET, Key="loras/Indochine-v1.json")["Body"].read())
    assert (sidecar.title, sidecar.trigger_word, sidecar.made.loss) == ("Đông Dương", "indochine", 0.08)
    assert sidecar.made.steps == 900 and sidecar.made.base and sidecar.made.base.name == "sd15.safetensors"
    shown = s3.get_object(Bucket=BUCKET, Key="loras/Indochine-v1.jpg")
    with Image.open(shown["Body"]) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("JPEG", (512, 512))
    head = s3.head_object(Bucket=BUCKET, Key="loras/Indochine-v1.safetensors", ChecksumMode="ENABLED")
    assert head["ChecksumSHA256"] == base64.b64encode(bytes.fromhex(found.sha256)).decode()


def test_a_second_version_changes_nothing_for_designers_until_it_is_promoted(s3: Any, tmp_path: Path) -> None:
    publish(s3, BUCKET, args(tmp_path))
    second = publish(s3, BUCKET, args(tmp_path, seed=2))
    assert (second.version, second.current) == ("Indochine-v2", "Indochine-v1")
    third = publish(s3, BUCKET, args(tmp_path, seed=3, promote=True))
    assert (third.version, third.current, third.before) == ("Indochine-v3", "Indochine-v3", "Indochine-v1")
    answer = read_alias(s3, BUCKET, "Indochine")
    assert answer and answer[0].previous == ("Indochine-v1",)


def test_the_same_bytes_again_are_no_new_version(s3: Any, tmp_path: Path) -> None:
    publish(s3, BUCKET, args(tmp_path))
    again = publish(s3, BUCKET, args(tmp_path))
    assert again.already and again.version == "Indochine-v1"
    assert len(entries(s3, BUCKET)) == 3


CALLS = 6
"""Alias read, version 1 compared, thumbnail, sidecar, file, alias written."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(CALLS))
def test_cut_off_at_any_call_no_style_has_changed_and_the_command_repeated_does_it(
    s3: Any, tmp_path: Path, at: int, after: bool
) -> None:
    publish(s3, BUCKET, args(tmp_path))
    wish = args(tmp_path, seed=2, promote=True, thumbnail=picture(tmp_path))
    with pytest.raises(Cut):
        publish(CutClient(s3, at, after=after), BUCKET, wish)
    is_done = at == CALLS - 1 and after  # its last write was made, and only the answer was lost
    assert styles(s3) == {"Indochine": "Indochine-v2" if is_done else "Indochine-v1"}
    found = publish(s3, BUCKET, wish)
    assert styles(s3) == {"Indochine": found.version}


@pytest.mark.parametrize("at", range(CALLS - 2))  # nothing is there to be read or compared
def test_a_first_version_that_was_cut_off_is_no_style_yet(s3: Any, tmp_path: Path, at: int) -> None:
    wish = args(tmp_path, thumbnail=picture(tmp_path))
    with pytest.raises(Cut):
        publish(CutClient(s3, at), BUCKET, wish)
    assert styles(s3) == {}
    for name in entries(s3, BUCKET):
        if name.endswith(".safetensors"):
            version = name.removesuffix(".safetensors")
            told = json.loads(s3.get_object(Bucket=BUCKET, Key=f"loras/{version}.json")["Body"].read())
            said = (told["style"], told["version"])
            assert said == ("Indochine", version), "a file without its story would be a style"
    found = publish(s3, BUCKET, wish)
    assert styles(s3) == {"Indochine": found.version}


def test_an_answer_that_was_lost_is_no_other_publisher(cloud: Cloud, s3: Any, tmp_path: Path) -> None:
    wish = args(tmp_path)
    real, lost = s3.put_object, list[str]()

    def put(**request: Any) -> Any:
        answer = real(**request)
        if request["Key"] not in lost:
            lost.append(request["Key"])
            return real(**request)  # as botocore asks again: the condition does not hold any more
        return answer

    s3.put_object = put
    assert publish(s3, BUCKET, wish).version == "Indochine-v1"
    assert len(lost) == 3 and styles(s3) == {"Indochine": "Indochine-v1"}


def test_who_publish_at_the_same_time_get_a_number_each(cloud: Cloud, s3: Any, tmp_path: Path) -> None:
    publish(s3, BUCKET, args(tmp_path))
    begin, found, wishes = (
        threading.Barrier(SEVERAL),
        list[str](),
        [args(tmp_path, seed=n) for n in range(2, 2 + SEVERAL)],
    )
    clients = [cloud.client("s3") for _ in wishes]

    def run(client: Any, wish: PublishArgs) -> None:
        begin.wait()
        try:
            found.append(publish(client, BUCKET, wish).version)
        except PublishRefused:
            found.append("refused")

    threads = [threading.Thread(target=run, args=pair) for pair in zip(clients, wishes, strict=True)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    numbered = [one for one in found if one != "refused"]
    assert len(set(numbered)) == len(numbered) >= 1
    assert styles(s3) == {"Indochine": "Indochine-v1"}


def test_a_style_that_somebody_else_changes_meanwhile_stays_as_they_left_it(s3: Any, tmp_path: Path) -> None:
    publish(s3, BUCKET, args(tmp_path))
    publish(s3, BUCKET, args(tmp_path, seed=2))
    found = read_alias(s3, BUCKET, "Indochine")
    assert found
    real = s3.put_object

    def put(**request: Any) -> Any:
        if request["Key"].endswith("-v3.safetensors"):
            write_alias(s3, BUCKET, found[0].promoted("Indochine-v2"), found[1])
        return real(**request)

    s3.put_object = put
    with pytest.raises(NotPromoted, match=r"Indochine-v3 is published, .* loras promote Indochine-v3"):
        publish(s3, BUCKET, args(tmp_path, seed=3, promote=True))
    assert styles(s3) == {"Indochine": "Indochine-v2"}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"style": "Đông"}, "no name for a style"),
        ({"style": "../x"}, "no name for a style"),
        ({"style": "a" * 61}, "no name for a style"),
        ({"style": "Indochine-v2"}, "ends as a version does"),
        (
            {"style": "INDOCHINE"},
            "there is a style Indochine, and INDOCHINE differs from it by capitals alone",
        ),
        ({"style": "Plain"}, r"the name Plain is taken by the file loras/Plain\.safetensors"),
        ({"recommended_strength": 2.5}, "up to 2 are allowed"),
        ({"trigger_word": "a\nb"}, "trigger word has more than"),
        ({"title": "x" * 81}, "title has more than 80"),
        ({"thumbnail": Path("absent.png")}, "thumbnail absent.png: the file is broken"),
    ],
)
def test_what_can_not_be_published_is_refused_before_anything_is_written(
    s3: Any, tmp_path: Path, changed: dict[str, Any], told: str
) -> None:
    s3.put_object(Bucket=BUCKET, Key="loras/Plain.safetensors", Body=b"x")
    publish(s3, BUCKET, args(tmp_path))
    before = set(entries(s3, BUCKET))
    with pytest.raises(PublishRefused, match=told):
        publish(s3, BUCKET, args(tmp_path, seed=2, **changed))
    assert set(entries(s3, BUCKET)) == before


def test_a_lora_for_another_base_model_is_refused(s3: Any, tmp_path: Path) -> None:
    wish = args(tmp_path)
    wish.file.write_bytes(safetensors(kohya({"lora_unet_x_attn2_to_k": (2048, 640)})))
    with pytest.raises(LoraRefused, match="a LoRA for SDXL"):
        publish(s3, BUCKET, wish)
    assert entries(s3, BUCKET) == {}


def test_an_alias_is_written_under_the_condition_that_nobody_else_wrote_it(s3: Any, tmp_path: Path) -> None:
    publish(s3, BUCKET, args(tmp_path))
    found = read_alias(s3, BUCKET, "Indochine")
    assert found
    write_alias(s3, BUCKET, found[0].promoted("other"), found[1])
    for etag in (found[1], None):
        with pytest.raises(Taken):
            write_alias(s3, BUCKET, replace(found[0], retired=True), etag)


def test_a_role_that_lists_by_prefix_can_publish_a_first_version(s3: Any, tmp_path: Path) -> None:
    class Forbidding:
        """As S3 is to the notebook: 403 of what isn't there."""

        def __getattr__(self, name: str) -> Any:
            real = getattr(s3, name)
            if name not in ("get_object", "head_object"):
                return real

            def call(**request: Any) -> Any:
                assert request["Key"].removeprefix(PREFIX) in entries(s3, BUCKET), f"403 of {request['Key']}"
                return real(**request)

            return call

    assert publish(Forbidding(), BUCKET, args(tmp_path)).version == "Indochine-v1"
    assert publish(Forbidding(), BUCKET, args(tmp_path, seed=2, promote=True)).current == "Indochine-v2"
