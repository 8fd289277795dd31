"""Do the notebooks run, in a real kernel with its running loop, and give what they show?

`python tests/test_notebooks.py --write` executes them and stores what came out; look at the diff.
"""

from __future__ import annotations

import ast
import pathlib
import re
import sys
import tempfile
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

COLABS = pathlib.Path(__file__).parents[1] / "colabs"
NOTEBOOKS = sorted(COLABS.glob("*.ipynb"))
every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
# ipykernel's own debugger and zmq warn on import in some versions; what matters happens in the kernel's process.
in_a_kernel = pytest.mark.filterwarnings("default")


def read(path: pathlib.Path) -> Any:
    return nbformat.read(path, as_version=4)


def executed(notebook: Any) -> Any:
    """A copy, run in an empty folder."""
    notebook = nbformat.from_dict(notebook.copy())
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute(cwd=folder)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # when each cell ran
        if cell.cell_type == "code":
            cell.outputs = joined(cell.outputs)
    return notebook


def joined(outputs: list[Any]) -> list[Any]:
    """Without what comes on a slow machine only, and what was printed in a row as one, however many pieces came."""
    found: list[Any] = []
    for output in outputs:
        bar = "application/vnd.jupyter.widget-view+json" in output.get("data", {})
        watchdog = output.get("name") == "stderr" and "holds the event loop for over" in output.text
        if bar or watchdog:
            continue
        if output.output_type == "stream" and found and found[-1].get("name") == output.name:
            found[-1].text += output.text
        else:
            found.append(output)
    return found


def shown(notebook: Any) -> list[list[Any]]:
    """What each code cell prints and gives, pictures included: all of it is the same each time, so no times."""
    return [
        [output.get("text") or dict(output.data) for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


_EXECUTABLES = {"ot.compare": "ot.comparison", "ot.evaluate": "ot.evaluation"}


class _Awaiting(ast.NodeTransformer):
    """`ot.run(e)` becomes `await e`, and so on, wherever a cell may await: not in functions."""

    def __init__(self) -> None:
        self.replaced = 0

    def visit_Call(self, call: ast.Call) -> ast.AST:
        self.generic_visit(call)
        called = ast.unparse(call.func)
        if called == "ot.run" and len(call.args) == 1 and not call.keywords:
            awaited = call.args[0]
        elif called in _EXECUTABLES:
            call.func = ast.parse(_EXECUTABLES[called], mode="eval").body
            awaited = call
        else:
            return call
        self.replaced += 1
        return ast.Await(awaited)

    def _as_it_is(self, node: ast.AST) -> ast.AST:
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_Lambda = _as_it_is


def test_there_are_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} == {"compare_backends", "flows", "getting_started", "tutorial"}


@in_a_kernel
@every_notebook
def test_the_notebook_gives_what_it_shows(path: pathlib.Path) -> None:
    assert shown(executed(read(path))) == shown(read(path))


@in_a_kernel
@every_notebook
def test_it_gives_the_same_where_cells_await_on_the_running_loop(path: pathlib.Path) -> None:
    notebook = read(path)
    awaiting = _Awaiting()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = ast.unparse(awaiting.visit(ast.parse(cell.source)))
    assert awaiting.replaced >= 3
    # The loop runs while a cell does, also one that calls `ot.run`, as those do that were left as they are.
    running = "import asyncio\nassert asyncio.get_running_loop().is_running()"
    cells = [nbformat.v4.new_code_cell(running), *notebook.cells]
    assert shown(executed(notebook | {"cells": cells}))[1:] == shown(read(path))


@every_notebook
def test_the_first_cell_says_how_to_put_in_a_real_model(path: pathlib.Path, monkeypatch, tmp_path) -> None:
    from onetwo_like import backends, ot
    from onetwo_like.builtins import llm

    monkeypatch.chdir(tmp_path)
    first = read(path).cells[0].source
    assert "real model" in first
    [(name, arguments)] = re.findall(r"`(OpenAI|Anthropic|Gemini)(\([^`]*?\))(?:\.register\(\))?`", first)
    backend = eval(name + arguments, {"ot": ot, "cache": None, name: getattr(backends, name)})
    with ot.RegistryContext():
        backend.register()  # needs no key: the first call does
        assert llm.chat.is_configured()
    [replaced] = re.findall(r"place of the line with\s+`(\w+)", first)
    assert f"{replaced}(" in read(path).cells[1].source


@every_notebook
def test_nothing_of_the_machine_is_in_what_is_stored(path: pathlib.Path) -> None:
    stored = path.read_text(encoding="utf-8")
    assert re.findall(r"0x[0-9a-f]{6,}|/tmp/|/home/|/root/|/Users/|127\.0\.0\.1", stored) == []
    assert "Traceback" not in stored


if __name__ == "__main__" and "--write" in sys.argv:
    for written in NOTEBOOKS:
        nbformat.write(executed(read(written)), written)
