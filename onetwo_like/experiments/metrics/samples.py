"""What do several samples of one example say together?"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from onetwo_like.core.function import make_executable, name_of
from onetwo_like.core.parallel import parallel
from onetwo_like.errors import UsageError
from onetwo_like.experiments.data.plain_values import canonical, plain
from onetwo_like.experiments.metrics.answers import text_of
from onetwo_like.experiments.metrics.metric import Metric, Scored, over_samples, prepared
from onetwo_like.experiments.metrics.normalising import normalised

Key = Callable[[Any], Any]


def pass_at_k(k: int, checker: Callable[..., Any]) -> Callable[..., Any]:
    """A metric over samples: the chance that at least one of `k` of them passes the checker.

    With n samples of which c pass, it is 1 - C(n-c, k) / C(n, k), which is unbiased (Chen et al. 2021,
    "Evaluating Large Language Models Trained on Code"). The checker is a metric that says yes or no, such
    as `exact_match`. Samples that failed are left out; with fewer than `k` left it is a ValueError.

    >>> metric = pass_at_k(2, lambda target, prediction: prediction == target)
    >>> metric(target=4, predictions=[3, 4, 5], example=None)
    (0.6666666666666666, {'samples': 3, 'passed': 1})
    """
    _check_k(k, "pass_at_k")
    check = _checking("pass_at_k", checker)

    @over_samples
    def passing(target: Any, predictions: Sequence[Any], example: Any) -> Any:
        n = len(predictions)
        if n < k:
            raise ValueError(f"pass_at_k needs {k} samples or more, and {n} have an answer")

        def estimate(verdicts: Sequence[bool]) -> tuple[float, dict[str, int]]:
            c = sum(verdicts)
            draws = math.comb(n, k)
            return (draws - math.comb(n - c, k)) / draws, {"samples": n, "passed": c}

        return _judged(check, target, predictions, example, estimate)

    return passing


@over_samples
def consensus(predictions: Sequence[Any], *, key: Key | None = None) -> tuple[float, dict[str, Any]]:
    """The share of the samples that give the most frequent answer, from 0 to 1; whether it is right is `accuracy_at_k(1, ...)`.

    Answers are the same if `key` is the same for them: by default apart from case and punctuation, as
    `normalised_match` says. The details are the answer and how many different ones there are.

    >>> consensus(["Paris", "paris.", "Nice"])
    (0.6666666666666666, {'answer': 'Paris', 'different': 2})
    """
    groups = _by_frequency(predictions, key)
    return len(groups[0]) / len(predictions), {"answer": groups[0][0], "different": len(groups)}


def accuracy_at_k(k: int, checker: Callable[..., Any], *, key: Key | None = None) -> Callable[..., Any]:
    """A metric over samples: whether one of the `k` most frequent answers passes the checker.

    So `accuracy_at_k(1, exact_match)` says whether the majority answer is right. Of answers that are
    equally frequent the one that came first is taken. `key` says which are the same, as in `consensus`.

    >>> metric = accuracy_at_k(1, lambda target, prediction: prediction == target)
    >>> metric(target="Paris", predictions=["Nice", "Paris", "Paris"], example=None)
    (True, {'answers': ['Paris']})
    """
    _check_k(k, "accuracy_at_k")
    check = _checking("accuracy_at_k", checker)

    @over_samples
    def accurate(target: Any, predictions: Sequence[Any], example: Any) -> Any:
        answers = [group[0] for group in _by_frequency(predictions, key)[:k]]

        def right(verdicts: Sequence[bool]) -> tuple[bool, dict[str, Any]]:
            return any(verdicts), {"answers": answers}

        return _judged(check, target, answers, example, right)

    return accurate


def _check_k(k: object, where: str) -> None:
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        raise UsageError(f"{where} takes k, a number of samples of at least 1, not {k!r:.60}")


def _checking(where: str, checker: Callable[..., Any]) -> Metric:
    if not callable(checker):
        raise UsageError(f"{where} takes a checker, a function that says yes or no, not {checker!r:.60}")
    return prepared(f"{name_of(checker)} in {where}", checker)


def _judged(
    check: Metric,
    target: Any,
    predictions: Sequence[Any],
    example: Any,
    result: Callable[[Sequence[bool]], Any],
) -> Any:
    """What `result` makes of the verdicts; an Executable of it if the checker is async or asks a model."""
    verdicts = []
    for prediction in predictions:
        scored = check.score(target=target, prediction=prediction, example=example)
        if not isinstance(scored, Scored):
            scored.close()  # type: ignore[attr-defined]  # a coroutine, begun again below, with the others
            return parallel(*[_verdict(check, target, p, example) for p in predictions]).map(result)
        verdicts.append(_yes_or_no(scored, check))
    return result(verdicts)


@make_executable(name="checker")
async def _verdict(check: Metric, target: Any, prediction: Any, example: Any) -> bool:
    scored = check.score(target=target, prediction=prediction, example=example)
    return _yes_or_no(scored if isinstance(scored, Scored) else await scored, check)


def _yes_or_no(scored: Scored, check: Metric) -> bool:
    if not scored.is_bool:
        raise ValueError(f"{check.name} is to say True or False, not {scored.value}")
    return scored.value == 1.0


def _by_frequency(predictions: Sequence[Any], key: Key | None) -> list[list[Any]]:
    """The answers in groups of the same, the largest first."""
    if not predictions:
        raise ValueError("no sample has an answer")
    groups: dict[Any, list[Any]] = {}
    for prediction in predictions:
        groups.setdefault((key or _same_text)(prediction), []).append(prediction)
    return sorted(groups.values(), key=len, reverse=True)


def _same_text(prediction: Any) -> str:
    try:
        return normalised(text_of(prediction))
    except TypeError:  # a list, or a record
        return canonical(plain(prediction))
