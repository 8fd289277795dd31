"""How does one run of a workflow go: who runs next, and when is it over?"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from typing import Any

from onetwo_like.core.evaluation import cancelled_inside, stop
from onetwo_like.core.inbox import Inbox
from onetwo_like.core.registry import scope_in_force
from onetwo_like.errors import DeadlineError, UsageError, WorkflowError, WorkflowStalled
from onetwo_like.flows.activation import Activation
from onetwo_like.flows.announced import check_returned, check_sent
from onetwo_like.flows.kept import KeptRun, Record, open_kept
from onetwo_like.flows.places import Arrival, Gathering, Group, Halves, Place, merged, queue
from onetwo_like.flows.routing import Routes
from onetwo_like.flows.stall import why_stalled
from onetwo_like.flows.step import Slot, Step, Stop


class WorkflowRun:
    """One run: it starts with an event, and ends with the first `Stop`, failure, or when nothing is left."""

    def __init__(self, routes: Routes, event: Any) -> None:
        self.scope = scope_in_force.get()
        self._routes = routes
        self._event = event
        self._root = Place(Group(None, None, 1, b""), 0)
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._thread = threading.get_ident()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self._result: Any = None
        self._error: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._states: dict[type, Any] = {}
        self._busy: dict[Step, int] = {}
        self._queued: dict[Step, deque[Activation]] = {}
        # Who waits in `receive`, in the step's own task and without a time-out.
        self._parked: dict[Activation, tuple[asyncio.Future[Any], tuple[type, ...]]] = {}
        # How many events wait for a join, by the parameter that takes them.
        self._halves: dict[Slot, int] = {}
        self._inbox = Inbox()
        self._kept: KeptRun | None = None
        self._found: deque[tuple[Activation, Record]] = deque()
        self._new: deque[Activation] = deque()

    async def result(self) -> Any:
        """What the `Stop` holds; raises the first failure, when all else has stopped."""
        self._kept = open_kept(self.scope, self._routes, self._event)
        if self._kept is not None and (stopped := self._kept.result()) is not None:
            return stopped.result
        try:
            lineage = b"" if self._kept is None else self._kept.start
            self._route(Arrival(self._event, {}, lineage), self._root)
            self._catch_up()
            self._settle(self._root)
            await self._over
        finally:
            self._stopping = True
            late = [task for task in self._tasks if not task.done()]
            if late:
                await stop(late)
        if self._error is not None:
            error, self._error = self._error, None
            try:
                raise error
            finally:
                del error  # which would hold this frame, and so the whole run
        if self._kept is not None:
            await self._kept.finish(Stop(self._result))
        return self._result

    def state(self, kind: type) -> Any:
        """The run's state of this class."""
        if kind not in self._states:
            self._states[kind] = kind()
        return self._states[kind]

    # What bodies ask for

    def send(self, activation: Activation, event: object) -> None:
        """Routes an event that a step sends while it runs."""
        step = activation.step
        if activation.ended:
            raise UsageError(f"step {step.name} has ended, so that it cannot send {event!r:.60} any more")
        check_sent(step, event)
        if threading.get_ident() == self._thread:
            self._send(activation, event)
        else:  # before the step's own end, which comes to the loop in the same way
            self._loop.call_soon_threadsafe(self._send_from_thread, activation, event)

    def _send_from_thread(self, activation: Activation, event: object) -> None:
        try:
            self._send(activation, event)
        except Exception as error:  # noqa: BLE001  (raised again where the run is awaited)
            self._fail(error, activation.step)

    def _send(self, activation: Activation, event: object) -> None:
        if self._over.done():
            return
        self._pass_on(activation, event)
        self._catch_up()

    def _pass_on(self, activation: Activation, event: object) -> None:
        lineage = self._lineage(activation.lineage, f"sent {activation.sends}")
        activation.sends += 1
        if activation.sent is not None:
            activation.sent.append(event)
        self._route(Arrival(event, activation.visits, lineage), activation.place)

    async def receive(self, activation: Activation, kinds: tuple[type, ...], timeout: float | None) -> Any:
        """The next event of these types from a step of this run, or through the stream it is watched by."""
        names = " or ".join([kind.__name__ for kind in kinds])
        number, activation.received = activation.received, activation.received + 1
        if self._kept is not None and (answered := self._kept.answer(activation, number)) is not None:
            return answered[0]
        answer: asyncio.Future[Any] = self._loop.create_future()
        inboxes = [self._inbox] if self.scope.inbox is None else [self._inbox, self.scope.inbox]
        for inbox in inboxes:
            if not answer.done():
                inbox.wait(kinds, answer)
        bounded = timeout is not None or activation.step.options.timeout is not None
        if not bounded and activation.task is asyncio.current_task():
            self._parked[activation] = (answer, kinds)
            self._look_if_stalled()
        try:
            async with asyncio.timeout(timeout) as bound:
                event = await answer
        except BaseException as error:
            if answer.done() and not answer.cancelled():  # it came at the last moment: others may want it
                inboxes[-1].send(answer.result(), again=True)
            if isinstance(error, TimeoutError) and bound.expired():
                raise DeadlineError(f"no {names} came within {timeout:g} s") from None
            raise
        finally:
            self._parked.pop(activation, None)
            for inbox in inboxes:
                inbox.forget(answer)
        if self._kept is not None:
            await self._kept.keep_answer(activation, number, event)
        return event

    # From events to steps

    def _route(self, arrival: Arrival, place: Place) -> None:
        """Hands an event to every parameter that takes it."""
        event = arrival.event
        if isinstance(event, Stop):
            self._end(event)
            return
        kind = type(event)
        slots = self._routes.slots_for(kind)
        if self._routes.received and self._routes.is_received(kind):
            self._inbox.send(event)
        elif not slots:
            raise WorkflowError(f"no step accepts {kind.__name__}, so that {event!r:.60} would be lost")
        for slot in slots:
            if slot.listed:
                self._gather(slot, arrival, place)
            elif slot.alone:
                self._spawn(slot.step, [arrival], place)
            else:
                self._join(slot, arrival, place)

    def _join(self, slot: Slot, arrival: Arrival, place: Place) -> None:
        self._halves[slot] = self._halves.get(slot, 0) + 1
        if place.halves is None:
            place.halves = {}
        self._pair(place.halves, slot, arrival, place)

    def _pair(self, halves: Halves, slot: Slot, arrival: Arrival, place: Place) -> None:
        """Runs a join in the place if this event is the last that it waited for."""
        taken = queue(halves, slot, arrival)
        if taken is not None:
            for each in slot.step.slots:
                self._halves[each] -= 1
            self._spawn(slot.step, taken, place)

    def _gather(self, slot: Slot, arrival: Arrival, place: Place) -> None:
        group = place.group
        gathering = group.lists.get(slot)
        if gathering is None:
            gathering = group.lists[slot] = Gathering(group.left)
        if gathering.full:
            return
        gathering.arrivals.append((place.index, arrival))
        if slot.first == len(gathering.arrivals):
            self._hand_on(slot, gathering, group)

    def _hand_on(self, slot: Slot, gathering: Gathering, group: Group) -> None:
        """Gives a list to its parameter, outside the fan-out that it was gathered from."""
        gathering.full = True
        if slot.first is None:
            gathering.arrivals.sort(key=_by_member)
        arrivals = [arrival for _, arrival in gathering.arrivals]
        gathering.arrivals = []
        outer = group.outer
        if outer is None:
            outer = self._root
            del group.lists[slot]  # what comes later makes another list
            outer.closed = tuple([each for each in outer.closed if each is not slot])
        lineage = self._lineage(group.lineage, slot.name, *[arrival.lineage for arrival in arrivals])
        whole = Arrival([arrival.event for arrival in arrivals], merged(arrivals), lineage)
        if slot.alone:
            self._spawn(slot.step, [whole], outer)
        else:
            self._join(slot, whole, outer)

    def _fan_out(self, activation: Activation, events: list[Any]) -> None:
        step, outer = activation.step, activation.place
        lineage = self._lineage(activation.lineage, "list")
        group = Group(outer, step, len(events), lineage)
        group.lists = {slot: Gathering(len(events)) for slot in self._routes.collectors(step)}
        if not events:
            for slot, gathering in list(group.lists.items()):
                self._hand_on(slot, gathering, group)
            return
        outer.active[step] += 1
        members = [Place(group, i) for i in range(len(events))]
        for event, member in zip(events, members, strict=True):
            one = self._lineage(lineage, str(member.index)) if self._kept else b""
            self._route(Arrival(event, activation.visits, one), member)
        # Where all members are of one type, what one leads to all do.
        alike = len(step.fans) == 1 and not any(gathering.arrivals for gathering in group.lists.values())
        for member in members:
            if not (alike and member.active) or member.halves:
                self._settle(member)

    # From steps to events

    def _spawn(self, step: Step, arrivals: list[Arrival], place: Place) -> None:
        if self._over.done():
            return
        visits = merged(arrivals)
        if step in self._routes.looping:
            visits = {**visits, step: visits.get(step, 0) + 1}
        place.active[step] = place.active.get(step, 0) + 1
        if self._kept is None:
            self._start(Activation(self, step, arrivals, place, visits, b""))
            return
        lineage = self._lineage(step.name, *[arrival.lineage for arrival in arrivals])
        activation = Activation(self, step, arrivals, place, visits, lineage)
        activation.sent = []
        if (record := self._kept.record(activation)) is not None:
            self._found.append((activation, record))
        else:
            self._new.append(activation)

    def _start(self, activation: Activation) -> None:
        step = activation.step
        workers = step.options.workers
        if workers is not None:
            if self._busy.get(step, 0) == workers:
                self._queued.setdefault(step, deque()).append(activation)
                return
            self._busy[step] = self._busy.get(step, 0) + 1
        task = self._loop.create_task(self._work(activation), name=step.name, context=self._context.copy())
        activation.task = task
        self._tasks.add(task)

    async def _work(self, activation: Activation) -> None:
        step = activation.step
        try:
            value = await activation.value()
            if not self._over.done():
                check_returned(step, value, may_end=activation.sends > 0 or activation.handled)
                activation.ended = True
                if self._kept is not None:
                    await self._kept.keep(activation, value, self._states)
                self._finish(activation, value)
        except asyncio.CancelledError:
            if self._stopping or self._over.done():
                raise
            assert activation.task is not None
            self._fail(cancelled_inside(activation.task), step)
        except BaseException as error:  # noqa: BLE001  (raised again where the run is awaited)
            self._fail(error, step)
        finally:
            activation.ended = True
            if activation.task is not None:
                self._tasks.discard(activation.task)
                activation.task = None
        if not self._over.done():
            self._next(step)
            self._catch_up()
            self._look_if_stalled()

    def _next(self, step: Step) -> None:
        if step.options.workers is not None:
            self._busy[step] -= 1
            if queued := self._queued.get(step):
                self._start(queued.popleft())

    def _finish(self, activation: Activation, value: Any) -> None:
        """Routes what a step has returned, and leaves its place."""
        step, place = activation.step, activation.place
        if isinstance(value, list):
            self._fan_out(activation, value)
        elif value is not None:
            lineage = self._lineage(activation.lineage, "returned") if self._kept else b""
            self._route(Arrival(value, activation.visits, lineage), place)
        _leave(step, place)
        self._settle(place)

    def _catch_up(self) -> None:
        """Repeats what was kept from an earlier run, all of it before anything new starts."""
        while self._found and not self._over.done():
            activation, record = self._found.popleft()
            assert self._kept is not None
            self._kept.restore(record, self.state)
            activation.ended = True
            try:
                for event in record.sent:
                    self._pass_on(activation, event)
                self._finish(activation, record.returned)
            except WorkflowError as error:  # an event that no step accepts any more
                self._fail(error, activation.step)
        while self._new and not self._over.done():
            self._start(self._new.popleft())

    # When is something over?

    def _settle(self, place: Place) -> None:
        """Does what had to wait until something in this place had ended, here and in the fan-outs around it."""
        while not self._over.done():
            group = place.group
            if group.lists:
                self._close_lists(place, group)
            outer = group.outer
            if outer is None:
                self._look_if_stalled()
                return
            if place.halves:
                self._lift_halves(place.halves, place, outer)
            if place.active:
                return
            group.left -= 1
            if group.left:
                return
            assert group.origin is not None
            _leave(group.origin, outer)
            place = outer

    def _close_lists(self, place: Place, group: Group) -> None:
        for slot, gathering in list(group.lists.items()):
            if gathering.full or slot in place.closed:
                continue
            if place.active:
                if self._may_reach(place, {slot}):
                    continue
                place.closed += (slot,)
            gathering.open -= 1
            if not gathering.open:
                self._hand_on(slot, gathering, group)

    def _lift_halves(self, halves: Halves, place: Place, outer: Place) -> None:
        """A join that its member cannot fill any more takes the rest from the other members."""
        for step, queues in list(halves.items()):
            missing = {slot for slot, waiting in zip(step.slots, queues, strict=True) if not waiting}
            if self._may_reach(place, missing):
                continue
            del halves[step]
            for slot, waiting in zip(step.slots, queues, strict=True):
                for arrival in waiting:
                    self._pair(place.group.halves, slot, arrival, outer)

    def _may_reach(self, place: Place, slots: set[Slot]) -> bool:
        """Whether anything that runs in the place may lead to one of these parameters."""
        return any(not self._routes.leads[step].isdisjoint(slots) for step in place.active)

    def _end(self, stopped: Stop[Any]) -> None:
        if not self._over.done():
            self._result = stopped.result
            self._over.set_result(None)

    def _fail(self, error: BaseException, step: Step | None = None) -> None:
        if not self._over.done():
            if step is not None and isinstance(error, Exception):
                error.add_note(f"in step {step.name} of a workflow")
            self._error = error
            self._over.set_result(None)

    def _look_if_stalled(self) -> None:
        """Ends the run if nothing goes on, and nothing that could come would change that."""
        if self._over.done() or self._found or self._new or len(self._tasks) > len(self._parked):
            return
        if self._parked and (self.scope.inbox is not None or any(a.done() for a, _ in self._parked.values())):
            return
        waiting = [(activation.step, kinds) for activation, (_, kinds) in self._parked.items()]
        self._fail(WorkflowStalled(why_stalled(self._routes.steps, waiting, self._halves)))

    def _lineage(self, *parts: bytes | str) -> bytes:
        return b"" if self._kept is None else self._kept.lineage(*parts)


def _leave(step: Step, place: Place) -> None:
    count = place.active[step] - 1
    if count:
        place.active[step] = count
    else:
        del place.active[step]


def _by_member(indexed: tuple[int, Arrival]) -> int:
    return indexed[0]
