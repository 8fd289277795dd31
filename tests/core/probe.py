"""How does a test hold a body where it wants it, and know whether it still runs?"""

import asyncio

from onetwo_like import ot


class Probe:
    """A body that waits until `go` is set; it notes when it begins, and when it has stopped.

    `cleanup_s` is how long it takes to stop after it was cancelled. `error` is raised in the place of `value`.
    """

    def __init__(self, value=None, *, error=None, cleanup_s=0.0, go=False):
        self.value, self.error, self.cleanup_s = value, error, cleanup_s
        self.calls = self.running = self.cancelled = 0
        self.begun, self.go = asyncio.Event(), asyncio.Event()
        if go:
            self.go.set()

    async def body(self):
        self.calls += 1
        self.running += 1
        self.begun.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            if self.cleanup_s:
                await asyncio.sleep(self.cleanup_s)
            raise
        finally:
            self.running -= 1
        if self.error is not None:
            raise self.error
        return self.value

    def __call__(self):
        """The body as an executable, a new node each time."""
        return ot.make_executable(self.body)()
