"""How is a built-in that nobody bound answered by others, and what is said where it cannot be?"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from onetwo_like.core.adapt import adapt
from onetwo_like.core.registry import UNCACHED, Binding, Registry
from onetwo_like.errors import NotBoundError

if TYPE_CHECKING:
    from onetwo_like.core.operation import Operation

# Every built-in by name.
known: dict[str, Operation[..., Any]] = {}


class Derivation(NamedTuple):
    """How an operation that nobody bound is answered by others: which ones it asks, and the function that does."""

    needs: tuple[str, ...]
    function: Callable[..., Any]


def derivation_of(
    operation: Operation[..., Any], registry: Registry, above: frozenset[str] = frozenset()
) -> Derivation | None:
    """The first way all of whose needs are bound in the registry, or can be derived in turn; None if there is none."""
    above |= {operation.name}
    for derivation in operation.derivations:
        if all(n in registry or _derivable(n, registry, above) for n in derivation.needs):
            return derivation
    return None


def _derivable(name: str, registry: Registry, above: frozenset[str]) -> bool:
    found = known.get(name)
    return found is not None and name not in above and derivation_of(found, registry, above) is not None


def derived(operation: Operation[..., Any], registry: Registry, unbound: Binding | None) -> Binding:
    """The binding that answers it by others, kept in the registry; NotBoundError if there is none."""
    binding = registry.derived.get(operation.name)
    if binding is None:
        derivation = derivation_of(operation, registry)
        if derivation is None:
            raise _not_bound(operation, registry)
        handler, refused = adapt(operation, derivation.function)
        asked = [(known[n], known[n].bound(registry)) for n in derivation.needs]
        # An option that the source cannot honour is refused here already, under the name that was called.
        below = {n for source, b in asked for n in source.refused(b)} - set(operation.required)
        # So is one that would be passed on to sources of which none has it.
        passed = set(operation.parameters) - set(inspect.signature(derivation.function).parameters)
        below |= {n for n in passed if not any(n in source.parameters for source, _ in asked)}
        binding = Binding(
            handler,
            name=operation.name,
            defaults=unbound.defaults if unbound is not None else None,
            refused=tuple([i for i, n in enumerate(operation.parameters) if i in refused or n in below]),
            cache=UNCACHED,
            described=" and ".join(
                [b.described if b.derived else f"{b.described} as {source.name}" for source, b in asked]
            ),
        )
        registry.derived[operation.name] = binding
    return binding


def _not_bound(operation: Operation[..., Any], registry: Registry) -> NotBoundError:
    name = operation.name
    bound = f"; bound here: {', '.join(registry.bound())}" if registry.bound() else ": nothing is bound here"
    *others, last = [name, *sorted(sources(name))]
    would = f"{', '.join(others)} or {last}" if others else last
    return NotBoundError(
        f"No backend in scope serves {name!r}{bound}. Call register() on a backend that offers {would}, "
        f"or bind a function: llm.{name}.configure(function)."
    )


def sources(name: str) -> set[str]:
    """The names of all built-ins from which this one follows, at once or by way of others."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        needed = {n for d in known[waiting.pop()].derivations for n in d.needs} - found
        found |= needed
        waiting.extend(needed)
    return found - {name}
