"""How does a model's choice of next tokens become a text?"""

from __future__ import annotations

import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Literal

from onetwo_like.backends.ngram_model import END, NGramModel
from onetwo_like.errors import InvalidRequestError

DEFAULT_MAX_TOKENS = 256
"""Where a text ends that would not end by itself; the most likely tokens may go round in circles."""


class Generation:
    """One text, token by token: iterate it once for its pieces, then read what became of it.

    `temperature` 0 takes the most likely token, of equally likely ones that which the training
    text has first. Otherwise tokens are drawn with the probabilities raised to 1 / temperature, among
    the `top_k` most likely, or the fewest that together have `top_p`; if both are given, `top_k` comes
    first. `seed` decides the draws: the same seed gives the same text, on every platform.

    The text ends where the model ends it, before the `stop` string that is complete first, or after
    `max_tokens` tokens. Only tokens of the training text are written. If the prompt ends with a space,
    the first word comes without a space of its own.

    Raises InvalidRequestError, naming the option, for a value that makes no sense.

    >>> model = NGramModel(3, "The sky is blue.\\n\\nThe sea is deep and blue.")
    >>> generation = Generation(model, "The sea is")
    >>> list(generation)
    [' deep', ' and', ' blue', '.']
    >>> generation.finish_reason
    'stop'
    """

    def __init__(
        self,
        model: NGramModel,
        prompt: str,
        *,
        temperature: float = 0.0,
        top_k: int | None = None,
        top_p: float | None = None,
        stop: Sequence[str] = (),
        max_tokens: int = DEFAULT_MAX_TOKENS,
        seed: int = 0,
    ) -> None:
        _check(temperature, top_k, top_p, stop, max_tokens)
        self._model = model
        # The model knows words with their leading space; a space alone would hide what stands before it.
        self._open_space = prompt.endswith(" ")
        self._tokens = [END, *model.tokenize(prompt[:-1] if self._open_space else prompt)]
        self._stop = tuple(stop)
        self._max_tokens = max_tokens
        self._choose = _greedy if temperature == 0 else _Sampler(temperature, top_k, top_p, seed)
        self.input_tokens = len(model.tokenize(prompt))
        self.output_tokens = 0
        self.finish_reason: Literal["stop", "length"] = "length"

    def __iter__(self) -> Iterator[str]:
        held = ""
        for piece in self._pieces():
            held += piece
            if (cut := _first(self._stop, held)) is not None:
                self.finish_reason = "stop"
                held = held[:cut]
                break
            ready = len(held) - _longest_beginning(self._stop, held)
            if ready:
                yield held[:ready]
                held = held[ready:]
        if held:
            yield held

    def _pieces(self) -> Iterator[str]:
        model = self._model
        for i in range(self._max_tokens):
            weights = model.distribution(self._tokens)
            after_space = i == 0 and self._open_space
            if after_space:
                continues = (model.text_of(token)[:1] in ("", " ") for token in model.known)
                weights = [w * allowed for w, allowed in zip(weights, continues, strict=True)]
            token = END + self._choose(weights)
            if token == END:
                self.finish_reason = "stop"
                return
            self._tokens.append(token)
            self.output_tokens += 1
            text = model.text_of(token)
            yield text.removeprefix(" ") if after_space else text


def _check(
    temperature: float, top_k: int | None, top_p: float | None, stop: Sequence[str], max_tokens: int
) -> None:
    if not (math.isfinite(temperature) and temperature >= 0):
        wrong = f"temperature is {temperature!r}; it is a finite number, 0 or above"
    elif top_k is not None and top_k < 1:
        wrong = f"top_k is {top_k!r}; at least 1 token must remain"
    elif top_p is not None and not 0 < top_p <= 1:
        wrong = f"top_p is {top_p!r}; it is a probability above 0 and at most 1"
    elif "" in stop:
        wrong = "stop contains the empty string, which every text contains; leave it out"
    elif max_tokens < 1:
        wrong = f"max_tokens is {max_tokens!r}; at least 1 token must be allowed"
    else:
        return
    raise InvalidRequestError(f"The n-gram model cannot generate: {wrong}.", provider="ngram")


def _first(stop: Sequence[str], text: str) -> int | None:
    """Where the stop string begins that is complete first; of those, the longest."""
    found = [(at + len(s), at) for s in stop if (at := text.find(s)) >= 0]
    return min(found)[1] if found else None


def _longest_beginning(stop: Sequence[str], text: str) -> int:
    """How many characters at the end of a text may turn out to be the beginning of a stop string."""
    lengths = (n for s in stop for n in range(1, len(s)) if text.endswith(s[:n]))
    return max(lengths, default=0)


def _greedy(weights: Sequence[float]) -> int:
    return weights.index(max(weights))


class _Sampler:
    """Draws an index in proportion to weights, within the limits given."""

    def __init__(self, temperature: float, top_k: int | None, top_p: float | None, seed: int) -> None:
        self._power = 1 / temperature
        self._top_k = top_k
        self._top_p = top_p
        self._random = random.Random(seed)  # its sequence for a seed is fixed by Python's documentation

    def __call__(self, weights: Sequence[float]) -> int:
        highest = max(weights)  # dividing by it first keeps tiny temperatures from making everything 0
        weights = [(w / highest) ** self._power for w in weights]
        indices: Sequence[int] = range(len(weights))
        if self._top_k is not None or self._top_p is not None:
            indices = sorted(indices, key=lambda i: (-weights[i], i))[: self._top_k]
        sums = list(accumulate(weights[i] for i in indices))
        if self._top_p is not None:
            # The last token kept is the one that reaches the share, so one always remains.
            del sums[bisect_left(sums, self._top_p * sums[-1]) + 1 :]
        return indices[min(bisect_right(sums, self._random.random() * sums[-1]), len(sums) - 1)]
