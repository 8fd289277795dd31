"""How does an event reach whoever waits for one of its type, from any thread, in whichever order they come?"""

from __future__ import annotations

import asyncio
import threading
from typing import Any


class Inbox:
    """Events that were sent, and those who wait for one; an event that nobody waits for is kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: list[object] = []
        self._waiting: list[tuple[tuple[type, ...], asyncio.Future[Any]]] = []

    def send(self, event: object, *, again: bool = False) -> None:
        """Gives the event to the first who waits for its type, or keeps it; first of all if it was sent before."""
        with self._lock:
            waiting = next((each for each in self._waiting if isinstance(event, each[0])), None)
            if waiting is None:
                self._kept.insert(0 if again else len(self._kept), event)
                return
            self._waiting.remove(waiting)
        answer = waiting[1]
        loop = answer.get_loop()
        if _is_running_here(loop):
            self._deliver(event, answer)
        else:
            loop.call_soon_threadsafe(self._deliver, event, answer)

    def wait(self, kinds: tuple[type, ...], answer: asyncio.Future[Any]) -> None:
        """Gives the future the first event of these types, at once if one was kept."""
        with self._lock:
            for i, event in enumerate(self._kept):
                if isinstance(event, kinds):
                    answer.set_result(self._kept.pop(i))
                    return
            self._waiting.append((kinds, answer))

    def forget(self, answer: asyncio.Future[Any]) -> None:
        """Whoever waited with this future does not any more."""
        with self._lock:
            self._waiting = [waiting for waiting in self._waiting if waiting[1] is not answer]

    def _deliver(self, event: object, answer: asyncio.Future[Any]) -> None:
        if answer.done():  # it was cancelled, or answered from elsewhere, while the event was on its way
            self.send(event, again=True)
        else:
            answer.set_result(event)


def _is_running_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
