"""Are the p-values exact where they can be, right where they are drawn, and adjusted as Holm says?"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from onetwo_like.experiments.statistics.pvalues import holm, mcnemar_p, permutation_p


def permuted(values, seed=0):
    return permutation_p(np.array(values, dtype=float), np.random.default_rng(seed))


def exact_by_counting(whole_numbers):
    """The exact p-value of whole numbers, from the distribution of their sum with random signs."""
    ways = {0: 1}
    for x in whole_numbers:
        new: dict[int, int] = {}
        for total, count in ways.items():
            for signed in (total + x, total - x):
                new[signed] = new.get(signed, 0) + count
        ways = new
    seen = abs(sum(whole_numbers))
    return sum(count for total, count in ways.items() if abs(total) >= seen) / 2 ** len(whole_numbers)


@pytest.mark.parametrize("wins", [0, 1, 3, 10, 47, 1000])
@pytest.mark.parametrize("losses", [0, 1, 4, 10, 30, 1100])
def test_mcnemar_is_scipys_binomial_test(wins, losses):
    if wins + losses:
        expected = stats.binomtest(wins, wins + losses, 0.5).pvalue
        assert mcnemar_p(wins, losses) == pytest.approx(expected, rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("n", [8, 9, 11, 12])
def test_with_few_differences_the_permutation_is_exact_and_scipys(n):
    for seed in range(5):
        rng = np.random.default_rng([n, seed])
        values = rng.normal(0.5, 1, size=n) if seed % 2 else rng.integers(-2, 4, size=n).astype(float)
        expected = stats.permutation_test(
            (values, np.zeros(n)),
            lambda x, y, axis: np.mean(x - y, axis=axis),
            permutation_type="samples",
            vectorized=True,
            n_resamples=np.inf,
        ).pvalue
        assert permuted(values) == pytest.approx(expected, rel=1e-9, abs=1e-300)


@settings(derandomize=True, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=20).filter(any))
def test_up_to_twenty_differences_the_permutation_is_exact(values):
    assert permuted(values) == pytest.approx(exact_by_counting(values), rel=1e-9)


@pytest.mark.parametrize("n", [21, 30, 100, 301])
@pytest.mark.parametrize("shift", [0.0, 0.2, 0.4])
def test_with_many_differences_random_signs_come_close(n, shift):
    values = np.random.default_rng(n).normal(shift, 1, size=n).round(1)
    exact = exact_by_counting([round(10 * x) for x in values])
    error = math.sqrt(exact * (1 - exact) / 9_999)
    assert permuted(values) == pytest.approx(exact, rel=0, abs=4 * error + 2e-4)


def test_the_sign_that_was_seen_counts_as_one_of_those_drawn():
    assert permuted(np.ones(200)) == 1 / 10_000


def test_ties_change_nothing():
    values = [0.3, -0.1, 0.4, 0.2, 0.7, -0.2, 0.1, 0.9]
    assert permuted([*values, *[0.0] * 50]) == permuted(values)


def test_sums_that_differ_by_rounding_alone_are_equal():
    # 0.1 + 0.2 - 0.3 is not zero in binary, but is in truth.
    values = [0.1, 0.2, -0.3] * 4
    assert permuted(values) == 1.0
    assert permuted([*values, 0.6]) == pytest.approx(exact_by_counting([1, 2, -3] * 4 + [6]))


@settings(derandomize=True, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=7))
def test_holm_is_the_closed_bonferroni_test(p_values):
    known = [i for i, p in enumerate(p_values) if p is not None]
    adjusted = holm(p_values)
    for i, p in enumerate(p_values):
        if p is None:
            assert adjusted[i] is None
        else:
            # Refused only if every family that it belongs to is refused.
            families = (
                family
                for size in range(1, len(known) + 1)
                for family in itertools.combinations(known, size)
                if i in family
            )
            worst = max(min(1.0, len(f) * min(p_values[j] for j in f)) for f in families)
            assert adjusted[i] == pytest.approx(worst)
