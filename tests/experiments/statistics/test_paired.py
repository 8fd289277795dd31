"""Is what is said of two arms right, the same from both sides, and never pretended?"""

import json
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from onetwo_like.errors import UsageError
from onetwo_like.experiments.statistics import differences, mean_of
from onetwo_like.experiments.statistics.power import detectable_effect
from tests.experiments.statistics.drawn import drawn, named, of, singly

NUMBERS_OF_A_TEST = ("p_value", "p_adjusted")
NUMBERS_OF_AN_INTERVAL = ("ci_low", "ci_high", "bca_low", "bca_high", "effect_size", "detectable")


def none_of(d, names):
    return all(getattr(d, name) is None for name in names)


class TestNumbers:
    def test_the_difference_is_what_b_has_beyond_a(self):
        d = of(singly([1, 2, 3, 4, 5, 6, 7, 8]), singly([2, 2, 5, 4, 9, 6, 6, 8]))
        assert (d.n, d.mean_a, d.mean_b, d.difference) == (8, 4.5, 5.25, 0.75)
        assert (d.wins, d.ties, d.losses) == (3, 4, 1)

    @pytest.mark.parametrize("n", [8, 30, 500])
    def test_the_interval_is_that_of_the_paired_t_test(self, n):
        a, b = drawn(n, n, 0.2)
        d = of(singly(a), singly(b))
        expected = stats.ttest_rel(b, a).confidence_interval(0.95)
        assert (d.ci_low, d.ci_high) == pytest.approx(tuple(expected), rel=1e-9)
        again = stats.ttest_1samp(b - a, 0).confidence_interval(0.95)
        assert (d.ci_low, d.ci_high) == pytest.approx(tuple(again), rel=1e-9)

    def test_effect_size_and_detectable_are_in_standard_deviations_of_the_differences(self):
        a, b = drawn(2, 30, 0.5)
        d = of(singly(a), singly(b))
        deviation = (b - a).std(ddof=1)
        assert d.effect_size == pytest.approx((b - a).mean() / deviation, rel=1e-12)
        assert d.detectable == pytest.approx(detectable_effect(30) * deviation, rel=1e-12)

    def test_a_run_of_the_detectable_difference_finds_it_in_80_percent(self):
        found, rng = 0, np.random.default_rng(0)
        detectable = detectable_effect(12) * math.sqrt(2)
        for _ in range(300):
            a, b = rng.normal(size=12), rng.normal(size=12) + detectable
            p = of(singly(a), singly(b)).p_value
            assert p is not None
            found += p <= 0.05
        assert found / 300 == pytest.approx(0.8, abs=0.07)

    def test_a_yes_no_metric_with_one_sample_is_tested_by_mcnemar(self):
        a, b = [1] * 10 + [0] * 30, [1] * 8 + [0] * 2 + [1] * 12 + [0] * 18
        d = of(singly(a), singly(b), yes_no=True)
        assert (d.wins, d.losses, d.test) == (12, 2, "mcnemar")
        assert d.p_value == pytest.approx(stats.binomtest(2, 14).pvalue, rel=1e-9)

    def test_other_metrics_and_several_samples_are_tested_by_permutation(self):
        a, b = [1] * 10 + [0] * 30, [1] * 8 + [0] * 2 + [1] * 12 + [0] * 18
        as_numbers = of(singly(a), singly(b), yes_no=False)
        # With one sample of 0 or 1 both are the same test.
        assert (as_numbers.test, as_numbers.p_value) == ("permutation", stats.binomtest(2, 14).pvalue)
        several = of([[x, x] for x in a], [[x, 1] for x in b], yes_no=True)
        assert several.test == "permutation"

    def test_the_permutation_is_of_the_means_of_examples(self):
        rng = np.random.default_rng(8)
        a, b = rng.normal(size=(9, 4)), rng.normal(0.5, 1, size=(9, 4))
        expected = stats.permutation_test(
            (b.mean(axis=1), a.mean(axis=1)),
            lambda x, y: np.mean(x - y),
            permutation_type="samples",
            n_resamples=np.inf,
        )
        assert of(a.tolist(), b.tolist()).p_value == pytest.approx(expected.pvalue, rel=1e-9)


class TestSamples:
    def test_samples_of_one_example_count_as_one(self):
        a, b = drawn(4, 20, 0.5)
        once = of(singly(a), singly(b))
        copied = of([[x] * 5 for x in a], [[x] * 5 for x in b])
        for name in ("n", "difference", *NUMBERS_OF_AN_INTERVAL, *NUMBERS_OF_A_TEST):
            assert getattr(copied, name) == pytest.approx(getattr(once, name), rel=1e-9), name

    def test_each_example_weighs_the_same_however_many_of_its_samples_failed(self):
        a = [[0.0, 0.0, 0.0]] * 8
        b = [[1.0, 1.0, 1.0], [0.0]] * 4
        d = of(a, b)
        assert (d.mean_b, d.difference, d.wins, d.ties) == (0.5, 0.5, 4, 4)

    def test_an_example_without_a_score_in_one_arm_is_left_out(self):
        a, b = drawn(5, 20, 0.5)
        kept = of(singly(a), singly(b))
        assert of([*singly(a), [], [7.0]], [*singly(b), [9.0], []]) == kept

    def test_examples_of_only_one_arm_are_left_out_of_the_pair(self):
        a, b = drawn(6, 20, 0.5)
        one, other = named(singly(a)), named(singly(b))
        del one["q3"], other["q5"]
        other["q7"] = []
        [d] = differences({"exact": {"a": one, "b": other}}, yes_no={"exact": False})
        rest = [i for i in range(20) if i not in (3, 5, 7)]
        assert d.n == 17
        assert d.mean_a == pytest.approx(a[rest].mean(), rel=1e-12)
        assert d == of(singly(a[rest]), singly(b[rest]))


class TestNothingPretended:
    @pytest.mark.parametrize("n", range(8))
    def test_below_eight_pairs_there_is_no_p_value_and_no_interval(self, n):
        a, b = drawn(1, n, 3.0)
        d = of(singly(a), singly(b))
        assert none_of(d, (*NUMBERS_OF_A_TEST, *NUMBERS_OF_AN_INTERVAL))
        assert (d.n, d.test) == (n, "")
        words = f"only {n} pair{'s' if n > 1 else ''}: too few for a test (8 are needed)"
        assert d.said == (words if n else "no example was scored in both arms")
        assert (d.difference is None) == (d.mean_a is None) == (d.mean_b is None) == (n == 0)

    def test_eight_pairs_are_enough(self):
        a, b = drawn(1, 8, 3.0)
        d = of(singly(a), singly(b))
        assert d.p_value == 2 / 2**8
        assert not any(none_of(d, [name]) for name in NUMBERS_OF_AN_INTERVAL)
        assert d.said == ""

    def test_ties_alone_give_no_p_value_and_no_interval(self):
        d = of(singly(range(20)), singly(range(20)))
        assert none_of(d, (*NUMBERS_OF_A_TEST, *NUMBERS_OF_AN_INTERVAL))
        assert (d.difference, d.ties, d.test) == (0.0, 20, "")
        assert d.said == "all 20 pairs are tied: nothing to test"

    @pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
    def test_without_variance_there_is_a_p_value_but_no_interval(self, scale):
        a = np.arange(9) * 0.3 * scale
        d = of(singly(a), singly(a + 0.1 * scale))  # equal but for rounding
        assert none_of(d, NUMBERS_OF_AN_INTERVAL)
        assert (d.p_value, d.wins) == (2 / 2**9, 9)
        assert d.said == "all 9 differences are equal: no interval without variation"

    def test_what_differs_by_rounding_alone_is_a_tie(self):
        d = of([[0.1 + 0.2], [0.1, 0.2, 0.3]] * 5, [[0.3], [0.3, 0.2, 0.1]] * 5)
        assert (d.ties, d.difference) == (10, 0.0)

    def test_a_small_difference_is_none_that_rounding_makes(self):
        d = of(singly([1e6 + i for i in range(10)]), singly([1e6 + i + 1e-6 for i in range(10)]))
        assert d.wins == 10

    def test_few_pairs_that_differ_cannot_show_anything_and_it_is_said(self):
        d = of(singly([0] * 40), singly([1] * 4 + [0] * 36), yes_no=True)
        assert d.p_value == 0.125
        assert d.said == "pairs that differ: 4 of 40, so no p-value below 0.125 was possible"

    @pytest.mark.parametrize("differing", [1, 5, 6])
    def test_six_pairs_that_differ_could_have_shown_something(self, differing):
        d = of(singly([0] * 40), singly([1] * differing + [0] * (40 - differing)))
        assert d.p_value is not None
        assert (d.said == "") == (d.p_value < 0.05) == (differing == 6)

    @pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
    def test_a_score_that_is_not_finite_is_refused_by_name(self, score):
        with pytest.raises(UsageError, match=f"The score {score} of the metric 'exact'"):
            of([[1.0, score]], [[1.0, 1.0]])
        with pytest.raises(UsageError, match=f"The score {score} has no mean"):
            mean_of([[score]])

    @settings(derandomize=True, deadline=None, max_examples=60)
    @given(
        st.lists(
            st.tuples(
                st.lists(st.floats(-1e300, 1e300), max_size=3), st.lists(st.floats(-1e300, 1e300), max_size=3)
            ),
            max_size=14,
        )
    )
    def test_whatever_the_scores_no_number_is_nan_or_infinite(self, scores):
        d = of([a for a, _ in scores], [b for _, b in scores])
        json.dumps(d.to_dict(), allow_nan=False)
        assert d.wins + d.ties + d.losses == d.n
        assert (d.ci_low is None) == (d.bca_low is None) == (d.detectable is None)
        if d.ci_low is not None:
            assert d.ci_low <= d.difference <= d.ci_high
        assert (d.said != "") or (d.p_value is not None and d.ci_low is not None)
        json.dumps(mean_of([a for a, _ in scores]).to_dict(), allow_nan=False)


class TestAllPairs:
    def made(self):
        rng = np.random.default_rng(11)
        return {
            metric: {
                arm: named(singly(rng.normal(shift, 1, size=30)))
                for arm, shift in zip("zya", shifts, strict=True)
            }
            for metric, shifts in (("long", (0, 0.6, 1.0)), ("exact", (0, 0.1, 0.7)))
        }

    def test_all_pairs_come_in_the_order_of_metrics_and_arms(self):
        seen = [(d.metric, d.a, d.b) for d in differences(self.made(), yes_no={})]
        pairs = [("z", "y"), ("z", "a"), ("y", "a")]
        assert seen == [(metric, *pair) for metric in ("long", "exact") for pair in pairs]

    def test_p_values_are_adjusted_over_all_metrics_and_pairs(self):
        found = differences(self.made(), yes_no={})
        ranked = sorted(found, key=lambda d: d.p_value or 0.0)
        assert ranked[0].p_adjusted == pytest.approx(6 * ranked[0].p_value)  # type: ignore[operator]
        assert ranked[1].p_adjusted == pytest.approx(5 * ranked[1].p_value)  # type: ignore[operator]

    def test_what_was_not_tested_does_not_count_among_the_tests(self):
        made = self.made()
        for arm in "zya":
            made["few"] = {**made.get("few", {}), arm: {"q1": [1.0]}}
        found, without = differences(made, yes_no={}), differences(self.made(), yes_no={})
        assert found[:6] == without
        assert all(d.p_adjusted is None for d in found[6:])

    def test_the_kind_of_each_metric_is_its_own(self):
        scores = {"a": named([[1.0], [0.0]] * 10), "b": named([[1.0], [1.0]] * 10)}
        found = differences({"exact": scores, "length": scores}, yes_no={"exact": True, "length": False})
        assert [d.test for d in found] == ["mcnemar", "permutation"]

    def test_several_samples_of_a_yes_no_metric_are_seen(self):
        scores = {"a": named([[1.0], [0.0]] * 10), "b": named([[1.0], [1.0, 1.0]] * 10)}
        [d] = differences({"exact": scores}, yes_no={"exact": True})
        assert d.test == "permutation"

    def test_one_arm_or_none_has_nothing_to_compare(self):
        assert differences({"exact": {"a": {"q": [1.0]}}, "none": {}}, yes_no={}) == []


class TestMeans:
    @pytest.mark.parametrize("n", [8, 30])
    def test_the_interval_is_that_of_the_t_test_on_means_of_examples(self, n):
        scores = np.random.default_rng(n).normal(3, 1, size=(n, 3))
        mean = mean_of(scores.tolist())
        expected = stats.ttest_1samp(scores.mean(axis=1), 0).confidence_interval(0.95)
        assert mean.n == n
        assert mean.mean == pytest.approx(scores.mean(), rel=1e-12)
        assert (mean.ci_low, mean.ci_high) == pytest.approx(tuple(expected), rel=1e-9)

    def test_examples_without_a_score_are_left_out(self):
        assert mean_of([[1.0], [], [2.0, 3.0]]).to_dict() == {
            "n": 2,
            "mean": 1.75,
            "ci_low": None,
            "ci_high": None,
        }

    def test_no_example_has_no_mean(self):
        assert mean_of([[]]).to_dict() == {"n": 0, "mean": None, "ci_low": None, "ci_high": None}

    def test_without_variance_there_is_no_interval(self):
        mean = mean_of([[0.1 + 0.2], [0.3]] * 10)
        assert mean.mean == pytest.approx(0.3)
        assert (mean.ci_low, mean.ci_high) == (None, None)


def test_without_scipy_the_error_names_the_command_that_installs_it():
    program = """
import sys
sys.modules["scipy"] = None  # as if it were not installed
from onetwo_like.errors import MissingExtraError
from onetwo_like.experiments.statistics import differences, examples_needed, mean_of
for work in (
    lambda: differences({"exact": {"a": {}, "b": {}}}, yes_no={}),
    lambda: examples_needed(1.0, 0.1),
    lambda: mean_of([]),
):
    try:
        work()
    except MissingExtraError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.count('pip install "onetwo-like[experiments]"') == 3


def test_the_modules_load_nothing_heavy_until_they_are_used():
    program = "import sys, onetwo_like.experiments.statistics; print({'numpy', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
