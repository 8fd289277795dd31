"""How does the body of a step reach the run that it belongs to?"""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any, TypeVar, overload

from onetwo_like.core.combinators import positive
from onetwo_like.errors import UsageError
from onetwo_like.flows.step import event_types

if TYPE_CHECKING:
    from onetwo_like.flows.activation import Activation

E = TypeVar("E")
in_step: contextvars.ContextVar[Activation | None] = contextvars.ContextVar(
    "onetwo_like_activation", default=None
)


def send(event: object) -> None:
    """Sends an event from inside a step of a workflow, at once, to every step that accepts it.

    The step's return annotation must list its type, or a WorkflowError is raised. An event that only
    an `ot.receive` waits for is kept until there is one.
    """
    activation = _here("ot.send")
    activation.run.send(activation, event)


@overload
async def receive(kind: type[E], *, timeout: float | None = ...) -> E: ...
@overload
async def receive(kind: Any, *, timeout: float | None = ...) -> Any: ...
async def receive(kind: Any, *, timeout: float | None = None) -> Any:
    """The next event of type `kind` (or of a union) that a step sends, or the `.send` of the run's stream.

    Raises DeadlineError (a TimeoutError) if none comes within `timeout` seconds. The run ends with
    WorkflowStalled if nobody can send one.
    """
    kinds = event_types(kind, "ot.receive")
    seconds = None if timeout is None else positive(timeout, "ot.receive(timeout=...)")
    activation = _here("ot.receive")
    return await activation.run.receive(activation, kinds, seconds)


def attempt() -> int:
    """Which attempt of a step with `retry=` this is, from 1.

    >>> attempt()
    1
    """
    activation = in_step.get()
    return 1 if activation is None else activation.attempt


def _here(what: str) -> Activation:
    activation = in_step.get()
    if activation is None:
        raise UsageError(f"{what} works inside a step while its workflow runs; no workflow runs here")
    return activation
