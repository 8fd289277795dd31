"""Does a metric of any form become a score, or an error that says what is wrong with it?"""

import functools
import math
import operator
from collections.abc import Awaitable
from fractions import Fraction

import numpy
import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.errors import MetricError, NotBoundError, UsageError
from onetwo_like.experiments.data.example import Example
from onetwo_like.experiments.metrics.metric import Scored, over_samples, prepared

EXAMPLE = Example("e1", "Capital of France?", "Paris", {"country": "France"})
GIVEN = {"target": "Paris", "prediction": "Nice", "example": EXAMPLE}


def score(metric, **given):
    return prepared("m", metric).score(**{**GIVEN, **given})


async def score_of(metric):
    scored = prepared("m", metric).score(**GIVEN)
    assert isinstance(scored, Awaitable)
    return await scored


@pytest.mark.parametrize(
    ("metric", "seen"),
    [
        (lambda target, prediction, example: (1, [target, prediction, example.id]), ["Paris", "Nice", "e1"]),
        (lambda example, prediction: (1, [prediction, example.id]), ["Nice", "e1"]),
        (lambda prediction: (1, prediction), "Nice"),
        (lambda *, target: (1, target), "Paris"),
        (lambda expected, actual: (1, [expected, actual]), ["Paris", "Nice"]),
        (lambda expected, actual, x: (1, [expected, actual, x.id]), ["Paris", "Nice", "e1"]),
        (lambda prediction, tolerance=3: (1, [prediction, tolerance]), ["Nice", 3]),
        (lambda **all: (1, sorted(all)), ["example", "prediction", "target"]),
        (lambda target, **all: (1, sorted(all)), ["example", "prediction"]),
        (lambda target, x=3: (1, [target, x]), ["Paris", 3]),
        (functools.partial(lambda prediction, limit: (1, limit), limit=5), 5),
    ],
)
def test_a_metric_gets_what_its_parameters_ask_for(metric, seen):
    assert score(metric) == Scored(1.0, seen)


def test_a_function_in_c_gets_target_and_prediction():
    assert score(operator.eq) == Scored(0.0, None, True)
    assert score(operator.eq, prediction="Paris") == Scored(1.0, None, True)


@pytest.mark.parametrize(
    ("metric", "says"),
    [
        (lambda prediction, gold: 1, "nothing fills the parameter 'gold'; a metric takes target, prediction"),
        (lambda answer: 1, "nothing fills the parameter 'answer'"),
        (lambda predictions: 1, "decorated with @over_samples"),
        (over_samples(lambda prediction: 1), "over all samples has `predictions`"),
        (lambda: 1, "'m' has no parameter that could be filled"),
        (lambda a, b, c, d: 1, "nothing fills the parameter 'a'"),
        (lambda gold, **all: 1, "nothing fills the parameter 'gold'"),
        ("exact", "is to be a function, not str: 'exact'"),
    ],
)
def test_a_parameter_that_nothing_fills_is_refused_before_anything_runs(metric, says):
    with pytest.raises(UsageError, match=says.replace("(", r"\(")):
        prepared("m", metric)


@pytest.mark.parametrize(
    ("value", "scored"),
    [
        (True, Scored(1.0, None, True)),
        (False, Scored(0.0, None, True)),
        ((False, "why"), Scored(0.0, "why", True)),
        (3, Scored(3.0)),
        (0.25, Scored(0.25)),
        ((0.25, {"a": 1}), Scored(0.25, {"a": 1})),
        (Fraction(1, 4), Scored(0.25)),
        (numpy.bool_(True), Scored(1.0, None, True)),
        (numpy.int64(2), Scored(2.0)),
        ((numpy.float32(0.5), "why"), Scored(0.5, "why")),
        (numpy.array(0.5), Scored(0.5)),
    ],
)
def test_what_a_metric_returns_is_a_number_and_details(value, scored):
    found = score(lambda prediction: value)
    assert found == scored
    assert (type(found.value), type(found.is_bool)) == (float, bool)


@pytest.mark.parametrize(
    "value",
    [None, "1", math.nan, math.inf, -math.inf, [1], (1, 2, 3), ("1", "why"), (None, "why"), {}, 1j, 10**400],
)
def test_what_is_no_finite_number_is_an_error_that_names_metric_value_and_example(value):
    with pytest.raises(MetricError) as caught:
        score(lambda prediction: value)
    assert "metric 'm' returned" in str(caught.value)
    assert repr(value)[:100] in str(caught.value)
    assert "the example 'e1'" in str(caught.value)


def test_what_a_metric_raises_is_an_error_that_names_metric_and_example():
    with pytest.raises(
        MetricError, match="metric 'm' failed on the example 'e1': KeyError: 'city'"
    ) as caught:
        score(lambda example: example.fields["city"])
    assert isinstance(caught.value.__cause__, KeyError)


def test_what_concerns_the_whole_program_is_raised_as_it_is():
    with ot.RegistryContext(ot.Registry()), pytest.raises(NotBoundError):
        ot.run(ot.make_executable(score_of)(lambda prediction: llm.generate_text(prediction)))
    with pytest.raises(UsageError, match="has not run yet"):
        score(lambda prediction: 1 if llm.generate_text(prediction) else 0)


async def waiting(target, prediction):
    return target == prediction


async def describing(prediction):
    return llm.generate_text(prediction).map(lambda text: (len(text), text))


def test_an_async_metric_and_an_executable_are_awaited_in_the_registry_in_force():
    with ot.RegistryContext():
        llm.generate_text.configure(lambda prompt: prompt.upper())
        run = ot.make_executable(score_of)
        assert ot.run(run(waiting)) == Scored(0.0, None, True)
        assert ot.run(run(describing)) == Scored(4.0, "NICE")
        assert ot.run(run(lambda prediction: llm.generate_text(prediction).map(len))) == Scored(4.0)


def test_what_an_async_metric_raises_or_returns_is_checked_too():
    async def failing(prediction):
        raise KeyError("city")

    with pytest.raises(MetricError, match="failed on the example 'e1': KeyError"):
        ot.run(ot.make_executable(score_of)(failing))
    with ot.RegistryContext():
        llm.generate_text.configure(lambda prompt: prompt)
        with pytest.raises(MetricError, match="metric 'm' returned 'Nice' for the example 'e1'"):
            ot.run(ot.make_executable(score_of)(lambda prediction: llm.generate_text(prediction)))


def test_a_metric_over_samples_gets_all_predictions():
    metric = prepared("m", over_samples(lambda target, predictions: predictions.count(target)))
    assert metric.over_samples
    assert metric.score(target="a", predictions=["a", "b", "a"], example=EXAMPLE) == Scored(2.0)


def test_a_pairwise_metric_gets_the_input_and_both_answers():
    class Longer:
        pairwise = True

        def __call__(self, input, answer_a, answer_b):
            return len(answer_b) > len(answer_a), input

    metric = prepared("m", Longer())
    assert metric.pairwise
    scored = metric.score(example=EXAMPLE, answer_a="Nice", answer_b="Paris")
    assert scored == Scored(1.0, "Capital of France?", True)
