"""Which metrics are there?"""

from onetwo_like.experiments.metrics.choice import choice_accuracy
from onetwo_like.experiments.metrics.judges import judge, pairwise_judge
from onetwo_like.experiments.metrics.metric import over_samples
from onetwo_like.experiments.metrics.model import log_likelihood
from onetwo_like.experiments.metrics.number import numeric_match
from onetwo_like.experiments.metrics.samples import accuracy_at_k, consensus, pass_at_k
from onetwo_like.experiments.metrics.sets import set_f1
from onetwo_like.experiments.metrics.text import contains, exact_match, normalised_match, regex_match

__all__ = [
    "accuracy_at_k",
    "choice_accuracy",
    "consensus",
    "contains",
    "exact_match",
    "judge",
    "log_likelihood",
    "normalised_match",
    "numeric_match",
    "over_samples",
    "pairwise_judge",
    "pass_at_k",
    "regex_match",
    "set_f1",
]
