"""How does a flow run: each step once, from the moment its last input is ready?"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, Protocol

from onetwo_like.core.evaluation import (
    Escaped,
    Evaluation,
    Kind,
    Node,
    cancelled_inside,
    raise_failure,
    shown_arguments,
    stop,
)
from onetwo_like.core.events import StepFinished, StepStarted
from onetwo_like.core.outcome import Outcome
from onetwo_like.core.registry import Scope, scope_in_force, scoped
from onetwo_like.core.trace import Span
from onetwo_like.errors import DeadlineError, ProgramError, RunCancelled
from onetwo_like.flows.flow_steps import Place, Step, note_where


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
        self.values = {name: value for name, value in inputs.items() if not isinstance(value, Node)}
        self.programs = {name: value for name, value in inputs.items() if isinstance(value, Node)}
        self.waiting = {
            name: sum(source in flow.steps or source in self.programs for source in sources)
            for name, sources in flow.sources.items()
        }
        self.tasks: set[asyncio.Task[Any]] = set()
        self.over: asyncio.Future[None] = self.loop.create_future()
        self.failed: asyncio.Task[Any] | None = None
        self.failures: dict[str, BaseException] = {}

    async def run(self) -> dict[str, Any]:
        """The value of every step by name; where the flow keeps failures, its Outcome."""
        try:
            for name, node in self.programs.items():
                self._start(name, self._input(name, node))
            for name in [name for name, count in self.waiting.items() if count == 0]:
                self._start(name, self._step(name))
            await self.over
        finally:
            if self.tasks:
                await stop(list(self.tasks))
        raise_failure(self.failed)
        if self.flow.keeps:
            return {name: self._outcome(name) for name in self.flow.steps}
        return {name: self.values[name] for name in self.flow.steps}

    def _start(self, name: str, body: Coroutine[Any, Any, Any]) -> None:
        task = self.loop.create_task(body, name=name)
        self.tasks.add(task)
        task.add_done_callback(functools.partial(self._ended, name))

    def _ended(self, name: str, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        error = cancelled_inside(task) if task.cancelled() else task.exception()
        if self.over.done():
            return
        if error is None:
            self.values[name] = task.result()
            waiting = self.waiting
            for user in self.flow.users[name]:
                waiting[user] -= 1
                if waiting[user] == 0:
                    self._start(user, self._step(user))
        elif self.flow.keeps and not isinstance(error, Escaped | ProgramError):
            self.failures[name] = error
        else:
            self.failed = task
        if self.failed is not None or not self.tasks:
            self.over.set_result(None)

    # One step

    async def _step(self, name: str) -> Any:
        step = self.flow.steps[name]
        place = Place(self.prefix + name, self.evaluation)
        try:
            if self.scope.watch is None:
                return await step.run(self.values, place)
            return await self._watched(name, step, place)
        except (SystemExit, KeyboardInterrupt) as error:
            raise Escaped(error) from None
        except Exception as error:
            note_where(error, place.path)
            raise

    async def _watched(self, name: str, step: Step, place: Place) -> Any:
        scope = self.scope
        watch = scope.watch
        assert watch is not None
        values = self.values
        inputs = {need.source: values[need.source] for need in step.needs if need.source in values}
        span = Span(name, scope.span, scope.sample_path, inputs, watch.tracing)
        scope_in_force.set(scope.but(span=span))  # the task's own, so nobody needs it put back
        watch.publish(StepStarted(name, origin=span))
        try:
            value = await step.run(values, place)
        except BaseException as error:
            span.finish(error=error)
            watch.publish(StepFinished(name, error=error, origin=span))
            raise
        span.finish(value)
        watch.publish(StepFinished(name, value, origin=span))
        return value

    async def _input(self, name: str, node: Node) -> Any:
        try:
            return await self.outer.value(node)
        except (SystemExit, KeyboardInterrupt) as error:
            raise Escaped(error) from None
        except Exception as error:
            error.add_note(f"in the input {name} of a flow")
            raise

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
