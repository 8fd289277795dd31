"""Is what no backend offers answered by what one does, with the same options, cost and samples?

The page docs/builtins.md holds the table of the chain; `python tests/builtins/test_derived.py --write` writes
it anew.
"""

import itertools
import sys
from pathlib import Path
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.backends import NGram, Scripted
from onetwo_like.builtins import llm
from onetwo_like.builtins.derived import table
from onetwo_like.core.deriving import derivation_of, sources
from onetwo_like.core.operation import operations
from onetwo_like.errors import (
    MalformedReplyError,
    NotBoundError,
    ParseError,
    UnsupportedOptionError,
    UsageError,
)

PAGE = Path(__file__).parents[2] / "docs" / "builtins.md"
BEGIN, END = "<!-- what follows from what: written by tests/builtins/test_derived.py -->\n", "<!-- end -->\n"


@pytest.fixture(autouse=True)
def _a_scope_in_which_nothing_is_bound():
    with ot.RegistryContext(ot.Registry()):
        yield


class Remembering:
    """A cache that lasts as long as the test."""

    def __init__(self):
        self.replies = {}

    def handler_for(self, binding):
        async def handler(request):
            key = (request.values, request.sample_path)
            if key not in self.replies:
                self.replies[key] = await binding.handler(request)
            return self.replies[key]

        return handler


def scripted(*answers, serves="generate_text", **arguments):
    return Scripted(answers, operations=[serves], **arguments).register()


# The chain


@pytest.mark.parametrize(
    ("e", "value"),
    [
        (llm.chat("Hi"), "42"),
        (llm.instruct("Hi"), "42"),
        (llm.generate_texts("Hi", 2), ["42", "42"]),
        (llm.generate_content("Hi"), ot.ChunkList("42")),
        (llm.generate_object("How many?", int), 42),
        (llm.select("How many?", ["41", "42"]), "42"),
    ],
    ids=lambda e: e.kind.name if isinstance(e, ot.Executable) else "",
)
def test_a_function_of_one_prompt_is_enough(e, value):
    llm.generate_text.configure(lambda prompt: "42")
    assert ot.run(e) == value


def test_a_backend_with_nothing_but_chat_is_enough():
    backend = scripted("Hello", "Hello", "42", "a", serves="chat")
    assert ot.run(llm.generate_text("Hi")) == ot.run(llm.instruct("Hi")) == "Hello"
    assert ot.run(llm.generate_object("How many?", int)) == 42
    assert ot.run(llm.select("Which?", ["a", "b"])) == "a"
    assert backend.requests[0].values[0] == (ot.Message("user", "Hi"),)


@pytest.mark.parametrize("name", ["score_text", "embed", "tokenize", "detokenize"])
def test_what_only_the_model_knows_is_never_derived(name):
    Scripted([], operations=set(operations()) - {name}).register()
    with pytest.raises(NotBoundError, match=f"serves '{name}'"):
        ot.run(operations()[name]("Hi") if name in ("embed", "tokenize") else _call_of(name))


def _call_of(name):
    return llm.score_text("Hi", ["a"]) if name == "score_text" else llm.detokenize([1])


def test_no_set_of_bound_operations_leads_in_circles():
    names = sorted({name for of in operations() for name in {of, *sources(of)} if sources(of)})
    for size in range(len(names) + 1):
        for bound in itertools.combinations(names, size):
            with ot.RegistryContext(ot.Registry()):
                Scripted([], operations=bound).register()
                registry = ot.copy_registry()
            for name in names:
                _follow(name, registry, ())


def _follow(name, registry, above):
    assert name not in above
    derivation = None if name in registry else derivation_of(operations()[name], registry)
    for source in derivation.needs if derivation is not None else ():
        _follow(source, registry, (*above, name))


def test_what_is_bound_is_asked_itself_even_if_it_could_be_derived():
    llm.generate_text.configure(lambda prompt: "text")
    assert ot.run(llm.instruct("Hi")) == "text"
    llm.instruct.configure(lambda prompt: "instruct")
    assert ot.run(llm.instruct("Hi")) == "instruct"


def test_what_is_derived_depends_on_the_scope_in_force():
    llm.generate_text.configure(lambda prompt: "outside")
    e = llm.instruct("Hi")
    with ot.RegistryContext():
        llm.chat.configure(lambda messages: "inside")
        inside = ot.copy_registry()
        assert ot.run(e) == "inside"
    assert ot.run(ot.parallel(e, ot.with_registry(e, inside))) == ["outside", "inside"]


def test_the_page_shows_the_chain():
    _, shown, _ = split_page()
    assert shown == table(), "meant? then: python tests/builtins/test_derived.py --write"


def split_page():
    """What is before the table on the page, the table, and what is after it."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    shown, _, after = rest.partition(END)
    return before, shown, after


# Options


OPTIONS: dict[str, Any] = {"temperature": 0.5, "max_tokens": 9, "top_k": 3, "top_p": 0.9, "seed": 7}


@pytest.mark.parametrize(
    "e",
    [
        llm.chat("Hi", **OPTIONS),
        llm.instruct("Hi", **OPTIONS),
        llm.generate_texts("Hi", 1, **OPTIONS),
        llm.generate_content("Hi", **OPTIONS),
        llm.generate_object("Hi", int, **OPTIONS),
    ],
    ids=lambda e: e.kind.name,
)
def test_options_reach_what_is_bound(e):
    backend = scripted("42")
    ot.run(e)
    given = backend.requests[0].arguments
    assert {name: given[name] for name in OPTIONS} == OPTIONS


@pytest.mark.parametrize("option", [*OPTIONS, "stop"])
@pytest.mark.parametrize(
    "name", ["chat", "instruct", "generate_texts", "generate_content", "generate_object"]
)
def test_an_option_that_the_source_refuses_is_refused_under_the_name_that_was_called(name, option):
    calls: list[str] = []
    llm.generate_text.configure(calls.append)
    more: dict[str, list[Any]] = {"generate_texts": [3], "generate_object": [int]}
    e = getattr(llm, name)("Hi", *more.get(name, []), **{option: "Q:" if option == "stop" else 1})
    with pytest.raises(
        UnsupportedOptionError, match=rf"^{name}\({option}=.* as generate_text, does not take '{option}'"
    ):
        ot.run(e)
    assert calls == []


@pytest.mark.parametrize(("option", "value"), [("temperature", 0.5), ("stop", "Q:")])
def test_a_default_of_something_derived_that_the_source_refuses_is_an_error_and_not_dropped(option, value):
    calls: list[str] = []
    llm.generate_text.configure(calls.append)
    llm.chat.update(**{option: value})
    with pytest.raises(UnsupportedOptionError, match=f"does not take '{option}'"):
        ot.run(llm.instruct("Hi"))
    assert calls == []


def test_defaults_of_the_source_hold_for_what_is_derived_and_an_option_given_replaces_them():
    backend = scripted("a", "b", temperature=0.5)
    ot.run(llm.instruct("Hi"))
    ot.run(llm.instruct("Hi", temperature=0.9))
    assert [r.arguments["temperature"] for r in backend.requests] == [0.5, 0.9]


# Details, events, traces


USAGE = ot.Usage(input_tokens=5, output_tokens=2, cached_tokens=None, reasoning_tokens=0, cost=0.25)


def test_details_are_those_of_the_call_that_was_made():
    scripted(ot.Reply(" Hello.\nUser: Bye", USAGE, "stop", "model-1", 1.0, 2.0, ("Hel", "lo"), "id"))
    expected = ot.Reply("Hello.", USAGE, "stop", "model-1", 1.0, 2.0, None, "id")
    assert ot.run(llm.instruct("Hi", include_details=True)) == ("Hello.", expected)


def test_the_usage_of_several_calls_is_added_up():
    reply = ot.Reply("42", USAGE, model_version="model-1")
    scripted(reply, reply, reply)
    _, details = ot.run(llm.generate_texts("Hi", 3, include_details=True))
    assert details.usage == ot.Usage(15, 6, None, 0, 0.75)
    assert details.model_version == "model-1"


def test_usage_of_which_a_part_is_unknown_is_unknown():
    scripted(ot.Reply("none", USAGE), ot.Reply("42"))
    assert ot.run(llm.generate_object("How many?", int, include_details=True))[1].usage is None


def test_several_calls_are_replayed_only_if_all_are():
    scripted(
        ot.Reply("a", replayed=True),
        ot.Reply("b"),
        ot.Reply("c", replayed=True),
        ot.Reply("d", replayed=True),
    )
    assert not ot.run(llm.generate_texts("Hi", 2, include_details=True))[1].replayed
    assert ot.run(llm.generate_texts("Hi", 2, include_details=True))[1].replayed


@pytest.mark.parametrize("streamed", [False, True])
def test_each_text_is_seen_once_while_it_is_written(streamed):
    async def in_pieces(prompt):
        yield "Hel"
        yield "lo"

    llm.generate_text.configure(in_pieces if streamed else lambda prompt: "Hello")
    with ot.stream(llm.instruct("Hi"), only=ot.TextDelta) as events:
        seen = [(event.text, event.span) for event in events]
    texts = ["Hel", "lo"] if streamed else ["Hello"]
    assert seen == [(text, "instruct/chat/generate_text") for text in texts]
    assert events.result == "Hello"


def test_only_calls_that_were_made_are_counted():
    scripted(ot.Reply("none", USAGE), ot.Reply("42", USAGE))
    seen: list[ot.Event] = []
    _, trace = ot.run(llm.generate_object("How many?", int), enable_tracing=True, on_event=seen.append)
    finished = [event for event in seen if isinstance(event, ot.CallFinished)]
    assert [(event.operation, event.usage) for event in finished] == [("generate_text", USAGE)] * 2
    assert [event.operation for event in seen if isinstance(event, ot.CallStarted)] == ["generate_text"] * 2
    assert [(span.name, span.usage, span.cache) for span in trace.walk()] == [
        ("", None, None),
        ("generate_object", None, None),
        *[("chat", None, None), ("generate_text", USAGE, "made")] * 2,
    ]


# Chat


def test_a_conversation_is_one_prompt_that_ends_at_the_users_next_turn():
    backend = scripted(" Madrid.\nUser: And of Italy?\nModel: Rome.")
    conversation = [
        ot.Message("user", "Capital of France?"),
        ot.Message("model", "Paris."),
        ot.Message("user", "Spain?"),
    ]
    assert ot.run(llm.chat(conversation)) == "Madrid."
    assert backend.requests[0].arguments == {
        "prompt": "User: Capital of France?\nModel: Paris.\nUser: Spain?\nModel:",
        "stop": ("\nUser:",),
    }


def test_a_model_that_takes_no_stop_gives_the_same_answer():
    llm.generate_text.configure(lambda prompt: " Madrid.\nUser: And of Italy?\nModel: Rome.")
    assert ot.run(llm.chat("Capital of Spain?")) == "Madrid."


def test_stop_strings_that_were_given_or_are_the_default_still_hold():
    backend = scripted("a", "b", "c", "d", stop="D:")
    ot.run(llm.chat("Hi"))
    ot.run(llm.chat("Hi", stop="Q:"))
    ot.run(llm.chat("Hi", stop=[]))
    llm.chat.update(stop="C:")
    ot.run(llm.chat("Hi"))
    assert [r.arguments["stop"] for r in backend.requests] == [
        ("D:", "\nUser:"),
        ("Q:", "\nUser:"),
        ("\nUser:",),
        ("C:", "\nUser:"),
    ]


def test_a_conversation_with_an_image_needs_a_chat_of_its_own():
    picture = ot.Chunk(b"...", "image/png")
    llm.generate_text.configure(lambda prompt: "a cat")
    with pytest.raises(UsageError, match=r"image/png.*Register a backend whose chat takes such content"):
        ot.run(llm.instruct(["What is this?", picture]))
    llm.chat.configure(lambda messages: str(messages[0].content))
    assert ot.run(llm.instruct(["What is this?", picture])) == "What is this?[image/png]"


# Samples


def test_five_samples_extend_three_with_two_new_calls():
    backend = scripted(*"abcde", cache=Remembering())
    e = llm.generate_texts("Hi", 3, temperature=1.0)
    assert ot.run(e) == ["a", "b", "c"]
    assert ot.run(llm.generate_texts("Hi", 5, temperature=1.0)) == ["a", "b", "c", "d", "e"]
    assert [r.sample_path for r in backend.requests] == [(0,), (1,), (2,), (3,), (4,)]


def test_samples_are_those_of_repeat():
    scripted(*"abcdef", cache=Remembering())
    texts = ot.run(llm.generate_texts("Hi", 3))
    assert ot.run(ot.parallel(*ot.repeat(llm.generate_text("Hi"), 3))) == texts


def test_samples_within_samples_differ():
    backend = scripted(*"abcd")
    ot.run(ot.parallel(*ot.repeat(llm.generate_texts("Hi", 2), 2)))
    assert sorted(r.sample_path for r in backend.requests) == [(0, 0), (0, 1), (1, 0), (1, 1)]


# Typed objects


@pytest.mark.parametrize(
    "e",
    [llm.chat("Hi"), llm.instruct("Hi"), llm.generate_content("Hi"), llm.generate_object("Hi", int)],
    ids=repr,
)
@pytest.mark.parametrize("answer", [None, 42])
def test_an_answer_that_is_no_text_is_named(e, answer):
    llm.generate_text.configure(lambda prompt: answer)
    with pytest.raises(MalformedReplyError, match=f"generate_text answered {answer}, and text was expected"):
        ot.run(e)


def test_the_question_ends_with_the_form_of_the_answer():
    backend = scripted("42", serves="chat")
    system = ot.Chunk("Be terse.", role="system")
    assert ot.run(llm.generate_object([system, "How many?"], int)) == 42
    assert backend.requests[0].values[0] == (
        ot.Message("system", "Be terse."),
        ot.Message("user", "How many?\n\nAnswer with one whole number and nothing else."),
    )


def test_a_conversation_that_ends_with_the_model_gets_the_form_as_the_users_message():
    backend = scripted("42", serves="chat")
    assert ot.run(llm.generate_object(["How many?", ot.Chunk("Many.", role="model")], int)) == 42
    assert backend.requests[0].values[0][1:] == (
        ot.Message("model", "Many."),
        ot.Message("user", "Answer with one whole number and nothing else."),
    )


def test_an_image_in_the_question_stays_an_image():
    backend = scripted("2", serves="chat")
    picture = ot.Chunk(b"...", "image/png")
    assert ot.run(llm.generate_object(["How many cats?", picture], int)) == 2
    assert backend.requests[0].values[0][0].content[1] == picture


def test_a_model_is_shown_what_is_wrong_with_its_answer_and_may_answer_again():
    backend = scripted("A few.", "42", serves="chat")
    assert ot.run(llm.generate_object("How many?", int)) == 42
    question, answer, error = backend.requests[1].values[0]
    assert (question,) == backend.requests[0].values[0]
    assert answer == ot.Message("model", "A few.")
    assert error.role == "user"
    assert "A few." in error.text


@pytest.mark.parametrize(("max_repairs", "calls"), [(None, 2), (0, 1), (1, 2), (3, 4)])
def test_a_model_that_never_gets_it_right_is_asked_so_often_and_no_more(max_repairs, calls):
    backend = scripted("few", "many", "some", "none", "all", serves="chat")
    with pytest.raises(
        ParseError, match=rf"no float in the model's answer \(attempt {calls} of {calls}\): "
    ) as caught:
        ot.run(llm.generate_object("How many?", float, max_repairs=max_repairs))
    assert len(backend.requests) == calls
    assert caught.value.reply == ["few", "many", "some", "none"][calls - 1]


@pytest.mark.parametrize(("finish_reason", "is_said"), [("length", True), ("stop", False)])
def test_an_answer_that_was_cut_off_is_said_to_be(finish_reason, is_said):
    scripted(ot.Reply('{"a": [1, 2', finish_reason=finish_reason))
    with pytest.raises(ParseError) as caught:
        ot.run(llm.generate_object("How many?", dict[str, int], max_repairs=0))
    assert ("cut off at max_tokens" in str(caught.value)) is is_said


def test_a_type_that_no_answer_can_have_is_an_error_before_any_call():
    calls: list[str] = []
    llm.generate_text.configure(calls.append)
    with pytest.raises(UsageError, match="Executable cannot be asked of a model"):
        ot.run(llm.generate_object("Which?", ot.Executable))
    assert calls == []


# Choices


def test_the_option_with_the_highest_score_is_selected_and_options_are_ranked_by_it():
    llm.score_text.configure(
        lambda prompt, targets: [{"a": -2, "b": -0.5, "c": -2, "d": float("-inf")}[t] for t in targets]
    )
    assert ot.run(llm.select("Which?", ["a", "b", "c"])) == "b"
    assert ot.run(llm.rank("Which?", ["d", "c", "a", "b"])) == ["b", "c", "a", "d"]
    assert ot.run(llm.select("Which?", ["c", "a"])) == "c"


def test_scores_come_before_questions():
    Scripted(AssertionError("asked"), operations=["generate_text", "chat", "generate_object"]).register()
    llm.score_text.configure(lambda prompt, targets: [len(t) for t in targets])
    assert ot.run(llm.select("Which?", ["a", "bb"])) == "bb"
    assert ot.run(llm.rank("Which?", ["a", "bb"])) == ["bb", "a"]


@pytest.mark.parametrize(
    "scores",
    [None, 0.5, {"a": 1, "b": 2}, [], [-1.0], [-1.0, None], [-1.0, float("nan")], [-1.0, -2.0, -3.0]],
)
def test_scores_that_are_not_one_number_for_each_option_are_an_error(scores):
    llm.score_text.configure(lambda prompt, targets: scores)
    with pytest.raises(MalformedReplyError, match="to 2 targets; one number for each was expected"):
        ot.run(llm.select("Which?", ["a", "b"]))


def test_a_backend_of_typed_objects_is_asked_for_an_enumeration():
    backend = Scripted(["b", ["b", "a"]], operations=["generate_object", "chat"]).register()
    assert ot.run(llm.select("Which?", ["a", "b"])) == "b"
    assert ot.run(llm.rank("Which?", ["a", "b"])) == ["b", "a"]
    assert [str(r.arguments["cls"]) for r in backend.requests] == [
        "typing.Literal['a', 'b']",
        "list[typing.Literal['a', 'b']]",
    ]


def test_a_model_that_can_only_talk_is_given_the_options():
    backend = scripted("I would say green.", serves="chat")
    assert ot.run(llm.select("Which?", ["red", "green"])) == "green"
    question = backend.requests[0].values[0][0].text
    assert question == 'Which?\n\nAnswer with exactly one of these options and nothing else: "red", "green"'


def test_an_answer_that_is_no_option_is_a_parse_error_with_the_reply():
    scripted("Blue.", "Blue!")
    with pytest.raises(ParseError, match="red") as caught:
        ot.run(llm.select("Which?", ["red", "green"]))
    assert caught.value.reply == "Blue!"


def test_a_backend_that_selects_what_was_no_option_is_not_believed():
    scripted("c", serves="generate_object")
    with pytest.raises(ParseError, match=r"selected 'c', which is none of \['a', 'b'\]") as caught:
        ot.run(llm.select("Which?", ["a", "b"]))
    assert caught.value.reply == "c"


def test_a_model_that_can_only_talk_gives_an_order_in_one_call():
    backend = scripted('Here it is: ["green", "red", "blue"]', serves="chat")
    assert ot.run(llm.rank("Which?", ["red", "green", "blue"])) == ["green", "red", "blue"]
    question = backend.requests[0].values[0][0].text
    assert question.startswith(
        'Which?\n\nPut all of these options in order, the best one first: ["red", "green", "blue"]\n\n'
    )


@pytest.mark.parametrize(
    ("order", "what"),
    [
        (["a"], r"leaves out \['b'\]"),
        (["a", "b", "a"], "names more than the options"),
        (None, r"leaves out \['a', 'b'\]"),
        (["a", "c"], r"leaves out \['b'\]"),
    ],
)
def test_an_order_that_is_not_of_these_options_is_a_parse_error_with_the_reply(order, what):
    scripted(order, serves="generate_object")
    with pytest.raises(ParseError, match=what) as caught:
        ot.run(llm.rank("Which?", ["a", "b"]))
    assert caught.value.reply == order


def test_one_option_needs_no_special_case():
    scripted("a", '["a"]')
    assert ot.run(llm.select("Which?", ["a"])) == "a"
    assert ot.run(llm.rank("Which?", ["a"])) == ["a"]


# Tokens


def test_tokens_are_counted_by_the_models_own_tokenizer():
    llm.tokenize.configure(lambda text: [ord(c) for c in text])
    assert ot.run(llm.count_tokens(ot.ChunkList(["a", ot.Chunk("bc", metadata={"n": 1})]))) == 3
    with pytest.raises(UsageError, match="image/png"):
        ot.run(llm.count_tokens(ot.Chunk(b"...", "image/png")))
    llm.tokenize.configure(lambda text: 3)
    with pytest.raises(MalformedReplyError, match="tokenize answered 3, and a list of tokens was expected"):
        ot.run(llm.count_tokens("abc"))


# With a real model


def test_the_embedded_model_answers_what_follows_from_it():
    NGram(order=5).register()
    question = "Q: What is the capital of France?\nA:"
    assert ot.run(llm.select(question, [" Rome", " Paris", " Berlin"])) == " Paris"
    assert ot.run(llm.rank(question, [" Rome", " Paris", " Berlin"]))[0] == " Paris"
    assert ot.run(llm.generate_content(question)) == ot.ChunkList(" Paris")
    texts = ot.run(llm.generate_texts("The capital of", 5, temperature=1.0, seed=1))
    assert len(set(texts)) > 1


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit("usage: python tests/builtins/test_derived.py --write")
    before, _, after = split_page()
    PAGE.write_text(f"{before}{BEGIN}{table()}{END}{after}", encoding="utf-8")
