"""Do the statistics keep their promises: error rates, coverage and power in simulated experiments, and speed?

Each scenario is a kind of experiment. Thousands of each are made from a fixed seed and given to `paired`: some
in which the arms are alike on average (how often is a difference found all the same?), some in which they are
not (how often is it found, beside Welch's unpaired test?). The intervals should hold the truth in both.
"""

from __future__ import annotations

import random
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from onetwo_like.experiments.statistics import Difference, differences, mean_of, paired
from tests.benchmarks.measuring import Figure, cpu_s, figure

ALIKE, UNLIKE = 2_500, 500
SEED = 7

Generator = np.random.Generator
Array = NDArray[np.float64]
Size = tuple[int, int]  # experiments, examples
# The scores of both arms, experiments x examples x samples each; a failed sample is nan.
Make = Callable[[Generator, Size, float], tuple[Array, Array]]


class Scenario(NamedTuple):
    """A kind of experiment, of which `make` gives many; in those that are not alike `b` is `better`."""

    name: str
    n: int
    better: float
    make: Make
    yes_no: bool = False


def _normal(rng: Generator, size: Size, better: float) -> tuple[Array, Array]:
    hard = rng.normal(size=size)
    return _one_sample(hard + rng.normal(size=size), hard + rng.normal(size=size) + better)


def _clustered(rng: Generator, size: Size, better: float) -> tuple[Array, Array]:
    """Four samples, alike within an example and arm; of the later three, one in ten has failed."""
    hard = rng.normal(size=(*size, 1))
    a, b = (hard + rng.normal(size=(*size, 1)) + 0.5 * rng.normal(size=(*size, 4)) for _ in range(2))
    for scores in (a, b):
        scores[..., 1:][rng.random((*size, 3)) < 0.1] = np.nan
    return a, b + better


def _yes_no(samples: int, *, clear: float) -> Make:
    """Examples from easy to hard, the more at the ends the smaller `clear`."""

    def make(rng: Generator, size: Size, better: float) -> tuple[Array, Array]:
        easy = better / 2 + (1 - better) * rng.beta(clear, clear, size=(*size, 1))
        a, b = (rng.random((*size, samples)) < easy + shift for shift in (-better / 2, better / 2))
        return a.astype(float), b.astype(float)

    return make


def _skewed_scores(rng: Generator, size: Size, better: float) -> tuple[Array, Array]:
    """Both arms alike in their skew, so that the differences have none, but have long tails."""
    hard = rng.normal(size=size)
    a, b = (np.exp(0.7 * (hard + rng.normal(size=size))) for _ in range(2))
    return _one_sample(a, b + better)


def _exponential(rng: Generator, size: Size, better: float) -> tuple[Array, Array]:
    """In most examples `b` is a little worse than on average, in a few much better."""
    hard = rng.normal(size=size)
    return _one_sample(hard, hard + rng.exponential(size=size) - 1 + better)


def _lognormal(rng: Generator, size: Size, better: float) -> tuple[Array, Array]:
    hard = rng.normal(size=size)
    return _one_sample(hard, hard + rng.lognormal(size=size) - np.exp(0.5) + better)


def _mostly_tied(rng: Generator, size: Size, better: float) -> tuple[Array, Array]:
    """Seven in ten examples are ties; the others as in `_exponential`."""
    hard = rng.normal(size=size)
    moved = rng.random(size) < 0.3
    return _one_sample(hard, hard + moved * (rng.exponential(size=size) - 1 + better / 0.3))


def _one_sample(a: Array, b: Array) -> tuple[Array, Array]:
    return a[..., None], b[..., None]


SCENARIOS = (
    Scenario("normal, 50 examples", 50, 0.5, _normal),
    Scenario("4 samples, some failed, 40 examples", 40, 0.6, _clustered),
    Scenario("yes/no, 200 examples", 200, 0.1, _yes_no(1, clear=1.0), yes_no=True),
    Scenario("yes/no, 1,000 examples", 1_000, 0.05, _yes_no(1, clear=1.0), yes_no=True),
    Scenario("yes/no, 3 samples, 60 examples", 60, 0.1, _yes_no(3, clear=0.5), yes_no=True),
    Scenario("skewed scores, 60 examples", 60, 0.7, _skewed_scores),
    Scenario("skewed differences, 50 examples", 50, 0.35, _exponential),
    Scenario("skewed differences, 200 examples", 200, 0.2, _exponential),
    Scenario("very skewed differences, 100 examples", 100, 0.6, _lognormal),
    Scenario("skewed, mostly tied, 100 examples", 100, 0.15, _mostly_tied),
    Scenario("tiny, normal, 8 examples", 8, 1.2, _normal),
    Scenario("tiny, normal, 15 examples", 15, 0.9, _normal),
    Scenario("tiny, yes/no, 3 samples, 12 examples", 12, 0.25, _yes_no(3, clear=0.5), yes_no=True),
    Scenario("tiny, yes/no, 15 examples", 15, 0.3, _yes_no(1, clear=1.0), yes_no=True),
    Scenario("tiny, skewed differences, 12 examples", 12, 0.8, _exponential),
)


def measure() -> list[Figure]:
    """The figures of all scenarios, then those of the section "Speed" in the issue on comparisons."""
    figures = [row for scenario in SCENARIOS for row in _simulated(scenario)]
    return [*figures, *_speed()]


def _simulated(scenario: Scenario) -> list[Figure]:
    rng = np.random.default_rng([SEED, zlib.crc32(scenario.name.encode())])
    alike, _ = _experiments(scenario, rng, ALIKE, 0.0)
    unlike, found_unpaired = _experiments(scenario, rng, UNLIKE, scenario.better)
    truths = [(d, 0.0) for d in alike] + [(d, scenario.better) for d in unlike]
    t = [_holds(d.ci_low, truth, d.ci_high) for d, truth in truths]
    bca = [_holds(d.bca_low, truth, d.bca_high) for d, truth in truths]
    name = scenario.name
    return [
        figure(f"{name}: type I error", _percent([_found(d) for d in alike]), 6.0, "%", least=4.0),
        figure(f"{name}: coverage of t", _percent(t), 96.0, "%", least=94.0),
        figure(f"{name}: coverage of BCa", _percent(bca), 96.0, "%", least=94.0),
        figure(f"{name}: power", _percent([_found(d) for d in unlike]), None, "%"),
        figure(f"{name}: power unpaired", found_unpaired, None, "%"),
    ]


def _experiments(
    scenario: Scenario, rng: Generator, times: int, better: float
) -> tuple[list[Difference], float]:
    """What `paired` says of each, and in how many percent Welch's test finds a difference."""
    a, b = scenario.make(rng, (times, scenario.n), better)
    made = zip(_scores(a), _scores(b), strict=True)
    samples = a.shape[2]
    found = [
        paired("score", "a", "b", of_a, of_b, yes_no=scenario.yes_no, samples=samples, seed=seed)
        for seed, (of_a, of_b) in enumerate(made)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of tiny experiments in which all scores are equal
        welch = stats.ttest_ind(np.nanmean(a, axis=2), np.nanmean(b, axis=2), axis=1, equal_var=False)
    return found, _percent(list(welch.pvalue <= 0.05))


def _scores(arm: Array) -> list[list[list[float]]]:
    return [[[x for x in samples if x == x] for samples in examples] for examples in arm.tolist()]


def _found(d: Difference) -> bool:
    return d.p_value is not None and d.p_value <= 0.05


def _holds(low: float | None, truth: float, high: float | None) -> bool | None:
    return None if low is None or high is None else low - 1e-12 <= truth <= high + 1e-12


def _percent(claims: list[Any]) -> float:
    """Of those that were made at all."""
    return 100 * float(np.mean([claim for claim in claims if claim is not None]))


def _speed() -> list[Figure]:
    rng = random.Random(SEED)

    def arm(draw: Callable[[], float]) -> dict[str, list[float]]:
        return {f"{example}": [draw() for _ in range(3)] for example in range(10_000)}

    scores = {
        "yes/no": {a: arm(lambda: float(rng.random() < 0.5)) for a in "ab"},
        "number": {a: arm(lambda: rng.gauss(0.0, 1.0)) for a in "ab"},
    }

    def work() -> None:
        differences(scores, yes_no={"yes/no": True})
        for arms in scores.values():
            for of_arm in arms.values():
                mean_of(of_arm.values())

    taken = cpu_s(work)
    tracemalloc.start()
    work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    name = "2 arms x 10,000 examples x 3 samples, two metrics"
    return [figure(name, taken, 5.0, "s"), figure(f"{name}: memory", peak / 1e6, None, "MB")]
