"""Runs the notebook from top to bottom in the training environment: `python -m tests.training.run_notebook OUT NAME=VALUE…`.

The values take the place of those in the first cell, as JSON.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

NOTEBOOK = Path(__file__).resolve().parents[2] / "training" / "finetune.ipynb"
LIMIT_S = 300


def main(out: Path, given: list[str]) -> None:
    nbformat, nbclient = import_module("nbformat"), import_module("nbclient")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    values = dict(one.split("=", 1) for one in given)
    lines = [f"{name} = {json.loads(value)!r}" for name, value in values.items()]
    [at] = [at for at, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", [])]
    notebook.cells.insert(at + 1, nbformat.v4.new_code_cell("\n".join(lines)))
    # ipykernel's own kernel of this very Python.
    client = nbclient.NotebookClient(
        notebook,
        timeout=LIMIT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(NOTEBOOK.parent)}},
    )
    try:
        client.execute()
    finally:
        nbformat.write(notebook, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
