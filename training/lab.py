"""What the notebook shows: pictures, a loss curve that grows, captions to edit, and the last step, publishing.

Needs IPython and ipywidgets, which only a notebook has; nothing else here imports this.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from training.bucket import named
from training.captions import save_captions, table
from training.evaluate import Evaluated
from training.prepare import IMAGES, SHEET
from training.progress import Progress, draw_curve
from training.publish import PublishArgs, Published, publish
from training.settings import TrainSettings
from training.sidecar import BaseModel, DataSet, Made
from training.train import Trained

CURVE_EVERY_S = 5.0
THUMBNAIL_PX, CAPTION_PX = 128, 640


def show(*pictures: Path) -> None:
    """Picture files below the cell."""
    display = import_module("IPython.display")
    for one in pictures:
        display.display(display.Image(filename=str(one)))


def show_set(target: Path) -> None:
    """The contact sheet of a prepared set."""
    show(target / SHEET)


def show_samples(trained: Trained, epochs: int = 3) -> None:
    """Sample pictures of the last epochs, the oldest of these first."""
    each = len(trained.samples) // trained.plan.epochs
    show(*trained.samples[-epochs * each :])


def live(draft: Path = Path("live-loss.png")) -> Callable[[Progress], None]:
    """For `train(tell=…)`: a line and the loss curve below the cell, both renewed as it goes."""
    display = import_module("IPython.display")
    line = display.display(display.Markdown("starting"), display_id=True)
    curve = display.display(display.Markdown(""), display_id=True)
    rows: list[tuple[int, int, float, float]] = []
    drawn_at = 0.0

    def tell(now: Progress) -> None:
        nonlocal drawn_at
        line.update(display.Markdown(now.line()))
        if now.loss is not None:
            rows.append((now.step, now.epoch, now.loss, now.seconds))
        if rows and (time.monotonic() - drawn_at >= CURVE_EVERY_S or now.step == now.steps):
            drawn_at = time.monotonic()
            draw_curve(rows, draft)
            curve.update(display.Image(data=draft.read_bytes()))
            draft.unlink()

    return tell


def edit_captions(target: Path) -> Any:
    """A widget: each picture with its caption in a field, and a button that saves them all."""
    widgets = import_module("ipywidgets")
    fields: dict[str, Any] = {}
    lines: list[Any] = []
    for row in table(target):
        picture = (target / IMAGES / row.picture).read_bytes()
        layout = widgets.Layout(width=f"{CAPTION_PX}px", height=f"{THUMBNAIL_PX // 2}px")
        fields[row.picture] = widgets.Textarea(value=row.caption, layout=layout)
        shown = widgets.Image(value=picture, format="png", width=THUMBNAIL_PX, height=THUMBNAIL_PX)
        lines.append(widgets.HBox([shown, widgets.VBox([widgets.Label(row.picture), fields[row.picture]])]))
    button, told = widgets.Button(description="Save captions", button_style="primary"), widgets.Label("")

    def save(_: object) -> None:
        try:
            changed = save_captions(target, {name: str(one.value) for name, one in fields.items()})
            told.value = f"{len(changed)} captions changed"
        except Exception as error:  # a widget's callback has nowhere else to say it
            told.value = str(error)

    button.on_click(save)
    return widgets.VBox([*lines, widgets.HBox([button, told])])


def made_of(trained: Trained, settings: TrainSettings, base: Path) -> Made:
    """How the style was made, for its sidecar."""
    from dataclasses import asdict

    return Made(
        base=BaseModel(name=base.name, sha256=trained.base_sha256),
        dataset=DataSet(name=settings.name, sha256=trained.set_sha256, pictures=trained.plan.images),
        settings={**asdict(settings), "plan": asdict(trained.plan)},
        steps=trained.plan.steps,
        epochs=trained.plan.epochs,
        loss=trained.loss,
    )


def publish_trained(
    trained: Trained,
    seen: Evaluated,
    settings: TrainSettings,
    base: Path,
    *,
    bucket: str,
    title: str = "",
    strength: float | None = None,
    file: Path | None = None,
    promote: bool = False,
) -> Published | None:
    """Publish the finished style, or the `file` of another epoch, with all that is known of it.

    An empty bucket is the notebook's own stack's; outside of one nothing is published, which it says. Raises what
    `training.publish.publish` raises.
    """
    bucket = named(bucket)
    if not bucket:
        print("not published: BUCKET is empty, and this is no stack's notebook")
        return None
    published = publish(
        import_module("boto3").client("s3"),
        bucket,
        PublishArgs(
            file=file or trained.styles[-1],
            style=settings.name,
            title=title,
            trigger_word=settings.trigger,
            recommended_strength=seen.recommended if strength is None else strength,
            thumbnail=seen.thumbnail,
            promote=promote,
            made=made_of(trained, settings, base),
        ),
    )
    print(f"published as {published.version}; designers get {published.current}")
    return published
