"""Do texts, templates and calls in a row each see what came before, however and wherever the row runs?"""

import asyncio
import contextvars
import copy
import dataclasses
import pickle
import subprocess
import sys
from typing import Any, assert_type

import pytest

from onetwo_like import ot
from onetwo_like.backends import Scripted
from onetwo_like.builtins import composables as c
from onetwo_like.builtins import llm
from onetwo_like.errors import (
    MalformedReplyError,
    NotBoundError,
    ParseError,
    TemplateError,
    UnsupportedOptionError,
    UsageError,
)

IMAGE = ot.Chunk(b"...", "image/png")


@pytest.fixture(autouse=True)
def _own_registry():
    with ot.RegistryContext():
        yield


@pytest.fixture
def prompts():
    """What generate_text was asked; it answers <1>, <2>, ..."""
    asked: list[Any] = []

    def answer(prompt, max_tokens=None):
        asked.append(prompt)
        return f"<{len(asked)}>"

    llm.generate_text.configure(answer)
    return asked


def all_at_once(n):
    """An implementation that answers when it has been called `n` times: only if the calls overlap."""
    barrier = asyncio.Barrier(n)

    async def answer(prompt):
        await barrier.wait()
        return f"<{prompt}>"

    return answer


# Sequencing


def test_each_call_is_prompted_with_all_that_came_before(prompts):
    chain = (
        "What is the southernmost city in France?"
        + c.generate_text()
        + "Who is its mayor?"
        + c.generate_text()
    )
    assert ot.run(chain) == "What is the southernmost city in France?<1>Who is its mayor?<2>"
    assert prompts == [
        "What is the southernmost city in France?",
        "What is the southernmost city in France?<1>Who is its mayor?",
    ]


@pytest.mark.parametrize(
    ("chain", "text"),
    [
        ("a" + c.c("b"), "ab"),
        (c.c("b") + "a", "ba"),
        (ot.Chunk("a") + c.c("b"), "ab"),
        (c.c("b") + ot.Chunk("a"), "ba"),
        (ot.ChunkList(["a", "b"]) + c.c("c"), "abc"),
        (c.c("c") + ot.ChunkList(["a", "b"]), "cab"),
        (c.c("a") + c.c("b"), "ab"),
        (c.Text("a") + c.c("b"), "ab"),
        (c.c("a") + "", "a"),
    ],
)
def test_strings_and_content_join_on_either_side(chain, text):
    assert ot.run(chain) == text


def test_joining_does_not_change_what_is_joined():
    one = c.c("a")
    one + "b"
    assert ot.run(one) == "a"


def test_a_chain_of_5000_parts_runs_and_is_flat(prompts):
    chain = c.c("")
    for _ in range(2_500):
        chain = chain + "x" + c.generate_text(max_tokens=1)
    text = ot.run(chain)
    assert len(prompts) == 2_500
    assert text.startswith("x<1>x<2>")
    assert text.endswith("x<2500>")
    steps, _ = chain.args
    assert len(steps) == 5_001
    assert len(text.content) == 1


def test_what_is_not_content_cannot_be_joined():
    with pytest.raises(TypeError, match=r"unsupported operand .* 'Composable' and 'int'"):
        c.c("a") + 5  # type: ignore[operator]


def test_an_executable_that_is_no_composable_is_refused_with_what_to_write():
    with pytest.raises(UsageError, match=r"generate_text\('x'\) is no composable.*c\.c\(\.\.\.\)"):
        c.c("a") + llm.generate_text("x")  # type: ignore[operator]


@pytest.mark.parametrize(
    "write",
    [
        lambda step: c.c("a") + step.map(str.strip),
        lambda step: c.c(step.timeout(3)),
        lambda step: c.store("x", step.retry(3)),
        lambda step: c.join("a", step.named("b")),
    ],
)
def test_a_call_that_would_lose_its_prompt_is_refused(write):
    with pytest.raises(UsageError, match="would not see what comes before"):
        write(c.generate_text())


# The value


def test_the_value_is_a_str_with_variables_and_content():
    llm.chat.configure(lambda messages: "Nice.")
    chain = c.c("Be brief.", role="system") + c.f("{q}")(q="Where?") + c.store("a", c.chat())
    text = ot.run(chain)
    assert_type(text, c.Text)
    assert isinstance(text, str)
    assert text == "Be brief.Where?Nice."
    assert text.variables == {"q": "Where?", "a": "Nice."}
    assert isinstance(text.variables, dict)
    assert text.content == ot.ChunkList(
        [ot.Chunk("Be brief.", role="system"), ot.Chunk("Where?"), ot.Chunk("Nice.", role="model")]
    )


def test_the_value_can_be_copied_and_pickled_with_all_it_carries():
    text = ot.run(c.store("x", "1") + IMAGE)
    for same in (pickle.loads(pickle.dumps(text)), copy.deepcopy(text)):
        assert (same, same.content, same.variables) == (text, text.content, text.variables)


def test_types_are_known_to_a_type_checker(prompts):
    assert_type("a" + c.generate_text(), c.Composable)
    assert_type(c.generate_text() + "a" + ot.Chunk("b"), c.Composable)
    assert_type(c.j("{{ x }}")(x=1), c.Composable)
    step = ot.make_composable(lambda context: "x")
    assert_type("a" + step(), c.Composable)
    assert_type(ot.run(ot.parallel(c.c("a"), c.c("b"))), list[c.Text])


# As an executable


def test_executing_twice_gives_two_right_answers(prompts):
    chain = "a" + c.store("x", c.generate_text()) + c.j("{{ generate_text() }}{{ x }}")
    assert [ot.run(chain), ot.run(chain)] == ["a<1><2><1>", "a<3><4><3>"]


def test_executing_at_once_keeps_the_runs_apart():
    llm.generate_text.configure(all_at_once(2))
    chain = "a" + c.generate_text() + c.j("b{{ generate_text() }}")

    async def run():
        return await chain

    async def both():
        async with asyncio.timeout(30):
            return await asyncio.gather(run(), run())

    assert asyncio.run(both()) == ["a<a>b<a<a>b>"] * 2


def test_two_backends_answer_one_composable_each_in_its_way():
    chain = "a" + c.generate_text() + c.j("{{ generate_text() }}")
    registries = []
    for mark in "+-":
        with ot.RegistryContext():
            llm.generate_text.configure(lambda prompt, mark=mark: mark)
            registries.append(ot.copy_registry())
    both = ot.parallel(*[ot.with_registry(chain, registry) for registry in registries])
    assert ot.run(both) == ["a++", "a--"]


def test_as_an_argument_it_is_the_text_it_said(prompts):
    assert ot.run(llm.generate_text("a" + c.generate_text())) == "<2>"
    assert prompts == ["a", "a<1>"]
    assert type(prompts[1]) is str

    length = ot.make_executable(lambda text: (isinstance(text, str), len(text)))
    assert ot.run(length("a" + c.generate_text())) == (True, 4)


def test_as_an_argument_it_keeps_its_images_and_roles():
    backend = Scripted(["ok"]).register()
    ot.run(llm.chat(c.c("Be brief.", role="system") + "See " + IMAGE))
    user = ot.Message("user", ot.ChunkList(["See ", IMAGE]))
    assert backend.requests[0].arguments["messages"] == (ot.Message("system", "Be brief."), user)


def test_branches_of_parallel_overlap_and_keep_their_order():
    llm.generate_text.configure(all_at_once(3))
    branches = ot.parallel(*[x + c.generate_text() for x in "abc"]).timeout(30)
    assert ot.run(branches) == ["a<a>", "b<b>", "c<c>"]


def test_a_composable_used_twice_in_one_graph_runs_once(prompts):
    chain = "a" + c.generate_text()
    assert ot.run(ot.parallel(chain, chain)) == ["a<1>", "a<1>"]
    assert len(prompts) == 1


def test_samples_of_a_composable_reach_every_call_in_it():
    backend = Scripted(lambda prompt: "x").register()
    chain = "a" + c.generate_text() + c.j("{{ generate_text() }}") + c.join(c.generate_text(), "y")
    ot.run(ot.parallel(*ot.repeat(chain, 2), max_concurrency=1))
    assert [r.sample_path for r in backend.requests] == [(0,)] * 3 + [(1,)] * 3


def test_options_of_retry_and_timeout_apply_to_the_whole(prompts):
    llm.generate_text.configure(lambda prompt: 1 / 0)
    assert ot.run(("a" + c.generate_text()).fallback("b")) == "b"


@pytest.mark.parametrize("use", [str, bool, lambda e: f"{e}", lambda e: e == "a", lambda e: "x".join([e])])
def test_what_has_not_run_cannot_pass_for_its_text(use):
    with pytest.raises(TypeError):
        use(c.c("a"))


def test_a_function_can_await_composables(prompts):
    @ot.make_executable
    async def twice(question):
        first = await (question + c.generate_text())
        return await (first + "; " + c.generate_text())

    assert ot.run(twice("a")) == "a<1>; <2>"


# Inputs


def test_inputs_make_a_new_composable(prompts):
    question = c.f("{x}-{y}")
    both = question(x="a")(y="b")
    assert ot.run(both) == "a-b"
    assert ot.run(question(x=1, y=2)) == "1-2"
    with pytest.raises(TemplateError, match="'x' is undefined; known here: no variables"):
        ot.run(question)


def test_the_last_value_given_counts_also_in_parts():
    inner = c.f("{x}")(x="in")
    assert ot.run(inner(x="out")) == "out"
    nested = "a " + inner + c.store("s", inner) + c.join(inner, c.section("t", inner), separator=" ")
    assert ot.run(nested) == "a ininin in"
    assert ot.run(nested(x="out")) == "a outoutout out"


def test_inputs_are_variables_from_there_on():
    assert ot.run(c.f("{x}")(x=1) + c.f("{x}")) == "11"


def test_inputs_that_are_executables_run_first_and_overlap(prompts):
    llm.generate_text.configure(all_at_once(3))
    chain = c.f("{x}{y}")(x=llm.generate_text("x"), y=llm.generate_text("y")) + c.c(llm.generate_text("z"))
    assert ot.run(chain.timeout(30)) == "<x><y><z>"


def test_an_input_used_twice_is_executed_once(prompts):
    e = llm.generate_text("e")
    assert ot.run(c.f("{x}{y}")(x=e, y=e) + c.c(e) + c.store("z", e)) == "<1><1><1><1>"


def test_an_input_that_fails_is_raised_before_anything_else_is_asked(prompts):
    error = ValueError("no")

    @ot.make_executable
    def fails():
        raise error

    with pytest.raises(ValueError) as caught:
        ot.run("a" + c.generate_text() + c.f("{x}")(x=fails()))
    assert caught.value is error
    assert prompts == []


@pytest.mark.parametrize(
    "value",
    [[llm.generate_text("x")], {"k": llm.generate_text("x")}, {"k": [(llm.generate_text("x"),)]}],
)
def test_executables_inside_containers_are_refused_as_inputs(value):
    with pytest.raises(UsageError, match=r"the input x is a .* that has not run: generate_text\('x'\)"):
        c.j("{{ x }}")(x=value)


def test_an_iterator_is_refused_as_an_input_because_a_second_run_would_find_it_empty():
    with pytest.raises(UsageError, match="read only once"):
        c.j("{{ x }}")(x=(i for i in "ab"))


def test_inputs_have_names():
    with pytest.raises(UsageError, match=r"by name, as in e\(question='France'\)"):
        c.j("{{ x }}")("France")  # type: ignore[arg-type]


def test_changing_an_input_afterwards_changes_nothing():
    names = ["a"]
    chain = c.j("{{ names | join }}")(names=names)
    names.append("b")
    assert ot.run(chain) == "a"


def test_a_step_that_changes_an_input_changes_it_for_its_own_run_only():
    @ot.make_composable
    def takes(context):
        return context.variables["names"].pop()

    chain = takes()(names=["a", "b"])
    assert [ot.run(chain), ot.run(chain)] == ["b", "b"]


# Texts


def test_a_format_reads_fields_specs_and_conversions():
    city = {"name": "Nice", "mayors": ["Ann"]}
    text = ot.run(
        c.f("{n:.{digits}f} {city[name]!r} {city[mayors][0]:>5} {{n}}")(n=3.14159, digits=2, city=city)
    )
    assert text == "3.14 'Nice'   Ann {n}"


def test_a_format_does_not_read_what_a_value_contains():
    assert ot.run(c.f("{x}")(x="{y} {{ y }}", y="no")) == "{y} {{ y }}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n{x", r"format, line 2, '\{x': expected '\}'"),
        ("a}", "line 1, 'a}': Single '}'"),
        ("{}", "called by name"),
        ("{0}", "called by name"),
    ],
)
def test_a_malformed_format_is_refused_when_it_is_made(text, message):
    with pytest.raises(TemplateError, match=message):
        c.f(text)


def test_an_undefined_field_is_named_with_what_is_known():
    with pytest.raises(
        TemplateError, match=r"'citty' is undefined; known here: city, x\. Did you mean 'city'\?"
    ):
        ot.run(c.f("{citty}")(city="Nice", x=1))


def test_a_format_does_not_reach_into_objects():
    with pytest.raises(TemplateError, match="cannot read '__class__' of str"):
        ot.run(c.f("{x.__class__}")(x="a"))


def test_content_has_the_role_it_is_given_unless_it_says_its_own():
    text = ot.run(c.c(["a", ot.Chunk("b", role="model")], role="user"))
    assert text.content == ot.ChunkList([ot.Chunk("a", role="user"), ot.Chunk("b", role="model")])


def test_an_executable_given_as_content_is_its_value(prompts):
    text = ot.run("a " + c.c(llm.generate_text("b"), role="model"))
    assert text.content == ot.ChunkList(["a ", ot.Chunk("<1>", role="model")])
    assert prompts == ["b"]


def test_images_reach_the_model_in_their_place(prompts):
    text = ot.run("See " + c.c(IMAGE) + c.f(" and {i}:")(i=IMAGE) + c.generate_text())
    assert prompts == [ot.ChunkList(["See ", IMAGE, " and ", IMAGE, ":"])]
    assert text == "See [image/png] and [image/png]:<1>"
    assert text.content == ot.ChunkList(["See ", IMAGE, " and ", IMAGE, ":<1>"])


@pytest.mark.parametrize("bad", [5, b"bytes", None, ["a", 5]])
def test_what_is_no_content_is_refused(bad):
    with pytest.raises(UsageError):
        c.c(bad)


def test_an_unknown_role_is_refused():
    with pytest.raises(UsageError, match="system, user, model, not 'assistant'"):
        c.c("a", role="assistant")  # type: ignore[arg-type]


# Calls


def test_options_reach_the_call():
    backend = Scripted(lambda prompt, max_tokens, stop, temperature: "x").register()
    ot.run("a" + c.generate_text(max_tokens=5, stop="Q:", temperature=0))
    assert backend.requests[0].arguments == {
        "prompt": "a",
        "max_tokens": 5,
        "stop": ("Q:",),
        "temperature": 0.0,
    }


@pytest.mark.parametrize(
    "write",
    [
        lambda: c.generate_text(temprature=1),  # type: ignore[call-arg]
        lambda: c.generate_text(max_tokens="five"),  # type: ignore[arg-type]
        lambda: c.instruct(max_repairs=1),  # type: ignore[call-arg]
        lambda: c.chat(include_details=True),  # type: ignore[call-arg]
        lambda: c.generate_object(),  # type: ignore[call-arg]
        lambda: c.generate_object("int"),
        lambda: c.select(),
        lambda: c.select("a", 5),  # type: ignore[arg-type]
        lambda: c.join("a", separator=5),  # type: ignore[arg-type]
        lambda: c.store("not a name", "a"),
        lambda: c.store("a", 5),  # type: ignore[arg-type]
        lambda: c.section(5, "a"),  # type: ignore[arg-type]
        lambda: c.j(5),  # type: ignore[arg-type]
        lambda: c.f(llm.generate_text("a")),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_argument_is_a_type_error_where_it_is_written(write):
    with pytest.raises(TypeError):
        write()


def test_a_prompt_given_to_a_call_is_refused_with_how_to_write_it():
    with pytest.raises(UsageError, match=r"takes no prompt.*'Where\?' \+ c\.generate_text\(\)"):
        c.generate_text("Where?")  # type: ignore[arg-type]


def test_an_option_may_be_an_executable(prompts):
    llm.generate_text.configure(lambda prompt, max_tokens: f"<{max_tokens}>")
    number = ot.make_executable(lambda: 7)
    assert ot.run("a" + c.generate_text(max_tokens=number())) == "a<7>"  # type: ignore[arg-type]


def test_an_option_the_backend_does_not_take_is_an_error():
    llm.generate_text.configure(lambda prompt: "x")
    with pytest.raises(UnsupportedOptionError):
        ot.run("a" + c.generate_text(max_tokens=5))


def test_nothing_bound_is_an_error():
    with pytest.raises(NotBoundError):
        ot.run("a" + c.generate_text())


def test_instruct_and_chat_see_a_conversation_in_which_the_model_has_spoken():
    backend = Scripted(["A1", "A2", "A3"], operations=["chat"]).register()
    ot.run(c.c("Be brief.", role="system") + "Q1" + c.instruct() + "Q2" + c.chat() + "Q3" + c.instruct())
    assert backend.requests[-1].arguments["messages"] == (
        ot.Message("system", "Be brief."),
        ot.Message("user", "Q1"),
        ot.Message("model", "A1"),
        ot.Message("user", "Q2"),
        ot.Message("model", "A2"),
        ot.Message("user", "Q3"),
    )


def test_line_breaks_between_messages_are_not_said():
    backend = Scripted(["A"], operations=["chat"]).register()
    ot.run(c.c("Be brief.\n", role="system") + "\n" + c.c("\n  Hi \n", role="user") + "\n" + c.chat())
    assert backend.requests[0].arguments["messages"] == (
        ot.Message("system", "Be brief."),
        ot.Message("user", "  Hi"),
    )


def test_without_roles_the_prompt_of_a_conversation_is_what_is_written():
    backend = Scripted(["A"], operations=["chat"]).register()
    ot.run("\n Hi \n" + c.chat())
    assert backend.requests[0].arguments["messages"] == (ot.Message("user", "\n Hi \n"),)


def test_generate_object_is_said_as_text_and_stored_as_the_value():
    @dataclasses.dataclass
    class City:
        name: str

    Scripted(["[1, 2]", '{"name": "Nice"}']).register()
    chain = "a" + c.store("xs", c.generate_object(list[int])) + c.j(" {{ xs | sum }} ")
    text = ot.run(chain + c.store("city", c.generate_object(City)) + c.f(" {city.name}"))
    assert text.startswith("a[1, 2] 3 ")
    assert text.endswith(" Nice")
    assert text.variables == {"xs": [1, 2], "city": City("Nice")}


def test_a_reply_that_does_not_parse_is_raised():
    Scripted(["no", "no"]).register()
    with pytest.raises(ParseError):
        ot.run("a" + c.generate_object(int))


def test_select_appends_the_preferred_option():
    llm.select.configure(lambda prompt, options: options[-1])
    assert ot.run("a or " + c.select(["b", "c"])) == "a or c"
    assert ot.run("a or " + c.select("b", "c")) == "a or c"


def test_select_among_composables_goes_on_with_the_preferred_one_only(prompts):
    backend = Scripted(lambda prompt, options: options[1], operations="select").register()
    chain = "a" + c.select("b" + c.store("x", c.generate_text()), c.store("y", "c")) + c.j("|{{ y }}")
    text = ot.run(chain)
    assert (text, text.variables) == ("ac|c", {"y": "c"})
    assert [r.arguments for r in backend.requests] == [{"prompt": "a", "options": ("b<1>", "c")}]
    assert prompts == ["ab"]


def test_select_with_an_answer_that_is_no_option_is_an_error():
    llm.select.configure(lambda prompt, options: "d")
    with pytest.raises(MalformedReplyError, match="'d', which is none of"):
        ot.run("a" + c.select("b", "c"))


def test_a_list_of_composables_is_refused_as_options():
    with pytest.raises(UsageError, match=r"c\.select\(\*list\)"):
        c.select([c.generate_text()])  # type: ignore[list-item]


# Parts


def test_what_is_stored_can_be_used_in_templates_and_formats(prompts):
    chain = "a" + c.store("x", c.generate_text()) + c.f(" {x}") + c.j(" {{ x }}{{ x | length }}")
    text = ot.run(chain)
    assert text == "a<1> <1> <1>3"
    assert text.variables == {"x": "<1>"}


def test_only_the_parts_own_text_is_stored(prompts):
    text = ot.run("a" + c.store("x", "b" + c.generate_text() + "c"))
    assert text == "ab<1>c"
    assert text.variables == {"x": "b<1>c"}
    assert prompts == ["ab"]


def test_a_section_keeps_its_text_and_goes_on_from_what_came_before(prompts):
    text = ot.run("a" + c.section("s", "b" + c.generate_text()) + "c")
    assert (text, text.variables) == ("ab<1>c", {"s": "b<1>"})
    assert prompts == ["ab"]


def test_a_hidden_section_leaves_only_what_it_stored(prompts):
    scratch = c.section("s", " think" + c.store("x", c.generate_text()), hidden=True)
    text = ot.run("a" + scratch + c.f("{x}") + c.generate_text())
    assert text == "a<1><2>"
    assert text.variables == {"s": " think<1>", "x": "<1>"}
    assert prompts == ["a think", "a<1>"]


def test_alternatives_overlap_and_are_joined_in_order():
    llm.generate_text.configure(all_at_once(2))
    chain = (
        "a"
        + c.join("b" + c.generate_text(), c.store("x", c.generate_text()), "d", separator="|")
        + c.f("{x}")
    )
    assert ot.run(chain.timeout(30)) == "ab<ab>|<a>|d<a>"


def test_alternatives_do_not_see_what_the_others_store():
    chain = c.join(c.store("x", "1"), c.f("{x}"))
    with pytest.raises(TemplateError, match="'x' is undefined"):
        ot.run(chain)
    assert ot.run(chain(x="0")) == "1\n0"


def test_of_what_alternatives_store_under_one_name_the_last_is_kept():
    chain = c.join(c.store("x", "1"), c.store("x", "2"), c.f("{x}")) + c.f("={x}")
    assert ot.run(chain(x="0")) == "1\n2\n0=2"


def test_a_failing_alternative_stops_the_others_and_is_raised():
    error = ValueError("no")
    stopped = []

    @ot.make_composable
    async def fails(context):
        raise error

    @ot.make_composable
    async def waits(context):
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append(True)

    with pytest.raises(ValueError) as caught:
        ot.run(("a" + c.join(waits(), fails())).timeout(30))
    assert caught.value is error
    assert stopped == [True]


# Functions of the user's


def test_a_function_becomes_a_step_that_sees_what_came_before(prompts):
    @ot.make_composable
    async def ask(context, n):
        assert isinstance(context, c.Context)
        assert (context.prompt, context.text, dict(context.variables)) == ("a", "a", {"x": 1})
        return await llm.generate_text(context.prompt, max_tokens=n) + "!"

    assert ot.run(("a" + ask(5) + "b")(x=1)) == "a<1>!b"


def test_a_context_that_is_kept_does_not_change():
    kept = []
    keep = ot.make_composable(lambda context: kept.append(context))
    ot.run("a" + keep() + c.store("x", "b"))
    assert (kept[0].prompt, dict(kept[0].variables)) == ("a", {})
    with pytest.raises(TypeError):
        kept[0].variables["x"] = 1


def test_with_parentheses_and_plain_or_generating_functions_too():
    @ot.make_composable()
    def plain(context):
        return 3

    @ot.make_composable(name="counts")
    async def generating(context):
        for i in "xyz":
            yield i

    @ot.make_composable(thread=True)
    def threaded(context):
        return context.text

    chain = "a" + plain() + generating() + threaded()
    assert repr(chain) == "'a' + plain() + counts() + threaded()"
    assert ot.run(chain) == "a3za3z"


def test_a_function_that_returns_nothing_appends_nothing():
    silent = ot.make_composable(lambda context: None)
    assert ot.run("a" + silent() + "b") == "ab"


def test_a_function_may_return_content_an_executable_or_a_composable(prompts):
    content = ot.make_composable(lambda context: ot.Chunk("c", role="user"))
    executable = ot.make_composable(lambda context: llm.generate_text("e"))
    composable = ot.make_composable(
        lambda context: c.store("x", c.generate_text()) + c.c(llm.generate_text("f"))
    )
    text = ot.run("a" + content() + executable() + composable() + c.f("{x}"))
    assert text == "ac<1><3><2><3>"
    assert prompts[:2] == ["e", "f"]
    assert str(prompts[2]) == "ac<1>"


def test_executables_given_to_a_function_run_first_unless_it_asks_for_them(prompts):
    @ot.make_composable
    def value(context, x):
        return f"[{x}]"

    @ot.make_composable
    async def held(context, e: ot.Executable):
        return f"[{await e}]"

    chain = "a" + held(llm.generate_text("h")) + value(x=llm.generate_text("v"))
    assert ot.run(chain) == "a[<2>][<1>]"
    assert prompts == ["v", "h"]


def test_methods_are_steps_too():
    class Shouting:
        mark = "!"

        @ot.make_composable
        def shout(self, context, times):
            return context.text.upper() + self.mark * times

    assert ot.run("a" + Shouting().shout(2)) == "aA!!"


def test_a_wrong_argument_of_a_function_is_a_type_error_where_it_is_written():
    @ot.make_composable
    def step(context: c.Context, n: int) -> int:
        return n

    with pytest.raises(
        UsageError, match=r"step\(\) missing 1 required positional argument: 'n'.*call is step\(n\)"
    ):
        step()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"step\(\) takes 1 positional argument but 2 were given"):
        step(1, 2)  # type: ignore[call-arg]


@pytest.mark.parametrize("bad", [lambda: 1, lambda *, context: 1, 5])
def test_a_function_without_a_context_is_refused(bad):
    with pytest.raises(UsageError, match="make_composable takes a function"):
        ot.make_composable(bad)


def test_a_list_of_executables_that_a_function_returns_never_ends_up_in_a_prompt():
    step = ot.make_composable(lambda context: [llm.generate_text("x")])
    with pytest.raises(UsageError, match="has not run"):
        ot.run("a" + step())


# Watching


def test_deltas_arrive_before_their_call_has_ended():
    seen = []

    async def watch(chain):
        may_end = asyncio.Event()

        async def stream(prompt):
            yield "x"
            await may_end.wait()
            yield "y"

        with ot.RegistryContext():
            llm.generate_text.configure(stream)
            async with asyncio.timeout(30), ot.stream(chain, only=ot.TextDelta) as deltas:
                async for delta in deltas:
                    seen.append(delta.text)
                    may_end.set()
                return await deltas

    for chain in ("a" + c.generate_text(), c.j("a{{ generate_text() }}"), c.join("a" + c.generate_text())):
        seen.clear()
        assert asyncio.run(watch(chain)) == "axy"
        assert seen == ["x", "y"]


def test_a_trace_shows_the_composable_its_sections_and_their_calls(prompts):
    chain = "a" + c.generate_text() + c.section("draft", c.j("{{ generate_text() }}"))
    _, trace = ot.run(chain, enable_tracing=True)
    assert [span.path for span in trace.walk()[1:]] == [
        "composable",
        "composable/generate_text",
        "composable/draft",
        "composable/draft/generate_text",
    ]
    assert [span.output for span in trace.walk()[1:]] == ["a<1><2>", "<1>", "<2>", "<2>"]


def test_context_variables_are_seen_in_every_step():
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    llm.generate_text.configure(lambda prompt: variable.get())
    chain = c.generate_text() + c.j("{{ generate_text() }}") + c.join(c.generate_text(), c.generate_text())
    variable.set("v")
    assert ot.run(chain) == "vvv\nv"


# Shown


@pytest.mark.parametrize(
    ("e", "shown"),
    [
        ("a" + c.generate_text(max_tokens=5), "'a' + c.generate_text(max_tokens=5)"),
        (c.j("{{ x }}")(x=1), "c.j('{{ x }}')(x=1)"),
        (("a" + c.f("{x}"))(x=1), "('a' + c.f('{x}'))(x=1)"),
        ("a" + c.f("{x}")(x=1), "'a' + c.f('{x}')(x=1)"),
        (c.c("a", role="user"), "c.c('a', role='user')"),
        (c.c(llm.generate_text("a")), "c.c(generate_text(...))"),
        (c.generate_object(int, seed=1), "c.generate_object(<class 'int'>, seed=1)"),
        (c.select(["a", "b"]), "c.select('a', 'b')"),
        (c.join("a", c.chat(), separator=","), "c.join('a', c.chat(), separator=',')"),
        (c.store("x", "a" + c.instruct()), "c.store('x', 'a' + c.instruct())"),
        (c.section("x", "a", hidden=True), "c.section('x', 'a', hidden=True)"),
    ],
)
def test_it_shows_as_it_was_written(e, shown):
    assert repr(e) == shown


def test_a_long_chain_and_a_long_text_are_shown_shortened():
    chain = c.c("x" * 1_000)
    for _ in range(100):
        chain = chain + c.generate_text()
    assert "... 95 more ..." in repr(chain)
    assert len(repr(chain)) < 300


def test_importing_it_loads_nothing_heavy_but_jinja():
    code = (
        "import sys; from onetwo_like.builtins import composables; "
        "print([m for m in ('jinja2', 'pydantic', 'numpy', 'openai', 'diskcache', 'absl') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['jinja2']"
