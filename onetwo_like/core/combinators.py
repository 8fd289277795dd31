"""What do the methods of an Executable do: other names, mapped values, bounds, retries, fall-backs?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from onetwo_like.core.evaluation import Evaluation, Held, Kind, Node, evaluate_below, join, shortened
from onetwo_like.core.events import emit_retrying
from onetwo_like.core.executable import Executable, require_executable
from onetwo_like.core.frozen import copied
from onetwo_like.core.function import Function, name_of
from onetwo_like.core.registry import Registry, copy_registry, scope_in_force, scoped
from onetwo_like.core.trace import Span
from onetwo_like.errors import DeadlineError, ProgramError, RunCancelled, UsageError

T = TypeVar("T")
RetryOn: TypeAlias = type[BaseException] | tuple[type[BaseException], ...] | Callable[[BaseException], bool]
RetryWait: TypeAlias = float | Callable[[int], float]

# What neither another attempt nor another program would help, or whoever cancelled does not want.
FINAL = (ProgramError, RunCancelled)


class _Method(Kind):
    """A control node shown as a method call on its first argument."""

    control = True

    def shown(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> str:
        rest = ", ".join([shortened(a) for a in args[1:]])
        return f"{shortened(args[0])}.{self.name}({rest})"


class _Named(_Method):
    name = "named"

    async def run(self, args: tuple[Any, ...], evaluation: Evaluation) -> Any:
        held, name = args
        scope = scope_in_force.get()
        if scope.watch is None:
            return await evaluation.value(held.node)
        span = Span(name, scope.span, scope.sample_path, None, scope.watch.tracing)
        with scoped(span=span):
            try:
                value = await evaluation.value(held.node)
            except BaseException as error:
                span.finish(error=error)
                raise
        span.finish(value)
        return value


class _Timeout(_Method):
    name = "timeout"

    async def run(self, args: tuple[Any, ...], evaluation: Evaluation) -> Any:
        held, seconds = args
        cell = evaluation.cell(held.node)
        try:
            async with asyncio.timeout(seconds) as bound:
                await join([cell])
        except TimeoutError:
            if not bound.expired():
                raise
            if not _has_value(cell.task):  # a reply that arrived while it was being stopped is not lost
                raise DeadlineError(f"{held.node.kind.name} did not finish within {seconds:g} s") from None
        return cell.task.result()


def _has_value(task: asyncio.Task[Any]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


class _Retry(_Method):
    name = "retry"

    async def run(self, args: tuple[Any, ...], evaluation: Evaluation) -> Any:
        held, n, on, wait = args
        scope = scope_in_force.get()
        # Where one retries within another, the inner one's second attempt is not the outer one's.
        label = "inner " * scope.retries + "retry"
        attempt = 1
        while True:
            try:
                if attempt == 1:
                    with scoped(retries=scope.retries + 1):
                        return await evaluation.value(held.node)
                path = (*scope.sample_path, f"{label} {attempt - 1}")
                with scoped(retries=scope.retries + 1, sample_path=path):
                    return await evaluate_below(held.node)
            except Exception as error:
                if attempt == n or isinstance(error, FINAL) or not _matches(error, on):
                    raise
                wait_s = float(wait(attempt)) if callable(wait) else wait
                attempt += 1
                emit_retrying(attempt, error, wait_s)
            if wait_s > 0:
                await asyncio.sleep(wait_s)


def _matches(error: BaseException, on: RetryOn) -> bool:
    if isinstance(on, type | tuple):
        return isinstance(error, on)
    return bool(on(error))


class _Fallback(_Method):
    name = "fallback"

    async def run(self, args: tuple[Any, ...], evaluation: Evaluation) -> Any:
        held, other = args
        try:
            return await evaluation.value(held.node)
        except FINAL:
            raise
        except Exception:  # noqa: BLE001  (whatever went wrong, that is what a fall-back is for)
            if isinstance(other, Held):
                return await evaluation.value(other.node)
            return copied(other)  # as it was written, whatever became of it in an earlier run


class _WithRegistry(Kind):
    name = "with_registry"
    control = True

    async def run(self, args: tuple[Any, ...], evaluation: Evaluation) -> Any:
        held, registry = args
        with scoped(registry=registry, cell=None, inside=True):
            return await evaluate_below(held.node)


_NAMED, _TIMEOUT, _RETRY, _FALLBACK, _WITH_REGISTRY = (
    _Named(),
    _Timeout(),
    _Retry(),
    _Fallback(),
    _WithRegistry(),
)


def named(e: Node, name: str) -> Executable[Any]:
    """See `Executable.named`."""
    if not isinstance(name, str) or not name:
        raise UsageError(f"named takes a name, not {name!r}")
    return Executable(_NAMED, (Held(e), name))


def mapped(e: Node, function: Callable[..., Any]) -> Executable[Any]:
    """See `Executable.map`."""
    if not callable(function):
        raise UsageError(f"map takes a function, not {function!r:.60}")
    return Executable(Function(function, name_of(function)), (e,))


def timeout(e: Node, seconds: float) -> Executable[Any]:
    """See `Executable.timeout`."""
    return Executable(_TIMEOUT, (Held(e), positive(seconds, "timeout")))


def retry(e: Node, n: int, on: RetryOn, wait: RetryWait) -> Executable[Any]:
    """See `Executable.retry`."""
    if not isinstance(n, int) or isinstance(n, bool) or n < 1:
        raise UsageError(f"retry takes the number of attempts in all, at least 1, not {n!r}")
    classes = on if isinstance(on, tuple) else (on,) if isinstance(on, type) else ()
    if not (classes or callable(on)) or not all(
        isinstance(c, type) and issubclass(c, BaseException) for c in classes
    ):
        raise UsageError(f"retry(on=...) takes exception classes or a function of the error, not {on!r:.60}")
    if not callable(wait) and not (isinstance(wait, int | float) and wait >= 0):
        raise UsageError(f"retry(wait=...) takes seconds or a function of the attempt, not {wait!r:.60}")
    return Executable(_RETRY, (Held(e), n, on, wait))


def fallback(e: Node, other: Any) -> Executable[Any]:
    """See `Executable.fallback`."""
    return Executable(_FALLBACK, (Held(e), Held(other) if isinstance(other, Node) else copied(other)))


def with_registry(e: Executable[T], registry: Registry) -> Executable[T]:
    """The executable `e`, answered by this registry wherever it runs.

    >>> from onetwo_like import ot
    >>> from onetwo_like.builtins import llm
    >>> with ot.RegistryContext():
    ...     llm.generate_text.configure(lambda prompt: prompt[::-1])
    ...     backwards = ot.copy_registry()
    >>> ot.run(ot.with_registry(llm.generate_text("abc"), backwards))
    'cba'
    """
    require_executable(e, "ot.with_registry")
    if not isinstance(registry, Registry):
        raise UsageError(
            f"ot.with_registry takes a registry from ot.copy_registry(), not {type(registry).__name__}: {registry!r:.60}"
        )
    return Executable(_WITH_REGISTRY, (Held(e), registry))


def with_current_registry(e: Executable[T]) -> Executable[T]:
    """The executable `e`, answered wherever it runs by the registry that is in force now."""
    return with_registry(e, copy_registry())


def positive(value: object, what: str, unit: str = "seconds") -> float:
    """The value as a float; a UsageError unless it is a number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise UsageError(f"{what} takes {unit} above 0, not {value!r}")
    return float(value)
