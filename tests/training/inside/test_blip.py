"""BLIP itself writes the captions; without its weights it is said what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.ground import PICTURES, TRIGGER, prepared_set, quiet
from tests.training.inside.models import BLIP_FOLDER
from training.captions import CaptionArgs, caption, pictures_of
from training.faults import CaptionsRefused


def test_blip_writes_a_sentence_for_each_picture(tmp_path: Path) -> None:
    target = prepared_set(tmp_path)
    args = CaptionArgs(target=target, trigger=TRIGGER, model=str(BLIP_FOLDER), batch=4, beams=2, longest=8)
    rows = caption(args, quiet)
    assert len(rows) == PICTURES
    for row in rows:
        words = row.caption.removeprefix(f"{TRIGGER}, ").split()
        assert 1 <= len(words) <= 8
        assert not any(word.startswith("[") for word in words), "no marks of the tokenizer"


@pytest.mark.parametrize("model", ["no-such/blip", "/no/such/folder"])
def test_without_weights_nothing_is_written(tmp_path: Path, model: str) -> None:
    target = prepared_set(tmp_path)
    with pytest.raises(CaptionsRefused, match=r"can't be had: .*Is the network there\?"):
        caption(CaptionArgs(target=target, trigger=TRIGGER, model=model), quiet)
    assert not any(one.with_suffix(".txt").exists() for one in pictures_of(target))
