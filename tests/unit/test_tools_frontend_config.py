"""The page's config is written whole, and only when every key is what the page needs."""

import json
from pathlib import Path
from typing import Any

import pytest

from tools import page_config

SCHEMA: dict[str, Any] = json.loads(page_config.SCHEMA.read_text())
GOOD = {
    "stack": "dev",
    "region": "us-east-1",
    "backendUrl": "https://d111abc.cloudfront.net",
    "userPoolId": "us-east-1_AbCdEf123",
    "userPoolClientId": "1h57kf5cpq17m0eml12EXAMPLE",
}


def without(key: str) -> dict[str, str]:
    return {name: value for name, value in GOOD.items() if name != key}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"backendUrl": "http://127.0.0.1:3000"},
        {"backendUrl": "http://localhost:3000"},
        {"backendUrl": "https://images.studio.example"},
        {"region": "ap-southeast-1"},
        {"region": "us-gov-west-1"},
        {"stack": "local"},
    ],
)
def test_a_right_config_has_no_fault(change: dict[str, str]):
    assert page_config.faults({**GOOD, **change}, SCHEMA) == []


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (without("backendUrl"), "frontendConfig.backendUrl: missing"),
        (without("stack"), "frontendConfig.stack: missing"),
        (without("region"), "frontendConfig.region: missing"),
        (without("userPoolId"), "frontendConfig.userPoolId: missing"),
        (without("userPoolClientId"), "frontendConfig.userPoolClientId: missing"),
        ({**GOOD, "userPoolId": "AbCdEf123"}, 'frontendConfig.userPoolId: "AbCdEf123" has not the form'),
        ({**GOOD, "backendURL": "x"}, "frontendConfig.backendURL: the page doesn't know this key"),
        ({**GOOD, "backendUrl": ""}, 'frontendConfig.backendUrl: "" has not the form needed'),
        (
            {**GOOD, "backendUrl": "http://d1.cloudfront.net"},
            'backendUrl: "http://d1.cloudfront.net" has not the form',
        ),
        (
            {**GOOD, "backendUrl": "https://d1.cloudfront.net/api"},
            "Origin of the backend, with no path",
        ),
        ({**GOOD, "backendUrl": "d1.cloudfront.net"}, "frontendConfig.backendUrl: "),
        ({**GOOD, "backendUrl": None}, "frontendConfig.backendUrl: None is not of type 'string'"),
        ({**GOOD, "backendUrl": "https://a b.net"}, "frontendConfig.backendUrl: "),
        ({**GOOD, "region": "us-east"}, 'frontendConfig.region: "us-east" has not the form'),
        ({**GOOD, "stack": "Dev"}, 'frontendConfig.stack: "Dev" has not the form'),
        ({**GOOD, "stack": 4}, "frontendConfig.stack: 4 is not of type 'string'"),
        ([], "frontendConfig: [] is not of type 'object'"),
        ("[secret]", "frontendConfig: '[secret]' is not of type 'object'"),
    ],
)
def test_a_wrong_key_is_named_and_nothing_is_written(tmp_path: Path, config: Any, told: str):
    target = tmp_path / "public" / "config.json"
    with pytest.raises(page_config.ConfigRefused) as caught:
        page_config.write(config, SCHEMA, target)
    assert told in str(caught.value)
    assert not target.exists()


def test_every_fault_is_told_at_once():
    told = page_config.faults({"stack": "Dev", "colour": "red"}, SCHEMA)
    assert [line.partition(":")[0] for line in told] == [
        "frontendConfig.backendUrl",
        "frontendConfig.colour",
        "frontendConfig.region",
        "frontendConfig.stack",
        "frontendConfig.userPoolClientId",
        "frontendConfig.userPoolId",
    ]


def test_it_is_written_into_a_folder_that_is_made_and_only_when_it_changes(tmp_path: Path):
    target = tmp_path / "public" / "config.json"
    assert page_config.write(GOOD, SCHEMA, target)
    assert json.loads(target.read_text()) == GOOD
    assert not page_config.write(GOOD, SCHEMA, target)
    assert page_config.write({**GOOD, "stack": "prod"}, SCHEMA, target)
    assert json.loads(target.read_text())["stack"] == "prod"
    assert [path.name for path in target.parent.iterdir()] == ["config.json"], "no half-written file stays"


def test_a_refused_config_leaves_the_one_before(tmp_path: Path):
    target = tmp_path / "config.json"
    page_config.write(GOOD, SCHEMA, target)
    with pytest.raises(page_config.ConfigRefused):
        page_config.write(without("stack"), SCHEMA, target)
    assert json.loads(target.read_text()) == GOOD


def test_a_broken_write_leaves_the_one_before_and_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    target = tmp_path / "config.json"
    page_config.write(GOOD, SCHEMA, target)

    def full_disk(self: Path, other: Path) -> Path:
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "replace", full_disk)
    with pytest.raises(OSError, match="no space"):
        page_config.write({**GOOD, "stack": "prod"}, SCHEMA, target)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    assert json.loads(target.read_text()) == GOOD


def test_the_schema_is_strict_and_valid():
    page_config.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["additionalProperties"] is False
    # AWS is found by its Region; only the emulator's address must be told.
    assert set(SCHEMA["properties"]) - set(SCHEMA["required"]) == {"cognitoEndpoint"}, (
        "a key that may be missing needs a reason here"
    )
