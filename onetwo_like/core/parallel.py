"""How do many executables run at once?"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, Literal, TypeVar, overload

from onetwo_like.core.batch import Batch, Once
from onetwo_like.core.combinators import positive
from onetwo_like.core.evaluation import Evaluation, Kind, Node, shortened
from onetwo_like.core.executable import Executable, described
from onetwo_like.core.outcome import Outcome
from onetwo_like.errors import UsageError

T = TypeVar("T")
MAX_CONCURRENCY = 1_000


class _Parallel(Kind):
    name = "parallel"
    control = True

    async def run(self, args: tuple[Any, ...], evaluation: Evaluation) -> Any:
        return await Batch(evaluation, *args).run()

    def shown(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> str:
        items, limit, timeout_s, keep, collect = args
        parts = [shortened(i) for i in items[:3]] if isinstance(items, tuple) else [shortened(items)]
        if isinstance(items, tuple) and len(items) > 3:
            parts.append(f"... {len(items) - 3} more")
        parts += [f"max_concurrency={limit}"] * (limit != MAX_CONCURRENCY)
        parts += [f"timeout={timeout_s:g}"] if timeout_s is not None else []
        parts += ['on_error="keep"'] * keep + ["collect=False"] * (not collect)
        return f"parallel({', '.join(parts)})"


_PARALLEL = _Parallel()


@overload
def parallel(
    *executables: Executable[T],
    max_concurrency: int = ...,
    timeout: float | None = ...,
    on_error: Literal["raise"] = ...,
    collect: Literal[True] = ...,
) -> Executable[list[T]]: ...
@overload
def parallel(
    *executables: Executable[T],
    max_concurrency: int = ...,
    timeout: float | None = ...,
    on_error: Literal["keep"],
    collect: Literal[True] = ...,
) -> Executable[list[Outcome[T]]]: ...
@overload
def parallel(
    executables: Iterable[Executable[T]] | AsyncIterable[Executable[T]],
    /,
    *,
    max_concurrency: int = ...,
    timeout: float | None = ...,
    on_error: Literal["raise"] = ...,
    collect: Literal[True] = ...,
) -> Executable[list[T]]: ...
@overload
def parallel(
    executables: Iterable[Executable[T]] | AsyncIterable[Executable[T]],
    /,
    *,
    max_concurrency: int = ...,
    timeout: float | None = ...,
    on_error: Literal["keep"],
    collect: Literal[True] = ...,
) -> Executable[list[Outcome[T]]]: ...
@overload
def parallel(
    *executables: Any,
    max_concurrency: int = ...,
    timeout: float | None = ...,
    on_error: Literal["raise", "keep"] = ...,
    collect: Literal[False],
) -> Executable[int]: ...
def parallel(
    *executables: Any,
    max_concurrency: int = MAX_CONCURRENCY,
    timeout: float | None = None,
    on_error: Literal["raise", "keep"] = "raise",
    collect: bool = True,
) -> Executable[Any]:
    """Runs executables at the same time, at most `max_concurrency` of them; the values are in the order given.

    Takes executables, or one lazy or asynchronous iterable of them. The first failure in time is
    raised after the others have been stopped; a missed `timeout` (seconds) is a DeadlineError.
    With `on_error="keep"` there is one `ot.Outcome` per item instead, and what had finished at the
    deadline is kept; errors that concern the whole program (ProgramError) are raised all the same.
    With `collect=False` the value is the number of items, and results arrive as `ItemFinished` events.

    >>> from onetwo_like import ot
    >>> square = ot.make_executable(lambda x: x * x)
    >>> ot.run(ot.parallel(square(2), square(3)))
    [4, 9]
    >>> ot.run(ot.parallel(square(x) for x in range(4)))
    [0, 1, 4, 9]
    """
    if on_error not in ("raise", "keep"):
        raise UsageError(f'ot.parallel takes on_error="raise" or "keep", not {on_error!r}')
    if not isinstance(max_concurrency, int) or isinstance(max_concurrency, bool) or max_concurrency < 1:
        raise UsageError(
            f"ot.parallel takes max_concurrency as a number of at least 1, not {max_concurrency!r}"
        )
    timeout_s = None if timeout is None else positive(timeout, "ot.parallel(timeout=...)")
    source: Any = executables
    if len(executables) == 1 and not isinstance(executables[0], Node):
        source = _lazy(executables[0])
    else:
        for index, item in enumerate(executables):
            if not isinstance(item, Executable):
                raise UsageError(
                    f"ot.parallel takes executables, and argument {index + 1} is {described(item)}{_unpack(item)}"
                )
    return Executable(_PARALLEL, (source, max_concurrency, timeout_s, on_error == "keep", bool(collect)))


def _lazy(source: Any) -> Any:
    if isinstance(source, str | bytes | list | tuple | set | frozenset | dict) or not isinstance(
        source, Iterable | AsyncIterable
    ):
        raise UsageError(
            f"ot.parallel takes executables or a lazy iterable of them, not {described(source)}{_unpack(source)}"
        )
    return Once(source) if isinstance(source, Iterator | AsyncIterator) else source


def _unpack(value: object) -> str:
    return ". Unpack it: ot.parallel(*list)" if isinstance(value, list | tuple | set | frozenset) else ""
