"""Do the notebooks run, in a real kernel with its running loop, and give what they show?

`python tests/test_notebooks.py --write` executes them and stores what came out; look at the diff.
"""

from __future__ import annotations

import pathlib
import sys
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

COLABS = pathlib.Path(__file__).parents[1] / "colabs"
NOTEBOOKS = sorted(COLABS.glob("*.ipynb"))


def executed(path: pathlib.Path) -> Any:
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute(cwd=str(path.parent))
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when each cell ran
    return notebook


def shown(notebook: Any) -> list[str]:
    """What each cell prints and gives, as text."""
    found = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            found.append(output["text"] if output.output_type == "stream" else output["data"]["text/plain"])
    return found


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


# ipykernel's own debugger and zmq warn on import in some versions; what matters happens in the kernel's process.
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_notebook_gives_what_it_shows(path: pathlib.Path) -> None:
    assert shown(nbformat.read(path, as_version=4)) == shown(executed(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_first_cell_says_how_to_put_in_a_real_model(path: pathlib.Path) -> None:
    assert "real model" in nbformat.read(path, as_version=4).cells[0].source


if __name__ == "__main__" and "--write" in sys.argv:
    for written in NOTEBOOKS:
        nbformat.write(executed(written), written)
