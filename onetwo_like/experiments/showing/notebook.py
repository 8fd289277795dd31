"""How does a notebook show a result: the table, one sentence, a picture, cost and latency?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onetwo_like.experiments.showing.figures import count, dollars, interval, number, p_value, seconds, signed
from onetwo_like.experiments.showing.picture_parts import escaped
from onetwo_like.experiments.showing.pictures import forest
from onetwo_like.experiments.showing.table import _notes
from onetwo_like.experiments.statistics.difference import Mean

if TYPE_CHECKING:
    from onetwo_like.experiments.result import Result


def html(result: Result) -> str:
    """The result as HTML without a script; every text is escaped."""
    data, samples = result.about.dataset, result.about.samples
    of_each = f", {samples} samples of each" if samples > 1 else ""
    caption = f"{data['name']}: {data['size']:,} examples{of_each}, seed {result.about.seed}"
    head = ["arm", *result.metrics, "answered"]
    total = data["size"] * samples
    rows = []
    for arm in result.arms:
        answered = sum(row.status == "ok" for row in result.rows if row.arm == arm.name)
        means = [_mean(result.means[metric][arm.name]) for metric in result.metrics]
        rows.append([escaped(arm.name), *means, f"{answered:,} of {total:,}"])
    parts = [_table(head, rows, caption), f"<p>{escaped(result.summary)}</p>\n"]
    if result._differences:
        parts += [_differences(result), forest([d.to_dict() for d in result._differences])]
    took = [
        [
            escaped(arm.name),
            dollars(arm.recorded.cost),
            dollars(arm.paid.cost),
            count(arm.recorded.input_tokens),
            count(arm.recorded.output_tokens),
            seconds(arm.latency_s.median),
            seconds(arm.latency_s.p95),
        ]
        for arm in result.arms
    ]
    columns = ["arm", "cost", "paid now", "tokens in", "tokens out", "median latency", "95th percentile"]
    parts.append(_table(columns, took, "cost and latency, as recorded"))
    parts += [f'<p style="white-space:pre-wrap">{escaped(note)}</p>\n' for note in _notes(result)]
    return f'<div class="onetwo-result">{"".join(parts)}</div>'


def _mean(mean: Mean) -> str:
    bounds = f"<br><small>{interval(mean.ci_low, mean.ci_high)}</small>" if mean.ci_low is not None else ""
    return number(mean.mean) + bounds


def _differences(result: Result) -> str:
    rows = [
        [
            escaped(d.metric),
            f"{escaped(d.b)} &minus; {escaped(d.a)}",
            signed(d.difference),
            interval(d.ci_low, d.ci_high),
            p_value(d.p_adjusted),
            f"{d.wins:,} / {d.ties:,} / {d.losses:,}",
            f"{d.n:,}",
            escaped(d.said),
        ]
        for d in result._differences
    ]
    columns = ["metric", "difference of", "", "95 % interval", "p, adjusted", "won / tied / lost", "n", ""]
    return _table(columns, rows, "differences, paired by example")


def _table(columns: list[str], rows: list[list[str]], caption: str) -> str:
    """A table of cells that are markup already, under names that are not."""
    head = "".join(f"<th>{escaped(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><caption>{escaped(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>\n"
