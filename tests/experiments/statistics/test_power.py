"""Is power that of the noncentral t, and is the number of examples the smallest that has it?"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from onetwo_like.errors import UsageError
from onetwo_like.experiments.statistics import paired
from onetwo_like.experiments.statistics.power import detectable_effect, examples_needed, power_of_t


def closed_form(n, effect, alpha=0.05):
    """As in Cohen's book, and in statsmodels' TTestPower."""
    critical = stats.t.isf(alpha / 2, n - 1)
    centre = effect * math.sqrt(n)
    return stats.nct.sf(critical, n - 1, centre) + stats.nct.cdf(-critical, n - 1, centre)


@pytest.mark.parametrize("n", [8, 12, 34, 200, 10_000])
@pytest.mark.parametrize("standard_errors", [0.0, 0.5, 1.0, 2.8, 4.0, 6.0])
def test_power_is_that_of_the_noncentral_t(n, standard_errors):
    effect = standard_errors / math.sqrt(n)
    assert power_of_t(n, effect) == pytest.approx(closed_form(n, effect), rel=0, abs=1e-9)
    assert power_of_t(n, -effect) == power_of_t(n, effect)


@pytest.mark.parametrize("n", [8, 100, 10**6, 10**12])
def test_an_effect_beyond_all_doubt_has_power_one(n):
    for effect in (1e2, 1e6, 1e100):
        assert power_of_t(n, effect) == pytest.approx(1.0, abs=1e-12)


def test_power_is_what_experiments_show():
    values = np.random.default_rng(0).normal(0.6, 1, size=(20_000, 20))
    found = np.mean(stats.ttest_1samp(values, 0, axis=1).pvalue <= 0.05)
    assert power_of_t(20, 0.6) == pytest.approx(found, abs=0.01)


@pytest.mark.parametrize(("effect", "n"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_the_examples_needed_are_those_of_the_published_tables(effect, n):
    # G*Power 3, "difference from constant (matched pairs)", two-sided, 0.05, 0.8.
    assert examples_needed(1.0, effect) == n


@pytest.mark.parametrize("n", [8, 9, 50, 3_000, 10**7])
def test_the_detectable_effect_has_a_power_of_80_percent(n):
    assert closed_form(n, detectable_effect(n)) == pytest.approx(0.8, abs=1e-9)


@settings(derandomize=True, deadline=None)
@given(
    st.floats(0.01, 100),
    st.floats(1e-3, 1e3),
    st.sampled_from([0.5, 0.8, 0.99]),
    st.sampled_from([0.05, 0.001]),
)
def test_fewer_examples_would_not_do(deviation, wanted, power, alpha):
    n = examples_needed(deviation, wanted, power=power, alpha=alpha)
    assert power_of_t(n, wanted / deviation, alpha) >= power
    assert n == 8 or power_of_t(n - 1, wanted / deviation, alpha) < power


def measured(differences):
    return paired(
        "exact",
        "a",
        "b",
        [[0.0]] * len(differences),
        [[x] for x in differences],
        yes_no=False,
        samples=1,
        seed=0,
    )


def test_a_difference_that_was_measured_tells_its_spread():
    values = np.random.default_rng(1).normal(0.1, 3, size=40)
    assert examples_needed(measured(values), 0.5) == examples_needed(values.std(ddof=1), 0.5)
    assert examples_needed(measured(values), -0.5) == examples_needed(measured(values), 0.5)


def test_what_a_run_could_detect_needs_as_many_examples_as_it_had():
    d = measured(np.random.default_rng(1).normal(0.1, 3, size=40))
    assert d.detectable is not None
    assert examples_needed(d, d.detectable * 1.000001) == d.n == 40


def test_a_spread_that_is_not_known_is_not_made_up():
    with pytest.raises(UsageError, match=r"'exact' between 'a' and 'b' is not known \(only 3 pairs"):
        examples_needed(measured([1.0, 2.0, 4.0]), 0.5)


@pytest.mark.parametrize("wanted", [0.0, math.nan, math.inf])
def test_a_difference_that_no_run_can_find_is_refused(wanted):
    with pytest.raises(UsageError, match="wanted="):
        examples_needed(1.0, wanted)


def test_a_difference_that_needs_more_examples_than_there_are_is_refused():
    with pytest.raises(UsageError, match="more than 1,000,000,000,000 examples"):
        examples_needed(1.0, 1e-9)


@pytest.mark.parametrize("spread", [0.0, -1.0, math.nan, math.inf])
def test_a_spread_that_is_none_is_refused(spread):
    with pytest.raises(UsageError, match="spread="):
        examples_needed(spread, 0.5)


@pytest.mark.parametrize(("power", "alpha"), [(1.0, 0.05), (0.8, 0.0), (0.04, 0.05), (math.nan, 0.05)])
def test_a_power_that_is_no_probability_is_refused(power, alpha):
    with pytest.raises(UsageError, match="power="):
        examples_needed(1.0, 0.5, power=power, alpha=alpha)
