"""Which requests would a program make?"""

from __future__ import annotations

import dataclasses
import math
import weakref
from typing import NamedTuple

from onetwo_like.core.registry import Binding, Caching, scoped
from onetwo_like.core.request import Handler, Reply, Request
from onetwo_like.core.smallest import smallest_answer, written
from onetwo_like.errors import MalformedReplyError, ParseError

# About so many characters of English make a token.
CHARACTERS_PER_TOKEN = 4


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a program would ask, found by running it against a stand-in.

    `requests` are in the order in which they would be made, and `cached` of them are answered by the
    cache already. Of the others, `tokens` is an estimate: about one per four characters sent, and
    `max_tokens` for the answer where it is given. `usd` is what they would cost at most, by the prices
    in `genai-prices` (extra "experiments"), and None if that cannot be known. What depends on an answer
    is asked about the smallest answer there is, so real prompts may differ; `error` is what the program
    raised at such an answer, where it ended early.
    """

    requests: list[Request]
    cached: int
    tokens: int
    usd: float | None
    error: Exception | None = None

    def __str__(self) -> str:
        price = "cost unknown" if self.usd is None else f"${self.usd:.4g} at most"
        lines = [f"{len(self.requests)} requests, {self.cached} in the cache; {self.tokens} tokens, {price}"]
        if self.error is not None:
            lines.append(f"ended early: {type(self.error).__name__}: {self.error}")
        for number, request in enumerate(self.requests):
            path = "/".join(map(str, request.sample_path))
            lines += ["", f"[{number}] {request.operation}{f' (sample {path})' if path else ''}"]
            lines += [
                f"    {name}: {str(value).replace(chr(10), chr(10) + '      ')}"
                for name, value in request.arguments.items()
            ]
        return "\n".join(lines)


class _Asked(NamedTuple):
    request: Request
    model: str | None
    cached: bool


class _NotHeld(Exception):
    """The cache would have called the backend."""


class Planner:
    """Stands in for whatever is bound, and notes what it was asked.

    `text` is what a text is answered with: what is derived from a text can read nothing into an empty one.
    """

    def __init__(self, text: str | None = None, above: Planner | None = None) -> None:
        self._text = text
        self._asked: list[_Asked] = above._asked if above is not None else []
        # The same binding each time, so that a cache knows it again.
        self._behind: weakref.WeakKeyDictionary[Binding, Binding]
        self._behind = above._behind if above is not None else weakref.WeakKeyDictionary()

    def handler_for(self, binding: Binding, cache: Caching | None) -> Handler:
        """What answers in the place of the binding."""
        return self._derived(binding) if binding.derived else self._stand_in(binding, cache)

    def _stand_in(self, binding: Binding, cache: Caching | None) -> Handler:
        async def answer(request: Request) -> Reply:
            reply = await self._held(binding, cache, request)
            self._asked.append(_Asked(request, (binding.fingerprint or {}).get("model"), reply is not None))
            if reply is not None:
                return reply
            value = smallest_answer(request)
            return Reply(self._text if value == "" and self._text is not None else value)

        return answer

    def _derived(self, binding: Binding) -> Handler:
        handler = binding.handler
        assert handler is not None

        async def answer(request: Request) -> Reply:
            value = smallest_answer(request)
            plan = Planner(written(value), self) if "cls" in request.arguments else self
            try:
                with scoped(plan=plan):
                    return await handler(request)
            except (ParseError, MalformedReplyError):  # the smallest answer need not be a good one
                return Reply(value)

        return answer

    async def _held(self, binding: Binding, cache: Caching | None, request: Request) -> Reply | None:
        """What the cache already answers, so that what depends on it is planned as it would be asked."""
        holds = getattr(cache, "holds", None)
        if cache is None or holds is None or not holds(binding, request):
            return None
        behind = self._behind.get(binding)
        if behind is None:
            behind = self._behind[binding] = binding.but(handler=_no_call)
        try:
            return await cache.handler_for(behind)(request)
        except _NotHeld:  # it asks again, as in mode="refresh"
            return None

    def plan(self, error: Exception | None) -> Plan:
        """What was asked so far."""
        made = [asked for asked in self._asked if not asked.cached]
        tokens = [_tokens(asked.request) for asked in made]
        prices = [_price(asked.model, *t) for asked, t in zip(made, tokens, strict=True)]
        known = [price for price in prices if price is not None]
        return Plan(
            [asked.request for asked in self._asked],
            len(self._asked) - len(made),
            sum([sent + (received or 0) for sent, received in tokens]),
            math.fsum(known) if len(known) == len(prices) else None,
            error,
        )


async def _no_call(request: Request) -> Reply:
    raise _NotHeld


def _tokens(request: Request) -> tuple[int, int | None]:
    """(sent, received at most, if that is bounded), by the length of the texts."""
    given = request.arguments
    sent = sum([_length(v) for v in given.values() if not isinstance(v, int | float)])
    return -(-sent // CHARACTERS_PER_TOKEN), given.get("max_tokens")


def _length(value: object) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, tuple | list) and not hasattr(value, "_fields"):
        return sum([_length(item) for item in value])
    content = getattr(value, "content", None)
    return _length(content) if content is not None else 0


def _price(model: str | None, sent: int, received: int | None) -> float | None:
    if model is None or received is None:
        return None
    try:
        from genai_prices import Usage, calc_price
    except ImportError:
        return None
    try:
        return float(calc_price(Usage(input_tokens=sent, output_tokens=received), model).total_price)
    except LookupError:
        return None
