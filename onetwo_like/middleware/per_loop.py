"""What is kept once per event loop?

A client, a semaphore or a lock belongs to the loop that first used it and breaks on any other, but a
program may run on several: the background loop of `ot.run`, a notebook's, those of `asyncio.run`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One value for each event loop, made on first use there, dropped after the loop has closed.

    >>> locks = PerLoop(asyncio.Lock)
    >>> async def mine():
    ...     return locks.here() is locks.here()
    >>> asyncio.run(mine())
    True
    """

    def __init__(self, make: Callable[[], T], abandon: Callable[[T], None] | None = None) -> None:
        self._make = make
        self._abandon = abandon  # called with the value of a loop that has closed
        # Weak keys would never go: what is kept usually refers to its loop.
        self._kept: dict[asyncio.AbstractEventLoop, T] = {}

    def here(self) -> T:
        """The value of the loop that is running."""
        loop = asyncio.get_running_loop()
        try:
            return self._kept[loop]
        except KeyError:
            self.drop_closed()
            value = self._kept[loop] = self._make()
            return value

    def drop_closed(self) -> None:
        """Forgets the values of loops that have closed; from any thread."""
        for loop in self.loops():
            if loop.is_closed() and (value := self._kept.pop(loop, None)) is not None and self._abandon:
                self._abandon(value)

    def loops(self) -> tuple[asyncio.AbstractEventLoop, ...]:
        """The loops that have a value; from any thread."""
        return tuple(self._kept)

    def of(self, loop: asyncio.AbstractEventLoop) -> T | None:
        """The value of a loop; from any thread."""
        return self._kept.get(loop)
