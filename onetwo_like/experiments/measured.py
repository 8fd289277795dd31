"""What do the scores of all rows come to: means, differences, costs and latencies?"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from onetwo_like.experiments.pairs import Pair, differences_of_pairs
from onetwo_like.experiments.rows import Row, Sums, paid, recorded
from onetwo_like.experiments.showing.figures import interval, number
from onetwo_like.experiments.showing.pictures import quantile
from onetwo_like.experiments.statistics import differences, mean_of
from onetwo_like.experiments.statistics.difference import Difference, Mean
from onetwo_like.experiments.statistics.pvalues import holm
from onetwo_like.experiments.statistics.summary import summary

Scores = dict[str, dict[str, dict[str, list[float]]]]


class Latency(NamedTuple):
    """Seconds of model time per answer, as recorded; None where nothing was."""

    mean: float | None
    median: float | None
    p95: float | None


class ArmSummary(NamedTuple):
    """One arm of a result: who answered, what it took when it was recorded, and what of it was paid now."""

    name: str
    described: str
    fingerprint: Any
    recorded: Sums
    paid: Sums
    latency_s: Latency

    def to_dict(self) -> dict[str, Any]:
        """The arm as plain data."""
        return {
            **self._asdict(),
            "recorded": dict(vars(self.recorded)),
            "paid": dict(vars(self.paid)),
            "latency_s": self.latency_s._asdict(),
        }


def summary_of_arm(name: str, described: str, fingerprint: Any, rows: Sequence[Row]) -> ArmSummary:
    """What the rows of an arm took."""
    calls = [call for row in rows for call in row.calls]
    took = sorted([row.latency_s for row in rows if row.status == "ok" and row.latency_s is not None])
    latency = (
        Latency(math.fsum(took) / len(took), quantile(took, 0.5), quantile(took, 0.95))
        if took
        else Latency(None, None, None)
    )
    return ArmSummary(name, described, fingerprint, recorded(calls), paid(calls), latency)


def scores_of(
    rows: Iterable[Row], metrics: Sequence[str], arms: Sequence[str], once: Collection[str]
) -> Scores:
    """scores[metric][arm][example]; of a metric in `once`, which judges all samples together, one per example."""
    found: Scores = {metric: {arm: {} for arm in arms} for metric in metrics}
    for row in rows:
        for metric, score in row.scores.items():
            if score is None:
                continue
            of_example = found[metric][row.arm].setdefault(row.example, [])
            if not of_example or metric not in once:
                of_example.append(score)
    return found


def means_of(scores: Scores) -> dict[str, dict[str, Mean]]:
    """The mean of each arm in each metric."""
    return {
        metric: {arm: mean_of(list(by_example.values())) for arm, by_example in arms.items()}
        for metric, arms in scores.items()
    }


def differences_of(
    scores: Scores, pairs: Sequence[Pair], pairwise: Collection[str], yes_no: Mapping[str, bool], seed: int
) -> list[Difference]:
    """Each pair of arms in each metric, `p_adjusted` over all of them."""
    of_arms = {metric: arms for metric, arms in scores.items() if metric not in pairwise}
    found = differences(of_arms, yes_no=yes_no, seed=seed)
    if pairwise:
        arms = list(next(iter(scores.values())))
        found += differences_of_pairs(pairs, [m for m in scores if m in pairwise], arms, seed)
        place = {metric: i for i, metric in enumerate(scores)}
        found.sort(key=lambda d: place[d.metric])
        adjusted = holm([d.p_value for d in found])
        found = [dataclasses.replace(d, p_adjusted=p) for d, p in zip(found, adjusted, strict=True)]
    return found


def in_words(found: Sequence[Difference], means: Mapping[str, Mapping[str, Mean]]) -> str:
    """What the result means, in one sentence."""
    if found:
        return summary(found)
    told = []
    for metric, arms in means.items():
        for arm, mean in arms.items():
            if mean.mean is None:
                told.append(f"no example of {arm} has a score in {metric}")
                continue
            bounds = (
                f"95 % interval {interval(mean.ci_low, mean.ci_high)}, " if mean.ci_low is not None else ""
            )
            told.append(
                f"{arm} has a mean of {number(mean.mean)} in {metric} "
                f"({bounds}{mean.n} example{'' if mean.n == 1 else 's'})"
            )
    return "; ".join(told) + "."
