"""How does a Python function become an executable?"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import re
import time
import types
import typing
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any, Generic, ParamSpec, TypeVar, overload

from onetwo_like.core.adapt import holds_for
from onetwo_like.core.evaluation import Held, Kind, Node, shown_arguments
from onetwo_like.core.events import Update
from onetwo_like.core.executable import Executable
from onetwo_like.core.frozen import COPIED, MUTABLE, copied
from onetwo_like.core.loop import HOLDING_S, holds_background_loop
from onetwo_like.core.registry import Scope, put_back, scope_in_force
from onetwo_like.core.signature import compile_binder, wrong_call
from onetwo_like.core.trace import Span
from onetwo_like.errors import UsageError

P = ParamSpec("P")
T = TypeVar("T")


class Function(Kind):
    """A node that calls a Python function with its arguments."""

    def __init__(self, function: Callable[..., Any], name: str, thread: bool = False) -> None:
        self.function = function
        self.name = name
        self.thread = thread
        self.streams = holds_for(inspect.isasyncgenfunction, function)
        self.is_async = holds_for(inspect.iscoroutinefunction, function)
        if thread and (self.streams or self.is_async):
            raise UsageError(
                f"{name} is async, so it runs on the event loop; thread=True is for plain functions"
            )

    async def call(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
        """The final value: an executable that the body returns is executed, each in an evaluation of its own."""
        value = await self.once(args, kwargs)
        while isinstance(value, Node):
            from onetwo_like.core.evaluation import Evaluation

            value = await Evaluation().once(value)
        return value

    async def once(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
        scope = scope_in_force.get()
        token = None
        if scope.cell is not None:  # a body never sees, nor changes, its caller's cell
            scope = scope.entered()
            token = scope_in_force.set(scope)
        try:
            args, kwargs = _own(args, kwargs)
            if scope.watch is not None:
                return await self._watched(scope, args, kwargs)
            return await self._body(args, kwargs)
        finally:
            if token is not None:
                put_back(token)

    async def _watched(self, scope: Scope, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
        tracing = scope.watch is not None and scope.watch.tracing
        given = copied((args, kwargs)) if tracing else None  # a body may change the lists that it was given
        span = Span(self.name, scope.span, scope.sample_path, given, tracing, self._by_name)
        token = scope_in_force.set(scope.but(span=span))
        try:
            value = await self._body(args, kwargs)
        except BaseException as error:
            span.finish(error=error)
            raise
        else:
            span.finish(value)
            return value
        finally:
            put_back(token)

    def _by_name(self, given: tuple[tuple[Any, ...], dict[str, Any] | None]) -> dict[str, Any]:
        """The arguments under the names of the parameters, as a trace shows them."""
        return dict(_signature(self.function).bind(*given[0], **(given[1] or {})).arguments)

    async def _body(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
        function = self.function
        if self.is_async:
            return await (function(*args, **kwargs) if kwargs else function(*args))
        if self.streams:
            return await _last(function(*args, **(kwargs or {})))
        if self.thread:
            return await asyncio.to_thread(self._in_thread, args, kwargs or {})
        began = time.perf_counter()
        value = function(*args, **kwargs) if kwargs else function(*args)
        if time.perf_counter() - began > HOLDING_S and not holds_background_loop():
            warn_of_holding(f"{self.name}, a plain function,", time.perf_counter() - began)
        if isinstance(value, Awaitable) and not isinstance(value, Node):
            value = await value
        return value

    def _in_thread(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return self.function(*args, **kwargs)
        except StopIteration as error:  # a future cannot hold one, and who waits for it would wait for ever
            raise RuntimeError(f"{self.name} raised StopIteration") from error

    def shown(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> str:
        return f"{self.name}({shown_arguments(*_as_written(_signature(self.function), args, kwargs))})"


def warn_of_holding(what: str, seconds: float) -> None:
    """Says who held the event loop, so that nothing else could run."""
    warnings.warn(
        f"{what} held the event loop for {seconds:.2f} s, and nothing else ran meanwhile. "
        "Make it async, or decorate it with @ot.make_executable(thread=True).",
        RuntimeWarning,
        stacklevel=2,
    )


async def _last(updates: AsyncGenerator[Any, None]) -> Any:
    """Publishes what an async generator yields; the last is the value."""
    value = None
    async with contextlib.aclosing(updates):
        async for value in updates:
            scope = scope_in_force.get()
            if scope.watch is not None:
                scope.watch.publish(Update(value, origin=scope.span))
    return value


def _own(
    args: tuple[Any, ...], kwargs: dict[str, Any] | None
) -> tuple[tuple[Any, ...], dict[str, Any] | None]:
    """The arguments for one run: held executables unwrapped, lists and dicts its own copies."""
    for a in args:
        if a.__class__ in _SPECIAL:
            args = tuple([_given(a) for a in args])
            break
    if kwargs:
        kwargs = {n: _given(a) for n, a in kwargs.items()}
    return args, kwargs


_SPECIAL = COPIED | {Held}


def _given(value: Any) -> Any:
    return value.node if value.__class__ is Held else copied(value)


class ExecutableFunction(Generic[P, T]):
    """A function under `make_executable`: calling it describes the call, and runs nothing.

    The function itself is `.__wrapped__`.
    """

    def __init__(self, function: Callable[..., Any], thread: bool = False, name: str | None = None) -> None:
        if isinstance(function, staticmethod | classmethod | property):
            raise UsageError(f"write @{type(function).__name__} above @ot.make_executable, not below it")
        if not callable(function):
            raise UsageError(
                f"make_executable takes a function, not {type(function).__name__}: {function!r:.60}"
            )
        functools.update_wrapper(self, function)
        if name is not None and not (isinstance(name, str) and name):
            raise UsageError(f"make_executable takes name as a text, not {name!r}")
        self.__name__: str = name or name_of(function)
        self.__wrapped__ = function
        self.__signature__ = _signature(function)
        self._kind = Function(function, self.__name__, thread)
        self._bind = compile_binder(self.__signature__, self.__name__)
        self._holding: frozenset[str] | None = None

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Executable[T]: ...
    @overload
    def __call__(self, *args: object, **kwargs: object) -> Executable[T]: ...  # executables as arguments
    def __call__(self, *args: Any, **kwargs: Any) -> Executable[T]:
        try:
            given, named = self._bind(*args, **kwargs)
        except TypeError as error:
            raise wrong_call(error, self.__name__, self.__signature__) from None
        for value in given:
            if value.__class__ in COPIED:
                given = tuple([copied(v) for v in given])
                break
        if named:
            named = {n: copied(v) for n, v in named.items()}
        if self._holding is None:  # annotations may name what is defined later, so not before the first call
            self._holding = _parameters_that_hold(self.__wrapped__, self.__signature__)
        if self._holding:
            given, named = self._held(given, named)
        return Executable(self._kind, given, named)

    def _held(
        self, given: tuple[Any, ...], named: dict[str, Any] | None
    ) -> tuple[tuple[Any, ...], dict[str, Any] | None]:
        holding = self._holding or frozenset()
        names = []
        for p in self.__signature__.parameters.values():
            if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD):
                names.append(p.name)
            elif p.kind is p.VAR_POSITIONAL:
                names.extend([p.name] * (len(given) - len(names)))
        given = tuple(
            [
                Held(v) if n in holding and isinstance(v, Node) else v
                for n, v in zip(names, given, strict=True)
            ]
        )
        if named:
            extra = next(
                (p.name for p in self.__signature__.parameters.values() if p.kind is p.VAR_KEYWORD), None
            )
            parameters = self.__signature__.parameters
            named = {
                n: Held(v) if isinstance(v, Node) and (n if n in parameters else extra) in holding else v
                for n, v in named.items()
            }
        return given, named

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        return f"<executable function {self.__name__}{self.__signature__}>"


def _as_written(
    signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any] | None
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments without those that are the defaults."""
    parameters = signature.parameters
    named = {
        n: v for n, v in (kwargs or {}).items() if n not in parameters or not _is_default(parameters[n], v)
    }
    positional = [p for p in parameters.values() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(args) > len(positional):
        return list(args), named
    before: list[Any] = []
    after: dict[str, Any] = {}
    left_out = False
    for p, value in zip(positional, args, strict=False):
        if _is_default(p, value):
            left_out = True
        elif left_out:
            after[p.name] = value
        else:
            before.append(value)
    return before, {**after, **named}


def _is_default(parameter: inspect.Parameter, value: Any) -> bool:
    default = parameter.default
    # An empty list that is the default was copied when the function was called.
    return value is default or (
        value.__class__ in MUTABLE and value.__class__ is default.__class__ and not (value or default)
    )


def name_of(function: Callable[..., Any]) -> str:
    """What a function, a partial one or an object that can be called is called."""
    while isinstance(function, functools.partial):
        function = function.func
    return getattr(function, "__name__", None) or type(function).__name__


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except ValueError:  # some functions written in C do not tell
        any_arguments = [
            inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL),
            inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD),
        ]
        return inspect.Signature(any_arguments)


def _parameters_that_hold(function: Callable[..., Any], signature: inspect.Signature) -> frozenset[str]:
    """The parameters annotated with `Executable`, which receive theirs unexecuted."""
    try:
        hints = typing.get_type_hints(function)
    except Exception:  # noqa: BLE001  (an annotation may be anything, and need not even exist at run time)
        hints = {}
    return frozenset(
        name for name, p in signature.parameters.items() if _is_executable_type(hints.get(name, p.annotation))
    )


def _is_executable_type(annotation: object) -> bool:
    if isinstance(annotation, str):
        return re.search(r"\bExecutable\b", annotation) is not None
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return issubclass(annotation, Executable)
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _is_executable_type(typing.get_args(annotation)[0])
    if origin is typing.Union or origin is types.UnionType:
        return any(_is_executable_type(a) for a in typing.get_args(annotation))
    return isinstance(origin, type) and issubclass(origin, Executable)


@overload
def make_executable(function: Callable[P, AsyncIterator[T]], /) -> ExecutableFunction[P, T]: ...
@overload
def make_executable(function: Callable[P, Executable[T]], /) -> ExecutableFunction[P, T]: ...
@overload
def make_executable(function: Callable[P, Awaitable[T]], /) -> ExecutableFunction[P, T]: ...
@overload
def make_executable(function: Callable[P, T], /) -> ExecutableFunction[P, T]: ...
@overload
def make_executable(*, thread: bool = False, name: str | None = None) -> _Decorator: ...
def make_executable(function: Any = None, /, *, thread: bool = False, name: str | None = None) -> Any:
    """Makes a function, plain or async, return an Executable of its value.

    Arguments that are executables are executed first, concurrently, unless their parameter is
    annotated `ot.Executable`. An executable that the body returns is executed. Every value that an
    async generator yields is published as an `ot.Update`, and the last one is the value.
    Plain functions run on the event loop; `thread=True` runs one in a thread, which a
    cancellation cannot stop: the program goes on, and the function ends when it ends. `name` is
    what traces and events call it (by default its own name).

    >>> from onetwo_like import ot
    >>> @ot.make_executable
    ... async def double(x: int) -> int:
    ...     return 2 * x
    >>> ot.run(double(double(3)))
    12
    """
    if function is None:
        return lambda f: ExecutableFunction(f, thread, name)
    return ExecutableFunction(function, thread, name)


class _Decorator(typing.Protocol):
    """`make_executable` with parentheses."""

    @overload
    def __call__(self, function: Callable[P, AsyncIterator[T]], /) -> ExecutableFunction[P, T]: ...
    @overload
    def __call__(self, function: Callable[P, Executable[T]], /) -> ExecutableFunction[P, T]: ...
    @overload
    def __call__(self, function: Callable[P, Awaitable[T]], /) -> ExecutableFunction[P, T]: ...
    @overload
    def __call__(self, function: Callable[P, T], /) -> ExecutableFunction[P, T]: ...
