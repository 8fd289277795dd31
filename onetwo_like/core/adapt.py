"""How does a function of the arguments it likes become a handler of requests?"""

from __future__ import annotations

import contextlib
import functools
import inspect
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any, Protocol

from onetwo_like.core.events import text_teller
from onetwo_like.core.request import Handler, Reply, Request
from onetwo_like.errors import MalformedReplyError, UsageError


class Adaptable(Protocol):
    """What is needed to know of an operation."""

    @property
    def name(self) -> str: ...
    @property
    def parameters(self) -> tuple[str, ...]: ...
    @property
    def required(self) -> tuple[str, ...]: ...


def adapt(operation: Adaptable, function: Callable[..., Any]) -> tuple[Handler, tuple[int, ...]]:
    """A handler that calls the function, and the indices of the parameters it does not take.

    Parameters are matched by name; leading ones that no parameter of the operation is called
    stand for its required arguments, in order (`lambda text: ...` is a fine fake). The function
    may be plain, async, or an async generator of strings; it may return a Reply or a bare value.
    A parameter called `request` is handed the Request itself; a function of nothing else takes all.

    Raises UsageError if it does not take what every call passes, or demands what none does, and if
    it is a plain generator.
    """
    if holds_for(inspect.isgeneratorfunction, function):
        raise _plain_generator(operation, function)
    positional, named, refused, request_name = _matched(operation, function)
    always = [(i, n) for i, n, optional in named if not optional]
    given = [(i, n) for i, n, optional in named if optional]
    streams = holds_for(inspect.isasyncgenfunction, function)
    is_async = holds_for(inspect.iscoroutinefunction, function)

    async def handler(request: Request) -> Reply:
        values = request.values
        arguments: dict[str, Any] = {n: values[i] for i, n in given if values[i] is not None} if given else {}
        for i, n in always:
            arguments[n] = values[i]
        if request_name is not None:
            arguments[request_name] = request
        result: Any = function(*[values[i] for i in positional], **arguments)
        if streams:
            return await _gathered(result)
        if is_async:
            result = await result
        elif not isinstance(result, str):  # a lambda may return what an async function would have
            if isinstance(result, AsyncGenerator):
                return await _gathered(result)
            if isinstance(result, Awaitable):
                result = await result
            elif isinstance(result, Generator):
                raise _plain_generator(operation, function)
        return result if type(result) is Reply else Reply(result)

    return handler, refused


def _plain_generator(operation: Adaptable, function: Callable[..., Any]) -> UsageError:
    # Its value would be the generator itself, which the next call would take for an answer.
    return UsageError(
        f"{operation.name} cannot be answered by the plain generator {_name(function)}. "
        "Write `async def`, and each string it yields is streamed; or return the whole text"
    )


async def _gathered(pieces: AsyncGenerator[Any, None]) -> Reply:
    """Publishes the strings that an async generator yields, and joins them; a Reply may come last."""
    texts: list[str] = []
    final: Reply | None = None
    tell = text_teller()  # asked once: a text may come in a hundred thousand pieces
    began = time.perf_counter()
    async with contextlib.aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, str) and final is None:
                texts.append(piece)
                if tell is not None:
                    tell(piece)
            elif type(piece) is Reply:
                final = piece
            else:
                raise MalformedReplyError(
                    f"a generator that answers a built-in yields strings, not {piece!r:.80}"
                )
    text = "".join(texts)
    if final is None:
        return Reply(text, duration_s=time.perf_counter() - began, chunks=tuple(texts))
    return final._replace(value=text if final.value is None else final.value, chunks=tuple(texts))


def _matched(
    operation: Adaptable, function: Callable[..., Any]
) -> tuple[list[int], list[tuple[int, str, bool]], tuple[int, ...], str | None]:
    """(indices passed by position, (index, name, optional) passed by name, indices refused, name for the request)."""
    names = operation.parameters
    try:
        taken = list(inspect.signature(function).parameters.values())
    except ValueError:  # a function written in C that does not tell takes what is required
        return [names.index(n) for n in operation.required], [], _others(names, operation.required), None
    leading: list[int] = []
    named: list[tuple[int, str, bool]] = []
    request_name = None
    waiting = list(operation.required)
    everything = False
    for p in taken:
        if p.kind is p.VAR_KEYWORD:
            everything = True
        elif p.kind is p.VAR_POSITIONAL:
            leading += [names.index(n) for n in waiting if n not in {t.name for t in taken}]
            waiting = []
        elif p.name in names and p.kind is not p.POSITIONAL_ONLY:
            named.append((names.index(p.name), p.name, p.default is not p.empty))
            waiting = [n for n in waiting if n != p.name]
        elif p.name == "request" and p.kind is not p.POSITIONAL_ONLY:
            request_name = p.name
        elif waiting and not named and p.kind is not p.KEYWORD_ONLY:
            leading.append(names.index(waiting.pop(0)))
        elif p.default is p.empty:
            raise UsageError(
                f"{operation.name} has no argument {p.name!r}, which the function {_name(function)} requires; "
                f"its arguments are {', '.join(names)}"
            )
    passed = set(leading) | {i for i, _, _ in named}
    if everything:
        waiting = []
        named += [(i, n, True) for i, n in enumerate(names) if i not in passed]
        passed = set(range(len(names)))
    if request_name is not None and not passed:
        return [], [], (), request_name
    if waiting:
        raise UsageError(
            f"{operation.name} passes {' and '.join(waiting)}, which the function {_name(function)} does not take; "
            f"its arguments are {', '.join(names)}"
        )
    return leading, named, tuple([i for i in range(len(names)) if i not in passed]), request_name


def _others(names: tuple[str, ...], taken: tuple[str, ...]) -> tuple[int, ...]:
    return tuple([i for i, n in enumerate(names) if n not in taken])


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", None) or type(function).__name__


def holds_for(test: Callable[[Any], bool], function: Any) -> bool:
    """Whether the test holds for the function, or for the `__call__` of the object."""
    while isinstance(function, functools.partial):
        function = function.func
    return test(function) or test(getattr(type(function), "__call__", None))  # noqa: B004  (the method, not whether)
