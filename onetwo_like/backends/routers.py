"""How do several backends stand behind one name?

A router keeps no replies itself: each call goes to a member as if that had been registered, with its
default options, its cache or that of the block, its budget and its events.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from onetwo_like.backends.base import Backend
from onetwo_like.core.events import emit_retrying
from onetwo_like.core.operation import Operation, operations
from onetwo_like.core.registry import UNCACHED, Binding, Registry, scope_in_force, scoped
from onetwo_like.core.request import Reply, Request
from onetwo_like.errors import MalformedReplyError, ReplayMiss, TransientError, UsageError


class _Router(Backend):
    """Passes each call on to its members in the order that `_order` says, until one answers."""

    def __init__(self, *members: Backend) -> None:
        for member in members:
            if not isinstance(member, Backend):
                raise UsageError(f"{type(self).__name__} takes backends, not {member!r:.60}")
        if len(members) < 2:
            raise UsageError(f"{type(self).__name__} takes at least two backends, not {len(members)}")
        self.members = members
        self._registries = [Registry(member.bindings()) for member in members]
        super().__init__()

    def bindings(self) -> dict[str, Binding]:
        """A binding for each built-in that all members serve; an option is refused if one refuses it."""
        common = set.intersection(*(set(registry.bindings) for registry in self._registries))
        return {name: self._binding(operations()[name]) for name in sorted(common)}

    def _binding(self, operation: Operation[..., object]) -> Binding:
        async def passed_on(request: Request) -> Reply:
            *others, last = self._order()
            for attempt, registry in enumerate(others, start=2):
                try:
                    return await _asked(operation, registry, request)
                except (TransientError, MalformedReplyError, ReplayMiss) as error:
                    emit_retrying(attempt, error, 0.0)
            return await _asked(operation, last, request)

        refused = {i for registry in self._registries for i in registry.bindings[operation.name].refused}
        return Binding(
            passed_on,
            name=operation.name,
            refused=tuple(sorted(refused)),
            cache=UNCACHED,
            described=repr(self),
        )

    def _order(self) -> list[Registry]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.members))})"


async def _asked(operation: Operation[..., object], registry: Registry, request: Request) -> Reply:
    with scoped(registry=scope_in_force.get().in_force().replace(registry.bindings), cell=None):
        return await operation.reply(request.values)


class Fallback(_Router):
    """The first backend, and the next one if it fails in a way that may pass (rate limit, overload, connection, ...).

    Wrong requests (any other 4xx) and a program's own errors are raised at once, because they would fail there
    too. Each step to the next backend is an `ot.Retrying` event, which voids the text that had come. A replay finds
    the answer with whichever member gave it.

    >>> from onetwo_like import ot
    >>> from onetwo_like.builtins import llm
    >>> from onetwo_like.errors import OverloadedError
    >>> from onetwo_like.testing import Scripted
    >>> with ot.RegistryContext():
    ...     _ = Fallback(Scripted(OverloadedError("busy")), Scripted(["Paris"])).register()
    ...     ot.run(llm.generate_text("Capital of France?"))
    'Paris'
    """

    def _order(self) -> list[Registry]:
        return self._registries


class RoundRobin(_Router):
    """Asks its backends in turn, call by call.

    Which backend a call goes to depends on the calls before it. With a cache, use it for several servers of one
    model, and give them the same `name`: then an answer of one is replayed for all.

    >>> from onetwo_like import ot
    >>> from onetwo_like.builtins import llm
    >>> from onetwo_like.testing import Scripted
    >>> with ot.RegistryContext():
    ...     _ = RoundRobin(Scripted(["a", "c"]), Scripted(["b"])).register()
    ...     [ot.run(llm.generate_text("next")) for _ in range(3)]
    ['a', 'b', 'c']
    """

    def __init__(self, *members: Backend) -> None:
        super().__init__(*members)
        self._turns: Iterator[Registry] = itertools.cycle(self._registries)

    def _order(self) -> list[Registry]:
        return [next(self._turns)]
