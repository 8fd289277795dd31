"""What can a step of a flow be, and what does it need?"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from onetwo_like.builtins.context import refuse_unexecuted
from onetwo_like.core.evaluation import Evaluation, Kind, Node
from onetwo_like.core.executable import Executable, described
from onetwo_like.core.frozen import COPIED, copied
from onetwo_like.core.function import Function, name_of
from onetwo_like.core.parallel import parallel
from onetwo_like.core.registry import Scope
from onetwo_like.errors import FlowError
from onetwo_like.flows.each import Each
from onetwo_like.flows.edge_types import UNKNOWN, element_of, fits, hints_of, returned, shown, type_of


class Need(NamedTuple):
    """A value that a step takes: from the step or input called `source`, as its `parameter`, of the type `annotation`.

    With `each` it takes the elements of the source, which is a list, one at a time. What is not
    `required` has a default.
    """

    source: str
    parameter: str
    annotation: Any = UNKNOWN
    required: bool = True
    each: bool = False

    def misfit(self, made: Any) -> str | None:
        """Why a source of type `made` does not fit; None if it does."""
        if not self.each:
            return None if fits(made, self.annotation) else f"takes {shown(self.annotation)}"
        element = element_of(made)
        if element is None:
            return f"takes the elements of a list, by ot.each({self.source!r})"
        return None if fits(element, self.annotation) else f"takes elements of {shown(self.annotation)}"


class Place(Protocol):
    """The run in which a step is: what has been made so far, by name, and where the flow itself is."""

    values: dict[str, Any]
    evaluation: Evaluation
    prefix: str


class Step:
    """A step without a name: that, the flow gives it.

    `kind` says what it is: "function", "prompt", "chat", "executable", "constant" or "flow"; of the
    last kind, `flow` is that flow.
    """

    kind = ""
    flow: Any = None
    needs: tuple[Need, ...] = ()
    returns: Any = UNKNOWN

    @property
    def maps(self) -> bool:
        """Whether it runs once for each element of a list."""
        return False

    async def run(self, place: Place, name: str) -> Any:
        """The value, as the step of this name in a run."""
        raise NotImplementedError


class Constant(Step):
    """A value that is there from the start."""

    kind = "constant"

    def __init__(self, value: Any) -> None:
        self.value = copied(value)
        self.returns = type_of(value)

    async def run(self, place: Place, name: str) -> Any:
        return copied(self.value)


class Program(Step):
    """An executable; the same one in two steps of one run is executed once."""

    kind = "executable"

    def __init__(self, executable: Node) -> None:
        self.executable = executable

    async def run(self, place: Place, name: str) -> Any:
        return await place.evaluation.value(self.executable)


class Asking(Step):
    """A step that makes something of its arguments, or of each element of a list among them."""

    @property
    def maps(self) -> bool:
        return any(need.each for need in self.needs)

    async def run(self, place: Place, name: str) -> Any:
        values = place.values
        # Only what is optional may be missing: everything else has been looked for before anything began.
        arguments = {need.parameter: values[need.source] for need in self.needs if need.source in values}
        if self.maps:
            return await self._mapped(arguments, place.prefix + name)
        return await self.made_of(arguments)

    async def made_of(self, arguments: dict[str, Any]) -> Any:
        """The value for these arguments, by parameter."""
        raise NotImplementedError

    async def _mapped(self, arguments: dict[str, Any], path: str) -> list[Any]:
        lists = {n.parameter: _as_list(arguments[n.parameter], n, path) for n in self.needs if n.each}
        lengths = {parameter: len(items) for parameter, items in lists.items()}
        if len(set(lengths.values())) > 1:
            told = " and ".join(f"{parameter} has {length}" for parameter, length in lengths.items())
            raise FlowError(f"step {path} takes elements of several lists together: {told} elements")
        elements = [
            Executable[Any](
                _ELEMENT, (self, {**arguments, **dict(zip(lists, items, strict=True))}, path, index)
            )
            for index, items in enumerate(zip(*lists.values(), strict=True))
        ]
        results: list[Any] = await parallel(*elements)
        return results


class _Element(Kind):
    """One element of a step that maps."""

    name = "each"
    control = True

    async def run(self, args: tuple[Any, ...], evaluation: Evaluation) -> Any:
        step, arguments, path, index = args
        try:
            return await step.made_of(arguments)
        except Exception as error:
            note_where(error, f"{path}[{index}]")
            raise

    def shown(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> str:
        return f"{args[2]}[{args[3]}]"


_ELEMENT = _Element()


def _as_list(value: Any, need: Need, path: str) -> list[Any]:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
        raise FlowError(
            f"step {path} takes the elements of {need.source}, which is no list but {described(value)}"
        )
    return list(value)


class FunctionStep(Asking):
    """A function, plain or async, whose parameters are what it needs."""

    kind = "function"

    def __init__(self, function: Any, name: str) -> None:
        hints = hints_of(function)
        self.function = function
        self.needs = tuple(_needs_of(function, name, hints))
        self.returns = returned(hints.get("return", UNKNOWN))
        if self.maps:
            self.returns = UNKNOWN if self.returns is UNKNOWN else list[self.returns]  # type: ignore[name-defined]
        self._body = _Body(function, name_of(function))
        self._positional = [
            (p.name, p.default)
            for p in inspect.signature(function).parameters.values()
            if p.kind is inspect.Parameter.POSITIONAL_ONLY
        ]
        self._taken = [(need.parameter, need.source, need.required) for need in self.needs]
        self._runs_at_once = self._body.is_async and not self.maps and not self._positional

    async def run(self, place: Place, name: str) -> Any:
        if not self._runs_at_once:
            return await super().run(place, name)
        # What is below costs a third of what the general case does, for the most frequent kind of step.
        values = place.values
        arguments = {}
        for parameter, source, required in self._taken:
            if required or source in values:
                value = values[source]
                arguments[parameter] = copied(value) if value.__class__ in COPIED else value
        made = await self.function(**arguments)
        while isinstance(made, Node):
            made = await Evaluation().once(made)
        return made

    async def made_of(self, arguments: dict[str, Any]) -> Any:
        positional = tuple([arguments.pop(name, default) for name, default in self._positional])
        return await self._body.call(positional, arguments)


class _Body(Function):
    """The function of a step, in whose span it runs."""

    async def _watched(self, scope: Scope, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> Any:
        return await self._body(args, kwargs)


def _needs_of(function: Any, name: str, hints: Mapping[str, Any]) -> Iterable[Need]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        raise FlowError(
            f"step {name}: {function!r:.60} does not tell its parameters; "
            f"write a function around it, such as {name}=lambda text: f(text)"
        ) from None
    for p in parameters:
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            star = "*" if p.kind is p.VAR_POSITIONAL else "**"
            raise FlowError(
                f"step {name} takes {star}{p.name}; a step takes what its parameters are called, so give each a name"
            )
        annotation = hints.get(p.name, UNKNOWN)
        if isinstance(p.default, Each):
            yield Need(p.default.name, p.name, annotation, each=True)
        else:
            yield Need(p.name, p.name, annotation, required=p.default is p.empty)


def as_step(given: Any, name: str) -> Step:
    """The step that something given to a flow under a name stands for."""
    if isinstance(given, Step):
        return given
    if isinstance(given, Node):
        return Program(given)
    if isinstance(given, Each):
        raise FlowError(
            f"step {name} is {given!r}; it belongs to a parameter's default or a keyword of ot.prompt"
        )
    if not callable(given):
        refuse_unexecuted(given, f"step {name}")
        return Constant(given)
    return FunctionStep(given, name)


def note_where(error: BaseException, path: str) -> None:
    """Adds to an error in which step it was raised, unless it says so already, or more exactly."""
    said = f"in step {path}"
    if not any(
        note.startswith((f"{said} ", f"{said}[", f"{said}/")) for note in getattr(error, "__notes__", ())
    ):
        error.add_note(f"{said} of a flow")
