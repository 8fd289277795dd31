"""What must a class have to be a backend?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import onetwo_like.builtins.llm  # noqa: F401  (the built-ins are declared by importing them)
from onetwo_like.core.operation import Operation, operations
from onetwo_like.core.registry import Binding, Caching, bind
from onetwo_like.core.request import Handler
from onetwo_like.errors import UnsupportedOptionError, UsageError


class Backend:
    """A model behind some of the built-ins: one method for each, of the same name.

    A method takes the arguments of its built-in that it can honour, by name; an option that its
    signature lacks is refused before any call. It returns the value or an `ot.Reply`; an async
    generator yields strings, each published as it comes, and may end with a Reply. A method with
    a parameter `request` is handed the whole Request.

    `fingerprint` says who answers (provider, model, endpoint), as plain data and without a secret:
    it is part of the key under which replies are cached. `defaults` are default options, for every
    built-in that has them.

    >>> from onetwo_like import ot
    >>> from onetwo_like.builtins import llm
    >>> class Shouting(Backend):
    ...     provider = "shouting"
    ...     async def generate_text(self, prompt, *, max_tokens=None):
    ...         return prompt.upper()[:max_tokens]
    >>> with ot.RegistryContext():
    ...     _ = Shouting(max_tokens=3).register()
    ...     ot.run(llm.generate_text("hello"))
    'HEL'
    """

    provider: ClassVar[str] = ""

    def __init__(self, *, cache: Caching | None = None, name: str | None = None, **defaults: Any) -> None:
        if cache is not None and not hasattr(cache, "handler_for"):
            raise UsageError(f"cache is a cache, such as ot.Cache('runs/cities'), not {cache!r:.60}")
        self.cache = cache
        self.name = name
        self.defaults = defaults
        self._check_defaults()

    @property
    def fingerprint(self) -> Mapping[str, Any]:
        """Who answers, as plain data: part of every key. A `name` given by the user replaces the endpoint."""
        return {
            "provider": self.provider or type(self).__name__,
            **({"name": self.name} if self.name else {}),
        }

    def wrap(self, handler: Handler) -> Handler:
        """The handler with the middleware that belongs below the cache."""
        return handler

    def bindings(self) -> dict[str, Binding]:
        """A binding for each built-in that this class has a method for."""
        made = {}
        for name, operation in self._served().items():
            defaults = {n: v for n, v in self.defaults.items() if n in operation.parameters}
            binding = operation.binding(
                self._function(operation), defaults, self.fingerprint, cache=self.cache, described=repr(self)
            )
            refused = {operation.parameters[i] for i in binding.refused}
            if refused & defaults.keys():
                binding = binding.but(
                    defaults=operation.resolved({n: v for n, v in defaults.items() if n not in refused})
                )
            assert binding.handler is not None
            made[name] = binding.but(handler=self.wrap(binding.handler))
        return made

    def register(self) -> Self:
        """Answers the built-ins of this backend from here on, in the scope in force."""
        bind(self.bindings())
        return self

    def _served(self) -> dict[str, Operation[..., Any]]:
        return {n: op for n, op in operations().items() if callable(getattr(self, n, None))}

    def _function(self, operation: Operation[..., Any]) -> Callable[..., Any]:
        """What answers the operation: the method of the same name."""
        function: Callable[..., Any] = getattr(self, operation.name)
        return function

    def _check_defaults(self) -> None:
        for name in self.defaults:
            takers = [
                n for n, op in self._served().items() if name in op.parameters and name not in op.required
            ]
            if not takers:
                options = sorted(
                    {p for op in self._served().values() for p in op.parameters if p not in op.required}
                )
                raise UsageError(
                    f"{type(self).__name__} has no option {name!r}; options of what it serves: {', '.join(options)}"
                )
            if all(self._refuses(self._served()[n], name) for n in takers):
                raise UnsupportedOptionError(f"{type(self).__name__} does not honour the option {name!r}")

    def _refuses(self, operation: Operation[..., Any], name: str) -> bool:
        binding = operation.binding(self._function(operation))
        return operation.parameters.index(name) in binding.refused

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name or ''})"
