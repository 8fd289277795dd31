"""What does each backend serve, and with which options? Read off the backends themselves.

`python -m onetwo_like.backends.table` prints the page docs/backend_table.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from onetwo_like.backends import Anthropic, Backend, Gemini, GeminiLegacy, NGram, OpenAI, Scripted
from onetwo_like.core.deriving import derivation_of
from onetwo_like.core.operation import Operation, operations
from onetwo_like.core.registry import Registry

_LOCAL = "http://127.0.0.1:8000/v1"
BACKENDS: Mapping[str, Callable[[], Backend]] = {
    "OpenAI": lambda: OpenAI("m", base_url="https://api.openai.com/v1"),
    'OpenAI(api="responses")': lambda: OpenAI("m", base_url="https://api.openai.com/v1", api="responses"),
    "OpenAI(base_url=)": lambda: OpenAI("m", base_url=_LOCAL),
    'OpenAI(base_url=, api="completions")': lambda: OpenAI("m", base_url=_LOCAL, api="completions"),
    "OpenAI.compatible": lambda: OpenAI.compatible(_LOCAL, "m"),
    "Anthropic": lambda: Anthropic("m", base_url="https://api.anthropic.com"),
    "Gemini": lambda: Gemini("m", base_url="https://generativelanguage.googleapis.com"),
    "GeminiLegacy": lambda: GeminiLegacy("m", base_url="https://generativelanguage.googleapis.com"),
    "NGram": lambda: NGram(),
    "Scripted": lambda: Scripted([]),
}
_INTRODUCTION = """\
# What each backend serves

`python -m onetwo_like.backends.table` makes this page from the code, and a test compares them.

- *native*: the backend asks its model for just this.
- *from x*: it is derived from x, which the backend serves or which is derived in turn (see [built-ins](builtins.md)).
- *-*: not served; a `NotBoundError` before any call.
- An option that is not honoured is an `UnsupportedOptionError` before any call.

Some abilities depend on the server or the SDK. `OpenAI.compatible` finds out whether the server scores texts, shows
tokens, and how it is asked for objects. If it cannot, `score_text`, `tokenize` and `detokenize` are not served, and
`select` asks for an object. OpenAI takes `reasoning` in words only, Anthropic in numbers and in all words but "minimal".
GeminiLegacy takes in `extra` what its SDK knows. `Batched` serves the functions that it is given; `Fallback` and
`RoundRobin` serve what all their members serve.
"""


def how(operation: Operation[..., object], registry: Registry) -> str:
    """ "native", "from" what it is derived, or "-"."""
    if operation.name in registry:
        return "native"
    derivation = derivation_of(operation, registry)
    return "-" if derivation is None else f"from {' and '.join(derivation.needs)}"


def honoured(operation: Operation[..., object], registry: Registry) -> list[str]:
    """The options that an operation which is served takes."""
    refused = operation.refused(operation.bound(registry))
    return [n for n in operation.parameters if n not in operation.required and n not in refused]


def page() -> str:
    """The page, in Markdown."""
    registries = {name: Registry(make().bindings()) for name, make in BACKENDS.items()}
    ordered = sorted(operations().items())
    lines = [_INTRODUCTION]
    lines += ["| built-in |" + "|".join(f" {name} " for name in registries) + "|"]
    lines += ["|---" * (len(registries) + 1) + "|"]
    for name, operation in ordered:
        cells = [how(operation, registry) for registry in registries.values()]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    for backend, registry in registries.items():
        lines += [
            "",
            f"## {backend}",
            "",
            "| built-in | how | options honoured | refused |",
            "|---|---|---|---|",
        ]
        for name, operation in ordered:
            if (way := how(operation, registry)) != "-":
                taken = honoured(operation, registry)
                options = [n for n in operation.parameters if n not in operation.required]
                left = [n for n in options if n not in taken]
                lines.append(f"| `{name}` | {way} | {', '.join(taken)} | {', '.join(left)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    import sys

    sys.stdout.write(page())
