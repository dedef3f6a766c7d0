"""What the trainer's bar looks like is tqdm's own business: the real one is read as well as the emulated one."""

from __future__ import annotations

import io
from importlib import import_module

from training.progress import Watch


def test_tqdms_own_bar_is_read() -> None:
    out = io.StringIO()
    bar = import_module("tqdm").tqdm(range(5), smoothing=0, desc="steps", file=out, mininterval=0)
    watch = Watch(steps=5, epochs=1)
    for step in range(1, 6):
        bar.update(1)
        bar.set_postfix(avr_loss=0.2 / step)
        watch.take(out.getvalue())
        out.seek(0)
        out.truncate()
    assert [(row[0], row[2]) for row in watch.losses] == [
        (1, 0.2),
        (2, 0.1),
        (3, 0.0667),
        (4, 0.05),
        (5, 0.04),
    ]
