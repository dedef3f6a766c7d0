"""What a style does: the same texts and seeds without it, with it at several strengths, and as it was after earlier epochs.

    from training.evaluate import EvaluateArgs, evaluate
    seen = evaluate(EvaluateArgs(base=base, styles=trained.styles, trigger="studioverde", output=Path("out/evaluation")))

Makes `evaluation.jpg` (one labelled grid), `evaluation.json` (what each picture is), `thumbnail.jpg` (512 x 512). Which
strength is best is left to whoever looks: nothing here measures beauty, so the one that is suggested is the usual 0.8.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageChops, ImageStat

from training.device import free_memory
from training.faults import EvaluationRefused, TrainingFault
from training.grid import Cell, draw_grid
from training.settings import SAMPLES
from training.states import is_whole

if TYPE_CHECKING:
    from collections.abc import Generator

GRID, REPORT, THUMBNAIL = "evaluation.jpg", "evaluation.json", "thumbnail.jpg"
USUAL_STRENGTH = 0.8
THUMBNAIL_SIDE = 512
NO_EFFECT = 1.0
"""Of 255: a mean difference below it can't be seen."""
WHY_USUAL = "nothing here measures which strength looks best: this is the usual one; look at the grid"


@dataclass(frozen=True, kw_only=True)
class EvaluateArgs:
    """base: a checkpoint or a diffusers folder. styles: of one training by epoch, the finished one last.

    epochs: how many earlier ones are shown, at the usual strength. config: folder or hub name with the configuration of a
    checkpoint's parts (None: diffusers asks the hub for Stable Diffusion 1.5's). side: of the pictures, in pixels.
    """

    base: Path
    styles: list[Path]
    trigger: str
    output: Path
    texts: tuple[str, ...] = SAMPLES
    negative: str = "lowres, blurry, text, watermark"
    seeds: tuple[int, ...] = (42,)
    strengths: tuple[float, ...] = (0.5, USUAL_STRENGTH, 1.0)
    epochs: int = 3
    steps: int = 24
    guidance: float = 7.0
    side: int = 512
    config: str | None = None


@dataclass(frozen=True)
class Shown:
    """A picture of the grid. change: mean difference from the one without the style, 0 to 255."""

    text: str
    seed: int
    style: str | None
    strength: float
    change: float


@dataclass(frozen=True)
class Evaluated:
    """recommended: a strength, and why it."""

    grid: Path
    report: Path
    thumbnail: Path
    recommended: float
    why: str
    shown: list[Shown]


@dataclass(frozen=True)
class _Column:
    label: str
    style: Path | None
    strength: float


def evaluate(
    args: EvaluateArgs,
    say: Callable[[str], object] = print,
    tell: Callable[[int, int], object] = lambda done, of: None,
) -> Evaluated:
    """Draw all pictures and put them side by side. tell: pictures done, and of how many. Raises EvaluationRefused."""
    _check(args)
    columns = list(_columns(args))
    texts = [text.replace("{trigger}", args.trigger) for text in args.texts]
    rows = [(text, seed) for text in texts for seed in args.seeds]
    say(f"evaluation: {len(rows)} rows of {len(columns)} pictures")
    pipeline = _pipeline(args)
    drawn = dict[tuple[int, int], Image.Image]()
    for across, column in enumerate(columns):
        with _with_style(pipeline, column):
            for down, (text, seed) in enumerate(rows):
                drawn[down, across] = _draw(pipeline, args, text, seed)
                tell(len(drawn), len(rows) * len(columns))
    del pipeline
    free_memory()
    return _kept(args, columns, rows, drawn, say)


def _check(args: EvaluateArgs) -> None:
    if not args.base.exists():
        raise EvaluationRefused(
            f"base model {args.base} isn't there: name a .safetensors checkpoint or a diffusers folder"
        )
    if not args.styles:
        raise EvaluationRefused("there is no style to evaluate: train one first")
    for style in args.styles:
        if not is_whole(style):
            raise EvaluationRefused(f"{style} is no whole .safetensors file")
    if not args.texts or not args.seeds or not args.strengths:
        raise EvaluationRefused("texts, seeds and strengths: at least one of each")


def _columns(args: EvaluateArgs) -> Iterator[_Column]:
    *earlier, last = args.styles
    yield _Column("without", None, 0.0)
    for style in _spread(earlier, args.epochs):
        epoch = int(style.stem.rsplit("-", 1)[-1])
        yield _Column(f"epoch {epoch}, strength {USUAL_STRENGTH:g}", style, USUAL_STRENGTH)
    for strength in args.strengths:
        yield _Column(f"strength {strength:g}", last, strength)


def _spread(earlier: list[Path], count: int) -> list[Path]:
    """So many of them, evenly, the first among them."""
    if count <= 0 or not earlier:
        return []
    count = min(count, len(earlier))
    return [earlier[at * len(earlier) // count] for at in range(count)]


def _pipeline(args: EvaluateArgs) -> Any:
    torch, diffusers = import_module("torch"), import_module("diffusers")
    on_gpu = bool(torch.cuda.is_available())
    given: dict[str, Any] = {
        "torch_dtype": torch.float16 if on_gpu else torch.float32,
        "safety_checker": None,
    }
    try:
        if args.base.is_dir():
            made = diffusers.StableDiffusionPipeline.from_pretrained(args.base, **given)
        else:
            if args.config:
                given |= {"config": args.config, "local_files_only": Path(args.config).is_dir()}
            made = diffusers.StableDiffusionPipeline.from_single_file(str(args.base), **given)
    except TrainingFault:  # somebody ended it
        raise
    except Exception as error:  # what diffusers' parts raise: KeyError, OSError, ValueError, the hub's own
        raise EvaluationRefused(f"base model {args.base} can't be read: {_in_short(error)}") from error
    made.scheduler = diffusers.DPMSolverMultistepScheduler.from_config(made.scheduler.config)
    made.set_progress_bar_config(disable=True)
    return made.to("cuda" if on_gpu else "cpu")


@contextmanager
def _with_style(pipeline: Any, column: _Column) -> Generator[None]:
    if column.style is None:
        yield
        return
    try:
        pipeline.load_lora_weights(
            str(column.style.parent), weight_name=column.style.name, adapter_name="style"
        )
        pipeline.set_adapters(["style"], [column.strength])
    except TrainingFault:
        raise
    except Exception as error:  # as above; a LoRA for another base fails by its shapes
        raise EvaluationRefused(
            f"{column.style.name} doesn't fit the base model: {_in_short(error)}"
        ) from error
    try:
        yield
    finally:
        pipeline.unload_lora_weights()


def _in_short(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:3])[:300] or type(error).__name__


def _draw(pipeline: Any, args: EvaluateArgs, text: str, seed: int) -> Image.Image:
    # A seed on the CPU gives the same noise on every machine.
    chance = import_module("torch").Generator("cpu").manual_seed(seed)
    made = pipeline(
        text,
        negative_prompt=args.negative,
        num_inference_steps=args.steps,
        guidance_scale=args.guidance,
        width=args.side,
        height=args.side,
        generator=chance,
    )
    picture: Image.Image = made.images[0]
    return picture.convert("RGB")


def _kept(
    args: EvaluateArgs,
    columns: list[_Column],
    rows: list[tuple[str, int]],
    drawn: dict[tuple[int, int], Image.Image],
    say: Callable[[str], object],
) -> Evaluated:
    shown = [
        Shown(
            text,
            seed,
            column.style.name if column.style else None,
            column.strength,
            _change(drawn[down, 0], drawn[down, across]),
        )
        for down, (text, seed) in enumerate(rows)
        for across, column in enumerate(columns)
    ]
    cells = [
        [Cell(drawn[down, across], column.label) for across, column in enumerate(columns)]
        for down in range(len(rows))
    ]
    labels = [f"{text}  (seed {seed})" for text, seed in rows]
    args.output.mkdir(parents=True, exist_ok=True)
    seen = Evaluated(
        args.output / GRID, args.output / REPORT, args.output / THUMBNAIL, USUAL_STRENGTH, WHY_USUAL, shown
    )
    draw_grid(cells, labels).save(seen.grid, "JPEG", quality=88)
    nearest = min(args.strengths, key=lambda one: abs(one - USUAL_STRENGTH))
    across = next(
        at for at, one in enumerate(columns) if one.style == args.styles[-1] and one.strength == nearest
    )
    drawn[0, across].resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS).save(
        seen.thumbnail, "JPEG", quality=88
    )
    known = {
        "base": args.base.name,
        "recommended": seen.recommended,
        "why": seen.why,
        "pictures": [asdict(one) for one in shown],
    }
    seen.report.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if all(one.change < NO_EFFECT for one in shown if one.style):
        say("evaluation: the style changes nothing that can be seen: was it trained long enough?")
    say(f"evaluation: {seen.grid}")
    return seen


def _change(before: Image.Image, after: Image.Image) -> float:
    means = ImageStat.Stat(ImageChops.difference(before, after)).mean
    return round(sum(means) / len(means), 2)
