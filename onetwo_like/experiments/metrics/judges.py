"""How does a model judge an answer?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from onetwo_like.backends.base import Backend
from onetwo_like.builtins import llm
from onetwo_like.core.combinators import with_registry
from onetwo_like.core.content import ChunkList
from onetwo_like.core.executable import Executable
from onetwo_like.core.function import make_executable
from onetwo_like.core.parallel import parallel
from onetwo_like.core.registry import Registry
from onetwo_like.errors import ParseError, UsageError
from onetwo_like.experiments.metrics.asking import filled, question, registry_of

Choices: TypeAlias = Mapping[str, float]
Judgement: TypeAlias = tuple[float, dict[str, Any]]

YES_OR_NO: Choices = {"yes": True, "no": False}
_LONGEST_SCALE = 101


def judge(
    template: str,
    *,
    backend: Backend | Registry,
    choices: Choices | None = None,
    scale: tuple[int, int] | None = None,
) -> Judge:
    """A metric: what a model says about an answer.

    The Jinja template asks it; the variables are `prediction`, `target`, `input` and `example`. The model
    selects one of the `choices`, a dict from what it says to the score (without: yes and no), or gives a
    whole number on the `scale`, (lowest, highest). `backend` is who judges, and is the same for all arms.
    The details are what it said.

    The metric returns an Executable, so its calls are cached, paced and traced like all others. In an
    experiment a refusal, and an answer that is none of the choices, is a MetricError.

    >>> from onetwo_like.backends import Scripted
    >>> same = judge("Is {{ prediction }} the same as {{ target }}?", backend=Scripted(['"yes"']))
    >>> ot.run(same(target="Paris", prediction="paris", example=None))
    (True, {'answer': 'yes'})
    """
    return Judge(template, backend, choices, scale)


def pairwise_judge(template: str, *, backend: Backend | Registry) -> PairwiseJudge:
    """A metric of pairs: which of two answers a model prefers, asked in both orders.

    The Jinja template asks which is better, 1 or 2; its variables are `answer_1` and `answer_2`, and
    `input`, `target` and `example`. Called with (input, answer_a, answer_b), it returns an Executable of (score
    of b, details): 1.0 if b is preferred in both orders, 0.0 if a is, and 0.5 if the order decides. Two equal
    answers are 0.5 and no question. The details say who was preferred in which order.

    >>> from onetwo_like.backends import Scripted
    >>> model = Scripted(lambda prompt: '"1"' if prompt.index("Paris") < prompt.index("Nice") else '"2"')
    >>> larger = pairwise_judge("Larger, 1 {{ answer_1 }} or 2 {{ answer_2 }}?", backend=model)
    >>> ot.run(larger("", "Nice", "Paris"))
    (1.0, {'a first': 'b', 'b first': 'b'})
    """
    return PairwiseJudge(template, backend)


class Judge:
    """A metric that asks a model about one answer; see `judge`."""

    def __init__(
        self,
        template: str,
        backend: Backend | Registry,
        choices: Choices | None = None,
        scale: tuple[int, int] | None = None,
    ) -> None:
        if choices is not None and scale is not None:
            raise UsageError("a judge takes choices or a scale, not both")
        variables = ("prediction", "target", "input", "example")
        self._template = question(template, variables, needed=("prediction",))
        self._registry = registry_of(backend)
        self._choices = None if scale is not None else _choices(YES_OR_NO if choices is None else choices)
        self._scale = None if scale is None else _scale(scale)
        self._shown = (
            f"judge({template!r:.60}, backend={backend!r}, "
            f"{f'scale={scale!r}' if scale is not None else f'choices={self._choices!r}'})"
        )

    def __call__(self, target: Any, prediction: Any, example: Any) -> Executable[Judgement]:
        """What the model says about one answer."""
        asked = _asked_about_one(
            self,
            {
                "prediction": prediction,
                "target": target,
                "input": getattr(example, "input", None),
                "example": example,
            },
        )
        return with_registry(asked, self._registry)

    async def judgement(self, variables: Mapping[str, Any]) -> Judgement:
        """The score, and what the model said."""
        prompt = await filled(self._template, variables)
        if self._choices is not None:
            said = await _selected(prompt, tuple(self._choices))
            return self._choices[said], {"answer": said}
        number = await llm.generate_object(prompt, self._scale)
        return float(number), {"answer": number}

    def __repr__(self) -> str:
        return self._shown


class PairwiseJudge:
    """A metric that asks a model which of two answers is better; see `pairwise_judge`."""

    pairwise = True

    def __init__(self, template: str, backend: Backend | Registry) -> None:
        variables = ("answer_1", "answer_2", "input", "target", "example")
        self._template = question(template, variables, needed=("answer_1", "answer_2"))
        self._registry = registry_of(backend)
        self._shown = f"pairwise_judge({template!r:.60}, backend={backend!r})"

    def __call__(
        self, input: Any, answer_a: Any, answer_b: Any, *, target: Any = None, example: Any = None
    ) -> Executable[Judgement]:
        """The score of answer b."""
        asked = _asked_about_two(
            self, answer_a, answer_b, {"input": input, "target": target, "example": example}
        )
        return with_registry(asked, self._registry)

    async def judgement(self, answer_a: Any, answer_b: Any, variables: Mapping[str, Any]) -> Judgement:
        """The score of b, and who was preferred in which order."""
        if answer_a == answer_b:
            return 0.5, {"same": True}
        a_first = await filled(self._template, {**variables, "answer_1": answer_a, "answer_2": answer_b})
        b_first = await filled(self._template, {**variables, "answer_1": answer_b, "answer_2": answer_a})
        said, said_swapped = await parallel(_preferred(a_first), _preferred(b_first))
        preferred = "ab"[said == "2"], "ba"[said_swapped == "2"]
        details = {"a first": preferred[0], "b first": preferred[1]}
        return preferred.count("b") / 2, details

    def __repr__(self) -> str:
        return self._shown


@make_executable(name="judge")
async def _asked_about_one(judge: Judge, variables: dict[str, Any]) -> Judgement:
    return await judge.judgement(variables)


@make_executable(name="pairwise_judge")
async def _asked_about_two(
    judge: PairwiseJudge, answer_a: Any, answer_b: Any, variables: dict[str, Any]
) -> Judgement:
    return await judge.judgement(answer_a, answer_b, variables)


@make_executable(name="preferred")
async def _preferred(prompt: str | ChunkList) -> str:
    return await _selected(prompt, ("1", "2"))


async def _selected(prompt: str | ChunkList, options: tuple[str, ...]) -> str:
    said = await llm.select(prompt, options)
    if said not in options:
        raise ParseError(f"the judge said {said!r:.80}, which is none of {', '.join(options)}", said)
    return said


def _choices(given: Choices) -> dict[str, float]:
    ok = isinstance(given, Mapping) and len(given) > 1
    if not ok or not all(isinstance(said, str) and said for said in given):
        raise UsageError(f'choices are what the judge may say, {{"good": 1, "bad": 0}}, not {given!r:.80}')
    for said, score in given.items():
        if not isinstance(score, int | float) or not math.isfinite(score):
            raise UsageError(f"the choice {said!r} is to have a score, a number, not {score!r:.60}")
    return dict(given)


def _scale(given: tuple[int, int]) -> Any:
    """The whole numbers of a scale, as a type."""
    try:
        low, high = given
        numbers = tuple(range(low, high + 1))
    except (TypeError, ValueError):
        numbers = ()
    if not 2 <= len(numbers) <= _LONGEST_SCALE:
        raise UsageError(
            f"a scale is (lowest, highest), whole numbers and at most {_LONGEST_SCALE} of them, not {given!r:.60}"
        )
    literal: Any = Literal
    return literal[numbers]
