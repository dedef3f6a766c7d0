"""A training leaves styles, losses and pictures; it goes on where it was cut off; each way to fail is told."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.training.ground import EMULATOR, REPOSITORY, captioned_set, settings
from tests.training.inside.models import CHECKPOINT_FILE, PYTHON, quick_python
from training.captions import CAPTION
from training.command import SCRIPT
from training.device import Device
from training.faults import (
    CaptionsRefused,
    OutOfTime,
    SettingsRefused,
    TrainerFailed,
    TrainingFault,
)
from training.lora import SD_15, read_lora
from training.prepare import IMAGES
from training.progress import CURVE, LOSSES, Progress, read_losses
from training.states import newest_state
from training.train import METRICS, TrainArgs, Trained, train

CPU = Device("cpu", "CPU")
STEPS = 36


@pytest.fixture(scope="module")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return captioned_set(tmp_path_factory.mktemp("set"))


@pytest.fixture
def ground(tmp_path: Path, captioned: Path) -> TrainArgs:
    target = shutil.copytree(captioned, tmp_path / "set")
    return TrainArgs(
        target=target,
        base=CHECKPOINT_FILE,
        output=tmp_path / "out",
        scripts=EMULATOR,
        settings=settings(),
        dollars_per_hour=3.6,
        python=quick_python(tmp_path),
        device=CPU,
    )


def changed(args: TrainArgs, **more: Any) -> TrainArgs:
    return TrainArgs(**{**vars(args), **more})


def trained(args: TrainArgs, tell: Callable[[Progress], object] | None = None) -> tuple[Trained, list[str]]:
    said: list[str] = []
    return train(args, said.append, tell), said


def test_a_training_leaves_a_style_an_epoch_and_all_that_is_to_be_seen(ground: TrainArgs) -> None:
    told: list[Progress] = []
    made, said = trained(ground, told.append)
    names = [one.name for one in made.styles]
    assert names == [*(f"Verde-{epoch:06d}.safetensors" for epoch in (1, 2, 3)), "Verde.safetensors"]
    assert all(read_lora(one, SD_15).rank == 4 for one in made.styles)
    assert len(made.samples) == 4 * 3, "three texts after each epoch"
    losses = read_losses(made.folder / LOSSES)
    assert [row[0] for row in losses] == list(range(1, STEPS + 1))
    assert {row[1] for row in losses} == {1, 2, 3, 4}
    assert losses[-1][2] < losses[0][2]
    assert Image.open(made.folder / CURVE).width > 400
    assert made.loss == pytest.approx(losses[-1][2])
    assert (told[-1].step, told[-1].steps) == (STEPS, STEPS)
    assert made.dollars == pytest.approx(made.seconds / 1000)
    assert f"= {STEPS} steps" in "\n".join(said)
    assert (made.folder / METRICS).is_file()


def test_what_is_finished_is_not_trained_again(ground: TrainArgs) -> None:
    first, _ = trained(ground)
    before = first.styles[-1].stat().st_mtime_ns
    again, said = trained(ground)
    assert again.styles[-1].stat().st_mtime_ns == before
    assert "nothing is trained again" in said[-1]
    assert (again.loss, again.seconds, again.set_sha256) == (first.loss, first.seconds, first.set_sha256)


def test_another_setting_caption_or_base_is_another_training(ground: TrainArgs, tmp_path: Path) -> None:
    folders = {trained(ground)[0].folder, trained(changed(ground, settings=settings(rank=8)))[0].folder}
    caption = next((ground.target / IMAGES).glob(f"*{CAPTION}"))
    caption.write_text(caption.read_text().strip() + " and more")
    folders.add(trained(ground)[0].folder)
    assert len(folders) == 3


def test_it_goes_on_from_the_last_whole_state(ground: TrainArgs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_TRAINER_FAULT", "crash@30")
    with pytest.raises(TrainerFailed):
        trained(ground)
    monkeypatch.delenv("SANDBOX_TRAINER_FAULT")
    [folder] = ground.output.iterdir()
    state = newest_state(folder, "Verde")
    assert state is not None
    assert state.epoch == 3
    (state.folder / "random_states_0.pkl").unlink()  # as if the power had gone while it was written
    made, said = trained(ground)
    assert "going on after epoch 2, step 18" in "\n".join(said)
    assert [row[0] for row in read_losses(folder / LOSSES)] == list(range(1, STEPS + 1))
    assert len(made.styles) == 4
    assert made.folder == folder


def test_a_second_interruption_goes_on_from_the_right_epoch(
    ground: TrainArgs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state of a run that went on itself counts its steps from 0 again, in the real trainer too."""
    for fault in ("crash@12", "crash@30"):
        monkeypatch.setenv("SANDBOX_TRAINER_FAULT", fault)
        with pytest.raises(TrainerFailed):
            trained(ground)
    monkeypatch.delenv("SANDBOX_TRAINER_FAULT")
    made, said = trained(ground)
    assert "going on after epoch 3, step 27" in "\n".join(said)
    steps = [(row[0], row[1]) for row in read_losses(made.folder / LOSSES)]
    assert steps == [(step, (step - 1) // 9 + 1) for step in range(1, STEPS + 1)], (
        "each step in its own epoch, once"
    )
    assert len(made.styles) == 4


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("crash@5", r"the trainer failed \(status 1\) at step 4; its last lines .*(\n.*)*emulated crash"),
        ("memory@5", "take a smaller batch"),
        ("nan@5", "the loss is no number any more at step 5: lower unet_rate"),
    ],
)
def test_a_trainer_that_fails_shows_why(
    ground: TrainArgs, monkeypatch: pytest.MonkeyPatch, fault: str, told: str
) -> None:
    monkeypatch.setenv("SANDBOX_TRAINER_FAULT", fault)
    monkeypatch.setenv("SANDBOX_SECONDS_PER_TRAINING_STEP", "0.05")
    with pytest.raises(TrainerFailed, match=told):
        trained(ground)


def test_out_of_time_keeps_what_was_saved(ground: TrainArgs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_TRAINER_FAULT", "hang@20")
    with pytest.raises(
        OutOfTime, match=r"5 seconds are over at step 19 of 36.*goes on from the last whole epoch"
    ):
        trained(changed(ground, limit_s=5.0))
    monkeypatch.delenv("SANDBOX_TRAINER_FAULT")
    made, said = trained(ground)
    assert "going on after epoch 2" in "\n".join(said)
    assert made.seconds > 5, "the time of both runs is counted"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_trainer_with_all_that_it_started(
    ground: TrainArgs, tmp_path: Path, number: signal.Signals
) -> None:
    script = tmp_path / "run.py"
    script.write_text(
        "from pathlib import Path\nfrom tests.training.ground import EMULATOR, settings\n"
        "from training.device import Device\nfrom training.faults import Interrupted\n"
        "from training.train import TrainArgs, train\n"
        f"args = TrainArgs(target=Path({str(ground.target)!r}), base=Path({str(ground.base)!r}), "
        f"output=Path({str(ground.output)!r}), scripts=EMULATOR, settings=settings(), "
        f"python=Path({str(ground.python)!r}), device=Device('cpu', 'CPU'))\n"
        "try:\n    train(args)\nexcept Interrupted as why:\n    print(why)\n    raise SystemExit(7)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "SANDBOX_TRAINER_FAULT": "hang@20"}
    process = subprocess.Popen([PYTHON, script], env=environment, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: any(ground.output.rglob("Verde-000002-state/random_states_0.pkl")))
    time.sleep(0.5)
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 7
    assert f"{number.name} ended the training at step" in said
    assert not running(str(ground.output)), "nothing of it goes on"
    made, said_again = trained(ground)
    assert "going on after epoch 2" in "\n".join(said_again)
    assert len(made.styles) == 4


def wait_for(there: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not there():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def running(word: str) -> list[str]:
    found: list[str] = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = one.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if word in command and SCRIPT in command:
            found.append(command)
    return found


def test_a_trainer_that_ends_well_without_a_style_has_failed(ground: TrainArgs, tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    scripts.mkdir()
    (scripts / SCRIPT).write_text("print('No data found.')\n")
    with pytest.raises(
        TrainerFailed, match=r"Verde.safetensors isn't there or not whole.*(\n.*)*No data found"
    ):
        trained(changed(ground, scripts=scripts))


@pytest.mark.parametrize("kept", [0, 3])
def test_too_few_pictures_are_refused(ground: TrainArgs, kept: int) -> None:
    for one in sorted((ground.target / IMAGES).glob("*.png"))[kept:]:
        one.unlink()
    with pytest.raises(CaptionsRefused, match="at least 8" if kept else "has no pictures"):
        trained(ground)


def without_caption(args: TrainArgs) -> TrainArgs:
    (args.target / IMAGES / f"room-0{CAPTION}").unlink()
    return args


def with_other_trigger(args: TrainArgs) -> TrainArgs:
    return changed(args, settings=settings(trigger="otherword"))


def with_cut_base(args: TrainArgs) -> TrainArgs:
    base = args.target.parent / "cut.safetensors"
    base.write_bytes(CHECKPOINT_FILE.read_bytes()[:-100])
    return changed(args, base=base)


def without_base(args: TrainArgs) -> TrainArgs:
    return changed(args, base=args.base.with_name("none.safetensors"))


def without_scripts(args: TrainArgs) -> TrainArgs:
    return changed(args, scripts=args.target)


@pytest.mark.parametrize(
    ("spoil", "fault", "told"),
    [
        (without_caption, CaptionsRefused, "no caption for room-0.png"),
        (
            with_other_trigger,
            CaptionsRefused,
            "'otherword' isn't at the start of the caption of room-0.png, .* 6 more",
        ),
        (without_base, SettingsRefused, "none.safetensors isn't there"),
        (with_cut_base, SettingsRefused, "no whole .safetensors file"),
        (without_scripts, SettingsRefused, "has no train_network.py"),
    ],
)
def test_what_is_missing_is_told_before_anything_starts(
    ground: TrainArgs, spoil: Callable[[TrainArgs], TrainArgs], fault: type[TrainingFault], told: str
) -> None:
    with pytest.raises(fault, match=told):
        trained(spoil(ground))
    assert not ground.output.exists()


def test_accelerate_itself_starts_the_trainer(ground: TrainArgs) -> None:
    made, _ = trained(changed(ground, python=Path(sys.executable), settings=settings(steps=9, epochs=1)))
    assert [one.name for one in made.styles] == ["Verde.safetensors"]


@pytest.mark.parametrize(
    "device", [CPU, Device("cuda", "T4", 14.6, (7, 5)), Device("cuda", "A10G", 22.1, (8, 6))]
)
def test_accelerates_own_parser_takes_the_launchers_part(device: Device) -> None:
    from training.command import Paths, command
    from training.settings import plan

    paths = Paths(python=PYTHON, images=Path("/i"), base=Path("/b"), output=Path("/o"))
    argv = command(settings(), plan(settings(), 9, device), paths)
    parser = import_module("accelerate.commands.launch").launch_command_parser()
    known = parser.parse_args(argv[3:])
    assert argv[1:3] == ["-m", "accelerate.commands.launch"]
    assert known.training_script == SCRIPT
    assert known.mixed_precision == device.precision
    assert known.cpu == (device.kind == "cpu")
