"""A model file that is not what its name says is refused, with the reason; a whole one is not."""

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.model_files import TORCH_LEGACY, BrokenFile, check
from tests.unit.ops_cloud import safetensors

DATA = b"0123456789abcdef"
WHOLE = safetensors(DATA)


def header(value: Any, data: bytes = b"") -> bytes:
    raw = json.dumps(value).encode()
    return len(raw).to_bytes(8, "little") + raw + data


def tensors(*spans: tuple[int, int], data: int) -> bytes:
    entries = {
        f"t{number}": {"dtype": "U8", "shape": [end - begin], "data_offsets": [begin, end]}
        for number, (begin, end) in enumerate(spans)
    }
    return header(entries, bytes(data))


def archive(path: Path, member: str) -> bytes:
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(member, b"x" * 1000)
    return path.read_bytes()


BROKEN = {
    "empty.safetensors": (b"", "it is empty"),
    "short.safetensors": (b"\x10\x00\x00", "no possible length"),
    "huge.safetensors": (b"\xff" * 8 + b"{}", "no possible length"),
    "cut-in-header.safetensors": (WHOLE[:20], "ends inside its header"),
    "no-json.safetensors": ((4).to_bytes(8, "little") + b"{oh}", "is no JSON"),
    "no-text.safetensors": ((4).to_bytes(8, "little") + b"\xff\xfe\xfd\xfc", "is no JSON"),
    "list.safetensors": (header([1]), "no JSON object"),
    "no-tensor.safetensors": (header({"__metadata__": {}}), "holds no tensor"),
    "cut.safetensors": (WHOLE[:-1], "cut short"),
    "longer.safetensors": (WHOLE + b"x", "cut short, or changed"),
    "no-offsets.safetensors": (header({"t": {"dtype": "U8", "shape": [1]}}, b"x"), "tells no dtype, shape"),
    "no-entry.safetensors": (header({"t": 5}, b"x"), "tells no dtype, shape"),
    "wrong-shape.safetensors": (safetensors(DATA, shape=[17]), "does not fit its 16 bytes"),
    "backwards.safetensors": (safetensors(DATA, data_offsets=[16, 0]), "does not fit"),
    "back-at-the-end.safetensors": (tensors((0, 20), (20, 16), data=16), "does not fit"),
    "gap.safetensors": (tensors((0, 4), (5, 8), data=8), "overlap or leave a gap"),
    "overlap.safetensors": (tensors((0, 4), (3, 8), data=8), "overlap or leave a gap"),
    "late.safetensors": (tensors((1, 8), data=8), "overlap or leave a gap"),
    "page.safetensors": (b"<!DOCTYPE html><title>Log in</title>", "it is a web page"),
    "page.ckpt": (b"\n<html><title>Log in</title>", "it is a web page"),
    "answer.pth": (b"<?xml version='1.0'?><Error/>", "an XML answer"),
    "pointer.safetensors": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
    "text.pt": (b"just some words", "neither a zip archive of PyTorch nor a whole pickle"),
    "renamed.pth": (WHOLE, "neither a zip archive of PyTorch nor a whole pickle"),
    "renamed.safetensors": (pickle.dumps({"a": 1}), "no possible length"),
    "cut-pickle.ckpt": (pickle.dumps({"a": 1})[:-1], "nor a whole pickle"),
    "cut-zip.pt": (b"PK\x03\x04" + bytes(100), "zip archive is cut short or broken"),
    "picture.png": (b"\x89PNG", '".png" is no kind of model file'),
    "nothing": (b"x", '"" is no kind of model file'),
    ".hidden.safetensors": (WHOLE, "begins with a dot"),
    "line\nbreak.safetensors": (WHOLE, "unprintable"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    content, reason = BROKEN[name]
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(BrokenFile) as caught:
        check(file)
    assert reason in str(caught.value)


def test_a_zip_that_is_not_of_pytorch_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "sources.pt"
    archive(file, "readme.txt")
    with pytest.raises(BrokenFile, match="not one of PyTorch"):
        check(file)


def test_a_zip_without_its_end_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cut.pt"
    file.write_bytes(archive(tmp_path / "whole.pt", "archive/data.pkl")[:-30])
    with pytest.raises(BrokenFile, match="cut short or broken"):
        check(file)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "folder.safetensors"
    folder.mkdir()
    for path, reason in ((folder, "it is not a file"), (tmp_path / "absent.safetensors", "no such file")):
        with pytest.raises(BrokenFile, match=reason):
            check(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("one.safetensors", WHOLE),
        ("UPPER.SAFETENSORS", WHOLE),
        ("several.sft", tensors((4, 8), (0, 4), data=8)),
        ("newer.safetensors", safetensors(DATA, dtype="F9_E8M1", shape=[3])),
        ("half.safetensors", safetensors(DATA, dtype="F16", shape=[2, 4])),
        ("scalar.safetensors", safetensors(b"1234", dtype="F32", shape=[])),
        ("plain.pkl", pickle.dumps({"a": 1})),
        ("legacy.ckpt", TORCH_LEGACY + b"more pickles and raw numbers"),
    ],
)
def test_a_whole_file_is_taken(tmp_path: Path, name: str, content: bytes) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    check(file)


def test_an_archive_of_pytorch_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "model.pth"
    archive(file, "archive/data.pkl")
    check(file)


@given(content=st.binary(max_size=200), suffix=st.sampled_from([".safetensors", ".pt", ".ckpt"]))
def test_any_bytes_are_taken_or_refused_but_never_crash(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str
) -> None:
    file = tmp_path_factory.mktemp("any") / f"x{suffix}"
    file.write_bytes(content)
    try:
        check(file)
    except BrokenFile as refused:
        assert str(refused)


@given(length=st.integers(0, len(WHOLE) - 1))
def test_every_shorter_copy_is_refused(tmp_path_factory: pytest.TempPathFactory, length: int) -> None:
    file = tmp_path_factory.mktemp("cut") / "x.safetensors"
    file.write_bytes(WHOLE[:length])
    with pytest.raises(BrokenFile):
        check(file)
