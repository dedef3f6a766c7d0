"""An emulator of sd-scripts' train_network.py, named as such: it takes the same arguments and leaves files of the same kind.

What is as in the real one (at the commit of cloud_init/versions.env): the command line (sd_scripts_arguments.json), the data
set's description with what is refused in it, the number of steps, what is printed and where, the names, keys, shapes and
metadata of the styles, states and going on from one (the bar counts from 0 again), ending well without a style when there
are no pictures. What is not: nothing is learnt. The weights are random, **the loss is made up** (it falls as such losses do),
the sample pictures are flat. It needs no torch, and a second for a hundred steps.

    SANDBOX_SECONDS_PER_TRAINING_STEP   how long a step takes; 0.01
    SANDBOX_TRAINER_FAULT               KIND@STEP: `crash`, `memory`, `nan` or `hang` at that step, for the tests
"""

from __future__ import annotations

import json
import logging
import math
import os
import random
import sys
import time
from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # it is started by its path, as the real one

from sandbox.training import description, emulated_style
from sandbox.training.arguments import parser
from sandbox.training.layers import Layer, NoModel, layers

STEP_S = 0.01
log = logging.getLogger("emulated trainer")


@dataclass
class Run:
    """A training that goes on."""

    args: Namespace
    batches: description.Batches
    parts: list[Layer]
    output: Path
    before: int
    started: float = field(default_factory=time.time)
    losses: list[float] = field(default_factory=list[float])

    @property
    def steps(self) -> int:
        return self.args.max_train_epochs * self.batches.steps


def main(argv: list[str]) -> int:
    """Status 0, too, when there are no pictures: so the real one does."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    args = parser().parse_args(argv)
    if args.dataset_config is None or not args.output_dir or not args.network_module:
        raise SystemExit("this emulator needs --dataset_config, --output_dir and --network_module")
    if args.max_train_epochs is None:
        raise SystemExit("this emulator counts epochs: --max_train_epochs")
    log.info("Loading dataset config from %s", args.dataset_config)
    batches = description.read(Path(args.dataset_config).read_text(encoding="utf-8"))
    if not batches.images:
        log.error(
            "No data found. Please verify arguments (train_data_dir must be the parent of folders with images)"
        )
        return 0
    if batches.without_caption:
        log.warning("No caption file found for %s images.", batches.without_caption)
    try:
        parts = layers(Path(args.pretrained_model_name_or_path), with_text=not args.network_train_unet_only)
    except NoModel as error:
        log.error("%s", error)
        return 1
    run = Run(args, batches, parts, Path(args.output_dir), _resumed(args, batches.steps))
    run.output.mkdir(parents=True, exist_ok=True)
    _announce(run)
    _epochs(run)
    return 0


def _announce(run: Run) -> None:
    text = sum(one.name.startswith("lora_te_") for one in run.parts)
    log.info("create LoRA for Text Encoder: %s modules.", text)
    log.info("create LoRA for U-Net: %s modules.", len(run.parts) - text)
    print("running training (EMULATED: nothing is learnt)")
    print(f"  num train images * repeats: {run.batches.images * run.batches.repeats}")
    print(f"  num batches per epoch: {run.batches.steps}")
    print(f"  num epochs: {run.args.max_train_epochs}")
    print(f"  total optimization steps: {run.steps}", flush=True)


def _resumed(args: Namespace, steps_per_epoch: int) -> int:
    """Steps that are taken to be done: those of --initial_epoch, else those that the state tells."""
    if not args.resume:
        return 0
    log.info("resume training from local state: %s", args.resume)
    if args.initial_epoch is not None:
        return (args.initial_epoch - 1) * steps_per_epoch
    return int(json.loads((Path(args.resume) / "train_state.json").read_text())["current_step"])


def _epochs(run: Run) -> None:
    before = run.before
    assert before < run.steps, "max_train_steps should be greater than initial step"
    bar = _Bar(run.steps)
    first = before // run.batches.steps
    for epoch in range(first + 1, run.args.max_train_epochs + 1):
        print(f"\nepoch {epoch}/{run.args.max_train_epochs}\n", flush=True)
        for _ in range(run.batches.steps):
            _step(run, bar)
        if epoch < run.args.max_train_epochs and epoch % (run.args.save_every_n_epochs or epoch + 1) == 0:
            style = _save(run, f"{run.args.output_name}-{epoch:06d}", epoch, before + bar.done)
            _save_state(run, style, epoch, bar.done)  # since this run began, as the real one tells it
        _samples(run, epoch, (before + bar.done) / run.steps)
    style = _save(run, run.args.output_name, run.args.max_train_epochs, run.steps)
    if run.args.save_state or run.args.save_state_on_train_end:
        emulated_style.write_state(
            run.output / f"{run.args.output_name}-state", style, run.args.max_train_epochs, run.steps
        )
    print()
    log.info("model saved.")


def _step(run: Run, bar: _Bar) -> None:
    time.sleep(float(os.environ.get("SANDBOX_SECONDS_PER_TRAINING_STEP", STEP_S)))
    at = run.before + bar.done + 1
    kind, _, when = os.environ.get("SANDBOX_TRAINER_FAULT", "").partition("@")
    is_now = bool(kind) and at == int(when)
    if is_now and kind == "crash":
        raise RuntimeError("emulated crash")
    if is_now and kind == "memory":
        raise RuntimeError("CUDA out of memory. Tried to allocate 1.17 GiB (emulated)")
    if is_now and kind == "hang":
        time.sleep(3600)
    noise = random.Random(f"{run.args.seed} {at}").gauss(0, 0.012)  # noqa: S311  # not for secrets
    run.losses.append(
        math.nan if is_now and kind == "nan" else 0.085 + 0.06 * math.exp(-3 * at / run.steps) + noise
    )
    recent = run.losses[-run.batches.steps :]
    bar.advance(sum(recent) / len(recent))


def _save(run: Run, name: str, epoch: int, step: int) -> Path:
    file = run.output / f"{name}.safetensors"
    print(f"\nsaving checkpoint: {file}", flush=True)
    known = emulated_style.metadata(
        run.args,
        images=run.batches.images * run.batches.repeats,
        steps_per_epoch=run.batches.steps,
        started=run.started,
    )
    # After going on from a state the real one, too, writes the steps since then.
    known |= {
        "ss_epoch": str(epoch),
        "ss_steps": str(step - run.before),
        "ss_training_finished_at": str(time.time()),
    }
    emulated_style.write_style(file, run.parts, run.args, step / run.steps, known)
    return file


def _save_state(run: Run, style: Path, epoch: int, step: int) -> None:
    if not run.args.save_state:
        return
    name = run.args.output_name
    log.info("saving state at epoch %s", epoch)
    emulated_style.write_state(run.output / f"{name}-{epoch:06d}-state", style, epoch, step)
    kept = run.args.save_last_n_epochs_state or run.args.save_last_n_epochs
    old = run.output / f"{name}-{epoch - kept * run.args.save_every_n_epochs:06d}-state" if kept else None
    if old and old.is_dir():
        log.info("removing old state: %s", old)
        for one in old.iterdir():
            one.unlink()
        old.rmdir()


def _samples(run: Run, epoch: int, share: float) -> None:
    every: Any = run.args.sample_every_n_epochs
    if not every or epoch % every or not run.args.sample_prompts:
        return
    log.info("generating sample images at step: %s", epoch)
    stamp = time.strftime("%Y%m%d%H%M%S")
    lines = [line.strip() for line in Path(run.args.sample_prompts).read_text(encoding="utf-8").splitlines()]
    for at, line in enumerate(line for line in lines if line and not line.startswith("#")):
        name = f"{run.args.output_name}_e{epoch:06d}_{at:02d}_{stamp}_{run.args.seed}.png"
        text = line.partition(" --")[0]
        emulated_style.write_sample(run.output / "sample" / name, run.batches.resolution, text, share)


class _Bar:
    """tqdm's line on stderr, as it looks where nobody sees a terminal."""

    def __init__(self, total: int) -> None:
        self.done, self._total, self._started = 0, total, time.monotonic()
        self._print("")

    def advance(self, loss: float) -> None:
        self.done += 1
        self._print(f", avr_loss={loss:.3g}")

    def _print(self, more: str) -> None:
        spent = time.monotonic() - self._started
        share = self.done / self._total
        blocks = "█" * int(10 * share)
        each = spent / self.done if self.done else 0.0
        rate = (
            "?it/s"
            if not self.done
            else f"{each:5.2f}s/it"
            if each >= 1
            else f"{1 / max(each, 1e-6):5.2f}it/s"
        )
        left = _clock(each * (self._total - self.done)) if self.done else "?"
        sys.stderr.write(
            f"\rsteps: {share:4.0%}|{blocks:<10}| {self.done}/{self._total} [{_clock(spent)}<{left}, {rate}{more}]"
        )
        sys.stderr.flush()


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
