"""Are metrics over samples what counting all possibilities gives?"""

import asyncio
import functools
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetwo_like import ot
from onetwo_like.backends import Scripted
from onetwo_like.builtins import llm
from onetwo_like.errors import MetricError, UsageError
from onetwo_like.experiments.data.example import Example
from onetwo_like.experiments.metrics import accuracy_at_k, consensus, exact_match, judge, pass_at_k
from onetwo_like.experiments.metrics.metric import Scored, prepared

EXAMPLE = Example("e1", "Capital of France?", "Paris")


def score(metric, predictions, target="Paris"):
    metric = prepared("m", metric)
    assert metric.over_samples
    return metric.score(target=target, predictions=predictions, example=EXAMPLE)


@given(st.lists(st.booleans(), min_size=1, max_size=9), st.integers(1, 9))
def test_pass_at_k_is_the_share_of_all_draws_of_k_that_hold_one_that_passes(passed, k):
    metric = pass_at_k(k, lambda target, prediction: prediction)
    if k > len(passed):
        with pytest.raises(ValueError, match=f"needs {k} samples or more, and {len(passed)} have an answer"):
            metric(None, passed, EXAMPLE)
        return
    draws = list(itertools.combinations(passed, k))
    value, details = metric(None, passed, EXAMPLE)
    assert value == pytest.approx(sum(map(any, draws)) / len(draws), abs=1e-12)
    assert details == {"samples": len(passed), "passed": sum(passed)}


def test_pass_at_k_of_many_samples_is_exact():
    value, _ = pass_at_k(100, lambda target, prediction: prediction)(None, [True] + [False] * 9_999, EXAMPLE)
    assert value == pytest.approx(0.01, abs=1e-12)


@given(st.lists(st.sampled_from(["Paris", "paris.", "PARIS", "Nice", "Lyon"]), min_size=1))
def test_consensus_is_the_share_of_the_most_frequent_answer(answers):
    names = [answer.lower().strip(".") for answer in answers]
    value, details = consensus(answers)
    assert value == max(map(names.count, names)) / len(names)
    assert names.count(details["answer"].lower().strip(".")) == max(map(names.count, names))
    assert details["different"] == len(set(names))


@given(st.lists(st.sampled_from("abcd"), min_size=1), st.integers(1, 5))
def test_accuracy_at_k_says_whether_one_of_the_k_most_frequent_is_right(answers, k):
    ranked = sorted(dict.fromkeys(answers), key=lambda a: (-answers.count(a), answers.index(a)))
    for target in "abcd":
        expected = Scored(float(target in ranked[:k]), {"answers": ranked[:k]}, True)
        assert score(accuracy_at_k(k, exact_match), answers, target) == expected


def test_answers_that_are_no_text_are_counted_too():
    assert consensus([[1, 2], [1, 2], [2, 1]])[0] == 2 / 3
    assert consensus([{"a": 1, "b": 2}, {"b": 2, "a": 1}])[0] == 1.0
    assert consensus([4, "4"])[0] == 1.0
    assert consensus([None, None, "a"])[0] == 2 / 3


def test_what_is_the_same_answer_can_be_said():
    assert consensus(["a1", "a2", "b"])[0] == 1 / 3
    by_letter = functools.partial(consensus, key=lambda answer: answer[0])
    assert score(by_letter, ["a1", "a2", "b"]) == Scored(2 / 3, {"answer": "a1", "different": 2})
    first = accuracy_at_k(1, exact_match, key=lambda answer: answer[0])
    assert score(first, ["b", "a1", "a2"], target="a1") == Scored(1.0, {"answers": ["a1"]}, True)


def test_without_any_answer_there_is_no_score():
    for metric in (consensus, accuracy_at_k(1, exact_match), pass_at_k(1, exact_match)):
        with pytest.raises(MetricError, match=r"ValueError: .* have an answer|no sample has an answer"):
            score(metric, [])


def test_a_checker_may_ask_a_model_and_all_are_asked_at_once():
    async def answer(prompt):
        await barrier.wait()  # for ever, if there were not two at once
        return '"yes"' if prompt.startswith("Paris") else '"no"'

    @ot.make_executable
    def scored(metric):
        return metric.score(target="Paris", predictions=["Paris", "Nice"], example=EXAMPLE)

    barrier = asyncio.Barrier(2)
    checker = judge("{{ prediction }}?", backend=Scripted(answer))
    found = ot.run(scored(prepared("m", pass_at_k(1, checker))).timeout(20))
    assert found == Scored(0.5, {"samples": 2, "passed": 1})


def test_a_checker_may_ask_a_model_about_some_answers_only():
    def checker(target, prediction):
        return True if prediction == target else llm.generate_text(prediction).map(lambda text: text == "yes")

    with ot.RegistryContext():
        model = Scripted({"Nice": "no", "Paname": "yes"}).register()
        metric = prepared("m", pass_at_k(1, checker))
        run = ot.make_executable(
            lambda: metric.score(target="Paris", predictions=["Paris", "Nice", "Paname"], example=EXAMPLE)
        )
        assert ot.run(run()) == Scored(2 / 3, {"samples": 3, "passed": 2})
    assert len(model.requests) == 2


def test_a_checker_says_yes_or_no():
    with pytest.raises(MetricError, match=r"<lambda> in pass_at_k is to say True or False, not 0\.5"):
        score(pass_at_k(1, lambda target, prediction: 0.5), ["a"])


def test_a_checker_that_fails_is_named():
    def checker(prediction):
        raise KeyError(prediction)

    with pytest.raises(
        MetricError, match="metric 'checker in pass_at_k' failed on the example 'e1': KeyError"
    ):
        score(pass_at_k(1, checker), ["a"])


@pytest.mark.parametrize("make", [pass_at_k, accuracy_at_k])
def test_wrong_arguments_are_refused_where_they_are_written(make):
    for k in (0, -1, True, 1.5, "Paris"):
        with pytest.raises(UsageError, match="takes k, a number of samples of at least 1"):
            make(k, exact_match)
    with pytest.raises(UsageError, match="takes a checker"):
        make(1, 3)
    with pytest.raises(UsageError, match="nothing fills the parameter"):
        make(1, lambda answer: True)
    with pytest.raises(UsageError, match="takes k"):  # the maker in the place of a metric
        prepared("m", make).score(target="Paris", prediction="Nice", example=EXAMPLE)
