"""What is kept of a workflow's run, and how is it found again by the next one?

One entry for each step that has ended, each answer to an `ot.receive`, and the result. The key of an entry
is the run (its steps, its event, its sample path, and where it is nested), the step, the events it ran for,
and their lineage: what led to them, never when they came. An entry is durable before anything follows from it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

from onetwo_like.flows.messages import in_step
from onetwo_like.flows.routing import Routes
from onetwo_like.flows.step import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from onetwo_like.core.registry import Scope
    from onetwo_like.flows.activation import Activation
    from onetwo_like.middleware.disk_store import DiskStore
    from onetwo_like.middleware.known_types import KnownTypes


class Record(NamedTuple):
    """What a step returned and sent, and the states as it left them; `order` tells which are the latest."""

    returned: Any
    sent: list[Any]
    states: list[Any]
    order: int


class _Folder:
    """A checkpoint's store, and how many runs of each kind have begun there."""

    def __init__(self, store: DiskStore) -> None:
        self.store = store
        self.begun: dict[bytes, int] = {}

    def close(self) -> None:
        self.store.close()


def open_kept(scope: Scope, routes: Routes, event: object) -> KeptRun | None:
    """What is kept of the run that begins here with this event; None if nothing is to be kept."""
    checkpoint = scope.checkpoint
    if checkpoint is None:
        return None
    from onetwo_like.middleware.codec import encode
    from onetwo_like.middleware.disk_store import DiskStore

    if checkpoint.opened is None:
        checkpoint.opened = _Folder(DiskStore(checkpoint.path))
    folder = checkpoint.opened
    assert isinstance(folder, _Folder)
    outer = in_step.get()
    run = _digest(
        *sorted([step.name for step in routes.steps]),
        encode(event, routes.known),
        json.dumps(scope.sample_path),
        b"" if outer is None else outer.lineage,
    )
    # The same run more than once: which of them is which makes no difference, as they begin alike.
    number = folder.begun.get(run, 0)
    folder.begun[run] = number + 1
    return KeptRun(folder.store, _digest(run, str(number)), routes.known)


class KeptRun:
    """The entries of one run in a store."""

    def __init__(self, store: DiskStore, run: bytes, types: KnownTypes) -> None:
        self._store = store
        self._run = run
        self._types = types
        self._order = 0
        self._restored = 0
        self.start = _digest(run, "start")

    def lineage(self, *parts: bytes | str) -> bytes:
        """A name for what follows from these."""
        return _digest(*parts)

    def record(self, activation: Activation) -> Record | None:
        """What this step did for these events, if it has."""
        found = self._get(self._step_key(activation))
        if found is None:
            return None
        record = Record(*found[0])
        self._order = max(self._order, record.order)
        return record

    async def keep(self, activation: Activation, returned: Any, states: dict[type, Any]) -> None:
        """Keeps what a step did."""
        self._order += 1
        record = [returned, activation.sent, list(states.values()), self._order]
        await self._put(self._step_key(activation), record, step=activation.step.name, event=activation.event)

    def restore(self, record: Record, state: Callable[[type], Any]) -> None:
        """Gives the states what the latest of the repeated steps left in them."""
        if record.order < self._restored:
            return
        self._restored = record.order
        for then in record.states:
            now = state(type(then))
            for field in dataclasses.fields(then):
                setattr(now, field.name, getattr(then, field.name))

    def answer(self, activation: Activation, number: int) -> tuple[Any] | None:
        """The event that was received there, in a tuple, if one was."""
        found = self._get(self._answer_key(activation, number))
        return None if found is None else (found[0],)

    async def keep_answer(self, activation: Activation, number: int, event: object) -> None:
        """Keeps an event that was received."""
        key = self._answer_key(activation, number)
        await self._put(key, event, step=activation.step.name, received=event)

    def result(self) -> Stop[Any] | None:
        """How the run ended, if it has."""
        found = self._get(_digest(self._run, "result"))
        return None if found is None else found[0]

    async def finish(self, stopped: Stop[Any]) -> None:
        """Keeps how the run ended."""
        await self._put(_digest(self._run, "result"), stopped, result=stopped.result)

    def _step_key(self, activation: Activation) -> bytes:
        from onetwo_like.middleware.codec import encode

        inputs = encode([arrival.event for arrival in activation.arrivals], self._types)
        return _digest(self._run, "step", activation.step.name, activation.lineage, inputs)

    def _answer_key(self, activation: Activation, number: int) -> bytes:
        return _digest(self._step_key(activation), "received", str(activation.attempt), str(number))

    def _get(self, key: bytes) -> tuple[Any] | None:
        from onetwo_like.middleware.codec import decode
        from onetwo_like.middleware.entry import unpack

        raw = self._store.get(key.hex())
        return None if raw is None else (decode(unpack(key.hex(), raw)[0], self._types),)

    async def _put(self, key: bytes, value: object, **about: object) -> None:
        from onetwo_like.middleware.codec import encode
        from onetwo_like.middleware.entry import pack

        document = {"run": self._run.hex(), **{name: f"{each!r:.1000}" for name, each in about.items()}}
        entry = pack(key.hex(), encode(value, self._types), json.dumps(document, ensure_ascii=False).encode())
        # The write goes on if whoever waits for it is cancelled.
        for error in await asyncio.wrap_future(self._store.write([(key.hex(), entry)])):
            if error is not None:
                raise error


def _digest(*parts: bytes | str) -> bytes:
    digest = hashlib.sha256()
    for part in _as_bytes(parts):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


def _as_bytes(parts: Iterable[bytes | str]) -> list[bytes]:
    return [part.encode() if isinstance(part, str) else part for part in parts]
