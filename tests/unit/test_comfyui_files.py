"""Uploads, views and models: files that are really there."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Generator
from pathlib import Path

import pytest
from PIL import Image

from tests.unit.comfyui_server import EXCHANGES, Answer, Emulator, graph

BOUNDARY = "a-boundary"
MULTIPART = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.fixture
def emulator(tmp_path: Path) -> Generator[Emulator]:
    running = Emulator(tmp_path, "--max-upload-size", "1")
    yield running
    running.stop()


def png(colour: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(buffer, "PNG")
    return buffer.getvalue()


def form(*fields: tuple[str, str | None, bytes]) -> bytes:
    """A multipart body of fields: name, file name or None, content."""
    parts = b""
    for name, file, content in fields:
        named = "" if file is None else f'; filename="{file}"'
        parts += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'.encode()
        parts += content + b"\r\n"
    return parts + f"--{BOUNDARY}--\r\n".encode()


def upload(emulator: Emulator, *fields: tuple[str, str | None, bytes]) -> Answer:
    return emulator.call("POST", "/upload/image", body=form(*fields), headers=MULTIPART)


def is_recorded(answer: Answer, name: str) -> bool:
    """Whether an answer is the recorded one."""
    recorded = EXCHANGES[name]
    assert answer.status == recorded["status"], answer.body
    for header, value in recorded["answer_headers"].items():
        assert answer.headers.get(header) == value, header
    if "json" in recorded:
        return answer.json == recorded["json"]
    return "text" not in recorded or answer.body.decode() == recorded["text"]


NAME = "observe-475706.png"


def test_uploads_are_kept_under_the_recorded_names(emulator: Emulator):
    def one(name: str, file: str | None, content: bytes, *more: tuple[str, str | None, bytes]) -> None:
        assert is_recorded(upload(emulator, *more, ("image", file, content)), name), name

    one("upload_plain", NAME, png())
    one("upload_same_again", NAME, png())
    one("upload_same_name_other_bytes", NAME, png("blue"))
    one("upload_overwrite", NAME, png("green"), ("overwrite", None, b"true"))
    one("upload_spaces_and_unicode", "mein bild ü.png", png())
    one("upload_subfolder", NAME, png(), ("subfolder", None, b"clips/a"))
    one("upload_type_temp", NAME, png(), ("type", None, b"temp"))
    one("upload_not_an_image", "broken.png", b"this is not a PNG")
    folder = emulator.folder / "input"
    assert (folder / NAME).read_bytes() == png("green")
    assert (folder / "observe-475706 (1).png").read_bytes() == png("blue")
    assert (folder / "clips" / "a" / NAME).read_bytes() == png()
    assert (emulator.folder / "temp" / NAME).read_bytes() == png()


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("upload_filename_dotdot", [("image", "../../observe-475706.png", b"x")]),
        ("upload_subfolder_dotdot", [("subfolder", None, b"../../x"), ("image", NAME, b"x")]),
        ("upload_no_image_field", [("x", None, b"1")]),
        ("upload_image_as_text_field", [("image", None, b"hello")]),
        ("upload_empty_filename", [("image", "", b"x")]),
        ("upload_type_unknown", [("type", None, b"nosuch"), ("image", NAME, b"x")]),
    ],
)
def test_bad_uploads_are_refused_as_recorded(
    emulator: Emulator, name: str, fields: list[tuple[str, str | None, bytes]]
):
    assert is_recorded(upload(emulator, *fields), name)
    assert [path.name for path in emulator.folder.rglob("observe*")] == [], "nothing was kept"


def test_what_is_no_form_is_refused_as_recorded(emulator: Emulator):
    said = emulator.call(
        "POST", "/upload/image", {"image": "x"}, headers={"Content-Type": "application/json"}
    )
    assert is_recorded(said, "upload_json_body")
    assert is_recorded(emulator.call("POST", "/upload/image"), "upload_no_body")


def test_an_upload_over_the_limit_is_refused(emulator: Emulator):
    answer = upload(emulator, ("image", "big.png", bytes(1024 * 1024 + 1)))
    assert answer.status == 413
    assert answer.body == b"Maximum request body size 1048576 exceeded.", "recorded with 100 MiB"


def test_views_are_as_recorded(emulator: Emulator):
    upload(emulator, ("image", NAME, png()))
    upload(emulator, ("subfolder", None, b"clips/a"), ("image", NAME, png()))
    for name in (one for one in EXCHANGES if one.startswith("upload_view_")):
        answer = emulator.call("GET", EXCHANGES[name]["path"])
        assert is_recorded(answer, name), name
        if answer.status == 200:
            assert answer.body.startswith(bytes.fromhex(EXCHANGES[name]["binary"]["head"])[:4]), name
    assert emulator.call("GET", f"/view?filename={NAME}&type=input").body == png()


def test_a_view_of_another_form_has_the_picture_in_it(emulator: Emulator):
    upload(emulator, ("image", NAME, png()))
    for query, kind, mode in (
        ("preview=webp;90", "WEBP", "RGB"),
        ("preview=jpeg", "JPEG", "RGB"),
        ("channel=a", "PNG", "RGBA"),
    ):
        body = emulator.call("GET", f"/view?filename={NAME}&type=input&{query}").body
        with Image.open(io.BytesIO(body)) as image:
            assert (image.format, image.mode, image.size) == (kind, mode, (32, 32))


@pytest.mark.parametrize("file", ["a.html", "a.js", "a.svg"])
def test_what_a_browser_would_run_is_only_given_as_bytes(emulator: Emulator, file: str):
    (emulator.folder / "output" / file).write_text("<script>")
    assert (
        emulator.call("GET", f"/view?filename={file}").headers["Content-Type"] == "application/octet-stream"
    )


def test_a_model_that_comes_or_goes_is_seen_at_once(emulator: Emulator):
    path = emulator.folder / "models" / "loras" / "indochine" / "new.safetensors"
    path.parent.mkdir()
    path.touch()
    (path.parent / "notes.txt").touch()
    assert emulator.call("GET", "/models/loras").json == ["detail.safetensors", "indochine/new.safetensors"]
    spec = emulator.call("GET", "/object_info/LoraLoader").json["LoraLoader"]["input"]["required"][
        "lora_name"
    ]
    assert spec[0] == ["detail.safetensors", "indochine/new.safetensors"]
    emulator.post(graph("text", n10_lora_name="indochine/new.safetensors"))
    path.unlink()
    answer = emulator.call(
        "POST", "/prompt", {"prompt": graph("text", n10_lora_name="indochine/new.safetensors")}
    )
    assert answer.json["node_errors"]["10"]["errors"][0]["type"] == "value_not_in_list"


def test_a_model_that_goes_while_its_prompt_waits_fails_it(tmp_path: Path):
    emulator = Emulator(tmp_path, seconds_per_step=0.1)
    try:
        emulator.post(graph("text", n3_steps=3))
        (tmp_path / "models" / "loras" / "second.safetensors").touch()
        prompt_id = emulator.post(graph("text", n10_lora_name="second.safetensors"))
        (tmp_path / "models" / "loras" / "second.safetensors").unlink()
        error = emulator.history(prompt_id)["status"]["messages"][-1][1]
    finally:
        emulator.stop()
    assert error["exception_type"] == "FileNotFoundError"
    assert (
        error["exception_message"]
        == "Model in folder 'loras' with filename 'second.safetensors' not found.\n"
    )


def test_extra_paths_add_to_the_models_and_the_default_ones_go_first(tmp_path: Path):
    (tmp_path / "shared" / "loras").mkdir(parents=True)
    (tmp_path / "shared" / "loras" / "minimalist.safetensors").touch()
    for folder, word in ((tmp_path / "shared", "shared"), (tmp_path / "base" / "models", "own")):
        (folder / "loras").mkdir(parents=True, exist_ok=True)
        header = json.dumps({"__metadata__": {"where": word}}).encode()
        (folder / "loras" / "both.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "scribble.safetensors").touch()
    (tmp_path / "paths.yaml").write_text(
        "sd_app:\n  base_path: shared\n  is_default: true\n  loras: loras\n"
        f"second:\n  controlnet: |\n    {tmp_path}/other\n    {tmp_path}/nosuch\n  own_kind: other\n"
    )
    emulator = Emulator(tmp_path / "base", "--extra-model-paths-config", str(tmp_path / "paths.yaml"))
    try:
        assert emulator.call("GET", "/models/loras").json == [
            "both.safetensors",
            "detail.safetensors",
            "minimalist.safetensors",
        ]
        metadata = emulator.call("GET", "/view_metadata/loras?filename=both.safetensors").json
        assert metadata == {"where": "shared"}
        assert emulator.call("GET", "/models/controlnet").json == [
            "control_v11p_sd15_scribble.pth",
            "scribble.safetensors",
        ]
        assert emulator.call("GET", "/models/own_kind").json == ["scribble.safetensors"]
        assert "own_kind" in emulator.call("GET", "/models").json
    finally:
        emulator.stop()


def test_a_models_metadata_is_read_from_its_file(emulator: Emulator):
    recorded = EXCHANGES["idle_view_metadata_lora"]
    header = json.dumps({"__metadata__": recorded["json"]}).encode()
    (emulator.folder / "models" / "loras" / "detail.safetensors").write_bytes(
        struct.pack("<Q", len(header)) + header
    )
    assert is_recorded(emulator.call("GET", recorded["path"]), "idle_view_metadata_lora")
    for path in (
        "loras?filename=nosuch.safetensors",
        "loras?filename=../../x.safetensors",
        "nosuch?filename=a",
    ):
        assert emulator.call("GET", f"/view_metadata/{path}").status == 404


def test_a_loaded_picture_is_looked_for_in_the_input_directory_only(emulator: Emulator):
    (emulator.folder / "secret.png").write_bytes(png())
    for name in ("../secret.png", str(emulator.folder / "secret.png"), "nosuch.png"):
        answer = emulator.call("POST", "/prompt", {"prompt": graph("sketch", n11_image=name)})
        error = answer.json["node_errors"]["11"]["errors"][0]
        assert error["details"] == f"image - Invalid image file: {name}"
    upload(emulator, ("subfolder", None, b"clips/a"), ("image", NAME, png()))
    upload(emulator, ("type", None, b"temp"), ("image", "t.png", png()))
    for name in (f"clips/a/{NAME}", "t.png [temp]"):
        assert emulator.history(emulator.post(graph("sketch", n11_image=name)))["status"]["completed"], name


def test_another_picture_under_the_same_name_is_loaded_anew(emulator: Emulator):
    first = emulator.post(graph("sketch"))
    emulator.wait_until_idle()
    lines = Image.new("RGB", (128, 128))
    lines.paste("white", (40, 20, 60, 100))
    lines.save(emulator.folder / "input" / "sketch.png")
    second = emulator.post(graph("sketch"))
    files = [emulator.history(one)["outputs"]["9"]["images"][0]["filename"] for one in (first, second)]
    assert files == ["sketch2img_00001_.png", "sketch2img_00002_.png"]
    pictures = [Image.open(emulator.folder / "output" / file).tobytes() for file in files]
    assert pictures[0] != pictures[1], "not only the text in the file differs"
