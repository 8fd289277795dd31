"""What passes between a program and whatever answers it?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Protocol, TypeAlias

SamplePath: TypeAlias = tuple[int | str, ...]


class Named(Protocol):
    """What a request needs to know of its operation."""

    @property
    def name(self) -> str: ...
    @property
    def parameters(self) -> tuple[str, ...]: ...


class Request(NamedTuple):
    """One built-in call as data: the operation, its resolved arguments and the sample it belongs to.

    `values` are in the order of the operation's parameters, None where nothing was given;
    `arguments` names those that were given.
    """

    op: Named
    values: tuple[Any, ...]
    sample_path: SamplePath = ()

    @property
    def operation(self) -> str:
        """The operation's name, such as "generate_text"."""
        return self.op.name

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments by name, without those that nobody gave."""
        return {n: v for n, v in zip(self.op.parameters, self.values, strict=True) if v is not None}

    def __repr__(self) -> str:
        shown = ", ".join(f"{n}={v!r}" for n, v in self.arguments.items())
        return f"Request({self.operation}({shown}), sample_path={self.sample_path})"


class Usage(NamedTuple):
    """What one call used, in tokens and US dollars; None is what the provider did not say.

    `cached_tokens` and `cache_write_tokens` are the parts of `input_tokens` that the provider read from its own
    cache and wrote to it, `cache_write_1h_tokens` the part of the latter that is kept for an hour, which costs more,
    `reasoning_tokens` the part of `output_tokens` with which the model thought.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: float | None = None
    cache_write_tokens: int | None = None
    cache_write_1h_tokens: int | None = None


class Reply(NamedTuple):
    """What a handler answers: the value, and what the provider said about it.

    `finish_reason` is "stop", "length", "refused" or the provider's own word; `model_version` is what the
    provider says answered; `recorded_at` is in epoch seconds; `duration_s` is how long the call took; `chunks`
    are the pieces of a streamed text; `price` is, in words, the list price from which `usage.cost` was computed.
    """

    value: Any
    usage: Usage | None = None
    finish_reason: str | None = None
    model_version: str | None = None
    recorded_at: float | None = None
    duration_s: float | None = None
    chunks: tuple[str, ...] | None = None
    request_id: str | None = None
    replayed: bool = False
    price: str | None = None


Handler: TypeAlias = Callable[[Request], Awaitable[Reply]]
Middleware: TypeAlias = Callable[[Handler], Handler]
