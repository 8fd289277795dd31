"""How does one step run once: with its state, its attempts, its bound and its handler of errors?"""

from __future__ import annotations

import asyncio
import inspect
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
        self.sent: list[object] = []
        self.task: asyncio.Task[None] | None = None

    @property
    def event(self) -> Any:
        """The event that it runs for; a tuple of them if it is a join."""
        events = tuple([arrival.event for arrival in self.arrivals])
        return events[0] if len(events) == 1 else events

    async def value(self) -> Any:
        """What the step returns; called once, in a task of its own."""
        in_step.set(self)
        scope = self.run.scope
        visit = self.visits.get(self.step, 1) - 1
        if visit:
            scope = scope.but(sample_path=(*scope.sample_path, f"{self.step.name} {visit}"))
            scope_in_force.set(scope)
        if scope.watch is not None:
            return await self._watched(scope)
        return await self._guarded(scope)

    async def _watched(self, scope: Scope) -> Any:
        watch, name = scope.watch, self.step.name
        assert watch is not None
        inputs = ((), self._arguments()) if watch.tracing else None
        span = Span(name, scope.span, scope.sample_path, inputs, watch.tracing)
        scope = scope.but(span=span)
        scope_in_force.set(scope)
        watch.publish(StepStarted(name, origin=span))
        try:
            value = await self._guarded(scope)
        except BaseException as error:
            span.finish(error=error)
            watch.publish(StepFinished(name, error=error, origin=span))
            raise
        span.finish(value)
        watch.publish(StepFinished(name, value, origin=span))
        return value

    async def _guarded(self, scope: Scope) -> Any:
        options = self.step.options
        if options.retry == 1 and options.on_error is None:
            return await self._bounded()
        label = "inner " * scope.retries + "retry"
        while True:
            path = scope.sample_path
            if self.attempt > 1:
                path = (*path, f"{label} {self.attempt - 1}")
            scope_in_force.set(scope.but(retries=scope.retries + 1, sample_path=path))
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
            return await self._called()
        try:
            async with asyncio.timeout(seconds) as bound:
                return await self._called()
        except TimeoutError:
            if not bound.expired():
                raise
        raise DeadlineError(f"step {self.step.name} did not finish within {seconds:g} s")

    async def _called(self) -> Any:
        step = self.step
        if step.is_async:
            value = await step.function(**self._arguments())
            return await _final(value) if isinstance(value, Node) else value
        if step.options.thread:
            return await asyncio.to_thread(self._in_thread)
        return await _final(step.function(**self._arguments()))

    def _in_thread(self) -> Any:
        try:
            return self.step.function(**self._arguments())
        except StopIteration as error:  # a future cannot hold one, and who waits for it would wait for ever
            raise RuntimeError(f"{self.step.name} raised StopIteration") from error

    def _arguments(self) -> dict[str, Any]:
        step = self.step
        given = {slot.name: arrival.event for slot, arrival in zip(step.slots, self.arrivals, strict=True)}
        if step.state is not None:
            given["state"] = self.run.state(step.state)
        return given


async def _final(value: Any) -> Any:
    """What an executable or another awaitable stands for."""
    while isinstance(value, Executable) or inspect.isawaitable(value):
        value = await value
    return value
