"""How are arms compared that were scored on the same examples, and what is the mean of each?"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from onetwo_like.errors import UsageError
from onetwo_like.experiments.extra import require_scipy
from onetwo_like.experiments.statistics.bootstrap import bca_interval
from onetwo_like.experiments.statistics.difference import Difference, Mean
from onetwo_like.experiments.statistics.power import FEWEST, detectable_effect
from onetwo_like.experiments.statistics.pvalues import holm, mcnemar_p, permutation_p

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


# What rounding makes of equal numbers, as a part of the largest score: 0.1 + 0.2 and 0.3 are a tie.
_ROUNDING = 1e-14
LARGEST = 1e300


def differences(
    scores: Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]],
    *,
    yes_no: Mapping[str, bool],
    seed: int = 0,
) -> list[Difference]:
    """Each pair of arms in each metric, in the order given; `p_adjusted` is Holm's over all of them.

    `scores[metric][arm][example]` are the scores of the samples of one example. Only examples that have a score
    in both arms are compared. What is said of one pair does not depend on the others, `p_adjusted` apart, nor
    on the order of anything.

    >>> a = {str(i): [i % 3 == 0] for i in range(20)}
    >>> b = {str(i): [i % 4 != 0] for i in range(20)}
    >>> [d] = differences({"exact": {"a": a, "b": b}}, yes_no={"exact": True})
    >>> d.wins, d.ties, d.losses, round(d.difference, 2), round(d.p_value, 4)
    (10, 8, 2, 0.4, 0.0386)
    """
    found = []
    for metric, arms in scores.items():
        for a, b in itertools.combinations(arms, 2):
            shared = [example for example in arms[a] if example in arms[b]]
            scores_a = [arms[a][example] for example in shared]
            scores_b = [arms[b][example] for example in shared]
            samples = max(map(len, (*scores_a, *scores_b)), default=1)
            is_yes_no = yes_no.get(metric, False)
            found.append(
                paired(metric, a, b, scores_a, scores_b, yes_no=is_yes_no, samples=samples, seed=seed)
            )
    adjusted = holm([d.p_value for d in found])
    return [dataclasses.replace(d, p_adjusted=p) for d, p in zip(found, adjusted, strict=True)]


def paired(
    metric: str,
    a: str,
    b: str,
    scores_a: Sequence[Sequence[float]],
    scores_b: Sequence[Sequence[float]],
    *,
    yes_no: bool,
    samples: int,
    seed: int,
) -> Difference:
    """What `b` scores beyond `a`, from the scores of the samples of each example, aligned by example.

    An example without a score in one of the arms is left out. The test is McNemar's for a yes/no metric with
    one sample, else a permutation of the examples' means. Raises UsageError for a score that is not finite.
    """
    require_scipy()
    if b < a:
        # In one order of the names, so that swapping the arms swaps the result to the last bit.
        return paired(metric, b, a, scores_b, scores_a, yes_no=yes_no, samples=samples, seed=seed).swapped()
    import numpy as np

    both = [(x, y) for x, y in zip(scores_a, scores_b, strict=True) if len(x) and len(y)]
    means_a = [_example_mean(x, metric) for x, _ in both]
    means_b = [_example_mean(y, metric) for _, y in both]
    rounding = _ROUNDING * max(map(abs, (*means_a, *means_b)), default=0.0)
    # Sorted, so that the order of the examples changes nothing, not even by rounding.
    d = np.sort(np.subtract(means_b, means_a))
    d[np.abs(d) <= rounding] = 0.0
    n, wins, losses = len(d), int(np.sum(d > 0)), int(np.sum(d < 0))
    found = Difference(
        metric=metric,
        a=a,
        b=b,
        n=n,
        mean_a=_mean(means_a),
        mean_b=_mean(means_b),
        difference=_mean(d),
        ci_low=None,
        ci_high=None,
        bca_low=None,
        bca_high=None,
        p_value=None,
        p_adjusted=None,
        effect_size=None,
        wins=wins,
        ties=n - wins - losses,
        losses=losses,
        detectable=None,
        test="",
        said=_why_nothing(n, wins + losses),
    )
    if n < FEWEST or wins + losses == 0:
        return found
    unit = _unit(d)
    d /= unit
    if yes_no and samples == 1:
        p, test = mcnemar_p(wins, losses), "mcnemar"
    else:
        p, test = permutation_p(d, _generator("permutation", seed, metric, a, b)), "permutation"
    found = dataclasses.replace(found, p_value=p, p_adjusted=p, test=test)
    if np.ptp(d) * unit <= 2 * rounding:
        return dataclasses.replace(
            found, said=f"all {n} differences are equal: no interval without variation"
        )
    centre, half, deviation = _t_interval(d)
    bca_low, bca_high = bca_interval(d, _generator("bootstrap", seed, metric, a, b))
    return dataclasses.replace(
        found,
        ci_low=(centre - half) * unit,
        ci_high=(centre + half) * unit,
        bca_low=bca_low * unit,
        bca_high=bca_high * unit,
        effect_size=centre / deviation,
        detectable=detectable_effect(n) * deviation * unit,
    )


def mean_of(scores: Iterable[Sequence[float]]) -> Mean:
    """The mean of one arm over its examples, from the scores of the samples of each.

    The samples of an example count as one: the interval is that of the examples' means. Examples without a
    score are left out.

    >>> mean_of([[1, 0], [1, 1], [0, 0], [1]])
    Mean(n=4, mean=0.625, ci_low=None, ci_high=None)
    """
    require_scipy()
    import numpy as np

    means = np.sort([_example_mean(x, "") for x in scores if len(x)])
    mean = _mean(means)
    if len(means) < FEWEST or np.ptp(means) <= 2 * _ROUNDING * np.max(np.abs(means)):
        return Mean(len(means), mean, None, None)
    unit = _unit(means)
    centre, half, _ = _t_interval(means / unit)
    return Mean(len(means), mean, (centre - half) * unit, (centre + half) * unit)


def _example_mean(scores: Sequence[float], metric: str) -> float:
    for score in scores:
        if not abs(score) <= LARGEST:  # also true of nan
            of = f" of the metric {metric!r}" if metric else ""
            raise UsageError(
                f"The score {score!r}{of} has no mean. Let the metric return a finite number, "
                "or raise where it has no answer: then the example is marked, and left out."
            )
    return math.fsum(scores) / len(scores)


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float | None:
    return math.fsum(values) / len(values) if len(values) else None


def _unit(values: NDArray[np.float64]) -> float:
    """The power of two just above them: measured in it, no square of theirs is too large or too small."""
    import numpy as np

    return math.ldexp(1.0, math.frexp(float(np.max(np.abs(values))))[1])


def _t_interval(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """The mean, half the width of its 95 % interval, and the standard deviation.

    The sandwich estimate with examples as clusters is, for one mean per example, the usual t interval.
    """
    from scipy.special import stdtrit

    n = len(values)
    deviation = float(values.std(ddof=1))
    return math.fsum(values) / n, float(stdtrit(n - 1, 0.975)) * deviation / math.sqrt(n), deviation


def _generator(use: str, seed: int, metric: str, a: str, b: str) -> np.random.Generator:
    """Of its own for each use, so that no number depends on what else is computed."""
    import numpy as np

    digest = hashlib.sha256(repr((use, seed, metric, a, b)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest))


def _why_nothing(n: int, differing: int) -> str:
    """Why there is no test, or what it could not have shown; "" if there is nothing to say."""
    if n == 0:
        return "no example was scored in both arms"
    if n < FEWEST:
        return f"only {n} {'pair' if n == 1 else 'pairs'}: too few for a test ({FEWEST} are needed)"
    if differing == 0:
        return f"all {n} pairs are tied: nothing to test"
    if differing <= 5:
        return f"pairs that differ: {differing} of {n}, so no p-value below {0.5 ** (differing - 1):g} was possible"
    return ""
