"""What do the headers of a reply say about the rates that the provider allows?"""

from __future__ import annotations

import datetime
import re
import time
from collections.abc import Mapping
from typing import NamedTuple

_PERIOD_S = 60.0
# Of one name the limit, what remains of it, and when it is whole again: {} is "requests" or "tokens".
_SPELLINGS = (
    ("x-ratelimit-limit-{}", "x-ratelimit-remaining-{}", "x-ratelimit-reset-{}"),
    ("anthropic-ratelimit-{}-limit", "anthropic-ratelimit-{}-remaining", "anthropic-ratelimit-{}-reset"),
)
_UNITS_S = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|[dhms])")


class Limit(NamedTuple):
    """What is allowed in a second, and how much may be used at once before it is used up."""

    per_s: float
    remaining: float | None


def limits_in(headers: Mapping[str, str]) -> tuple[Limit | None, Limit | None]:
    """The limits of requests and of tokens; None where there is none, or only one for longer than a minute.

    What is allowed for a day is no rate: it may be used up in an hour.

    >>> limits_in({"x-ratelimit-limit-requests": "600", "x-ratelimit-remaining-requests": "9"})
    (Limit(per_s=10.0, remaining=9.0), None)
    """
    return _limit(headers, "requests"), _limit(headers, "tokens")


def _limit(headers: Mapping[str, str], what: str) -> Limit | None:
    for spelling in _SPELLINGS:
        limit, remaining, reset = [headers.get(name.format(what)) for name in spelling]
        allowed = _number(limit)
        if allowed is None or allowed <= 0:
            continue
        whole_in_s = None if reset is None else _seconds(reset)
        if whole_in_s is not None and whole_in_s > _PERIOD_S * 1.05:
            continue
        return Limit(allowed / _PERIOD_S, _number(remaining))
    return None


def _number(text: str | None) -> float | None:
    return float(text) if text is not None and re.fullmatch(r"\d+(\.\d+)?", text.strip()) else None


def _seconds(text: str) -> float | None:
    """A duration such as 6m0s or 20ms, a bare number of seconds, or a point in time, as seconds from now."""
    text = text.strip()
    if (bare := _number(text)) is not None:
        return bare
    parts = _DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    try:
        at = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return (at if at.tzinfo else at.replace(tzinfo=datetime.UTC)).timestamp() - time.time()
