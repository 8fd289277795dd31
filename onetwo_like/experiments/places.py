"""Where is the row of one arm, example and sample, in this run and in one that was saved?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

from onetwo_like.experiments.pairs import Pair
from onetwo_like.experiments.rows import Row

Place: TypeAlias = tuple[int, int, int]
"""The number of the arm, of the example, and of the sample."""


class Places:
    """A place for every row of a run."""

    def __init__(self, arms: int, examples: int, samples: int) -> None:
        self._shape = (arms, examples, samples)
        self._found: list[Row | None] = [None] * (arms * examples * samples)
        self._left = [samples] * (arms * examples)

    def keep(self, place: Place, row: Row) -> None:
        """Puts a row into its place."""
        group = place[0] * self._shape[1] + place[1]
        self._found[group * self._shape[2] + place[2]] = row
        self._left[group] -= 1

    def at(self, arm: int, example: int, sample: int) -> Row | None:
        """The row in a place, if it is there already."""
        return self._found[(arm * self._shape[1] + example) * self._shape[2] + sample]

    def completed(self, place: Place) -> list[Row] | None:
        """All samples of this arm and example, for the first who asks when all are there; None otherwise."""
        group = place[0] * self._shape[1] + place[1]
        if self._left[group] != 0:
            return None
        self._left[group] = -1
        start = group * self._shape[2]
        return [row for row in self._found[start : start + self._shape[2]] if row is not None]

    def empty(self) -> Iterator[Place]:
        """The places without a row."""
        _, examples, samples = self._shape
        for at, row in enumerate(self._found):
            if row is None:
                group, sample = divmod(at, samples)
                yield (*divmod(group, examples), sample)

    @property
    def rows(self) -> list[Row]:
        """The rows that there are, by arm, example and sample."""
        return [row for row in self._found if row is not None]


class Earlier:
    """The rows of a saved run. A failure is in no cache, so what came of one can only be taken as it was."""

    def __init__(self, rows: Iterable[Row], pairs: Iterable[Pair], stopped: str | None) -> None:
        self.stopped = stopped
        self._rows = {(row.arm, row.example, row.sample): row for row in rows}
        self._pairs = {(pair.metric, pair.a, pair.b, pair.example, pair.sample): pair for pair in pairs}

    def row(self, arm: str, example: str, sample: int) -> Row | None:
        """The row as it was saved."""
        return self._rows.get((arm, example, sample))

    def final(self, key: tuple[str, str, int]) -> Row | None:
        """The row, if it failed, or if one of its calls did."""
        row = self._rows.get(key)
        return row if row is not None and is_final(row) else None

    def pair(self, metric: str, a: str, b: str, example: str, sample: int) -> Pair | None:
        """What was said of two answers."""
        return self._pairs.get((metric, a, b, example, sample))


def is_final(row: Row) -> bool:
    """Whether a saved row is not run again."""
    return row.status != "ok" or any(call.cache == "failed" for call in row.calls)
