"""How do calls that are made at the same time become one call of a model that takes many?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import TypeAlias

from onetwo_like.core.request import Handler, Reply, Request
from onetwo_like.errors import UsageError
from onetwo_like.middleware.per_loop import PerLoop

BatchHandler: TypeAlias = Callable[[list[Request]], Awaitable[Sequence[Reply | Exception]]]


def batch(
    handler: BatchHandler,
    *,
    max_size: int,
    max_wait_s: float = 0.0,
    alike: Callable[[Request], Hashable] = lambda request: None,
) -> Handler:
    """A handler of one request that has `handler` answer many at once: one Reply or exception each, in order.

    A batch goes as soon as it is full, or `max_wait_s` after its first request came; with 0, when
    everything that is ready to run has asked. Only requests whose `alike` is equal share a batch. An
    exception in the list is that request's own. If the handler itself raises, each request of the
    batch is asked again alone, so that one does not spoil the others.

    >>> async def shout(requests):
    ...     return [Reply(request.values[0].upper()) for request in requests]
    >>> handler = batch(shout, max_size=8)
    """
    if isinstance(max_size, bool) or not isinstance(max_size, int) or max_size < 1:
        raise UsageError(f"batch takes max_size as a whole number of at least 1, not {max_size!r}")
    if not max_wait_s >= 0:
        raise UsageError(f"batch takes max_wait_s as a number of seconds of at least 0, not {max_wait_s!r}")
    open_batches: PerLoop[dict[Hashable, _Batch]] = PerLoop(dict)

    async def batched(request: Request) -> Reply:
        here, kind = open_batches.here(), alike(request)
        collecting = here.get(kind)
        if collecting is None:
            collecting = here[kind] = _Batch(handler, lambda: here.pop(kind))
            collecting.go_within(max_wait_s)
        answer = collecting.join(request)
        if len(collecting) >= max_size:
            collecting.go()
        try:
            return await answer
        finally:
            collecting.leave(request, answer)

    return batched


class _Batch:
    """Requests that are collected, and then answered in one call."""

    def __init__(self, handler: BatchHandler, closed: Callable[[], object]) -> None:
        self._handler = handler
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[Request, asyncio.Future[Reply]]] = []
        self._timer: asyncio.Handle | None = None
        self._call: asyncio.Task[None] | None = None
        self._gone = False

    def __len__(self) -> int:
        return len(self._waiting)

    def go_within(self, seconds: float) -> None:
        """Has the batch go so much later, whatever has come by then."""
        if seconds:
            self._timer = self._loop.call_later(seconds, self.go)
        else:
            self._timer = self._loop.call_soon(self.go)

    def join(self, request: Request) -> asyncio.Future[Reply]:
        """Adds a request; what it will be answered."""
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self._waiting.append((request, answer))
        return answer

    def leave(self, request: Request, answer: asyncio.Future[Reply]) -> None:
        """Takes back a request that nobody waits for; what was asked for nobody at all is cancelled."""
        if not answer.cancelled():
            return
        if not self._gone:
            self._waiting = [each for each in self._waiting if each[1] is not answer]
        elif self._call is not None and all(other.done() for _, other in self._waiting):
            self._call.cancel()

    def go(self) -> None:
        """Asks, and takes nobody any more."""
        if self._gone:
            return
        self._gone = True
        assert self._timer is not None
        self._timer.cancel()
        self._closed()
        if self._waiting:
            self._call = self._loop.create_task(self._ask(), name=f"batch of {len(self)}")

    async def _ask(self) -> None:
        try:
            await self._together(self._waiting)
        except asyncio.CancelledError:
            for _, answer in self._waiting:
                answer.cancel()
            raise

    async def _together(self, asked: list[tuple[Request, asyncio.Future[Reply]]]) -> None:
        try:
            answers = await self._handler([request for request, _ in asked])
        except Exception as error:  # noqa: BLE001  (it is raised where it was asked for)
            if len(asked) == 1:
                _answer(asked[0][1], error)
                return
            for each in asked:
                if not each[1].done():
                    await self._together([each])
            return
        if len(answers) != len(asked):
            problem = f"a batch of {len(asked)} requests was answered by {len(answers)} replies"
            answers = [UsageError(f"{problem}: return one for each, in order") for _ in asked]
        for (_, future), answer in zip(asked, answers, strict=True):
            _answer(future, answer)


def _answer(future: asyncio.Future[Reply], answer: Reply | Exception) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(answer)
