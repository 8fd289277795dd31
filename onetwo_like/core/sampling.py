"""How does one program give several samples that no order can mix up?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar, overload

from onetwo_like.core.evaluation import Evaluation, Held, Kind, evaluate_below
from onetwo_like.core.executable import Executable, require_executable
from onetwo_like.core.registry import scope_in_force, scoped
from onetwo_like.errors import UsageError

T = TypeVar("T")


class _Sample(Kind):
    name = "repeat"
    control = True

    async def run(self, args: tuple[Any, ...], evaluation: Evaluation) -> Any:
        held, index = args
        with scoped(sample_path=(*scope_in_force.get().sample_path, index)):
            return await evaluate_below(held.node)

    def shown(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> str:
        return f"repeat({args[0]!r})[{args[1]}]"


_SAMPLE = _Sample()


class Endless(Generic[T]):
    """Samples without end: iterate, and stop when you have what you want."""

    def __init__(self, e: Executable[T]) -> None:
        self._e = e

    def __iter__(self) -> Iterator[Executable[T]]:
        index = 0
        while True:
            yield Executable(_SAMPLE, (Held(self._e), index))
            index += 1

    def __repr__(self) -> str:
        return f"repeat({self._e!r})"


@overload
def repeat(e: Executable[T]) -> Endless[T]: ...
@overload
def repeat(e: Executable[T], n: int) -> list[Executable[T]]: ...
def repeat(e: Executable[T], n: int | None = None) -> list[Executable[T]] | Endless[T]:
    """`n` samples of an executable, or without `n` as many as you iterate over.

    They differ in their sample path, which is part of the cache's key: five samples keep the
    first three of an earlier run with three. Samples of samples compose.

    >>> from onetwo_like import ot
    >>> from onetwo_like.builtins import llm
    >>> len(ot.repeat(llm.generate_text("Once"), 5))
    5
    """
    require_executable(e, "ot.repeat")
    if n is None:
        return Endless(e)
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        raise UsageError(f"ot.repeat takes the number of samples, not {n!r}")
    return [Executable(_SAMPLE, (Held(e), index)) for index in range(n)]
