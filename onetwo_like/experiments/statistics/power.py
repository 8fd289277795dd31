"""Which difference can so many examples detect, and how many does a given difference need?"""

from __future__ import annotations

import functools
import math

from onetwo_like.errors import UsageError
from onetwo_like.experiments.extra import require_scipy
from onetwo_like.experiments.statistics.difference import Difference

FEWEST = 8  # pairs; with fewer nothing is tested
_MOST = 10**12


def power_of_t(n: int, effect: float, alpha: float = 0.05) -> float:
    """The probability that a two-sided paired t test of `n` pairs finds a true effect, by the noncentral t.

    `effect` is the true difference in standard deviations of the differences.

    >>> round(power_of_t(34, 0.5), 3)
    0.808
    """
    from scipy.special import stdtrit
    from scipy.stats import nct

    critical = stdtrit(n - 1, 1 - alpha / 2)
    centre = min(abs(effect) * math.sqrt(n), 1e6)  # scipy gives nan far beyond
    power = float(nct.sf(critical, n - 1, centre))
    if centre < 5:  # later the other tail is below 1e-12, and scipy soon gives nan for it
        power += float(nct.cdf(-critical, n - 1, centre))
    return power


@functools.lru_cache(maxsize=1_000)
def detectable_effect(n: int, power: float = 0.8, alpha: float = 0.05) -> float:
    """The effect that `n` pairs find with this probability, in standard deviations of the differences.

    >>> round(detectable_effect(34), 3)
    0.495
    """
    from scipy.optimize import brentq

    high = 1.0
    while power_of_t(n, high, alpha) < power:
        high *= 2
    return float(brentq(lambda effect: power_of_t(n, effect, alpha) - power, 0.0, high, xtol=1e-13))


def examples_needed(
    spread: Difference | float, wanted: float, *, power: float = 0.8, alpha: float = 0.05
) -> int:
    """How many examples are needed to find a true difference of `wanted` with the probability `power`.

    The test is two-sided, at level `alpha`. `spread` is a measured `Difference` `d`, or the standard deviation of
    the differences of examples. `examples_needed(d, 0.02) - d.n` is how many more than were measured. Never below
    8, where testing begins.

    >>> examples_needed(0.4, 0.1)
    128
    """
    require_scipy()
    if not (math.isfinite(wanted) and wanted != 0):
        raise UsageError(f"wanted={wanted!r} cannot be detected: give a difference that is not zero.")
    if not (0 < alpha < power < 1):
        raise UsageError(f"power={power!r} and alpha={alpha!r} must be probabilities, alpha the smaller one.")
    effect = abs(wanted) / _deviation(spread)
    high = FEWEST
    while power_of_t(high, effect, alpha) < power:
        high *= 2
        if high > _MOST:
            raise UsageError(f"wanted={wanted!r} is too small: it needs more than {_MOST:,} examples.")
    low = FEWEST - 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of_t(middle, effect, alpha) >= power else (middle, high)
    return high


def _deviation(spread: Difference | float) -> float:
    """The standard deviation of the differences of the examples."""
    if not isinstance(spread, Difference):
        if not (math.isfinite(spread) and spread > 0):
            raise UsageError(f"spread={spread!r} must be a standard deviation above zero.")
        return float(spread)
    if spread.detectable is None:
        raise UsageError(
            f"The spread of {spread.metric!r} between {spread.a!r} and {spread.b!r} is not known "
            f"({spread.said}); give the standard deviation of the differences that you expect."
        )
    return spread.detectable / detectable_effect(spread.n)
