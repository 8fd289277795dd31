"""How do the tests of the statistics make scores, and compare two arms?"""

import numpy as np

from onetwo_like.experiments.statistics import paired


def of(scores_a, scores_b, *, yes_no=False, seed=0, metric="exact", a="a", b="b"):
    samples = max(map(len, (*scores_a, *scores_b)), default=1)
    return paired(metric, a, b, scores_a, scores_b, yes_no=yes_no, samples=samples, seed=seed)


def singly(values):
    """One sample for each example."""
    return [[float(x)] for x in values]


def drawn(seed, n, shift=0.0):
    rng = np.random.default_rng(seed)
    hard = rng.normal(size=n)
    return hard + rng.normal(size=n), hard + rng.normal(size=n) + shift


def named(scores):
    return {f"q{i}": list(samples) for i, samples in enumerate(scores)}
