"""How are named steps joined by their parameters into a program, a directed acyclic graph?"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal

from onetwo_like.builtins.context import refuse_unexecuted
from onetwo_like.core.evaluation import Node
from onetwo_like.core.executable import Executable
from onetwo_like.core.frozen import copied
from onetwo_like.errors import FlowError, UsageError
from onetwo_like.flows.dag import cycle_in, needed_for
from onetwo_like.flows.draw import drawing_of_flow
from onetwo_like.flows.edge_types import shown
from onetwo_like.flows.flow_run import CALLED, FlowRun
from onetwo_like.flows.flow_steps import Constant, Need, Place, Program, Step, as_step


class Flow:
    """Named steps, each of which takes what other steps make: the names of its parameters are the edges.

    A step is a function (plain, async, or one that returns an Executable), a template
    `ot.prompt("... {{ x }} ...")`, an Executable, another Flow, or a constant. Names that no step makes
    are the flow's inputs. A call such as `flow(topic="friendship")` is an Executable of a dict with the
    value of every step by name; in it a step starts at the moment its last input is ready.

    FlowError if steps need each other in a circle, or take a type that another does not return.

    >>> from onetwo_like import ot
    >>> def area(width: float, height: float) -> float:
    ...     return width * height
    >>> price = ot.Flow(area=area, price=lambda area, rate=2.0: area * rate)
    >>> price
    Flow(area(width, height), price(area, rate))
    >>> price.inputs
    ('width', 'height', 'rate')
    >>> ot.run(price(width=3.0, height=2.0))
    {'area': 6.0, 'price': 12.0}
    """

    __slots__ = ("__weakref__", "_optional", "inputs", "keeps", "sources", "steps", "users", "waiting")

    steps: Mapping[str, Step]
    """The steps by name, in the order given; each has `.kind`, `.needs` and `.maps`."""

    inputs: tuple[str, ...]
    """The names that no step makes, also those that only parameters with a default are called."""

    sources: Mapping[str, tuple[str, ...]]
    """For each step, the steps and inputs that it takes a value from."""

    users: Mapping[str, tuple[str, ...]]
    """For each step and input, the steps that take its value."""

    waiting: Mapping[str, int]
    """For each step, how many other steps it waits for."""

    keeps: bool
    """Whether its calls give an Outcome for every step, see `on_error`."""

    def __init__(self, /, **steps: Any) -> None:
        self._set({name: _step(given, name) for name, given in steps.items()}, keeps=False)

    def _set(self, steps: dict[str, Step], keeps: bool) -> None:
        if not steps:
            raise FlowError("a flow needs at least one step, such as ot.Flow(answer=ot.prompt(...))")
        for name in steps:
            if not name.isidentifier():
                raise FlowError(f"step {name!r} needs a name that a parameter can have, such as song_title")
        self.steps = MappingProxyType(steps)
        self.keeps = keeps
        self.sources = {n: tuple(dict.fromkeys([need.source for need in s.needs])) for n, s in steps.items()}
        users: dict[str, list[str]] = {name: [] for name in steps}
        for name, sources in self.sources.items():
            if name in sources:
                raise FlowError(
                    f"step {name} needs itself: {name} -> {name}. Call its parameter something else"
                )
            for source in sources:
                users.setdefault(source, []).append(name)
        self.users = {name: tuple(using) for name, using in users.items()}
        self.inputs = tuple([name for name in self.users if name not in steps])
        needs = self._step_sources()
        self.waiting = {name: len(sources) for name, sources in needs.items()}
        cycle = cycle_in(needs)
        if cycle is not None:
            raise FlowError(f"these steps need each other, so none can be first: {' -> '.join(cycle)}")
        self._optional = frozenset(
            name for name in self.inputs if not any(need.required for need in self._needs_of(name))
        )
        self._check_types()

    def _step_sources(self) -> dict[str, list[str]]:
        """For each step, the other steps that it needs."""
        return {name: [s for s in sources if s in self.steps] for name, sources in self.sources.items()}

    def _needs_of(self, source: str) -> list[Need]:
        users = self.users.get(source, ())
        return [need for user in users for need in self.steps[user].needs if need.source == source]

    def _check_types(self) -> None:
        for name, step in self.steps.items():
            for need in step.needs:
                made = self.steps.get(need.source)
                wrong = None if made is None else need.misfit(made.returns)
                if made is not None and wrong is not None:
                    raise FlowError(
                        f"{need.source} -> {name}: {name} {wrong} as {need.parameter}, "
                        f"and {need.source} gives {shown(made.returns)}"
                    )

    @property
    def edges(self) -> list[tuple[str, str]]:
        """(from, to) for each value that a step takes: from another step, or from an input."""
        return [(source, name) for name, sources in self.sources.items() for source in sources]

    # Calling

    def __call__(self, /, **inputs: Any) -> Executable[dict[str, Any]]:
        """The flow with these inputs, as an Executable; one that is an executable itself is executed first.

        FlowError if an input is missing, or is none of this flow.
        """
        self._check_inputs(inputs)
        for name, value in inputs.items():
            refuse_unexecuted(value, f"input {name}")
        return Executable(CALLED, (self, tuple(inputs), tuple([copied(value) for value in inputs.values()])))

    def _check_inputs(self, inputs: Mapping[str, Any]) -> None:
        for name in inputs:
            if name in self.steps:
                raise FlowError(f"{name} is a step, not an input; flow.override({name}=...) gives its value")
            if name not in self.inputs:
                raise FlowError(f"the flow has no input {name!r}{_of(self.inputs, 'its inputs are', name)}")
        missing = [name for name in self.inputs if name not in inputs and name not in self._optional]
        if missing:
            told = "; ".join(f"{name}, for {' and '.join(self.users[name])}" for name in missing)
            example = ", ".join(f"{name}=..." for name in missing)
            raise FlowError(f"the flow lacks an input: {told}. Call it as flow({example})")

    # Deriving

    def only(self, *names: str) -> Flow:
        """The part of the flow that these steps need, and they themselves."""
        if not names:
            raise FlowError("only takes the names of steps, at least one")
        self._check_known(names, "only")
        wanted = needed_for(names, self._step_sources())
        return self._with({name: step for name, step in self.steps.items() if name in wanted})

    def override(self, /, **values: Any) -> Flow:
        """The flow with these values in the place of steps, and without the steps that only they needed."""
        self._check_known(values, "override")
        before = needed_for(values, self._step_sources())
        given = {name: _value(value, name) for name, value in values.items()}
        changed = self._with({**self.steps, **given})
        wanted = [name for name in self.steps if name in values or name not in before]
        return changed.only(*wanted) if values else changed

    def replace(self, /, **steps: Any) -> Flow:
        """The flow with other steps under these names."""
        self._check_known(steps, "replace")
        return self._with({**self.steps, **{name: _step(given, name) for name, given in steps.items()}})

    def on_error(self, what: Literal["keep", "raise"]) -> Flow:
        """The same, whose call gives an `ot.Outcome` for every step ("keep"), or raises the first failure ("raise").

        Where it keeps, a failure stops only the steps behind it, whose outcome is "cancelled". What
        concerns the whole program (a ProgramError) is raised all the same.

        >>> from onetwo_like import ot
        >>> flow = ot.Flow(broken=lambda x: 1 / x, after=lambda broken: broken, fine=lambda x: x + 1)
        >>> outcomes = ot.run(flow.on_error("keep")(x=0))
        >>> {name: outcome.status for name, outcome in outcomes.items()}
        {'broken': 'error', 'after': 'cancelled', 'fine': 'ok'}
        """
        if what not in ("keep", "raise"):
            raise UsageError(f'on_error takes "keep" or "raise", not {what!r}')
        return self._with(dict(self.steps), keeps=what == "keep")

    def __or__(self, other: Flow) -> Flow:
        """The steps of both, joined by their names."""
        if not isinstance(other, Flow):
            return NotImplemented
        twice = [name for name, step in other.steps.items() if self.steps.get(name, step) is not step]
        if twice:
            raise FlowError(
                f"both flows have a step called {' and '.join(twice)}; replace(...) one, or rename it"
            )
        return self._with({**self.steps, **other.steps}, keeps=self.keeps or other.keeps)

    def _with(self, steps: dict[str, Step], keeps: bool | None = None) -> Flow:
        flow = Flow.__new__(Flow)
        flow._set(steps, self.keeps if keeps is None else keeps)
        return flow

    def _check_known(self, names: Iterable[str], where: str) -> None:
        for name in names:
            if name not in self.steps:
                raise FlowError(
                    f"{where}: the flow has no step {name!r}{_of(self.steps, 'its steps are', name)}"
                )

    # Showing

    def draw(self, path: str | os.PathLike[str]) -> None:
        """Writes a picture of the flow as .html (folds nested flows), .svg, .mmd or .md (Mermaid); nothing runs."""
        drawing_of_flow(self).save(path)

    def mermaid(self) -> str:
        """The picture of the flow as the text of a Mermaid flowchart."""
        return drawing_of_flow(self).mermaid()

    def _repr_html_(self) -> str:
        return drawing_of_flow(self).svg()

    def __repr__(self) -> str:
        steps = [f"{name}({', '.join(sources)})" for name, sources in self.sources.items()]
        return f"Flow({', '.join(steps)})"


class Nested(Step):
    """A flow as a step of another; its value is the dict of all its steps."""

    kind = "flow"

    def __init__(self, flow: Flow) -> None:
        self.flow: Flow = flow
        self.returns = dict[str, Any]
        self.needs = tuple(
            [need for step in flow.steps.values() for need in step.needs if need.source in flow.inputs]
        )

    async def run(self, place: Place, name: str) -> Any:
        inputs = {source: place.values[source] for source in self.flow.inputs if source in place.values}
        return await FlowRun(self.flow, inputs, place.evaluation, place.prefix + name).run()


def _step(given: Any, name: str) -> Step:
    return Nested(given) if isinstance(given, Flow) else as_step(given, name)


def _value(given: Any, name: str) -> Step:
    refuse_unexecuted(given, f"the value of step {name}")
    return Program(given) if isinstance(given, Node) else Constant(given)


def _of(known: Iterable[str], they_are: str, name: str) -> str:
    """What there is, and what may have been meant."""
    names = list(known)
    close = difflib.get_close_matches(name, names, 1)
    meant = f". Did you mean {close[0]!r}?" if close else ""
    return f"; {they_are} {', '.join(names) or 'none'}{meant}"
