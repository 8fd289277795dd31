"""Why does a run that has nothing left to do not go on?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from onetwo_like.flows.step import Slot, Step


def why_stalled(
    steps: Iterable[Step], waiting: Iterable[tuple[Step, tuple[type, ...]]], halves: Mapping[Slot, int]
) -> str:
    """What is waited for: by `ot.receive`, and by joins that are half filled (how many events, by parameter)."""
    reasons = [
        f"{step.name} waits for {' or '.join([kind.__name__ for kind in kinds])}, which no step sends any more "
        "(to send it from outside, use ot.stream and its .send)"
        for step, kinds in waiting
    ]
    for step in steps:
        there = [slot for slot in step.slots if halves.get(slot)]
        if there:
            has = ", ".join([f"{halves[slot]} for {slot.name}" for slot in there])
            missing = ", ".join([slot.name for slot in step.slots if slot not in there])
            lacks = f"and none for {missing}" if missing else "but not of the same fan-out"
            reasons.append(f"{step.name} is half filled: it has {has}, {lacks}")
    return "; ".join(["nothing is left to do, and no step has returned ot.Stop", *reasons])
