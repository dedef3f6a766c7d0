"""What the machines run beside the app, against an emulated AWS: the model sync, the idle stops, metrics and logs."""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

import contract
from cloud_init.render import HERE
from ops.model_files import FOLDERS
from ops.upload import digest, upload
from tests.unit.machine_fakes import fake_command, load, serving
from tests.unit.ops_cloud import BUCKET, MIB, Cloud, running_cloud

sync, idle = load("ml-server/model_sync.py"), load("ml-server/idle_stop.py")
metrics = load("shared/metrics.py")
warm_up, notebook = load("ml-server/warm_up.py"), load("notebook/notebook_idle_stop.py")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Cloud]:
    with running_cloud() as made:
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}
        for name, value in {**keys, "AWS_ENDPOINT_URL": made.endpoint, "SD_APP_ROLE": "ml-server"}.items():
            monkeypatch.setenv(name, value)
        for module in (sync, idle):
            monkeypatch.setattr(module, "RUN", tmp_path / "run")
        (tmp_path / "run").mkdir()
        yield made


@pytest.fixture
def s3(cloud: Cloud) -> Any:
    return cloud.make_bucket()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


def run_sync(client: Any, root: Path, ports: tuple[str, ...] = ()) -> tuple[str, bool]:
    told, whole, _ = sync.sync(client, BUCKET, root, ports)
    return told, whole


def put(s3: Any, key: str, body: bytes, sha256: str | None = None) -> None:
    metadata = {"sha256": sha256} if sha256 else {}
    s3.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata=metadata)


def files(root: Path) -> dict[str, bytes]:
    """Everything that lies there, but the sync's own list."""
    found = (path for path in root.rglob("*") if path.is_file() and path.name != sync.MANIFEST)
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def test_models_and_styles_arrive_in_comfyuis_folders(s3: Any, root: Path) -> None:
    put(s3, "models/checkpoints/main.safetensors", b"main")
    put(s3, "models/vae/fine.safetensors", b"vae")
    put(s3, "models/plain.safetensors", b"plain")
    put(s3, "loras/indochine.safetensors", b"style")
    put(s3, "loras/", b"")
    for beside in ("indochine.json", "indochine.jpg", "Indochine.alias.json"):
        put(s3, f"loras/{beside}", b"no model")
    put(s3, "outputs/picture.png", b"a designer's")
    told, whole = run_sync(s3, root)
    assert whole and told.startswith("4 models and styles here; 4 new")
    assert files(root) == {
        "checkpoints/main.safetensors": b"main",
        "vae/fine.safetensors": b"vae",
        "checkpoints/plain.safetensors": b"plain",
        "loras/indochine.safetensors": b"style",
    }


@pytest.mark.parametrize(
    "key",
    [
        "loras/../evil.pt",
        "models/a/../../evil.pt",
        "models//x.pt",
        "loras/.hidden.pt",
        "models/",
        "loras/Indochine-v1.json",
        "loras/Indochine.alias.json",
        "loras/Indochine-v1.jpg",
        "models/readme.txt",
    ],
)
def test_a_key_that_would_leave_the_folder_or_hide_or_is_no_model_is_passed_over(key: str) -> None:
    assert sync.place(key) is None


def test_what_is_here_is_not_fetched_again_and_what_changed_is(cloud: Cloud, s3: Any, root: Path) -> None:
    put(s3, "loras/a.safetensors", b"old")
    put(s3, "loras/b.safetensors", b"same")
    run_sync(s3, root)
    cloud.requests.clear()
    assert run_sync(s3, root) == ("2 models and styles here", True)
    assert not [one for one in cloud.sent("GET") if ".safetensors" in one]
    put(s3, "loras/a.safetensors", b"new")
    run_sync(s3, root)
    assert [one for one in cloud.sent("GET") if ".safetensors" in one] == [
        f"GET /{BUCKET}/loras/a.safetensors"
    ]
    assert files(root)["loras/a.safetensors"] == b"new"


def test_what_left_the_bucket_leaves_the_machine_but_nothing_else_does(s3: Any, root: Path) -> None:
    put(s3, "loras/a.safetensors", b"a")
    (root / "loras").mkdir()
    (root / "loras/mine.safetensors").write_bytes(b"put here by hand")
    run_sync(s3, root)
    s3.delete_object(Bucket=BUCKET, Key="loras/a.safetensors")
    told, _ = run_sync(s3, root)
    assert told == "0 models and styles here; 1 removed"
    assert files(root) == {"loras/mine.safetensors": b"put here by hand"}


def test_a_file_with_a_wrong_checksum_is_left_out_and_the_old_one_stays(s3: Any, root: Path) -> None:
    put(s3, "loras/a.safetensors", b"good", hashlib.sha256(b"good").hexdigest())
    run_sync(s3, root)
    put(s3, "loras/a.safetensors", b"damaged", hashlib.sha256(b"what it should be").hexdigest())
    put(s3, "loras/b.safetensors", b"b")
    told, whole = run_sync(s3, root)
    assert not whole and "loras/a.safetensors left out: its bytes do not have the checksum" in told
    assert files(root) == {"loras/a.safetensors": b"good", "loras/b.safetensors": b"b"}


def test_files_in_parts_are_checked_as_ops_and_as_the_aws_command_upload_them(
    s3: Any, root: Path, tmp_path: Path
) -> None:
    big = tmp_path / "big.safetensors"
    big.write_bytes(os.urandom(13 * MIB))
    upload(s3, big, BUCKET, "loras/ops.safetensors", digest(big, part_bytes=5 * MIB), lambda count: None)
    parts = s3.create_multipart_upload(Bucket=BUCKET, Key="loras/aws.safetensors")
    sent: list[dict[str, Any]] = []
    for number in (1, 2, 3):
        piece = big.read_bytes()[(number - 1) * 5 * MIB : number * 5 * MIB]
        place = {"Bucket": BUCKET, "Key": "loras/aws.safetensors", "UploadId": parts["UploadId"]}
        made = s3.upload_part(**place, PartNumber=number, Body=piece)
        sent.append({"PartNumber": number, "ETag": made["ETag"]})
        if number == 3:
            s3.complete_multipart_upload(**place, MultipartUpload={"Parts": sent})
    told, whole = run_sync(s3, root)
    assert whole, told
    assert set(files(root).values()) == {big.read_bytes()}
    [remote] = [one for one in sync.listed(s3, BUCKET) if "aws" in one.key]
    assert remote.etag.endswith("-3")
    big.write_bytes(big.read_bytes()[:-1] + b"?")
    with pytest.raises(sync.LeftOut):
        sync.verify(s3, BUCKET, remote, big)


def test_a_throttling_s3_is_asked_again(cloud: Cloud, s3: Any, root: Path) -> None:
    put(s3, "loras/a.safetensors", b"a")
    refused: list[str] = []

    def refuse(method: str, path: str) -> bool:
        again = method == "GET" and path.endswith(".safetensors") and len(refused) < 2
        return again and not refused.append(path)

    cloud.refuse = refuse
    told, whole = run_sync(s3, root)
    assert whole, told
    assert len(refused) == 2 and files(root) == {"loras/a.safetensors": b"a"}


def test_a_full_disk_leaves_the_file_out_by_name_and_takes_no_part_of_it(
    s3: Any, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(s3, "loras/a.safetensors", b"a")
    monkeypatch.setattr(sync, "SPARE_BYTES", 1 << 60)
    told, whole = run_sync(s3, root)
    assert (
        not whole and "loras/a.safetensors left out: no room for its" in told and "mlServer.diskGib" in told
    )
    assert files(root) == {}


def test_no_access_is_an_error_and_deletes_nothing(cloud: Cloud, s3: Any, root: Path) -> None:
    put(s3, "loras/a.safetensors", b"a")
    run_sync(s3, root)
    cloud.refuse = lambda method, path: "list-type" in path
    with pytest.raises(ClientError, match="ListObjectsV2"):
        run_sync(s3, root)
    assert files(root) == {"loras/a.safetensors": b"a"}


def test_a_new_style_that_comfyui_does_not_offer_is_told(
    s3: Any, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "OFFERED_SECONDS", 0)
    put(s3, "loras/new.safetensors", b"a")
    with serving(lambda path, body: ["old.safetensors"]) as port:
        told, whole = run_sync(s3, root, (port,))
    assert not whole and f"ComfyUI does not offer loras/new.safetensors on port {port}" in told
    with serving(lambda path, body: ["new.safetensors"] if path == "/models/loras" else None) as port:
        told, whole = run_sync(s3, root, (port,))
    assert whole, told


def test_what_came_while_no_server_ran_is_asked_for_at_the_next_look(
    s3: Any, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "OFFERED_SECONDS", 0)
    put(s3, "models/checkpoints/main.safetensors", b"main")
    assert run_sync(s3, root)[1]
    with serving(lambda path, body: []) as port:
        told, whole = run_sync(s3, root, (port,))
    assert not whole and f"ComfyUI does not offer checkpoints/main.safetensors on port {port}" in told


def test_what_came_last_is_remembered_when_a_later_look_finds_nothing_new(s3: Any, root: Path) -> None:
    put(s3, "loras/a.safetensors", b"a")
    run_sync(s3, root)
    run_sync(s3, root)
    assert (sync.RUN / "arrived.txt").read_text().startswith("1 new, 0.00 GB at ")


def test_parts_of_a_sync_that_was_cut_off_are_removed(s3: Any, root: Path) -> None:
    put(s3, "loras/a.safetensors", b"a")
    (root / "loras").mkdir()
    for part in (".gone.safetensors.part", ".a.safetensors.part.6Eb1F2a0"):
        (root / "loras" / part).write_bytes(b"half a file")
    run_sync(s3, root)
    assert files(root) == {"loras/a.safetensors": b"a"}


class Ssm:
    """Keeps what is put."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def put_parameter(self, **request: Any) -> None:
        assert (request["Name"], request["Type"], request["Overwrite"]) == ("/styles", "String", True)
        assert len(request["Value"].encode()) <= 4096 and "{{" not in request["Value"]
        self.told.append(json.loads(request["Value"]))


@pytest.fixture
def ssm() -> Ssm:
    return Ssm()


def tell(ssm: Ssm, s3: Any, root: Path, ports: tuple[str, ...] = ()) -> None:
    sync.tell(ssm, "/styles", sync.sync(s3, BUCKET, root, ports)[2])


def test_the_record_tells_of_the_bucket_s_styles_and_who_was_asked(s3: Any, root: Path, ssm: Ssm) -> None:
    put(s3, "models/checkpoints/main.safetensors", b"main")
    put(s3, "loras/a.safetensors", b"a")
    put(s3, "loras/a.json", b"{}")
    tell(ssm, s3, root)
    offers = {"/models/checkpoints": ["main.safetensors"], "/models/loras": ["a.safetensors"]}
    with serving(lambda path, body: offers[path]) as port:
        tell(ssm, s3, root, (port, "9"))
    asleep, awake = ssm.told
    etag = hashlib.md5(b"a", usedforsecurity=False).hexdigest()
    listing = hashlib.sha256(f"loras/a.safetensors {etag}\n".encode()).hexdigest()[:16]
    assert asleep == {**asleep, "listing": listing, "ports": [], "leftOut": [], "notOffered": []}
    assert awake == {**asleep, "ports": [port], "at": awake["at"]}, "a server that does not run was not asked"
    assert abs(datetime.fromisoformat(awake["at"]).timestamp() - time.time()) < 60


def test_the_record_is_written_for_news_and_else_every_few_minutes(s3: Any, root: Path, ssm: Ssm) -> None:
    put(s3, "loras/a.safetensors", b"a")
    for _ in range(3):
        tell(ssm, s3, root)
    assert len(ssm.told) == 1, "the timer's every minute would cost a write"
    put(s3, "models/vae/fine.safetensors", b"vae")
    put(s3, "loras/a.json", b"{}")
    tell(ssm, s3, root)
    assert len(ssm.told) == 1, "no style came"
    for key, body in (("b", b"b"), ("a", b"other")):
        put(s3, f"loras/{key}.safetensors", body)
        tell(ssm, s3, root)
    s3.delete_object(Bucket=BUCKET, Key="loras/b.safetensors")
    tell(ssm, s3, root)
    assert len({one["listing"] for one in ssm.told}) == len(ssm.told) == 4
    old = time.time() - sync.TOLD_SECONDS - 1
    os.utime(sync.RUN / "styles.json", (old, old))
    tell(ssm, s3, root)
    assert len(ssm.told) == 5, "nobody would know whether the sync still runs"


def test_the_record_names_the_styles_that_are_left_out_or_not_offered(
    s3: Any, root: Path, ssm: Ssm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync, "OFFERED_SECONDS", 0)
    put(s3, "models/checkpoints/main.safetensors", b"main")
    put(s3, "loras/good.safetensors", b"good")
    put(s3, "loras/bad.safetensors", b"bad", "0" * 64)
    with serving(lambda path, body: []) as port:
        tell(ssm, s3, root, (port,))
    [told] = ssm.told
    assert told["notOffered"] == [f"loras/good.safetensors on port {port}"]
    assert told["leftOut"] == [
        "loras/bad.safetensors left out: its bytes do not have the checksum recorded in S3; push it again"
    ]


def test_the_record_fits_its_parameter_however_many_styles_are_broken(ssm: Ssm, cloud: Cloud) -> None:
    left_out = [f"loras/Đông {{{{Dương {number}.safetensors left out: {'why ' * 40}" for number in range(90)]
    not_offered = [f"loras/{number}.safetensors on port 8188" for number in range(200)]
    sync.tell(
        ssm,
        "/styles",
        {"at": "now", "listing": "x", "ports": [], "leftOut": left_out, "notOffered": not_offered},
    )
    [told] = ssm.told
    assert told["more"] + len(told["leftOut"]) + len(told["notOffered"]) == 290 and told["notOffered"]


def test_the_sync_s_own_run_writes_the_record_and_goes_on_without_the_right_to(
    cloud: Cloud, s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sync, "ROOT", tmp_path / "models")
    (tmp_path / "models").mkdir()
    parameter = contract.styles_parameter("dev")
    ports = {"COMFYUI_TEXT_PORT": "9", "COMFYUI_SKETCH_PORT": "9"}
    for name, value in {"BUCKET_NAME": BUCKET, "SD_APP_STYLES_PARAMETER": parameter, **ports}.items():
        monkeypatch.setenv(name, value)
    put(s3, "loras/a.safetensors", b"a")
    assert sync.main() == 0
    value = cloud.client("ssm").get_parameter(Name=parameter)["Parameter"]["Value"]
    assert set(json.loads(value)) == {"at", "listing", "ports", "leftOut", "notOffered"}
    monkeypatch.setenv("SD_APP_STYLES_PARAMETER", "/aws/of-others")
    put(s3, "loras/b.safetensors", b"b")
    assert sync.main() == 0, "what came is there all the same"
    assert "the record of the styles could not be written" in capsys.readouterr().out


def test_comfyui_looks_in_every_folder_that_models_are_pushed_to() -> None:
    [paths] = yaml.safe_load((HERE / "ml-server/model-paths.yaml").read_text()).values()
    assert {name for name in paths if name not in ("base_path", "is_default")} == {*FOLDERS, "loras"}
    assert all(paths[name] == name for name in FOLDERS)
    assert Path(paths["base_path"]) == sync.ROOT


QUIET: dict[str, list[int]] = {"queue_running": [], "queue_pending": []}


@pytest.mark.parametrize(
    ("queue", "busy"),
    [
        (QUIET, False),
        ({**QUIET, "queue_running": [1]}, True),
        ({**QUIET, "queue_pending": [1]}, True),
        (None, False),
    ],
)
def test_a_prompt_that_runs_or_waits_is_work(queue: dict[str, Any] | None, busy: bool) -> None:
    with serving(lambda path, body: queue) as port:
        assert idle.has_prompts(port) is busy


def test_a_server_that_does_not_answer_is_no_work() -> None:
    assert not idle.has_prompts("9")


def test_bytes_of_a_sync_are_work_for_a_while(cloud: Cloud, s3: Any, root: Path) -> None:
    assert not idle.models_arriving()
    put(s3, "loras/a.safetensors", b"a")
    run_sync(s3, root)
    assert idle.models_arriving()
    old = time.time() - idle.SYNC_SECONDS - 1
    os.utime(idle.RUN / "syncing", (old, old))
    assert not idle.models_arriving()


@pytest.mark.parametrize(("percent", "busy"), [("0", False), ("37", True), ("[N/A]", False)])
def test_the_gpu_in_use_is_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, percent: str, busy: bool
) -> None:
    fake_command(tmp_path, "nvidia-smi", f"echo '{percent}'", monkeypatch)
    assert idle.gpu_in_use() is busy and notebook.gpu_in_use() is busy


@pytest.mark.parametrize(("limit", "minutes", "sign", "stops"), [
    (20, 21, None, True), (20, 19, None, False), (20, 21, "prompts", False), (0, 600, None, False),
])  # fmt: skip
def test_the_machine_stops_itself_after_its_idle_minutes_and_not_before(
    cloud: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    limit: int,
    minutes: int,
    sign: str | None,
    stops: bool,
) -> None:
    instance = cloud.make_machine()
    (tmp_path / "instance-id").write_text(f"{instance}\n")
    monkeypatch.setattr(idle, "INSTANCE_ID", tmp_path / "instance-id")
    monkeypatch.setattr(idle, "work", lambda: sign)
    monkeypatch.setenv("IDLE_STOP_MINUTES", str(limit))
    (idle.RUN / "busy-at").write_text(str(time.clock_gettime(time.CLOCK_BOOTTIME) - minutes * 60))
    idle.main()
    [group] = cloud.client("ec2").describe_instances(InstanceIds=[instance])["Reservations"]
    assert (group["Instances"][0]["State"]["Name"] == "stopped") is stops


def test_a_first_look_after_the_boot_counts_from_now(tmp_path: Path) -> None:
    assert idle.idle_minutes(None, tmp_path / "run/busy-at") < 1


def test_metrics_go_to_the_stacks_namespace_by_role(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_command(tmp_path, "nvidia-smi", "echo '6000, 24000'", monkeypatch)
    monkeypatch.setenv("SD_APP_METRIC_NAMESPACE", contract.metric_namespace("dev"))
    metrics.main()
    found = cloud.client("cloudwatch").list_metrics(Namespace="sd-app/dev")["Metrics"]
    assert {one["MetricName"] for one in found} == {contract.DISK_METRIC, contract.GPU_MEMORY_METRIC}
    assert all(
        one["Dimensions"] == [{"Name": contract.ROLE_DIMENSION, "Value": "ml-server"}] for one in found
    )
    values = {one["MetricName"]: one["Value"] for one in metrics.data()}
    assert values[contract.GPU_MEMORY_METRIC] == 25 and 0 < values[contract.DISK_METRIC] <= 100


def test_a_machine_without_a_gpu_sends_no_gpu_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cloud: Cloud
) -> None:
    fake_command(tmp_path, "nvidia-smi", "exit 9", monkeypatch)
    assert [one["MetricName"] for one in metrics.data()] == [contract.DISK_METRIC]


def test_the_warm_up_waits_for_its_picture_and_tells_comfyuis_words_when_there_is_none() -> None:
    asked: list[Any] = []

    def comfyui(path: str, body: bytes) -> Any:
        if path == "/prompt":
            asked.append(json.loads(body)["prompt"])
            return {"prompt_id": "p"}
        return {"p": {"status": {"status_str": status}, "outputs": {"7": {"images": [1]}}}}

    status = "success"
    with serving(comfyui) as port:
        assert warm_up.picture(port, "main.safetensors") >= 0
        status = "error"
        with pytest.raises(RuntimeError, match=r'failed: .*"error"'):
            warm_up.picture(port, "main.safetensors")
    assert asked[0]["1"]["inputs"]["ckpt_name"] == "main.safetensors"
    assert asked[0]["5"]["inputs"]["seed"] != asked[1]["5"]["inputs"]["seed"], (
        "a cached picture warms nothing up"
    )
    with serving(lambda path, body: None) as port, pytest.raises(RuntimeError, match="refused"):
        warm_up.picture(port, "main.safetensors")
