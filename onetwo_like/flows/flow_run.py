"""How does a flow run: each step once, from the moment its last input is ready?"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, Protocol

from onetwo_like.core.evaluation import (
    Evaluation,
    Kind,
    Node,
    cancelled_inside,
    shown_arguments,
    stop,
)
from onetwo_like.core.events import StepFinished, StepStarted
from onetwo_like.core.outcome import Outcome
from onetwo_like.core.registry import Scope, scope_in_force, scoped
from onetwo_like.core.trace import Span
from onetwo_like.errors import DeadlineError, ProgramError, RunCancelled
from onetwo_like.flows.flow_steps import Step, note_where

# What ends a step is raised where the flow was called, as it is. A GeneratorExit is not: it is about the coroutine.
_ERRORS = (Exception, SystemExit, KeyboardInterrupt)


class Plan(Protocol):
    """What a run needs to know of a flow."""

    @property
    def steps(self) -> Mapping[str, Step]:
        """The steps by name."""
        ...

    @property
    def sources(self) -> Mapping[str, tuple[str, ...]]:
        """For each step, the steps and inputs that it takes a value from."""
        ...

    @property
    def waiting(self) -> Mapping[str, int]:
        """For each step, how many other steps it waits for."""
        ...

    @property
    def users(self) -> Mapping[str, Iterable[str]]:
        """For each step and input, the steps that take its value."""
        ...

    @property
    def keeps(self) -> bool:
        """Whether a failure stops only what is behind it."""
        ...


class FlowRun:
    """One run of a flow. Nothing of it is kept on the flow, so any number may go on at once.

    `inputs` may be executables, which run in the evaluation `outer`; `path` is where the flow is a step.
    """

    def __init__(self, flow: Plan, inputs: Mapping[str, Any], outer: Evaluation, path: str = "") -> None:
        self.flow = flow
        self.outer = outer
        self.evaluation = Evaluation()
        self.prefix = f"{path}/" if path else ""
        self.loop = asyncio.get_running_loop()
        self.scope = scope_in_force.get()
        self.context = contextvars.copy_context()
        self.values = dict(inputs)
        self.waiting = dict(flow.waiting)
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.over: asyncio.Future[None] = self.loop.create_future()
        self.failure: BaseException | None = None
        self.failures: dict[str, BaseException] = {}

    async def run(self) -> dict[str, Any]:
        """The value of every step by name; where the flow keeps failures, its Outcome."""
        programs = {name: value for name, value in self.values.items() if isinstance(value, Node)}
        for name in programs:
            del self.values[name]
            for user in self.flow.users[name]:
                self.waiting[user] += 1
        try:
            for name, node in programs.items():
                self._start(name, self._input(name, node))
            for name in [name for name, count in self.waiting.items() if count == 0]:
                self._start(name, self._step(name))
            await self.over
        finally:
            if self.tasks:
                await stop(list(self.tasks.values()))
        if self.failure is not None:
            raise self.failure
        if self.flow.keeps:
            return {name: self._outcome(name) for name in self.flow.steps}
        return {name: self.values[name] for name in self.flow.steps}

    def _start(self, name: str, body: Coroutine[Any, Any, None]) -> None:
        # In the context of the flow's call: a step is started by the task of another, and must not see what that
        # has set. Not by `create_task`, which first makes up a name.
        self.tasks[name] = asyncio.Task(body, loop=self.loop, name=name, context=self.context.copy())

    # How a step ends. Its task itself says so, and starts what has waited for it: a callback of the
    # task would do that one turn of the loop later.

    def _made(self, name: str, value: Any) -> None:
        if self.over.done():
            return
        self.values[name] = value
        del self.tasks[name]
        waiting = self.waiting
        for user in self.flow.users[name]:
            waiting[user] -= 1
            if waiting[user] == 0:
                self._start(user, self._step(user))
        if not self.tasks:
            self.over.set_result(None)

    def _failed(self, name: str, error: BaseException) -> None:
        if self.over.done():
            return
        del self.tasks[name]
        if self.flow.keeps and isinstance(error, Exception) and not isinstance(error, ProgramError):
            self.failures[name] = error
        else:
            self.failure = error
        if self.failure is not None or not self.tasks:
            self.over.set_result(None)

    # What a step does

    async def _step(self, name: str) -> None:
        step = self.flow.steps[name]
        try:
            if self.scope.watch is None:
                value = await step.run(self, name)
            else:
                value = await self._watched(name, step)
        except asyncio.CancelledError:
            if self.over.done():
                raise  # the whole run is being stopped
            self._failed(name, cancelled_inside(self.tasks[name]))
        except _ERRORS as error:
            if isinstance(error, Exception):
                note_where(error, self.prefix + name)
            self._failed(name, error)
        else:
            self._made(name, value)

    async def _watched(self, name: str, step: Step) -> Any:
        scope = self.scope
        watch = scope.watch
        assert watch is not None
        values = self.values
        inputs = {need.source: values[need.source] for need in step.needs if need.source in values}
        span = Span(name, scope.span, scope.sample_path, inputs, watch.tracing)
        scope_in_force.set(scope.but(span=span))  # the task's own, so nobody needs it put back
        watch.publish(StepStarted(name, origin=span))
        try:
            value = await step.run(self, name)
        except BaseException as error:
            span.finish(error=error)
            watch.publish(StepFinished(name, error=error, origin=span))
            raise
        span.finish(value)
        watch.publish(StepFinished(name, value, origin=span))
        return value

    async def _input(self, name: str, node: Node) -> None:
        try:
            value = await self.outer.value(node)
        except asyncio.CancelledError:
            raise  # of the whole run: a program that cancels itself is a RunCancelled
        except _ERRORS as error:
            if isinstance(error, Exception):
                error.add_note(f"in the input {name} of a flow")
            self._failed(name, error)
        else:
            self._made(name, value)

    # Outcomes

    def _outcome(self, name: str) -> Outcome[Any]:
        if name in self.values:
            return Outcome("ok", self.values[name])
        error = self.failures.get(name)
        if error is None:
            return Outcome("cancelled", None, self._not_begun(name))
        if isinstance(error, RunCancelled):
            return Outcome("cancelled", None, error)
        return Outcome("timeout" if isinstance(error, DeadlineError) else "error", None, error)

    def _not_begun(self, name: str) -> RunCancelled:
        """Why a step has not run: what failed before it."""
        source = name
        while source not in self.failures:
            source = next(
                s for s in self.flow.sources[source] if s not in self.values and s in self.flow.users
            )
        error = RunCancelled(f"step {self.prefix}{name} did not run, because {source} before it failed")
        error.__cause__ = self.failures[source]
        return error


class _Called(Kind):
    """A call of a flow; its value is a dict."""

    name = "flow"
    control = True

    async def run(self, args: tuple[Any, ...], evaluation: Evaluation) -> Any:
        flow, names, values = args
        inputs = dict(zip(names, values, strict=True))
        scope = scope_in_force.get()
        if scope.watch is None:
            return await FlowRun(flow, inputs, evaluation).run()
        return await self._watched(scope, flow, inputs, evaluation)

    async def _watched(self, scope: Scope, flow: Plan, inputs: dict[str, Any], evaluation: Evaluation) -> Any:
        assert scope.watch is not None
        span = Span(self.name, scope.span, scope.sample_path, inputs, scope.watch.tracing)
        with scoped(span=span):
            try:
                value = await FlowRun(flow, inputs, evaluation).run()
            except BaseException as error:
                span.finish(error=error)
                raise
        span.finish(value)
        return value

    def shown(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> str:
        _, names, values = args
        return f"flow({shown_arguments((), dict(zip(names, values, strict=True)))})"


CALLED = _Called()
