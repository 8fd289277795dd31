"""How is a program executed from code that is not async, and watched while it runs?"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, overload

from onetwo_like.core.checkpoint import Checkpoint
from onetwo_like.core.evaluation import PATIENCE_S, Escaped, Node, evaluate
from onetwo_like.core.events import RunFinished, RunStarted, Watch
from onetwo_like.core.executable import Executable, require_executable
from onetwo_like.core.loop import background_loop, process_is_exiting
from onetwo_like.core.progress import Bar, print_step
from onetwo_like.core.registry import Scope, scope_in_force, scoped
from onetwo_like.core.trace import Span
from onetwo_like.errors import NestedRunError, ProgramError, RunCancelled, UsageError

if TYPE_CHECKING:
    from onetwo_like.core.plan import Plan

T = TypeVar("T")
Folder: TypeAlias = "str | os.PathLike[str]"

# How long a Ctrl-C waits for what runs below it to stop.
INTERRUPT_PATIENCE_S = 0.5


@overload
def run(
    e: Executable[T],
    *,
    on_event: Callable[[Any], None] | None = ...,
    progress: bool | None = ...,
    verbose: bool = ...,
    checkpoint: Folder | None = ...,
) -> T: ...
@overload
def run(
    e: Executable[T],
    *,
    enable_tracing: Literal[True],
    on_event: Callable[[Any], None] | None = ...,
    progress: bool | None = ...,
    verbose: bool = ...,
    checkpoint: Folder | None = ...,
) -> tuple[T, Span]: ...
@overload
def run(e: Executable[T], *, dry_run: Literal[True]) -> Plan: ...
@overload
def run(
    e: Executable[T],
    *,
    enable_tracing: bool = ...,
    on_event: Callable[[Any], None] | None = ...,
    progress: bool | None = ...,
    verbose: bool = ...,
    dry_run: bool = ...,
    checkpoint: Folder | None = ...,
) -> Any: ...
def run(
    e: Executable[T],
    *,
    enable_tracing: bool = False,
    on_event: Callable[[Any], None] | None = None,
    progress: bool | None = None,
    verbose: bool = False,
    dry_run: bool = False,
    checkpoint: Folder | None = None,
) -> Any:
    """Executes a program and returns its value; works in scripts, notebook cells and threads.

    With `enable_tracing=True` returns (value, trace), a tree of spans; what is raised carries it as
    `.trace`. `on_event` is called with every event, on the event loop's thread. Interrupting it
    (Ctrl-C) cancels the program and everything below it; what had been answered is in the cache.
    `progress` shows a bar: by default on a terminal or in a notebook, once a run lasts over 2 s.
    `verbose=True` prints each step of a flow with its output as it ends. With `checkpoint`, the path
    of a folder, the steps of workflows are kept there: run again, also after a crash, it continues.
    `dry_run=True` makes no call and returns an `ot.Plan`: what would be asked, and for how much.

    Raises NestedRunError inside an executable, where `await` belongs, and RunCancelled if the
    program cancels itself.

    >>> from onetwo_like import ot
    >>> ot.run(ot.make_executable(lambda: 42)())
    42
    """
    require_executable(e, "ot.run")
    if on_event is not None and not callable(on_event):
        raise UsageError(f"ot.run takes on_event as a function of the event, not {on_event!r:.60}")
    refuse_nested("ot.run(e)", "await e")
    if dry_run:
        return _planned(e)
    if checkpoint is not None:
        with contextlib.closing(Checkpoint(checkpoint)) as kept, scoped(checkpoint=kept):
            return run(
                e, enable_tracing=enable_tracing, on_event=on_event, progress=progress, verbose=verbose
            )
    scope = scope_in_force.get()
    bar = Bar.wanted(progress)
    if not enable_tracing and on_event is None and bar is None and not verbose:
        return Run(e, scope).result()
    watched, root = watched_scope(scope, on_event, enable_tracing)
    for sink in ([bar.count] if bar is not None else []) + ([print_step] if verbose else []):
        watched = watched.but(watch=Watch(sink, False, watched.watch, texts=False))
    try:
        if bar is None:
            value = Run(e, watched).result()
        else:
            with bar:
                value = Run(e, watched).result(bar)
    except BaseException as error:
        root.finish(error=error)
        if enable_tracing:
            error.trace = root  # type: ignore[attr-defined]  # what a failed run did is worth as much
        raise
    root.finish(value)
    return (value, root) if enable_tracing else value


def _planned(e: Executable[Any]) -> Plan:
    """What the program would ask: it runs against a stand-in, and spends and keeps nothing."""
    from onetwo_like.core.plan import Planner

    planner = Planner()
    # A watch that nobody looks through: what watches a run outside does not see this one.
    scope = scope_in_force.get().entered().but(plan=planner, budget=None, checkpoint=None, watch=None)
    try:
        Run(e, scope).result()
    except (ProgramError, RunCancelled):
        raise
    except Exception as error:  # noqa: BLE001  (a body may raise anything at an answer that says nothing)
        return planner.plan(error)
    return planner.plan(None)


def refuse_nested(written: str, instead: str) -> None:
    """Raises NestedRunError inside an executable."""
    try:
        on_background = asyncio.get_running_loop() is background_loop()
    except RuntimeError:
        on_background = False
    if on_background or scope_in_force.get().inside:
        raise NestedRunError(f"{written} inside an executable would wait for itself; write `{instead}` here")


def watched_scope(scope: Scope, sink: Callable[[Any], None] | None, tracing: bool) -> tuple[Scope, Span]:
    """The scope of a run that begins now, with somebody watching, and the span it is in: the outer run's, or a root."""
    watch = Watch(sink, tracing, scope.watch)
    span = scope.span or Span("", None, scope.sample_path, None, tracing)
    return scope.entered().but(watch=watch, span=span), span


async def supervised(e: Node, scope: Scope) -> Any:
    """Executes a program in a scope, between RunStarted and RunFinished if somebody watches."""
    scope_in_force.set(scope.entered())
    watch = scope.watch
    if watch is None or not watch.telling:
        return await evaluate(e)
    watch.publish(RunStarted(origin=scope.span))
    try:
        value = await evaluate(e)
    except BaseException as error:
        watch.publish(RunFinished(error, origin=scope.span))
        raise
    watch.publish(RunFinished(origin=scope.span))
    return value


class Run:
    """A program being executed on the background loop, waited for from another thread."""

    def __init__(self, e: Node, scope: Scope, on_end: Callable[[], None] | None = None) -> None:
        self._e = e
        self._scope = scope.entered()  # the registry is taken now, not when the loop gets to it
        self._on_end = on_end
        self._ended = threading.Event()
        self._started = False
        self._task: asyncio.Task[Any] | None = None
        self._loop = background_loop()

    def start(self) -> None:
        """Hands the program to the loop; an interrupt from here on cancels it."""
        try:
            self._started = True
            self._loop.call_soon_threadsafe(self._start, context=contextvars.copy_context())
        except BaseException:  # Ctrl-C comes at any moment, also before anybody waits
            self.cancel_and_wait(INTERRUPT_PATIENCE_S)
            raise

    def _start(self) -> None:
        if self._ended.is_set():
            return
        self._task = self._loop.create_task(_contained(self._e, self._scope), name=self._e.kind.name)
        self._task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[Any] | None) -> None:
        if task is not None and not task.cancelled():
            task.exception()
        if process_is_exiting():
            return  # a daemon thread that waits for this would wake up to complain
        self._ended.set()
        if self._on_end is not None:
            self._on_end()

    @property
    def ended(self) -> bool:
        """Whether the program has ended, one way or another."""
        return self._ended.is_set()

    @property
    def task(self) -> asyncio.Task[Any] | None:
        """The task of the program, once the loop has begun it."""
        return self._task

    def cancel(self) -> None:
        """Asks the program to stop."""
        self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is None:  # the interrupt came before the program did, which will not come any more
            self._end(None)
        elif not self._task.done():
            self._task.cancel()

    def wait(self, seconds: float | None = None) -> bool:
        """Waits until the program has ended, at most so long; whether it has."""
        return self._ended.wait(seconds)

    def cancel_and_wait(self, seconds: float = PATIENCE_S) -> None:
        """Cancels, waits so long for all to stop, and names what has not."""
        self.cancel()
        if not self.wait(seconds):
            # The loop has the tasks of other runs, too; those of this one have been told to stop.
            tasks = asyncio.all_tasks(self._loop)
            running = sorted({t.get_name() for t in tasks if t.cancelling() and not t.done()})
            warnings.warn(
                f"still running {seconds:g} s after being cancelled: {', '.join(running)}. "
                "A body that catches CancelledError must raise it again.",
                RuntimeWarning,
                stacklevel=3,
            )

    def result(self, bar: Bar | None = None) -> Any:
        """Waits for the value, and starts the program if that has not happened; raises what it raised."""
        try:
            if not self._started:
                self.start()
            while not self._ended.wait(None if bar is None else bar.next_s):
                assert bar is not None
                bar.draw()
        except BaseException:  # Ctrl-C, or whatever a signal handler raises
            self.cancel_and_wait(INTERRUPT_PATIENCE_S)
            raise
        task = self._task
        if task is None or task.cancelled():
            raise RunCancelled(f"the run of {self._e.kind.name} was cancelled before it had a value")
        error = task.exception()
        if isinstance(error, Escaped):
            raise error.inner
        if error is not None:
            raise error
        return task.result()


async def _contained(e: Node, scope: Scope) -> Any:
    try:
        return await supervised(e, scope)
    except (SystemExit, KeyboardInterrupt) as error:
        raise Escaped(error) from None
