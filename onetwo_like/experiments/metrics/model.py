"""How likely does the model itself find the target?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onetwo_like.builtins import llm
from onetwo_like.core.executable import Executable
from onetwo_like.core.function import make_executable
from onetwo_like.errors import MalformedReplyError
from onetwo_like.experiments.metrics.answers import text_of
from onetwo_like.experiments.metrics.asking import filled, question

CARRIED = "log_likelihood"


def log_likelihood(
    target: Any, prediction: Any, example: Any, *, prompt: str = "{{ input }}", before: str = ""
) -> float | Executable[float]:
    """The log-probability (natural logarithm) of the target after the prompt, by the model that is compared.

    It is an Executable that asks `llm.score_text`, which in an experiment the arm's own backend answers.
    `prompt` is a Jinja template of `input`, `target` and `example`; `before` stands between it and the target,
    such as a space. Where arms have prompts of their own, a strategy can score what it likes: of a
    prediction that is a dict with a number under "log_likelihood", that is the value, and nothing is asked.

    >>> from onetwo_like.backends import NGram
    >>> from onetwo_like.experiments.data.example import Example
    >>> example = Example("1", "Q: What is the capital of France?\\nA:", "Paris")
    >>> with ot.RegistryContext():
    ...     _ = NGram(order=5).register()
    ...     right = ot.run(log_likelihood("Paris", None, example, before=" "))
    ...     wrong = ot.run(log_likelihood("Nice", None, example, before=" "))
    >>> 0 > right > wrong
    True
    """
    if isinstance(prediction, Mapping) and CARRIED in prediction:
        carried: float = prediction[CARRIED]
        return carried
    if target is None:
        raise ValueError("the example has no target; target= names the field where the examples are loaded")
    variables = {"input": getattr(example, "input", None), "target": target, "example": example}
    return _scored(prompt, variables, before + text_of(target))


@make_executable(name="log_likelihood")
async def _scored(prompt: str, variables: dict[str, Any], continuation: str) -> float:
    template = question(prompt, tuple(variables))
    scores = await llm.score_text(await filled(template, variables), [continuation])
    if len(scores) != 1:
        raise MalformedReplyError(f"score_text answered {scores!r:.80} to one target")
    return scores[0]
