"""The model of a boot has the stages that the machine has, and what it says follows from its numbers."""

import re

import pytest

from bench import boot
from cloud_init.render import HERE


def declared() -> list[str]:
    """The stages of comfyui-server.sh, in order."""
    script = (HERE / "comfyui-server.sh").read_text()
    prepare = script[script.index("prepare() {") :]
    return re.findall(r"\bstage ([\w-]+) \d+", prepare[: prepare.index("\n}")])


def test_it_has_the_machine_s_stages_in_their_order() -> None:
    [first, *others] = [one.name for one in boot.stages("fresh image", False)]
    assert first == "launch"
    # Models arrive beside the others; the stage only waits for them.
    assert [one for one in others if one != "models"] == [one for one in declared() if one != "models"]
    assert "models" in others


@pytest.mark.parametrize("scenario", boot.GOALS)
def test_a_stage_that_was_done_before_is_in_no_later_start(scenario: str) -> None:
    names = {one.name for one in boot.stages(scenario, False)}
    assert ("dependencies" in names) == (scenario == "fresh image")
    assert ("launch" in names) != (scenario == "waking")


def test_a_stage_waits_for_the_last_of_what_it_needs() -> None:
    chain = [
        boot.Stage("a", 2, ()),
        boot.Stage("b", 3, ("a",)),
        boot.Stage("c", 9, ("a",)),
        boot.Stage("d", 1, ("b", "c")),
    ]
    done = boot.ends(chain)
    assert done == {"a": 2, "b": 5, "c": 11, "d": 12}
    assert boot.critical(chain, done) == {"a", "c", "d"}


def test_every_number_names_its_source_and_is_no_better_on_a_bad_day() -> None:
    numbers = {name: one for name, one in vars(boot).items() if isinstance(one, boot.Number)}
    assert numbers
    assert all(one.source for one in numbers.values())
    for scenario in boot.GOALS:
        usual, bad = (boot.ends(boot.stages(scenario, is_bad))["warm-up"] for is_bad in (False, True))
        assert bad > usual
