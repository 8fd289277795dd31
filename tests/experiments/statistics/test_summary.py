"""Does the sentence at the top of a result say what the numbers say, and no more?"""

import dataclasses

from onetwo_like.experiments.statistics import differences
from onetwo_like.experiments.statistics.difference import Difference
from onetwo_like.experiments.statistics.summary import summary

BETTER = Difference(
    metric="exact",
    a="bigram",
    b="five-gram",
    n=194,
    mean_a=0.31,
    mean_b=0.73,
    difference=0.42,
    ci_low=0.35,
    ci_high=0.49,
    bca_low=0.35,
    bca_high=0.49,
    p_value=0.0001,
    p_adjusted=0.0001,
    effect_size=0.9,
    wins=90,
    ties=96,
    losses=8,
    detectable=0.1,
    test="mcnemar",
    said="",
)
SIMILAR = dataclasses.replace(
    BETTER, difference=-0.012, ci_low=-0.041, ci_high=0.017, p_value=0.52, p_adjusted=0.52, detectable=0.0423
)
TOO_FEW = dataclasses.replace(
    SIMILAR,
    n=5,
    ci_low=None,
    ci_high=None,
    p_value=None,
    p_adjusted=None,
    detectable=None,
    said="only 5 pairs: too few for a test (8 are needed)",
)


def but(d, **changes):
    return dataclasses.replace(d, **changes)


def test_the_winner_comes_first():
    sentence = "five-gram is better than bigram in exact by 0.42 (95 % interval 0.35 to 0.49, p = 0.0001, 194 examples)."
    assert summary([BETTER]) == sentence
    assert summary([BETTER.swapped()]) == sentence


def test_what_was_not_shown_is_not_called_equal():
    assert summary([SIMILAR]) == (
        "no difference in exact could be shown between bigram and five-gram (-0.012, 95 % interval -0.041 to 0.017, "
        "p = 0.52, 194 examples); one of 0.042 or more would have been seen with at least 80 % probability."
    )


def test_the_adjusted_p_value_decides():
    assert "could be shown" in summary([but(BETTER, p_value=0.03, p_adjusted=0.06)])


def test_what_was_not_tested_is_said_with_its_reason():
    assert summary([TOO_FEW]) == (
        "exact was not tested between bigram and five-gram: only 5 pairs: too few for a test (8 are needed)."
    )


def test_a_difference_without_interval_keeps_its_p_value():
    [d] = differences(
        {"exact": {"a": {f"{i}": [0.0] for i in range(16)}, "b": {f"{i}": [1.0] for i in range(16)}}},
        yes_no={"exact": True},
    )
    assert summary([d]) == "b is better than a in exact by 1 (p < 0.0001, 16 examples)."


def test_of_several_pairs_the_surest_come_first_and_the_others_are_counted():
    pairs = [
        but(BETTER, a="x", b="y", p_value=0.001, p_adjusted=0.002),
        but(
            BETTER,
            a="x",
            b="z",
            p_value=0.0001,
            p_adjusted=0.0003,
            difference=-0.42,
            ci_low=-0.49,
            ci_high=-0.35,
        ),
        but(SIMILAR, a="y", b="z"),
    ]
    surest = (
        "x is better than z in exact by 0.42 (95 % interval 0.35 to 0.49, adjusted p = 0.0003, 194 examples)"
    )
    second = (
        "y is better than x in exact by 0.42 (95 % interval 0.35 to 0.49, adjusted p = 0.002, 194 examples)"
    )
    assert summary(pairs) == f"{surest}; {second}."
    assert summary([*pairs, but(BETTER, a="y", b="w", p_adjusted=0.04)]) == (
        f"{surest}; {second}, and 1 more."
    )


def test_of_several_pairs_none_of_which_differ_the_closest_to_a_difference_is_named():
    pairs = [
        but(SIMILAR, a="x", b="y"),
        but(SIMILAR, a="x", b="z", p_adjusted=0.21),
        but(TOO_FEW, a="y", b="z"),
    ]
    assert summary(pairs) == (
        "no difference in exact could be shown between any two arms (closest: x and z, -0.012, 95 % interval -0.041 "
        "to 0.017, adjusted p = 0.21, 194 examples); one of 0.042 or more would have been seen with at least 80 % "
        "probability."
    )


def test_other_metrics_are_told_shortly():
    f1 = but(BETTER, metric="f1", difference=0.1, ci_low=0.05, ci_high=0.15, p_adjusted=0.01)
    length = but(f1, metric="length", difference=-0.1, ci_low=-0.15, ci_high=-0.05)
    assert summary([BETTER, f1, length, but(f1, metric="bleu")]).endswith(
        "194 examples); also, five-gram is better than bigram in f1 by 0.10 and bigram is better than five-gram in "
        "length by 0.10, and 1 more."
    )
    assert summary([BETTER, f1, but(f1, metric="bleu")]).endswith(
        "194 examples); also in f1 by 0.10 and in bleu by 0.10."
    )
    assert summary([TOO_FEW, f1]) == (
        "exact was not tested between bigram and five-gram: only 5 pairs: too few for a test (8 are needed); "
        "but five-gram is better than bigram in f1 by 0.10."
    )


def test_nothing_compared_needs_no_sentence():
    assert summary([]) == ""


def test_numbers_have_the_decimals_that_the_interval_can_carry():
    def shown(difference, half):
        d = but(BETTER, difference=difference, ci_low=difference - half, ci_high=difference + half)
        return summary([d]).partition("by ")[2].partition(", p")[0]

    assert "1,234 examples" in summary([but(BETTER, n=1234)])
    assert shown(1234.4, 250) == "1234 (95 % interval 984 to 1484"
    assert shown(0.12345, 0.0021) == "0.1235 (95 % interval 0.1213 to 0.1255"
    assert shown(0.312, 0.152) == "0.31 (95 % interval 0.16 to 0.46"
    assert shown(2.5e-9, 1e-9) == "2.5e-09 (95 % interval 1.5e-09 to 3.5e-09"
    assert shown(0.049, 0.05) == "0.05 (95 % interval 0.00 to 0.10"
    assert shown(0.05, 0.05) == "0.05 (95 % interval 0.00 to 0.10"
    assert shown(2e12, 1e12) == "2e+12 (95 % interval 1e+12 to 3e+12"
