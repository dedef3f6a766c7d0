"""The notebook runs from top to bottom: pictures in, a published style out. Its cells call the package, and no more."""

from __future__ import annotations

import ast
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import boto3
import pytest
from moto.server import ThreadedMotoServer

from sandbox.training.stand_ins import environment as stand_ins
from tests.training.environment import python
from tests.training.ground import REPOSITORY, SIDE, photos
from tests.training.run_notebook import NOTEBOOK

connect = cast(Callable[..., Any], boto3.client)  # boto3 has no types
BUCKET = "studio"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


def cells(kind: str, file: Path = NOTEBOOK) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(file.read_text())["cells"] if cell["cell_type"] == kind]


@pytest.fixture
def bucket() -> Iterator[Any]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    client = connect(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket=BUCKET)
    yield client
    server.stop()


@pytest.mark.timeout(900)
def test_pictures_become_a_published_style(tmp_path: Path, bucket: Any) -> None:
    given = stand_ins(python())
    values = {
        "IMAGES": str(photos(tmp_path / "photos")),
        "NAME": "Verde",
        "TITLE": "Studio Verde",
        "STEPS": 18,
        "EPOCHS": 2,
        "RANK": 4,
        "BASE": given["SD_APP_BASE"],
        "BASE_CONFIG": given["SD_APP_BASE_CONFIG"],
        "SCRIPTS": given["SD_SCRIPTS_DIR"],
        "DATASET": str(tmp_path / "dataset"),
        "OUTPUT": str(tmp_path / "trained"),
        "BLIP": given["SD_APP_BLIP"],
        "BUCKET": BUCKET,
        "RESOLUTION": SIDE,
        "EVALUATION_STEPS": 2,
    }
    out = tmp_path / "run.ipynb"
    argv = [str(python()), "-m", "tests.training.run_notebook", str(out)]
    argv += [f"{name}={json.dumps(value)}" for name, value in values.items()]
    env = {**os.environ, **given, **KEYS, "AWS_ENDPOINT_URL": bucket.meta.endpoint_url}
    done = subprocess.run(argv, cwd=REPOSITORY, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-6000:]

    keys = {one["Key"] for one in bucket.list_objects_v2(Bucket=BUCKET)["Contents"]}
    assert keys == {
        f"loras/{name}"
        for name in ("Verde-v1.safetensors", "Verde-v1.json", "Verde-v1.jpg", "Verde.alias.json")
    }
    told = json.loads(bucket.get_object(Bucket=BUCKET, Key="loras/Verde-v1.json")["Body"].read())
    assert (told["title"], told["triggerWord"], told["recommendedStrength"]) == (
        "Studio Verde",
        "studioverde",
        0.8,
    )
    assert told["base"]["name"] == Path(given["SD_APP_BASE"]).name
    assert (told["steps"], told["epochs"], told["dataset"]["pictures"]) == (18, 2, 9)
    seen = [output for cell in cells("code", out) for output in cell["outputs"]]
    assert sum("image/png" in one.get("data", {}) for one in seen) >= 2, "contact sheet and samples"
    assert any("image/jpeg" in one.get("data", {}) for one in seen), "the evaluation"
    assert any("application/vnd.jupyter.widget-view+json" in one.get("data", {}) for one in seen), (
        "the captions"
    )


def test_the_file_has_no_outputs() -> None:
    for cell in cells("code"):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


def test_no_cell_has_logic() -> None:
    kept = (ast.Assign, ast.Expr, ast.Import, ast.ImportFrom)
    for cell in cells("code"):
        tree = ast.parse("".join(cell["source"]))
        assert all(isinstance(one, kept) for one in tree.body), "a cell calls, and decides nothing"
        assert not any(isinstance(one, ast.IfExp | ast.Lambda | ast.ListComp) for one in ast.walk(tree))


def test_each_step_says_what_to_look_at_and_what_to_change() -> None:
    steps = [text for cell in cells("markdown") if (text := "".join(cell["source"])).startswith("**")]
    assert len(steps) == 5
    for text in steps[:4]:
        assert "*Look at*" in text
        assert "*Change*" in text
