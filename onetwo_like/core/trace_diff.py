"""Where do two runs part?"""

from __future__ import annotations

import html
import itertools
import textwrap
from collections.abc import Iterator
from typing import Any, NamedTuple

from onetwo_like.core.trace import Span
from onetwo_like.core.trace_json import plain
from onetwo_like.core.trace_text import type_of

WIDTH = 58


class Parting(NamedTuple):
    """A span in which two runs differ: `what` of it, and the span on either side (None: it is not there)."""

    path: str
    what: str
    left: Span | None
    right: Span | None


class TraceDiff:
    """Where two traces part: `.partings` in the order of the left one; `.first` is the first in time.

    Spans are matched by name, sample path and how many like them came before under the same parent.
    """

    def __init__(self, left: Span, right: Span) -> None:
        self.partings: list[Parting] = []
        self.same = 0
        waiting: list[tuple[Span | None, Span | None]] = [(left, right)]
        while waiting:
            a, b = waiting.pop()
            what = _differs(a, b)
            if what:
                self.partings.append(Parting(_path(a, b, left, right), what, a, b))
            else:
                self.same += 1
            if a is not None and b is not None:
                waiting.extend(reversed(_matched(a, b)))

    @property
    def innermost(self) -> list[Parting]:
        """The partings without those of spans above, which follow from what parts within them."""
        above = {id(span) for p in self.partings for side in (p.left, p.right) for span in _above(side)}
        return [p for p in self.partings if id(p.left) not in above and id(p.right) not in above]

    @property
    def first(self) -> Parting | None:
        """The innermost parting that came first in time: the others may follow from it."""
        return min(self.innermost, key=lambda p: min(s.start for s in (p.left, p.right) if s), default=None)

    def __iter__(self) -> Iterator[Parting]:
        return iter(self.partings)

    def __len__(self) -> int:
        return len(self.partings)

    def __str__(self) -> str:
        if not self.partings:
            return f"The two runs are the same in all {self.same} spans."
        lines = [f"The two runs part in {len(self)} spans, and are the same in {self.same}."]
        for p in self.innermost:
            lines += ["", _title(p)]
            for a, b in itertools.zip_longest(_side(p.left), _side(p.right), fillvalue=""):
                lines.append(f"  {a:{WIDTH}} | {b}".rstrip())
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        if not self.partings:
            return f"<p>{html.escape(str(self))}</p>"
        cell = "vertical-align:top;text-align:left;white-space:pre-wrap;font-family:monospace"
        rows = []
        for p in self.innermost:
            rows.append(f'<tr><th colspan="2" style="{cell}">{html.escape(_title(p))}</th></tr>')
            sides = [html.escape("\n".join(_whole(side))) for side in (p.left, p.right)]
            rows.append("<tr>" + "".join(f'<td style="{cell}">{side}</td>' for side in sides) + "</tr>")
        head = html.escape(str(self).split("\n", 1)[0])
        return f"<table><caption>{head}</caption>{''.join(rows)}</table>"


def _matched(a: Span, b: Span) -> list[tuple[Span | None, Span | None]]:
    """The children of two spans, each with its counterpart, if there is one."""
    others = _numbered(b)
    pairs: list[tuple[Span | None, Span | None]] = [
        (child, others.pop(key, None)) for key, child in _numbered(a).items()
    ]
    return pairs + [(None, child) for child in others.values()]


def _numbered(span: Span) -> dict[tuple[Any, ...], Span]:
    found: dict[tuple[Any, ...], Span] = {}
    seen: dict[tuple[Any, ...], int] = {}
    for child in span.children:
        kind = (child.name, child.sample_path)
        number = seen[kind] = seen.get(kind, 0) + 1
        found[(*kind, number)] = child
    return found


def _differs(a: Span | None, b: Span | None) -> str:
    """What differs, in words; empty if nothing does. Times and costs never do."""
    if a is None:
        return "only on the right"
    if b is None:
        return "only on the left"
    found = [
        name
        for name, x, y in (
            ("inputs", a.inputs, b.inputs),
            ("output", a.output, b.output),
            ("error", a.error, b.error),
        )
        if plain(x) != plain(y)
    ]
    return ", ".join(found)


def _path(a: Span | None, b: Span | None, left: Span, right: Span) -> str:
    """The path below the two that are compared."""
    span, top = (a, left) if a is not None else (b, right)
    assert span is not None
    return span.path[len(top.path) :].lstrip("/") if top.path else span.path


def _above(span: Span | None) -> Iterator[Span]:
    while span is not None and span.parent is not None:
        span = span.parent
        yield span


def _title(parting: Parting) -> str:
    return f"{parting.path or 'run'}: {parting.what}"


def _whole(span: Span | None) -> list[str]:
    """One side of a parting in full."""
    if span is None:
        return ["(not there)"]
    lines = []
    inputs = plain(span.inputs)
    if isinstance(inputs, dict):
        lines += [f"{name} = {value}" for name, value in inputs.items()]
    if span.error is not None:
        lines.append(f"!! {type_of(span.error)}: {span.error}")
    else:
        lines.append(f"-> {plain(span.output)}")
    if span.cache:
        lines.append(f"({'replayed' if span.cache == 'hit' else span.cache})")
    return [piece for line in lines for piece in line.splitlines() or [""]]


def _side(span: Span | None) -> list[str]:
    """One side of a parting, wrapped and shortened to eight lines each."""
    lines = [piece for line in _whole(span) for piece in textwrap.wrap(line, WIDTH) or [""]]
    return lines if len(lines) <= 8 else [*lines[:6], f"... {len(lines) - 7} more lines", lines[-1]]
