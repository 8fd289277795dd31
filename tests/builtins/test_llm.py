"""Do the built-ins take what they say, refuse the rest where it is written, and ask what is bound?"""

import functools
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.backends import Scripted
from onetwo_like.builtins import llm
from onetwo_like.core.operation import operations
from onetwo_like.errors import MalformedReplyError, NotBoundError, UnsupportedOptionError, UsageError

WRONGLY: Any = llm  # for calls that a type checker refuses
NAMES = [name for name in llm.__all__ if name != "run_tools"]  # which is made of these
EVERY: list[Any] = [getattr(llm, name) for name in NAMES]
# For each built-in, arguments that it takes.
CALLS = {
    "chat": ("Hi",),
    "count_tokens": ("Hi",),
    "detokenize": ([1, 2],),
    "embed": (["Hi"],),
    "generate_content": ("Hi",),
    "generate_object": ("Hi", int),
    "generate_text": ("Hi",),
    "generate_texts": ("Hi", 2),
    "instruct": ("Hi",),
    "rank": ("Hi", ["a", "b"]),
    "score_text": ("Hi", ["a", "b"]),
    "select": ("Hi", ["a", "b"]),
    "tokenize": ("Hi",),
}


@pytest.fixture(autouse=True)
def _a_scope_in_which_nothing_is_bound():
    with ot.RegistryContext(ot.Registry()):
        yield


def asked(e):
    """The request that a backend gets, which answers everything."""
    backend = Scripted(lambda request: "answer", operations=[e.kind.name]).register()
    ot.run(e)
    return backend.requests[0]


# Arguments


def test_the_built_ins_are_these_under_their_own_names():
    assert sorted(CALLS) == sorted(NAMES) == sorted(operations())
    assert [op.name for op in EVERY] == NAMES


@pytest.mark.parametrize("op", EVERY, ids=lambda op: op.name)
def test_calling_one_asks_nobody(op):
    assert isinstance(op(*CALLS[op.name]), ot.Executable)


@pytest.mark.parametrize(
    ("option", "spellings", "value"),
    [
        ("temperature", [0, 0.0, -0.0, False + 0], 0.0),
        ("max_tokens", [20, 20.0], 20),
        ("stop", ["Q:", ["Q:"], ("Q:",), iter(["Q:"])], ("Q:",)),
        ("top_k", [3, 3.0], 3),
        ("top_p", [1, 1.0], 1.0),
        ("seed", [-7, -7.0], -7),
    ],
)
def test_all_spellings_of_an_option_are_one_request(option, spellings, value):
    found = [asked(llm.generate_text("Hi", **{option: spelling})).arguments[option] for spelling in spellings]
    assert [repr(v) for v in found] == [repr(value)] * len(spellings)


def test_all_spellings_of_a_prompt_are_one_request():
    text = ot.Chunk("Hi")
    found = [
        asked(llm.generate_text(p)).values[0] for p in ("Hi", text, [text], ["H", "i"], ot.ChunkList("Hi"))
    ]
    assert found == ["Hi"] * 5


def test_all_spellings_of_a_conversation_are_one_request():
    message = ot.Message("user", "Hi")
    found = [asked(llm.chat(m)).values[0] for m in ("Hi", message, [message], (message,), ot.Chunk("Hi"))]
    assert found == [(message,)] * 5


def test_what_an_executable_gives_is_normalised_as_if_it_had_been_written():
    stop = ot.make_executable(lambda: "Q:")()
    assert asked(WRONGLY.generate_text("Hi", stop=stop)).arguments["stop"] == ("Q:",)


def test_an_executable_that_gives_something_impossible_is_refused_when_it_has_run():
    e = llm.generate_text(ot.make_executable(lambda: 42)())
    with pytest.raises(UsageError, match=r"generate_text\(prompt=\.\.\.\): content is a str.*not int: 42"):
        asked(e)


def test_changing_a_list_after_the_call_changes_nothing():
    options = ["a", "b"]
    e = llm.select("Hi", options)
    options.append("c")
    assert asked(e).arguments["options"] == ("a", "b")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: WRONGLY.generate_text(), "missing 1 required positional argument: 'prompt'"),
        (lambda: WRONGLY.generate_text("Hi", temprature=0), "unexpected keyword argument 'temprature'"),
        (lambda: WRONGLY.generate_text("Hi", 0.5), "takes 1 positional argument but 2 were given"),
        (lambda: WRONGLY.generate_text(None), "prompt=.*not NoneType: None"),
        (lambda: WRONGLY.generate_text(42), "prompt=.*not int: 42"),
        (lambda: WRONGLY.generate_text(b"Hi"), "prompt=.*not bytes: b'Hi'"),
        (
            lambda: WRONGLY.generate_text("Hi", temperature="hot"),
            "temperature=.*takes a number, not str: 'hot'",
        ),
        (
            lambda: WRONGLY.generate_text("Hi", temperature=True),
            "temperature=.*takes a number, not bool: True",
        ),
        (lambda: WRONGLY.generate_text("Hi", max_tokens=0), "max_tokens=.*at least 1, not 0"),
        (lambda: WRONGLY.generate_text("Hi", max_tokens=1.5), "max_tokens=.*whole number, not float: 1.5"),
        (
            lambda: WRONGLY.generate_text("Hi", max_tokens=float("inf")),
            "max_tokens=.*whole number, not float: inf",
        ),
        (
            lambda: WRONGLY.generate_text("Hi", max_tokens=float("nan")),
            "max_tokens=.*whole number, not float: nan",
        ),
        (
            lambda: WRONGLY.generate_text("Hi", temperature=float("nan")),
            "temperature=.*takes a number, not float: nan",
        ),
        (lambda: WRONGLY.generate_text("Hi", stop=[1]), "stop=.*one item is int: 1"),
        (lambda: WRONGLY.generate_text("Hi", stop=1), "stop=.*takes a str or a list of them, not int: 1"),
        (lambda: WRONGLY.generate_text("Hi", stop=""), "stop=.*empty"),
        (lambda: WRONGLY.generate_text("Hi", top_k=-1), "top_k=.*at least 1, not -1"),
        (lambda: WRONGLY.generate_text("Hi", seed="x"), "seed=.*whole number, not str: 'x'"),
        (lambda: WRONGLY.generate_texts("Hi", 0), "samples=.*at least 1, not 0"),
        (lambda: WRONGLY.generate_object("Hi", [int]), r"cls=.*not \[<class 'int'>\]"),
        (lambda: WRONGLY.chat({"role": "user"}), "messages=.*not dict.*ot.Message"),
        (lambda: WRONGLY.chat([("user", "Hi")]), "messages=.*one item is .'user', 'Hi'.*ot.Message"),
        (lambda: WRONGLY.chat(["Hi", ot.Message("user", "Hi")]), "messages=.*one item is 'Hi'"),
        (lambda: WRONGLY.chat(b"Hi"), "messages=.*not bytes: b'Hi'"),
        (lambda: WRONGLY.select("Hi", "ab"), r"options=.*list of options, not one str: \['ab'\]"),
        (lambda: WRONGLY.generate_object("Hi", 42), "cls=.*takes a type, such as int.*not 42"),
        (lambda: WRONGLY.generate_object("Hi", int, max_repairs=-1), "max_repairs=.*at least 0, not -1"),
        (lambda: WRONGLY.chat([]), "messages=.*at least one message"),
        (
            lambda: WRONGLY.chat([{"role": "user", "content": "Hi"}]),
            "messages=.*list of ot.Message.*one item is {'role'",
        ),
        (lambda: WRONGLY.select("Hi", []), "options=.*at least one option"),
        (lambda: WRONGLY.select("Hi", ["a", "a"]), "options=.*one is there twice"),
        (lambda: WRONGLY.select("Hi", {"a": 1}), "options=.*not dict"),
        (lambda: WRONGLY.tokenize(42), "text=.*takes a str, not int: 42"),
        (lambda: WRONGLY.detokenize("Hi"), "tokens=.*list of token numbers, not str: 'Hi'"),
        (lambda: WRONGLY.detokenize(["a"]), "tokens=.*whole number, not str: 'a'"),
        (
            lambda: WRONGLY.generate_text([llm.instruct("Hi")]),
            "prompt=.*list holds an executable that has not run",
        ),
        (
            lambda: WRONGLY.embed(["a", llm.instruct("Hi")]),
            "texts=.*list holds an executable that has not run",
        ),
        (
            lambda: WRONGLY.chat([ot.Message("user", "a"), llm.instruct("Hi")]),
            "messages=.*holds an executable",
        ),
    ],
)
def test_a_wrong_argument_is_a_type_error_where_the_call_is_written(wrong, message):
    with pytest.raises(TypeError, match=message):
        wrong()


# Binding


def test_a_configured_function_answers_in_its_scope_only():
    with ot.RegistryContext():
        llm.generate_text.configure(lambda prompt: prompt.upper())
        assert llm.generate_text.is_configured()
        assert ot.run(llm.generate_text("Hi")) == "HI"
    assert not llm.generate_text.is_configured()
    with pytest.raises(NotBoundError):
        ot.run(llm.generate_text("Hi"))


def test_what_is_only_derived_is_not_configured():
    llm.generate_text.configure(lambda prompt: prompt)
    assert not llm.instruct.is_configured()


class Shouting:
    """A callable object."""

    async def __call__(self, prompt):
        return f"{prompt}!"


async def whisper(prompt, suffix):
    return prompt.lower() + suffix


@pytest.mark.parametrize(
    ("function", "answer"),
    [
        (lambda prompt: prompt, "Hi"),
        (lambda text: text, "Hi"),
        (lambda *arguments: str(arguments), "('Hi',)"),
        (lambda **arguments: str(arguments), "{'prompt': 'Hi'}"),
        (lambda prompt, temperature=0.5: f"{prompt} {temperature}", "Hi 0.5"),
        (lambda prompt, temperature: f"{prompt} {temperature}", "Hi None"),
        (lambda request: f"{request.operation}", "generate_text"),
        (str.upper, "HI"),
        (Shouting(), "Hi!"),
        (functools.partial(whisper, suffix="..."), "hi..."),
        (lambda prompt: whisper(prompt, "?"), "hi?"),
        (lambda prompt: ot.Reply(prompt + "."), "Hi."),
    ],
)
def test_any_callable_of_the_arguments_it_likes_can_be_configured(function, answer):
    llm.generate_text.configure(function)
    assert ot.run(llm.generate_text("Hi")) == answer


def test_what_an_async_generator_yields_is_a_delta_each_and_joined_is_the_value():
    async def in_pieces(prompt):
        for letter in prompt:
            yield letter

    llm.generate_text.configure(in_pieces)
    with ot.stream(llm.generate_text("abc"), only=ot.TextDelta) as events:
        assert [event.text for event in events] == ["a", "b", "c"]
    assert events.result == "abc"


async def numbers(prompt):
    yield 42


@pytest.mark.parametrize("function", [numbers, lambda prompt: numbers(prompt)])
def test_an_async_generator_that_yields_no_text_is_named(function):
    llm.generate_text.configure(function)
    with pytest.raises(MalformedReplyError, match="yields strings, not 42"):
        ot.run(llm.generate_text("Hi"))


@pytest.mark.parametrize(
    ("configure", "message"),
    [
        (
            lambda: WRONGLY.generate_text.configure(lambda: ""),
            "passes prompt, which the function .* does not take",
        ),
        (
            lambda: WRONGLY.select.configure(lambda prompt: "a"),
            "passes options, which the function .* does not take",
        ),
        (lambda: WRONGLY.generate_text.configure("Hi"), "configure takes a function, not str: 'Hi'"),
        (
            lambda: WRONGLY.generate_text.configure(lambda prompt, model: ""),
            "no argument 'model', which the function",
        ),
        (
            lambda: WRONGLY.generate_text.configure(len, temprature=0),
            "no option 'temprature'; its options are temperature",
        ),
        (lambda: WRONGLY.generate_text.configure(len, prompt="x"), "no option 'prompt'"),
        (lambda: WRONGLY.generate_text.configure(len, temperature="hot"), "temperature=.*not str: 'hot'"),
        (lambda: WRONGLY.generate_text.configure(len, fingerprint=5), "fingerprint as a name, not 5"),
        (lambda: WRONGLY.generate_text.configure(len, fingerprint=""), "fingerprint as a name, not ''"),
        (
            lambda: WRONGLY.generate_text.update(temprature=0),
            "no option 'temprature'; its options are temperature",
        ),
        (lambda: WRONGLY.select.update(temperature=0), "no option 'temperature'; its options are none"),
    ],
)
def test_a_wrong_binding_is_a_type_error_where_it_is_written(configure, message):
    with pytest.raises(UsageError, match=message):
        configure()
    assert not llm.generate_text.is_configured()


# Options (promise 10)


def test_none_means_the_default_in_scope_and_defaults_are_part_of_the_request():
    backend = Scripted(["a", "b", "c"], temperature=0.5, stop="Q:").register()
    ot.run(llm.generate_text("Hi"))
    ot.run(llm.generate_text("Hi", temperature=None))
    ot.run(llm.generate_text("Hi", temperature=0))
    assert [r.arguments["temperature"] for r in backend.requests] == [0.5, 0.5, 0.0]
    assert {r.arguments["stop"] for r in backend.requests} == {("Q:",)}


def test_update_changes_one_default_and_keeps_the_others_and_what_is_bound():
    backend = Scripted(["a", "b"], temperature=0.5, stop="Q:").register()
    with ot.RegistryContext():
        llm.generate_text.update(temperature=0.9, stop=None)
        ot.run(llm.generate_text("Hi"))
    ot.run(llm.generate_text("Hi"))
    assert [r.arguments for r in backend.requests] == [
        {"prompt": "Hi", "temperature": 0.9},
        {"prompt": "Hi", "temperature": 0.5, "stop": ("Q:",)},
    ]


def test_a_default_may_be_set_before_anything_is_bound_and_holds_for_what_is_derived():
    llm.instruct.update(temperature=0.9)
    assert not llm.instruct.is_configured()
    backend = Scripted(["a"]).register()
    ot.run(llm.instruct("Hi"))
    assert backend.requests[0].arguments["temperature"] == 0.9


def test_an_option_that_the_function_does_not_take_is_an_error_before_any_call():
    calls: list[str] = []
    llm.generate_text.configure(calls.append)
    with pytest.raises(
        UnsupportedOptionError, match=r"generate_text\(temperature=0\.5\).*does not take 'temperature'"
    ):
        ot.run(llm.generate_text("Hi", temperature=0.5))
    assert calls == []


def test_a_default_that_the_function_does_not_take_is_not_handed_to_it():
    llm.generate_text.configure(lambda prompt: prompt, temperature=0.0)
    assert ot.run(llm.generate_text("Hi")) == "Hi"


def test_a_default_that_what_is_bound_does_not_take_cannot_be_set_afterwards():
    llm.generate_text.configure(lambda prompt: prompt)
    with pytest.raises(UnsupportedOptionError, match="does not take 'temperature'; it takes prompt"):
        llm.generate_text.update(temperature=0.5)


# Details


@pytest.mark.parametrize("op", EVERY, ids=lambda op: op.name)
def test_include_details_gives_the_reply_and_is_no_part_of_the_request(op):
    reply = ot.Reply("answer", ot.Usage(3, 1, cost=0.5), finish_reason="stop")
    backend = Scripted([reply, reply, reply], operations=[op.name]).register()
    detailed = op(*CALLS[op.name], include_details=True)
    assert ot.run(detailed) == ("answer", reply)
    assert ot.run(op(*CALLS[op.name], include_details=False)) == "answer"
    assert ot.run(op(*CALLS[op.name])) == "answer"
    assert len(set(backend.requests)) == 1


def test_details_are_shown_as_written_and_work_with_arguments_that_have_to_run_first():
    llm.generate_text.configure(lambda prompt: ot.Reply(prompt + "!", finish_reason="stop"))
    e = llm.generate_text(llm.generate_text("Hi"), include_details=True)
    assert repr(e) == "generate_text(generate_text(...), include_details=True)"
    assert ot.run(e) == ("Hi!!", ot.Reply("Hi!!", finish_reason="stop"))


# Nothing there


def test_without_a_backend_the_error_says_what_to_bind():
    with pytest.raises(NotBoundError) as caught:
        ot.run(llm.instruct("Hi"))
    assert str(caught.value) == (
        "No backend in scope serves 'instruct': nothing is bound here. Call register() on a backend that offers "
        "instruct, chat or generate_text, or bind a function: llm.instruct.configure(function)."
    )


def test_what_is_bound_but_does_not_help_is_named():
    llm.generate_text.configure(lambda prompt: prompt)
    with pytest.raises(NotBoundError, match=r"serves 'embed'; bound here: generate_text\. Call register"):
        ot.run(llm.embed("Hi"))
