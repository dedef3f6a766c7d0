"""Settings say by name what is wrong with them, go through texts unharmed, and come to a plan that fits the machine."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from tests.training.ground import settings
from training.device import Device
from training.faults import SettingsRefused
from training.settings import TrainSettings, from_texts, plan

T4 = Device("cuda", "T4", 14.6, (7, 5))
A10G = Device("cuda", "A10G", 22.1, (8, 6))
CPU = Device("cpu", "CPU")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"rank": 0}, "rank 0: a whole number from 1 to 128"),
        ({"rank": 1.5}, r"rank 1\.5: a whole number"),
        ({"rank": True}, "rank True: a whole number"),
        ({"unet_rate": float("nan")}, "unet_rate nan: a number from"),
        ({"scheduler": "sine"}, "scheduler 'sine': one of cosine, constant"),
        ({"flip": "yes"}, "flip 'yes': true or false"),
        ({"name": "no spaces"}, "name 'no spaces'"),
        ({"name": "../up"}, "name '../up'"),
        ({"name": "Verde-v2"}, "without a version"),
        ({"trigger": "two words"}, "has spaces"),
        ({"samples": ()}, "samples"),
        ({"samples": ("a --w 9",)}, "samples"),
        ({"negative": "a\nb"}, "samples, negative"),
        ({"resolution": 100}, "a multiple of 64"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(SettingsRefused, match=told):
        settings(**wrong)


def test_settings_go_through_texts_unharmed() -> None:
    one = settings(flip=False, unet_rate=3e-5, samples=("{trigger}, a, b", "{trigger}, c"))
    assert from_texts(one.as_texts()) == one


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (
            {"name": "Verde", "trigger": "studioverde", "rnak": "4"},
            "rnak is no setting; there are name, trigger",
        ),
        ({"name": "Verde", "trigger": "studioverde", "rank": "four"}, "rank 'four': no whole number"),
        ({"name": "Verde", "trigger": "studioverde", "alpha": "x"}, "alpha 'x': no number"),
        ({"name": "Verde", "trigger": "studioverde", "flip": "maybe"}, "flip 'maybe'"),
        ({"name": "Verde"}, "trigger must be given"),
        ({}, "name and trigger must be given"),
    ],
)
def test_wrong_texts_are_named(texts: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsRefused, match=told):
        from_texts(texts)


def test_precision_and_batch_follow_from_the_gpu() -> None:
    default = TrainSettings(name="Verde", trigger="studioverde")
    on_t4, on_a10g, on_cpu = (plan(default, 25, one) for one in (T4, A10G, CPU))
    assert (on_t4.precision, on_t4.batch, on_t4.saves_memory) == ("fp16", 2, True)
    assert (on_a10g.precision, on_a10g.batch, on_a10g.saves_memory) == ("bf16", 4, False)
    assert (on_cpu.precision, on_cpu.batch, on_cpu.optimizer) == ("no", 1, "AdamW")


def test_what_a_gpu_cannot_do_is_refused() -> None:
    with pytest.raises(SettingsRefused, match="precision 'bf16': T4 has none"):
        plan(settings(precision="bf16"), 25, T4)
    with pytest.raises(SettingsRefused, match="at least 7"):
        plan(settings(), 25, Device("cuda", "small", 4.0, (8, 6)))


@given(
    steps=some.integers(1, 5000),
    epochs=some.integers(1, 50),
    images=some.integers(8, 200),
    batch=some.integers(0, 8),
)
def test_the_plan_comes_close_to_the_steps_asked_for(
    steps: int, epochs: int, images: int, batch: int
) -> None:
    made = plan(settings(steps=steps, epochs=epochs, batch=batch), images, A10G)
    assert made.steps == made.epochs * made.steps_per_epoch
    assert 1 <= made.epochs <= epochs
    one_repeat = made.epochs * (images / made.batch + 1)
    assert abs(made.steps - steps) <= one_repeat, "nearer than one repeat of all pictures in each epoch"
