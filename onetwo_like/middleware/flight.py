"""How do identical calls that are made at once become one?

The call runs in a task of its own, counted by its users: one caller's time-out leaves it, the last
one cancels it, and once the reply has arrived its writing cannot be cancelled.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from onetwo_like.core.evaluation import Cell, Escaped, join
from onetwo_like.core.events import Retrying, RunEvent, TextDelta, Watch
from onetwo_like.core.registry import Scope, scope_in_force
from onetwo_like.middleware.recorded import Recorded

Answer: TypeAlias = tuple[Recorded, bool]
"""A reply, and whether no call was made for it."""


class Flight:
    """One call on its way, and everybody on this event loop who waits for it."""

    def __init__(self, call: Callable[[], Coroutine[Any, Any, Answer]], name: str) -> None:
        self._watching: list[Scope] = []
        self._texts: list[str] = []
        task = asyncio.get_running_loop().create_task(self._lead(call), name=name)
        self.cell = Cell(task)

    async def _lead(self, call: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        scope = scope_in_force.get()
        if scope.watch is not None and scope.watch.streaming:
            scope_in_force.set(scope.but(watch=Watch(self._publish, False, None)))
        try:
            return await call()
        except (SystemExit, KeyboardInterrupt) as error:
            raise Escaped(error) from None  # in a task it would end the loop, which has others to serve

    async def join(self) -> Answer:
        """The reply, waited for as one more user; raises what the call raised."""
        scope = scope_in_force.get()
        watching = scope.watch is not None and scope.watch.streaming
        if watching:
            for text in self._texts:  # who comes late gets what it missed
                _deliver(TextDelta(text), scope)
            self._watching.append(scope)
        try:
            await join([self.cell])
            answer: Answer = self.cell.task.result()
            return answer
        finally:
            if watching:
                self._watching.remove(scope)

    def when_over(self, then: Callable[[], object]) -> None:
        """Calls this when the call has ended, one way or another."""
        self.cell.task.add_done_callback(lambda _task: then())

    @property
    def joinable(self) -> bool:
        """Whether the call still runs and has not been given up."""
        return not self.cell.abandoned and not self.cell.task.done()

    def _publish(self, event: object) -> None:
        if isinstance(event, TextDelta):
            self._texts.append(event.text)
        elif isinstance(event, Retrying):
            self._texts.clear()  # void: they belong to the attempt that failed
        for scope in self._watching:
            _deliver(event, scope)


def _deliver(event: object, scope: Scope) -> None:
    """Hands an event of the shared call to one of its users, as coming from that user's own call."""
    watch, span = scope.watch, scope.span
    assert watch is not None
    if span is not None and isinstance(event, TextDelta | Retrying):
        span.streamed = isinstance(event, TextDelta)
    watch.publish(dataclasses.replace(event, origin=span) if isinstance(event, RunEvent) else event)
