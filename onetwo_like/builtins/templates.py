"""How does a template become text?"""

from __future__ import annotations

import contextlib
import difflib
import functools
import string
import types
from collections.abc import Iterable, Mapping
from typing import Any

import jinja2
from jinja2 import meta, nodes
from jinja2.sandbox import SandboxedFormatter

from onetwo_like.builtins.context import Draft
from onetwo_like.builtins.dialect import Rendering, environment
from onetwo_like.builtins.output import Writer, seen
from onetwo_like.core.operation import operations
from onetwo_like.errors import OneTwoError, TemplateError


class JinjaTemplate:
    """A Jinja template, checked and compiled; a TemplateError, with its line, if it is malformed.

    `variables` are the names that it reads and neither sets nor stores, line by line.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        try:
            tree = environment().parse(source)
            self._check(tree)
            self.variables = _variables(tree)
            self._template = environment().from_string(tree)
        except jinja2.TemplateSyntaxError as error:
            raise self._error(error.lineno, error.message or "malformed") from None

    def _check(self, tree: nodes.Template) -> None:
        """What can be known to be wrong before anything runs."""
        for tag in tree.find_all((nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)):
            raise self._error(tag.lineno, "there are no other templates that it could load")
        for tag in tree.find_all(nodes.ScopedEvalContextModifier):
            raise self._error(tag.lineno, "a prompt is not HTML, and nothing in it is escaped")
        own = {name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"}
        own |= {macro.name for macro in tree.find_all(nodes.Macro)}
        for call in tree.find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name not in own:
                self._check_options(call, call.node.name)

    def _check_options(self, call: nodes.Call, name: str) -> None:
        op = operations().get(name)
        for keyword in call.kwargs:
            if op is not None and keyword.key not in (*op.parameters, "include_details"):
                meant = _meant(keyword.key, op.parameters)
                raise self._error(call.lineno, f"{name} has no option {keyword.key!r}{meant}")

    def _error(self, line: int | None, what: str) -> TemplateError:
        lines = self.source.splitlines()
        if line is None or not 0 < line <= len(lines):
            return TemplateError(f"template: {what}")
        return TemplateError(f"template, line {line}, {lines[line - 1].strip()!r:.80}: {what}")

    async def render(self, draft: Draft) -> None:
        """Appends what the template says, and sets what it stores.

        A call that fails raises its own error; what the template itself cannot do is a TemplateError.
        """
        rendering = Rendering(draft)
        pieces: Any = self._template.root_render_func(rendering.start(self._template))
        failure: Exception | None = None
        try:
            async with contextlib.aclosing(pieces):
                async for piece in pieces:
                    rendering.writer.write(piece)
        except Exception as error:  # noqa: BLE001  (raised below, where it gets no __context__)
            failure = error
        if failure is None:
            return
        if failure is rendering.failure or isinstance(failure, OneTwoError):
            raise failure.with_traceback(_without_jinja(failure.__traceback__))
        cause = None if isinstance(failure, jinja2.TemplateError) else failure
        raise self._error(self._line_of(failure), _told(failure, draft)) from cause

    def _line_of(self, error: Exception) -> int | None:
        """The line of this template in which the error was raised."""
        line = None
        trace = error.__traceback__
        while trace is not None:
            if trace.tb_frame.f_globals is self._template.root_render_func.__globals__:
                line = self._template.get_corresponding_lineno(trace.tb_lineno)
            trace = trace.tb_next
        return line


def _variables(tree: nodes.Template) -> tuple[str, ...]:
    called = {id(call.node) for call in tree.find_all(nodes.Call)}
    functions = {*operations(), "store"}
    read = [
        name.name
        for name in sorted(tree.find_all(nodes.Name), key=lambda name: name.lineno)
        if name.ctx == "load" and not (id(name) in called and name.name in functions)
    ]
    stored = {
        call.args[0].value
        for call in tree.find_all(nodes.Call)
        if isinstance(call.node, nodes.Name)
        and call.node.name == "store"
        and call.args
        and isinstance(call.args[0], nodes.Const)
    }
    free = meta.find_undeclared_variables(tree) - stored
    return tuple(dict.fromkeys([name for name in read if name in free]))


@functools.lru_cache(maxsize=1024)
def jinja_template(source: str) -> JinjaTemplate:
    """The template of a text, compiled once."""
    return JinjaTemplate(source)


class FormatTemplate:
    """A text with `{name}` fields as `str.format` has them; a TemplateError if it is malformed."""

    def __init__(self, source: str) -> None:
        self._parts = []
        for number, line in enumerate(source.splitlines(keepends=True), 1):
            where = f"format, line {number}, {line.strip()!r:.80}"
            try:
                self._parts += [(where, *part) for part in string.Formatter().parse(line)]
            except ValueError as error:
                raise TemplateError(
                    f"{where}: {error}. A brace that stands for itself is written twice"
                ) from None
        for where, _, field, _, _ in self._parts:
            if field is not None and not field.partition(".")[0].partition("[")[0].isidentifier():
                raise TemplateError(f"{where}: a field is called by name, {{question}}, not {{{field}}}")

    def render(self, draft: Draft) -> None:
        """Appends what the text says; TemplateError for a field that nobody set."""
        writer = Writer(draft)
        variables = {name: seen(value) for name, value in draft.variables.items()}
        formatter = SandboxedFormatter(environment())
        for where, literal, field, spec, conversion in self._parts:
            writer.write(literal)
            if field is None:
                continue
            try:
                value, _ = formatter.get_field(field, (), variables)
                value = formatter.convert_field(value, conversion) if conversion else value
                if spec:
                    value = format(value, formatter.vformat(spec, (), variables))
                writer.write(value)
            except KeyError as error:
                message = _undefined(f"{error.args[0]!r} is undefined", variables)
                raise TemplateError(f"{where}: {message}") from None
            except (jinja2.TemplateError, ValueError, TypeError) as error:
                if isinstance(error, OneTwoError):
                    raise
                raise TemplateError(f"{where}: {_told(error, draft)}") from None


# Messages


def _told(error: Exception, draft: Draft) -> str:
    if not isinstance(error, jinja2.TemplateError):
        return f"{type(error).__name__}: {error}"
    message = error.message or type(error).__name__
    return _undefined(message, draft.variables) if isinstance(error, jinja2.UndefinedError) else message


def _undefined(message: str, variables: Mapping[str, Any]) -> str:
    """The message that a name is undefined, with what is known and what may have been meant."""
    _, _, rest = message.partition("'")
    name, _, is_undefined = rest.partition("'")
    if is_undefined != " is undefined":
        return message
    known = ", ".join(sorted(variables)) or "no variables"
    meant = _meant(name, [*variables, *operations(), "store"]) or f". Set it: e({name}=...)"
    return f"{message}; known here: {known}{meant}"


def _meant(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1)
    return f". Did you mean {close[0]!r}?" if close else ""


def _without_jinja(trace: types.TracebackType | None) -> types.TracebackType | None:
    """The traceback without the frames of Jinja and of compiled templates, which tell nothing."""
    frames = []
    while trace is not None:
        code, namespace = trace.tb_frame.f_code, trace.tb_frame.f_globals
        if code.co_filename != "<template>" and not str(namespace.get("__name__", "")).startswith("jinja2."):
            frames.append(trace)
        trace = trace.tb_next
    below: types.TracebackType | None = None
    for frame in reversed(frames):
        below = types.TracebackType(below, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return below
