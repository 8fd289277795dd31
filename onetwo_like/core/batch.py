"""How is a batch kept going until all its items have ended, or one has failed?"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterator, Sized
from typing import Any

from onetwo_like.core.evaluation import (
    Cell,
    Escaped,
    Evaluation,
    Node,
    cancelled_inside,
    shortened,
    stop,
)
from onetwo_like.core.events import ItemFinished, Progress, RunEvent
from onetwo_like.core.executable import Executable, described
from onetwo_like.core.outcome import Outcome, Status
from onetwo_like.core.registry import Scope, scope_in_force
from onetwo_like.core.sampling import Endless
from onetwo_like.core.trace import Span
from onetwo_like.errors import (
    BudgetExceeded,
    ConsumedError,
    DeadlineError,
    ProgramError,
    RunCancelled,
    UsageError,
)

# Where the result of an item will be: None may be one.
_NOTHING = object()

# How long after the deadline a lazy source is asked for the items that were never started.
REST_PATIENCE_S = 0.25


class Once:
    """An iterator, which a second run would find empty."""

    def __init__(self, iterator: Any) -> None:
        self._shown = shortened(iterator)
        self._left = [iterator]

    def take(self) -> Any:
        try:
            return self._left.pop()  # one step, so that two threads cannot both have it
        except IndexError:
            raise ConsumedError(
                "ot.parallel was given an iterator, which an earlier run has consumed. "
                "Pass a list unpacked, ot.parallel(*items), to run it again."
            ) from None

    def __repr__(self) -> str:
        return self._shown


class Batch:
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
        self.done = 0
        self.total: int | None = None
        self.exhausted = False
        self.late = False
        # Once a budget is spent no item is started, but those under way may end: they have been paid for.
        self.spent: BudgetExceeded | None = None
        self.failed: dict[int, Outcome[Any]] = {}
        self.failure: BaseException | None = None
        self.room: asyncio.Future[None] | None = None  # an async source waits here for a free place
        self.items: Iterator[Any] | None = None
        # The source goes on in one context, which is not that of the items: a generator may hold a
        # RegistryContext open across its yields, and must be able to close it.
        self.context = contextvars.copy_context()

    async def run(self) -> Any:
        source = self.source.take() if isinstance(self.source, Once) else self.source
        pump = None
        self.total = len(source) if isinstance(source, Sized) else None
        self._tell(Progress, 0, self.total)
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
            await self._stop_the_rest(pump)
        if self.late and (self.keep or self.spent is not None) and self.failure is None:
            self._settle_the_late()
        if (self.late and self.keep) or self.spent is not None:
            await self._take_the_rest()
        if self.failure is not None:
            raise self.failure.inner if isinstance(self.failure, Escaped) else self.failure
        if self.spent is not None:
            self.spent.outcomes = self._outcomes(self.spent)
            raise self.spent
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
                item = self.context.run(next, items)
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
                if self.exhausted:  # it went on although it was told to stop
                    break
                self.context.run(self._start, item)
                while len(self.active) >= self.limit:
                    self.room = self.loop.create_future()
                    await self.room
            self.exhausted = True
        except BaseException as error:
            if self.over.done():
                raise
            self._fail(error)
        finally:
            if isinstance(items, AsyncGenerator):
                await items.aclose()
        self._check()

    def _start(self, item: Any) -> None:
        index = self.count
        self.count += 1
        if self.collect:
            self.results.append(_NOTHING)
        if not isinstance(item, Executable):
            self._fail(UsageError(f"ot.parallel takes executables, and item {index} is {described(item)}"))
            return
        span = None
        if self.scope.watch is None:
            cell = self.evaluation.cell(item)
        else:
            span, cell = self._watched_cell(item, index)
        cell.users += 1
        self.active[index] = cell
        cell.task.add_done_callback(functools.partial(self._ended, index, span))

    def _watched_cell(self, item: Node, index: int) -> tuple[Span, Cell]:
        """The item's cell, started under a span of its own."""
        scope = self.scope
        tracing = scope.watch is not None and scope.watch.tracing
        span = Span(f"parallel[{index}]", scope.span, scope.sample_path, None, tracing)
        context = contextvars.copy_context()
        return span, context.run(self._cell_in, scope.but(span=span, batched=True), item)

    def _cell_in(self, scope: Scope, item: Node) -> Cell:
        scope_in_force.set(scope)
        return self.evaluation.cell(item)

    # Ending

    def _ended(self, index: int, span: Span | None, task: asyncio.Task[Any]) -> None:
        if span is not None:
            _finish_span(span, task)
        if self.over.done():
            if not task.cancelled():
                task.exception()  # seen: what is kept of it is settled when all have stopped
            return
        self.active.pop(index).users -= 1
        try:
            self._settle(index, task)
        except BaseException as error:  # noqa: BLE001  (of whoever watches: a callback has nobody else to tell)
            self._fail(error)
        if self.items is not None:
            self._fill()
        else:
            if self.room is not None and not self.room.done():
                self.room.set_result(None)
            self._check()

    def _settle(self, index: int, task: asyncio.Task[Any]) -> None:
        """Notes how an item ended, or that its failure ends the whole."""
        if task.cancelled():
            error: BaseException | None = cancelled_inside(task)
        else:
            error = task.exception()
        if error is None:
            self._note(index, Outcome("ok", task.result()) if self.keep else task.result())
        elif isinstance(error, BudgetExceeded):
            self.spent = self.spent or error
            self.exhausted = True
            self._note(index, Outcome("error", None, error), failed=True)
        elif (self.keep or self.spent is not None) and not isinstance(error, Escaped | ProgramError):
            self._note(index, Outcome(_status(error, task), None, error), failed=True)
        else:
            self._fail(error)

    def _note(self, index: int, result: Any, failed: bool = False) -> None:
        """Keeps an item's result, an Outcome or a value (which may be an Outcome), and tells whoever watches."""
        self.done += 1
        if failed and not self.keep:
            self.failed[index] = result
        elif self.collect:
            self.results[index] = result
        if self.scope.watch is not None and self.scope.watch.telling:
            self._tell(ItemFinished, index, result if self.keep or failed else Outcome("ok", result))
            self._tell(Progress, self.done, self.total)

    def _tell(self, event: type[RunEvent], *fields: Any) -> None:
        """Tells whoever watches; of progress, only as the outermost `parallel`."""
        watch = self.scope.watch
        if watch is not None and watch.telling and not (event is Progress and self.scope.batched):
            watch.publish(event(*fields, origin=self.scope.span))

    def _fail(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            error = RunCancelled("the iterable given to ot.parallel was cancelled from inside")
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

    async def _stop_the_rest(self, pump: asyncio.Task[None] | None) -> None:
        """Cancels what is still active, closes the source, and waits for both."""
        self.exhausted = True
        left: list[asyncio.Task[Any]] = [] if pump is None or pump.done() else [pump]
        for cell in self.active.values():
            cell.users -= 1
            if cell.users == 0 and not cell.task.done():
                cell.abandoned = True
                left.append(cell.task)
        if left:
            await stop(left)
        if isinstance(self.items, Generator) and (
            self.failure is not None or not (self.late or self.spent is not None)
        ):
            self.context.run(self.items.close)

    def _settle_the_late(self) -> None:
        """After the deadline: a value that has arrived is kept; what was under way was late."""
        for index, cell in self.active.items():
            if cell.task.done() and not cell.task.cancelled():
                self._settle(index, cell.task)
            else:
                self._note(index, self._not_finished(), failed=True)

    async def _take_the_rest(self) -> None:
        """Notes the items that were never started, as far as they are there at once."""
        if self.items is None or isinstance(self.source, Endless):
            return  # nobody knows what more there would have been
        patience_over = time.perf_counter() + REST_PATIENCE_S
        for _item in self.items:
            if time.perf_counter() > patience_over and not isinstance(self.source, Sized):
                return  # a generator may be slow, or have no end, and the time is up
            if self.collect:
                self.results.append(_NOTHING)
            if self.spent is None:
                self._note(self.count, self._not_finished(), failed=True)
            self.count += 1
            if self.count % 1_000 == 0:
                await asyncio.sleep(0)  # there may be a million: others run meanwhile, and may cancel this

    def _outcomes(self, spent: BudgetExceeded) -> list[Outcome[Any]]:
        """One per item, after the budget was spent; those that had not ended are told so."""
        missing: Outcome[Any] = Outcome("error", None, spent)
        found = []
        for index, result in enumerate(self.results):
            if index in self.failed:
                found.append(self.failed[index])
            elif result is _NOTHING:
                found.append(missing)
            else:
                found.append(result if self.keep else Outcome("ok", result))
        return found

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
