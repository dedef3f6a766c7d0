"""The end of `make up`: models, machines, sign-in, two pictures; every fault told with what and where. The API is a fake."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from ops_cloud import Cloud, running_cloud
from PIL import Image

from ops import stack as ops_stack
from ops import wait
from ops.errors import OpsError
from ops.stack import Stack
from tools import emulated_models, first_pictures, local_machines
from tools.api_client import Api, ApiFailed
from tools.first_pictures import Made, NoPictures, draw_room

CUT = "cut:"
PICTURE = b"\x89PNG a picture"
ID = "7f4df1a2-0000-4000-8000-000000000001"


@dataclass
class Asked:
    """A request that the API got."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class FakeApi:
    """Plays the API at `url`: its event streams are what `streams` holds, one a connection, the last one for good.

    One that begins with CUT breaks off before its end; a number is a status.
    """

    url: str = ""
    asked: list[Asked] = field(default_factory=list[Asked])
    streams: list[str] = field(default_factory=list[str])
    refuses: dict[str, tuple[int, dict[str, str], str]] = field(
        default_factory=dict[str, tuple[int, dict[str, str], str]]
    )
    """Status, headers and body by method and path."""
    has_models: bool = True

    def answer(self, asked: Asked) -> tuple[int, dict[str, str], bytes]:
        self.asked.append(asked)
        if refused := self.refuses.get(f"{asked.method} {asked.path}"):
            return refused[0], refused[1], refused[2].encode()
        if asked.path.endswith("/events"):
            text = self.streams.pop(0) if len(self.streams) > 1 else self.streams[0]
            if text.isdigit():
                return int(text), {}, b""
            length = {"Content-Length": "1000"} if text.startswith(CUT) else {}
            return 200, {"Content-Type": "text/event-stream", **length}, text.removeprefix(CUT).encode()
        if asked.path.startswith("/models/"):  # as the ComfyUI that it plays as well
            names = emulated_models.MODELS[asked.path.rpartition("/")[2]] if self.has_models else ()
            return 200, {}, json.dumps([f"{name}.safetensors" for name in names]).encode()
        if asked.method == "POST":
            return 202, {}, json.dumps({"id": ID}).encode()
        return 200, {}, PICTURE

    def paths(self, method: str) -> list[str]:
        return [one.path for one in self.asked if one.method == method]


def event(name: str, data: Mapping[str, Any], number: int) -> str:
    return f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n"


DONE = {"state": "succeeded", "images": [{"n": 0, "url": f"/api/images/{ID}/0?signed"}]}


@contextmanager
def serving(fake: FakeApi) -> Generator[FakeApi]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            given = {key.lower(): value for key, value in self.headers.items()}
            status, headers, text = fake.answer(Asked(self.command, self.path, given, body))
            self.send_response(status)
            for key, value in headers.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_DELETE = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def api() -> Generator[FakeApi]:
    with serving(FakeApi(streams=[event("done", DONE, 1)])) as made:
        yield made


def followed(api: FakeApi) -> tuple[dict[str, Any], list[str]]:
    """What a followed generation came to, and the events that were told."""
    told: list[str] = []

    def tell(name: str, data: Any) -> None:
        told.append(f"{name} {data.get('step', '')}".strip())

    return Api(api.url, "token").follow(ID, tell, 10), told


def test_a_stream_is_read_event_by_event_and_comments_are_none(api: FakeApi) -> None:
    api.streams = [": beat\n\n" + event("progress", {"step": 1}, 1) + ": beat\n\n" + event("done", DONE, 2)]
    done, told = followed(api)
    assert done == DONE and told == ["progress 1", "done"]


def test_a_stream_that_breaks_is_resumed_after_the_last_event(api: FakeApi) -> None:
    api.streams = [
        event("progress", {"step": 1}, 7),
        CUT + "id: 8\nevent: pro",
        "502",
        event("done", DONE, 8),
    ]
    done, told = followed(api)
    assert done == DONE and told == ["progress 1", "done"]
    assert [one.headers.get("last-event-id") for one in api.asked] == [None, "7", "7", "7"]


def test_a_stream_that_is_refused_for_good_is_not_asked_for_again(api: FakeApi) -> None:
    api.refuses[f"GET /api/generations/{ID}/events"] = (404, {}, json.dumps({"detail": "no such generation"}))
    with pytest.raises(ApiFailed, match="404: no such generation"):
        followed(api)
    assert len(api.asked) == 1


def test_a_generation_that_is_not_done_in_time_is_told(api: FakeApi) -> None:
    api.streams = [""]
    with pytest.raises(ApiFailed, match=f"{ID} is not done after 0 s"):
        Api(api.url, "token").follow(ID, lambda name, data: None, 0.2)


def test_a_refusal_tells_status_reason_and_how_long_to_wait(api: FakeApi) -> None:
    problem = json.dumps({"detail": "steps: 500 is not allowed"})
    api.refuses["POST /api/generations"] = (429, {"Retry-After": "7"}, problem)
    with pytest.raises(ApiFailed, match=r"POST /api/generations: 429: steps: 500 is not allowed") as raised:
        Api(api.url, "token").generate({"prompt": "a room"})
    assert (raised.value.status, raised.value.retry_after) == (429, 7.0)
    api.refuses["POST /api/generations"] = (502, {}, "no JSON")
    with pytest.raises(ApiFailed, match="502: no JSON") as raised:
        Api(api.url, "token").generate({"prompt": "a room"})
    assert raised.value.retry_after is None


def test_token_key_and_body_are_sent(api: FakeApi) -> None:
    client = Api(api.url, "token")
    assert client.generate({"prompt": "a room"}, "key") == ID
    assert client.upload(b"png") == ID
    client.cancel(ID)
    first, second, third = api.asked
    assert (first.headers["authorization"], first.headers["idempotency-key"]) == ("Bearer token", "key")
    assert json.loads(first.body) == {"prompt": "a room"}
    assert (second.path, second.headers["content-type"], second.body) == (
        "/api/sketches",
        "image/png",
        b"png",
    )
    assert (third.method, third.path) == ("DELETE", f"/api/generations/{ID}")


def test_the_drawing_is_a_picture_with_black_lines_on_white() -> None:
    image = Image.open(io.BytesIO(draw_room()))
    assert (image.size, image.mode) == ((768, 768), "L")
    dark = sum(image.histogram()[:64])
    assert 0.01 < dark / (768 * 768) < 0.2


def test_the_emulated_models_are_safetensors_files_that_stand_for_something(tmp_path: Path) -> None:
    written = emulated_models.write(tmp_path)
    assert {kind: [path.stem for path in paths] for kind, paths in written.items()} == {
        kind: list(names) for kind, names in emulated_models.MODELS.items()
    }
    contents = [path.read_bytes() for paths in written.values() for path in paths]
    for content in contents:
        length = int.from_bytes(content[:8], "little")
        header = json.loads(content[8 : 8 + length])
        assert header["__metadata__"]["emulated"] == "true"
        assert header["emulated"]["data_offsets"] == [0, len(content) - 8 - length]
    assert len(set(contents)) == len(contents)
    again = emulated_models.write(tmp_path)
    assert [path.read_bytes() for paths in again.values() for path in paths] == contents


@dataclass
class Studio:
    """A local stack on an emulated account, with a fake API before it."""

    cloud: Cloud
    stack: Stack
    folder: Path
    outputs: dict[str, Any]
    waited: list[str] = field(default_factory=list[str])

    def make(self) -> Made:
        return first_pictures.make(self.stack, self.folder, self.outputs)

    def keys(self) -> set[str]:
        listed = self.stack.client("s3").list_objects_v2(Bucket="sd-app-s3-local")
        return {one["Key"] for one in listed.get("Contents", [])}


@pytest.fixture(scope="module")
def cloud() -> Generator[Cloud]:
    with running_cloud() as made:
        yield made


@pytest.fixture
def studio(cloud: Cloud, api: FakeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Studio:
    for name in ("AWS_PROFILE", "COMFY_UI_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    cognito, s3 = cloud.client("cognito-idp"), cloud.client("s3")
    s3.create_bucket(Bucket="sd-app-s3-local")
    for one in s3.list_objects_v2(Bucket="sd-app-s3-local").get("Contents", []):
        s3.delete_object(Bucket="sd-app-s3-local", Key=one["Key"])
    pool = cognito.create_user_pool(PoolName="p", UsernameAttributes=["email"])["UserPool"]["Id"]
    client = cognito.create_user_pool_client(UserPoolId=pool, ClientName="c")["UserPoolClient"]["ClientId"]
    outputs = {
        "bucketName": "sd-app-s3-local",
        "userPoolId": pool,
        "userPoolClientId": client,
        "mlServerInstanceId": "i-ml",
        "backendInstanceId": "i-back",
        "comfyUiAddress": "172.16.0.10",
    }
    cloud.client("ssm").put_parameter(
        Name="/sd-app/local/outputs", Type="String", Overwrite=True, Value=json.dumps(outputs)
    )
    for role in ("ml-server", "backend"):
        cloud.client("ssm").put_parameter(
            Name=f"/sd-app/local/machines/{role}/boot", Type="String", Overwrite=True, Value="{}"
        )
    stack = ops_stack.connect(
        "local",
        None,
        {"AWS_ENDPOINT_URL": cloud.endpoint},
    )
    names = ("local/edge", "local/172.16.0.10:8188", "local/172.16.0.10:8189")
    addresses = dict.fromkeys(names, int(api.url.rpartition(":")[2]))
    (tmp_path / "addresses.json").write_text(json.dumps(addresses))
    made = Studio(cloud, stack, tmp_path, outputs)

    def waiting(stack: Stack, args: wait.WaitArgs, *, json: bool) -> int:
        made.waited.append(f"{args.role} {args.instance_id}")
        return 0

    monkeypatch.setattr(wait, "run", waiting)
    return made


def test_it_ends_with_two_pictures_and_a_sign_in(studio: Studio, api: FakeApi) -> None:
    made = studio.make()
    assert (made.url, made.email) == (api.url, "designer@example.com")
    assert [path.relative_to(studio.folder).as_posix() for path in made.files] == [
        "pictures/text.png",
        "pictures/sketch.png",
    ]
    assert [path.read_bytes() for path in made.files] == [PICTURE, PICTURE]
    assert studio.waited == ["ml-server i-ml", "backend i-back"]
    wishes = [json.loads(one.body) for one in api.asked if one.path == "/api/generations"]
    text, sketch = sorted(wishes, key=lambda one: "sketchId" in one)
    assert text["style"] == "Indochine" and sketch["sketchId"] == ID
    tokens = {one.headers["authorization"] for one in api.asked if one.path.startswith("/api")}
    assert len(tokens) == 1 and tokens.pop().startswith("Bearer ey"), "signed in with the pool's own token"


def test_models_are_pushed_once(studio: Studio, capfd: pytest.CaptureFixture[str]) -> None:
    studio.make()
    keys = studio.keys()
    assert {key for key in keys if key.endswith(".safetensors")} == {
        "models/checkpoints/interiordesignsuperm_v2.safetensors",
        "models/controlnet/control_v11p_sd15_scribble_fp16.safetensors",
        "loras/Indochine.safetensors",
        "loras/Minimalist.safetensors",
    }
    assert "models: 4 emulated ones pushed" in capfd.readouterr().err
    studio.make()
    assert studio.keys() == keys and "pushed" not in capfd.readouterr().err


def test_a_real_comfyui_is_given_no_emulated_models_and_is_not_asked_for_them(
    studio: Studio, api: FakeApi
) -> None:
    """As the sandbox was started: the command that comes after it need not say so again."""
    choices = {"COMFY_UI_ADDRESS": "gpu.example.com"}
    (studio.folder / "sandbox.json").write_text(json.dumps({"choices": choices}))
    studio.make()
    assert studio.waited == ["ml-server i-ml", "backend i-back"]
    assert studio.keys() == set()
    assert not [one for one in api.asked if one.path.startswith("/models/")]
    assert "style" not in json.loads(next(one for one in api.asked if one.path == "/api/generations").body)


def unready(studio: Studio, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any, **__: Any) -> int:
        raise OpsError("backend i-back is not ready after 3 min: failed at server: no such setting")

    monkeypatch.setattr(wait, "run", failing)


def no_address(studio: Studio, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = json.loads((studio.folder / "addresses.json").read_text())
    del addresses["local/edge"]
    (studio.folder / "addresses.json").write_text(json.dumps(addresses))


def failed(studio: Studio, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    api.streams = [event("done", {"state": "failed", "error": {"message": "the GPU is full"}}, 1)]


def cancelled(studio: Studio, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    api.streams = [event("done", {"state": "cancelled", "error": None}, 1)]


def refused(studio: Studio, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    api.refuses["POST /api/sketches"] = (413, {}, json.dumps({"detail": "the sketch is too large"}))


def away(studio: Studio, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = json.loads((studio.folder / "addresses.json").read_text())
    (studio.folder / "addresses.json").write_text(json.dumps({**addresses, "local/edge": 9}))


def no_models(studio: Studio, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_machines, "MODELS_LIMIT_S", 0.5)
    api.has_models = False


def no_user(studio: Studio, api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's sandbox: its pool knows no such client."""
    studio.outputs["userPoolClientId"] = "unknown"


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        (unready, "backend i-back is not ready after 3 min: failed at server"),
        (no_address, "no address for the API"),
        (failed, "the text picture has failed: the GPU is full"),
        (cancelled, "the text picture has cancelled"),
        (refused, "POST /api/sketches: 413: the sketch is too large"),
        (away, "refused"),
        (no_models, "ComfyUI at .* does not offer the models in checkpoints after 0 s"),
        (no_user, "initiate_auth|InitiateAuth|client"),
    ],
)
def test_what_is_in_the_way_is_told(
    studio: Studio,
    api: FakeApi,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Callable[[Studio, FakeApi, pytest.MonkeyPatch], None],
    told: str,
) -> None:
    trouble(studio, api, monkeypatch)
    with pytest.raises(NoPictures, match=told):
        studio.make()
    assert not list((studio.folder).glob("pictures/*.new"))
