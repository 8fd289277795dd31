"""What is a Workflow, and what can be done with one before it runs?"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from onetwo_like.core.evaluation import Evaluation, Held, Kind, Node
from onetwo_like.core.executable import Executable
from onetwo_like.errors import UsageError, WorkflowError
from onetwo_like.flows.checking import check
from onetwo_like.flows.draw import drawing_of_workflow
from onetwo_like.flows.engine import WorkflowRun
from onetwo_like.flows.routing import Routes
from onetwo_like.flows.step import Step


class Workflow:
    """Functions whose annotations say how they are joined: each runs for the events it accepts.

    A call with an event describes a run, and is an Executable. `|` unites the steps of two workflows.

    >>> import dataclasses
    >>> from onetwo_like import ot
    >>> @dataclasses.dataclass(frozen=True)
    ... class Count:
    ...     n: int
    >>> async def down(event: Count) -> Count | ot.Stop[str]:
    ...     return Count(event.n - 1) if event.n else ot.Stop("lift-off")
    >>> ot.run(ot.Workflow(down)(Count(3)))
    'lift-off'
    """

    def __init__(self, *steps: Callable[..., Any]) -> None:
        described: dict[object, Step] = {}
        for function in steps:
            if not callable(function) or isinstance(function, type | Node | Workflow):
                raise UsageError(
                    f"ot.Workflow takes functions, not {type(function).__name__}: {function!r:.60}"
                )
            one = Step(function)
            described.setdefault(one.identity, one)
        self._take(tuple(described.values()))

    def _take(self, steps: tuple[Step, ...]) -> None:
        names: set[str] = set()
        for one in steps:
            if one.name in names:
                raise WorkflowError(
                    f"two different steps are called {one.name}; rename one, so that it can be told apart"
                )
            names.add(one.name)
        self.steps = steps
        self._routes = Routes(steps)
        self._checked: set[type | None] = set()
        self._kind = _WorkflowKind(self)

    def __or__(self, other: Workflow) -> Workflow:
        """The steps of both; one that is in both is there once."""
        if not isinstance(other, Workflow):
            return NotImplemented
        united = Workflow()
        united._take(tuple({one.identity: one for one in (*self.steps, *other.steps)}.values()))
        return united

    def __call__(self, event: Any) -> Executable[Any]:
        """A run that starts with this event, and has the value of the `ot.Stop` that a step returns.

        Raises WorkflowError if `check` finds a mistake.
        """
        if isinstance(event, Node):
            self._check(None)
            return Executable(self._kind, (Held(event),))
        self._check(type(event))
        return Executable(self._kind, (event,))

    def check(self) -> None:
        """Raises a WorkflowError that names what is wrong, if anything is: nothing has to run for that.

        Events that nobody consumes or nobody sends, steps that are never reached, no way to stop,
        annotations that are missing. Types that no step sends are taken as possible starts; a call
        checks once more, with the type of its own event.
        """
        self._check(None)

    def draw(self, path: str | os.PathLike[str]) -> None:
        """Writes a picture of the steps and events as .html, .svg, .mmd or .md (Mermaid); nothing runs."""
        drawing_of_workflow(self).save(path)

    def mermaid(self) -> str:
        """The picture of the workflow as the text of a Mermaid flowchart."""
        return drawing_of_workflow(self).mermaid()

    def _repr_html_(self) -> str:
        return drawing_of_workflow(self).svg()

    def _check(self, start: type | None) -> None:
        if start not in self._checked:
            check(self._routes, start)
            self._checked.add(start)

    async def _run(self, event: Any) -> Any:
        self._check(type(event))
        return await WorkflowRun(self._routes, event).result()

    def __repr__(self) -> str:
        return f"Workflow({', '.join([one.name for one in self.steps])})"


class _WorkflowKind(Kind):
    """The node of a call."""

    control = True
    name = "workflow"

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow

    async def run(self, args: tuple[Any, ...], evaluation: Evaluation) -> Any:
        event = args[0]
        if isinstance(event, Held):
            event = await evaluation.value(event.node)
        return await self._workflow._run(event)
