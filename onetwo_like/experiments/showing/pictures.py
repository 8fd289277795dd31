"""Which pictures show a comparison: differences, scores, cost against quality, latency?

Each is an inline `<svg>` of its own, drawn from figures, with every text escaped; a notebook and the report
show the same.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from onetwo_like.experiments.showing.figures import dollars, interval, number, seconds, signed
from onetwo_like.experiments.showing.picture_parts import (
    COLOURS,
    LINE,
    Axis,
    escaped,
    marker,
    n,
    name,
    picture,
    short,
    text,
    whisker,
)

_BINS = 30
_TALL = 34.0  # the highest bar of a histogram
_LOW, _HIGH = 0.05, 0.95  # where the whiskers of a box end
# Metrics stand on one axis as long as none is squeezed to less than this part of it.
_SQUEEZED = 0.25


def forest(differences: Sequence[Mapping[str, Any]]) -> str:
    """Differences with their t intervals and the line of no difference; "" if there are none.

    Each is a `Difference` as a dict: metric, a, b, difference, ci_low, ci_high, p_adjusted, said.

    >>> forest([])
    ''
    """
    if not differences:
        return ""
    markup, y = "", 0.0
    for part in _on_one_axis(differences):
        axis = Axis.over([0.0, *(v for d in part for v in _ends(d))])
        metric = None
        for d in part:
            if d["metric"] != metric:
                metric = d["metric"]
                drawn, y = name(y + (8 if y else 0), metric, kind="name head")
                markup += drawn
            drawn, y = _difference(y, d, axis)
            markup += drawn
        drawn, y = axis.drawn(y, short)
        markup += drawn
    return picture("Differences between arms with their 95 % intervals", y + 2, markup)


def _on_one_axis(differences: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """The differences of each metric, metrics of a similar size together."""
    metrics: dict[str, list[Mapping[str, Any]]] = {}
    for d in differences:
        metrics.setdefault(d["metric"], []).append(d)
    parts: list[tuple[list[Mapping[str, Any]], float, float]] = []
    for ds in metrics.values():
        most = max((abs(v) for d in ds for v in _ends(d)), default=0.0)
        least = most or math.inf  # where all is tied, nothing can be squeezed
        for i, (part, least_of_part, most_of_part) in enumerate(parts):
            both = min(least, least_of_part), max(most, most_of_part)
            if both[0] >= _SQUEEZED * both[1]:
                parts[i] = ([*part, *ds], *both)
                break
        else:
            parts.append((ds, least, most))
    return [part for part, _, _ in parts]


def _ends(d: Mapping[str, Any]) -> list[float]:
    return [v for v in (d["difference"], d["ci_low"], d["ci_high"]) if v is not None]


def _difference(y: float, d: Mapping[str, Any], axis: Axis) -> tuple[str, float]:
    """One line of the forest: whose difference, the figures, the interval."""
    value, low, high, adjusted = d["difference"], d["ci_low"], d["ci_high"], d["p_adjusted"]
    pair = f"{d['b']} \N{MINUS SIGN} {d['a']}"
    said = signed(value) + (f" ({interval(low, high)})" if low is not None and high is not None else "")
    markup, y = name(y, pair, said)
    tip = f"{d['metric']}: {pair} {said}" + (f". {d['said']}" if d.get("said") else "")
    mark = f'<g><title>{escaped(tip)}</title><path class="zero" d="M{n(axis(0.0))},{n(y)}v20"/>'
    middle = y + 9
    if low is not None and high is not None:
        mark += whisker(axis(low), axis(high), middle)
    if value is not None:
        certain = " arm0" if adjusted is not None and adjusted < 0.05 else " open"
        mark += f'<circle class="ink{certain}" cx="{n(axis(value))}" cy="{n(middle)}" r="4.5"/>'
    return f"{markup}{mark}</g>\n", y + 20


def scores(metric: str, yes_no: bool, by_arm: Mapping[str, Sequence[float]], means: Mapping[str, Any]) -> str:
    """How the scores of each arm are spread: the share of yes, or a histogram with the mean marked."""
    values = [v for arm in by_arm.values() for v in arm]
    if not values:
        return ""
    shares = yes_no or (min(values) >= 0 and max(values) <= 1)
    axis = Axis(0.0, 1.0) if shares else Axis.over(values, 0.0)
    most = max(max(_histogram(arm, axis)) / max(len(arm), 1) for arm in by_arm.values())
    markup, y = "", 0.0
    for i, (arm, own) in enumerate(by_arm.items()):
        mean = means.get(arm) or {}
        middle, low, high = mean.get("mean"), mean.get("ci_low"), mean.get("ci_high")
        said = "no score" if middle is None else number(middle)
        drawn, y = name(y, arm, said)
        markup += drawn
        kind = f"bar arm{i % COLOURS}"
        tip = f"<title>{escaped(f'{arm}: {len(own):,} scores, mean {number(middle)}')}</title>"
        tall = 14.0 if yes_no else _TALL
        if yes_no:
            share = sum(own) / len(own) if own else 0.0
            bars = f'<rect class="{kind}" x="{n(axis(0))}" y="{n(y)}" width="{n(axis(share) - axis(0))}" height="14"/>'
            bars = f'<rect class="tint" x="{n(axis(0))}" y="{n(y)}" width="{n(axis(1) - axis(0))}" height="14"/>{bars}'
        else:
            bars = (
                f'<path class="{kind}" d="{_steps(_histogram(own, axis), len(own), most, axis, y + tall)}"/>'
            )
        if low is not None and high is not None and yes_no:
            bars += whisker(axis(max(0.0, low)), axis(min(1.0, high)), y + 7)
        elif middle is not None and not yes_no:
            bars += f'<path class="ink" d="M{n(axis(middle))},{n(y)}v{n(tall)}"/>'
        markup += f"<g>{tip}{bars}</g>\n"
        y += tall + 8
    drawn, y = axis.drawn(y - 4, short)
    return picture(f"Scores by {metric}", y + 2, markup + drawn)


def _histogram(values: Sequence[float], axis: Axis) -> list[int]:
    bins = [0] * _BINS
    for value in values:
        bins[min(_BINS - 1, int((value - axis.low) / (axis.high - axis.low) * _BINS))] += 1
    return bins


def _steps(bins: Sequence[int], total: int, most: float, axis: Axis, floor: float) -> str:
    """The outline of a histogram: each bin's share of the arm's scores, so that arms can be compared."""
    wide = (axis.end - axis.start) / _BINS
    path = f"M{n(axis.start)},{n(floor)}"
    for i, held in enumerate(bins):
        # What is there can be seen, be it one score of ten thousand.
        high = max(_TALL * held / total / most, 1.0) if held else 0.0
        path += f"V{n(floor - high)}H{n(axis.start + wide * (i + 1))}"
    return f"{path}V{n(floor)}Z"


def cost_against_quality(metric: str, costs: Mapping[str, float | None], means: Mapping[str, Any]) -> str:
    """Each arm's mean with its interval over what 1,000 of its answers cost, in US dollars.

    `costs` has all arms, None where it is not known; `means` are as in `scores`. "" if fewer than two arms
    have both: there is nothing to weigh.
    """
    known = {
        arm: (cost, means[arm])
        for arm, cost in costs.items()
        if cost is not None and arm in means and means[arm]["mean"] is not None
    }
    if len(known) < 2:
        return ""
    across = Axis.over([0.0, *(cost for cost, _ in known.values())], 0.06)
    across = Axis(0.0, across.high, 52.0)
    ends = [
        v
        for _, mean in known.values()
        for v in (mean["mean"], mean["ci_low"], mean["ci_high"])
        if v is not None
    ]
    tall = 170.0
    up = Axis.over(ends, 0.08)
    up = Axis(up.low, up.high, tall, 6.0)
    markup = ""
    for tick in up.ticks():
        y = up(tick)
        markup += f'<path class="rule" d="M52,{n(y)}H{n(across.end)}" opacity=".5"/>'
        markup += text(46, y + 4, short(tick), "soft", "end")
    drawn, below = across.drawn(tall, _price, "US dollars for 1,000 answers")
    markup += drawn
    legend, y = "", below + 4
    for i, arm in enumerate(costs):
        if arm not in known:
            continue
        cost, mean = known[arm]
        x, low, high = across(cost), mean["ci_low"], mean["ci_high"]
        said = f"{dollars(cost)} · {number(mean['mean'])}"
        markup += f"<g><title>{escaped(f'{arm}: {said}')}</title>"
        if low is not None and high is not None:
            markup += f'<path class="ink" d="M{n(x - 4)},{n(up(low))}h8m-4,0V{n(up(high))}m-4,0h8"/>'
        markup += marker(x, up(mean["mean"]), i) + "</g>\n"
        drawn, end = name(y, arm, said, x=18)
        legend += marker(7, y + LINE - 8, i) + drawn
        y = end
    return picture(f"Cost against quality by {metric}", y + 4, markup + legend)


def _price(value: float) -> str:
    return f"${short(value)}"


def latency(by_arm: Mapping[str, Sequence[float]]) -> str:
    """How long the answers of each arm took: the middle half as a box, 5 to 95 % as a line; "" if unknown."""
    known = {arm: sorted(values) for arm, values in by_arm.items() if values}
    if not known:
        return ""
    longest = max(quantile(values, _HIGH) for values in known.values()) or 1e-3
    axis = Axis(0.0, longest * 1.04)
    markup, y = "", 0.0
    for i, arm in enumerate(by_arm):
        if arm not in known:
            continue
        low, box, middle, end, high = (quantile(known[arm], q) for q in (_LOW, 0.25, 0.5, 0.75, _HIGH))
        drawn, y = name(y, arm, f"median {seconds(middle)}")
        tip = f"{arm}: median {seconds(middle)}, 5 to 95 % {seconds(low)} to {seconds(high)}"
        at = y + 10
        markup += (
            f"{drawn}<g><title>{escaped(tip)}</title>{whisker(axis(low), axis(high), at)}"
            f'<rect class="bar arm{i % COLOURS}" x="{n(axis(box))}" y="{n(y + 3)}" '
            f'width="{n(max(axis(end) - axis(box), 1.0))}" height="14"/>'
            f'<path class="ink" d="M{n(axis(middle))},{n(y + 1)}v18"/></g>\n'
        )
        y += 24
    drawn, y = axis.drawn(y, lambda v: f"{short(v * 1000)} ms" if longest < 1 else f"{short(v)} s")
    return picture("Latency of the answers", y + 2, markup + drawn)


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share of ordered values lies, interpolated linearly.

    >>> quantile([1.0, 2.0, 3.0, 4.0], 0.5)
    2.5
    """
    place = share * (len(ordered) - 1)
    below = int(place)
    rest = place - below
    return ordered[below] if not rest else ordered[below] * (1 - rest) + ordered[below + 1] * rest
