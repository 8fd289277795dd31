"""What does one execution look like: what ran, in which order, and what took what from what?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from onetwo_like.core.drawing import Arrow, Box, Drawing, Mark
from onetwo_like.core.trace import Span
from onetwo_like.core.trace_text import seconds, shown, type_of

DEPTH = 8  # frames within frames; what is deeper is only counted
MANY = 60  # how many calls side by side are each drawn; above it, those of one name are one box
_NUMBERED = re.compile(r"\[\d+\]$")


def drawing_of(span: Span) -> Drawing:
    """The calls in a span, numbered in the order in which they began, each with its time and cache state.

    An arrow leads to a call from the one that made a value it took: a step's input is called as the other
    step is, or is an object that the other returned. Where no such pair is known, arrows lead from what
    had ended to what began next.
    """
    while not span.name and len(span.children) == 1:
        span = span.children[0]
    title = f"{span.name or 'run'} ({seconds(span.duration)})"
    if not _chain(span)[-1].children:
        return Drawing(title, (_box([span], "1", 0),))
    return _calls(span, title, "", 0)


def _calls(parent: Span, title: str, prefix: str, depth: int) -> Drawing:
    """The calls directly in a span, and the inputs of the span that they took."""
    groups = _grouped(parent.children)
    boxes = [_box(group, f"{prefix}{i}", depth) for i, group in enumerate(groups, 1)]
    taken = _taken(groups)
    if taken:
        inputs = list(_shared_inputs(parent, groups))
        given = [
            Box(f"in {name}", name, "input", shown(value), f"{name} = {shown(value)}")
            for name, value, _ in inputs
        ]
        pairs = [(f"in {name}", boxes[user].id) for name, _, users in inputs for user in users]
    else:
        taken, given, pairs = _after(groups), [], []
    pairs += [(boxes[a].id, boxes[b].id) for a, b in taken]
    return Drawing(title, (*given, *boxes), tuple(Arrow(a, b) for a, b in pairs))


def _grouped(spans: Sequence[Span]) -> list[list[Span]]:
    """Each call on its own, or, if they are many, all calls of one name together."""
    if len(spans) <= MANY:
        return [[span] for span in spans]
    groups: dict[str, list[Span]] = {}
    for span in spans:
        name = _kind(span)
        # A program that makes up names would otherwise have as many boxes again.
        groups.setdefault(name if len(groups) < MANY or name in groups else "...", []).append(span)
    return list(groups.values())


def _chain(span: Span) -> list[Span]:
    """The call and the calls below it, as far as each made only one: a step and the model it asked are one box."""
    chain = [span]
    while len(chain[-1].children) == 1:
        chain.append(chain[-1].children[0])
    # A failure that the call itself survived has a box of its own, or nobody would see it.
    survived = span.error is None and any(inner.error is not None for inner in chain)
    return [span] if chain[-1].children or survived else chain


def _kind(span: Span) -> str:
    """What calls of one sort have in common: of an item of `parallel`, the name of what it is."""
    if _NUMBERED.search(span.name):
        return span.children[0].name if len(span.children) == 1 else _NUMBERED.sub("", span.name)
    return span.name


def _box(group: list[Span], number: str, depth: int) -> Box:
    if len(group) > 1:
        return _box_of_many(group, number)
    [span] = group
    label, within = f"{number} {span.name}", span
    if _NUMBERED.search(span.name) and len(span.children) == 1:
        within = span.children[0]
        label += f" {within.name}"
    chain = _chain(within)
    last = chain[-1]
    notes = [seconds(span.duration)]
    notes += [f"{within.attempts} attempts"] * (within.attempts > 1)
    if last.children:
        calls = span.total().calls
        notes += [f"{calls} calls"] * (calls > 0)
    elif last.cache:
        notes.append(last.cache)
    names = [inner.name for inner in chain[1:]]
    lines = [" › ".join(names[-2:])] * bool(names) + [", ".join(notes)]
    mark: Mark = ""
    if span.error is not None:
        mark = "failed"
        lines.append(f"!! {type_of(span.error)}: {shown(span.error, str)}")
    elif last.cache == "hit":
        mark = "hit"
    elif last.cache == "made":
        mark = "made"
    inside = _calls(within, label, f"{number}.", depth + 1) if last.children and depth < DEPTH else None
    return Box(
        number,
        label,
        "step" if inside is None else "flow",
        "\n".join(lines),
        "\n".join(line for inner in chain for line in _told(inner)),
        mark,
        inside,
    )


def _box_of_many(group: list[Span], number: str) -> Box:
    names = list(dict.fromkeys(map(_kind, group)))
    totals = [span.total() for span in group]
    made, hit = sum(total.made for total in totals), sum(total.replayed for total in totals)
    failed = sum(span.error is not None for span in group)
    ends = [_end(span) for span in group]
    took = None if None in ends else max(e for e in ends if e is not None) - min(s.start for s in group)
    notes = [f"{seconds(took)} in all"]
    notes += [
        f"{count} {what}" for count, what in ((made, "made"), (hit, "hit"), (failed, "failed")) if count
    ]
    label = names[0] if len(names) == 1 else f"{len(names)} others"
    return Box(
        number,
        f"{number} {label} × {len(group)}",
        detail=", ".join(notes),
        tooltip="\n".join(names[:40]),
        mark="failed" if failed else "",
    )


def _told(span: Span) -> Iterator[str]:
    yield f"{span.path or span.name or 'run'} ({seconds(span.duration)})"
    for name, value in _inputs(span):
        yield f"  {name} = {shown(value)}" if name else f"  {shown(value)}"
    if span.error is None and span.duration is not None:
        yield f"  -> {shown(span.output)}"


def _inputs(span: Span) -> list[tuple[str, Any]]:
    """(name, value) of what went in; a name is "" where an argument had none."""
    match span.inputs:
        case Mapping() as named:
            return [(str(name), value) for name, value in named.items()]
        case (tuple() | list() as positional, Mapping() as named):
            return [*(("", value) for value in positional), *((str(n), v) for n, v in named.items())]
    return []


def _taken(groups: Sequence[list[Span]]) -> list[tuple[int, int]]:
    """(from, to) of the groups of which one made what the other took."""
    names: dict[str, int] = {}
    makers: dict[int, int] = {}
    found: dict[tuple[int, int], None] = {}
    for i, group in enumerate(groups):
        for span in group:
            for name, value in _inputs(span):
                maker = names.get(name)
                # A step that is called as its own parameter is no cause of itself.
                sources = [] if maker is None else [maker]
                sources += [makers[id(v)] for v in _objects(value) if id(v) in makers]
                found.update({(source, i): None for source in sources if source != i})
        for span in group:
            names[span.name] = i
            makers.update({id(value): i for value in _objects(span.output)})
    return list(found)


def _objects(value: Any) -> list[Any]:
    """The value, or the members of a list, as far as being the same object says where it came from."""
    members = value if isinstance(value, list | tuple) else [value]
    return [v for v in members if type(v).__module__ != "builtins" or isinstance(v, dict)]


def _shared_inputs(parent: Span, groups: Sequence[list[Span]]) -> Iterator[tuple[str, Any, list[int]]]:
    """(name, value, who took it) of the span's own inputs."""
    made = {span.name for group in groups for span in group}
    for name, value in _inputs(parent):
        users = [i for i, group in enumerate(groups) if name in {n for s in group for n, _ in _inputs(s)}]
        if name and users and name not in made:
            yield name, value, users


def _after(groups: Sequence[list[Span]]) -> list[tuple[int, int]]:
    """(from, to) of groups of which one had ended when the other began, and none lay between."""
    times = []
    for group in groups:
        ends = [_end(span) for span in group]
        end = float("inf") if None in ends else max(e for e in ends if e is not None)
        times.append((min(span.start for span in group), end))
    found = []
    for i, (start, _) in enumerate(times):
        before = [j for j, (_, end) in enumerate(times) if j != i and end <= start]
        latest = max((times[j][0] for j in before), default=0.0)
        # A group that ended before another of them began leads to that one.
        found += [(j, i) for j in before if times[j][1] > latest]
    return found


def _end(span: Span) -> float | None:
    return None if span.duration is None else span.start + span.duration
