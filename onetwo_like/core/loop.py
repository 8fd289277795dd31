"""Where does a synchronous `run` execute, and who says when that loop is held up?

One background thread with one event loop serves the whole process: `asyncio.run` cannot be
used in a notebook cell, and a provider's client breaks when two loops share it.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import selectors
import sys
import threading
import time
import warnings
from types import FrameType
from typing import Any

# Holding the loop longer than this is worth a warning.
HOLDING_S = 0.25
# How often the watchdog looks at a loop whose turn takes longer than this.
LOOK_S = 0.05
# At exit, what still runs has this long to stop.
EXIT_PATIENCE_S = 0.5

# Functions under thread=True that run at once, at most: as many as `ot.parallel` has items by default.
THREADS = 1_000

_lock = threading.Lock()
_exiting = threading.Event()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None


def background_loop() -> asyncio.AbstractEventLoop:
    """The process's event loop, started on first use, and anew after a fork."""
    global _loop, _thread
    with _lock:
        if _loop is None:
            from concurrent.futures import ThreadPoolExecutor

            selector = _WatchedSelector()
            loop = asyncio.SelectorEventLoop(selector)
            # Else there are six on two cores, however many functions under thread=True a batch starts.
            loop.set_default_executor(ThreadPoolExecutor(THREADS, "onetwo-like-body"))
            started = threading.Event()
            thread = threading.Thread(target=_serve, args=(loop, started), name="onetwo-like", daemon=True)
            thread.start()
            started.wait()
            selector.watch(thread)
            _loop, _thread = loop, thread  # last: an interrupt before this leaves nothing half made
        return _loop


def holds_background_loop() -> bool:
    """Whether this code runs on the background loop's thread, which its own watchdog looks after."""
    return threading.current_thread() is _thread


def process_is_exiting() -> bool:
    """Whether the background loop is being ended because the process is."""
    return _exiting.is_set()


def _serve(loop: asyncio.AbstractEventLoop, started: threading.Event) -> None:
    asyncio.set_event_loop(loop)
    loop.call_soon(started.set)
    while not _exiting.is_set():
        # A SystemExit in a task that a body made by itself ends the loop, as does loop.stop().
        # Whoever awaits that task gets it; the loop has others to serve.
        with contextlib.suppress(SystemExit, KeyboardInterrupt):
            loop.run_forever()


def _forget() -> None:
    global _loop, _thread, _lock
    _loop = _thread = None
    _lock = threading.Lock()


def _stop_at_exit() -> None:
    _exiting.set()
    if _loop is not None and _thread is not None and _thread.is_alive():
        # What is left behind was named, or belongs to a thread that nobody waits for: no news of it any more.
        _loop.set_exception_handler(lambda _loop, _context: None)
        asyncio.run_coroutine_threadsafe(_cancel_all(_loop), _loop)
        _thread.join(timeout=2 * EXIT_PATIENCE_S)


async def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    """Lets everything that still runs clean up, for a while, before the loop ends."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=EXIT_PATIENCE_S)
    loop.stop()


if hasattr(os, "register_at_fork"):  # nothing forks on Windows
    os.register_at_fork(after_in_child=_forget)
atexit.register(_stop_at_exit)

_HANDLE_RUN = asyncio.Handle._run.__code__


class _WatchedSelector(selectors.DefaultSelector):
    """Notes when the loop waits in `select` and when it runs callbacks, at which a watchdog thread looks.

    The watchdog sleeps while the loop is idle, so waiting costs nothing. When one turn of the loop takes
    long, it looks which callback is executing: one that is seen for too long holds the loop. How long
    the turn is says nothing by itself, as a thousand short callbacks in a row hold up nobody.
    """

    def __init__(self) -> None:
        super().__init__()
        self._busy_since: float | None = None
        self._parked = False
        self._woken = threading.Event()
        self._never = threading.Event()
        self._thread: threading.Thread | None = None

    def select(self, timeout: float | None = None) -> Any:
        self._busy_since = None
        ready = super().select(timeout)
        self._busy_since = time.monotonic()
        if self._parked:
            self._parked = False
            self._woken.set()
        return ready

    def watch(self, thread: threading.Thread) -> None:
        """Starts the watchdog for the thread that runs this selector's loop."""
        self._thread = thread
        threading.Thread(target=self._look, name="onetwo-like-watchdog", daemon=True).start()

    def _look(self) -> None:
        seen: FrameType | None = None  # the callback under way, kept so that no other can have its identity
        since = 0.0
        named = False
        while self._thread is not None and self._thread.is_alive():
            busy_since = self._busy_since
            if busy_since is None:
                seen = None
                self._woken.clear()
                self._parked = True
                if self._busy_since is None:
                    self._woken.wait()
                continue
            left = busy_since + LOOK_S - time.monotonic()
            if left > 0:  # as nearly always
                seen = None
                self._never.wait(left)
                continue
            frame = sys._current_frames().get(self._thread.ident or 0)
            callback = _callback(frame)
            now = time.monotonic()
            if callback is None or callback is not seen:
                seen, since, named = callback, now, False
            elif frame is not None and not named and now - since >= HOLDING_S:
                named = True
                _warn(frame)
            del frame, callback  # they would keep the locals of what has ended alive while this sleeps
            self._never.wait(LOOK_S)


def _callback(frame: FrameType | None) -> FrameType | None:
    """The frame in which asyncio runs one callback, be it the step of a task or another."""
    while frame is not None and frame.f_code is not _HANDLE_RUN:
        frame = frame.f_back
    return frame


def _warn(frame: FrameType) -> None:
    """Names the function of the user's that the loop is in: the one that the library called last."""
    frames: list[FrameType] = []
    shown: FrameType | None = frame
    while shown is not None and not (frames and _is_plumbing(shown)):
        if not _is_plumbing(shown):
            frames.append(shown)
        shown = shown.f_back
    held = frames[-1] if frames else frame
    code = held.f_code
    message = (
        f"{code.co_name} ({os.path.basename(code.co_filename)}:{held.f_lineno}) holds the event loop for "
        f"over {HOLDING_S:g} s, and nothing else runs meanwhile. Await something that is async, or move "
        "the work to a function under @ot.make_executable(thread=True)."
    )
    try:
        warnings.warn(message, RuntimeWarning, stacklevel=1)
    except RuntimeWarning as warning:  # warnings are errors here; there is no caller to raise it to
        sys.stderr.write(f"RuntimeWarning: {warning}\n")


def _is_plumbing(frame: FrameType) -> bool:
    name: str = frame.f_globals.get("__name__", "")
    return name.startswith(("asyncio", "onetwo_like.core", "onetwo_like.flows", "selectors", "threading"))
