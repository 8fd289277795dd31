"""What does the common form of a metric cost over the bare function, and what does loading examples?"""

from __future__ import annotations

from typing import Any

from onetwo_like.experiments.data.dataset import load
from onetwo_like.experiments.data.example import Example
from onetwo_like.experiments.metrics import exact_match, normalised_match
from onetwo_like.experiments.metrics.metric import prepared
from tests.benchmarks.measuring import Figure, figure, interleaved

CALLS = 60_000  # 2 arms x 10,000 examples x 3 samples
EXAMPLE = Example("1", "Capital of France?", "Paris")


def yes_or_no(target: Any, prediction: Any) -> bool:
    return bool(target == prediction)


def number(target: Any, prediction: Any) -> float:
    return 0.5


def with_details(target: Any, prediction: Any, example: Any) -> Any:
    return 0.5, "why"


def measure() -> list[Figure]:
    """Microseconds of CPU per call; and seconds for 10,000 examples."""
    figures = []
    for metric in (yes_or_no, number, with_details):
        bare, scored = interleaved(_bare(metric), _scored(metric))
        over = (scored - bare) / CALLS * 1e6
        figures.append(
            figure(f"a metric that returns {metric.__name__}, over the bare function", over, 1.0, "µs")
        )
    for metric in (exact_match, normalised_match):
        (taken,) = interleaved(_scored(metric))
        figures.append(figure(f"{metric.__name__}, short texts", taken / CALLS * 1e6, None, "µs"))
    rows = [{"input": f"What is {i} + {i}?", "target": 2 * i} for i in range(10_000)]
    (taken,) = interleaved(lambda: load(rows))
    figures.append(figure("loading 10,000 examples without ids", taken, None, "s"))
    return figures


def _bare(metric: Any) -> Any:
    given = {"target": "Paris", "prediction": "Nice"}
    if metric is with_details:
        given["example"] = EXAMPLE  # type: ignore[assignment]

    def calls() -> None:
        for _ in range(CALLS):
            metric(**given)

    return calls


def _scored(metric: Any) -> Any:
    score = prepared("m", metric).score

    def calls() -> None:
        for _ in range(CALLS):
            score(target="Paris", prediction="Nice", example=EXAMPLE)

    return calls
