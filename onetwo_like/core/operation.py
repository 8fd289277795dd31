"""What is a built-in: a typed operation without an implementation?"""

from __future__ import annotations

import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Generic, Literal, NamedTuple, ParamSpec, TypeVar, overload

from onetwo_like.core.adapt import adapt
from onetwo_like.core.budget import spending
from onetwo_like.core.content import text_in
from onetwo_like.core.deriving import Derivation, derived, known
from onetwo_like.core.evaluation import Kind, Node, shown_arguments
from onetwo_like.core.events import CallFinished, CallStarted, emit_text
from onetwo_like.core.executable import Executable
from onetwo_like.core.frozen import freeze
from onetwo_like.core.registry import (
    UNCACHED,
    Binding,
    Registry,
    Scope,
    bind,
    put_back,
    rebind,
    scope_in_force,
)
from onetwo_like.core.request import Handler, Reply, Request
from onetwo_like.core.signature import Normaliser, compile_values, without_types, wrong_call
from onetwo_like.core.trace import Span
from onetwo_like.errors import ContentRefusedError, UnsupportedOptionError, UsageError

P = ParamSpec("P")
T = TypeVar("T")


class Keyed(NamedTuple):
    """In `Annotated[type, normaliser, Keyed(function)]`: how a value that is no plain data stands in a key."""

    describe: Callable[[Any], Any]


class _Detailed(Kind):
    """An operation called with `include_details=True`: its value is (value, Reply)."""

    def __init__(self, operation: Operation[..., Any]) -> None:
        self.name = operation.name
        self.operation = operation
        self.ready = operation.ready  # type: ignore[method-assign]

    async def once(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Any:
        reply = await self.operation.reply(args)
        return reply.value, reply

    call = once

    def shown(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> str:
        return self.operation.shown(args, kwargs)[:-1] + ", include_details=True)"


class Operation(Kind, Generic[P, T]):
    """A built-in such as `llm.generate_text`: calling it returns an Executable of its value.

    What answers it is decided when that runs, by the registry in scope: a backend that was
    registered, a function given to `configure`, or a derivation from another built-in.

    With `include_details=True` the value is (value, `ot.Reply`): what the model answered, and what
    the provider said about it. It is not part of the request, so it makes no new call where the answer is cached.
    """

    def __init__(self, declared: Callable[P, Any], details: bool = False) -> None:
        functools.update_wrapper(typing.cast(Any, self), declared)
        self.name = declared.__name__
        signature = inspect.signature(declared)
        hints = typing.get_type_hints(declared, include_extras=True)
        self.returns = hints.pop("return", object)
        self.__signature__ = signature
        self.parameters = tuple(signature.parameters)
        self.required = tuple(n for n, p in signature.parameters.items() if p.default is p.empty)
        self.normalisers = {n: _normaliser(self.name, n, t) for n, t in hints.items()}
        self.described = {n: k.describe for n, t in hints.items() if (k := _keyed(t)) is not None}
        self.derivations: list[Derivation] = []
        self._detailed = _Detailed(self) if details else None
        self._values = compile_values(signature, self.name, self.normalisers)

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Executable[T]: ...
    @overload
    def __call__(
        self, *args: Any, include_details: Literal[True], **kwargs: Any
    ) -> Executable[tuple[T, Reply]]: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Executable[Any]:
        kind: Kind = self
        if kwargs and self._detailed is not None and kwargs.pop("include_details", False):
            kind = self._detailed
        try:
            values = self._values(*args, **kwargs)
        except UsageError:
            raise
        except TypeError as error:
            raise wrong_call(error, self.name, self.__signature__) from None
        return Executable(kind, values)

    def __get__(self, instance: object, owner: type | None = None) -> Operation[P, T]:
        return self

    def __repr__(self) -> str:
        return f"<built-in {self.name}{without_types(self.__signature__)}>"

    # Binding

    def configure(
        self, implementation: Callable[..., Any], *, fingerprint: str | None = None, **defaults: Any
    ) -> None:
        """Answers this built-in by a function, plain or async, of the arguments that it accepts.

        An option that is passed in a call and that the function does not accept is an
        UnsupportedOptionError. An async generator function streams: each string it yields is a
        TextDelta, and the value is their concatenation. With a `fingerprint`, a name for what the
        function does, its replies can be cached; without one they are not. `defaults` are options
        resolved into each request; a function that does not take one is not handed it.
        """
        if not callable(implementation):
            raise UsageError(
                f"{self.name}.configure takes a function, not {type(implementation).__name__}: {implementation!r:.60}"
            )
        if fingerprint is not None and not (isinstance(fingerprint, str) and fingerprint):
            raise UsageError(f"{self.name}.configure takes fingerprint as a name, not {fingerprint!r}")
        bind({self.name: self.binding(implementation, defaults, fingerprint and {"function": fingerprint})})

    def binding(
        self,
        implementation: Callable[..., Any],
        defaults: Mapping[str, Any] | None = None,
        fingerprint: Mapping[str, Any] | str | None = None,
        **fields: Any,
    ) -> Binding:
        """A binding of this built-in to a function; see `configure`."""
        handler, refused = adapt(self, implementation)
        described = getattr(implementation, "__qualname__", None) or type(implementation).__name__
        return Binding(
            handler,
            name=self.name,
            defaults=self.resolved(defaults),
            refused=refused,
            fingerprint=freeze(fingerprint) if fingerprint else None,
            **{"described": described, **fields},
        )

    def update(self, **defaults: Any) -> None:
        """Changes default options, and keeps what is bound. None takes a default away."""

        def updated(old: Binding) -> Binding:
            for name, value in defaults.items():
                if (
                    name in self.parameters
                    and value is not None
                    and self.parameters.index(name) in old.refused
                ):
                    raise self._refusal(old, name, value)
            given = {n: v for n, v in zip(self.parameters, old.defaults or (), strict=False) if v is not None}
            return old.but(defaults=self.resolved({**given, **defaults}))

        rebind(self.name, updated)

    def is_configured(self) -> bool:
        """Whether something in scope answers this built-in directly, not derived from another."""
        return self.name in scope_in_force.get().in_force()

    def resolved(self, defaults: Mapping[str, Any] | None) -> tuple[Any, ...] | None:
        """Default options in the order of the parameters; a UsageError for one that does not exist."""
        if not defaults:
            return None
        for name, value in defaults.items():
            if isinstance(value, Node):
                raise UsageError(
                    f"{self.name}: a default is a value, and {name} is an executable that has not run: {value!r:.60}"
                )
            if name not in self.parameters or name in self.required:
                options = [p for p in self.parameters if p not in self.required]
                raise UsageError(
                    f"{self.name} has no option {name!r}; its options are {', '.join(options) or 'none'}"
                )
        return tuple(
            [None if (v := defaults.get(n)) is None else self.normalisers[n](v) for n in self.parameters]
        )

    def shown(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None) -> str:
        given = {n: v for n, v in zip(self.parameters, args, strict=True) if v is not None}
        return f"{self.name}({shown_arguments([given.pop(n) for n in self.required if n in given], given)})"

    # Running

    def ready(
        self, args: tuple[Any, ...], kwargs: dict[str, Any] | None
    ) -> tuple[tuple[Any, ...], dict[str, Any] | None]:
        values = []
        for name, value in zip(self.parameters, args, strict=True):
            # None means "the default in scope", and what is required has no default.
            given = value is not None or name in self.required
            values.append(self.normalisers[name](value) if given else None)
        return tuple(values), None

    async def call(self, args: tuple[Any, ...], kwargs: dict[str, Any] | None = None) -> Any:
        """The value; see `reply`."""
        scope = scope_in_force.get()
        if scope.watch is not None or scope.cell is not None:
            return (await self.reply(args)).value
        handler, request = self._resolve(scope, self.bound(scope.in_force()), args)
        return _answer(await handler(request)).value

    once = call

    async def reply(self, args: tuple[Any, ...]) -> Reply:
        """The reply of whatever is bound in scope."""
        scope = scope_in_force.get()
        token = None
        if scope.cell is not None:  # what answers, or derives the answer, runs on the registry of the start
            scope = scope.entered()
            token = scope_in_force.set(scope)
        try:
            binding = self.bound(scope.in_force())
            if scope.watch is not None:
                return await self._watched(scope, binding, args)
            handler, request = self._resolve(scope, binding, args)
            return _answer(await handler(request))
        finally:
            if token is not None:
                put_back(token)

    def bound(self, registry: Registry) -> Binding:
        """The binding that answers on this registry, found or derived; NotBoundError if there is none."""
        binding = registry.bindings.get(self.name)
        if binding is None or binding.handler is None:
            return derived(self, registry, binding)
        return binding

    def _resolve(self, scope: Scope, binding: Binding, values: tuple[Any, ...]) -> tuple[Handler, Request]:
        for i in binding.refused:
            if values[i] is not None:
                raise self._refusal(binding, self.parameters[i], values[i])
        if binding.defaults is not None:
            values = tuple([d if v is None else v for v, d in zip(values, binding.defaults, strict=True)])
        if scope.budget is not None and not binding.derived:
            binding = spending(binding)  # below the cache: a replay costs nothing
        cache = scope.cache if scope.cache is not None and binding.cache is not UNCACHED else binding.cache
        if scope.plan is not None:
            handler: Handler | None = scope.plan.handler_for(binding, cache)
        else:
            handler = binding.handler if cache is None else cache.handler_for(binding)
            if scope.usage is not None and not binding.derived:
                handler = scope.usage.counted(handler, binding.described)  # type: ignore[arg-type]
        return handler, Request(self, values, scope.sample_path)  # type: ignore[return-value]

    async def _watched(self, scope: Scope, binding: Binding, values: tuple[Any, ...]) -> Reply:
        watch = scope.watch
        assert watch is not None
        # What is derived has its calls watched themselves: to tell of it as well would be to count twice.
        telling = watch.telling and not binding.derived
        handler, request = self._resolve(scope, binding, values)
        span = Span(
            self.name,
            scope.span,
            scope.sample_path,
            request,
            watch.tracing,
            _arguments,
        )
        token = scope_in_force.set(scope.but(span=span))
        try:
            if telling:
                watch.publish(CallStarted(self.name, origin=span))
            reply = _answer(await handler(request))
            if not span.streamed and not binding.derived and (text := text_in(reply.value)) is not None:
                emit_text(text, reply.replayed)  # who did not stream is one delta at the end
        except BaseException as error:
            span.finish(error=error)
            if not binding.derived and isinstance(error, Exception):
                span.cache = "failed"
            if telling:
                watch.publish(CallFinished(self.name, error=error, origin=span))
            raise
        finally:
            put_back(token)
        if not binding.derived:
            span.record(reply)
        span.finish(reply.value)
        if telling:
            watch.publish(CallFinished(self.name, reply.usage, origin=span, replayed=reply.replayed))
        return reply

    def _refusal(self, binding: Binding, name: str, value: Any) -> UnsupportedOptionError:
        taken = [p for i, p in enumerate(self.parameters) if i not in binding.refused]
        return UnsupportedOptionError(
            f"{self.name}({name}={value!r:.60}): what is bound here, {binding.described}, does not take {name!r}; "
            f"it takes {', '.join(taken) or 'nothing'}. Leave the option out, or bind a backend that honours it."
        )

    def refused(self, binding: Binding) -> set[str]:
        """The parameters of this built-in that the binding cannot honour."""
        return {self.parameters[i] for i in binding.refused}


def _arguments(request: Request) -> dict[str, Any]:
    return request.arguments


def operations() -> Mapping[str, Operation[..., Any]]:
    """Every built-in by name."""
    return types.MappingProxyType(known)


def operation(declared: Callable[P, T]) -> Operation[P, T]:
    """Declares a built-in by a signature and a docstring; the body is never run."""
    made: Operation[P, T] = Operation(declared, details=True)
    known[made.name] = made
    return made


def _answer(reply: Reply) -> Reply:
    """The reply, unless it is a refusal: that is raised, live as on replay."""
    if reply.finish_reason == "refused":
        raise ContentRefusedError(f"the model refused: {reply.value!r:.200}", request_id=reply.request_id)
    return reply


# Normalising: one value, one key (0 = 0.0, "Q:" = ["Q:"])


def _normaliser(operation: str, name: str, annotation: Any) -> Normaliser:
    """What the parameter's annotation says: the function in `Annotated[type, function]`, else freezing."""
    metadata = getattr(annotation, "__metadata__", ())
    convert = next((m for m in metadata if callable(m)), freeze)

    def normalise(value: Any) -> Any:
        if isinstance(value, Node):
            return value  # executed first, and normalised then
        try:
            return convert(value)
        except UsageError as error:
            raise UsageError(f"{operation}({name}=...): {error}") from None

    return normalise


def _keyed(annotation: Any) -> Keyed | None:
    return next((m for m in getattr(annotation, "__metadata__", ()) if isinstance(m, Keyed)), None)
