"""What do the differences mean, in one sentence?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from onetwo_like.experiments.statistics.difference import Difference

_LEVEL = 0.05
_SHOWN = 2  # of the pairs of a metric; the table has them all


def summary(differences: Sequence[Difference]) -> str:
    """One sentence on the first metric, with a word on the others; "" if there are no differences.

    A higher score is the better one. What is called better has an adjusted p-value below 0.05.
    """
    if not differences:
        return ""
    metric = differences[0].metric
    lead = [d for d in differences if d.metric == metric]
    several = sum(d.p_value is not None for d in differences) > 1
    shown = _best_supported(lead)
    if shown:
        text = "; ".join(_better(d, several) for d in shown[:_SHOWN])
        text += _and_more(len(shown))
    else:
        text = _nothing_shown(lead, several)
    others = _best_supported([d for d in differences if d.metric != metric])
    if others:
        winners = {(d.a, d.b) for d in (*shown, *others)}
        pair = "" if shown and len(winners) == 1 else "{0.b} is better than {0.a} "
        words = [f"{pair.format(d)}in {d.metric} by {_number(d.difference, d)}" for d in others[:_SHOWN]]
        joint = "but" if not shown else "also," if pair else "also"
        text += f"; {joint} {' and '.join(words)}{_and_more(len(others))}"
    return text + "."


def _best_supported(differences: Sequence[Difference]) -> list[Difference]:
    """Those that were shown, told from the side of the winner, the surest first."""
    shown = [d for d in differences if d.p_adjusted is not None and d.p_adjusted < _LEVEL]
    shown.sort(key=lambda d: (d.p_adjusted, -abs(d.effect_size or math.inf)))
    return [d if (d.difference or 0.0) > 0 else d.swapped() for d in shown]


def _better(d: Difference, several: bool) -> str:
    return f"{d.b} is better than {d.a} in {d.metric} by {_number(d.difference, d)} ({_evidence(d, several)})"


def _nothing_shown(lead: Sequence[Difference], several: bool) -> str:
    metric = lead[0].metric
    tested = [d for d in lead if d.p_adjusted is not None]
    closest = min(tested or lead, key=lambda d: (d.p_adjusted or 0.0, -d.n))
    between = f"{closest.a} and {closest.b}"
    if not tested:
        more = "" if len(lead) == 1 else " or any other two arms"
        return f"{metric} was not tested between {between}{more}: {closest.said}"
    found = f"{_number(closest.difference, closest)}, {_evidence(closest, several)}"
    if len(lead) > 1:
        text = f"no difference in {metric} could be shown between any two arms (closest: {between}, {found})"
    else:
        text = f"no difference in {metric} could be shown between {between} ({found})"
    if closest.detectable is not None:
        least = _number(closest.detectable, closest)
        text += f"; one of {least} or more would have been seen with at least 80 % probability"
    return text


def _evidence(d: Difference, several: bool) -> str:
    parts = []
    if d.ci_low is not None:
        parts.append(f"95 % interval {_number(d.ci_low, d)} to {_number(d.ci_high, d)}")
    assert d.p_adjusted is not None
    p = "p < 0.0001" if d.p_adjusted < 0.0001 else f"p = {d.p_adjusted:.2g}"
    parts += [f"adjusted {p}" if several else p, f"{d.n:,} examples"]
    return ", ".join(parts)


def _and_more(n: int) -> str:
    return f", and {n - _SHOWN} more" if n > _SHOWN else ""


def _number(x: float | None, d: Difference) -> str:
    """With the digits that half the width of the interval leaves sure: its first one, and the next after a 1 or 2."""
    assert x is not None
    if d.ci_low is None or d.ci_high is None:
        half = abs(d.difference or 0.0)
    else:
        half = (d.ci_high - d.ci_low) / 2 / 3  # by which a first digit below 3 takes another with it
    decimals = max(0, -math.floor(math.log10(half))) if half > 0 else 2
    if decimals > 6 or abs(x) >= 1e9:
        return f"{x:.2g}"
    return f"{round(x, decimals) + 0.0:.{decimals}f}"
