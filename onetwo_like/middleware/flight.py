"""How do identical calls that are made at once become one?

The call runs in a task of its own, counted by its users: one caller's time-out leaves it, the last
one cancels it, and once the reply has arrived its writing cannot be cancelled.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from onetwo_like.core.evaluation import Cell, Escaped, leave, raise_failure
from onetwo_like.core.events import Retrying, RunEvent, TextDelta, Watch
from onetwo_like.core.registry import Scope, scope_in_force
from onetwo_like.middleware.leads import Lead
from onetwo_like.middleware.recorded import Recorded

Answer: TypeAlias = tuple[Recorded, bool]
"""A reply, and whether no call was made for it."""


class Flight:
    """One call on its way, and everybody on this event loop who waits for it.

    `lead` is the right to make the call, until the reply is handed on to be written; None while another has it.
    """

    def __init__(
        self,
        call: Callable[[Flight], Coroutine[Any, Any, Answer]],
        name: str,
        lead: Lead | None,
        when_over: Callable[[Flight], None],
    ) -> None:
        self.lead = lead
        self._watching: list[Scope] = []
        self._texts: list[str] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._when_over = when_over
        self._loop = asyncio.get_running_loop()
        task = self._loop.create_task(self._made(call), name=name)
        task.add_done_callback(self._over)
        self.cell = Cell(task)

    async def _made(self, call: Callable[[Flight], Coroutine[Any, Any, Answer]]) -> Answer:
        scope = scope_in_force.get()
        if scope.watch is not None and scope.watch.streaming:
            scope_in_force.set(scope.but(watch=Watch(self._publish, False, None)))
        try:
            return await call(self)
        except (SystemExit, KeyboardInterrupt) as error:
            raise Escaped(error) from None  # in a task it would end the loop, which has others to serve

    def _over(self, task: asyncio.Task[Answer]) -> None:
        self._when_over(self)
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    async def join(self) -> Answer:
        """The reply, waited for as one more user; raises what the call raised."""
        cell = self.cell
        scope = scope_in_force.get()
        watching = scope.watch is not None and scope.watch.streaming
        if watching:
            for text in self._texts:  # who comes late gets what it missed
                _deliver(TextDelta(text), scope)
            self._watching.append(scope)
        # As `join` of core.evaluation does for nodes, with one callback for the whole flight.
        waiting = self._loop.create_future()
        self._waiting.append(waiting)
        cell.users += 1
        try:
            await waiting
        finally:
            if watching:
                self._watching.remove(scope)
            await leave([cell])
        raise_failure(cell.task)
        answer: Answer = cell.task.result()
        return answer

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
