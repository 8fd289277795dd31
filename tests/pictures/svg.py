"""Where are the boxes and arrows of an SVG image, in its own coordinates?"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree

from onetwo_like.core.drawing import Arrow, Box, Drawing

SVG = "{http://www.w3.org/2000/svg}"
_SHIFT = re.compile(r"translate\(([-\d.]+),([-\d.]+)\)")


@dataclass(frozen=True)
class Placed:
    """A box of an image: its title, corners, and the frames it is in, from the outermost."""

    title: str
    left: float
    top: float
    right: float
    bottom: float
    frames: tuple[int, ...]

    def overlaps(self, other: "Placed") -> bool:
        """Whether they share more than an edge."""
        return (
            min(self.right, other.right) - max(self.left, other.left) > 0.1
            and min(self.bottom, other.bottom) - max(self.top, other.top) > 0.1
        )


def image(svg: str) -> ElementTree.Element:
    """The parsed image; it fails where the text is no XML."""
    return ElementTree.fromstring(svg)


def walk(
    element: ElementTree.Element, x: float = 0.0, y: float = 0.0, frames: tuple[int, ...] = ()
) -> Iterator[tuple[ElementTree.Element, float, float, tuple[int, ...]]]:
    """Each element with where its own coordinates begin; what is not displayed is left out."""
    if element.get("display") == "none":
        return
    if shift := _SHIFT.match(element.get("transform", "")):
        x, y = x + float(shift[1]), y + float(shift[2])
    yield element, x, y, frames
    if "frame" in element.get("class", "").split():
        frames = (*frames, id(element))
    for child in element:
        yield from walk(child, x, y, frames)


def boxes(svg: ElementTree.Element) -> list[Placed]:
    """All boxes that show."""
    found = []
    for element, x, y, frames in walk(svg):
        classes = element.get("class", "").split()
        if "box" not in classes or "label" in classes:
            continue
        shown = [
            g
            for g in element.findall(f"{SVG}g")
            if g.get("display") != "none" and g.find(f"{SVG}rect") is not None
        ]
        rect = (
            element.find(f"{SVG}rect")
            if element.find(f"{SVG}rect") is not None
            else shown[0].find(f"{SVG}rect")
        )
        assert rect is not None
        left, top = x + float(rect.get("x", 0)), y + float(rect.get("y", 0))
        size = float(rect.get("width", 0)), float(rect.get("height", 0))
        title = element.findtext(f"{SVG}title") or ""
        found.append(Placed(title, left, top, left + size[0], top + size[1], (*frames, id(element))))
    return found


def points(svg: ElementTree.Element) -> Iterator[tuple[float, float]]:
    """Points along every arrow, 24 for each piece."""
    for element, x, y, _ in walk(svg):
        if element.get("class") != "edge":
            continue
        numbers = [float(n) for n in re.findall(r"-?\d+\.?\d*", element.get("d", ""))]
        x0, y0 = numbers[:2]
        curve = [(x0, y0), *zip(numbers[2::2], numbers[3::2], strict=True)] if len(numbers) > 3 else None
        for i in range(1, 24):
            t = i / 24
            if curve is None:  # a vertical line
                yield x + x0, y + y0 + (numbers[2] - y0) * t
            else:
                weights = [(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3]
                yield (
                    x + sum(w * p[0] for w, p in zip(weights, curve, strict=True)),
                    y + sum(w * p[1] for w, p in zip(weights, curve, strict=True)),
                )


def assert_nothing_overlaps(svg: str) -> None:
    """Fails if two boxes overlap, unless one is the frame of the other, or an arrow passes through a box."""
    placed = boxes(image(svg))
    assert placed
    for i, one in enumerate(placed):
        for other in placed[:i]:
            nested = (
                one.frames[: len(other.frames)] == other.frames
                or other.frames[: len(one.frames)] == one.frames
            )
            assert nested or not one.overlaps(other), (one, other)
            if nested:
                inner, outer = (one, other) if len(one.frames) > len(other.frames) else (other, one)
                assert outer.left < inner.left < inner.right < outer.right, (inner, outer)
                assert outer.top < inner.top < inner.bottom < outer.bottom, (inner, outer)
    leaves = [
        box
        for box in placed
        if not any(box.frames == o.frames[: len(box.frames)] for o in placed if o is not box)
    ]
    for x, y in points(image(svg)):
        for box in leaves:
            inside = box.left + 1 < x < box.right - 1 and box.top + 1 < y < box.bottom - 1
            assert not inside, f"an arrow passes through {box.title!r} at {x:.1f}, {y:.1f}"


def drawing(title: str, arrows: str, *alone: str, **inside: Drawing) -> Drawing:
    """The drawing of arrows such as "a>b b>c", whose boxes named in `inside` are frames."""
    pairs = [(a, b) for a, b in (pair.split(">") for pair in arrows.split())]
    names = dict.fromkeys([*(end for pair in pairs for end in pair), *alone])
    return Drawing(
        title, tuple(Box(n, n, inside=inside.get(n)) for n in names), tuple(Arrow(a, b) for a, b in pairs)
    )
