"""How do metrics that compare two answers become scores of arms?"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from onetwo_like.experiments.arms import Arm
from onetwo_like.experiments.metrics.metric import Metric, Scored
from onetwo_like.experiments.rows import Row, data_of
from onetwo_like.experiments.statistics import paired
from onetwo_like.experiments.statistics.difference import Difference


class Pair(NamedTuple):
    """What a pairwise metric said of two answers to one example: `score` is b's, and a's is 1 minus it."""

    metric: str
    a: str
    b: str
    example: str
    sample: int
    score: float
    details: Any = None

    def to_dict(self) -> dict[str, Any]:
        """The pair as plain data."""
        return {**self._asdict(), "details": data_of(self.details)}


class Pairs:
    """What was said of pairs in a run."""

    def __init__(self, arms: Sequence[Arm], metrics: Sequence[Metric]) -> None:
        self.metrics = metrics
        self._order = {arm.name: place for place, arm in enumerate(arms)}
        self._found: list[Pair] = []
        self._reasons: dict[tuple[str, str, str, int], str] = {}
        self._claimed: set[tuple[str, str, str, int]] = set()

    def claimed(self, a: Row, b: Row) -> bool:
        """Whether this pair is now the caller's to score: it is nobody else's."""
        key = (a.arm, b.arm, a.example, a.sample)
        if key in self._claimed:
            return False
        self._claimed.add(key)
        return True

    def scored(self, metric: Metric, a: Row, b: Row, scored: Scored) -> None:
        """Notes a score."""
        self.take(Pair(metric.name, a.arm, b.arm, a.example, a.sample, scored.value, scored.details))

    def take(self, pair: Pair) -> None:
        """Notes a score as it is."""
        self._found.append(pair)

    def failed(self, metric: Metric, a: Row, b: Row, reason: str) -> None:
        """Notes why there is none."""
        self._reasons[metric.name, a.arm, a.example, a.sample] = f"beside {b.arm}: {reason}"
        self._reasons[metric.name, b.arm, b.example, b.sample] = f"beside {a.arm}: {reason}"

    def take_reasons(self, metric: str, a: Row, b: Row) -> None:
        """Notes why there is none as two saved rows say it."""
        for row in (a, b):
            if metric in row.reasons:
                self._reasons[metric, row.arm, row.example, row.sample] = row.reasons[metric]

    def found(self, examples: Mapping[str, int]) -> list[Pair]:
        """All pairs in the order of the metrics, the arms and the examples."""
        metrics = {metric.name: place for place, metric in enumerate(self.metrics)}
        order = self._order
        return sorted(
            self._found,
            key=lambda p: (metrics[p.metric], order[p.a], order[p.b], examples[p.example], p.sample),
        )

    def into(self, rows: Iterable[Row]) -> None:
        """Writes into each row its mean score over the other arms, or why there is none."""
        scores: dict[tuple[str, str, str, int], list[float]] = {}
        for pair in self._found:
            for arm, score in ((pair.a, 1.0 - pair.score), (pair.b, pair.score)):
                scores.setdefault((pair.metric, arm, pair.example, pair.sample), []).append(score)
        for row in rows:
            for metric in self.metrics:
                name = metric.name
                key = (name, row.arm, row.example, row.sample)
                if key in scores:
                    row.scores[name] = math.fsum(sorted(scores[key])) / len(scores[key])
                elif row.status == "ok" and key not in self._reasons:
                    continue  # whoever stopped it says why
                else:
                    row.scores[name] = None
                if key in self._reasons:  # also where others have scored it: nothing is left out unsaid
                    row.reasons[name] = self._reasons[key]


def differences_of_pairs(
    pairs: Iterable[Pair], metrics: Iterable[str], arms: Sequence[str], seed: int
) -> list[Difference]:
    """Each pair of arms in each pairwise metric; `p_adjusted` is left to who knows all p-values."""
    scores: dict[tuple[str, str, str], dict[str, list[float]]] = {}
    for pair in pairs:
        scores.setdefault((pair.metric, pair.a, pair.b), {}).setdefault(pair.example, []).append(pair.score)
    found = []
    for metric in metrics:
        for a, b in itertools.combinations(arms, 2):
            of_b = list(scores.get((metric, a, b), {}).values())
            of_a = [[1.0 - score for score in sample] for sample in of_b]
            samples = max(map(len, of_b), default=1)
            found.append(paired(metric, a, b, of_a, of_b, yes_no=False, samples=samples, seed=seed))
    return found
