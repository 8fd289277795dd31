"""How is Jinja changed, so that a call in a template sees what stands before it?

In its asynchronous mode a template of Jinja's is a generator of pieces, so when a call is awaited all
that stands above it has been written already. Macros, and the blocks of `set` and `filter`, collect
their pieces in a list first: here that list is one that the run knows, see `PromptCode`.
"""

from __future__ import annotations

import functools
import inspect
import json
import types
from collections.abc import Awaitable, Callable
from typing import Any, Never

import jinja2
from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.ext import Extension
from jinja2.idtracking import VAR_LOAD_RESOLVE
from jinja2.parser import Parser
from jinja2.runtime import Context as JinjaContext
from jinja2.runtime import Macro, Undefined
from jinja2.utils import missing

from onetwo_like.builtins import llm
from onetwo_like.builtins.context import Draft, spoken
from onetwo_like.builtins.output import Buffer, Mark, Writer, joined, kept, seen, shown
from onetwo_like.builtins.sandbox import Sandbox
from onetwo_like.core.content import ROLES, Role
from onetwo_like.core.operation import Operation, operations
from onetwo_like.errors import UsageError

# Whose answers are the model's turn in a conversation; those of all others continue the text.
SPEAKERS = frozenset({llm.chat.name, llm.instruct.name})

# Under which name a context of Jinja's has its rendering: none that a template can spell.
_RENDERING = " rendering"

# So that one can write `generate_object(list[int])`.
_TYPES = (int, float, str, bool, list, dict)


# One run


class Rendering:
    """One run of one template: what it has written, and the functions that it can call."""

    def __init__(self, draft: Draft) -> None:
        self.writer = Writer(draft)
        self.buffers: list[Buffer] = []
        self.names: dict[str, Any] = {}
        self.replaced: dict[str, Any] = {}  # values that names had before something was stored under them
        self.failure: BaseException | None = None

    def start(self, template: jinja2.Template) -> JinjaContext:
        """The context that the template is rendered in."""
        names: dict[str, Any] = {name: self._function(op) for name, op in operations().items()}
        names["store"] = self.store
        names.update({name: seen(value) for name, value in self.writer.draft.variables.items()})
        context = template.new_context({**names, _RENDERING: self})
        self.names = context.parent
        return context

    def so_far(self) -> Draft:
        """All that stands before the call that is being made."""
        if not self.buffers:
            return self.writer.draft
        writer = Writer(self.writer.draft.fork(), self.writer.roles)
        for buffer in self.buffers:
            for piece in buffer:
                writer.write(piece)
        return writer.draft

    def store(self, name: str, value: Any) -> Any:
        """Keeps a value under a name, from here on, and returns it."""
        check_name(name)
        self.writer.draft.variables[name] = kept(value)
        if name in self.names:
            self.replaced.setdefault(name, self.names[name])
        self.names[name] = value
        return value

    def _function(self, op: Operation[..., Any]) -> Callable[..., Awaitable[Any]]:
        first = op.parameters[0]

        async def call(*args: Any, **options: Any) -> Any:
            given = len(args) + sum(name in options for name in op.required)
            if first not in options and given < len(op.required):
                prompt = self.so_far().prompt()
                args = (spoken(prompt) if op.name in SPEAKERS else prompt, *args)
            return seen(await op(*map(kept, args), **{name: kept(value) for name, value in options.items()}))

        call.__name__ = call.__qualname__ = op.name
        return call

    async def watched(self, awaitable: Awaitable[Any]) -> Any:
        """The awaited value; a failure is noted, to be told apart from those of the template itself."""
        try:
            return await awaitable
        except Exception as error:
            self.failure = error
            raise


def check_name(name: object) -> None:
    """Raises a UsageError unless a template can spell the name."""
    if not isinstance(name, str) or not name.isidentifier():
        raise UsageError(f"what is stored needs a name like a variable's, not {name!r:.60}")


# Jinja, adapted


class PromptCode(CodeGenerator):
    """Compiles templates so that calls see what was collected before them, and names what was stored."""

    def buffer(self, frame: Frame) -> None:
        frame.buffer = self.temporary_identifier()
        self.writeline(f"{frame.buffer} = environment.opened(context)")

    def visit_Output(self, node: nodes.Output, frame: Frame) -> None:
        for child in node.nodes:
            said: list[nodes.Expr] = [child]
            if _speaks(child):
                said = [nodes.EnvironmentAttribute("model_begins"), child, nodes.EnvironmentAttribute("ends")]
            for item in said:  # each by itself: Jinja would append them to a buffer all at once
                super().visit_Output(nodes.Output([item], lineno=node.lineno), frame)

    def visit_Name(self, node: nodes.Name, frame: Frame) -> None:
        if node.ctx == "load":
            ref = frame.symbols.ref(node.name)
            load = frame.symbols.find_load(ref)
            if load is not None and load[0] == VAR_LOAD_RESOLVE:
                # Jinja reads all names when a template begins, and would not know what is stored later.
                self.write(f"environment.looked_up(context, {node.name!r}, {ref})")
                return
        super().visit_Name(node, frame)


def _speaks(node: nodes.Node) -> bool:
    """Whether what is output is what `chat` or `instruct` says, perhaps stored or filtered."""
    if isinstance(node, nodes.Filter):
        return node.node is not None and _speaks(node.node)
    if not isinstance(node, nodes.Call) or not isinstance(node.node, nodes.Name):
        return False
    if node.node.name == "store":
        return any(_speaks(value) for value in [*node.args[1:], *(k.value for k in node.kwargs)])
    return node.node.name in SPEAKERS


class RoleTag(Extension):
    """`{% role "system" %}...{% endrole %}`: who speaks."""

    tags = {"role"}  # noqa: RUF012  (declared so by Jinja)

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """The body between two marks, so that what it says is written piece by piece like all else."""
        lineno = next(parser.stream).lineno
        role = parser.parse_expression()
        if isinstance(role, nodes.Name) and role.name in ROLES:
            parser.fail(f'the role stands in quotes: {{% role "{role.name}" %}}', lineno)
        if isinstance(role, nodes.Const):
            try:
                _check_role(role.value)
            except jinja2.TemplateRuntimeError as error:
                parser.fail(str(error), lineno)
        body = parser.parse_statements(("name:endrole",), drop_needle=True)
        begins = nodes.Call(nodes.EnvironmentAttribute("begins"), [role], [], None, None)
        return [
            nodes.Output([begins], lineno=lineno),
            *body,
            nodes.Output([nodes.EnvironmentAttribute("ends")], lineno=lineno),
        ]


def _check_role(role: object) -> None:
    if role not in ROLES:
        hint = ' (write "model")' if role == "assistant" else ""
        raise jinja2.TemplateRuntimeError(
            f"there is no role {role!r}{hint}; the roles are {', '.join(ROLES)}"
        )


class Missing(jinja2.StrictUndefined):
    """An undefined value. Jinja's own passes for an empty list in an asynchronous loop, and prints in a list."""

    __slots__ = ()
    __aiter__ = __repr__ = jinja2.StrictUndefined._fail_with_undefined_error


class PromptEnvironment(Sandbox):
    """How templates of prompts are compiled, and what the compiled code calls."""

    code_generator_class = PromptCode
    concat = staticmethod(joined)
    model_begins = Mark("model", automatic=True)
    ends = Mark(None)

    def __init__(self) -> None:
        super().__init__(
            undefined=Missing,
            enable_async=True,
            keep_trailing_newline=True,
            finalize=shown,
            extensions=[RoleTag],
            cache_size=0,
        )
        del self.globals["lipsum"]
        self.globals.update({kind.__name__: kind for kind in _TYPES})
        self.filters["tojson"] = _json

    def opened(self, context: JinjaContext) -> Buffer:
        """A buffer that the run knows."""
        return Buffer(context.parent[_RENDERING].buffers)

    def begins(self, role: Role) -> Mark:
        """The mark where a role begins."""
        _check_role(role)
        return Mark(role)

    def looked_up(self, context: JinjaContext, name: str, value: Any) -> Any:
        """The value of a name, which may have been stored since the template began."""
        if value is missing or context.parent[_RENDERING].replaced.get(name, missing) is value:
            value = context.resolve_or_missing(name)
        return self.undefined(name=name) if value is missing else value

    def call(__self, __context: JinjaContext, __obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls a function for the template. What it raises is the error of the run, as it is."""
        if _is_of_the_language(__obj):
            return super().call(__context, __obj, *args, **kwargs)
        for value in (*args, *kwargs.values()):
            if isinstance(value, Undefined):
                str(value)  # raises, and names what is undefined
        if not callable(__obj):
            raise jinja2.TemplateRuntimeError(
                f"{__obj!r:.40} is a {type(__obj).__name__}, and cannot be called"
            )
        rendering: Rendering = __context.parent[_RENDERING]
        try:
            result = super().call(__context, __obj, *args, **kwargs)
        except jinja2.TemplateError:
            raise
        except Exception as error:
            rendering.failure = error
            raise
        return rendering.watched(result) if inspect.isawaitable(result) else result


def _is_of_the_language(function: Any) -> bool:
    """Whether it is a macro, a method of text or numbers, a type, or a function of Jinja's.

    What these raise is the template's fault; what all others raise is what the run raises.
    """
    if isinstance(function, Macro | Undefined | types.BuiltinMethodType) or any(
        function is t for t in _TYPES
    ):
        return True
    return str(getattr(function, "__module__", "")).startswith("jinja2.")


def _json(value: Any, indent: int | None = None) -> str:
    # Jinja's own writes \u0027 for an apostrophe, to be safe in HTML.
    return json.dumps(value, ensure_ascii=False, indent=indent, default=_not_json)


def _not_json(value: Any) -> Never:
    raise TypeError(f"{value!r:.60} cannot be written as JSON")  # repr raises for what is undefined


@functools.cache
def environment() -> PromptEnvironment:
    """The one environment, made on first use."""
    return PromptEnvironment()
