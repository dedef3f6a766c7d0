"""The recording engine keeps what the tests rely on, and refuses what nobody prepared."""

import pulumi
import pulumi_aws as aws
import pytest

from tests.unit.engine import deploy

ZONES = "aws:index/getAvailabilityZones:getAvailabilityZones"


def test_an_unprepared_lookup_fails_by_name() -> None:
    with pytest.raises(LookupError, match=f"lookup {ZONES} .*was not prepared"):
        deploy(lambda: aws.get_availability_zones())


def test_a_prepared_lookup_answers() -> None:
    recording = deploy(
        lambda: pulumi.export("zones", aws.get_availability_zones().names), lookups={ZONES: {"names": ["z"]}}
    )
    assert recording.exports == {"zones": ["z"]}


def test_runs_leave_nothing_to_each_other() -> None:
    key = "sd-app:githubToken"

    def build() -> tuple[str | None, str]:
        token = pulumi.Config().get("githubToken")
        if token:
            pulumi.export("token", token)
        return token, pulumi.get_stack()

    first = deploy(build, config={key: "t"}, secret_keys=[key])
    second = deploy(build, stack="prod")
    assert (first.built, first.exports) == (("t", "dev"), {"token": "t"})
    assert (second.built, second.exports) == ((None, "prod"), {}), "something survived a run"


def test_a_failed_run_ends_with_its_own_error() -> None:
    def build() -> None:
        aws.sqs.Queue("q")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        deploy(build)
    assert [one.name for one in deploy(lambda: aws.sqs.Queue("r")).all] == ["r"]


def test_a_secret_is_followed_from_input_to_output_to_export() -> None:
    def build() -> None:
        secret = pulumi.Output.secret("hush")
        queue = aws.sqs.Queue("q", tags={"a": secret, "b": "open"})
        pulumi.export("tags", queue.tags)
        pulumi.export("url", queue.url)

    recording = deploy(build)
    assert recording.named("q").secret_inputs == {"tags.a"}
    assert recording.named("q").inputs["tags"] == {"a": "hush", "b": "open"}
    assert recording.secret_exports == {"tags"}


def test_options_are_kept() -> None:
    def build() -> None:
        first = aws.sqs.Queue("first")
        options = pulumi.ResourceOptions(
            protect=True, retain_on_delete=True, ignore_changes=["name"], depends_on=[first]
        )
        aws.sqs.Queue("second", opts=options)

    second = deploy(build).named("second")
    assert (second.protect, second.retain_on_delete, second.ignore_changes) == (True, True, ("name",))
    assert second.depends_on == {"first"}


def test_names_left_open_get_a_suffix_and_the_stack_decides_them() -> None:
    names = [
        deploy(lambda: aws.sqs.Queue("q"), stack=stack).only("aws:sqs/queue:Queue").outputs
        for stack in ("dev", "dev", "prod")
    ]
    assert names[0] == names[1], "the same run gives other names: tests would not repeat"
    assert names[0]["name"] != names[2]["name"]
    assert names[0]["arn"] == f"arn:aws:sqs:us-east-1:111111111111:{names[0]['name']}"
