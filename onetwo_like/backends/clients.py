"""Which client serves this event loop, and who closes it?

A provider's client holds connections that belong to one loop: used from another, it fails with "Event
loop is closed". So there is one for each loop. It is closed when its loop ends, when its backend is no
longer used, or when the process exits, whichever comes first.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Generic, TypeVar

# Imported first, so that its exit handler, which stops the background loop, runs after ours.
import onetwo_like.core.loop  # noqa: F401
from onetwo_like.middleware.per_loop import PerLoop

C = TypeVar("C")
_CLOSING_S = 1.0


class Clients(Generic[C]):
    """One client for each event loop, made by `connect` on first use there, closed by `close`.

    `close` must not refer to whoever owns this, or they would keep each other alive.
    """

    def __init__(self, connect: Callable[[], Awaitable[C]], close: Callable[[C], Awaitable[None]]) -> None:
        self._connect = connect
        self._close = close
        self._connections: PerLoop[_Connection[C]] = PerLoop(_Connection)
        self._opened: list[_Connection[C]] = []
        weakref.finalize(self, _close_soon, self._opened).atexit = False

    async def here(self) -> C:
        """The client of the loop that is running; of many first calls, one makes it and the others wait."""
        connection = self._connections.here()
        if connection.client is None:
            async with connection.lock:
                if connection.client is None:
                    client = await self._connect()
                    await connection.open(client, self._close)
                    self._opened[:] = [*(c for c in self._opened if c in _open), connection]
        assert connection.client is not None
        return connection.client


class _Connection(Generic[C]):
    """The client of one loop, once there is one, and the generator that closes it."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.lock = asyncio.Lock()
        self.client: C | None = None
        self._keeper: AsyncGenerator[None, None] | None = None

    async def open(self, client: C, close: Callable[[C], Awaitable[None]]) -> None:
        """Keeps the client until it is closed."""
        for other in list(_open):
            if other.loop.is_closed():
                _open.discard(other)
        self._keeper = self._kept(client, close)
        await anext(self._keeper)
        _open.add(self)
        self.client = client

    async def _kept(self, client: C, close: Callable[[C], Awaitable[None]]) -> AsyncGenerator[None, None]:
        """Closes the client when it is closed itself.

        `asyncio.run` closes, before it ends, every asynchronous generator that was started on its
        loop. Nothing else is told that a loop ends.
        """
        try:
            yield
        finally:
            _open.discard(self)
            await close(client)

    async def close(self) -> None:
        """Closes the client; on its loop."""
        if self._keeper is not None:
            await self._keeper.aclose()


# Open clients are referred to from here: the connections of one that is merely forgotten would complain.
_open: set[_Connection[Any]] = set()
_closing: set[asyncio.Task[None]] = set()


def _close_soon(connections: list[_Connection[Any]]) -> None:
    """Closes the clients of an owner that has gone, each on its loop; called from any thread."""
    for connection in connections:
        if connection in _open and not connection.loop.is_closed():
            connection.loop.call_soon_threadsafe(_start_closing, connection)


def _start_closing(connection: _Connection[Any]) -> None:
    task = connection.loop.create_task(connection.close(), name="close client")
    _closing.add(task)  # a loop itself refers to its tasks only weakly
    task.add_done_callback(_closing.discard)


def _close_all() -> None:
    """Closes the clients of loops that still run, when the process exits."""
    for connection in list(_open):
        if connection.loop.is_running():
            closing = asyncio.run_coroutine_threadsafe(connection.close(), connection.loop)
            with contextlib.suppress(TimeoutError):
                closing.result(_CLOSING_S)


atexit.register(_close_all)
# A child process has its parent's sockets, which are not its to close, and none of its threads.
os.register_at_fork(after_in_child=_open.clear)
