"""When may a call go, and how many may be under way at once?

    Pacer                    one for each account at a model in the process: its rates, and one queue
    ├── Lane                 one for each backend that uses it: its places
    └── Lane

The queue is on no event loop: calls of several loops and threads wait in it. Only its first call
watches the clock, on its own loop; it wakes the next when it goes. Calls that are made again stand
before those that have not been made, in the order they came.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import os
import threading
from collections.abc import Mapping
from typing import Any

from onetwo_like.core.events import emit_paced
from onetwo_like.core.registry import scope_in_force
from onetwo_like.core.request import Handler, Reply, Request
from onetwo_like.errors import RateLimitedError, TransientError
from onetwo_like.middleware.limits import limits_in
from onetwo_like.middleware.rates import Rates
from onetwo_like.middleware.retry import attempt_under_way

_CHARACTERS_PER_TOKEN = 4
_TOKENS_PER_FILE = 1_000


class Pacer:
    """The rates of one account at one model, and who waits for them; from any thread and loop."""

    def __init__(self, *, learns: bool = True) -> None:
        self._lock = threading.Lock()
        self._rates = Rates(learns=learns)
        self._order = itertools.count()
        self._lanes: dict[Lane, None] = {}  # in which somebody waits
        self._under_way = 0

    def lane(self, max_concurrency: int, *, rpm: float | None = None, tpm: float | None = None) -> Lane:
        """The places of one backend. Of the bounds given by several backends, the lowest hold for all."""
        if rpm is not None or tpm is not None:
            with self._lock:
                self._rates.bound(0.0, rpm=rpm, tpm=tpm)
        return Lane(self, max_concurrency)

    def learn(self, headers: Mapping[str, str]) -> None:
        """Hears what the headers of a reply say about limits; on the loop of the call."""
        requests, tokens = limits_in(headers)
        if requests is not None or tokens is not None:
            with self._lock:
                others = max(0, self._under_way - 1)
                self._rates.state(requests, tokens, others, asyncio.get_running_loop().time())
                self._wake_first()

    # The queue; all of this with the lock held

    def _first(self) -> _Waiter | None:
        first = None
        for lane in list(self._lanes):
            while lane.waiting and lane.waiting[0].left():
                heapq.heappop(lane.waiting)
            if not lane.waiting:
                del self._lanes[lane]
            elif lane.has_room() and (first is None or lane.waiting[0] < first):
                first = lane.waiting[0]
        most = self._rates.most_under_way
        return None if most is not None and self._under_way >= most else first

    def _wake_first(self) -> None:
        while (first := self._first()) is not None and not first.wake():
            first.gone = True  # its loop has closed

    def _goes(self, lane: Lane, loop: asyncio.AbstractEventLoop, tokens: float, now: float) -> None:
        self._rates.take(tokens, now)
        lane.under_way[loop] = lane.under_way.get(loop, 0) + 1
        self._under_way += 1

    def _comes_back(self, lane: Lane, loop: asyncio.AbstractEventLoop) -> None:
        if loop in lane.under_way:
            self._under_way -= 1
            lane.under_way[loop] -= 1
            if not lane.under_way[loop]:
                del lane.under_way[loop]


class Lane:
    """The places of one backend: a middleware. All handlers under one lane share its places.

    It belongs below the cache, so that a replayed reply never waits, and below the retries, so that a
    place is free while a failed call waits.
    """

    def __init__(self, pacer: Pacer, max_concurrency: int) -> None:
        self.pacer = pacer
        self.under_way: dict[asyncio.AbstractEventLoop, int] = {}
        self.waiting: list[_Waiter] = []
        self._places = max_concurrency

    def __call__(self, handler: Handler) -> Handler:
        async def paced(request: Request) -> Reply:
            return await self.call(handler, request)

        return paced

    async def call(self, handler: Handler, request: Request) -> Reply:
        """The handler's reply, when there is a place and the rates allow it."""
        pacer, loop = self.pacer, asyncio.get_running_loop()
        rates = pacer._rates
        size = size_of(request.values) if rates.counts_tokens else 0.0
        tokens = rates.tokens_of(size) if size else 0.0
        asked = loop.time()
        with pacer._lock:
            waits = bool(pacer._lanes) or not self._may_go(tokens, asked)
            if not waits:
                pacer._goes(self, loop, tokens, asked)
        if waits and await self._turn(loop, tokens):
            emit_paced(loop.time() - asked)
        sent_at = loop.time()
        try:
            reply = await handler(request)
        except TransientError as error:
            with pacer._lock:
                retry_after_s = getattr(error, "retry_after_s", None)
                if isinstance(error, RateLimitedError):
                    rates.refused(retry_after_s, sent_at, loop.time())
                elif retry_after_s is not None:
                    rates.pause(retry_after_s, loop.time())
            raise
        else:
            usage = reply.usage
            used = None if usage is None else (usage.input_tokens or 0) + (usage.output_tokens or 0)
            with pacer._lock:
                rates.answered(size=size, tokens=tokens, used=used, waited=waits, now=loop.time())
            return reply
        finally:
            with pacer._lock:
                pacer._comes_back(self, loop)
                pacer._wake_first()

    def has_room(self) -> bool:
        """Whether another call of this lane may be under way; with the pacer's lock held."""
        if sum(self.under_way.values()) < self._places:
            return True
        for loop in [loop for loop in self.under_way if loop.is_closed()]:
            self.pacer._under_way -= self.under_way.pop(loop)  # what it left will not come back
        return sum(self.under_way.values()) < self._places

    def _may_go(self, tokens: float, now: float) -> bool:
        rates = self.pacer._rates
        most = rates.most_under_way
        return (
            self.has_room()
            and (most is None or self.pacer._under_way < most)
            and rates.ready_in(tokens, now) <= 0
        )

    async def _turn(self, loop: asyncio.AbstractEventLoop, tokens: float) -> bool:
        """Waits until this call is the first of all, and may go; whether that took any time.

        It does not go if a budget was spent meanwhile, by those before it.
        """
        pacer, budget = self.pacer, scope_in_force.get().budget
        waiter = _Waiter(loop, first_time=attempt_under_way() == 1, place=next(pacer._order))
        with pacer._lock:
            heapq.heappush(self.waiting, waiter)
            pacer._lanes[self] = None
        if budget is not None:
            budget.wait(True)
        try:
            while True:
                wait_s = None
                with pacer._lock:
                    if pacer._first() is waiter:
                        pacer._rates.check_patience(loop.time())
                        if budget is not None:
                            budget.check()
                        wait_s = pacer._rates.ready_in(tokens, loop.time())
                        if wait_s <= 0:
                            waiter.gone = True
                            pacer._goes(self, loop, tokens, loop.time())
                            pacer._wake_first()
                            return waiter.woken is not None
                    woken = waiter.woken = loop.create_future()
                timer = None if wait_s is None else loop.call_later(wait_s, _set, woken)
                try:
                    await woken
                finally:
                    if timer is not None:
                        timer.cancel()
        finally:
            if budget is not None:
                budget.wait(False)
            if not waiter.gone:  # it was cancelled, or the budget is spent
                with pacer._lock:
                    waiter.gone = True
                    pacer._wake_first()


class _Waiter:
    """A call in the queue."""

    __slots__ = ("_loop", "_place", "gone", "woken")

    def __init__(self, loop: asyncio.AbstractEventLoop, *, first_time: bool, place: int) -> None:
        self._loop = loop
        self._place = (first_time, place)
        self.woken: asyncio.Future[None] | None = None
        self.gone = False

    def __lt__(self, other: _Waiter) -> bool:
        return self._place < other._place

    def left(self) -> bool:
        """Whether nobody waits here any more: it went, was cancelled, or its loop has closed."""
        return self.gone or self._loop.is_closed()

    def wake(self) -> bool:
        """Has it look again, on its loop; False if that has closed."""
        woken = self.woken
        if woken is None or woken.done():
            return not self._loop.is_closed()  # it is about to look anyway
        if asyncio._get_running_loop() is self._loop:
            _set(woken)
            return True
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(_set, woken)
            return True
        return False


def _set(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


def at_most(max_concurrency: int) -> Lane:
    """At most so many calls at once in the process; the others wait in the order they came."""
    return Pacer(learns=False).lane(max_concurrency)


_pacers: dict[tuple[str, ...], Pacer] = {}
_making = threading.Lock()


def shared_pacer(*whose: str) -> Pacer:
    """The one pacer of this process for a provider, its address, an account (never the key itself) and a model."""
    pacer = _pacers.get(whose)
    if pacer is None:
        with _making:
            pacer = _pacers.setdefault(whose, Pacer())
    return pacer


def _start_anew() -> None:
    """In a child process: its parent's queues and locks are not its own."""
    global _making
    _pacers.clear()
    _making = threading.Lock()


os.register_at_fork(after_in_child=_start_anew)


def size_of(value: Any) -> float:
    """Roughly how many tokens a request sends, by its characters.

    >>> size_of({"messages": [{"role": "user", "content": "What is the capital of France?"}]})
    8.5
    """
    if isinstance(value, str):
        return _TOKENS_PER_FILE if value.startswith("data:") else len(value) / _CHARACTERS_PER_TOKEN
    if isinstance(value, bytes):
        return _TOKENS_PER_FILE
    if isinstance(value, Mapping):
        return sum(map(size_of, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(size_of, value))
    return 0.0
