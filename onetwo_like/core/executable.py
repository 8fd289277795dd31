"""What is an Executable, and what can be done with one before it runs?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import TYPE_CHECKING, Any, Generic, Never, TypeVar, overload

from onetwo_like.core.evaluation import Node, evaluate
from onetwo_like.errors import UsageError

if TYPE_CHECKING:
    from onetwo_like.core.combinators import RetryOn, RetryWait

# Whoever takes an Executable[object] may be given an Executable[str].
T = TypeVar("T", covariant=True)
U = TypeVar("U")


class Executable(Node, Generic[T]):
    """An immutable description of a computation, which runs when it is awaited or given to `ot.run`.

    It can run any number of times, at once and on several backends. Built-ins such as
    `llm.generate_text` and functions under `ot.make_executable` return one.

    >>> from onetwo_like.builtins import llm
    >>> llm.generate_text("Who is the mayor of Nice?", max_tokens=20)
    generate_text('Who is the mayor of Nice?', max_tokens=20)
    """

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, T]:
        if self.edges:
            return evaluate(self).__await__()
        return self.kind.call(self.args, self.kwargs).__await__()

    def named(self, name: str) -> Executable[T]:
        """The same under another name in traces and events."""
        from onetwo_like.core import combinators

        return combinators.named(self, name)

    @overload
    def map(self, function: Callable[[T], Executable[U]]) -> Executable[U]: ...
    @overload
    def map(self, function: Callable[[T], Awaitable[U]]) -> Executable[U]: ...
    @overload
    def map(self, function: Callable[[T], U]) -> Executable[U]: ...
    def map(self, function: Callable[[T], Any]) -> Executable[Any]:
        """What `function`, plain or async, makes of the value.

        >>> from onetwo_like import ot
        >>> from onetwo_like.testing import Scripted
        >>> from onetwo_like.builtins import llm
        >>> with ot.RegistryContext():
        ...     _ = Scripted(["42"]).register()
        ...     ot.run(llm.generate_text("6 x 7 = ").map(int))
        42
        """
        from onetwo_like.core import combinators

        return combinators.mapped(self, function)

    def timeout(self, seconds: float) -> Executable[T]:
        """The same, stopped after this many seconds with a DeadlineError (a TimeoutError)."""
        from onetwo_like.core import combinators

        return combinators.timeout(self, seconds)

    def retry(self, n: int, on: RetryOn = Exception, wait: RetryWait = 0.0) -> Executable[T]:
        """The same, tried up to `n` times in all while it fails with an error of class `on`.

        `on` is an exception class, a tuple of them, or a function of the error; `wait` is seconds
        before the next attempt, or a function of the attempt that failed (from 1). Each attempt after
        the first asks anew: its sample path is extended, so a cached bad reply is not replayed.
        """
        from onetwo_like.core import combinators

        return combinators.retry(self, n, on, wait)

    @overload
    def fallback(self, other: Executable[U]) -> Executable[T | U]: ...
    @overload
    def fallback(self, other: U) -> Executable[T | U]: ...
    def fallback(self, other: Any) -> Executable[Any]:
        """The same, or `other` (a value or an executable) if it fails; cancellation passes through.

        A ProgramError (nothing bound, a replay miss) is raised all the same: nothing else would help.
        """
        from onetwo_like.core import combinators

        return combinators.fallback(self, other)

    def __repr__(self) -> str:
        return self.kind.shown(self.args, self.kwargs)

    def _repr_html_(self) -> str:
        from onetwo_like.core.graph import html

        return html(self)

    # Whatever would let the description pass for its value is refused.

    def __str__(self) -> str:
        self._not_a_value("turned into text")

    def __format__(self, _spec: str) -> str:
        self._not_a_value("put into an f-string")

    def __bool__(self) -> bool:
        self._not_a_value("used as a condition")

    def __eq__(self, other: object) -> bool:
        if other is not None and not isinstance(other, Node):
            self._not_a_value(f"compared with {other!r:.40}")
        return self is other

    __hash__ = object.__hash__

    def __add__(self, other: Never) -> Any:
        return self._joined_to(other)

    def __radd__(self, other: Never) -> Any:
        return self._joined_to(other)

    def _joined_to(self, other: object) -> Any:
        if not isinstance(other, Executable):
            self._not_a_value(f"joined to {other!r:.40} by +")
        return NotImplemented  # a composable may know how

    def _not_a_value(self, what: str) -> Never:
        raise UsageError(
            f"{self.kind.name}(...) has not run yet, so it cannot be {what}. "
            "Get its value first: `await` it inside an executable, or `ot.run(...)` outside; repr(...) shows it."
        )


def require_executable(value: object, where: str) -> None:
    """Raises a UsageError unless the value is an Executable."""
    if not isinstance(value, Executable):
        raise UsageError(
            f"{where} takes an Executable, such as llm.generate_text(...), not {described(value)}"
        )


def described(value: object) -> str:
    """The value's type and a short repr, for messages."""
    return f"{type(value).__name__}: {value!r:.60}"
