"""What did the calls of a block use, as recorded, and what was paid for now?"""

from __future__ import annotations

import threading
from typing import Self

from onetwo_like.core.registry import enter_block, leave_block, scope_in_force
from onetwo_like.core.request import Handler, Reply, Request


class Ledger:
    """A sum over calls: `calls`, `input_tokens`, `output_tokens`, `cached_tokens`, `cost` in US dollars, and `latency_s`.

    Tokens and seconds of which nobody told are not in the sums; `cost` is None as soon as one call's is unknown.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.input_tokens = 0
        self.output_tokens = 0
        self.cached_tokens = 0
        self.cost: float | None = 0.0
        self.latency_s = 0.0

    def add(self, reply: Reply) -> None:
        """Adds a call that was answered so."""
        usage = reply.usage
        self.calls += 1
        self.latency_s += reply.duration_s or 0.0
        if usage is None or usage.cost is None or self.cost is None:
            self.cost = None
        else:
            self.cost += usage.cost
        if usage is not None:
            self.input_tokens += usage.input_tokens or 0
            self.output_tokens += usage.output_tokens or 0
            self.cached_tokens += usage.cached_tokens or 0

    def __repr__(self) -> str:
        return f"Ledger({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


class Ledgers:
    """What calls used when they were made, `.recorded`, and what was made now, `.paid`."""

    def __init__(self) -> None:
        self.recorded = Ledger()
        self.paid = Ledger()

    def _add(self, reply: Reply) -> None:
        self.recorded.add(reply)
        if not reply.replayed:
            self.paid.add(reply)

    def __repr__(self) -> str:
        return f"<usage: recorded={self.recorded}, paid={self.paid}>"


class usage(Ledgers):
    """A block that adds up its calls: `.recorded` is what they used when they were made, `.paid` what was spent now.

    `.by_backend` has both for each backend. A reply from a cache, or one shared with an identical call at the same
    time, is in `.recorded` only. Failed calls are in neither, because nobody says what they cost.

    >>> from onetwo_like import ot
    >>> from onetwo_like.builtins import llm
    >>> from onetwo_like.backends import NGram
    >>> with ot.RegistryContext(), ot.usage() as u:
    ...     _ = NGram().register()
    ...     _ = ot.run(llm.generate_text("Q: What is the capital of France?"))
    >>> u.paid.calls, u.paid.cost
    (1, 0.0)
    >>> list(u.by_backend)
    ['NGram(order=5)']
    """

    def __init__(self) -> None:
        super().__init__()
        self.by_backend: dict[str, Ledgers] = {}
        self._outer: usage | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        scope = scope_in_force.get()
        around = scope.usage
        while around is not None and around is not self:
            around = around._outer
        if around is None:
            self._outer = scope.usage
            scope = scope.but(usage=self)
        # Within itself it changes nothing: a call is added once, however often the block was entered.
        enter_block(self, scope)
        return self

    def __exit__(self, *_exc: object) -> None:
        leave_block(self)

    def add(self, reply: Reply, backend: str) -> None:
        """Adds a call that a backend answered so, here and in the blocks around."""
        with self._lock:
            self._add(reply)
            if backend not in self.by_backend:
                self.by_backend[backend] = Ledgers()
            self.by_backend[backend]._add(reply)
        if self._outer is not None:
            self._outer.add(reply, backend)

    def counted(self, handler: Handler, backend: str) -> Handler:
        """The handler, whose replies are added."""

        async def answered(request: Request) -> Reply:
            reply = await handler(request)
            self.add(reply, backend)
            return reply

        return answered
