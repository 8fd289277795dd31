"""What did a call cost, by the list prices in `genai-prices` (extra "experiments")?"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from onetwo_like.core.request import Reply, Usage


def priced(model: str, reply: Reply) -> Reply:
    """The reply with its cost in US dollars, and the list price used.

    The cost is None, never 0, for a model or numbers of tokens that are not known. Prices go by the
    model's name, wherever it is served.

    >>> priced("a model of our own", Reply("Nice", Usage(1_000, 1_000))).usage.cost is None
    True
    """
    usage = reply.usage
    price_of = load()
    if usage is None or usage.cost is not None or usage.input_tokens is None or price_of is None:
        return reply
    found = price_of(model, usage)
    return reply if found is None else reply._replace(usage=usage._replace(cost=found[0]), price=found[1])


@functools.cache
def load() -> Callable[[str, Usage], tuple[float, str] | None] | None:
    """Imports the prices, which takes a while; None if they are not installed."""
    try:
        import genai_prices
    except ImportError:
        return None

    def price_of(model: str, usage: Usage) -> tuple[float, str] | None:
        tokens: Any = genai_prices.Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens or 0,
            cache_read_tokens=usage.cached_tokens or 0,
            cache_write_tokens=usage.cache_write_tokens or 0,
            cache_write_1h_tokens=usage.cache_write_1h_tokens or 0,
        )
        try:
            found = genai_prices.calc_price(tokens, model)
        except (LookupError, ValueError):  # unknown, or numbers that do not fit together
            return None
        return float(found.total_price), str(found.model_price)

    return price_of
