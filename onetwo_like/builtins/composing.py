"""What is a composable, and how does a function of the user's become one?"""

from __future__ import annotations

import inspect
import types
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Concatenate, Generic, Never, ParamSpec, Protocol, TypeAlias, overload

from onetwo_like.builtins.context import Context, Text, refuse_unexecuted
from onetwo_like.builtins.steps import (
    COMPOSITION,
    Call,
    Custom,
    Inputs,
    Insert,
    Select,
    Step,
    Steps,
    nodes_of,
    without,
)
from onetwo_like.core.content import Chunk, ChunkList
from onetwo_like.core.evaluation import Node
from onetwo_like.core.executable import Executable, described
from onetwo_like.core.frozen import copied
from onetwo_like.core.function import ExecutableFunction
from onetwo_like.core.graph import inputs_of
from onetwo_like.core.signature import compile_binder, wrong_call
from onetwo_like.errors import UsageError

P = ParamSpec("P")
Part: TypeAlias = str | Chunk | ChunkList | Executable[Any]


class Composable(Executable[Text]):
    """A sequence of steps, each of which sees what the earlier ones said and stored; made by the functions here.

    `+` joins with other composables, strings, Chunks and ChunkLists. `e(question="...")` sets inputs:
    variables of templates and formats from there on.

    >>> greeting = c.f("Good {time}, ") + c.f("{name}!")
    >>> ot.run(greeting(time="morning", name="Ann"))
    'Good morning, Ann!'
    """

    __slots__ = ()

    def __add__(self, other: str | Chunk | ChunkList | Composable) -> Composable:
        return _joined(self, other) if _joins(other) else NotImplemented

    def __radd__(self, other: str | Chunk | ChunkList) -> Composable:
        return _joined(other, self) if _joins(other) else NotImplemented

    def __call__(self, /, *args: Never, **inputs: Any) -> Composable:
        """The same with inputs set: by name, and the last value given counts.

        An executable is executed first, concurrently with the others. One inside a list or a dict
        is a UsageError, and so is an iterator, which a second run would find empty.
        """
        if args:
            raise UsageError(f"inputs are given by name, as in e(question={args[0]!r:.40})")
        if not inputs:
            return self
        for name, value in inputs.items():
            _check_input(name, value)
        own = {name: copied(value) for name, value in inputs.items()}
        return composable(Inputs(own), *without(steps_of(self), frozenset(own)))


def composable(*steps: Step) -> Composable:
    return Composable(COMPOSITION, (steps, nodes_of(steps)))


def steps_of(composable: Composable) -> Steps:
    steps: Steps = composable.args[0]
    return steps


def _joins(operand: object) -> bool:
    if isinstance(operand, Executable) and not isinstance(operand, Composable):
        as_steps(operand, "+")
        raise UsageError(
            f"{operand!r:.80} is no composable: it runs by itself. To insert its value, write c.c(...) around it"
        )
    return isinstance(operand, str | Chunk | ChunkList | Composable)


def _joined(
    left: str | Chunk | ChunkList | Composable, right: str | Chunk | ChunkList | Composable
) -> Composable:
    (steps, nodes), (more_steps, more_nodes) = _row(left), _row(right)
    return Composable(COMPOSITION, (steps + more_steps, nodes + more_nodes))


def _row(operand: str | Chunk | ChunkList | Composable) -> tuple[Steps, tuple[Node, ...]]:
    if isinstance(operand, Composable):
        steps, nodes = operand.args
        return steps, nodes
    return (Insert(operand),), ()


def _check_input(name: str, value: Any) -> None:
    if isinstance(value, Iterator) or (isinstance(value, Awaitable) and not isinstance(value, Node)):
        raise UsageError(
            f"the input {name}={value!r:.60} can be read only once, and an executable may run twice; "
            "give a list, or the awaited value"
        )
    refuse_unexecuted(value, f"the input {name}")


def as_steps(value: Any, where: str) -> Steps:
    """The steps of a part that is a composable, content, or an executable whose value is inserted."""
    if isinstance(value, Composable):
        return steps_of(value)
    if isinstance(value, Executable):
        for inner in inputs_of(value):
            if isinstance(inner, Composable) and isinstance(steps_of(inner)[0], Call | Select):
                raise UsageError(
                    f"{where}: {value!r:.80} runs by itself, so its call would not see what comes before it. "
                    "Change what is said with a function under ot.make_composable, or a filter in c.j"
                )
        return (Insert(value),)
    if not isinstance(value, str | Chunk | ChunkList):
        raise UsageError(f"{where} takes a composable, a str or content, not {described(value)}")
    return (Insert(value),)


class ComposableFunction(Generic[P]):
    """A function under `make_composable`; the function itself is `.__wrapped__`."""

    def __init__(self, function: Callable[..., Any], thread: bool = False, name: str | None = None) -> None:
        if not callable(function):
            raise UsageError(f"make_composable takes a function, not {described(function)}")
        self._described = ExecutableFunction[..., Any](function, thread, name)
        self._options = (thread, name)
        self.__wrapped__ = function
        self.__name__ = str(self._described.__name__)
        self.__doc__ = function.__doc__
        self.__signature__ = _without_context(self.__name__, self._described.__signature__)
        self._check = compile_binder(self.__signature__, self.__name__)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Composable:
        try:
            self._check(*args, **kwargs)
        except TypeError as error:
            raise wrong_call(error, self.__name__, self.__signature__) from None
        node = self._described(None, *args, **kwargs)
        return composable(Custom(self._described._kind, node.args[1:], node.kwargs or {}))

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        if instance is None:
            return self
        return ComposableFunction[...](types.MethodType(self.__wrapped__, instance), *self._options)

    def __repr__(self) -> str:
        return f"<composable function {self.__name__}{self.__signature__}>"


def _without_context(name: str, signature: inspect.Signature) -> inspect.Signature:
    parameters = list(signature.parameters.values())
    first = parameters[0] if parameters else None
    if first is None or first.kind in (first.KEYWORD_ONLY, first.VAR_KEYWORD):
        raise UsageError(
            "make_composable takes a function whose first parameter is the context, "
            f"such as {name}(context, ...), not {name}{signature}"
        )
    if first.kind is not first.VAR_POSITIONAL:
        parameters.pop(0)
    return signature.replace(parameters=parameters)


class _Decorator(Protocol):
    """`make_composable` with parentheses."""

    @overload
    def __call__(self, function: Callable[Concatenate[Context, P], Any], /) -> ComposableFunction[P]: ...
    @overload
    def __call__(self, method: Callable[Concatenate[Any, Context, P], Any], /) -> ComposableFunction[P]: ...


@overload
def make_composable(function: Callable[Concatenate[Context, P], Any], /) -> ComposableFunction[P]: ...
@overload
def make_composable(method: Callable[Concatenate[Any, Context, P], Any], /) -> ComposableFunction[P]: ...
@overload
def make_composable(*, thread: bool = False, name: str | None = None) -> _Decorator: ...
def make_composable(function: Any = None, /, *, thread: bool = False, name: str | None = None) -> Any:
    """Makes a function of a context a step of compositions: its value is appended.

    The function, plain, async or an async generator (the last value counts), takes the context first:
    `context.prompt` is all that came before, as the built-ins take it, and `context.variables` what is
    set and stored. It returns a str, content, another value (appended as `str(value)`), None (appends
    nothing), an executable (executed first), or a composable, which goes on from here and may store.
    Other arguments are those of the call; executables among them are executed first, concurrently,
    unless their parameter is annotated `ot.Executable`. `thread=True` and `name=` are those of
    `make_executable`.

    >>> @ot.make_composable
    ... def shout(context, mark="!"):
    ...     return context.text.upper() + mark
    >>> ot.run("hey " + shout("?"))
    'hey HEY ?'
    """
    if function is None:
        return lambda f: ComposableFunction[...](f, thread, name)
    return ComposableFunction[...](function, thread, name)
