"""`ops loras`: what designers get is seen and changed, by the alias alone, and nothing is lost."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import contract
from ops import cli
from ops.lora_records import WEIGHTS, fingerprint
from tests.unit.lora_files import kohya, safetensors, write_lora
from tests.unit.machine_fakes import load
from tests.unit.ops_cloud import BUCKET, STACK, Cloud, cloud_for_ops
from training.publish import PublishArgs, publish
from training.shelf import entries, read_alias

sync = load("ml-server/model_sync.py")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with cloud_for_ops(monkeypatch) as made:
        made.make_bucket()
        made.put_outputs({"bucketName": BUCKET})
        yield made


@pytest.fixture
def s3(cloud: Cloud) -> Any:
    return cloud.client("s3")


def loras(*words: str | Path) -> int:
    return cli.main(["--stack", STACK, "loras", *map(str, words)])


def told(capsys: pytest.CaptureFixture[str], *words: str | Path, status: int = 0) -> Any:
    """What a command says as JSON."""
    capsys.readouterr()
    assert cli.main(["--stack", STACK, "--json", "loras", *map(str, words)]) == status
    return json.loads(capsys.readouterr().out)


def said(capsys: pytest.CaptureFixture[str], *words: str | Path, status: int = 0) -> str:
    """What a command says to a person, on one line."""
    capsys.readouterr()
    assert loras(*words) == status
    got = capsys.readouterr()
    return " ".join((got.out + got.err).split())


def versions(s3: Any, tmp_path: Path, count: int = 2, style: str = "Indochine") -> None:
    """So many versions of a style; designers get the first."""
    for seed in range(1, count + 1):
        publish(
            s3,
            BUCKET,
            PublishArgs(
                file=write_lora(tmp_path, "x.safetensors", seed), style=style, trigger_word="indochine"
            ),
        )


def plain(s3: Any, name: str = "Plain") -> None:
    s3.put_object(Bucket=BUCKET, Key=f"loras/{name}.safetensors", Body=safetensors(kohya(), seed=40))


def designers_get(s3: Any, style: str = "Indochine") -> str | None:
    found = read_alias(s3, BUCKET, style)
    return None if found is None or found[0].retired else found[0].version


def record(
    cloud: Cloud, s3: Any, *, minutes: float = 0, ports: tuple[str, ...] = ("8188", "8189"), **more: Any
) -> None:
    """What the ML server tells of the bucket as it is now."""
    at = (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    whole: dict[str, Any] = {
        "at": at,
        "listing": fingerprint(entries(s3, BUCKET)),
        "ports": ports,
        "leftOut": [],
        "notOffered": [],
    }
    cloud.put_parameter(contract.styles_parameter(STACK), json.dumps({**whole, **more}))


def states(listed: Any) -> dict[str, str]:
    return {one["version"]: one["state"] for style in listed["styles"] for one in style["versions"]}


def test_the_listing_has_the_same_fingerprint_here_and_on_the_ml_server(s3: Any, tmp_path: Path) -> None:
    versions(s3, tmp_path)
    for name in (
        "Plain.safetensors",
        "old.pt",
        "UPPER.CKPT",
        ".hidden.safetensors",
        "sub/x.sft",
        "a//b.pt",
        "readme.txt",
    ):
        s3.put_object(Bucket=BUCKET, Key=f"loras/{name}", Body=name.encode())
    s3.put_object(Bucket=BUCKET, Key="models/checkpoints/main.safetensors", Body=b"x")
    assert fingerprint(entries(s3, BUCKET)) == sync.fingerprint(sync.listed(s3, BUCKET))
    assert WEIGHTS == sync.WEIGHTS


def test_no_style_at_all_is_told_with_what_makes_one(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "No styles yet: `python -m ops --stack dev loras train NAME" in said(capsys, "list")
    assert told(capsys, "list") == {"styles": [], "mlServer": None}


def test_a_version_is_published_then_synced_then_offered(
    cloud: Cloud, s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(s3, tmp_path, 1)
    assert states(told(capsys, "list")) == {"Indochine-v1": "published"}
    record(cloud, s3, ports=())
    assert states(told(capsys, "list")) == {"Indochine-v1": "synced"}
    record(cloud, s3, minutes=3)
    assert states(told(capsys, "list")) == {"Indochine-v1": "offered"}
    before = fingerprint(entries(s3, BUCKET))
    publish(s3, BUCKET, PublishArgs(file=write_lora(tmp_path, seed=2), style="Indochine"))
    record(cloud, s3, minutes=-1, listing=before)
    aged = told(capsys, "list")
    assert states(aged) == {"Indochine-v1": "offered", "Indochine-v2": "offered"}, (
        "the clock is all there is to go by"
    )
    record(cloud, s3, minutes=3, listing=before)
    assert states(told(capsys, "list")) == {"Indochine-v1": "published", "Indochine-v2": "published"}
    record(cloud, s3, minutes=3)
    assert set(states(told(capsys, "list")).values()) == {"offered"}


def test_trouble_on_the_ml_server_is_told_by_name_and_is_an_error(
    cloud: Cloud, s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(s3, tmp_path)
    plain(s3)
    left_out = ["loras/Indochine-v2.safetensors left out: no room for its 1.0 GB"]
    not_offered = [f"loras/Plain.safetensors on port {port}" for port in (8188, 8189)]
    record(cloud, s3, leftOut=left_out, notOffered=not_offered)
    listed = told(capsys, "list", status=1)
    assert states(listed) == {"Indochine-v1": "offered", "Indochine-v2": "left out", "Plain": "not offered"}
    shown = said(capsys, "list", status=1)
    assert "Indochine-v2: left out: no room for its 1.0 GB" in shown
    assert "Plain: not offered: by ComfyUI on port 8188, 8189" in shown
    record(cloud, s3, more=3)
    assert set(states(told(capsys, "list")).values()) == {"unknown"}


def test_the_list_fits_80_columns_and_says_what_designers_get(
    cloud: Cloud, s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(s3, tmp_path)
    plain(s3)
    record(cloud, s3)
    capsys.readouterr()
    assert loras("list") == 0
    shown = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 80 for line in shown), shown
    rows = [" ".join(line.split()) for line in shown]
    assert rows[2].startswith("Indochine v2 offered") and rows[3].startswith("> v1 offered"), rows
    assert rows[4].startswith("Plain > file offered"), rows
    assert "2 styles, 3 versions; > is what designers get" in rows
    assert "The ML server told so 0 s ago, and asked 2 ComfyUI servers" in rows
    record(cloud, s3, minutes=60)
    assert "told so 1 h ago: it sleeps" in said(capsys, "list")


def test_all_that_is_known_of_a_version_is_shown(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(s3, tmp_path)
    whole = told(capsys, "show", "Indochine")
    assert (whole["version"], [one["version"] for one in whole["versions"]]) == (
        "Indochine-v1",
        ["Indochine-v2", "Indochine-v1"],
    )
    [one] = told(capsys, "show", "Indochine-v2")["versions"]
    assert one["sidecar"]["triggerWord"] == "indochine" and one["sha256"] == one["sidecar"]["sha256"]
    shown = said(capsys, "show", "Indochine-v2")
    assert (
        "Indochine: designers get Indochine-v1" in shown
        and one["sha256"] in shown
        and "trigger indochine" in shown
    )


@pytest.mark.parametrize("action", ["show", "promote", "retire", "rollback"])
def test_an_unknown_name_is_refused_with_what_there_is(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], action: str
) -> None:
    assert "there is no style or version Baroque: no style has been published yet" in said(
        capsys, action, "Baroque", status=1
    )
    versions(s3, tmp_path)
    plain(s3)
    assert (
        "there is no style or version Baroque; there are: Indochine (Indochine-v2, Indochine-v1), Plain (Plain)"
        in said(capsys, action, "Baroque", status=1)
    )


def test_a_file_is_published_from_the_command_line(
    cloud: Cloud, s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_lora(tmp_path)
    first = said(
        capsys, "publish", file, "--style", "Indochine", "--trigger", "indochine", "--strength", "0.7"
    )
    assert (
        first.startswith("published: Indochine-v1 (")
        and "Designers get it once the ML server has it" in first
    )
    assert designers_get(s3) == "Indochine-v1"
    again = told(capsys, "publish", file, "--style", "Indochine")
    assert (again["version"], again["already"]) == ("Indochine-v1", True)
    second = said(capsys, "publish", write_lora(tmp_path, seed=2), "--style", "Indochine")
    assert (
        "Designers still get Indochine-v1; to change it: python -m ops --stack dev loras promote Indochine-v2"
        in second
    )
    third = said(capsys, "publish", write_lora(tmp_path, seed=3), "--style", "Indochine", "--promote")
    assert "to go back: python -m ops --stack dev loras rollback Indochine" in third
    assert designers_get(s3) == "Indochine-v3"


@pytest.mark.parametrize(
    ("content", "words", "why"),
    [
        (safetensors(kohya())[:-5], ["--style", "A"], "cut short, or changed"),
        (
            safetensors({"model.diffusion_model.x": (1,)}),
            ["--style", "A"],
            "a whole model (a checkpoint), no LoRA",
        ),
        (safetensors(kohya({"x_attn2_to_k": (1024, 320)})), ["--style", "A"], "a LoRA for SD 2"),
        (safetensors(kohya()), ["--style", "A b"], '"A b" is no name for a style'),
        (safetensors(kohya()), ["--style", "Plain"], "taken by the file loras/Plain.safetensors"),
        (safetensors(kohya()), ["--style", "A", "--thumbnail", "absent.png"], "thumbnail absent.png"),
    ],
)
def test_what_can_not_be_published_is_refused_with_the_reason(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, words: list[str], why: str
) -> None:
    plain(s3)
    file = tmp_path / "x.safetensors"
    file.write_bytes(content)
    refused = said(capsys, "publish", file, *words, status=1)
    assert why in refused and "nothing was published" in refused
    assert set(entries(s3, BUCKET)) == {"Plain.safetensors"}


def test_promote_and_rollback_go_back_and_forth_and_say_how_to_undo(
    cloud: Cloud, s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(s3, tmp_path, 3)
    record(cloud, s3)
    assert said(capsys, "promote", "Indochine-v2") == (
        "Indochine: designers get Indochine-v2 (before: Indochine-v1); undo: python -m ops --stack dev loras rollback Indochine"
    )
    assert told(capsys, "promote", "Indochine") == {
        "style": "Indochine",
        "version": "Indochine-v3",
        "retired": False,
        "previous": ["Indochine-v1", "Indochine-v2"],
        "undo": "python -m ops --stack dev loras rollback Indochine",
    }
    assert "designers get Indochine-v3 already; nothing was changed" in said(capsys, "promote", "Indochine")
    assert said(capsys, "rollback", "Indochine") == (
        "Indochine: designers get Indochine-v2 again (before: Indochine-v3); undo: python -m ops --stack dev loras promote"
        " Indochine-v3"
    )
    assert loras("rollback", "Indochine") == 0 and designers_get(s3) == "Indochine-v1"
    assert (
        "Indochine has no version before Indochine-v1; others in the bucket: Indochine-v3, Indochine-v2"
        in said(capsys, "rollback", "Indochine", status=1)
    )


def test_rollback_passes_over_a_version_whose_file_is_gone(s3: Any, tmp_path: Path) -> None:
    versions(s3, tmp_path, 3)
    assert loras("promote", "Indochine-v2") == loras("promote", "Indochine-v3") == 0
    s3.delete_object(Bucket=BUCKET, Key="loras/Indochine-v2.safetensors")
    assert loras("rollback", "Indochine") == 0 and designers_get(s3) == "Indochine-v1"


def test_a_version_that_the_ml_server_lacks_is_promoted_with_a_word_of_it(
    cloud: Cloud, s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(s3, tmp_path)
    assert "the ML server does not have it yet" in said(capsys, "promote", "Indochine")
    record(cloud, s3, leftOut=["loras/Indochine-v1.safetensors left out: broken"])
    assert "but it is left out: broken" in said(capsys, "promote", "Indochine-v1")


def test_a_retired_style_comes_back_as_it_was(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(s3, tmp_path)
    files = set(entries(s3, BUCKET))
    assert "is a version, and a style is retired as a whole" in said(
        capsys, "retire", "Indochine-v1", status=1
    )
    assert said(capsys, "retire", "Indochine") == (
        "Indochine: designers get it no more (before: Indochine-v1); its files stay; undo: python -m ops --stack dev loras"
        " promote Indochine"
    )
    assert designers_get(s3) is None and set(entries(s3, BUCKET)) == files
    assert "is retired already" in said(capsys, "retire", "Indochine")
    assert "is retired: python -m ops --stack dev loras promote Indochine" in said(
        capsys, "rollback", "Indochine", status=1
    )
    assert "Indochine (retired)" in said(capsys, "list")
    assert loras("promote", "Indochine") == 0 and designers_get(s3) == "Indochine-v1", (
        "not the newest: what it was"
    )


def test_a_plain_file_is_retired_and_brought_back_and_gets_versions(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain(s3)
    assert loras("retire", "Plain") == 0 and designers_get(s3, "Plain") is None
    assert told(capsys, "list")["styles"][0]["retired"] is True
    assert loras("promote", "Plain") == 0 and designers_get(s3, "Plain") == "Plain"
    file = write_lora(tmp_path)
    assert told(capsys, "publish", file, "--style", "Plain", "--promote")["version"] == "Plain-v1"
    assert loras("rollback", "Plain") == 0 and designers_get(s3, "Plain") == "Plain"


def test_promote_of_a_plain_file_lets_it_have_versions(s3: Any, capsys: pytest.CaptureFixture[str]) -> None:
    plain(s3)
    assert "designers get its file as before, now as a style with versions" in said(
        capsys, "promote", "Plain"
    )
    assert designers_get(s3, "Plain") == "Plain"


def test_a_version_that_was_never_promoted_is_listed_and_can_be(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(s3, tmp_path, 1)
    s3.delete_object(Bucket=BUCKET, Key="loras/Indochine.alias.json")
    assert "Indochine: published, and never promoted: designers do not get it" in said(capsys, "list")
    assert "nothing was changed" in said(capsys, "retire", "Indochine", status=1)
    assert loras("promote", "Indochine") == 0 and designers_get(s3) == "Indochine-v1"


def test_a_broken_alias_and_a_broken_sidecar_are_told_and_mended_by_promote(
    s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(s3, tmp_path)
    s3.put_object(Bucket=BUCKET, Key="loras/Indochine.alias.json", Body=b"{")
    s3.put_object(Bucket=BUCKET, Key="loras/Plain.safetensors", Body=b"x")
    s3.put_object(Bucket=BUCKET, Key="loras/Plain.json", Body=b"{}")
    shown = said(capsys, "list")
    assert "Indochine: designers do not get it: loras/Indochine.alias.json is no JSON" in shown
    assert "Plain: its sidecar is not right: style is missing" in shown
    assert "is no JSON" in said(
        capsys, "publish", write_lora(tmp_path, seed=9), "--style", "Indochine", status=1
    )
    assert loras("promote", "Indochine-v2") == 0 and designers_get(s3) == "Indochine-v2"


def test_who_changes_a_style_that_another_changes_too_is_told_and_changes_nothing(
    cloud: Cloud, s3: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    versions(s3, tmp_path, 3)
    found = read_alias(s3, BUCKET, "Indochine")
    assert found
    body = json.dumps({"version": "Indochine-v3", "previous": []}).encode()

    def meanwhile(method: str, path: str) -> bool:
        if method == "PUT" and "alias" in path and "other" not in path:
            cloud.refuse = lambda method, path: False
            cloud.client("s3").put_object(Bucket=BUCKET, Key="loras/Indochine.alias.json", Body=body)
        return False

    cloud.refuse = meanwhile
    assert "somebody else changed the style Indochine meanwhile" in said(
        capsys, "promote", "Indochine-v2", status=1
    )
    assert designers_get(s3) == "Indochine-v3"
