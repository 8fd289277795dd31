"""How is it bounded what the calls of a block may cost?"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable
from typing import Protocol, Self

from onetwo_like.core.registry import Binding, enter_block, leave_block, scope_in_force
from onetwo_like.core.request import Reply, Request
from onetwo_like.errors import BudgetExceeded, OneTwoError, UsageError

_NEARLY = 1 - 1e-9  # ten times 0.1 is less than 1.0


class Spending(Protocol):
    """What a scope asks of its budget: may a call be made, and what did it cost?"""

    def charge_start(self) -> None: ...
    def take_back(self) -> None: ...
    def wait(self, waits: bool) -> None: ...
    def check(self) -> None: ...
    def charge(self, reply: Reply | None) -> None: ...
    def includes(self, budget: Budget) -> bool: ...


class Budget:
    """A limit on what the calls made in a block cost; replays are free.

    `usd` and `tokens` (sent and received) stop further calls once they are spent, or will be if what is in
    flight costs as much as the calls before: they are overspent by what was in flight before the first
    reply, or costs more than expected; `calls` is exact. `.usd`, `.tokens` and `.calls` say what has been
    spent, over all blocks and threads that use this budget; `.limits` what was given.

    When it is spent, calls in flight are waited for, and BudgetExceeded is raised, also under
    `on_error="keep"`; its `.outcomes` are those of the outermost `parallel`. With a cache, the next
    run continues from there. Raises UsageError at the second call if nobody says what the first one cost.

    >>> from onetwo_like import ot
    >>> from onetwo_like.builtins import llm
    >>> from onetwo_like.testing import Scripted
    >>> from onetwo_like.errors import BudgetExceeded
    >>> with ot.RegistryContext(), ot.Budget(calls=2) as budget:
    ...     _ = Scripted(["a", "b", "c"]).register()
    ...     try:
    ...         ot.run(ot.parallel(llm.generate_text(str(i)) for i in range(3)))
    ...     except BudgetExceeded as error:
    ...         [outcome.value for outcome in error.outcomes]
    ['a', 'b', None]
    """

    def __init__(
        self, *, usd: float | None = None, tokens: int | None = None, calls: int | None = None
    ) -> None:
        self.limits = {
            name: limit
            for name, limit in (("usd", usd), ("tokens", tokens), ("calls", calls))
            if limit is not None
        }
        if not self.limits:
            raise UsageError("ot.Budget takes at least one of usd=, tokens= and calls=")
        for name, limit in self.limits.items():
            whole = name != "usd"
            if (
                isinstance(limit, bool)
                or not isinstance(limit, int if whole else (int, float))
                or not limit >= 0
            ):
                raise UsageError(f"ot.Budget takes {name}= as a number of at least 0, not {limit!r}")
        self.usd = 0.0
        self.tokens = 0
        self.calls = 0
        self._answered = 0
        self._begun = 0  # and neither answered nor failed
        self._waiting = 0  # of those
        self._untold: str | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        scope = scope_in_force.get()
        around = scope.budget
        if around is None:
            within: Spending = self
        elif around.includes(self):  # a call counts once, however often the budget was entered
            within = around
        else:
            within = _Both(self, around)
        enter_block(self, scope.but(budget=within))
        return self

    def __exit__(self, *_exc: object) -> None:
        leave_block(self)

    def charge_start(self) -> None:
        """Counts a call that is about to be made; BudgetExceeded if there is nothing left for it."""
        with self._lock:
            self._check(self.limits)
            self.calls += 1
            self._begun += 1

    def wait(self, waits: bool) -> None:
        """Tells that a call that was counted waits to be sent, or waits no more."""
        with self._lock:
            self._waiting += 1 if waits else -1

    def check(self) -> None:
        """BudgetExceeded if there is nothing left by now for a call that was counted and has waited."""
        with self._lock:
            self._check([name for name in self.limits if name != "calls"])

    def _check(self, names: Iterable[str]) -> None:
        if self._untold is not None:
            raise UsageError(
                f"ot.Budget({self._untold}=...) cannot bound these calls: a reply came without its "
                f"{'price' if self._untold == 'usd' else 'number of tokens'}. Bound calls= instead."
            )
        in_flight = self._begun - self._waiting
        for name in names:
            limit = self.limits[name]
            spent = expected = getattr(self, name)
            if name != "calls" and self._answered:
                expected += in_flight * spent / self._answered
            if expected >= limit * _NEARLY:
                more = f" with {in_flight} in flight" if expected > spent else ""
                raise BudgetExceeded(
                    f"{_amount(name, spent)} of {_amount(name, limit)} are spent{more}, "
                    f"after {self.calls - self._waiting} calls. "
                    "What was answered is in .outcomes, and in the cache if there is one: run again "
                    "with another budget to continue from there."
                )

    def take_back(self) -> None:
        """Does not count a call that was not made after all."""
        with self._lock:
            self.calls -= 1
            self._begun -= 1

    def charge(self, reply: Reply | None) -> None:
        """Adds what a call has cost, if it did not fail. One that does not say so has been paid for: no error here."""
        with self._lock:
            self._begun -= 1
            if reply is None:
                return
            self._answered += 1
            usage = reply.usage
            if usage is not None and usage.cost is not None:
                self.usd += usage.cost
            elif "usd" in self.limits:
                self._untold = "usd"
            if usage is not None and (usage.input_tokens is not None or usage.output_tokens is not None):
                self.tokens += (usage.input_tokens or 0) + (usage.output_tokens or 0)
            elif "tokens" in self.limits:
                self._untold = "tokens"

    def includes(self, budget: Budget) -> bool:
        """Whether what is charged here is charged to that budget."""
        return budget is self

    def __repr__(self) -> str:
        spent = ", ".join(
            f"{_amount(n, getattr(self, n))} of {_amount(n, limit)}" for n, limit in self.limits.items()
        )
        return f"<Budget: {spent} spent>"


def _amount(name: str, number: float) -> str:
    return f"{number:.6g} USD" if name == "usd" else f"{number} {name}"


class _Both:
    """A budget within another: a call must fit both."""

    def __init__(self, inner: Budget, outer: Spending) -> None:
        self._inner = inner
        self._outer = outer

    def charge_start(self) -> None:
        self._outer.charge_start()
        try:
            self._inner.charge_start()
        except OneTwoError:
            self._outer.take_back()
            raise

    def take_back(self) -> None:
        self._outer.take_back()
        self._inner.take_back()

    def wait(self, waits: bool) -> None:
        self._outer.wait(waits)
        self._inner.wait(waits)

    def check(self) -> None:
        self._outer.check()
        self._inner.check()

    def charge(self, reply: Reply | None) -> None:
        self._outer.charge(reply)
        self._inner.charge(reply)

    def includes(self, budget: Budget) -> bool:
        return self._inner.includes(budget) or self._outer.includes(budget)


# The same binding each time, so that a cache knows it again.
_spending: weakref.WeakKeyDictionary[Binding, Binding] = weakref.WeakKeyDictionary()


def spending(binding: Binding) -> Binding:
    """The binding, with its calls charged to the budget in scope."""
    found = _spending.get(binding)
    if found is None:
        handler = binding.handler
        assert handler is not None

        async def charged(request: Request) -> Reply:
            budget = scope_in_force.get().budget
            if budget is None:
                return await handler(request)
            budget.charge_start()
            try:
                reply = await handler(request)
            except BudgetExceeded:  # by others, while the call waited to be sent
                budget.take_back()
                raise
            except BaseException:
                budget.charge(None)
                raise
            budget.charge(reply)
            return reply

        found = _spending[binding] = binding.but(handler=charged)
    return found
