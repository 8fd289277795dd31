"""How does a model inside the process, which takes many prompts at once, answer the built-ins?"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from onetwo_like.backends.base import Backend
from onetwo_like.core.operation import Operation, operations
from onetwo_like.core.registry import Caching
from onetwo_like.core.request import Reply, Request
from onetwo_like.errors import UsageError
from onetwo_like.middleware.batch import batch


class Batched(Backend):
    """A model in the process that takes a list: calls made at the same time become one call of a function.

    `functions` are by built-in. Each takes a list of what its built-in takes first (prompts,
    conversations, ...) and, by name, the other arguments that it honours; it returns one value,
    `ot.Reply` or exception for each, in order. A batch is sent when it has `max_size` calls, or `max_wait_s`
    after its first one (0: as soon as all that can run have asked). Calls with different arguments are in
    different batches. A function may be async; a plain one blocks the event loop unless `thread=True`. If one
    raises, its items are asked for again one by one. `name` says which model this is, in the cache's keys.

    >>> from onetwo_like import ot
    >>> from onetwo_like.builtins import llm
    >>> def shout(prompts, *, max_tokens=None):
    ...     print(prompts)
    ...     return [prompt.upper()[:max_tokens] for prompt in prompts]
    >>> with ot.RegistryContext():
    ...     _ = Batched({"generate_text": shout}, name="shouting").register()
    ...     ot.run(ot.parallel(llm.generate_text("a"), llm.generate_text("b")))
    ['a', 'b']
    ['A', 'B']
    """

    provider = "batched"

    def __init__(
        self,
        functions: Mapping[str, Callable[..., Any]],
        *,
        name: str,
        max_size: int = 32,
        max_wait_s: float = 0.0,
        thread: bool = False,
        cache: Caching | None = None,
        **defaults: Any,
    ) -> None:
        known = operations()
        for operation, function in functions.items():
            if operation not in known:
                raise UsageError(
                    f"Batched: there is no built-in {operation!r}; there are {', '.join(sorted(known))}"
                )
            if not callable(function):
                raise UsageError(f"Batched takes a function of a list for {operation}, not {function!r:.60}")
        if not isinstance(name, str) or not name:
            raise UsageError(f"Batched takes a name for its model, not {name!r:.60}")
        self._functions = {
            operation: _single(functions[operation], known[operation], thread, max_size, max_wait_s)
            for operation in functions
        }
        super().__init__(cache=cache, name=name, **defaults)

    def _served(self) -> dict[str, Operation[..., Any]]:
        return {name: operations()[name] for name in self._functions}

    def _function(self, operation: Operation[..., Any]) -> Callable[..., Any]:
        return self._functions[operation.name]

    def __repr__(self) -> str:
        return f"Batched({self.name})"


def _single(
    function: Callable[..., Any],
    operation: Operation[..., Any],
    thread: bool,
    max_size: int,
    max_wait_s: float,
) -> Callable[..., Any]:
    """A function of many, as one of one, whose calls are collected."""

    async def of_many(requests: list[Request]) -> Sequence[Reply | Exception]:
        others = operation.parameters[1:]
        given = requests[0].arguments
        options = {name: given[name] for name in others if name in given}
        items = [request.values[0] for request in requests]
        if thread:
            answers = await asyncio.to_thread(function, items, **options)
        else:
            answers = function(items, **options)
        if inspect.isawaitable(answers):
            answers = await answers
        return [a if isinstance(a, Reply | Exception) else Reply(a) for a in answers]

    handler = batch(of_many, max_size=max_size, max_wait_s=max_wait_s, alike=_others)

    async def of_one(*_args: Any, request: Request, **_options: Any) -> Reply:
        return await handler(request)

    try:
        _list, *options = inspect.signature(function).parameters.values()
    except ValueError:
        raise UsageError(
            f"Batched: the function for {operation.name} takes a list first, and then options by name: {function!r:.60}"
        ) from None
    first = inspect.Parameter(operation.parameters[0], inspect.Parameter.POSITIONAL_OR_KEYWORD)
    request = inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY)
    of_one.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [first, *(p for p in options if p.kind is not p.VAR_KEYWORD), request]
        + [p for p in options if p.kind is p.VAR_KEYWORD]
    )
    return of_one


def _others(request: Request) -> Hashable:
    """All arguments but the first: those that a batch has in common."""
    others = request.values[1:]
    try:
        hash(others)
    except TypeError:
        return tuple(map(id, others))  # such as types annotated with a dict
    return others, repr(others)  # 1 equals True, and is another option
