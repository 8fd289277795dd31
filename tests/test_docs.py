"""Does every example in the README, the docs and the docstrings run?

Python blocks of one page share a namespace and run in order, in an empty folder. A block whose first line
starts with `>>>` must also print what it shows. A block that cannot run says why in a comment above it:
`<!-- not run: needs a key -->`.
"""

import ast
import asyncio
import contextlib
import doctest
import importlib
import inspect
import re
import sys
import textwrap
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts)]
MODULES = sorted(p for p in (ROOT / "onetwo_like").rglob("*.py") if p.name != "__main__.py")

_FENCE = re.compile(r"^(?P<indent>\s*)(?P<fence>`{3,}|~{3,})\s*(?P<language>[^\s`]*)")
_NOT_RUN = re.compile(r"^<!-- not run(?P<reason>.*?)-->$")
# Other ways to write a Python block, refused so that none escapes.
_ALIASES = ("py", "python3", "pycon", "ipython", "{code-block}", "{code}", "{doctest}")


@dataclass(frozen=True)
class Block:
    """One Python block of a page: its text, and the line it starts on, counted from 1."""

    text: str
    line: int


def blocks(page: str) -> Iterator[Block]:
    """The Python blocks of a page that are to run; an AssertionError names one that hides."""
    lines = page.splitlines()
    above, number = "", 0
    while number < len(lines):
        opening = _FENCE.match(lines[number])
        if opening is None:
            above = lines[number].strip() or above
            number += 1
            continue
        fence, language = opening["fence"], opening["language"]
        start = number + 1
        number = start
        while number < len(lines) and not lines[number].strip().startswith(fence):
            number += 1
        assert number < len(lines), f"line {start}: this block is never closed"
        assert language not in _ALIASES, f"line {start}: write ```python, not ```{language}, so that it runs"
        excuse = _NOT_RUN.match(above)
        if excuse is not None:
            assert re.match(r": \S", excuse["reason"]), f"line {start}: not run, and no reason given"
        elif language == "python":
            yield Block(textwrap.dedent("\n".join(lines[start:number])) + "\n", start + 1)
        above = ""
        number += 1


def check_shown(test: doctest.DocTest) -> None:
    """Fail with the differences where the examples do not print what they show."""
    report: list[str] = []
    doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=report.append, clear_globs=False)
    if report:
        pytest.fail("".join(report), pytrace=False)


def execute(block: Block, path: Path, namespace: dict[str, object]) -> None:
    """Run one block as a notebook's cell would be: `await` is allowed at its top level."""
    if block.text.lstrip().startswith(">>>"):
        test = doctest.DocTestParser().get_doctest(
            block.text, namespace, path.name, str(path), block.line - 1
        )
        check_shown(test)
        namespace.update(test.globs)
        return
    # Real line numbers in a real file, so that tracebacks and inspect.getsource show the page.
    source = "\n" * (block.line - 1) + block.text
    code = compile(source, str(path), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    result = eval(code, namespace)
    if code.co_flags & inspect.CO_COROUTINE:
        asyncio.run(result)


@pytest.fixture
def fresh(tmp_path, monkeypatch) -> Iterator[None]:
    """An empty folder, and a registry whose changes end with the test."""
    from onetwo_like import ot

    monkeypatch.chdir(tmp_path)
    with ot.RegistryContext():
        yield


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_examples_of_this_page_run(path, fresh, monkeypatch):
    page = types.ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", page)  # dataclasses look for the module they are defined in
    for block in blocks(path.read_text(encoding="utf-8")):
        execute(block, path, vars(page))


def docstrings(path: Path) -> Iterator[tuple[str, str, int]]:
    """Qualified name, text and first line (from 0) of each docstring with an example in a module.

    Read from the source: an object made by a decorator would hide its docstring from doctest's own finder.
    """

    def visit(node: ast.AST, name: str) -> Iterator[tuple[str, str, int]]:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node, clean=False)
            if text is not None and ">>>" in text:
                yield name, text, node.body[0].lineno - 1
        for child in ast.iter_child_nodes(node):
            yield from visit(child, f"{name}.{child.name}" if hasattr(child, "name") else name)

    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    yield from visit(ast.parse(path.read_bytes()), module)


DOCSTRINGS = [(path, *found) for path in MODULES for found in docstrings(path)]


@pytest.mark.parametrize(("path", "name", "text", "line"), DOCSTRINGS, ids=[found[1] for found in DOCSTRINGS])
def test_the_examples_of_this_docstring_show_what_happens(path, name, text, line, fresh):
    from onetwo_like import ot
    from onetwo_like.builtins import composables, llm

    module_name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    # What every reader of the reference has imported already.
    names = {"ot": ot, "llm": llm, "c": composables, **vars(importlib.import_module(module_name))}
    check_shown(doctest.DocTestParser().get_doctest(text, names, name, str(path), line))


@pytest.mark.parametrize(
    "path", [*sorted(ROOT.glob("*.md")), *PAGES[1:]], ids=lambda path: str(path.relative_to(ROOT))
)
def test_links_to_files_of_the_tree_lead_somewhere(path):
    """Links into the middle of a page are checked where the site is built."""
    targets = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", path.read_text(encoding="utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_blocks_are_found_with_their_lines_and_in_lists():
    page = "# A\n\n```python\na = 1\n```\n\n- item\n\n  ```python\n  b = 2\n  ```\n\n```console\n$ ls\n```\n"
    assert list(blocks(page)) == [Block("a = 1\n", 4), Block("b = 2\n", 10)]


def test_a_block_is_left_out_only_with_a_reason():
    assert list(blocks("<!-- not run: needs a key -->\n```python\n1 / 0\n```\n")) == []
    for without in ("<!-- not run -->", "<!-- not run: -->", "<!-- not run:  -->"):
        with pytest.raises(AssertionError, match="line 2: not run, and no reason"):
            list(blocks(f"{without}\n```python\n1 / 0\n```\n"))


def test_the_reason_excuses_one_block_only():
    page = "<!-- not run: needs a key -->\n```python\n1\n```\n\n```python\n2\n```\n"
    assert list(blocks(page)) == [Block("2\n", 7)]


@pytest.mark.parametrize("language", _ALIASES)
def test_python_under_another_name_is_refused(language):
    with pytest.raises(AssertionError, match="line 1: write ```python"):
        list(blocks(f"```{language}\n1\n```\n"))


def test_a_block_that_fails_points_into_its_page(tmp_path):
    path = tmp_path / "page.md"
    with pytest.raises(ZeroDivisionError) as caught:
        execute(Block("1 / 0\n", 7), path, {})
    last = caught.traceback[-1]
    assert (str(last.path), last.lineno + 1) == (str(path), 7)


def test_a_block_that_shows_something_else_fails():
    with contextlib.redirect_stdout(None), pytest.raises(pytest.fail.Exception, match="Expected:\n    3"):
        execute(Block(">>> 1 + 1\n3\n", 1), Path("page.md"), {})


def test_blocks_share_their_names_and_may_await():
    names: dict[str, object] = {}
    for text in ("import asyncio\na = 1\n", ">>> a += 1\n", "b = await asyncio.sleep(0, a)\n"):
        execute(Block(text, 1), Path("page.md"), names)
    assert names["b"] == 2
