"""What does a step accept, what does it send, and with which options does it run?"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import itertools
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeAlias, TypeVar, overload

from onetwo_like.core.adapt import holds_for
from onetwo_like.core.combinators import positive
from onetwo_like.core.executable import Executable
from onetwo_like.core.function import name_of
from onetwo_like.errors import UsageError

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
OnError: TypeAlias = Callable[[Exception, Any], Any]
_OPTIONS = "__onetwo_like_step__"


@dataclasses.dataclass(frozen=True, slots=True)
class Stop(Generic[T]):
    """Ends the run of a workflow, whose value is the result; `-> ot.Stop[Report]` says what that is.

    >>> Stop("done").result
    'done'
    """

    result: T = None  # type: ignore[assignment]  # without an argument it is a Stop[None]


@dataclasses.dataclass(frozen=True, slots=True)
class First:
    """In `Annotated[list[E], ot.First(n)]`: the first n results of a fan-out, in the order of their arrival."""

    n: int

    def __post_init__(self) -> None:
        if not isinstance(self.n, int) or isinstance(self.n, bool) or self.n < 1:
            raise UsageError(f"ot.First takes how many to wait for, at least 1, not {self.n!r}")


@dataclasses.dataclass(frozen=True, slots=True)
class Options:
    """How a step runs; see `step`."""

    workers: int | None = None
    retry: int = 1
    timeout: float | None = None
    on_error: OnError | None = None
    thread: bool = False
    receives: tuple[type, ...] = ()


@overload
def step(function: F, /) -> F: ...
@overload
def step(
    *,
    workers: int | None = ...,
    retry: int = ...,
    timeout: float | None = ...,
    on_error: OnError | None = ...,
    thread: bool = ...,
    receives: object = ...,
) -> Callable[[F], F]: ...
def step(
    function: Any = None,
    /,
    *,
    workers: int | None = None,
    retry: int = 1,
    timeout: float | None = None,
    on_error: OnError | None = None,
    thread: bool = False,
    receives: object = (),
) -> Any:
    """Says how a function runs as a step of workflows; the function itself is unchanged.

    `workers` is how many of it run at once in one run (by default any number), `retry` how many
    attempts it has in all, `timeout` the seconds that each may take. When all have failed,
    `on_error(error, event)` may return an event in the place of the error; a join hands it a tuple
    of events. `thread=True` moves a plain function to a thread; `receives` are the types of events
    that its `ot.receive` waits for.

    >>> @step(retry=3, timeout=10)
    ... async def double(number: int) -> Stop[int]:
    ...     return Stop(2 * number)
    """
    for value, what in ((workers, "workers"), (retry, "retry")):
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise UsageError(f"ot.step takes {what} as a number, at least 1, not {value!r}")
    if on_error is not None and not callable(on_error):
        raise UsageError(f"ot.step takes on_error as a function of (error, event), not {on_error!r:.60}")
    options = Options(
        workers,
        retry,
        None if timeout is None else positive(timeout, "ot.step(timeout=...)"),
        on_error,
        thread,
        _received(receives),
    )

    def mark(function: F) -> F:
        if not callable(function):
            raise UsageError(f"ot.step takes a function, not {type(function).__name__}: {function!r:.60}")
        if thread and _is_async(function):
            raise UsageError(f"{name_of(function)} is async; thread=True is for plain functions")
        try:
            setattr(function, _OPTIONS, options)
        except AttributeError:
            raise UsageError(
                f"ot.step cannot mark {name_of(function)}: decorate the function where it is defined"
            ) from None
        return function

    return mark if function is None else mark(function)


def _received(receives: object) -> tuple[type, ...]:
    if isinstance(receives, Iterable) and not isinstance(receives, type):
        return tuple([kind for each in receives for kind in event_types(each, "ot.step(receives=...)")])
    return event_types(receives, "ot.step(receives=...)")


def event_types(annotation: object, where: str) -> tuple[type, ...]:
    """The classes that an annotation means: itself, those of a union, of an alias, the origin of a generic one.

    Raises UsageError if it means anything else.
    """
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return (annotation,)
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return event_types(typing.get_args(annotation)[0], where)
    if origin is typing.Union or origin is types.UnionType:
        return tuple([kind for part in typing.get_args(annotation) for kind in event_types(part, where)])
    if isinstance(origin, type):
        return (origin,)
    named = getattr(annotation, "__value__", None)  # of `type X = A | B`
    if named is not None:
        return event_types(named, where)
    raise UsageError(f"{where} takes the types of events, which are classes, not {annotation!r:.80}")


class Slot:
    """A parameter of a step that takes an event, or, if `listed`, all (or the `first` so many) of a fan-out."""

    __slots__ = ("alone", "first", "listed", "name", "step", "types")

    def __init__(
        self, step: Step, name: str, kinds: tuple[type, ...], listed: bool, first: int | None
    ) -> None:
        self.step = step
        self.name = name
        self.types = kinds
        self.listed = listed
        self.first = first
        self.alone = True  # whether it is the only one of its step

    def __repr__(self) -> str:
        types = " | ".join([t.__name__ for t in self.types])
        return f"{self.step.name}({self.name}: {f'list[{types}]' if self.listed else types})"


def _refuse_twice(slots: list[Slot]) -> None:
    """Refuses a join in which one event would fill two parameters, and so be joined with itself."""
    for one, other in itertools.combinations([slot for slot in slots if not slot.listed], 2):
        for kind in one.types:
            if any(issubclass(kind, each) or issubclass(each, kind) for each in other.types):
                raise UsageError(
                    f"takes {kind.__name__} both as {one.name} and as {other.name}, so that one event would be "
                    f"both; take a list[{kind.__name__}], or give each a type of its own"
                )


class Step:
    """A function as a step: its `name`, the types it `accepts` and `sends`, and how it runs.

    `returns` are the types of single events, `fans` those of the members of a list; `stops` says
    whether it can end the run, `state` is the class of the state that it asks for. `problem` says what is wrong with its annotations.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.name = name_of(function)
        self.options: Options = getattr(function, _OPTIONS, None) or Options()
        self.is_async = _is_async(function)
        self.guarded = (
            self.options.retry > 1 or self.options.timeout is not None or self.options.on_error is not None
        )
        self.slots: tuple[Slot, ...] = ()
        self.state: type | None = None
        self.returns: tuple[type, ...] = ()
        self.fans: tuple[type, ...] = ()
        self.stops = False
        self.may_end = False
        self.results: tuple[object, ...] = ()
        self.problem: str | None = None
        try:
            self._read()
        except UsageError as error:
            self.problem = str(error)

    @property
    def accepts(self) -> tuple[type, ...]:
        """The types of all events that it takes, in the order of its parameters."""
        return tuple(dict.fromkeys([kind for slot in self.slots for kind in slot.types]))

    @property
    def sends(self) -> tuple[type, ...]:
        """The types of all events that its return annotation announces, `Stop` among them."""
        return tuple(dict.fromkeys([*self.returns, *self.fans, *([Stop] if self.stops else [])]))

    @property
    def receives(self) -> tuple[type, ...]:
        """The types of events that its body waits for."""
        return self.options.receives

    @property
    def identity(self) -> object:
        """What it has in common with other descriptions of the same function, or the same object's method."""
        method = getattr(self.function, "__func__", None)
        return self.function if method is None else (id(self.function.__self__), method)  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        sent = " | ".join([kind.__name__ for kind in self.sends])
        return f"{self.name}({', '.join([kind.__name__ for kind in self.accepts])}) -> {sent or None}"

    def _read(self) -> None:
        if holds_for(inspect.isasyncgenfunction, self.function):
            raise UsageError("is an async generator; send each event with ot.send instead of yielding it")
        hints = _hints(self.function)
        slots = []
        for p in inspect.signature(self.function).parameters.values():
            if p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
                continue
            if p.kind is p.POSITIONAL_ONLY:
                raise UsageError(f"has the positional-only parameter {p.name}; remove the `/`")
            if p.name not in hints:
                raise UsageError(f"has no annotation for its parameter {p.name}: which event is it?")
            if p.name == "state":
                self._read_state(hints[p.name])
            else:
                slots.append(self._slot(p.name, hints[p.name]))
        self.slots = tuple(slots)
        for slot in slots:
            slot.alone = len(slots) == 1
        if not slots:
            raise UsageError("takes no event, so that nothing would start it")
        if "return" not in hints:
            raise UsageError("has no return annotation: which events does it send?")
        self._read_return(hints["return"])
        _refuse_twice(slots)

    def _read_state(self, annotation: object) -> None:
        if not isinstance(annotation, type):
            raise UsageError(f"has a state that is no class: {annotation!r:.60}")
        if self.options.thread:
            raise UsageError("runs in a thread, where state cannot be changed without a race")
        self.state = annotation

    def _slot(self, name: str, annotation: Any) -> Slot:
        first = None
        if typing.get_origin(annotation) is typing.Annotated:
            first = next((a.n for a in typing.get_args(annotation)[1:] if isinstance(a, First)), None)
            annotation = typing.get_args(annotation)[0]
        if annotation is list:
            raise UsageError(f"does not say which events the parameter {name} is a list of: write list[E]")
        listed = typing.get_origin(annotation) is list
        if first is not None and not listed:
            raise UsageError(f"has ot.First for the parameter {name}, which is no list[E]")
        return Slot(
            self,
            name,
            event_types(
                typing.get_args(annotation)[0] if listed else annotation, f"has the parameter {name}, which"
            ),
            listed,
            first,
        )

    def _read_return(self, annotation: Any) -> None:
        for part in _parts(annotation):
            origin = typing.get_origin(part)
            if part is None or part is type(None):
                self.may_end = True
            elif part is Stop or origin is Stop:
                self.stops = True
                self.results += typing.get_args(part)
            elif origin is list:
                for member in _parts(typing.get_args(part)[0]):
                    if member is Stop or typing.get_origin(member) is Stop:
                        raise UsageError("returns a list of ot.Stop; one Stop ends the run")
                    self.fans += event_types(member, "returns a list, which")
            elif part is list:
                raise UsageError("does not say which events the list it returns has: write list[E]")
            elif part not in (typing.NoReturn, typing.Never):
                self.returns += event_types(part, "has a return annotation, which")


def _parts(annotation: Any) -> list[Any]:
    """The members of a union, looked for within Annotated, aliases and what an Executable gives."""
    origin = typing.get_origin(annotation)
    if origin is typing.Union or origin is types.UnionType:
        return [part for member in typing.get_args(annotation) for part in _parts(member)]
    if origin is typing.Annotated or (isinstance(origin, type) and issubclass(origin, Executable)):
        return _parts(typing.get_args(annotation)[0])
    if hasattr(annotation, "__value__") and not isinstance(annotation, type):
        return _parts(annotation.__value__)
    return [annotation]


def _hints(function: Any) -> Mapping[str, Any]:
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function) and not hasattr(function, "__wrapped__"):
        function = type(function).__call__
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise UsageError(
            f"has an annotation that cannot be found ({error}): define the types of events at the top level "
            "of a module"
        ) from None


def _is_async(function: Any) -> bool:
    return holds_for(inspect.iscoroutinefunction, function)
