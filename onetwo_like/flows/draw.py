"""What does a flow or a workflow look like, before it runs?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from onetwo_like.core.drawing import Arrow, Box, Drawing, Kind
from onetwo_like.core.evaluation import shortened
from onetwo_like.flows.routing import may_fit
from onetwo_like.flows.step import Slot, Step, Stop

if TYPE_CHECKING:
    from onetwo_like.flows.flow import Flow
    from onetwo_like.flows.flow_steps import Step as FlowStep
    from onetwo_like.flows.workflow import Workflow


def drawing_of_flow(flow: Flow, title: str = "flow") -> Drawing:
    """The inputs and the steps of a flow; a step that is a flow is a frame around its own.

    >>> from onetwo_like import ot
    >>> flow = ot.Flow(area=lambda width, height: width * height, price=lambda area: 2 * area)
    >>> [f"{arrow.source} -> {arrow.target}" for arrow in drawing_of_flow(flow).arrows]
    ['input width -> area', 'input height -> area', 'area -> price']
    """
    inputs = [Box(f"input {name}", name, "input", tooltip=f"{name}: an input") for name in flow.inputs]
    steps = [_flow_step(name, step) for name, step in flow.steps.items()]
    each = {(need.source, name) for name, step in flow.steps.items() for need in step.needs if need.each}
    arrows = [
        Arrow(
            source if source in flow.steps else f"input {source}",
            name,
            "each" if (source, name) in each else "",
        )
        for source, name in flow.edges
    ]
    return Drawing(title, (*inputs, *steps), tuple(arrows))


def _flow_step(name: str, step: FlowStep) -> Box:
    if step.flow is not None:
        return Box(name, name, "flow", tooltip=f"{name}: a flow", inside=drawing_of_flow(step.flow, name))
    if step.kind == "constant":
        value = shortened(getattr(step, "value", None))
        return Box(name, name, "constant", value, f"{name}: always {value}")
    template = getattr(step, "template", None)
    tooltip = f"{name}: {step.kind}" + (f"\n{template.source}" if template is not None else "")
    return Box(name, name, "step", step.kind if step.kind in ("prompt", "chat") else "", tooltip)


def drawing_of_workflow(workflow: Workflow, title: str = "workflow") -> Drawing:
    """The steps of a workflow and the types of events between them.

    Types that no step sends are where a run starts, or, where a step waits for them, come from outside. An
    arrow also leads from a type to the steps that accept a class above or below it.
    """
    sent = dict.fromkeys(kind for step in workflow.steps for kind in step.sends if kind is not Stop)
    awaited = {kind for step in workflow.steps for kind in step.receives}
    taken = [kind for step in workflow.steps for kind in (*step.accepts, *step.receives)]
    outside = [kind for kind in dict.fromkeys(taken) if not any(may_fit(made, (kind,)) for made in sent)]
    starts = [kind for kind in outside if kind not in awaited]
    # What is first is on top, also where all that the first step accepts comes back to it in a cycle.
    first = starts or [kind for step in workflow.steps[:1] for kind in step.accepts]
    names: dict[type, str] = {}
    for kind in (*first, *sent, *outside):
        names.setdefault(kind, f"event {len(names)}")

    def event(kind: type) -> Box:
        look: Kind = "start" if kind in starts else "event"
        told = f"{kind.__module__}.{kind.__qualname__}"
        return Box(
            names[kind],
            kind.__name__,
            look,
            "from outside" if kind in outside and kind not in starts else "",
            told,
        )

    steps = [
        Box(f"step {step.name}", step.name, "step", _options(step), _told(step)) for step in workflow.steps
    ]
    stop = [Box("stop", "Stop", "stop")] if any(step.stops for step in workflow.steps) else []
    arrows = [arrow for step in workflow.steps for arrow in _arrows(step, names)]
    boxes = [event(kind) for kind in names] + steps + stop
    return Drawing(title, tuple(boxes), tuple(dict.fromkeys(arrows)))


def _arrows(step: Step, names: dict[type, str]) -> Iterator[Arrow]:
    me = f"step {step.name}"
    for slot in step.slots:
        for kind, name in names.items():
            if may_fit(kind, slot.types):
                yield Arrow(name, me, _how(slot))
    for kind, name in names.items():
        if may_fit(kind, step.receives):
            yield Arrow(name, me, "receive")
    for kind in step.returns:
        yield Arrow(me, names[kind])
    for kind in step.fans:
        yield Arrow(me, names[kind], "each")
    if step.stops:
        yield Arrow(me, "stop")


def _how(slot: Slot) -> str:
    """How many of a fan-out a parameter takes."""
    if not slot.listed:
        return ""
    return "all" if slot.first is None else f"first {slot.first}"


def _options(step: Step) -> str:
    options = step.options
    parts = [f"{options.workers} workers"] * (options.workers is not None)
    parts += [f"{options.retry} attempts"] * (options.retry > 1)
    parts += [] if options.timeout is None else [f"at most {options.timeout:g} s"]
    parts += ["thread"] * options.thread
    return ", ".join(parts)


def _told(step: Step) -> str:
    doc = (getattr(step.function, "__doc__", None) or "").strip().split("\n")[0]
    return f"{step!r}" + (f"\n{doc}" if doc else "")
