"""Do the scores alone decide: not the order of anything, nor what else is computed?"""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onetwo_like.experiments.statistics import differences
from tests.experiments.statistics.drawn import drawn, named, of, singly

# Multiples of 1/8, so that sums are exact and equality is claimed to the last bit.
EXACT = st.integers(-40, 40).map(lambda i: i / 8)
SCORES = st.lists(
    st.tuples(st.lists(EXACT, min_size=1, max_size=2), st.lists(EXACT, min_size=1, max_size=2)),
    min_size=1,
    max_size=30,
)


class TestSymmetries:
    @settings(derandomize=True, deadline=None, max_examples=40)
    @given(SCORES)
    def test_swapping_the_arms_mirrors_everything(self, scores):
        scores_a, scores_b = [a for a, _ in scores], [b for _, b in scores]
        d, e = of(scores_a, scores_b, a="x", b="y"), of(scores_b, scores_a, a="y", b="x")

        def negative(x):
            return None if x is None else 0.0 - x

        assert (e.a, e.b, e.mean_a, e.mean_b) == ("y", "x", d.mean_b, d.mean_a)
        assert e.difference == negative(d.difference)
        assert e.effect_size == negative(d.effect_size)
        assert (e.ci_low, e.ci_high) == (negative(d.ci_high), negative(d.ci_low))
        assert (e.bca_low, e.bca_high) == (negative(d.bca_high), negative(d.bca_low))
        assert (e.p_value, e.detectable, e.test, e.said) == (d.p_value, d.detectable, d.test, d.said)
        assert (e.wins, e.ties, e.losses) == (d.losses, d.ties, d.wins)
        assert e == d.swapped()
        assert d == e.swapped()
        assert e.difference < 0 or math.copysign(1.0, e.difference) == 1.0, "a zero is shown as -0.0"

    @settings(derandomize=True, deadline=None, max_examples=40)
    @given(SCORES, st.integers(-1000, 1000))
    def test_a_constant_added_to_both_arms_changes_the_means_alone(self, scores, constant):
        d = of([a for a, _ in scores], [b for _, b in scores])
        e = of([[x + constant for x in a] for a, _ in scores], [[x + constant for x in b] for _, b in scores])
        assert e.mean_a == pytest.approx(d.mean_a + constant)
        assert e.mean_b == pytest.approx(d.mean_b + constant)
        assert dataclasses.replace(e, mean_a=d.mean_a, mean_b=d.mean_b) == d

    @settings(derandomize=True, deadline=None, max_examples=40)
    @given(SCORES, st.randoms(use_true_random=False))
    def test_the_order_of_the_examples_does_not_matter(self, scores, random):
        d = of([a for a, _ in scores], [b for _, b in scores])
        random.shuffle(scores)
        assert of([a for a, _ in scores], [b for _, b in scores]) == d

    def test_the_order_of_any_numbers_does_not_matter(self):
        rng = np.random.default_rng(0)
        a, b = rng.normal(size=(30, 3)), rng.normal(size=(30, 3))
        order = rng.permutation(30)
        assert of(a[order][:, ::-1].tolist(), b[order][:, ::-1].tolist()) == of(a.tolist(), b.tolist())


class TestSeeds:
    def test_one_seed_gives_one_result(self):
        a, b = drawn(3, 40, 0.3)
        assert of(singly(a), singly(b), seed=5) == of(singly(a), singly(b), seed=5)

    @pytest.mark.parametrize("other", [{"seed": 6}, {"metric": "f1"}, {"b": "c"}, {"a": "A"}])
    def test_seed_metric_and_arms_choose_the_random_numbers(self, other):
        a, b = drawn(3, 40, 0.3)
        d, e = of(singly(a), singly(b), seed=5), of(singly(a), singly(b), **{"seed": 5, **other})
        assert (d.ci_low, d.ci_high) == (e.ci_low, e.ci_high)
        assert d.bca_low != e.bca_low
        assert d.p_value != e.p_value

    def test_a_pair_does_not_depend_on_other_metrics_arms_and_their_order(self):
        made = {
            metric: {
                arm: named(singly(drawn(f, 40, shift)[1])) for arm, shift in (("a", 0), ("b", 0.3), ("c", 1))
            }
            for f, metric in enumerate(("exact", "f1"))
        }
        alone = {"f1": {arm: made["f1"][arm] for arm in ("b", "c")}}
        rearranged = {
            metric: {arm: dict(reversed(arms[arm].items())) for arm in "bca"}
            for metric, arms in reversed(made.items())
        }
        [expected] = differences(alone, yes_no={}, seed=1)
        for scores in (made, rearranged):
            [seen] = [
                d for d in differences(scores, yes_no={}, seed=1) if (d.metric, d.a, d.b) == ("f1", "b", "c")
            ]
            assert dataclasses.replace(seen, p_adjusted=expected.p_adjusted) == expected
