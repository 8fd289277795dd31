"""How does a result look in a terminal?

It shows what was recorded, never what was paid now or how long this run took: so a replay prints the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from onetwo_like.core.drawing import printable
from onetwo_like.experiments.showing.figures import count, dollars, interval, number, p_value, seconds, signed
from onetwo_like.experiments.statistics.difference import Mean

if TYPE_CHECKING:
    from onetwo_like.experiments.result import Result

_LONGEST = 40  # letters of a name
_REASONS = 3


def table(result: Result) -> str:
    """The arms with their means, the differences, what both mean, and what was left out."""
    data, samples = result.about.dataset, result.about.samples
    many = len(result.arms) > 1
    what = f"Comparison of {len(result.arms)} arms" if many else f"Evaluation of {_name(result.arms[0].name)}"
    size = f"{data['size']:,} example{'' if data['size'] == 1 else 's'}"
    of_each = f", {samples} samples of each" if samples > 1 else ""
    parts = [f"{what} on {_name(data['name'])}: {size}{of_each}, seed {result.about.seed}", _arms(result)]
    if result._differences:
        parts.append(_differences(result))
    parts.append(printable(result.summary))
    parts += _notes(result)
    return "\n\n".join(parts)


def _arms(result: Result) -> str:
    head = [
        "arm",
        *map(_name, result.metrics),
        "answered",
        "cost",
        "tokens in",
        "tokens out",
        "latency",
        "p95",
    ]
    lines = [head]
    total = result.about.dataset["size"] * result.about.samples
    for arm in result.arms:
        answered = sum(row.status == "ok" for row in result.rows if row.arm == arm.name)
        lines.append(
            [
                _name(arm.name),
                *[_mean(result.means[metric][arm.name]) for metric in result.metrics],
                f"{answered:,}/{total:,}",
                dollars(arm.recorded.cost),
                count(arm.recorded.input_tokens),
                count(arm.recorded.output_tokens),
                seconds(arm.latency_s.median),
                seconds(arm.latency_s.p95),
            ]
        )
    return aligned(lines, left=1)


def _mean(mean: Mean) -> str:
    bounds = f" [{interval(mean.ci_low, mean.ci_high)}]" if mean.ci_low is not None else ""
    return number(mean.mean) + bounds


def _differences(result: Result) -> str:
    lines = [
        ["metric", "a", "b", "n", "b - a", "95 % interval", "p", "p adjusted", "won/tied/lost", "detectable"]
    ]
    for d in result._differences:
        lines.append(
            [
                _name(d.metric),
                _name(d.a),
                _name(d.b),
                f"{d.n:,}",
                signed(d.difference),
                interval(d.ci_low, d.ci_high),
                p_value(d.p_value),
                p_value(d.p_adjusted),
                f"{d.wins:,}/{d.ties:,}/{d.losses:,}",
                number(d.detectable),
            ]
        )
    said = [
        f"{_name(d.metric)}, {_name(d.a)} and {_name(d.b)}: {printable(d.said)}"
        for d in result._differences
        if d.said
    ]
    return "\n".join([aligned(lines, left=3), *said])


def _notes(result: Result) -> list[str]:
    notes = []
    scoring = result.scoring[0]
    if scoring.calls:
        notes.append(
            f"The metrics made {scoring.calls:,} call{'s' * (scoring.calls > 1)}: {dollars(scoring.cost)}."
        )
    left_out = result.excluded
    if left_out:
        first = [
            f"  {_name(x.arm)}, {_name(x.example)}, {_name(x.metric)}: {_line(x.reason)}"
            for x in left_out[:_REASONS]
        ]
        more = len(left_out) - len(first)
        first += [f"  and {more:,} more: see .excluded"] if more else []
        one = len(left_out) == 1
        notes.append(
            "\n".join(
                [f"{len(left_out):,} score{'' if one else 's'} {'is' if one else 'are'} missing:", *first]
            )
        )
    if not result.complete:
        notes.append(f"Not complete: {_line(result.stopped or '')}.")
    return notes


def _name(text: str) -> str:
    """A name on one line."""
    line = " ".join(printable(str(text)).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def _line(text: str) -> str:
    line = " ".join(printable(text).split())
    return line if len(line) <= 160 else f"{line[:157]}..."


def aligned(lines: Sequence[Sequence[str]], left: int) -> str:
    """Columns of text, the first `left` of them flush left and the others flush right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            [
                c.ljust(w) if i < left else c.rjust(w)
                for i, (c, w) in enumerate(zip(line, widths, strict=True))
            ]
        ).rstrip()
        for line in lines
    )
