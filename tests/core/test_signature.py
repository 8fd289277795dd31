"""Does a compiled binder take what the function takes, and refuse what the function refuses?"""

import inspect
import string
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from onetwo_like.core.signature import compile_binder, compile_values, wrong_call
from onetwo_like.errors import UsageError

P = inspect.Parameter
KINDS = [P.POSITIONAL_ONLY, P.POSITIONAL_OR_KEYWORD, P.VAR_POSITIONAL, P.KEYWORD_ONLY, P.VAR_KEYWORD]
names = st.sampled_from([*string.ascii_lowercase[:8], "_default_0", "_default_1", "str", "function"])


@st.composite
def signatures(draw):
    """A signature with parameters of any kinds, some with defaults."""
    chosen = draw(st.lists(names, unique=True, max_size=6))
    kinds = sorted(draw(st.lists(st.sampled_from(KINDS), min_size=len(chosen), max_size=len(chosen))))
    parameters: list[P] = []
    optional = False
    for name, kind in zip(chosen, kinds, strict=True):
        if kind in (P.VAR_POSITIONAL, P.VAR_KEYWORD):
            if parameters and parameters[-1].kind == kind:
                continue
            parameters.append(P(name, kind))
            continue
        positional = kind in (P.POSITIONAL_ONLY, P.POSITIONAL_OR_KEYWORD)
        has_default = draw(st.booleans()) or (optional and positional)
        optional = optional or (has_default and positional)
        parameters.append(P(name, kind, default=["default", name] if has_default else P.empty))
    return inspect.Signature(parameters)


calls = st.tuples(
    st.lists(st.integers(), max_size=4).map(tuple), st.dictionaries(names, st.integers(), max_size=3)
)


def function_with(signature):
    """A real function with this signature, which returns its arguments by name."""
    namespace: dict[str, Any] = {}
    exec(f"def f{signature}: return dict(locals())", namespace)
    return namespace["f"]


def outcome(function, call):
    """What the function returns, or TypeError."""
    args, kwargs = call
    try:
        return function(*args, **kwargs)
    except TypeError:
        return TypeError


@settings(derandomize=True, deadline=None, max_examples=400)
@given(signatures(), calls)
def test_a_binder_agrees_with_the_interpreter_about_every_call(signature, call):
    function, bind = function_with(signature), compile_binder(signature, "f")

    def bound(*args, **kwargs):
        given_args, given_kwargs = bind(*args, **kwargs)
        return function(*given_args, **(given_kwargs or {}))

    assert outcome(bound, call) == outcome(function, call)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(signatures(), calls)
def test_values_are_all_arguments_in_the_order_of_the_parameters(signature, call):
    kinds = {p.kind for p in signature.parameters.values()}
    assume(kinds and not kinds & {P.VAR_POSITIONAL, P.VAR_KEYWORD})  # built-ins have no such parameters
    function, values = function_with(signature), compile_values(signature, "f", {})

    def bound(*args, **kwargs):
        return dict(zip(signature.parameters, values(*args, **kwargs), strict=True))

    assert outcome(bound, call) == outcome(function, call)


def test_a_default_is_the_very_object():
    default = object()
    bind = compile_binder(inspect.signature(lambda x=default: x), "<lambda>")
    assert bind() == ((default,), None)


@pytest.mark.parametrize("name", ["<lambda>", "class", "2nd", "", "my function", "x = 1; import os"])
def test_any_name_will_do(name):
    bind = compile_binder(inspect.signature(lambda x: x), name)
    assert bind(1) == ((1,), None)


def test_a_wrong_call_is_reported_under_the_functions_own_name():
    bind = compile_binder(inspect.signature(lambda country, /, *, year=0: 0), "mayor")
    with pytest.raises(TypeError, match=r"mayor\(\) missing 1 required positional argument: 'country'"):
        bind()
    with pytest.raises(TypeError, match=r"mayor\(\) got an unexpected keyword argument 'yaer'"):
        bind("France", yaer=1)


def test_values_are_normalised_and_none_stays_none():
    def declared(text, *, stop=None, top=None): ...

    values = compile_values(
        inspect.signature(declared), "f", {"text": str.upper, "stop": lambda s: (s,), "top": int}
    )
    assert values("a", stop="Q:") == ("A", ("Q:",), None)


def test_text_is_normalised_unless_its_normaliser_leaves_text_alone():
    class Text(str):
        __slots__ = ()

    def only_text(value):
        if not isinstance(value, str):
            raise UsageError("not text")
        return str(value)

    def options(value):
        return (value,)

    def declared(text, choices): ...

    values = compile_values(inspect.signature(declared), "f", {"text": only_text, "choices": options})
    text, choices = values(Text("a"), "b")
    assert type(text) is str
    assert choices == ("b",)
    with pytest.raises(UsageError):
        values(None, "b")


def test_a_wrong_call_says_what_a_right_one_looks_like():
    def mayor(country: str, /, *others: str, year: int = 0, **options: object) -> None: ...

    error = wrong_call(TypeError("mayor() missing 1 argument"), "mayor", inspect.signature(mayor))
    right = "The call is mayor(country, /, *others, year=0, **options)"
    assert str(error) == f"mayor() missing 1 argument. {right}"
