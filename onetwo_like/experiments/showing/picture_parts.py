"""What do all pictures of a comparison share: the sheet, an axis, names and colours?

A picture is 360 pixels wide, so that a phone shows it at its full size and a page puts three side by side.
Names are set in a fixed-width font, whose width can be reckoned; they are broken rather than cut.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from onetwo_like.core.drawing import printable
from onetwo_like.core.drawing_text import text_width, wrapped

WIDTH = 360.0
EDGE = 12.0  # free at both ends of an axis, for a marker and half a label
_LETTERS = 47  # of a name that fit into one line
_NAME = 12.0  # font size
_FIGURE = 6.7  # the width of a letter among figures, which are set in a proportional font
LINE = 16.0  # from one line of text to the next

# Okabe and Ito, "Color Universal Design" (2008), ordered so that the first two differ most; by night lighter.
_LIGHT = ("#0072b2", "#d55e00", "#00845f", "#a85586", "#8a6d00", "#3d7f9f")
_DARK = ("#56b4e9", "#f0803c", "#2fc79b", "#dd9cc0", "#e6b84a", "#9cc9de")
COLOURS = len(_LIGHT)
_SHAPES = ("circle", "square", "diamond", "triangle")

STYLE = (
    ".onetwo-picture{font:12px system-ui,-apple-system,'Segoe UI',sans-serif;font-variant-numeric:tabular-nums;"
    "--ink:#1c2128;--soft:#59636f;--rule:#c9d0d9;--tint:#e9edf2;--paper:#fff;"
    + "".join(f"--arm{i}:{colour};" for i, colour in enumerate(_LIGHT))
    + "}\n@media(prefers-color-scheme:dark){.onetwo-picture{"
    "--ink:#e3e7ec;--soft:#a3adba;--rule:#4a535f;--tint:#272d35;--paper:#14171c;"
    + "".join(f"--arm{i}:{colour};" for i, colour in enumerate(_DARK))
    + "}}\n"
    ".onetwo-picture text{fill:var(--ink)}\n"
    ".onetwo-picture .name{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}\n"
    ".onetwo-picture .soft{fill:var(--soft)}\n"
    ".onetwo-picture .head{font-weight:600}\n"
    ".onetwo-picture .rule{stroke:var(--rule);fill:none}\n"
    ".onetwo-picture .tint{fill:var(--tint)}\n"
    ".onetwo-picture .ink{stroke:var(--ink);stroke-width:1.6;fill:none}\n"
    ".onetwo-picture .zero{stroke:var(--soft);stroke-dasharray:3 3}\n"
    + "".join(f".onetwo-picture .arm{i}{{fill:var(--arm{i});stroke:var(--arm{i})}}\n" for i in range(COLOURS))
    + ".onetwo-picture .bar{stroke:none}\n.onetwo-picture .open{fill:var(--paper)}\n"
)


def picture(title: str, height: float, markup: str) -> str:
    """The image as an inline `<svg>`, which says what it shows to who cannot see it."""
    size = f'width="{n(WIDTH)}" height="{n(height)}" viewBox="0 0 {n(WIDTH)} {n(height)}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="onetwo-picture" role="img" {size} '
        f'style="max-width:100%;height:auto"><title>{escaped(title)}</title><style>{STYLE}</style>\n'
        f"{markup}</svg>\n"
    )


def escaped(text: str) -> str:
    """The text as it may stand in an element or a quoted attribute."""
    return escape(printable(text))


def n(value: float) -> str:
    """A coordinate with at most one decimal, so that no rounding of a platform shows."""
    return f"{round(value, 1) + 0.0:g}"


def text(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> str:
    """One line of text whose base line is at `y`."""
    of_kind = f' class="{kind}"' if kind else ""
    at = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{n(x)}" y="{n(y)}"{of_kind}{at}>{escaped(content)}</text>\n'


def name(y: float, content: str, beside: str = "", kind: str = "name", x: float = 0.0) -> tuple[str, float]:
    """A name below `y`, with figures at the right where they fit beside it; and where the next line begins."""
    lines = wrapped(printable(content), _LETTERS - round(x / 7.3), 3)
    markup = ""
    for line in lines:
        y += LINE
        markup += text(x, y - 4, line, kind)
    if beside:
        if x + text_width(lines[-1], _NAME) + _FIGURE * len(beside) + 10 > WIDTH:
            y += LINE
        markup += text(WIDTH, y - 4, beside, anchor="end")
    return markup, y


def shape(arm: int) -> int:
    """Which shape the mark of an arm has, so that a colour that comes again has another one."""
    return (arm + arm // COLOURS) % len(_SHAPES)


def marker(x: float, y: float, arm: int) -> str:
    """The mark of an arm: its colour and its shape, of which either tells a dozen arms apart with the other."""
    kind = f'class="arm{arm % COLOURS}"'
    figure = _SHAPES[shape(arm)]
    if figure == "circle":
        return f'<circle {kind} cx="{n(x)}" cy="{n(y)}" r="4.5"/>'
    corners = {
        "square": ((-4, -4), (4, -4), (4, 4), (-4, 4)),
        "diamond": ((0, -5.5), (5.5, 0), (0, 5.5), (-5.5, 0)),
        "triangle": ((0, -5), (5, 4), (-5, 4)),
    }[figure]
    return f'<path {kind} d="M{"L".join(f"{n(x + dx)},{n(y + dy)}" for dx, dy in corners)}Z"/>'


def whisker(x1: float, x2: float, y: float, kind: str = "ink") -> str:
    """A horizontal interval with its ends marked."""
    return f'<path class="{kind}" d="M{n(x1)},{n(y - 4)}v8m0,-4H{n(x2)}m0,-4v8"/>'


@dataclass(frozen=True, slots=True)
class Axis:
    """From values to pixels."""

    low: float
    high: float
    start: float = EDGE
    end: float = WIDTH - EDGE

    @staticmethod
    def over(values: Sequence[float], margin: float = 0.04) -> Axis:
        """The axis on which all these values have a place."""
        low, high = min(values), max(values)
        room = (high - low) * margin if high > low else abs(high) * 0.1 or 0.5
        return Axis(low - room, high + room)

    def __call__(self, value: float) -> float:
        return self.start + (self.end - self.start) * (value - self.low) / (self.high - self.low)

    def ticks(self, about: int = 4) -> list[float]:
        """Three to seven round values along the axis."""
        rough = (self.high - self.low) / about
        scale = 10.0 ** math.floor(math.log10(rough))
        step = next(k * scale for k in (1, 2, 5, 10) if k * scale >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [float(f"{k * step:.12g}") for k in range(first, last + 1)]

    def drawn(self, y: float, written: Callable[[float], str], title: str = "") -> tuple[str, float]:
        """The axis below `y`, its ticks written by a function, and where it ends."""
        markup = f'<path class="rule" d="M{n(self.start)},{n(y)}H{n(self.end)}"/>\n'
        for tick in self.ticks():
            x = self(tick)
            label = written(tick)
            half = text_width(label, _NAME) / 2
            middle = min(max(x, half), WIDTH - half)
            markup += f'<path class="rule" d="M{n(x)},{n(y)}v4"/>' + text(
                middle, y + 16, label, "soft", "middle"
            )
        if title:
            markup += text((self.start + self.end) / 2, y + 32, title, "soft", "middle")
        return markup, y + (38 if title else 22)


def short(value: float) -> str:
    """A tick's value, as short as it is exact."""
    shown = f"{value:,.10g}" if abs(value) < 1e6 else f"{value:.6g}"
    return shown.replace("-", "\N{MINUS SIGN}")
