"""What can be watched while a program runs, and how does it reach who watches?"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from onetwo_like.core.registry import scope_in_force
from onetwo_like.core.request import SamplePath, Usage
from onetwo_like.core.trace import Span


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """Base of everything that the library emits; your own events may derive from it or not."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class RunEvent(Event):
    """Base of the library's events: `.span` says where, `.time` (epoch seconds) when."""

    origin: Span | None = dataclasses.field(default=None, kw_only=True, repr=False, compare=False)
    time: float = dataclasses.field(default_factory=time.time, kw_only=True, repr=False, compare=False)
    replayed: bool = dataclasses.field(default=False, kw_only=True, repr=False)

    @property
    def span(self) -> str:
        """The path of the span that emitted this, such as "parallel[2]/mayor/generate_text"."""
        return self.origin.path if self.origin is not None else ""

    @property
    def sample_path(self) -> SamplePath:
        """The sample that this belongs to."""
        return self.origin.sample_path if self.origin is not None else ()

    # Written once: a dataclass would compile these anew for each of a dozen classes whenever the package is imported.

    def __repr__(self) -> str:
        shown = [f"{f.name}={getattr(self, f.name)!r}" for f in dataclasses.fields(self) if f.repr]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(
            getattr(self, f.name) == getattr(other, f.name) for f in dataclasses.fields(self) if f.compare
        )

    def __hash__(self) -> int:
        return hash((type(self), *[getattr(self, f.name) for f in dataclasses.fields(self) if f.compare]))


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class RunStarted(RunEvent):
    """A run has begun."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class RunFinished(RunEvent):
    """A run has ended; `error` is None if it has a value."""

    error: BaseException | None = None


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class CallStarted(RunEvent):
    """What is bound to a built-in is about to be asked; a derived one has the events of what it asks."""

    operation: str


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class CallFinished(RunEvent):
    """A built-in was answered, or failed with `error`."""

    operation: str
    usage: Usage | None = None
    error: BaseException | None = None


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class TextDelta(RunEvent):
    """A piece of a text that a model is writing; provisional until the call has ended."""

    text: str


class _Writing(RunEvent):
    """A TextDelta that is being made: what is frozen takes three times as long to fill, and of these there are many."""

    __slots__ = ("text",)
    __setattr__ = object.__setattr__
    __delattr__ = object.__delattr__  # of the two, one that is not a built-in makes both slow

    def __init__(self, text: str, origin: Span | None, at: float, replayed: bool) -> None:
        self.text = text
        self.origin = origin  # type: ignore[misc]
        self.time = at  # type: ignore[misc]
        self.replayed = replayed  # type: ignore[misc]


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class CacheHit(RunEvent):
    """A call was answered from the cache, under this key."""

    key: str


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Retrying(RunEvent):
    """Attempt number `attempt` (from 2) is about to start, because of `error`; voids earlier deltas."""

    attempt: int
    error: BaseException
    wait_s: float = 0.0


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Paced(RunEvent):
    """A call has waited `wait_s` seconds for the rate limit, or for a place among those under way."""

    wait_s: float


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class StepStarted(RunEvent):
    """A step of a flow or a workflow has begun."""

    step: str


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class StepFinished(RunEvent):
    """A step of a flow or a workflow has ended with `output`, or failed with `error`."""

    step: str
    output: Any = None
    error: BaseException | None = None


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Progress(RunEvent):
    """The outermost `parallel` has finished `done` of its items; `total` is None while it is not known.

    Of a comparison, one arm has: `part` is its name, and "" otherwise.
    """

    done: int
    total: int | None = None
    part: str = dataclasses.field(default="", kw_only=True, repr=False)


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Update(RunEvent):
    """An async generator made by `make_executable` has yielded this value."""

    value: Any


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class ItemFinished(RunEvent):
    """Item `index` of a `parallel` has ended with this `ot.Outcome`."""

    index: int
    outcome: Any


@dataclasses.dataclass(frozen=True, slots=True, eq=False, repr=False)
class Dropped(RunEvent):
    """A consumer fell behind by more than the buffer holds: `count` events are missing here."""

    count: int


class Watch:
    """Who is watching a run: `sink` gets every event; what is watched inside a run is seen outside too.

    `telling` says whether anybody gets events at all, `streaming` whether anybody wants the texts piece
    by piece: a progress bar does not, and must not make a backend stream.
    """

    __slots__ = ("outer", "publish", "sink", "streaming", "telling", "tracing")
    publish: Callable[[object], None]
    streaming: bool
    telling: bool
    tracing: bool

    def __init__(
        self,
        sink: Callable[[object], None] | None,
        tracing: bool,
        outer: Watch | None,
        *,
        texts: bool = True,
    ) -> None:
        self.sink = sink
        self.outer = outer
        self.tracing = tracing or (outer is not None and outer.tracing)
        self.telling = sink is not None or (outer is not None and outer.telling)
        self.streaming = (sink is not None and texts) or (outer is not None and outer.streaming)

        self.publish = sink if sink is not None and outer is None else self._publish

    def _publish(self, event: object) -> None:
        """Hands the event to every sink, innermost first."""
        if self.sink is not None:
            self.sink(event)
        if self.outer is not None:
            self.outer.publish(event)


def emit(event: object) -> None:
    """Publishes any object as an event to whoever watches this run; costs next to nothing if nobody does.

    >>> emit("nobody is watching, so this goes nowhere")
    """
    watch = scope_in_force.get().watch
    if watch is not None:
        watch.publish(event)


def streaming() -> bool:
    """Whether somebody watches, so that a backend should stream its tokens."""
    watch = scope_in_force.get().watch
    return watch is not None and watch.streaming


def emit_paced(wait_s: float) -> None:
    """Says that the call that runs here has waited so long for the rate limit."""
    scope = scope_in_force.get()
    if scope.watch is not None:
        if scope.span is not None:
            scope.span.waiting += wait_s
        scope.watch.publish(Paced(wait_s, origin=scope.span))


def emit_retrying(attempt: int, error: BaseException, wait_s: float, *, of_call: bool = False) -> None:
    """Says that what runs here (a call of a built-in, if `of_call`) is tried again after so many seconds."""
    scope = scope_in_force.get()
    if scope.watch is not None:
        span = scope.span
        if span is not None:
            span.waiting += wait_s
            if of_call:
                span.attempts = attempt
                span.streamed = False  # what came of the failed attempt is void
        scope.watch.publish(Retrying(attempt, error, wait_s, origin=span))


def emit_text(text: str, replayed: bool = False) -> None:
    """Publishes a piece of text as coming from the call that runs here."""
    tell = text_teller(replayed)
    if tell is not None:
        tell(text)


def text_teller(replayed: bool = False) -> Callable[[str], None] | None:
    """What publishes pieces of text as coming from the call that runs here; None if nobody watches."""
    scope = scope_in_force.get()
    watch, span = scope.watch, scope.span
    if watch is None:
        return None
    streaming, publish, now = watch.streaming, watch.publish, time.time

    def tell(text: str) -> None:
        if span is not None:
            span.streamed = True
        if streaming:
            delta: Any = _Writing(text, span, now(), replayed)
            delta.__class__ = TextDelta
            publish(delta)

    return tell
