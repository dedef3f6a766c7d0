"""The local page's config: the stack's own, with the addresses of this machine."""

import json
from pathlib import Path

import pytest

from tools import frontend_config, local_page, stack

OUTPUTS = {
    "frontendConfig": {
        "stack": "local",
        "region": "us-east-1",
        "backendUrl": "https://d1.cloudfront.net",
        "userPoolId": "us-east-1_AbCdEf123",
        "userPoolClientId": "1h57kf5cpq17m0eml12EXAMPLE",
    }
}
ENDPOINT = "http://127.0.0.1:3333"


def test_it_has_the_addresses_of_this_machine(tmp_path: Path) -> None:
    (tmp_path / "addresses.json").write_text(json.dumps({"local/edge": 1111, "local/page": 2222}))
    assert local_page.publish(tmp_path, "local", ENDPOINT, OUTPUTS) == "http://127.0.0.1:2222"
    assert json.loads((tmp_path / "page" / "local.json").read_text()) == {
        **OUTPUTS["frontendConfig"],
        "backendUrl": "http://127.0.0.1:1111",
        "cognitoEndpoint": ENDPOINT,
    }


def test_without_addresses_it_says_where_to_look(tmp_path: Path) -> None:
    with pytest.raises(local_page.NoPage, match=r"daemon\.log"):
        local_page.publish(tmp_path, "local", ENDPOINT, OUTPUTS)


def test_outputs_that_the_page_cannot_use_are_told_by_key(tmp_path: Path) -> None:
    (tmp_path / "addresses.json").write_text(json.dumps({"local/edge": 1111, "local/page": 2222}))
    wrong = {"frontendConfig": {**OUTPUTS["frontendConfig"], "userPoolId": "none"}}
    with pytest.raises(local_page.NoPage, match=r"frontendConfig\.userPoolId"):
        local_page.publish(tmp_path, "local", ENDPOINT, wrong)


def test_the_page_as_one_works_on_it_has_the_same_config(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "ROOT", tmp_path)
    assert frontend_config.config_of("local") is None, "nothing is up"
    folder = tmp_path / ".sandbox"
    folder.mkdir()
    (folder / "addresses.json").write_text(json.dumps({"local/edge": 1111, "local/page": 2222}))
    local_page.publish(folder, "local", ENDPOINT, OUTPUTS)
    assert frontend_config.config_of("local")["cognitoEndpoint"] == ENDPOINT


def test_a_stack_on_aws_has_what_its_outputs_say(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = {"dev": OUTPUTS, "prod": {}}
    monkeypatch.setattr(stack, "outputs_of", lambda name: outputs[name])  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    assert frontend_config.config_of("dev") == OUTPUTS["frontendConfig"]
    assert frontend_config.config_of("prod") is None
