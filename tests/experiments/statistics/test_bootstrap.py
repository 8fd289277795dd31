"""Is the bootstrap's interval scipy's BCa, but for the level that few values ask for?"""

import math

import numpy as np
import pytest
from scipy import stats

from onetwo_like.experiments.statistics.bootstrap import bca_interval


def scipys(values, level, resamples=40_000):
    made = stats.bootstrap(
        (values,),
        np.mean,
        confidence_level=level,
        n_resamples=resamples,
        method="BCa",
        batch=5_000,
        rng=np.random.default_rng(1),
    )
    return made.confidence_interval


def widened(n):
    """The level at which a normal interval with the divisor n is as wide as the t interval."""
    return 1 - 2 * stats.norm.sf(math.sqrt(n / (n - 1)) * stats.t.ppf(0.975, n - 1))


DATA = {
    "normal": lambda rng, n: rng.normal(size=n),
    "skewed to the right": lambda rng, n: rng.exponential(size=n),
    "skewed to the left": lambda rng, n: -rng.exponential(size=n),
    "far from zero": lambda rng, n: 1e6 + rng.normal(size=n),
    "yes/no": lambda rng, n: rng.choice([-1.0, 0.0, 1.0], size=n, p=[0.1, 0.6, 0.3]),
    "thirds": lambda rng, n: (rng.binomial(3, 0.8, size=n) - rng.binomial(3, 0.5, size=n)) / 3,
}


@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
@pytest.mark.parametrize("n", [10, 60])
def test_it_is_scipys_at_the_widened_level(data, n):
    values = data(np.random.default_rng(5), n)
    seen = bca_interval(values, np.random.default_rng(2))
    # An end wanders by about 0.03 standard errors from one set of resamples to the next; a discrete mean has steps.
    step = 1 / (3 * n) if len(set(values)) < 8 else 0.0
    tolerance = 0.15 * values.std(ddof=1) / math.sqrt(n) + step
    assert seen == pytest.approx(tuple(scipys(values, widened(n))), rel=0, abs=tolerance)


@pytest.mark.parametrize("data", DATA.values(), ids=DATA)
def test_with_many_values_it_is_scipys_at_95_percent(data):
    n = 500
    values = data(np.random.default_rng(6), n)
    seen = bca_interval(values, np.random.default_rng(2))
    tolerance = 0.15 * values.std(ddof=1) / math.sqrt(n)
    assert seen == pytest.approx(tuple(scipys(values, 0.95)), rel=0, abs=tolerance)


def averaged(values):
    return np.mean([bca_interval(values, np.random.default_rng(seed)) for seed in range(60)], axis=0)


def test_on_average_over_seeds_even_its_correction_of_bias_is_scipys():
    values = np.exp(np.linspace(0, 4, 12))
    low, high = averaged(values)
    expected = scipys(values, widened(12), resamples=400_000)
    standard_error = values.std(ddof=1) / math.sqrt(12)
    assert low == pytest.approx(expected.low, rel=0, abs=0.015 * standard_error)
    assert high == pytest.approx(expected.high, rel=0, abs=0.1 * standard_error)


@pytest.mark.parametrize("data", ["yes/no", "thirds"])
def test_resamples_that_tie_with_the_mean_favour_no_side(data):
    values = DATA[data](np.random.default_rng(5), 60)
    mirrored = -averaged(-values)[::-1]
    assert averaged(values) == pytest.approx(mirrored, rel=0, abs=0.05 * values.std(ddof=1) / math.sqrt(60))


def test_skew_moves_the_interval_to_the_long_side():
    values = np.random.default_rng(3).exponential(size=40)
    low, high = bca_interval(values, np.random.default_rng(0))
    assert high - values.mean() > 1.2 * (values.mean() - low)


def test_values_that_seldom_differ_give_an_interval_all_the_same():
    values = np.zeros(100)
    values[0] = 1.0
    low, high = bca_interval(values, np.random.default_rng(0))
    assert 0.0 <= low < 0.01 < high < 0.1
