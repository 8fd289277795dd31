"""How is a prompt put together from texts, templates and calls that see what came before them?

Usually imported as `c`. A composable is a step from one prompt context to the next, and an
Executable: `+` puts composables, strings and content in a row, and what comes before a call is its
prompt. The value is a `Text`, a str of all that was said, with `.variables` and `.content`.

    >>> from onetwo_like import ot
    >>> from onetwo_like.builtins import composables as c, llm
    >>> chain = "Q: A city in France? A:" + c.store("city", c.generate_text()) + c.f(" Where is {city}?")
    >>> with ot.RegistryContext():
    ...     llm.generate_text.configure(lambda prompt: " Nice")
    ...     ot.run(chain)
    'Q: A city in France? A: Nice Where is  Nice?'
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Never, TypedDict, Unpack

from onetwo_like.builtins import llm
from onetwo_like.builtins.composing import Composable, Part, as_steps, composable, make_composable
from onetwo_like.builtins.context import Context, Text
from onetwo_like.builtins.dialect import check_name
from onetwo_like.builtins.steps import Call, Insert, Join, Render, Section, Select, Steps, Store
from onetwo_like.builtins.templates import FormatTemplate, jinja_template
from onetwo_like.core.content import ROLES, Chunk, ChunkList, Content, Role
from onetwo_like.core.executable import Executable, described
from onetwo_like.core.operation import Operation
from onetwo_like.errors import UsageError

__all__ = [
    "Composable",
    "Context",
    "Text",
    "c",
    "chat",
    "f",
    "generate_object",
    "generate_text",
    "instruct",
    "j",
    "join",
    "make_composable",
    "section",
    "select",
    "store",
]


# Texts


def j(template: str) -> Composable:
    """A Jinja template, filled in.

    Its variables are inputs and what was stored. Every built-in can be called in it, with all that
    stands before as the prompt: `{{ generate_text(max_tokens=5) }}`, `{{ store("city", select(names)) }}`.
    `{% role "system" %}...{% endrole %}` says who speaks. TemplateError if it is malformed.

    >>> from onetwo_like.builtins import composables as c
    >>> ot.run(c.j("{% for x in xs %}{{ loop.index }}. {{ x }} {% endfor %}")(xs=["one", "two"]))
    '1. one 2. two '
    """
    source = _source(template, "c.j")
    return composable(Render(jinja_template(source), "c.j", source))


def f(template: str) -> Composable:
    """A text with `{name}` fields, as in `str.format`; the fields are inputs and what was stored.

    >>> from onetwo_like.builtins import composables as c
    >>> ot.run(c.f("{n:.2f} {unit}")(n=3.14159, unit="m"))
    '3.14 m'
    """
    source = _source(template, "c.f")
    return composable(Render(FormatTemplate(source), "c.f", source))


def _source(template: object, where: str) -> str:
    if not isinstance(template, str):
        raise UsageError(f"{where} takes the template as a str, not {described(template)}")
    return str(template)


def c(content: Content | Executable[Any], role: Role | None = None) -> Composable:
    """Content, with this role where it has none of its own; or the value of an executable.

    >>> from onetwo_like.builtins import composables as c
    >>> ot.run(c.c("Be brief.", role="system") + "Who is the mayor of Nice?").content
    ChunkList([Chunk('Be brief.', role='system'), Chunk('Who is the mayor of Nice?')])
    """
    if role is not None and role not in ROLES:
        raise UsageError(f"c.c takes role as one of {', '.join(ROLES)}, not {role!r}")
    if isinstance(content, Executable):
        as_steps(content, "c.c")
        return composable(Insert(content, role))
    return composable(Insert(content if isinstance(content, str | Chunk) else ChunkList(content), role))


# Calls


class Options(TypedDict, total=False):
    """The options of the calls, as in `llm`."""

    temperature: float | None
    max_tokens: int | None
    stop: str | Sequence[str] | None
    top_k: int | None
    top_p: float | None
    seed: int | None


class ObjectOptions(Options, total=False):
    """The options of `generate_object`."""

    max_repairs: int | None


def generate_text(*prompt: Never, **options: Unpack[Options]) -> Composable:
    """How a model continues what came before."""
    return _call(llm.generate_text, prompt, options)


def instruct(*prompt: Never, **options: Unpack[Options]) -> Composable:
    """A model's answer to what came before; its role is "model", as in a conversation."""
    return _call(llm.instruct, prompt, options)


def chat(*prompt: Never, **options: Unpack[Options]) -> Composable:
    """A model's next message in the conversation so far; text without a role is the user's."""
    return _call(llm.chat, prompt, options)


def generate_object(cls: Any, *prompt: Never, **options: Unpack[ObjectOptions]) -> Composable:
    """A value of type `cls` that a model makes of what came before, as text; `store` keeps the value itself."""
    return _call(llm.generate_object, prompt, options, cls)


def _call(
    op: Operation[..., Any], prompt: Sequence[Any], options: Mapping[str, Any], *args: Any
) -> Composable:
    if prompt:
        shown = prompt[0] if isinstance(prompt[0], str) else "..."
        raise UsageError(
            f"c.{op.name} takes no prompt, since what comes before it is the prompt: {shown!r:.60} + c.{op.name}()"
        )
    if "include_details" in options:
        raise UsageError(f"c.{op.name} appends the text alone; for details use llm.{op.name}")
    _, *values = op("", *args, **options).args  # checked here, where it is written
    return composable(Call(op, tuple(values)))


# Parts


def select(*options: Part | Iterable[str]) -> Composable:
    """The option that a model prefers as the continuation of what came before.

    Options are strings, also as one list, or composables: alternatives that go on from here at once,
    of which the preferred one stays, with what it stored.
    """
    return composable(Select(_alternatives(options, "c.select")))


def join(*alternatives: Part | Iterable[str], separator: str = "\n") -> Composable:
    """Several alternatives that all continue what came before, at the same time; joined in the order given.

    They do not see each other. What they store is kept; of one name, the last. With a cache, two that ask
    the same get the same answer: for samples use `ot.repeat` on the whole.

    >>> from onetwo_like.builtins import composables as c
    >>> ot.run("A" + c.join("b", "c", separator="/"))
    'Ab/c'
    """
    if not isinstance(separator, str):
        raise UsageError(f"c.join takes separator as a str, not {described(separator)}")
    return composable(Join(_alternatives(alternatives, "c.join"), separator))


def _alternatives(given: tuple[Any, ...], where: str) -> tuple[Steps, ...]:
    options = given
    if len(given) == 1 and isinstance(given[0], list | tuple | set | frozenset):
        options = tuple(given[0])
        for option in options:
            if not isinstance(option, str):
                raise UsageError(
                    f"{where} takes a list of str, or composables as arguments of their own, "
                    f"{where}(*list); the list has {described(option)}"
                )
    if not options:
        raise UsageError(f"{where} takes at least one alternative")
    return tuple([as_steps(option, where) for option in options])


def store(name: str, part: Part) -> Composable:
    """The part; its text is kept as the variable `name`, for `{{ name }}`, `{name}` and `.variables`.

    Of `generate_object` the value itself is kept.

    >>> from onetwo_like.builtins import composables as c
    >>> ot.run(c.store("animal", "cat") + c.f(" and {animal}")).variables
    {'animal': 'cat'}
    """
    check_name(name)
    return composable(Store((as_steps(part, "c.store"),), name))


def section(name: str, part: Part, *, hidden: bool = False) -> Composable:
    """The part, under a name: its whole text is kept as a variable, and traces and events show the name.

    It continues what came before. With `hidden=True` it adds no text, and leaves only what was stored:
    a scratch pad that later parts do not see.

    >>> from onetwo_like.builtins import composables as c
    >>> draft = c.section("draft", "Hmm, " + c.store("n", "two"), hidden=True)
    >>> text = ot.run("1 + 1 = " + draft + c.f("{n}"))
    >>> text, text.variables
    ('1 + 1 = two', {'n': 'two', 'draft': 'Hmm, two'})
    """
    check_name(name)
    return composable(Section((as_steps(part, "c.section"),), name, bool(hidden)))
