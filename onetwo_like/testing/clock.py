"""How do tests wait for seconds without waiting?"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")


class FakeClock:
    """An event loop's time that jumps to the next thing that is due, instead of passing.

    Everything that waits by asyncio (`asyncio.sleep`, time-outs, retries, deadlines of `ot.parallel`)
    waits by this clock inside `run`, in the order in which it would have happened.

    >>> clock = FakeClock()
    >>> async def a_long_day():
    ...     await asyncio.sleep(86_400)
    ...     return "done"
    >>> clock.run(a_long_day())
    'done'
    >>> clock.time()
    86400.0
    """

    def __init__(self, start: float = 0.0) -> None:
        self._now = start

    def time(self) -> float:
        """Seconds on this clock."""
        return self._now

    async def sleep(self, seconds: float) -> None:
        """`asyncio.sleep`, to be passed where a sleep function is taken."""
        await asyncio.sleep(seconds)

    def run(self, awaitable: Awaitable[T]) -> T:
        """Executes a coroutine or an executable on an event loop of its own, under this clock."""

        async def main() -> T:
            return await awaitable

        with asyncio.Runner(loop_factory=lambda: _JumpingLoop(self)) as runner:
            return runner.run(main())


class _JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        super().__init__(_JumpingSelector(clock))

    def time(self) -> float:
        return self._clock.time()

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Waits for the threads, without the time-out of Python 3.12 and later: by this clock it is over at once."""
        await super().shutdown_default_executor()


class _JumpingSelector(selectors.DefaultSelector):
    """Waits for nothing but what has no due time: a thread, or a socket."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._fake = clock

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            return super().select(None)
        ready = super().select(0)
        if not ready and timeout > 0:
            self._fake._now += timeout
        return ready
