"""Where in the fan-outs of a run is an event, and what is still to come there?"""

from __future__ import annotations

from collections import deque
from typing import Any, NamedTuple

from onetwo_like.flows.step import Slot, Step


class Arrival(NamedTuple):
    """An event on its way: how often the steps of loops were visited before it, and which it is.

    `lineage` names the event by what led to it, never by when it came; it is empty where nothing is kept.
    """

    event: Any
    visits: dict[Step, int]
    lineage: bytes


# What waits for a join, by parameter.
Halves = dict[Step, list[deque[Arrival]]]


class Place:
    """A member of a fan-out: which steps run in it, and how often each."""

    __slots__ = ("active", "closed", "group", "halves", "index")

    def __init__(self, group: Group, index: int) -> None:
        self.group = group
        self.index = index
        # A step counts until what it fanned out has ended, too.
        self.active: dict[Step, int] = {}
        self.halves: Halves | None = None
        # The lists of the fan-out that nothing in this member can add to, although it has not ended.
        self.closed: tuple[Slot, ...] = ()


class Group:
    """A fan-out: the place and the step it was made in, and how many of its members have not ended.

    The whole run is one of a single member, made nowhere.
    """

    __slots__ = ("halves", "left", "lineage", "lists", "origin", "outer")

    def __init__(self, outer: Place | None, origin: Step | None, left: int, lineage: bytes) -> None:
        self.outer = outer
        self.origin = origin
        self.left = left
        self.lineage = lineage
        self.halves: Halves = {}
        self.lists: dict[Slot, Gathering] = {}


class Gathering:
    """What has come for a parameter `list[E]`, and how many members may still send some; `full` once handed on."""

    __slots__ = ("arrivals", "full", "open")

    def __init__(self, members: int) -> None:
        self.open = members
        self.full = False
        self.arrivals: list[tuple[int, Arrival]] = []


def queue(halves: Halves, slot: Slot, arrival: Arrival) -> list[Arrival] | None:
    """Adds an event to a join; when there is one for each parameter, takes the first of each."""
    step = slot.step
    queues = halves.get(step)
    if queues is None:
        queues = halves[step] = [deque() for _ in step.slots]
    queues[step.slots.index(slot)].append(arrival)
    if not all(queues):
        return None
    taken = [waiting.popleft() for waiting in queues]
    if not any(queues):
        del halves[step]
    return taken


def merged(arrivals: list[Arrival]) -> dict[Step, int]:
    """How often each step was visited on the longest way to one of these events."""
    visits = arrivals[0].visits if arrivals else {}
    if len(arrivals) < 2:
        return visits
    for arrival in arrivals[1:]:
        if arrival.visits != visits:
            visits = {
                step: max(visits.get(step, 0), arrival.visits.get(step, 0))
                for step in {**visits, **arrival.visits}
            }
    return visits
