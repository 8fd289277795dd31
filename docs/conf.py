"""How is the site built? `python -m sphinx -W -b html docs docs/_build`, with no network."""

import argparse
import inspect
import os
import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import PycodeError
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import stringify_annotation

from onetwo_like import __version__, ot
from onetwo_like.cli import parser
from onetwo_like.core.operation import Operation
from onetwo_like.core.signature import without_types

project = "onetwo-like"
author = "the onetwo-like authors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
nitpicky = True  # a reference to nothing is an error,
nitpick_ignore_regex = [
    ("py:.*", ".*")
]  # but types in signatures link only where there is something to link to

myst_heading_anchors = 3  # links such as caching.md#replay

# The reference is made of docstrings, in which `code` is written as in Markdown.
default_role = "code"
smartquotes = False  # "stop" is a value, and stays one
add_module_names = False
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 180
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"

html_theme = "furo"  # its fonts are the system's, and its scripts its own: nothing is fetched
html_title = f"onetwo-like {release}"
html_static_path = ["_static"]
pygments_dark_style = "monokai"  # the theme's own underlines the names of modules, as if they were links
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False

# What a program is given, and does not make.
_GIVEN = {
    "Executable",
    "Registry",
    "Plan",
    "Span",
    "Stream",
    "Report",
    "Entry",
    "Composable",
    "Operation",
    "Result",
    "Comparison",
    "Evaluation",
    "Difference",
    "Row",
}


def _signature(
    _app: Sphinx, _what: str, _name: str, value: Any, _options: object, arguments: str, returns: str
) -> tuple[str, str] | None:
    """One readable signature for each name, in place of those of Python."""
    if isinstance(value, Operation):
        value_type = stringify_annotation(value.returns, "smart")
        return str(without_types(value.__signature__)), f"Executable[{value_type}]"
    if not arguments:
        return None
    if isinstance(value, type):
        if value.__name__ in _GIVEN or (issubclass(value, Exception) and "__init__" not in vars(value)):
            return "", ""
        if issubclass(value, ot.Event):
            return re.sub(r"(, )?\*, origin:.*\)", ")", arguments), ""
    try:  # overloads are for type checkers
        analyzer = ModuleAnalyzer.for_module(inspect.unwrap(value).__module__)
        analyzer.analyze()
        if analyzer.overloads.pop(value.__qualname__, None) and returns in ("Any", "~typing.Any"):
            returns = ""  # the overloads say more
    except (AttributeError, PycodeError):
        pass
    return re.sub(r"<class '(\w+)'>", r"\1", arguments), returns or ""


def _docstring(
    _app: Sphinx, what: str, _name: str, _value: object, _options: object, lines: list[str]
) -> None:
    """Without those of modules, which are for readers of the code: a page says what is on it."""
    if what == "module":
        lines.clear()


def _commands(of: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """All commands below a parser, each before its own."""
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield below
                yield from _commands(below)


class CommandLine(SphinxDirective):
    """What each command says with --help."""

    def run(self) -> list[nodes.Node]:
        os.environ["COLUMNS"] = "90"
        found: list[nodes.Node] = []
        for command in _commands(parser()):
            section = nodes.section(ids=[nodes.make_id(command.prog)])
            section += nodes.title(text=command.prog)
            section += nodes.literal_block(text=command.format_help(), language="text")
            found.append(section)
        return found


def setup(app: Sphinx) -> None:
    app.add_directive("command-line", CommandLine)
    app.connect("autodoc-process-docstring", _docstring)
    app.connect("autodoc-process-signature", _signature)
