"""What is compared: which program, answered by whom, under which name?"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from onetwo_like.backends.base import Backend
from onetwo_like.builtins.composing import Composable
from onetwo_like.core.executable import Executable, described
from onetwo_like.core.function import ExecutableFunction, name_of
from onetwo_like.core.registry import Registry
from onetwo_like.errors import UsageError
from onetwo_like.experiments.data.fields import Fields
from onetwo_like.experiments.data.plain_values import canonical, plain
from onetwo_like.flows.flow import Flow

T = TypeVar("T")
Strategy: TypeAlias = "Callable[[Any], Any] | Composable | Flow"
Answering: TypeAlias = "Backend | Registry"
# A backend, a registry, or (strategy, backend or registry): a type checker takes a dict of several for objects.
Arms: TypeAlias = "Mapping[str, Any] | Collection[Backend]"


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of a comparison: `ask` makes of an input the Executable that `registry` answers."""

    name: str
    ask: Callable[[Any], Executable[Any]]
    registry: Registry
    described: str
    strategy: Any

    @property
    def direct(self) -> Callable[[Any], Any] | None:
        """The function itself, where nothing lies between it and the Executable but what a trace shows."""
        kind = getattr(self.ask, "_kind", None)
        if self.ask is self.strategy or kind is None or kind.streams:
            return None
        function: Callable[[Any], Any] = self.strategy
        return function

    @property
    def fingerprint(self) -> Any:
        """Who answers, as plain data: one fingerprint, or one per operation; None if nobody has any."""
        found = {n: b.fingerprint for n, b in self.registry.bindings.items() if b.handler and b.fingerprint}
        distinct = {canonical(plain(fingerprint)): fingerprint for fingerprint in found.values()}
        if len(distinct) > 1:
            return {name: plain(found[name]) for name in sorted(found)}
        return next((plain(fingerprint) for fingerprint in distinct.values()), None)


def arms_of(arms: Arms, strategy: Strategy | None, field: Fields) -> list[Arm]:
    """The arms by name; a UsageError says what is wrong with which."""
    if isinstance(arms, Mapping):
        given: list[tuple[Any, Any]] = list(arms.items())
    elif isinstance(arms, Collection) and not isinstance(arms, str):
        for each in arms:
            if not isinstance(each, Backend):
                raise UsageError(
                    f"arms is a dict from names to backends, or a list of backends; in the list is {described(each)}"
                )
        given = [(repr(backend), backend) for backend in arms]
    else:
        raise UsageError(
            f"arms is a dict from names to backends, or a list of backends, not {described(arms)}"
        )
    made: list[Arm] = []
    for name, answering in given:
        if not isinstance(name, str) or not name:
            raise UsageError(f"the name of an arm is a str, not {name!r:.60}")
        if any(name == other.name for other in made):
            raise UsageError(
                f"two arms are called {name!r}; give a dict of names: {{'first': ..., 'second': ...}}"
            )
        made.append(_arm(name, answering, strategy, field))
    return made


def _arm(name: str, given: Any, strategy: Strategy | None, field: Fields) -> Arm:
    own = None
    if isinstance(given, tuple) and len(given) == 2:
        own, given = given
    elif strategy is None:
        raise UsageError(
            f"arm {name!r} has no strategy: give strategy= for all arms, or this one as (strategy, backend)"
        )
    if not isinstance(given, Backend | Registry):
        raise UsageError(
            f"arm {name!r} is a backend, a registry from ot.copy_registry() or (strategy, backend), "
            f"not {described(given)}"
        )
    return arm_of(name, strategy if own is None else own, given, field, tells=own is not None)


def arm_of(name: str, strategy: Any, answering: Answering, field: Fields, *, tells: bool = False) -> Arm:
    """The arm of a strategy and who answers it; with `tells`, its description has the strategy, too."""
    if isinstance(answering, Backend):
        # Nothing else answers: what this backend does not serve is derived from what it does, or an error.
        registry, shown = Registry(answering.bindings()), repr(answering)
    else:
        registry, shown = answering, shown_registry(answering)
    if tells:
        shown = f"{shown_strategy(strategy)} on {shown}"
    return Arm(name, asking(strategy, field), registry, shown, strategy)


def shown_registry(registry: Registry) -> str:
    """Who answers in a registry."""
    who = {binding.described or "a handler" for binding in registry.bindings.values() if binding.handler}
    return ", ".join(sorted(who)) or "nothing"


def shown_strategy(strategy: Any) -> str:
    """What a strategy is called."""
    return f"{strategy!r:.120}" if isinstance(strategy, Composable | Flow) else name_of(strategy)


def asking(strategy: Any, field: Fields) -> Callable[[Any], Executable[Any]]:
    """A function from one input to the Executable of the prediction.

    A template or a flow gets its inputs by name: those of a dict, or the one under the name of the field.
    """
    if isinstance(strategy, Composable | Flow):
        by_name: Callable[..., Executable[Any]] = strategy
        name = field if isinstance(field, str) else ""

        def ask(given: Any) -> Executable[Any]:
            return by_name(**given) if isinstance(given, Mapping) else by_name(**{name: given})

        return ask
    if isinstance(strategy, Executable) or not callable(strategy):
        raise UsageError(
            "a strategy is a function of the input, a template such as c.j(...) or a flow, "
            f"not {described(strategy)}"
        )
    if inspect.isgeneratorfunction(strategy):
        raise UsageError(
            f"the strategy {name_of(strategy)} yields, and so has no prediction: let it return one"
        )
    _check_takes_one(strategy)
    function: Any = strategy
    return function if isinstance(function, ExecutableFunction) else ExecutableFunction(function)


def _check_takes_one(strategy: Any) -> None:
    try:
        signature = inspect.signature(strategy)
        signature.bind(None)
    except ValueError:  # some functions written in C do not tell
        return
    except TypeError:
        raise UsageError(
            f"the strategy {name_of(strategy)}{signature} is called with the input alone, one argument. If it "
            'needs several fields, name them: input=["question", "context"] gives it a dict of both'
        ) from None


def grid(make: Callable[..., T], /, **lists: Iterable[Any]) -> dict[str, T]:
    """Arms of a comparison: what `make` returns for every combination of the values, by a name that says which.

    >>> from onetwo_like.backends import NGram
    >>> list(grid(NGram, order=[2, 5], temperature=[0.0]))
    ['order=2 temperature=0.0', 'order=5 temperature=0.0']
    """
    if not callable(make):
        raise UsageError(
            f"ot.grid takes a function that makes an arm, such as a backend's class, not {described(make)}"
        )
    values: dict[str, list[Any]] = {}
    for name, given in lists.items():
        if isinstance(given, str | bytes) or not isinstance(given, Iterable):
            raise UsageError(f"ot.grid takes a list of values for {name}, not {described(given)}")
        # Of numpy and pandas: an order of np.int64(2) would be refused.
        values[name] = list(given.tolist() if hasattr(given, "tolist") else given)
        if not values[name]:
            raise UsageError(f"ot.grid: the list of values for {name} is empty")
    if not values:
        raise UsageError("ot.grid takes lists of values by name, as in ot.grid(NGram, order=[2, 5])")
    made: dict[str, T] = {}
    for combination in itertools.product(*values.values()):
        arguments = dict(zip(values, combination, strict=True))
        name = " ".join(f"{n}={v}" for n, v in arguments.items())
        if name in made:
            raise UsageError(f"ot.grid: two combinations are called {name!r}")
        made[name] = make(**arguments)
    return made
