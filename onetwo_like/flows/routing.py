"""Which step may an event reach, at once and in the end?"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from onetwo_like.flows.step import Slot, Step, Stop

if TYPE_CHECKING:
    from onetwo_like.middleware.known_types import KnownTypes


class Routes:
    """What follows from the annotations of some steps; made once and shared by all runs."""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self.steps = steps
        self.slots = tuple([slot for step in steps for slot in step.slots])
        self.received = tuple([kind for step in steps for kind in step.receives])
        self._by_type: dict[type, tuple[Slot, ...]] = {}
        self._levels: dict[frozenset[type], Level] = {}
        self._collectors: dict[Step, tuple[Slot, ...]] = {}

    def slots_for(self, kind: type) -> tuple[Slot, ...]:
        """The parameters that take an event of exactly this type."""
        found = self._by_type.get(kind)
        if found is None:
            found = tuple([slot for slot in self.slots if issubclass(kind, slot.types)])
            self._by_type[kind] = found
        return found

    def is_received(self, kind: type) -> bool:
        """Whether some step waits for events of this type in its body."""
        return issubclass(kind, self.received)

    @functools.cached_property
    def leads(self) -> dict[Step, frozenset[Slot]]:
        """For each step, the parameters that what it sends may reach in the end."""
        direct = {
            step: {slot for kind in step.sends for slot in taking(kind, self.slots)} for step in self.steps
        }
        found = {}
        for step in self.steps:
            reached = set(direct[step])
            waiting = list(reached)
            while waiting:
                new = direct[waiting.pop().step] - reached
                reached |= new
                waiting.extend(new)
            found[step] = frozenset(reached)
        return found

    @functools.cached_property
    def looping(self) -> frozenset[Step]:
        """The steps that may be visited again by what they have sent."""
        return frozenset([step for step in self.steps if not self.leads[step].isdisjoint(step.slots)])

    @functools.cached_property
    def known(self) -> KnownTypes:
        """The classes that events, results and states may have."""
        from onetwo_like.middleware.known_types import KnownTypes

        named: list[object] = [Stop]
        for step in self.steps:
            named += [*step.accepts, *step.sends, *step.receives, *step.results]
            named += [] if step.state is None else [step.state]
        return KnownTypes(*named)

    def collectors(self, step: Step) -> tuple[Slot, ...]:
        """The parameters `list[E]` that a fan-out by this step fills, also where no member has an E."""
        found = self._collectors.get(step)
        if found is None:
            lists = self._level(frozenset(step.fans)).lists
            found = self._collectors[step] = tuple([slot for slot in self.slots if slot in lists])
        return found

    def _level(self, kinds: frozenset[type]) -> Level:
        """What may happen among the members of a fan-out of these types."""
        while True:  # levels may need each other, where a fan-out leads back to itself
            found: dict[frozenset[type], Level] = {}
            level = self._explore(kinds, found)
            if all(self._levels.get(key) == value for key, value in found.items()):
                return level
            self._levels.update(found)

    def _explore(self, kinds: frozenset[type], found: dict[frozenset[type], Level]) -> Level:
        if kinds in found:
            return self._levels.get(kinds, _NOTHING)  # what the round before knew
        found[kinds] = _NOTHING
        types, fed, lists, runs = set(kinds), set[Slot](), set[Slot](), set[Step]()
        above = set[Step]()
        size = -1
        while size != (size := len(types) + len(fed) + len(lists) + len(runs) + len(above)):
            for kind in list(types):
                for slot in taking(kind, self.slots):
                    (lists if slot.listed else fed).add(slot)
            for step in self.steps:
                if step in runs or not (step.slots and fed.issuperset(step.slots)):
                    continue
                if self._joins_members(kinds, step):
                    above.add(step)
                else:
                    runs.add(step)
            for step in list(runs):
                types.update(step.returns)
                if step.fans:
                    inner = self._explore(frozenset(step.fans), found)
                    fed |= inner.lists
                    runs |= inner.above
        level = found[kinds] = Level(frozenset(lists), frozenset(above))
        return level

    def _joins_members(self, kinds: frozenset[type], step: Step) -> bool:
        """Whether a join takes its events of several members, so that it runs outside their fan-out."""
        if len(step.slots) < 2 or len(kinds) < 2:
            return False
        return not any(self._feeds(kind, step) for kind in kinds)

    def _feeds(self, kind: type, step: Step) -> bool:
        """Whether what comes of one event of this type may fill every parameter of a step."""
        direct = set(taking(kind, self.slots))
        reached = direct.union(*[self.leads[slot.step] for slot in direct])
        return reached.issuperset(step.slots)


class Level:
    """Within a fan-out: which lists are filled there, and which joins run outside it."""

    __slots__ = ("above", "lists")

    def __init__(self, lists: frozenset[Slot], above: frozenset[Step]) -> None:
        self.lists = lists
        self.above = above

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Level) and (self.lists, self.above) == (other.lists, other.above)

    __hash__ = object.__hash__


_NOTHING = Level(frozenset(), frozenset())


def taking(kind: type, slots: Iterable[Slot]) -> list[Slot]:
    """The parameters that may take what is announced as this type: it, one above it, or one below it."""
    return [slot for slot in slots if may_fit(kind, slot.types)]


def may_fit(announced: type, accepted: tuple[type, ...]) -> bool:
    """Whether an event announced as one type may be of another: a subclass may come where its base is announced."""
    return any(issubclass(announced, kind) or issubclass(kind, announced) for kind in accepted)
