"""Is what a step sends and returns what its annotation announces?"""

from __future__ import annotations

from onetwo_like.errors import WorkflowError
from onetwo_like.flows.step import Step, Stop


def check_sent(step: Step, event: object) -> None:
    """Raises WorkflowError if the step does not announce an event that it sends."""
    if not isinstance(event, (*step.returns, *step.fans)) and not _is_stop(step, event):
        raise _unannounced(step, "sent", event)


def check_returned(step: Step, value: object, *, may_end: bool) -> None:
    """Raises WorkflowError if the step does not announce what it returns; None needs no announcement if it `may_end`."""
    if value is None:
        if not (step.may_end or may_end):
            raise _unannounced(step, "returned", value)
    elif isinstance(value, list):
        for event in value:
            if not isinstance(event, step.fans):
                raise _unannounced(step, "returned, in a list,", event)
        if not step.fans:
            raise _unannounced(step, "returned", value)
    elif not isinstance(value, step.returns) and not _is_stop(step, value):
        raise _unannounced(step, "returned", value)


def _is_stop(step: Step, event: object) -> bool:
    return step.stops and isinstance(event, Stop)


def _unannounced(step: Step, how: str, event: object) -> WorkflowError:
    announced = " or ".join(
        [
            *[kind.__name__ for kind in step.returns],
            *([f"list[{' | '.join([kind.__name__ for kind in step.fans])}]"] if step.fans else []),
            *(["Stop"] if step.stops else []),
        ]
    )
    return WorkflowError(
        f"step {step.name} {how} {event!r:.60}, which its return annotation does not announce; "
        f"it announces {announced or 'nothing'}"
    )
