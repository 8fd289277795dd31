"""How does one step run once: with its state, its attempts, its bound and its handler of errors?"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from onetwo_like.core.combinators import FINAL
from onetwo_like.core.evaluation import Node
from onetwo_like.core.events import StepFinished, StepStarted, emit_retrying
from onetwo_like.core.executable import Executable
from onetwo_like.core.registry import Scope, scope_in_force
from onetwo_like.core.trace import Span
from onetwo_like.errors import DeadlineError
from onetwo_like.flows.messages import in_step
from onetwo_like.flows.places import Arrival, Place
from onetwo_like.flows.step import Step

if TYPE_CHECKING:
    from onetwo_like.flows.engine import WorkflowRun


class Activation:
    """A step that runs for some events, in a place. `visits` counts it, too, if it is in a loop."""

    __slots__ = (
        "arrivals",
        "attempt",
        "ended",
        "handled",
        "lineage",
        "place",
        "received",
        "run",
        "sends",
        "sent",
        "step",
        "task",
        "visits",
    )

    def __init__(
        self,
        run: WorkflowRun,
        step: Step,
        arrivals: list[Arrival],
        place: Place,
        visits: dict[Step, int],
        lineage: bytes,
    ) -> None:
        self.run = run
        self.step = step
        self.arrivals = arrivals
        self.place = place
        self.visits = visits
        self.lineage = lineage
        self.attempt = 1
        self.ended = False
        self.handled = False  # whether its error was, so that it may end without an event
        self.received = 0
        self.sends = 0
        self.sent: list[object] | None = None  # where it is kept
        self.task: asyncio.Task[None] | None = None

    @property
    def event(self) -> Any:
        """The event that it runs for; a tuple of them if it is a join."""
        events = tuple([arrival.event for arrival in self.arrivals])
        return events[0] if len(events) == 1 else events

    async def value(self) -> Any:
        """What the step returns; called once, in a task of its own."""
        in_step.set(self)
        step, scope = self.step, self.run.scope
        if self.visits and (visit := self.visits.get(step, 1) - 1):
            scope = scope.but(sample_path=(*scope.sample_path, f"{step.name} {visit}"))
            scope_in_force.set(scope)
        if scope.watch is not None:
            return await self._watched(scope)
        if step.guarded:
            return await self._guarded(scope)
        value = await self._called()
        return await _final(value) if isinstance(value, Node) else value

    async def _watched(self, scope: Scope) -> Any:
        watch, name = scope.watch, self.step.name
        assert watch is not None
        inputs = self._events() if watch.tracing else None
        span = Span(name, scope.span, scope.sample_path, inputs, watch.tracing)
        scope = scope.but(span=span)
        scope_in_force.set(scope)
        watch.publish(StepStarted(name, origin=span))
        try:
            value = await (self._guarded(scope) if self.step.guarded else _after(self._called()))
        except BaseException as error:
            span.finish(error=error)
            watch.publish(StepFinished(name, error=error, origin=span))
            raise
        span.finish(value)
        watch.publish(StepFinished(name, value, origin=span))
        return value

    async def _guarded(self, scope: Scope) -> Any:
        options = self.step.options
        label = "inner " * scope.retries + "retry"
        retries = scope.retries + (options.retry > 1)
        while True:
            path = scope.sample_path
            if self.attempt > 1:
                path = (*path, f"{label} {self.attempt - 1}")
            scope_in_force.set(scope.but(retries=retries, sample_path=path))
            try:
                return await self._bounded()
            except Exception as error:
                if isinstance(error, FINAL):
                    raise
                failure = error
            if self.attempt == options.retry:
                break
            self.attempt += 1
            emit_retrying(self.attempt, failure, 0.0)
        if options.on_error is None:
            raise failure
        scope_in_force.set(scope)
        self.handled = True
        return await _final(options.on_error(failure, self.event))

    async def _bounded(self) -> Any:
        seconds = self.step.options.timeout
        if seconds is None:
            return await _after(self._called())
        try:
            async with asyncio.timeout(seconds) as bound:
                return await _after(self._called())
        except TimeoutError:
            if not bound.expired():
                raise
        raise DeadlineError(f"step {self.step.name} did not finish within {seconds:g} s")

    def _called(self) -> Awaitable[Any]:
        """What to await for what the function returns: for an async one its own coroutine, which costs least."""
        step = self.step
        if step.is_async:
            coroutine: Awaitable[Any] = step.function(**self._arguments())
            return coroutine
        if step.options.thread:
            return asyncio.to_thread(self._in_thread)
        return self._inline()

    async def _inline(self) -> Any:
        return await _final(self.step.function(**self._arguments()))

    def _in_thread(self) -> Any:
        try:
            return self.step.function(**self._arguments())
        except StopIteration as error:  # a future cannot hold one, and who waits for it would wait for ever
            raise RuntimeError(f"{self.step.name} raised StopIteration") from error

    def _arguments(self) -> dict[str, Any]:
        given = self._events()
        if self.step.state is not None:
            given["state"] = self.run.state(self.step.state)
        return given

    def _events(self) -> dict[str, Any]:
        """The events by the parameters that take them."""
        step, arrivals = self.step, self.arrivals
        if len(arrivals) == 1:
            return {step.slots[0].name: arrivals[0].event}
        return {slot.name: arrival.event for slot, arrival in zip(step.slots, arrivals, strict=True)}


async def _after(called: Awaitable[Any]) -> Any:
    return await _final(await called)


async def _final(value: Any) -> Any:
    """What an executable or another awaitable stands for."""
    while isinstance(value, Executable) or inspect.isawaitable(value):
        value = await value
    return value
