"""How do many executables run at once, and what becomes of the others when one fails?"""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, Literal, TypeVar, overload

from onetwo_like.core.combinators import positive
from onetwo_like.core.evaluation import Cell, Escaped, Evaluation, Kind, Node, shortened, stop
from onetwo_like.core.events import ItemFinished
from onetwo_like.core.executable import Executable, described
from onetwo_like.core.outcome import Outcome, Status
from onetwo_like.core.registry import Scope, scope_in_force
from onetwo_like.core.sampling import Endless
from onetwo_like.core.trace import Span
from onetwo_like.errors import ConsumedError, DeadlineError, ProgramError, RunCancelled, UsageError

T = TypeVar("T")
MAX_CONCURRENCY = 1_000


class _Once:
    """An iterator, which a second run would find empty."""

    def __init__(self, iterator: Any) -> None:
        self._iterator = iterator
        self._taken = False

    def take(self) -> Any:
        if self._taken:
            raise ConsumedError(
                "ot.parallel was given an iterator, which an earlier run has consumed. "
                "Pass a list unpacked, ot.parallel(*items), to run it again."
            )
        self._taken = True
        return self._iterator

    def __repr__(self) -> str:
        return shortened(self._iterator)


class _Parallel(Kind):
    name = "parallel"
    control = True

    async def run(self, args: tuple[Any, ...], evaluation: Evaluation) -> Any:
        return await _Batch(evaluation, *args).run()

    def shown(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> str:
        items, limit, timeout_s, keep, collect = args
        parts = [shortened(i) for i in items[:3]] if isinstance(items, tuple) else [shortened(items)]
        if isinstance(items, tuple) and len(items) > 3:
            parts.append(f"... {len(items) - 3} more")
        parts += [f"max_concurrency={limit}"] * (limit != MAX_CONCURRENCY)
        parts += [f"timeout={timeout_s:g}"] if timeout_s is not None else []
        parts += ['on_error="keep"'] * keep + ["collect=False"] * (not collect)
        return f"parallel({', '.join(parts)})"


class _Batch:
    """One run of a `parallel`: keeps up to `limit` items going until all have ended, or one has failed."""

    def __init__(
        self,
        evaluation: Evaluation,
        source: Any,
        limit: int,
        timeout_s: float | None,
        keep: bool,
        collect: bool,
    ) -> None:
        self.evaluation = evaluation
        self.source = source
        self.limit = limit
        self.timeout_s = timeout_s
        self.keep = keep
        self.collect = collect
        self.loop = asyncio.get_running_loop()
        self.over: asyncio.Future[None] = self.loop.create_future()
        self.scope = scope_in_force.get()
        self.results: list[Any] = []
        self.active: dict[int, Cell] = {}
        self.count = 0
        self.exhausted = False
        self.late = False
        self.failure: BaseException | None = None
        self.room: asyncio.Future[None] | None = None  # an async source waits here for a free place
        self.items: Iterator[Any] | None = None

    async def run(self) -> Any:
        source = self.source.take() if isinstance(self.source, _Once) else self.source
        pump = None
        deadline = (
            self.loop.call_later(self.timeout_s, self._deadline) if self.timeout_s is not None else None
        )
        try:
            if isinstance(source, AsyncIterable):
                pump = self.loop.create_task(self._pump(aiter(source)), name="parallel")
            else:
                self.items = iter(source)
                self._fill()
            await self.over
        finally:
            if deadline is not None:
                deadline.cancel()
            if pump is not None and not pump.done():
                await stop([pump])
            await self._stop_the_rest()
        if self.failure is not None:
            raise self.failure.inner if isinstance(self.failure, Escaped) else self.failure
        if self.late and not self.keep:
            raise DeadlineError(
                f"parallel: {len(self.active)} of {self.count} items had not finished after {self.timeout_s:g} s"
            )
        return self.results if self.collect else self.count

    # Starting

    def _fill(self) -> None:
        """Starts items while there is room and nothing has gone wrong."""
        items = self.items
        while items is not None and not self.exhausted and len(self.active) < self.limit:
            try:
                item = next(items)
            except StopIteration:
                self.exhausted = True
            except BaseException as error:  # noqa: BLE001  (the caller's iterator: whatever it is goes to the caller)
                self._fail(error)
            else:
                self._start(item)
        self._check()

    async def _pump(self, items: AsyncIterator[Any]) -> None:
        try:
            async for item in items:
                self._start(item)
                while len(self.active) >= self.limit:
                    self.room = self.loop.create_future()
                    await self.room
                if self.exhausted:
                    break
            self.exhausted = True
        except (SystemExit, KeyboardInterrupt) as error:
            self._fail(Escaped(error))
        except Exception as error:  # noqa: BLE001  (as above)
            self._fail(error)
        self._check()

    def _start(self, item: Any) -> None:
        index = self.count
        self.count += 1
        if self.collect:
            self.results.append(None)
        if not isinstance(item, Executable):
            self._fail(UsageError(f"ot.parallel takes executables, and item {index} is {described(item)}"))
            return
        cell = self.evaluation.cell(item) if self.scope.watch is None else self._watched_cell(item, index)
        cell.users += 1
        self.active[index] = cell
        cell.task.add_done_callback(functools.partial(self._ended, index))

    def _watched_cell(self, item: Node, index: int) -> Cell:
        """The item's cell, started under a span of its own."""
        scope = self.scope
        tracing = scope.watch is not None and scope.watch.tracing
        span = Span(f"parallel[{index}]", scope.span, scope.sample_path, None, tracing)
        context = contextvars.copy_context()
        cell = context.run(self._cell_in, scope.but(span=span), item)
        if tracing:
            cell.task.add_done_callback(functools.partial(_finish_span, span))
        return cell

    def _cell_in(self, scope: Scope, item: Node) -> Cell:
        scope_in_force.set(scope)
        return self.evaluation.cell(item)

    # Ending

    def _ended(self, index: int, task: asyncio.Task[Any]) -> None:
        cell = self.active.get(index)
        if cell is None or self.late or self.failure is not None:
            if not task.cancelled():
                task.exception()  # seen: what is kept of it is settled when all have stopped
            return
        del self.active[index]
        cell.users -= 1
        self._settle(index, task)
        if self.items is not None:
            self._fill()
        else:
            if self.room is not None and not self.room.done():
                self.room.set_result(None)
            self._check()

    def _settle(self, index: int, task: asyncio.Task[Any]) -> None:
        """Notes how an item ended, or that its failure ends the whole."""
        if task.cancelled():
            error: BaseException | None = RunCancelled(
                f"{task.get_name()} was cancelled from inside its own body"
            )
        else:
            error = task.exception()
        if error is not None and (not self.keep or isinstance(error, Escaped | ProgramError)):
            self._fail(error)
            return
        if error is None:
            outcome: Any = Outcome("ok", task.result()) if self.keep else task.result()
        else:
            outcome = Outcome(_status(error, task), None, error)
        if self.collect:
            self.results[index] = outcome
        watch = self.scope.watch
        if watch is not None and watch.streaming:
            full = outcome if self.keep else Outcome("ok", outcome)
            watch.publish(ItemFinished(index, full, origin=self.scope.span))

    def _fail(self, error: BaseException) -> None:
        if self.failure is None:
            self.failure = error
        self.exhausted = True
        self._check()

    def _check(self) -> None:
        if (self.failure is not None or (self.exhausted and not self.active)) and not self.over.done():
            self.over.set_result(None)

    def _deadline(self) -> None:
        if not self.over.done():
            self.late = True
            self.exhausted = True
            self.over.set_result(None)

    async def _stop_the_rest(self) -> None:
        """Cancels what is still active and waits for it; a value that arrives meanwhile is kept."""
        self.exhausted = True
        left = []
        for cell in self.active.values():
            cell.users -= 1
            if cell.users == 0 and not cell.task.done():
                cell.abandoned = True
                left.append(cell.task)
        if left:
            await stop(left)
        if not (self.late and self.keep and self.failure is None):
            return
        for index, cell in self.active.items():
            task = cell.task
            if task.done() and not task.cancelled():
                self._settle(index, task)
            elif self.collect:
                self.results[index] = self._not_finished()
        self._count_the_unstarted()

    def _count_the_unstarted(self) -> None:
        """One Outcome for each item that had not started; an endless source has no such items."""
        if self.items is None or isinstance(self.source, Endless) or self.failure is not None:
            return
        for _item in self.items:
            self.count += 1
            if self.collect:
                self.results.append(self._not_finished())

    def _not_finished(self) -> Outcome[Any]:
        return Outcome(
            "timeout",
            None,
            DeadlineError(f"not finished when the {self.timeout_s:g} s of ot.parallel were over"),
        )


def _status(error: BaseException, task: asyncio.Task[Any]) -> Status:
    if task.cancelled():
        return "cancelled"
    return "timeout" if isinstance(error, DeadlineError) else "error"


def _finish_span(span: Span, task: asyncio.Task[Any]) -> None:
    if task.cancelled():
        span.finish(error=asyncio.CancelledError())
    elif (error := task.exception()) is not None:
        span.finish(error=error)
    else:
        span.finish(task.result())


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
    """All at once, at most `max_concurrency` of them running; the values in the order given.

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
    return _Once(source) if isinstance(source, Iterator | AsyncIterator) else source


def _unpack(value: object) -> str:
    return ". Unpack it: ot.parallel(*list)" if isinstance(value, list | tuple | set | frozenset) else ""
