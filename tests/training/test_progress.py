"""The trainer's output becomes steps, losses, time left and cost, however it is cut up."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from training.progress import KEPT_LINES, Watch, keep_losses, read_losses

OUTPUT = (
    "INFO prepare images.\nrunning training\n  num epochs: 2\n\rsteps:   0%|          | 0/4 [00:00<?, ?it/s]"
    "\nepoch 1/2\n\n\rsteps:  25%|██▌       | 1/4 [00:01<00:03,  1.02s/it]"
    "\rsteps:  25%|██▌       | 1/4 [00:01<00:03,  1.02s/it, avr_loss=0.2]"
    "\rsteps:  50%|█████     | 2/4 [00:02<00:02,  1.00it/s, avr_loss=0.2]"
    "\rsteps:  50%|█████     | 2/4 [00:02<00:02,  1.00it/s, avr_loss=0.15]"
    "\nsaving checkpoint: /out/Verde-000001.safetensors\nINFO saving state at epoch 1\n"
    "\r 40%|████      | 8/20 [00:01<00:02,  5.1it/s]\nepoch 2/2\n\n"
    "\rsteps:  75%|███████▌  | 3/4 [00:03<00:01,  1.00it/s, avr_loss=0.14]"
    "\rsteps: 100%|██████████| 4/4 [00:04<00:00,  1.00it/s, avr_loss=0.121]"
    "\nsaving checkpoint: /out/Verde.safetensors\nINFO model saved.\n"
)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@given(cuts=some.lists(some.integers(0, len(OUTPUT)), max_size=12))
def test_any_pieces_of_the_output_tell_the_same(cuts: list[int]) -> None:
    watch = Watch(steps=4, epochs=2, clock=Clock())
    places = [0, *sorted(cuts), len(OUTPUT)]
    for start, end in pairwise(places):
        watch.take(OUTPUT[start:end])
    assert [(step, epoch, loss) for step, epoch, loss, _ in watch.losses] == [
        (1, 1, 0.2),
        (2, 1, 0.15),
        (3, 2, 0.14),
        (4, 2, 0.121),
    ]
    assert watch.last_lines[-1] == "INFO model saved."
    assert not any("%|" in line for line in watch.last_lines)
    assert not watch.is_saving


def test_it_is_known_when_a_state_is_being_written() -> None:
    watch = Watch(steps=4, epochs=2)
    head, tail = OUTPUT.split("INFO saving state at epoch 1\n")
    watch.take(head + "INFO saving state at epoch 1\n")
    assert watch.is_saving
    watch.take(tail)
    assert not watch.is_saving


def test_time_left_and_cost_follow_from_the_pace() -> None:
    clock = Clock()
    watch = Watch(steps=100, epochs=10, dollars_per_hour=3.6, spent_s=100.0, clock=clock)
    clock.now = 50.0  # loading the model is no step's time
    watch.take("\rsteps:   1%|x| 1/100 [00:01<01:39,  1.00s/it, avr_loss=0.2]\r")
    assert watch.now().eta_seconds is None
    clock.now = 59.0
    watch.take("steps:  10%|x| 10/100 [00:10<01:30,  1.00s/it, avr_loss=0.15]\r")
    now = watch.now()
    assert now.eta_seconds == pytest.approx(90.0)
    assert now.seconds == pytest.approx(159.0), "with the runs before"
    assert now.dollars == pytest.approx(0.159)
    assert now.line() == "step 10 of 100, epoch 0 of 10, loss 0.15, 2 min left, 0.16 $"


def test_a_training_that_goes_on_counts_from_where_it_was() -> None:
    watch = Watch(steps=100, epochs=10, before=40)
    watch.take("\nepoch 5/10\n\rsteps:   1%|x| 1/100 [00:01<01:39,  1.00s/it, avr_loss=0.2]\r")
    now = watch.now()
    assert (now.step, now.epoch, now.steps) == (41, 5, 100)


def test_a_loss_that_is_no_number_is_seen_and_not_told() -> None:
    watch = Watch(steps=10, epochs=1)
    watch.take("steps:  10%|x| 1/10 [00:01<00:09,  1.00s/it, avr_loss=nan]\r")
    assert watch.loss != watch.loss
    assert watch.now().loss is None


def test_the_last_lines_are_few() -> None:
    watch = Watch(steps=10, epochs=1)
    watch.take("".join(f"line {at}\n" for at in range(500)) + "half a line")
    assert len(watch.last_lines) == KEPT_LINES + 1
    assert watch.last_lines[-1] == "half a line"


def test_losses_of_steps_that_are_trained_again_are_replaced(tmp_path: Path) -> None:
    place = tmp_path / "loss.csv"
    keep_losses(place, [(step, 1, 0.2, 1.0) for step in range(1, 8)])
    keep_losses(place, [(5, 2, 0.1, 2.0), (6, 2, 0.1, 2.0)])
    keep_losses(place, [])
    assert [(row[0], row[2]) for row in read_losses(place)] == [
        *((step, 0.2) for step in range(1, 5)),
        (5, 0.1),
        (6, 0.1),
    ]
