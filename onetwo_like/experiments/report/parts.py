"""How are the parts of a report written as HTML: tables, links, notes, texts that fold?

What is passed as a caption, a title or a cell is markup already; names and texts are escaped here.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from urllib.parse import urlencode

from onetwo_like.experiments.showing.picture_parts import COLOURS, escaped, shape


def folded(title: str, texts: Iterable[tuple[str, str]]) -> str:
    """Texts with their labels, below a title that opens them."""
    inside = "".join(
        (f"<p>{escaped(label)}</p>" if label else "") + f"<pre>{escaped(text)}</pre>" for label, text in texts
    )
    return f"<details><summary>{title}</summary>{inside}</details>\n"


def cut(text: str, letters: int) -> str:
    """The beginning of a text, which says how much is missing."""
    return text if len(text) <= letters else f"{text[:letters]} […{len(text) - letters:,} letters more]"


def link(example: str, sample: int | None, samples: int) -> str:
    """A link that opens the example in the page."""
    route = urlencode({"example": example, "sample": sample or 0}, errors="replace")
    label = example if sample is None or samples == 1 else f"{example}/{sample}"
    return f'<a href="#{escaped(route)}">{escaped(label)}</a>'


def table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]], words: Container[int] = (0,)
) -> str:
    """A table that scrolls inside itself; the columns counted in `words` hold words, the others figures."""
    head = "".join(
        f'<th scope="col"{"" if i in words else " class=figure"}>{column}</th>'
        for i, column in enumerate(columns)
    )
    body = ""
    for row in rows:
        cells = (f"<td{'' if i in words else ' class=figure'}>{cell}</td>" for i, cell in enumerate(row) if i)
        body += f'<tr><th scope="row">{row[0]}</th>{"".join(cells)}</tr>\n'
    return (
        f'<div class="scroll" role="region" aria-label="{caption}" tabindex="0"><table>'
        f"<caption>{caption}</caption><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>\n"
    )


def arm_name(arm: str, place: int) -> str:
    """An arm's name, with the colour and the shape that it has in pictures."""
    return f'<span class="arm arm-{place % COLOURS} shape-{shape(place)}"><code>{escaped(arm)}</code></span>'


def small(text: str, kind: str = "") -> str:
    """A second line of a cell."""
    return f"<small{f' class={kind}' if kind else ''}>{text}</small>"


def note(text: str) -> str:
    """A remark on what stands above or beside it."""
    return f'<p class="note">{text}</p>\n'


def section(place: str, title: str, body: str) -> str:
    """A part of the page, which links can name."""
    return f'<section id="{place}" aria-labelledby="{place}-title"><h2 id="{place}-title">{title}</h2>\n{body}</section>\n'
