"""How do many small writes, from many tasks and threads, become few durable ones?

One thread takes whatever has gathered while it was busy and commits it at once; on the other side, what the
tasks of an event loop ask for in one tick is handed over, and acknowledged, as one batch.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from typing import TypeAlias

from onetwo_like.errors import CacheError
from onetwo_like.middleware.store import Entries, Store, Written

_Job: TypeAlias = "tuple[Entries, Written]"


class WriterThread:
    """Runs `commit` for all that was submitted meanwhile, and `leave` before it pauses or ends.

    Both run only on this thread. `commit` gets the entries in the order of submission and returns, for
    each, the error that kept it from being durable.
    """

    def __init__(
        self, commit: Callable[[Entries], Sequence[CacheError | None]], leave: Callable[[], None]
    ) -> None:
        self._queue: SimpleQueue[_Job | _Pause | None] = SimpleQueue()
        self._pause: _Pause | None = None
        self._thread = threading.Thread(
            target=_work, args=(self._queue, commit, leave), name="onetwo-like cache writer", daemon=True
        )
        self._thread.start()

    def submit(self, entries: Entries) -> Written:
        written: Written = Future()
        written.set_running_or_notify_cancel()  # so that nobody can cancel what is on its way to the disk
        self._queue.put((entries, written))
        return written

    def pause(self) -> None:
        """Return once everything submitted is committed and `leave` was called; `resume` follows."""
        if threading.current_thread() is self._thread:
            return
        self._pause = _Pause()
        self._queue.put(self._pause)
        while not self._pause.reached.wait(0.05) and self._thread.is_alive():
            pass  # it may have been asked to end before, and then it never gets there

    def resume(self) -> None:
        if self._pause is not None:
            self._pause.over.set()
            self._pause = None

    def close(self) -> None:
        """Commit everything submitted, and end the thread."""
        self._queue.put(None)
        # The last reference to a store may go in a callback, and so on the thread itself.
        if threading.current_thread() is not self._thread:
            self._thread.join()


class _Pause:
    def __init__(self) -> None:
        self.reached = threading.Event()
        self.over = threading.Event()


def _work(
    queue: SimpleQueue[_Job | _Pause | None],
    commit: Callable[[Entries], Sequence[CacheError | None]],
    leave: Callable[[], None],
) -> None:
    while True:
        jobs: list[_Job] = []
        message = queue.get()
        while isinstance(message, tuple):
            jobs.append(message)
            if queue.empty():
                break
            message = queue.get()
        if jobs:
            _commit_jobs(jobs, commit)
        jobs.clear()  # a thread that waits keeps its variables, and with them the last batch
        if message is None:
            leave()
            return
        if isinstance(message, _Pause):
            leave()
            message.reached.set()
            message.over.wait()
        message = None


def _commit_jobs(jobs: list[_Job], commit: Callable[[Entries], Sequence[CacheError | None]]) -> None:
    entries = jobs[0][0] if len(jobs) == 1 else [entry for batch, _ in jobs for entry in batch]
    try:
        errors = commit(entries)
    except Exception as error:  # noqa: BLE001  (a writer that died would leave everybody waiting)
        for _, written in jobs:
            written.set_exception(error)
        return
    start = 0
    for batch, written in jobs:
        written.set_result(list(errors[start : start + len(batch)]))
        start += len(batch)


class DurableWrites:
    """The writes of one event loop to a store: make one per loop, and drop it with the loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._gathered: list[tuple[str, bytes | None]] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._afterwards: list[Callable[[BaseException | None], None] | None] = []

    def put(
        self, key: str, value: bytes | None, afterwards: Callable[[BaseException | None], None] | None = None
    ) -> asyncio.Future[None]:
        """Done when the entry is durable, or has its CacheError; cancelling it does not stop the writing.

        `afterwards` is called then with the error, on any thread, also if the loop was closed meanwhile.
        """
        future: asyncio.Future[None] = self._loop.create_future()
        if not self._waiting:
            self._loop.call_soon(self._hand_over)
        self._gathered.append((key, value))
        self._waiting.append(future)
        self._afterwards.append(afterwards)
        return future

    def _hand_over(self) -> None:
        entries, self._gathered = self._gathered, []
        waiting, self._waiting = self._waiting, []
        afterwards, self._afterwards = self._afterwards, []
        try:
            written = self._store.write(entries)
        except CacheError as error:
            _call_all(afterwards, [error] * len(waiting))
            _settle(waiting, [error] * len(waiting))
            return

        def tell_loop(written: Written) -> None:
            errors = _errors_of(written, len(waiting))
            _call_all(afterwards, errors)
            with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile, and with it who waited
                self._loop.call_soon_threadsafe(_settle, waiting, errors)

        written.add_done_callback(tell_loop)


def _errors_of(written: Written, n: int) -> Sequence[BaseException | None]:
    error = written.exception()
    return written.result() if error is None else [error] * n


def _call_all(
    calls: list[Callable[[BaseException | None], None] | None], errors: Sequence[BaseException | None]
) -> None:
    for call, error in zip(calls, errors, strict=True):
        if call is not None:
            call(error)


def _settle(waiting: list[asyncio.Future[None]], errors: Sequence[BaseException | None]) -> None:
    for future, error in zip(waiting, errors, strict=True):
        if future.done():
            continue
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
