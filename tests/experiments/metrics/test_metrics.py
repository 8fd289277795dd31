"""Are all metrics there, and does each take what an experiment gives?"""

from collections.abc import Callable
from typing import Any

import pytest

from onetwo_like.backends import Scripted
from onetwo_like.experiments import metrics
from onetwo_like.experiments.data.example import Example
from onetwo_like.experiments.metrics.metric import Scored, prepared

READY: dict[str, Callable[..., Any]] = {
    "accuracy_at_k": metrics.accuracy_at_k(1, metrics.exact_match),
    "choice_accuracy": metrics.choice_accuracy,
    "consensus": metrics.consensus,
    "contains": metrics.contains,
    "exact_match": metrics.exact_match,
    "normalised_match": metrics.normalised_match,
    "numeric_match": metrics.numeric_match,
    "pass_at_k": metrics.pass_at_k(1, metrics.exact_match),
    "regex_match": metrics.regex_match("A"),
    "set_f1": metrics.set_f1,
}
ASKING: dict[str, Callable[..., Any]] = {
    "judge": metrics.judge("{{ prediction }}", backend=Scripted([])),
    "log_likelihood": metrics.log_likelihood,
    "pairwise_judge": metrics.pairwise_judge("{{ answer_1 }} {{ answer_2 }}", backend=Scripted([])),
}


def test_the_tables_here_name_all_of_them():
    assert {*READY, *ASKING, "over_samples"} == {*metrics.__all__}


@pytest.mark.parametrize("name", READY)
def test_a_metric_gives_1_where_the_answer_is_the_target(name):
    metric = prepared(name, READY[name])
    target = "1" if name == "numeric_match" else "A"
    answers = {"predictions": [target]} if metric.over_samples else {"prediction": target}
    scored = metric.score(target=target, example=Example("e1", "?", target), **answers)
    assert isinstance(scored, Scored)
    assert scored.value == 1.0


@pytest.mark.parametrize("name", ASKING)
def test_a_metric_that_asks_a_model_fits_too(name):
    assert prepared(name, ASKING[name]).pairwise is (name == "pairwise_judge")
