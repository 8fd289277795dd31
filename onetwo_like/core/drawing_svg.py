"""How is a drawing written as an SVG image?

An image is a pile of rows: the boxes of a layer, then a gap that the arrows cross, and so on. Only rows grow
when a frame opens, and a gap keeps its look: so the script of a page folds frames by piling anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from html import escape

from onetwo_like.core.drawing import Box, Drawing, printable
from onetwo_like.core.drawing_layout import GAP, Link, Part, parts
from onetwo_like.core.drawing_style import STYLE
from onetwo_like.core.drawing_text import LABEL, SMALL, text_width, wrapped

PAD = 16.0  # around the contents of a frame and of the image
TITLE = 40.0  # the height of a frame's own line
SHELF = 1200.0  # where unconnected parts go to the next line
HEAD = 8.0  # the length of an arrow's head
PORT = 16.0  # between the ends of two arrows at a box, where there is room
FOLD = 28.0  # beside a frame's label, for the triangle that folds it
LOOP = 24.0  # how far an arrow from a box to itself leaves it
# Event types are round, steps nearly square: the difference must not be one of colour alone.
_ROUND = {"event", "start", "stop"}


@dataclass(frozen=True, slots=True)
class _Picture:
    """A piece of the image and its size in pixels."""

    markup: str
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class _Shape:
    """A box with its text broken into lines, or an arrow's label (`bare`); `inside` is what a frame holds."""

    box: Box
    label: list[str]
    detail: list[str]
    width: float
    height: float
    inside: _Picture | None = None
    loop: bool = False
    bare: bool = False

    @property
    def room(self) -> float:
        """How much of the lower and upper side arrows may touch, also when a frame is folded."""
        width = _text_box(self.label, self.detail)[0] if self.inside else self.width - 2 * LOOP * self.loop
        return max(width - (self.height if self.box.kind in _ROUND else 20.0), 8.0)


def svg(drawing: Drawing, foldable: bool = False) -> str:
    """The image, with a title for each box; `foldable` adds to frames how they look when folded."""
    picture = _pile(drawing, foldable)
    width, height = _n(picture.width + 2 * PAD), _n(picture.height + 2 * PAD)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="onetwo-drawing" role="img" width="{width}" '
        f'height="{height}" viewBox="0 0 {width} {height}" style="max-width:100%;height:auto">\n'
        f"<title>{_text(drawing.title)}</title>\n<style>\n{STYLE}</style>\n"
        f'<g class="sheet" transform="translate({_n(PAD)},{_n(PAD)})">\n{picture.markup}</g>\n</svg>\n'
    )


def _pile(drawing: Drawing, foldable: bool) -> _Picture:
    """All parts of a drawing, side by side as far as they fit, then on the next line."""
    shapes = {box.id: _shape(box, foldable) for box in drawing.boxes}
    arrows: list[tuple[str, str]] = []
    heads: list[bool] = []
    for i, arrow in enumerate(drawing.arrows):
        if arrow.source == arrow.target:
            shape = shapes[arrow.source]
            if not shape.loop:
                shapes[arrow.source] = replace(shape, loop=True, width=shape.width + 2 * LOOP)
        elif arrow.label:
            # It goes through its label, which thereby has a place where nothing else is.
            between = f"\0{i}"  # nobody's id
            shapes[between] = _bare(Box(between, arrow.label))
            arrows += [(arrow.source, between), (between, arrow.target)]
            heads += [False, True]
        else:
            arrows.append((arrow.source, arrow.target))
            heads.append(True)
    labels = {name for name, shape in shapes.items() if shape.bare}
    _align_lone(shapes, arrows)
    layout = parts({name: shape.width for name, shape in shapes.items()}, arrows, labels)
    shelves: list[list[_Picture]] = [[]]
    for part in layout:
        picture = _part(part, shapes, heads, foldable)
        if shelves[-1] and sum(p.width + GAP for p in shelves[-1]) + picture.width > SHELF:
            shelves.append([])
        shelves[-1].append(picture)
    rows = []
    for shelf in shelves:
        at, markup = 0.0, ""
        for picture in shelf:
            markup += _group("pile", picture.markup, at)
            at += picture.width + GAP
        row = _Picture(markup, max(at - GAP, 0.0), max((p.height for p in shelf), default=0.0))
        rows += [("gap", _Picture("", 0.0, GAP)), ("row", row)]
    return _piled(rows[1:])


def _align_lone(shapes: dict[str, _Shape], arrows: Sequence[tuple[str, str]]) -> None:
    """Makes the boxes without arrows equally wide, so that they stand in columns."""
    joined = {end for arrow in arrows for end in arrow}
    lone = [n for n, shape in shapes.items() if n not in joined and not shape.inside and not shape.loop]
    width = max((shapes[name].width for name in lone), default=0.0)
    for name in lone:
        shapes[name] = replace(shapes[name], width=width)


def _piled(rows: Sequence[tuple[str, _Picture]]) -> _Picture:
    y, markup = 0.0, ""
    for name, row in rows:
        size = f' data-h="{_n(row.height)}"' if name == "gap" else ""
        markup += _group(name, row.markup, 0.0, y, size)
        y += row.height
    return _Picture(_group("pile", markup), max((row.width for _, row in rows), default=0.0), y)


def _part(part: Part, shapes: dict[str, _Shape], heads: Sequence[bool], foldable: bool) -> _Picture:
    """The layers of boxes that hang together, and the gaps between them."""
    ports = _ports(part, shapes)
    leaving = defaultdict(list)
    for link in part.links:
        leaving[link.layer].append(link)
    rows = []
    for at, layer in enumerate(part.layers):
        tails = [(link.upper, ports[link][0], link.turned and heads[link.arrow]) for link in leaving[at]]
        rows.append(("row", _layer([(spot.box, spot.x) for spot in layer], tails, shapes, foldable)))
        if at + 1 < len(part.layers):
            rows.append(("gap", _gap(part, at, leaving[at], ports, heads)))
    picture = _piled(rows)
    return replace(picture, width=part.width)


def _ports(part: Part, shapes: dict[str, _Shape]) -> dict[Link, tuple[float, float]]:
    """Where each link leaves the upper layer and reaches the lower one; those of one box stand side by side."""
    at_bottom: dict[tuple[int, int], list[Link]] = defaultdict(list)
    at_top: dict[tuple[int, int], list[Link]] = defaultdict(list)
    for link in part.links:
        at_bottom[link.layer, link.upper].append(link)
        at_top[link.layer + 1, link.lower].append(link)

    def spread(side: dict[tuple[int, int], list[Link]], other: int) -> dict[Link, float]:
        x = {}
        for (layer, place), links in side.items():
            spot = part.layers[layer][place]
            links.sort(key=lambda link: (link.lower if other > 0 else link.upper, link.arrow))
            step = min(PORT, shapes[spot.box].room / len(links)) if spot.box else 0.0
            for i, link in enumerate(links):
                x[link] = spot.x + (i - (len(links) - 1) / 2) * step
        return x

    upper, lower = spread(at_bottom, 1), spread(at_top, -1)
    return {link: (upper[link], lower[link]) for link in part.links}


def _layer(
    spots: Sequence[tuple[str, float]],
    tails: Iterable[tuple[int, float, bool]],
    shapes: dict[str, _Shape],
    foldable: bool,
) -> _Picture:
    """One row of boxes, as high as the highest; a tail leads from a lower box down to the end of the row."""
    plain = max((shapes[name].height for name, _ in spots if name and not shapes[name].inside), default=0.0)
    heights = [(shapes[name].height if shapes[name].inside else plain) if name else 0.0 for name, _ in spots]
    height = max(heights)
    markup, grows = "", foldable and any(name and shapes[name].inside for name, _ in spots)
    for (name, x), own in zip(spots, heights, strict=True):
        if name:
            shape = shapes[name]
            markup += _drawn(shape, x - shape.width / 2, own, foldable)
        else:
            markup += f'<path class="edge" data-x="{_n(x)}" d="M{_n(x)},0V{_n(height)}"/>\n'
    boxes = [i for i, (name, _) in enumerate(spots) if name]
    for place, x, head in tails:
        if place not in boxes or not (head or grows or heights[place] < height):
            continue
        line = (
            f'<path class="edge" d="M0,{_n(HEAD * head)}V{_n(max(height - heights[place], HEAD * head))}"/>'
        )
        tip = f'<path class="head" d="{_head(0, 0, up=True)}"/>' if head else ""
        markup += _group(
            "tail", line + tip, x, heights[place], f' data-x="{_n(x)}" data-of="{boxes.index(place)}"'
        )
    return _Picture(markup, 0.0, height)


def _gap(
    part: Part,
    layer: int,
    links: Sequence[Link],
    ports: dict[Link, tuple[float, float]],
    heads: Sequence[bool],
) -> _Picture:
    """What the arrows do between two layers; the further they go to the side, the more height they are given."""
    height = 38.0 + min(
        60.0, 0.1 * max((abs(ports[link][0] - ports[link][1]) for link in links), default=0.0)
    )
    markup = ""
    for link in links:
        a, b = ports[link]
        arrives = bool(part.layers[layer + 1][link.lower].box) and heads[link.arrow] and not link.turned
        leaves = bool(part.layers[layer][link.upper].box) and heads[link.arrow] and link.turned
        top, end = HEAD * leaves, height - HEAD * arrives
        bend = (end - top) * 0.55
        markup += (
            f'<path class="edge" d="M{_n(a)},{_n(top)}C{_n(a)},{_n(top + bend)} {_n(b)},{_n(end - bend)} '
            f'{_n(b)},{_n(end)}"/>'
        )
        if arrives:
            markup += f'<path class="head" d="{_head(b, height)}"/>'
        markup += "\n"
    return _Picture(markup, 0.0, height)


def _shape(box: Box, foldable: bool) -> _Shape:
    label, detail = wrapped(printable(box.label), 26, 3), []
    if box.detail:
        detail = [part for line in printable(box.detail).split("\n") for part in wrapped(line, 32, 2)][:4]
    width, height = _text_box(label, detail)
    if box.inside is None or not box.inside.boxes:
        return _Shape(box, label, detail, width + 14 * (box.kind in _ROUND), height)
    inside = _pile(box.inside, foldable)
    title = TITLE + 15 * (len(label) - 1) + 14 * len(detail)
    return _Shape(
        box, label, detail, max(inside.width + 2 * PAD, width + FOLD), inside.height + title + PAD, inside
    )


def _text_box(label: Sequence[str], detail: Sequence[str]) -> tuple[float, float]:
    widths = [*(text_width(t, LABEL) for t in label), *(text_width(t, SMALL) for t in detail)]
    return max(64.0, max(widths) + 28), 20 + 16.0 * len(label) + 14.0 * len(detail)


def _bare(box: Box) -> _Shape:
    lines = wrapped(printable(box.label), 28, 2)
    return _Shape(
        box, [], lines, max(text_width(t, SMALL) for t in lines) + 8, 6 + 14.0 * len(lines), bare=True
    )


def _drawn(shape: _Shape, x: float, height: float, foldable: bool) -> str:
    box = shape.box
    tip = f"<title>{_text(box.tooltip or box.label)}</title>"
    if box.tooltip and box.label not in box.tooltip:
        tip = f"<title>{_text(f'{box.label}{chr(10)}{box.tooltip}')}</title>"
    if shape.bare:
        free = (height - shape.height) / 2
        lines = "".join(
            f'<path class="edge" d="M{_n(shape.width / 2)},{_n(a)}V{_n(b)}"/>'
            for a, b in ((0.0, free), (height - free, height))
            if b > a
        )
        return _group("box label", f"{tip}{lines}{_lines(shape, shape.width, height)}", x, 0.0, _size(height))
    mark = f" {box.mark}" if box.mark else ""
    if shape.inside is not None:
        title = height - shape.inside.height - PAD
        left = (shape.width - shape.inside.width) / 2
        opened = (
            f'<rect width="{_n(shape.width)}" height="{_n(height)}" rx="10"/>{_lines(shape, shape.width, title)}\n'
            f"{_group('pile', shape.inside.markup, left, title)}"
        )
        if not foldable:
            return _group(f"box frame flow{mark}", f"{tip}{opened}", x)
        width, low = _text_box(shape.label, shape.detail)
        width += FOLD
        x_shut = (shape.width - width) / 2
        opened = f'{opened}<path class="head" d="M12,{_n(title / 2 - 3)}h9l-4.5,7z"/>'
        shut = (
            f"{_rect(x_shut, width, low, 10)}{_lines(shape, shape.width, low)}"
            f'<path class="head" d="M{_n(x_shut + 6)},{_n(low / 2 - 4.5)}v9l7,-4.5z"/>'
        )
        return _group(
            f"box frame flow{mark}",
            f'{tip}<g class="open">{opened}</g><g class="shut" display="none">{shut}</g>',
            x,
            0.0,
            f'{_size(low)} data-top="{_n(title)}" tabindex="0" role="button" aria-expanded="true"',
        )
    rx = height / 2 if box.kind in _ROUND else 2.0 if box.kind == "constant" else 6.0
    own = shape.width - 2 * LOOP * shape.loop
    markup = tip + _rect(LOOP * shape.loop, own, height, rx) + _lines(shape, shape.width, height)
    if shape.loop:
        right, low, high = LOOP + own, height * 0.3, height * 0.7
        markup += (
            f'<path class="edge" d="M{_n(right)},{_n(low)}C{_n(right + LOOP)},{_n(low)} {_n(right + LOOP)},'
            f'{_n(high)} {_n(right + HEAD)},{_n(high)}"/>'
            f'<path class="head" d="M{_n(right)},{_n(high)}l{_n(HEAD)},-4v8z"/>'
        )
    return _group(f"box {box.kind}{mark}", markup, x, 0.0, _size(height))


def _lines(shape: _Shape, width: float, height: float) -> str:
    """The label and the details in the middle of a box."""
    top = (height - 16.0 * len(shape.label) - 14.0 * len(shape.detail)) / 2
    texts = [(line, top + 16.0 * i + 12.5, "") for i, line in enumerate(shape.label)]
    top += 16.0 * len(shape.label)
    texts += [(line, top + 14.0 * i + 10.5, ' class="d"') for i, line in enumerate(shape.detail)]
    return "".join(f'<text x="{_n(width / 2)}" y="{_n(y)}"{c}>{_text(t)}</text>' for t, y, c in texts)


def _rect(x: float, width: float, height: float, rx: float) -> str:
    return f'<rect x="{_n(x)}" width="{_n(width)}" height="{_n(height)}" rx="{_n(rx)}"/>'


def _head(x: float, y: float, up: bool = False) -> str:
    """The triangle of an arrow that ends here, coming from above, or from below if `up`."""
    return f"M{_n(x)},{_n(y)}l-4,{_n(HEAD if up else -HEAD)}h8z"


def _group(name: str, markup: str, x: float = 0.0, y: float = 0.0, attributes: str = "") -> str:
    return f'<g class="{name}" transform="translate({_n(x)},{_n(y)})"{attributes}>{markup}</g>\n'


def _size(height: float) -> str:
    return f' data-h="{_n(height)}"'


def _n(value: float) -> str:
    """The number with at most one decimal, so that no rounding of a platform shows."""
    return f"{round(value, 1) + 0.0:g}"


def _text(text: str) -> str:
    return escape(printable(text))
