"""What is asked of every backend at every server, and how does one see that the answer is right?"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel

from onetwo_like.builtins import llm
from onetwo_like.core.executable import Executable
from onetwo_like.core.request import Reply
from tests.servers.addresses import Addresses
from tests.servers.http_server import tokens_of
from tests.servers.loopback import logprob_of, vector_of
from tests.servers.real.ways import Way


class Weather(BaseModel):
    """How it is outside."""

    sunny: bool
    windy: bool


def weather(city: Literal["Nice", "Lima"]) -> str:
    """How the weather is in a city."""
    return f"Sunny in {city}."


class Truth(NamedTuple):
    """What the model behind a server says to the prompt; None where it cannot be known beforehand."""

    prompt: str
    length: int  # of an answer, in tokens, at most
    said: str  # to the prompt as a text
    answered: str | None  # to the prompt as a message
    scores: Mapping[str, float]
    selected: tuple[str, ...]  # any of these
    vector: list[float]
    tokens: list[int]
    weather: Weather | None
    is_sampled: bool  # whether a temperature makes a difference


def truth_of(way: Way, at: Addresses) -> Truth:
    """By what the model is: the loopback server behind LiteLLM, or the tiny Llama whose weights were asked."""
    says = at.truth
    completes = way.settings.get("api") == "completions"
    prompt, targets = says["prompt"], tuple(says["scores"])
    tiny = Truth(
        prompt=prompt,
        length=says["length"],
        said=says["continued" if completes else "answered"],
        answered=None if completes else says["answered"],
        scores=says["scores"],
        selected=targets,
        vector=says["embedding"],
        tokens=says["tokens"],
        weather=None,
        is_sampled=True,
    )
    if way.server != "LiteLLM":
        return tiny
    scores = {target: sum(map(logprob_of, tokens_of(target))) for target in targets}
    likeliest = max(targets, key=lambda target: scores[target])
    return tiny._replace(
        said=" and" if completes else f"You said: {prompt}",
        answered=None if completes else f"You said: {prompt}",
        scores=scores,
        selected=(likeliest,) if way.backend.startswith("OpenAI") else targets,  # the others see no scores
        vector=vector_of(prompt),
        weather=Weather(sunny=True, windy=True),
        is_sampled=False,
    )


class Operation(NamedTuple):
    """A row of the table: a built-in, its arguments, and whether what came back is right."""

    name: str
    builtin: str
    arguments: Callable[[Truth], dict[str, Any]]
    is_right: Callable[[Any, Reply, Truth], bool]

    def program(self, truth: Truth) -> Executable[tuple[Any, Reply]]:
        """Its value and what the provider said about it."""
        call: Callable[..., Executable[tuple[Any, Reply]]] = getattr(llm, self.builtin)
        return call(**self.arguments(truth), include_details=True)


def _greedily(truth: Truth) -> dict[str, Any]:
    return {"prompt": truth.prompt, "temperature": 0, "max_tokens": truth.length}


def _is_said(value: Any, _: Reply, truth: Truth) -> bool:
    return bool(value == truth.said)


def _is_answered(value: Any, _: Reply, truth: Truth) -> bool:
    return bool(value) if truth.answered is None else bool(value == truth.answered)


def _are_samples(value: Any, _: Reply, truth: Truth) -> bool:
    return len(value) == 3 and all(value) and (len(set(value)) > 1 or not truth.is_sampled)


def _is_cut(value: Any, reply: Reply, truth: Truth) -> bool:
    return reply.finish_reason == "length" and truth.said.startswith(value)


def _is_counted(_: Any, reply: Reply, truth: Truth) -> bool:
    usage = reply.usage
    return usage is not None and bool(usage.input_tokens) and 0 < (usage.output_tokens or 0) <= truth.length


def _is_weather(value: Any, _: Reply, truth: Truth) -> bool:
    return isinstance(value, Weather) and truth.weather in (value, None)


def _is_a_call(value: Any, _: Reply, truth: Truth) -> bool:
    calls = [(call.name, call.arguments["city"]) for call in value.tool_calls]
    return calls in ([("weather", "Nice")], [("weather", "Lima")])


def _are_scores(value: Any, _: Reply, truth: Truth) -> bool:
    pairs = zip(value, truth.scores.values(), strict=True)
    return all(math.isclose(score, wanted, abs_tol=0.05) for score, wanted in pairs)


def _are_vectors(value: Any, _: Reply, truth: Truth) -> bool:
    vector, other = value  # some servers normalise: it is the direction that counts
    along = sum(a * b for a, b in zip(vector, truth.vector, strict=True))
    return len(vector) == len(other) and along > 0.999 * math.hypot(*vector) * math.hypot(*truth.vector)


OPERATIONS = [
    Operation("text", "generate_text", _greedily, _is_said),
    Operation(
        "chat",
        "chat",
        lambda truth: {"messages": truth.prompt, "temperature": 0, "max_tokens": truth.length},
        _is_answered,
    ),
    Operation(
        "three samples",
        "generate_texts",
        lambda truth: {"prompt": truth.prompt, "samples": 3, "temperature": 1, "max_tokens": truth.length},
        _are_samples,
    ),
    Operation("finish reason", "generate_text", lambda truth: {**_greedily(truth), "max_tokens": 1}, _is_cut),
    Operation("usage", "generate_text", _greedily, _is_counted),
    Operation(
        "object",
        "generate_object",
        lambda truth: {"prompt": truth.prompt, "cls": Weather, "temperature": 0, "max_tokens": 60, "max_repairs": 0},
        _is_weather,
    ),
    Operation(
        "tool call",
        "chat",
        lambda truth: {"messages": truth.prompt, "tools": [weather], "tool_choice": "weather", "temperature": 0, "max_tokens": 60},
        _is_a_call,
    ),
    Operation(
        "scores",
        "score_text",
        lambda truth: {"prompt": truth.prompt, "targets": list(truth.scores)},
        _are_scores,
    ),
    Operation(
        "select",
        "select",
        lambda truth: {"prompt": truth.prompt, "options": list(truth.scores)},
        lambda value, reply, truth: value in truth.selected,
    ),
    Operation(
        "embed", "embed", lambda truth: {"texts": [truth.prompt, "Lima"]}, _are_vectors
    ),
    Operation(
        "tokenize",
        "tokenize",
        lambda truth: {"text": truth.prompt},
        lambda value, reply, truth: value == truth.tokens,
    ),
    Operation(
        "detokenize",
        "detokenize",
        lambda truth: {"tokens": truth.tokens},
        lambda value, reply, truth: value == truth.prompt,
    ),
    Operation(
        "count tokens",
        "count_tokens",
        lambda truth: {"content": truth.prompt},
        lambda value, reply, truth: value > 0,
    ),
]  # fmt: skip
