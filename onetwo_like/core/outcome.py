"""How did one of many runs end?"""

from __future__ import annotations

import dataclasses
from typing import Any, Generic, Literal, TypeVar

T = TypeVar("T")
Status = Literal["ok", "error", "timeout", "cancelled"]


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """A value, or the error in its place.

    >>> Outcome("ok", 42).unwrap()
    42
    """

    status: Status
    value: T | None = None
    error: BaseException | None = None

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self.status == "ok"

    def unwrap(self) -> T:
        """The value; raises the error if there is none."""
        if self.error is not None:
            raise self.error
        value: Any = self.value
        result: T = value
        return result
