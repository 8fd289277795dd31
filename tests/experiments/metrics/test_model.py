"""Is a target's log-probability that of the model which is compared?"""

import functools
import math

import pytest

from onetwo_like import ot
from onetwo_like.backends import NGram, Scripted
from onetwo_like.builtins import llm
from onetwo_like.errors import MetricError, NotBoundError
from onetwo_like.experiments.data.example import Example
from onetwo_like.experiments.metrics import log_likelihood
from onetwo_like.experiments.metrics.metric import Scored, prepared

EXAMPLE = Example("e1", "Q: What is the capital of France?\nA:", "Paris")


@ot.make_executable
async def score(metric, prediction=None, target="Paris"):
    scored = prepared("m", metric).score(target=target, prediction=prediction, example=EXAMPLE)
    return scored if isinstance(scored, Scored) else await scored


def registry_of(backend):
    with ot.RegistryContext(ot.Registry()):
        backend.register()
        return ot.copy_registry()


def test_each_arm_scores_the_target_itself():
    metric = functools.partial(log_likelihood, before=" ")
    values = []
    for order in (2, 5):
        arm = registry_of(NGram(order=order))
        values.append(ot.run(ot.with_registry(score(metric), arm)).value)
        expected = ot.run(ot.with_registry(llm.score_text(EXAMPLE.input, [" Paris"]), arm))
        assert values[-1] == expected[0]
    assert values[0] < values[1] < 0


def test_the_prompt_is_a_template():
    metric = functools.partial(log_likelihood, prompt="{{ input }} in {{ example.id }}")
    with ot.RegistryContext(ot.Registry()):
        backend = Scripted([[-1.5]], operations="score_text").register()
        assert ot.run(score(metric)) == Scored(-1.5)
    assert [r.values for r in backend.requests] == [(f"{EXAMPLE.input} in e1", ("Paris",))]


def test_a_prediction_may_carry_it():
    assert ot.run(score(log_likelihood, {"text": "Paris", "log_likelihood": -0.25})) == Scored(-0.25)
    for wrong in (None, "-1", math.nan):
        with pytest.raises(MetricError, match="returned"):
            ot.run(score(log_likelihood, {"log_likelihood": wrong}))


def test_a_number_that_is_the_answer_is_no_log_probability():
    with ot.RegistryContext(ot.Registry()):
        llm.score_text.configure(lambda prompt, targets: [-2.0])
        assert ot.run(score(log_likelihood, 42)) == Scored(-2.0)


def test_what_cannot_be_scored_is_an_error():
    with ot.RegistryContext(ot.Registry()):
        with pytest.raises(NotBoundError, match="score_text"):
            ot.run(score(log_likelihood))
        llm.score_text.configure(lambda prompt, targets: [-math.inf])
        with pytest.raises(MetricError, match="metric 'm' returned -inf"):
            ot.run(score(log_likelihood))
        with pytest.raises(MetricError, match="the example has no target"):
            ot.run(score(log_likelihood, target=None))
        llm.score_text.configure(lambda prompt, targets: [-1.0, -2.0])
        with pytest.raises(
            MetricError, match=r"MalformedReplyError: score_text answered \[-1.0, -2.0\] to one"
        ):
            ot.run(score(log_likelihood))
