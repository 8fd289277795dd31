"""How are the events of a run read while it runs, by several readers, from threads or coroutines?"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any, Generic, TypeVar

from onetwo_like.core.checkpoint import Checkpoint
from onetwo_like.core.evaluation import PATIENCE_S, Escaped, stop
from onetwo_like.core.events import Dropped, Watch
from onetwo_like.core.executable import Executable, require_executable
from onetwo_like.core.inbox import Inbox
from onetwo_like.core.progress import print_step
from onetwo_like.core.registry import Scope, scope_in_force
from onetwo_like.core.run import (
    INTERRUPT_PATIENCE_S,
    Folder,
    Run,
    refuse_nested,
    supervised,
    watched_scope,
)
from onetwo_like.core.trace import Span
from onetwo_like.errors import RunCancelled, UsageError

T = TypeVar("T")
# How many events a reader takes at a time: enough to make the lock cheap.
_BATCH = 512


class EventLog:
    """The last `buffer` events of a run, in emission order; written by one thread, read by any."""

    def __init__(self, buffer: int) -> None:
        self._buffer = buffer
        self._most = 2 * buffer
        self._events: list[object] = []
        self._gone = 0  # how many were trimmed from the front
        self._trimming = threading.Lock()
        self._waiting: set[Callable[[], None]] = set()
        self.ended = False

    def append(self, event: object) -> None:
        """Adds an event, and wakes who waits for one."""
        events = self._events
        events.append(event)
        if len(events) >= self._most:
            with self._trimming:  # half at a time, so that a trim costs nothing per event
                surplus = len(self._events) - self._buffer
                del self._events[:surplus]
                self._gone += surplus
        if self._waiting:
            self._wake()

    def end(self) -> None:
        """No more events will come."""
        self.ended = True
        self._wake()

    def _wake(self) -> None:
        while True:
            try:
                wake = self._waiting.pop()
            except KeyError:  # not `while self._waiting`: a body in a thread may be waking them, too
                return
            wake()

    def read(self, position: int) -> tuple[list[object], int]:
        """Events from a position on, with one Dropped in the place of those that are lost; the next position."""
        with self._trimming:
            total = self._gone + len(self._events)
            oldest = max(self._gone, total - self._buffer)
            start = max(position, oldest)
            batch = self._events[start - self._gone : start - self._gone + _BATCH]
        if start > position:
            batch = [Dropped(start - position), *batch]
            return batch, start + len(batch) - 1
        return batch, start + len(batch)

    def when_more(self, position: int, wake: Callable[[], None]) -> bool:
        """Calls `wake` once when there is more after the position; False if there is already."""
        self._waiting.add(wake)
        if self.ended or self._gone + len(self._events) > position:
            self._waiting.discard(wake)
            return False
        return True


class Stream(Generic[T]):
    """A run and its events; see `ot.stream`."""

    def __init__(
        self,
        e: Executable[T],
        only: type | tuple[type, ...] | None,
        buffer: int,
        checkpoint: Checkpoint | None = None,
        sinks: tuple[Callable[[Any], None], ...] = (),
        tracing: bool = False,
    ) -> None:
        self._e = e
        self._sinks = sinks
        self._tracing = tracing
        self._root: Span | None = None
        self._checkpoint = checkpoint
        self._inbox = Inbox()
        self._wanted: Any = object if only is None else (only, Dropped)
        self._log = EventLog(buffer)
        self._run: Run | None = None
        self._task: asyncio.Task[T] | None = None

    # From code that is not async

    def __enter__(self) -> Stream[T]:
        refuse_nested("with ot.stream(e)", "async with ot.stream(e)")
        self._refuse_twice()
        self._run = Run(self._e, self._scope(), self._ended)
        self._run.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_exc: object) -> None:
        assert self._run is not None
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt)
        if not self._run.ended:
            self._run.cancel_and_wait(INTERRUPT_PATIENCE_S if interrupted else PATIENCE_S)

    def __iter__(self) -> Iterator[Any]:
        if self._run is None and self._task is None:
            with self:
                yield from self._events()
                self.result  # noqa: B018  (a failure is raised where the stream was read)
            return
        yield from self._events()

    def _events(self) -> Iterator[Any]:
        position, wanted = 0, self._wanted
        while True:
            ended = self._log.ended  # before reading: what is appended later is read in the next round
            batch, position = self._log.read(position)
            for event in batch:
                if isinstance(event, wanted):
                    yield event
            if batch:
                continue
            if ended:
                return
            more = threading.Event()
            if self._log.when_more(position, more.set):
                more.wait()

    @property
    def trace(self) -> Span:
        """The tree of spans so far, of a stream with `enable_tracing=True`."""
        if not self._tracing or self._root is None:
            raise UsageError("there is no trace: write `with ot.stream(e, enable_tracing=True) as events:`")
        return self._root

    @property
    def result(self) -> T:
        """The value of the run, waited for; raises what the run raised."""
        if self._run is not None:
            value: T = self._run.result()
            return value
        if self._task is None:
            raise UsageError("the stream has not started: write `with ot.stream(e) as events:`")
        if not self._task.done():
            raise UsageError(
                "the run has not ended, and waiting here would hold the event loop; `await events`"
            )
        return _value(self._task)

    # From coroutines

    async def __aenter__(self) -> Stream[T]:
        self._refuse_twice()
        body = _kept(self._e, self._scope())
        self._task = asyncio.get_running_loop().create_task(body, name=self._e.kind.name)
        self._task.add_done_callback(self._end)
        return self

    def _end(self, task: asyncio.Task[T]) -> None:
        if not task.cancelled():
            task.exception()
        self._ended()

    async def __aexit__(self, *_exc: object) -> None:
        assert self._task is not None
        if not self._task.done():
            await stop([self._task])

    async def __aiter__(self) -> AsyncIterator[Any]:
        if self._run is None and self._task is None:
            async with self:
                async for event in self._events_async():
                    yield event
                await self
            return
        async for event in self._events_async():
            yield event

    async def _events_async(self) -> AsyncIterator[Any]:
        loop = asyncio.get_running_loop()
        position, wanted = 0, self._wanted
        while True:
            ended = self._log.ended
            batch, position = self._log.read(position)
            for event in batch:
                if isinstance(event, wanted):
                    yield event
            if batch:
                continue
            if ended:
                return
            more = asyncio.Event()
            if self._log.when_more(position, _waker(loop, more)):
                await more.wait()

    def __await__(self) -> Generator[Any, None, T]:
        return self._value_async().__await__()

    async def _value_async(self) -> T:
        if self._run is not None:
            return await asyncio.to_thread(self._run.result)
        if self._task is None:
            async with self:
                return await self._value_async()
        await asyncio.wait([self._task])
        return _value(self._task)

    # From both

    def send(self, event: object) -> None:
        """Answers an `ot.receive` of the run with an event; kept for the next one of its type if none waits."""
        self._inbox.send(event)

    def _scope(self) -> Scope:
        scope, self._root = watched_scope(scope_in_force.get(), self._log.append, self._tracing)
        for sink in self._sinks:
            scope = scope.but(watch=Watch(sink, False, scope.watch))
        return scope.but(inbox=self._inbox, checkpoint=self._checkpoint or scope.checkpoint)

    def _ended(self) -> None:
        task = self._task if self._run is None else self._run.task
        if self._root is not None and self._root.parent is None and task is not None:
            try:
                self._root.finish(_value(task))
            except BaseException as error:  # noqa: BLE001  (whatever ended the run; it is raised where it is read)
                self._root.finish(error=error)
        if self._checkpoint is not None:
            self._checkpoint.close()
        self._log.end()

    def _refuse_twice(self) -> None:
        if self._run is not None or self._task is not None:
            raise UsageError("this stream has already been started; call ot.stream(e) again for another run")


def _waker(loop: asyncio.AbstractEventLoop, more: asyncio.Event) -> Callable[[], None]:
    """What sets the event, whichever thread the news comes from."""

    def wake() -> None:
        try:
            here = asyncio.get_running_loop() is loop
        except RuntimeError:
            here = False
        if here:
            more.set()
        else:
            with contextlib.suppress(RuntimeError):  # the reader's loop has been closed: nobody reads on
                loop.call_soon_threadsafe(more.set)

    return wake


async def _kept(e: Executable[T], scope: Any) -> T:
    try:
        value: T = await supervised(e, scope)
        return value
    except (SystemExit, KeyboardInterrupt) as error:
        raise Escaped(error) from None


def _value(task: asyncio.Task[T]) -> T:
    if task.cancelled():
        raise RunCancelled(f"the run of {task.get_name()} was cancelled before it had a value")
    error = task.exception()
    if isinstance(error, Escaped):
        raise error.inner
    if error is not None:
        raise error
    return task.result()


def stream(
    e: Executable[T],
    *,
    only: type | tuple[type, ...] | None = None,
    buffer: int = 100_000,
    checkpoint: Folder | None = None,
    enable_tracing: bool = False,
    on_event: Callable[[Any], None] | None = None,
    verbose: bool = False,
) -> Stream[T]:
    """Executes a program and gives its events while it runs, then its value as `.result`.

    A context manager and an iterator, in both their plain and their `async` forms; leaving the
    block early cancels the run. Any number of readers see every event in emission order, each
    from the oldest one kept; `only` filters by class. A slow reader never holds up the run: one
    that falls more than `buffer` events behind loses the oldest, and sees one `Dropped(count)`.
    `.send(event)` answers an `ot.receive`, from any thread. `checkpoint`, `on_event` and `verbose` are as
    for `ot.run`; with `enable_tracing=True` the tree of spans is `.trace`.

    >>> from onetwo_like import ot
    >>> @ot.make_executable
    ... async def count():
    ...     for i in range(3):
    ...         yield i
    >>> with ot.stream(count()) as events:
    ...     [event.value for event in events if isinstance(event, ot.Update)]
    [0, 1, 2]
    >>> events.result
    2
    """
    require_executable(e, "ot.stream")
    try:
        isinstance(None, object if only is None else only)
    except TypeError:
        raise UsageError(f"ot.stream takes only as a class or a tuple of classes, not {only!r:.80}") from None
    if not isinstance(buffer, int) or isinstance(buffer, bool) or buffer < 1:
        raise UsageError(f"ot.stream takes buffer as a number of events, at least 1, not {buffer!r}")
    if on_event is not None and not callable(on_event):
        raise UsageError(f"ot.stream takes on_event as a function of the event, not {on_event!r:.60}")
    sinks = (*([on_event] if on_event is not None else []), *([print_step] if verbose else []))
    kept = None if checkpoint is None else Checkpoint(checkpoint)
    return Stream(e, only, buffer, kept, sinks, enable_tracing)
