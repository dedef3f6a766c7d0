"""`ops cost`: every declared resource is counted or told to cost nothing, and hours follow from schedules and idle stops."""

import dataclasses
import json
from functools import cache
from typing import Any

import pytest

from declared.program import declare, settings_of
from instance_types import (
    BACKEND_TYPES,
    GPU_TYPES,
    NAT_INSTANCE_TYPE,
    NOTEBOOK_TYPES,
    TRAINING_DOLLARS_PER_HOUR,
    TRAINING_TYPES,
)
from ops import cli, cost, cost_free
from ops.cost_bill import Costs, bill, costs, resources_of
from ops.cost_hours import MONTH_HOURS, Clock, hours_a_month, moments, work
from ops.cost_rules import RULES, Resource, Use, scene
from ops.cost_usage import IDLE, TRIAL, Usage, usual
from ops.errors import OpsError
from ops.prices import PriceMissing, PriceTable, load, sources

STACKS = ("local", "dev", "prod")
PRICES = load("us-east-1")


@cache
def of(stack: str) -> Costs:
    return cost.of_stack(stack)[1]


@cache
def resources(stack: str) -> list[Resource]:
    return resources_of(declare(stack).all)


def with_settings(stack: str, **groups: dict[str, Any]) -> Costs:
    """The stack with some settings changed, each laid over the group of its file."""
    from declared.program import config_of

    known = config_of(stack)
    config = {f"sd-app:{name}": {**known.get(f"sd-app:{name}", {}), **one} for name, one in groups.items()}
    return cost.of_stack(stack, config=config)[1]


@pytest.mark.parametrize("stack", STACKS)
def test_every_resource_of_a_stack_is_on_its_bill(stack: str) -> None:
    rows = of(stack).month.rows
    assert len(rows) == len(declare(stack).all)
    for row in rows:
        assert row.free or row.resource.token in RULES, row.resource
    assert of(stack).month.usd == pytest.approx(sum(of(stack).month.by_component().values()))
    assert 0 < of(stack).idle.usd < of(stack).month.usd


def test_a_type_without_a_price_stops_the_count_by_its_name() -> None:
    strange = Resource(token="aws:rds/instance:Instance", name="a-database", component="jobs", inputs={})
    with pytest.raises(PriceMissing, match="a-database is a aws:rds/instance:Instance, which has no price"):
        bill(scene(settings_of("dev"), Usage()), [strange], PRICES)


def test_a_price_that_is_missing_stops_it_too_with_the_resource_and_its_type() -> None:
    poor = PriceTable("us-east-1", {k: v for k, v in PRICES.by_item.items() if k != "ebs gp3"})
    with pytest.raises(
        PriceMissing, match=r'sd-app-dev-\S+ \(aws:ec2/instance:Instance\): no price of "ebs gp3"'
    ):
        bill(scene(settings_of("dev"), Usage()), resources("dev"), poor)


def test_no_type_is_both_counted_and_free_and_none_is_there_for_nothing() -> None:
    assert not set(RULES) & set(cost_free.FREE)
    optional = {"aws:route53/record:Record", "aws:amplify/domainAssociation:DomainAssociation"}
    declared = {one.token for stack in STACKS for one in resources(stack)}
    assert {*RULES, *cost_free.FREE} - declared == optional


def test_every_type_of_machine_that_the_settings_allow_has_its_prices() -> None:
    items = [f"ec2 {kind}" for kind in (*GPU_TYPES, *BACKEND_TYPES, NAT_INSTANCE_TYPE)]
    items += [f"ec2 spot {kind}" for kind in GPU_TYPES]
    items += [f"sagemaker notebook {kind}" for kind in NOTEBOOK_TYPES]
    items += [f"sagemaker training {market}{kind}" for kind in TRAINING_TYPES for market in ("", "spot ")]
    for item in items:
        assert PRICES.of(item).usd > 0, item
    for kind, usd in TRAINING_DOLLARS_PER_HOUR.items():
        assert PRICES.of(f"sagemaker training {kind}").usd == usd, "two prices of one thing"


def test_every_price_has_a_unit_a_date_and_a_source_that_is_told() -> None:
    for price in PRICES.by_item.values():
        assert price.unit and price.source in sources(), price
        assert PRICES.oldest().isoformat() <= price.on
    assert set(sources()) == {price.source for price in PRICES.by_item.values()}


def test_a_region_without_prices_says_how_to_get_them() -> None:
    with pytest.raises(OpsError, match=r"no prices of eu-west-1 are known.*--refresh-prices"):
        cost.of_stack("dev", config={"aws:region": "eu-west-1"})


@pytest.mark.parametrize(
    ("clock", "idle", "worked"),
    [
        (Clock(start=None, stop=None, idle_minutes=0), MONTH_HOURS, MONTH_HOURS),
        (Clock(start=None, stop=None, idle_minutes=30), 0, 20 * 8.5),
        # Started on weekdays by the clock, it waits in vain for half an hour.
        (Clock(start="cron(0 8 ? * MON-FRI *)", stop=None, idle_minutes=30), 261 / 12 / 2, None),
        (
            Clock(start="cron(0 8 ? * MON-FRI *)", stop="cron(0 19 ? * * *)", idle_minutes=0),
            261 * 11 / 12,
            None,
        ),
        (Clock(start=None, stop="cron(0 20 ? * * *)", idle_minutes=0), 0, 20 * 12),
    ],
)
def test_hours_follow_from_schedules_idle_stop_and_work(
    clock: Clock, idle: float, worked: float | None
) -> None:
    assert hours_a_month(clock, []) == pytest.approx(idle)
    if worked is not None:
        assert hours_a_month(clock, work(8, 20)) == pytest.approx(worked)


@pytest.mark.parametrize(
    ("expression", "count"),
    [
        ("cron(0 8 ? * MON-FRI *)", 261),
        ("cron(0 8 1,15 * ? *)", 24),
        ("cron(0/15 9 ? 1 2 *)", 4 * 4),  # the four Mondays of January 2027
        ("cron(0 8 L * ? *)", 12),
        ("cron(0 8 LW * ? *)", 12),
        ("cron(0 8 15W * ? *)", 12),
        ("cron(0 8 ? * 6L *)", 12),
        ("cron(0 8 ? * MON#5 *)", 4),
        ("cron(0 8 ? * MON-FRI 2026)", 0),
    ],
)
def test_schedules_are_read_as_the_scheduler_reads_them(expression: str, count: int) -> None:
    assert len(moments(expression)) == count


def test_more_pictures_hours_and_loras_cost_more_and_nothing_else_does() -> None:
    less = of("prod").month.usd
    for change in ({"pictures_a_day": 600}, {"hours_a_day": 10}, {"loras_a_month": 3}, {"notebook_hours": 9}):
        assert cost.of_stack("prod", change)[1].month.usd > less, change
    assert cost.of_stack("prod", {"people": 6})[1].month.usd == less, "prod has no page of its own as it is"


def test_a_month_is_a_studios_where_data_is_protected_and_else_a_trials() -> None:
    assert (usual(settings_of("prod")), usual(settings_of("dev"))) == (Usage(), TRIAL)


def test_spot_is_cheaper_than_on_demand_by_the_gpus_hours() -> None:
    prod, hours = of("prod"), of("prod").month.scene.hours["ml-server"]
    saved = PRICES.of("ec2 g5.xlarge").usd - PRICES.of("ec2 spot g5.xlarge").usd
    assert prod.on_demand.usd - prod.spot.usd == pytest.approx(hours * saved)
    assert prod.month.usd == prod.on_demand.usd, "prod's settings have it on demand"
    assert of("dev").month.usd == of("dev").spot.usd, "dev's have it on spot"


def test_a_lora_costs_its_minutes_and_never_more_than_the_settings_allow() -> None:
    found = with_settings("prod", training={"maxMinutes": 10})
    assert found.lora_on_demand == pytest.approx(1.408 / 6, rel=0.01)
    assert of("prod").lora_on_demand == pytest.approx(1.408 * 25 / 60, rel=0.01)
    assert of("prod").lora_spot < 0.5 * of("prod").lora_on_demand


def test_a_picture_is_the_gpus_seconds_and_what_it_moves() -> None:
    seconds = cost.of_stack("prod", {"picture_seconds": 0})[1].picture
    assert 0 < seconds < 0.001
    assert of("prod").picture - seconds == pytest.approx(4 * 1.006 / 3600)
    assert of("prod").picture_all_in == pytest.approx(of("prod").month.usd / 6600)


@pytest.mark.parametrize(
    ("groups", "cheaper"),
    [
        ({"network": {"nat": "instance"}}, 25),
        ({"notebook": {"enabled": False}}, 14),
        ({"backend": {"instanceType": "t4g.small"}}, 20),
    ],
)
def test_settings_change_what_is_declared_and_so_the_dollars(
    groups: dict[str, dict[str, Any]], cheaper: float
) -> None:
    assert of("prod").idle.usd - with_settings("prod", **groups).idle.usd > cheaper


def test_two_nat_gateways_cost_twice_by_the_hour_and_the_same_by_the_gigabyte() -> None:
    one, two = of("prod"), with_settings("prod", network={"nat": "gateway_per_az"})

    def gigabytes(found: Costs) -> float:
        charges = [charge for row in found.month.rows for charge in row.charges]
        return sum(charge.use.amount for charge in charges if charge.use.item == "nat gateway data")

    assert gigabytes(two) == pytest.approx(gigabytes(one)) and gigabytes(one) > 1
    assert two.idle.usd - one.idle.usd == pytest.approx(730 * (0.045 + 0.005))


def test_without_an_idle_stop_and_schedules_the_gpu_runs_all_month() -> None:
    found = with_settings(
        "prod",
        mlServer={"idleStopMinutes": 0},
        operations={"mlServerStart": None, "mlServerStop": None},
    )
    assert found.idle.usd - of("prod").idle.usd > 700


def test_the_command_works_without_a_stack_that_is_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--stack", "prod", "cost"]) == 0
    told = capsys.readouterr().out
    assert max(map(len, told.split("A working month:")[0].splitlines())) <= 80
    assert "ml-server instance" in told and "a LoRA on spot" in told and "9 operations metricAlarm" in told


def test_json_has_every_resource_with_its_prices_and_their_sources(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["cost", "--stack", "prod", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert sum(one["working"] for one in told["byResource"]) == pytest.approx(told["workingMonth"])
    [server] = [
        one
        for one in told["byResource"]
        if one["component"] == "ml-server" and one["type"] == "aws:ec2/instance:Instance"
    ]
    assert {"item", "amount", "price", "on", "source", "confirmed"} <= set(server["charges"][0])
    assert all(one["free"] or one["charges"] is not None for one in told["byResource"])


def test_a_month_over_the_budget_is_told_and_is_exit_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--stack", "dev", "cost", "--hours-a-day", "24", "--days-a-month", "30"]) == 1
    assert "passes the stack's budget of $150.00" in capsys.readouterr().out


def test_more_pictures_than_the_gpu_can_make_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["--stack", "prod", "cost", "--pictures-a-day", "90000"])
    assert "need 100.0 hours of the GPU, more than 8 a day" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--hours-a-day", "25"], '"25" is not a number from 0 to 24'),
        (["--days-a-month", "1.5"], '"1.5" is not a whole number from 0 to 31'),
        (["--loras-a-month", "nan"], '"nan" is not a number'),
    ],
)
def test_wrong_hours_are_refused(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["cost", *arguments])
    assert told in capsys.readouterr().err


def test_an_unknown_stack_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--stack", "nowhere", "cost"]) == 2
    assert "known here: dev, local, prod" in capsys.readouterr().err


def test_nobody_at_work_is_no_usage_at_all() -> None:
    assert not any(value for name, value in dataclasses.asdict(IDLE).items() if name not in ("lora_minutes",))
    assert [one for one in resources("prod") if one.token == "sd-app:training:Training"], "a LoRA has its row"
    training = next(row for row in of("prod").idle.rows if row.resource.token == "sd-app:training:Training")
    assert training.usd == 0 and isinstance(training.charges[0].use, Use)
    assert costs(settings_of("prod"), resources("prod"), PRICES, IDLE).picture_all_in is None


def test_a_stack_says_how_much_it_is_used_and_the_command_line_has_the_last_word() -> None:
    said = {"sd-app:usage": {"picturesADay": 1000, "people": 12}}
    _, found = cost.of_stack("prod", config=said)
    usage = found.month.scene.usage
    assert (usage.pictures_a_day, usage.people, usage.days_a_month) == (1000, 12, 22)
    _, found = cost.of_stack("prod", {"pictures_a_day": 5}, config=said)
    assert (found.month.scene.usage.pictures_a_day, found.month.scene.usage.people) == (5, 12)
