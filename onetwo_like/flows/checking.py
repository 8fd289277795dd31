"""What can be seen to be wrong with a workflow before it runs?"""

from __future__ import annotations

from collections.abc import Iterable

from onetwo_like.errors import WorkflowError
from onetwo_like.flows.routing import Routes, may_fit
from onetwo_like.flows.step import Slot, Step


def check(routes: Routes, start: type | None) -> None:
    """Raises a WorkflowError that names every mistake; `start` is the type of a call's event.

    Without it, the types that no step sends are taken as possible starts.
    """
    found = [f"step {step.name} {step.problem}" for step in routes.steps if step.problem is not None]
    # What else there is to say would follow from these.
    found = found or _broken_edges(routes, start)
    if found:
        raise WorkflowError("This workflow cannot run: " + "; ".join(found) + ".")


def _broken_edges(routes: Routes, start: type | None) -> list[str]:
    found = []
    for step in routes.steps:
        for kind in [*step.returns, *step.fans]:
            if not any(may_fit(kind, slot.types) for slot in routes.slots) and not may_fit(
                kind, routes.received
            ):
                found.append(
                    f"{step.name} sends {kind.__name__}, which no step accepts (if an ot.receive does, "
                    f"declare it: @ot.step(receives={kind.__name__}))"
                )
    if start is not None and not routes.slots_for(start):
        return [*found, f"no step accepts {start.__name__}, the event of the call"]
    sent = [kind for step in routes.steps for kind in [*step.returns, *step.fans]]
    starts = [start] if start is not None else _unsent(routes, sent)
    if not starts:  # every type is sent by some step, so that any may be where a call comes in
        starts = [kind for slot in routes.slots for kind in slot.types]
    for slot in routes.slots:
        if not any(_fits(slot, kind) for kind in [*sent, *starts]):
            kinds = " or ".join([kind.__name__ for kind in slot.types])
            found.append(f"{slot.step.name} waits for {kinds}, which no step sends")
    reached = _reached(routes.steps, starts)
    lost = [step.name for step in routes.steps if step not in reached]
    if lost:
        of = f" from {start.__name__}" if start is not None else ""
        found.append(f"nothing leads{of} to {', '.join(lost)}")
    if not any(step.stops for step in reached):
        found.append("no step that is reached returns ot.Stop, so that no run would end")
    return found


def _unsent(routes: Routes, sent: list[type]) -> list[type]:
    return [
        kind
        for slot in routes.slots
        for kind in slot.types
        if not any(may_fit(other, (kind,)) for other in sent)
    ]


def _reached(steps: tuple[Step, ...], starts: Iterable[type]) -> set[Step]:
    """The steps that get all their events, if these are there at the start."""
    kinds = set(starts)
    reached: set[Step] = set()
    growing = True
    while growing:
        growing = False
        for step in steps:
            if step not in reached and all(any(_fits(slot, kind) for kind in kinds) for slot in step.slots):
                reached.add(step)
                kinds.update(step.returns, step.fans)
                growing = True
    return reached


def _fits(slot: Slot, kind: type) -> bool:
    return may_fit(kind, slot.types)
