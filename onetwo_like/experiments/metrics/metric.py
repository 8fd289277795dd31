"""How does a function of (target, prediction, example) become a score, whatever it is and returns?"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Awaitable, Callable
from numbers import Real
from typing import Any, NamedTuple, TypeAlias, TypeVar

from onetwo_like.core.frozen import copied
from onetwo_like.core.function import name_of
from onetwo_like.errors import MetricError, ProgramError, UsageError
from onetwo_like.experiments.rows import failure_text
from onetwo_like.experiments.statistics.paired import LARGEST

F = TypeVar("F", bound=Callable[..., Any])


class Scored(NamedTuple):
    """What a metric said about one prediction; `is_bool` if it said yes or no, which is 1.0 or 0.0."""

    value: float
    details: Any = None
    is_bool: bool = False


Score: TypeAlias = Scored | Awaitable[Scored]
Scoring: TypeAlias = Callable[..., Score]

_YES, _NO = Scored(1.0, None, True), Scored(0.0, None, True)
_PLAIN = frozenset({float, int, tuple})

# What a metric may ask for, in the order in which one whose parameters have other names gets it.
_ONE = ("target", "prediction", "example")
_SAMPLES = ("target", "predictions", "example")
_PAIR = ("input", "answer_a", "answer_b", "target", "example")


class Metric:
    """A metric in the one form that an experiment calls.

    `score(target=, prediction=, example=)` is a Scored, or an awaitable of one where the metric is async or
    returns an Executable, which is answered by the registry in force where it is awaited. With
    `over_samples` it takes `predictions=`, a list, in the place of `prediction=`. With `pairwise` it takes
    `example=`, `answer_a=` and `answer_b=`, and the score is that of b; a's is 1 - it.

    What is no finite number, and what the metric raises, is a MetricError that names the metric, the value
    and the example; a ProgramError (nothing bound, a spent budget) is raised as it is.
    """

    __slots__ = ("_function", "name", "over_samples", "pairwise", "score")

    score: Scoring

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.over_samples = _is_marked(function, "over_samples")
        self.pairwise = _is_marked(function, "pairwise")
        self._function = function
        offered = _PAIR if self.pairwise else _SAMPLES if self.over_samples else _ONE
        positional, named = _wanted(name, function, offered)
        wants_all = {*named, "example"} == set(offered)
        score = _scoring(name, function, positional, named, wants_all)
        self.score = _of_pair(score) if self.pairwise else score

    def __repr__(self) -> str:
        return f"Metric({self.name!r}, {name_of(self._function)})"


def prepared(name: str, metric: Callable[..., Any]) -> Metric:
    """The metric as an experiment calls it.

    Its parameters say what it gets: those called `target`, `prediction` and `example`, in any order and
    number. A function that has none of these names gets them in this order. Raises UsageError for a
    parameter that nothing fills.

    >>> shorter = prepared("shorter", lambda target, prediction: len(prediction) < len(target))
    >>> shorter.score(target="Paris", prediction="Nice", example=None)
    Scored(value=1.0, details=None, is_bool=True)
    """
    if not callable(metric):
        raise UsageError(f"metric {name!r} is to be a function, not {type(metric).__name__}: {metric!r:.60}")
    return Metric(name, metric)


def over_samples(metric: F) -> F:
    """Marks a metric that judges all samples of an example at once, by its parameter `predictions`, a list.

    >>> @over_samples
    ... def different(predictions):
    ...     return len(set(predictions))
    >>> prepared("different", different).score(target=None, predictions=["a", "b", "a"], example=None).value
    2.0
    """
    metric.over_samples = True  # type: ignore[attr-defined]
    return metric


def _is_marked(function: Any, mark: str) -> bool:
    while not hasattr(function, mark) and isinstance(function, functools.partial):
        function = function.func
    return bool(getattr(function, mark, False))


def _wanted(
    name: str, function: Callable[..., Any], offered: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What the metric is given by position, and what by name."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some functions written in C do not tell
        return offered[:2], ()
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters)
    by_name = {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    named = offered if takes_all else tuple([n for n in offered if n in by_name])
    others = [
        p
        for p in parameters
        if p.name not in named and p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    if named and not others:
        return (), named
    if not named and 2 <= len(others) <= len(offered) and all(p.kind is not p.KEYWORD_ONLY for p in others):
        return offered[: len(others)], ()
    raise _misfit(name, offered, [p.name for p in others])


def _misfit(name: str, offered: tuple[str, ...], unfilled: list[str]) -> UsageError:
    cure = f"a metric takes {', '.join(offered)}"
    if offered is _ONE and "predictions" in unfilled:
        cure = "a metric of the predictions of all samples is decorated with @over_samples"
    elif offered is _SAMPLES and "prediction" in unfilled:
        cure = "a metric over all samples has `predictions`, a list"
    if unfilled:
        return UsageError(f"metric {name!r}: nothing fills the parameter {unfilled[0]!r}; {cure}")
    return UsageError(f"metric {name!r} has no parameter that could be filled; {cure}")


def _scoring(
    name: str,
    function: Callable[..., Any],
    positional: tuple[str, ...],
    named: tuple[str, ...],
    wants_all: bool,
) -> Scoring:
    wants_example = "example" in named

    def score(*, example: Any, **given: Any) -> Score:
        try:
            for each, held in given.items():
                if held.__class__ is not str:  # what a metric changes is its own
                    given[each] = copied(held)
            if positional:
                given["example"] = example
                value = function(*[given[n] for n in positional])
            elif wants_all:  # most metrics do, and another dict would cost more than all the rest here
                value = function(example=example, **given) if wants_example else function(**given)
            else:
                given["example"] = example
                value = function(**{n: given[n] for n in named})
        except (ProgramError, MetricError):
            raise
        except Exception as error:
            raise _failed(name, error, example) from error
        # Most are plain functions that say yes or no, and there are tens of thousands of calls.
        if value is True:
            return _YES
        if value is False:
            return _NO
        if value.__class__ not in _PLAIN and isinstance(value, Awaitable):
            return _awaited(name, value, example)
        return _scored(name, value, example)

    return score


def _of_pair(score: Scoring) -> Scoring:
    def of_pair(*, example: Any, answer_a: Any, answer_b: Any) -> Score:
        return score(
            input=example.input,
            answer_a=answer_a,
            answer_b=answer_b,
            target=example.target,
            example=example,
        )

    return of_pair


async def _awaited(name: str, value: Any, example: Any) -> Scored:
    try:
        while isinstance(value, Awaitable):  # an async metric may return an Executable
            value = await value
    except (ProgramError, MetricError):
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise  # from outside: the whole comparison is being stopped
        raise _failed(name, error, example) from error
    except Exception as error:
        raise _failed(name, error, example) from error
    return _scored(name, value, example)


def _scored(name: str, value: Any, example: Any) -> Scored:
    number, details = value if isinstance(value, tuple) and len(value) == 2 else (value, None)
    if number.__class__ is float and abs(number) <= LARGEST:  # not true of nan
        return Scored(number, details)
    if getattr(number, "shape", None) == ():  # numpy's numbers, and tensors of one
        number = number.item()
    if isinstance(number, bool):
        return Scored(float(number), details, True)
    is_number = isinstance(number, Real)
    if not (is_number and abs(number) <= LARGEST):
        raise MetricError(
            f"metric {name!r} returned {value!r:.120} for {_told(example)}; "
            "it is to return a finite number, True or False, or (one of these, details)"
        )
    return Scored(float(number), details)


def _failed(name: str, error: BaseException, example: Any) -> MetricError:
    return MetricError(f"metric {name!r} failed on {_told(example)}: {failure_text(error)}")


def _told(example: Any) -> str:
    return f"the example {getattr(example, 'id', example)!r:.60}"
