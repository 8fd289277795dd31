"""What can a step of a composition do?"""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from onetwo_like.builtins import llm
from onetwo_like.builtins.context import Draft, Text, spoken, written
from onetwo_like.builtins.dialect import SPEAKERS
from onetwo_like.builtins.templates import FormatTemplate, JinjaTemplate
from onetwo_like.core.content import Chunk, ChunkList, Role
from onetwo_like.core.evaluation import Evaluation, Kind, Node, evaluate, join, shortened, shown_arguments
from onetwo_like.core.executable import Executable
from onetwo_like.core.frozen import copied
from onetwo_like.core.function import Function
from onetwo_like.core.operation import Operation
from onetwo_like.core.parallel import parallel
from onetwo_like.core.registry import scope_in_force, scoped
from onetwo_like.core.trace import Span
from onetwo_like.errors import MalformedReplyError

T = TypeVar("T")

# Parts of a repr beyond these are counted.
_SHOWN_PARTS = 6

_NEW: Any = object()


class Step:
    """Something that appends to a draft; `nodes` are the executables it was given, which run first."""

    __slots__ = ()

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The executables whose values the step needs."""
        return ()

    async def run(self, draft: Draft) -> Any:
        """Appends to the draft; the value is what `store` would keep."""
        raise NotImplementedError

    def without(self, names: frozenset[str]) -> Step:
        """The same, where it sets inputs of these names no more."""
        return self

    def shown(self) -> str:
        """The step as it was written, shortened."""
        raise NotImplementedError


Steps: TypeAlias = tuple[Step, ...]


async def run_steps(steps: Steps, draft: Draft) -> Any:
    """Runs one after the other; the value of a single step is its own, that of several their text."""
    begin = draft.position
    value = None
    for step in steps:
        value = await step.run(draft)
    doing = [step for step in steps if not isinstance(step, Inputs)]
    return value if len(doing) == 1 else draft.own(begin)


def shown_steps(steps: Steps) -> str:
    """The steps as they were written, shortened."""
    if len(steps) > 2 and isinstance(steps[0], Inputs):
        return f"({shown_steps(steps[1:])}){steps[0].shown()}"
    parts: list[str] = []
    inputs = ""
    for step in steps if len(steps) <= _SHOWN_PARTS else (*steps[: _SHOWN_PARTS - 1], steps[-1]):
        if isinstance(step, Inputs):
            inputs = step.shown()
        else:
            parts.append(step.shown() + inputs)
            inputs = ""
    if len(steps) > _SHOWN_PARTS:
        parts.insert(-1, f"... {len(steps) - _SHOWN_PARTS} more ...")
    return " + ".join(parts)


def without(steps: Steps, names: frozenset[str]) -> Steps:
    """The same, where they set inputs of these names no more."""
    changed = [step.without(names) for step in steps]
    return tuple([step for step in changed if not isinstance(step, Inputs) or step.values])


def nodes_of(steps: Sequence[Step]) -> tuple[Node, ...]:
    """The executables whose values the steps need."""
    return tuple([node for step in steps for node in step.nodes])


class Composition(Kind):
    """Evaluates the executables that steps were given, at once, and then the steps, in order."""

    name = "composable"
    control = True

    async def run(self, args: tuple[Any, ...], evaluation: Evaluation) -> Text:
        steps, nodes = args
        draft = Draft(given=await values_of(nodes, evaluation))
        return await in_span(self.name, self._text(steps, draft))

    async def _text(self, steps: Steps, draft: Draft) -> Text:
        await run_steps(steps, draft)
        return draft.text()

    def shown(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> str:
        return shown_steps(args[0])


class _Branch(Kind):
    """Runs steps on a draft of their own; the value is what they said."""

    name = "alternative"
    control = True

    async def run(self, args: tuple[Any, ...], evaluation: Evaluation) -> str:
        steps, draft = args
        begin = draft.position
        await run_steps(steps, draft)
        own: str = draft.own(begin)
        return own

    def shown(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> str:
        return shown_steps(args[0])


COMPOSITION, _BRANCH = Composition(), _Branch()


async def values_of(nodes: tuple[Node, ...], evaluation: Evaluation) -> dict[Node, Any]:
    """The values of executables, evaluated at once."""
    cells = {node: evaluation.cell(node) for node in nodes}
    await join(list(cells.values()))
    return {node: cell.task.result() for node, cell in cells.items()}


async def in_span(name: str, steps: Awaitable[T]) -> T:
    """Awaits under a span of this name, if somebody watches."""
    scope = scope_in_force.get()
    if scope.watch is None:
        return await steps
    span = Span(name, scope.span, scope.sample_path, None, scope.watch.tracing)
    with scoped(span=span):
        try:
            value = await steps
        except BaseException as error:
            span.finish(error=error)
            raise
    span.finish(value)
    return value


# Steps that say something


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Insert(Step):
    """Appends content, or the value of an executable."""

    content: str | Chunk | ChunkList | Node
    role: Role | None = None

    @property
    def nodes(self) -> tuple[Node, ...]:
        return (self.content,) if isinstance(self.content, Node) else ()

    async def run(self, draft: Draft) -> Any:
        value = draft.value(self.content)
        draft.add(written(value), self.role)
        return value

    def shown(self) -> str:
        if self.role is None and not isinstance(self.content, Node):
            return shortened(self.content)
        return f"c.c({shown_arguments([self.content], {'role': self.role} if self.role else None)})"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Inputs(Step):
    """Sets variables."""

    values: Mapping[str, Any]

    @property
    def nodes(self) -> tuple[Node, ...]:
        return tuple([value for value in self.values.values() if isinstance(value, Node)])

    async def run(self, draft: Draft) -> Any:
        for name, value in self.values.items():
            draft.variables[name] = copied(draft.value(value))  # its own on every run

    def without(self, names: frozenset[str]) -> Step:
        return Inputs({name: value for name, value in self.values.items() if name not in names})

    def shown(self) -> str:
        return f"({shown_arguments([], dict(self.values))})"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Call(Step):
    """Calls a built-in with all that came before as the prompt; `values` are its other arguments."""

    op: Operation[..., Any]
    values: tuple[Any, ...]

    @property
    def nodes(self) -> tuple[Node, ...]:
        return tuple([value for value in self.values if isinstance(value, Node)])

    async def run(self, draft: Draft) -> Any:
        speaks = self.op.name in SPEAKERS
        prompt = spoken(draft.prompt()) if speaks else draft.prompt()
        values, _ = self.op.ready((prompt, *[draft.value(value) for value in self.values]), None)
        value = await Executable[Any](self.op, values)
        draft.add(written(value), "model" if speaks else None)
        return value

    def shown(self) -> str:
        given = zip(self.op.parameters[1:], self.values, strict=True)
        arguments = {name: value for name, value in given if value is not None}
        required = [arguments.pop(name) for name in self.op.required[1:]]
        return f"c.{self.op.name}({shown_arguments(required, arguments)})"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Render(Step):
    """Appends what a template says."""

    template: JinjaTemplate | FormatTemplate
    called: str
    source: str

    async def run(self, draft: Draft) -> Any:
        begin = draft.position
        if isinstance(self.template, JinjaTemplate):
            await self.template.render(draft)
        else:
            self.template.render(draft)
        return draft.own(begin)

    def shown(self) -> str:
        return f"{self.called}({shortened(self.source)})"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Custom(Step):
    """Appends what a function of the user's makes of the context."""

    kind: Function
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @property
    def nodes(self) -> tuple[Node, ...]:
        return tuple([value for value in (*self.args, *self.kwargs.values()) if isinstance(value, Node)])

    async def run(self, draft: Draft) -> Any:
        args = (draft.context(), *[draft.value(value) for value in self.args])
        kwargs = {name: draft.value(value) for name, value in self.kwargs.items()}
        value = await self.kind.once(args, kwargs)
        while isinstance(value, Node):
            if value.kind is COMPOSITION:  # goes on from here, unlike all other executables
                steps, nodes = value.args
                draft.given = {**draft.given, **await values_of(nodes, Evaluation())}
                return await run_steps(steps, draft)
            value = await evaluate(value)
        if value is not None:
            draft.add(written(value))
        return value

    def shown(self) -> str:
        return f"{self.kind.name}({shown_arguments(self.args, dict(self.kwargs))})"


# Steps made of others


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Nested(Step):
    """A step that is made of one or several rows of others."""

    parts: tuple[Steps, ...]

    @property
    def nodes(self) -> tuple[Node, ...]:
        return tuple([node for steps in self.parts for node in nodes_of(steps)])

    def without(self, names: frozenset[str]) -> Step:
        return dataclasses.replace(self, parts=tuple([without(steps, names) for steps in self.parts]))


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Store(Nested):
    """Keeps what its part said, or the value of its one call, as a variable."""

    name: str

    async def run(self, draft: Draft) -> Any:
        value = draft.variables[self.name] = await run_steps(self.parts[0], draft)
        return value

    def shown(self) -> str:
        return f"c.store({self.name!r}, {shown_steps(self.parts[0])})"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Section(Nested):
    """Keeps the text of its part as a variable; hidden, it leaves nothing else behind."""

    name: str
    hidden: bool

    async def run(self, draft: Draft) -> Any:
        begin = draft.position
        inner = draft.fork() if self.hidden else draft
        await in_span(self.name, run_steps(self.parts[0], inner))
        draft.variables = inner.variables
        text = draft.variables[self.name] = inner.own(begin)
        return text

    def shown(self) -> str:
        hidden = ", hidden=True" if self.hidden else ""
        return f"c.section({self.name!r}, {shown_steps(self.parts[0])}{hidden})"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Join(Nested):
    """Appends what all alternatives say, each of which goes on from here."""

    separator: str

    async def run(self, draft: Draft) -> Any:
        begin = draft.position
        before = draft.variables.copy()
        for number, branch in enumerate(await _branches(self.parts, draft)):
            if number:
                draft.add(self.separator)
            draft.add(branch.own(begin))
            draft.variables |= {n: v for n, v in branch.variables.items() if before.get(n, _NEW) is not v}
        return draft.own(begin)

    def shown(self) -> str:
        return f"c.join({_shown_parts(self.parts)}, separator={self.separator!r})"


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Select(Nested):
    """Appends the alternative that the model prefers, each of which goes on from here."""

    async def run(self, draft: Draft) -> Any:
        begin = draft.position
        branches = {branch.own(begin): branch for branch in await _branches(self.parts, draft)}
        choice = await llm.select(draft.prompt(), list(branches))
        if choice not in branches:
            raise MalformedReplyError(
                f"select answered {choice!r:.80}, which is none of {list(branches)!r:.200}"
            )
        branch = branches[choice]
        draft.variables = branch.variables
        draft.add(branch.own(begin))
        return choice

    def shown(self) -> str:
        return f"c.select({_shown_parts(self.parts)})"


async def _branches(parts: tuple[Steps, ...], draft: Draft) -> list[Draft]:
    """Drafts that went on from this one, each by its own steps, at once."""
    drafts = [draft.fork() for _ in parts]
    rows = list(zip(parts, drafts, strict=True))
    if all(isinstance(step, Insert) for steps in parts for step in steps):
        for steps, branch in rows:
            await run_steps(steps, branch)
    else:
        await parallel(*[Executable[str](_BRANCH, row) for row in rows])
    return drafts


def _shown_parts(parts: tuple[Steps, ...]) -> str:
    return ", ".join([shown_steps(steps) for steps in parts])
