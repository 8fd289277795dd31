"""Which handler answers which operation here, and who may change that?

The rules of promise 2: a process-wide root cell holds an immutable registry; a context
variable holds the scope in force and defaults to the root. The root must not live in a
context variable: threads inherit nothing, and notebook cells with `await` lose what they set.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from onetwo_like.core.request import Handler, SamplePath
from onetwo_like.errors import ScopeError, UsageError

if TYPE_CHECKING:
    from onetwo_like.core.budget import Spending
    from onetwo_like.core.checkpoint import Checkpoint
    from onetwo_like.core.events import Watch
    from onetwo_like.core.inbox import Inbox
    from onetwo_like.core.trace import Span
    from onetwo_like.core.usage import usage as Counting


class Caching(Protocol):
    """What a scope or a backend asks of a cache: a handler that answers from it where it can."""

    def handler_for(self, binding: Binding) -> Handler: ...


class Planning(Protocol):
    """What a scope asks of a dry run: a handler that stands in for the binding's."""

    def handler_for(self, binding: Binding, cache: Caching | None) -> Handler: ...


class Binding:
    """What an operation is bound to: a handler, default options, and who is answering.

    `fingerprint` names the provider, model and endpoint (never a secret), and is None for
    a function that cannot be cached. `refused` are the indices of the parameters that the
    handler cannot honour.
    """

    __slots__ = ("__weakref__", "cache", "defaults", "described", "fingerprint", "handler", "name", "refused")

    def __init__(
        self,
        handler: Handler | None,
        *,
        name: str = "",
        defaults: tuple[Any, ...] | None = None,
        refused: tuple[int, ...] = (),
        fingerprint: Mapping[str, Any] | None = None,
        cache: Caching | None = None,
        described: str = "",
    ) -> None:
        self.handler = handler
        self.name = name
        self.defaults = defaults
        self.refused = refused
        self.fingerprint = fingerprint
        self.cache = cache
        self.described = described

    @property
    def derived(self) -> bool:
        """Whether it only passes calls on, to bindings that stream, cost and are cached themselves."""
        return self.cache is UNCACHED

    def but(self, **changes: Any) -> Binding:
        """A copy with some fields changed."""
        kept = {n: getattr(self, n) for n in self.__slots__ if n != "__weakref__"}
        handler = changes.pop("handler", kept.pop("handler"))
        return Binding(handler, **{**kept, **changes})


class _Uncached:
    """The cache of a binding that only passes calls on, to others that are cached themselves."""

    def handler_for(self, binding: Binding) -> Handler:
        assert binding.handler is not None
        return binding.handler


UNCACHED = _Uncached()


class Registry:
    """An immutable mapping from operation names to bindings."""

    __slots__ = ("bindings", "derived")

    def __init__(self, bindings: Mapping[str, Binding] | None = None) -> None:
        self.bindings: dict[str, Binding] = dict(bindings or {})
        # What was derived from these bindings, found once: a registry never changes.
        self.derived: dict[str, Binding] = {}

    def replace(self, bindings: Mapping[str, Binding]) -> Registry:
        """A registry in which these bindings replace those of the same names."""
        return Registry({**self.bindings, **bindings})

    def bound(self) -> list[str]:
        """The names of the operations that have a handler, sorted."""
        return sorted(name for name, binding in self.bindings.items() if binding.handler is not None)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (b := self.bindings.get(name)) is not None and b.handler is not None

    def __repr__(self) -> str:
        lines = [f"{name}: {self.bindings[name].described or 'a handler'}" for name in self.bound()]
        return f"Registry({'; '.join(lines) or 'empty'})"


class Cell:
    """The only mutable thing: which immutable registry is in force."""

    __slots__ = ("registry",)

    def __init__(self, registry: Registry) -> None:
        self.registry = registry


_new = object.__new__


class Scope:
    """What is in force where the code runs; immutable, replaced by `but`.

    While a program is being written, the registry is that of `cell`, which may be changed.
    While it runs, `cell` is None and `registry` is the one that the run started with.
    `retries` is how many `retry` it runs within, `batched` whether it runs within a `parallel`
    that somebody watches. `plan` answers in the place of what is bound, in a dry run. `checkpoint` is
    where steps are kept, if they are; `inbox` takes what is sent to a run that is streamed; `usage` adds up
    what the calls use.
    """

    __slots__ = (
        "batched",
        "budget",
        "cache",
        "cell",
        "checkpoint",
        "inbox",
        "inside",
        "plan",
        "registry",
        "retries",
        "sample_path",
        "span",
        "usage",
        "watch",
    )

    def __init__(
        self,
        cell: Cell | None,
        registry: Registry | None = None,
        inside: bool = False,
        sample_path: SamplePath = (),
        watch: Watch | None = None,
        span: Span | None = None,
        cache: Caching | None = None,
        retries: int = 0,
        budget: Spending | None = None,
        batched: bool = False,
        checkpoint: Checkpoint | None = None,
        inbox: Inbox | None = None,
        plan: Planning | None = None,
        usage: Counting | None = None,
    ) -> None:
        self.cell = cell
        self.registry = registry
        self.inside = inside
        self.sample_path = sample_path
        self.watch = watch
        self.span = span
        self.cache = cache
        self.retries = retries
        self.budget = budget
        self.batched = batched
        self.checkpoint = checkpoint
        self.inbox = inbox
        self.plan = plan
        self.usage = usage

    def but(self, **changes: Any) -> Scope:
        """A copy with some fields changed."""
        new = _new(Scope)  # not by its constructor: every call that is watched comes through here
        new.cell = self.cell
        new.registry = self.registry
        new.inside = self.inside
        new.sample_path = self.sample_path
        new.watch = self.watch
        new.span = self.span
        new.cache = self.cache
        new.retries = self.retries
        new.budget = self.budget
        new.batched = self.batched
        new.checkpoint = self.checkpoint
        new.inbox = self.inbox
        new.plan = self.plan
        new.usage = self.usage
        for name, value in changes.items():
            setattr(new, name, value)
        return new

    def in_force(self) -> Registry:
        """The registry that a call made here is answered from."""
        return self.cell.registry if self.cell is not None else self.registry  # type: ignore[return-value]

    def entered(self) -> Scope:
        """The scope of what runs below: the registry as it is now, which nobody can change there."""
        if self.cell is None:
            return self
        return self.but(registry=self.in_force(), cell=None, inside=True)


_root = Scope(Cell(Registry()))
scope_in_force: contextvars.ContextVar[Scope] = contextvars.ContextVar("onetwo_like_scope", default=_root)
_changing = threading.Lock()


@contextlib.contextmanager
def scoped(**changes: Any) -> Iterator[Scope]:
    """Puts a changed scope in force for the block."""
    scope = scope_in_force.get().but(**changes)
    token = scope_in_force.set(scope)
    try:
        yield scope
    finally:
        put_back(token)


def put_back(token: contextvars.Token[Scope]) -> None:
    """Ends what a `scope_in_force.set` began."""
    try:
        scope_in_force.reset(token)
    except ValueError:  # a coroutine that is destroyed before it ended, in a context where nothing began
        return


# The blocks open here, outermost first: whose, and how to end each. Kept by context and not by the object,
# because one object may be entered in several threads or tasks at once, which leave it in any order.
_open_blocks: contextvars.ContextVar[tuple[tuple[object, contextvars.Token[Scope]], ...]]
_open_blocks = contextvars.ContextVar("onetwo-like blocks", default=())


def enter_block(owner: object, scope: Scope) -> None:
    """Puts a scope in force until `leave_block(owner)` is called in the same thread or task."""
    _open_blocks.set((*_open_blocks.get(), (owner, scope_in_force.set(scope))))


def leave_block(owner: object) -> None:
    """Ends the innermost block that the owner has entered here."""
    blocks = _open_blocks.get()
    for place in reversed(range(len(blocks))):
        if blocks[place][0] is owner:
            _open_blocks.set(blocks[:place])
            put_back(blocks[place][1])
            return


class RegistryContext:
    """A block in which changes to the registry stay: it starts from the one in force, or the one given.

    >>> from onetwo_like import ot
    >>> from onetwo_like.builtins import llm
    >>> with ot.RegistryContext():
    ...     llm.generate_text.configure(lambda prompt: prompt.upper())
    ...     ot.run(llm.generate_text("loud"))
    'LOUD'
    """

    def __init__(self, registry: Registry | None = None) -> None:
        self._given = None if registry is None else _as_registry(registry, "RegistryContext")
        self._tokens: list[contextvars.Token[Scope]] = []

    def __enter__(self) -> RegistryContext:
        scope = scope_in_force.get()
        cell = Cell(self._given if self._given is not None else scope.in_force())
        self._tokens.append(scope_in_force.set(scope.but(cell=cell, registry=None)))
        return self

    def __exit__(self, *_exc: object) -> None:
        scope_in_force.reset(self._tokens.pop())


def copy_registry() -> Registry:
    """The registry in force, to be used later with `with_registry` or `set_registry`."""
    return scope_in_force.get().in_force()


def set_registry(registry: Registry) -> None:
    """Replaces the registry of the innermost `RegistryContext`, or of the process if there is none.

    Raises ScopeError inside an executable's body that has not opened a `RegistryContext` itself.
    """
    registry = _as_registry(registry, "set_registry")
    with _changing:
        _changeable_cell().registry = registry


def bind(bindings: Mapping[str, Binding]) -> None:
    """Replaces bindings in the registry of the innermost cell."""
    with _changing:
        cell = _changeable_cell()
        cell.registry = cell.registry.replace(bindings)


def rebind(name: str, change: Callable[[Binding], Binding]) -> None:
    """Replaces one binding by what `change` makes of it; no other change comes between."""
    with _changing:
        cell = _changeable_cell()
        old = cell.registry.bindings.get(name) or Binding(None, name=name)
        cell.registry = cell.registry.replace({name: change(old)})


def _changeable_cell() -> Cell:
    cell = scope_in_force.get().cell
    if cell is None:
        raise ScopeError(
            "the registry cannot be changed inside a running executable, because others may be running on it. "
            "Open a block of your own in this body first: `with ot.RegistryContext(): ...`"
        )
    return cell


def _as_registry(value: object, where: str) -> Registry:
    if not isinstance(value, Registry):
        raise UsageError(
            f"{where} takes a registry from ot.copy_registry(), not {type(value).__name__}: {value!r:.80}"
        )
    return value
