"""What did a call cost, by the list prices in `genai-prices` (extra "experiments")?"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from onetwo_like.core.request import Usage


def priced(model: str, usage: Usage | None) -> Usage | None:
    """The usage with its cost in US dollars; None, never 0, for a model or numbers of tokens that are not known.

    Prices go by the model's name, wherever it is served.

    >>> priced("a model of our own", Usage(1_000, 1_000)).cost is None
    True
    """
    if usage is None or usage.cost is not None or usage.input_tokens is None:
        return usage
    price_of = load()
    return usage if price_of is None else usage._replace(cost=price_of(model, usage))


@functools.cache
def load() -> Callable[[str, Usage], float | None] | None:
    """Imports the prices, which takes a while; None if they are not installed."""
    try:
        import genai_prices
    except ImportError:
        return None

    def price_of(model: str, usage: Usage) -> float | None:
        tokens: Any = genai_prices.Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens or 0,
            cache_read_tokens=usage.cached_tokens or 0,
        )
        try:
            return float(genai_prices.calc_price(tokens, model).total_price)
        except (LookupError, ValueError):  # unknown, or numbers that do not fit together
            return None

    return price_of
