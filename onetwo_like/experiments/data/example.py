"""What is one example of an experiment?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onetwo_like.core.frozen import FrozenDict


@dataclass(frozen=True, slots=True)
class Example:
    """One example: what the strategy gets, what the answer should be, and the whole record.

    `id` is that of the data as text, or a short hash of the record; `target` is None where there is none.
    """

    id: str
    input: Any
    target: Any = None
    fields: Mapping[str, Any] = FrozenDict()
