"""How does a test hold a model in the middle of its answer?"""

import asyncio


class Holding:
    """A model that writes two pieces, the second only after `go_on`, from whichever thread."""

    def __init__(self, first="first ", last="last"):
        self.first, self.last = first, last
        self.calls = 0
        self.ended = False
        self._go: asyncio.Event
        self._loop: asyncio.AbstractEventLoop

    async def write(self, prompt):
        """The answer, piece by piece."""
        self.calls += 1
        self._loop, self._go = asyncio.get_running_loop(), asyncio.Event()
        yield self.first
        await self._go.wait()
        self.ended = True
        yield self.last

    def go_on(self):
        """Lets the answer be finished."""
        self._loop.call_soon_threadsafe(self._go.set)
