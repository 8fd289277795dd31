"""Where does each box of a drawing go, so that arrows point down, cross seldom and pass through no box?

Layered drawing after Sugiyama, Tagawa and Toda (1981): turn the arrows that close cycles, give each box a
layer, cut long arrows at each layer they pass, order the layers so that few arrows cross, then place each
layer as near to its neighbours as the order and the widths allow.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right, insort
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

GAP = 28.0  # between neighbours of a layer
PASSING = 6.0  # how wide an arrow is where it passes a layer


@dataclass(frozen=True, slots=True)
class Spot:
    """A place in a layer: a box by its id, or "" where an arrow passes. `x` is its centre."""

    box: str
    x: float


@dataclass(frozen=True, slots=True)
class Link:
    """The part of arrow number `arrow` between layer `layer` and the next, by the places there.

    `turned` where it points up.
    """

    arrow: int
    layer: int
    upper: int
    lower: int
    turned: bool


@dataclass(frozen=True, slots=True)
class Part:
    """Boxes that hang together: layers from top to bottom, each from left to right; x starts at 0."""

    layers: tuple[tuple[Spot, ...], ...]
    links: tuple[Link, ...]
    width: float


def parts(
    widths: Mapping[str, float], arrows: Sequence[tuple[str, str]], labels: Set[str] = frozenset()
) -> list[Part]:
    """The layout of each connected part, in the order of their first boxes; arrows to oneself are left out.

    `labels` are the boxes that are the label of an arrow: what enters one and what leaves it is one arrow.

    >>> [part] = parts({"a": 80, "b": 80, "c": 80}, [("a", "b"), ("a", "c")])
    >>> [[spot.box for spot in layer] for layer in part.layers]
    [['a'], ['b', 'c']]
    """
    numbered = [(i, a, b) for i, (a, b) in enumerate(arrows) if a != b]
    return [
        _part({name: widths[name] for name in names}, [edge for edge in numbered if edge[1] in names], labels)
        for names in _connected(widths, [(a, b) for _, a, b in numbered])
    ]


def _connected(names: Iterable[str], arrows: Sequence[tuple[str, str]]) -> list[dict[str, None]]:
    neighbours: dict[str, list[str]] = {name: [] for name in names}
    for a, b in arrows:
        neighbours[a].append(b)
        neighbours[b].append(a)
    found: list[dict[str, None]] = []
    seen: set[str] = set()
    for name in neighbours:
        if name in seen:
            continue
        reached, waiting = {name}, [name]
        while waiting:
            for other in neighbours[waiting.pop()]:
                if other not in reached:
                    reached.add(other)
                    waiting.append(other)
        seen |= reached
        found.append({n: None for n in neighbours if n in reached})
    return found


def _part(widths: Mapping[str, float], arrows: Sequence[tuple[int, str, str]], labels: Set[str]) -> Part:
    names = list(widths)
    number = {name: i for i, name in enumerate(names)}
    turned = _turned(len(names), [(number[a], number[b]) for _, a, b in arrows])
    back = {a for (_, a, _), up in zip(arrows, turned, strict=True) if up and a in labels}
    turned = [up or b in back for (_, _, b), up in zip(arrows, turned, strict=True)]
    down = [
        (number[b], number[a]) if up else (number[a], number[b])
        for (_, a, b), up in zip(arrows, turned, strict=True)
    ]
    level = _levels(len(names), down, [number[name] for name in names if name in labels])
    size = [widths[name] for name in names]
    chains = []
    for a, b in down:
        chain = [a]
        for between in range(level[a] + 1, level[b]):
            chain.append(len(level))
            level.append(between)
            size.append(PASSING)
        chains.append([*chain, b])
    above: list[list[int]] = [[] for _ in level]
    below: list[list[int]] = [[] for _ in level]
    for chain in chains:
        for a, b in itertools.pairwise(chain):
            below[a].append(b)
            above[b].append(a)
    rows = _untangled(_first_order(level, above, below), above, below)
    x = _columns(rows, above, below, size, len(names))
    left = min((x[v] - size[v] / 2 for v in range(len(level))), default=0.0)
    place = {v: i for row in rows for i, v in enumerate(row)}
    return Part(
        tuple(tuple(Spot(names[v] if v < len(names) else "", x[v] - left) for v in row) for row in rows),
        tuple(
            Link(index, level[a], place[a], place[b], up)
            for (index, _, _), chain, up in zip(arrows, chains, turned, strict=True)
            for a, b in itertools.pairwise(chain)
        ),
        max((x[v] + size[v] / 2 for v in range(len(level))), default=0.0) - left,
    )


def _turned(count: int, arrows: Sequence[tuple[int, int]]) -> list[bool]:
    """For each arrow, whether it closes a cycle when one walks from the first box, then from those without arrows."""
    leaving: list[list[int]] = [[] for _ in range(count)]
    entered = set()
    for i, (a, b) in enumerate(arrows):
        leaving[a].append(i)
        entered.add(b)
    turned = [False] * len(arrows)
    state = [0] * count  # 0 not seen, 1 on the way here, 2 done
    for root in [0, *(v for v in range(count) if v not in entered), *range(count)]:
        if state[root]:
            continue
        state[root] = 1
        path = [(root, iter(leaving[root]))]
        while path:  # not by recursion: a chain may be long
            v, rest = path[-1]
            for i in rest:
                target = arrows[i][1]
                if state[target] == 1:
                    turned[i] = True
                elif state[target] == 0:
                    state[target] = 1
                    path.append((target, iter(leaving[target])))
                    break
            else:
                state[v] = 2
                path.pop()
    return turned


def _levels(count: int, down: Sequence[tuple[int, int]], labels: Sequence[int]) -> list[int]:
    """The layer of each box: the longest way to it, but labels and what nothing points at are near their users."""
    below: list[list[int]] = [[] for _ in range(count)]
    missing = [0] * count
    for a, b in down:
        below[a].append(b)
        missing[b] += 1
    level = [0] * count
    roots = [v for v in range(count) if not missing[v]]
    ready = list(roots)
    while ready:
        v = ready.pop()
        for user in below[v]:
            level[user] = max(level[user], level[v] + 1)
            missing[user] -= 1
            if not missing[user]:
                ready.append(user)
    for v in (*labels, *roots):
        if below[v]:
            level[v] = min(level[user] for user in below[v]) - 1
    lowest = min(level, default=0)
    return [at - lowest for at in level]


def _first_order(
    level: Sequence[int], above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]
) -> list[list[int]]:
    """The layers in the order of a walk, which puts together what hangs together."""
    rows: list[list[int]] = [[] for _ in range(max(level, default=-1) + 1)]
    seen: set[int] = set()
    for root in [v for v in range(len(level)) if not above[v]]:
        waiting = [root]
        while waiting:
            v = waiting.pop()
            if v not in seen:
                seen.add(v)
                rows[level[v]].append(v)
                waiting.extend(reversed(below[v]))
    return rows


def _untangled(
    rows: list[list[int]], above: Sequence[Sequence[int]], below: Sequence[Sequence[int]]
) -> list[list[int]]:
    """The layers, each ordered by the mean place of its neighbours in the layer before, then after, in turns."""
    best, fewest = [list(row) for row in rows], _crossings(rows, below)
    place = [0] * len(above)
    for row in rows:
        for i, v in enumerate(row):
            place[v] = i
    for turn in range(12):
        if not fewest:
            break
        downwards = turn % 2 == 0
        side = above if downwards else below
        for row in rows if downwards else reversed(rows):
            middle = {
                v: sum(place[n] for n in side[v]) / len(side[v]) if side[v] else float(place[v]) for v in row
            }
            row.sort(key=middle.__getitem__)
            for i, v in enumerate(row):
                place[v] = i
        crossings = _crossings(rows, below)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return best


def _crossings(rows: Sequence[Sequence[int]], below: Sequence[Sequence[int]]) -> int:
    """How many pairs of arrows cross."""
    count = 0
    for upper, lower in itertools.pairwise(rows):
        place = {v: i for i, v in enumerate(lower)}
        seen: list[int] = []  # where the arrows from the left of here end, in order
        for v in upper:
            ends = sorted(place[n] for n in below[v])
            count += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return count


def _columns(
    rows: Sequence[Sequence[int]],
    above: Sequence[Sequence[int]],
    below: Sequence[Sequence[int]],
    size: Sequence[float],
    boxes: int,
) -> list[float]:
    """The centre of each place, from 0 up and down: near its neighbours, in order, with the gaps kept."""
    x = [0.0] * len(size)
    for row in rows:
        at = 0.0
        for i, v in enumerate(row):
            at += (size[row[i - 1]] + size[v]) / 2 + GAP if i else 0.0
            x[v] = at
        for v in row:
            x[v] -= at / 2

    def straightness(v: int, n: int) -> int:
        # A bend shows most in the middle of a long arrow, then between two that only have each other.
        if v >= boxes or n >= boxes:
            return 32 if v >= boxes and n >= boxes else 2
        upper, lower = (v, n) if n in below[v] else (n, v)
        return 8 if len(below[upper]) == len(above[lower]) == 1 else 1

    def settle(row: Sequence[int], sides: Sequence[Sequence[Sequence[int]]], slack: float = 0.0) -> None:
        wanted, weight = [], []
        for v in row:
            pull = [
                (x[n], straightness(v, n) / (slack + abs(x[n] - x[v]) if slack else 1.0))
                for side in sides
                for n in side[v]
            ]
            total = math.fsum([w for _, w in pull])
            wanted.append(math.fsum([at * w for at, w in pull]) / total if pull else x[v])
            weight.append(total or 0.1)
        for v, at in zip(row, _spaced(wanted, weight, [size[v] for v in row]), strict=True):
            x[v] = at

    for _ in range(6):
        for row in rows:
            settle(row, [above])
        for row in reversed(rows):
            settle(row, [below])
    # Least squares would bend every arrow a little; weighing each by how bent it is (which tends to the least
    # sum of the bends) makes most of them straight.
    for turn in range(24):
        slack = 20.0 / (turn + 1)
        for row in rows:
            settle(row, [above, below], slack)
        for row in reversed(rows):
            settle(row, [above, below], slack)
    return x


def _spaced(wanted: Sequence[float], weight: Sequence[float], size: Sequence[float]) -> list[float]:
    """The places nearest to those wanted (least weighted squares) that keep the order and the gaps.

    Without the gaps this is isotonic regression, solved by pooling neighbours that are in each other's way.
    """
    offsets = [0.0]
    for left, right in itertools.pairwise(size):
        offsets.append(offsets[-1] + (left + right) / 2 + GAP)
    pools: list[tuple[float, float, int]] = []  # mean, weight, how many
    for at, offset, w in zip(wanted, offsets, weight, strict=False):
        mean, total, count = at - offset, w, 1
        while pools and pools[-1][0] > mean:
            other, other_weight, other_count = pools.pop()
            mean = (mean * total + other * other_weight) / (total + other_weight)
            total, count = total + other_weight, count + other_count
        pools.append((mean, total, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=False)]
