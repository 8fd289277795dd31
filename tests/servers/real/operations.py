"""What is asked of every backend at every server, and how does one see that the answer is right?"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.core.executable import Executable
from onetwo_like.core.request import Reply
from tests.servers.addresses import Addresses
from tests.servers.http_server import tokens_of
from tests.servers.loopback import logprob_of, vector_of


class Town(BaseModel):
    """Some town."""

    name: str
    people: int


def weather(city: str) -> str:
    """How the weather is in a city."""
    return f"Sunny in {city}."


class Truth(NamedTuple):
    """What the model behind a server says to the prompt; None where it cannot be known beforehand."""

    prompt: str
    length: int  # of an answer, in tokens, at most
    answered: str  # as a message
    continued: str  # as a text
    scores: Mapping[str, float]
    vector: list[float]
    tokens: list[int]
    town: Town | None

    @property
    def likeliest(self) -> str:
        """The target with the highest score."""
        return max(self.scores, key=lambda target: self.scores[target])

    @property
    def is_sampled(self) -> bool:
        """Whether a temperature makes a difference."""
        return self.town is None


def truth_of(server: str, at: Addresses) -> Truth:
    """By what the model is: the loopback server behind LiteLLM, or the tiny Llama whose weights were asked."""
    says = at.truth
    prompt, targets = says["prompt"], tuple(says["scores"])
    tiny = Truth(
        prompt=prompt,
        length=says["length"],
        answered=says["answered"],
        continued=says["continued"],
        scores=says["scores"],
        vector=says["embedding"],
        tokens=says["tokens"],
        town=None,
    )
    if server != "LiteLLM":
        return tiny
    return tiny._replace(
        answered=f"You said: {prompt}",
        continued=" and",
        scores={target: sum(map(logprob_of, tokens_of(target))) for target in targets},
        vector=vector_of(prompt),
        town=Town(name="text", people=7),
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
    return value in (truth.answered, truth.continued)


def _are_samples(value: Any, _: Reply, truth: Truth) -> bool:
    return len(value) == 3 and all(value) and (len(set(value)) > 1 or not truth.is_sampled)


def _is_cut(value: Any, reply: Reply, truth: Truth) -> bool:
    return reply.finish_reason == "length" and len(value) < max(len(truth.answered), len(truth.continued))


def _is_counted(_: Any, reply: Reply, truth: Truth) -> bool:
    usage = reply.usage
    return usage is not None and bool(usage.input_tokens) and 0 < (usage.output_tokens or 0) <= truth.length


def _is_a_town(value: Any, _: Reply, truth: Truth) -> bool:
    return isinstance(value, Town) and truth.town in (value, None)


def _is_a_call(value: Any, _: Reply, truth: Truth) -> bool:
    [call] = value.tool_calls
    return (
        isinstance(value, ot.ChunkList) and call.name == "weather" and isinstance(call.arguments["city"], str)
    )


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
        _is_said,
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
        lambda truth: {"prompt": truth.prompt, "cls": Town, "temperature": 0, "max_tokens": 200},
        _is_a_town,
    ),
    Operation(
        "tool call",
        "chat",
        lambda truth: {"messages": truth.prompt, "tools": [weather], "tool_choice": "weather", "max_tokens": 200},
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
        lambda value, reply, truth: value == truth.likeliest,
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
