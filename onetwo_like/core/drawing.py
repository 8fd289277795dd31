"""What is a picture of boxes and arrows, before anybody decides how it is written down?"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from onetwo_like.errors import UsageError

Kind = Literal["step", "input", "event", "constant", "flow", "start", "stop"]
Mark = Literal["", "hit", "made", "failed"]


@dataclass(frozen=True, slots=True)
class Box:
    """One thing in a picture; with a drawing `inside` it is a frame around that, which folds in HTML.

    `id` is unique among its neighbours. `detail` is a smaller line below the label, `tooltip` is what
    pointing at the box shows, `mark` says what became of a step in one execution.
    """

    id: str
    label: str
    kind: Kind = "step"
    detail: str = ""
    tooltip: str = ""
    mark: Mark = ""
    inside: Drawing | None = None


@dataclass(frozen=True, slots=True)
class Arrow:
    """From one box of a drawing to another box of the same drawing, by their ids."""

    source: str
    target: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Drawing:
    """Boxes and arrows: what flows, workflows and traces are turned into to be shown.

    Arrows point down; one that closes a cycle points up. The same drawing gives the same bytes.
    Raises UsageError if two boxes share an id or an arrow has an end that is no box.

    >>> picture = Drawing("song", (Box("title", "title"), Box("lyrics", "lyrics")), (Arrow("title", "lyrics"),))
    >>> print(picture.mermaid())
    flowchart TD
        n0["title"]:::step
        n1["lyrics"]:::step
        n0 --> n1
        ...
    """

    title: str
    boxes: tuple[Box, ...] = ()
    arrows: tuple[Arrow, ...] = ()

    def __post_init__(self) -> None:
        ids = {box.id for box in self.boxes}
        if len(ids) < len(self.boxes):
            twice = next(
                box.id for i, box in enumerate(self.boxes) if box.id in {b.id for b in self.boxes[:i]}
            )
            raise UsageError(
                f"Two boxes of the drawing {self.title!r} have the id {twice!r}; ids are unique."
            )
        for arrow in self.arrows:
            for end in (arrow.source, arrow.target):
                if end not in ids:
                    raise UsageError(
                        f"The drawing {self.title!r} has an arrow {arrow.source!r} -> {arrow.target!r}, "
                        f"but no box {end!r}; its boxes: {', '.join(sorted(ids)) or 'none'}."
                    )

    def mermaid(self) -> str:
        """The drawing as the text of a Mermaid flowchart, which many sites and editors show as a picture."""
        from onetwo_like.core.drawing_mermaid import mermaid

        return mermaid(self)

    def svg(self) -> str:
        """The drawing as an SVG image, which needs nothing else; frames are open."""
        from onetwo_like.core.drawing_svg import svg

        return svg(self)

    def html(self) -> str:
        """The drawing as a page that opens offline: drag to move, scroll to zoom, click a frame to fold it."""
        from onetwo_like.core.drawing_html import html

        return html(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a file in the format that its suffix names: .html, .svg, .mmd, or .md (Mermaid in Markdown).

        Raises UsageError for another suffix.
        """
        path = Path(path)
        match path.suffix.lower():
            case ".html" | ".htm":
                text = self.html()
            case ".svg":
                text = self.svg()
            case ".mmd":
                text = self.mermaid()
            case ".md":
                text = f"```mermaid\n{self.mermaid()}```\n"
            case other:
                raise UsageError(
                    f"A drawing is saved as .html, .svg, .mmd or .md, not as {other or 'a file without suffix'!r} "
                    f"({path.name!r}). Choose one of these."
                )
        path.write_text(text, encoding="utf-8", newline="\n")

    def __len__(self) -> int:
        """How many boxes there are, with those inside of frames."""
        return sum(1 + (len(box.inside) if box.inside else 0) for box in self.boxes)

    def __repr__(self) -> str:
        return f"<Drawing {self.title!r}: {len(self)} boxes>"

    def _repr_html_(self) -> str:
        return self.svg()


def printable(text: str) -> str:
    """The text without the characters that no XML or UTF-8 file may hold; they become U+FFFD."""
    return "".join(
        c
        if c in "\t\n" or ("\x20" <= c <= "\ud7ff") or ("\ue000" <= c <= "\ufffd") or c > "\uffff"
        else "\ufffd"
        for c in text
    )
