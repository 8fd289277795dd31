"""Does a scripted backend answer as it was told, and say what it was asked?"""

import pytest

from onetwo_like import ot
from onetwo_like.backends import Scripted
from onetwo_like.builtins import llm
from onetwo_like.errors import BackendError, OverloadedError, UnsupportedOptionError, UsageError


@pytest.fixture(autouse=True)
def _a_scope_in_which_nothing_is_bound():
    with ot.RegistryContext(ot.Registry()):
        yield


def ask(*questions):
    return [ot.run(llm.generate_text(question)) for question in questions]


def test_a_list_answers_in_order_and_then_no_more():
    backend = Scripted(["a", "b"]).register()
    assert ask("1", "2") == ["a", "b"]
    with pytest.raises(BackendError, match=r"no answer left for request 3: generate_text\('3'\)"):
        ask("3")
    assert [r.values[0] for r in backend.requests] == ["1", "2", "3"]


def test_a_mapping_answers_by_prompt_and_by_the_last_message():
    Scripted({"Capital of France?": "Paris"}).register()
    assert ask("Capital of France?") == ["Paris"]
    conversation = [ot.Message("system", "Be terse."), ot.Message("user", "Capital of France?")]
    assert ot.run(llm.chat(conversation)) == "Paris"
    with pytest.raises(
        BackendError, match=r"no answer to generate_text\('Spain\?'\); it knows 'Capital of France\?'"
    ):
        ask("Spain?")


@pytest.mark.parametrize(
    "answers", [OverloadedError("busy"), [OverloadedError("busy")], {"Hi": OverloadedError("busy")}]
)
def test_an_exception_is_raised(answers):
    Scripted(answers).register()
    with pytest.raises(OverloadedError):
        ask("Hi")


def plain(prompt):
    return prompt.upper()


async def waiting(prompt):
    return prompt.upper()


async def streaming(prompt):
    for letter in prompt:
        yield letter.upper()


@pytest.mark.parametrize("function", [plain, waiting, streaming, str.upper], ids=lambda f: f.__name__)
@pytest.mark.parametrize("built_in", [llm.generate_text, llm.chat], ids=lambda b: b.name)
def test_a_function_is_called_as_a_configured_one_is(function, built_in):
    backend = Scripted(function).register()
    assert ot.run(built_in("Hi")) == "HI"
    assert [r.operation for r in backend.requests] == [built_in.name]


@pytest.mark.parametrize("built_in", [llm.generate_text, llm.chat], ids=lambda b: b.name)
def test_a_function_may_take_the_request_or_the_messages(built_in):
    Scripted(lambda request: f"{request.operation} {request.sample_path}").register()
    assert ot.run(ot.repeat(built_in("Hi", temperature=1), 1)[0]) == f"{built_in.name} (0,)"
    Scripted(lambda prompt, request: f"{prompt} {request.operation}").register()
    assert ot.run(built_in("Hi")) == f"Hi {built_in.name}"
    Scripted(lambda messages: messages[0].role, operations="chat").register()
    assert ot.run(llm.chat("Hi")) == "user"


def test_default_options_are_part_of_the_request_and_have_to_be_honoured():
    backend = Scripted(["a"], temperature=0.5).register()
    ask("Hi")
    assert backend.requests[0].arguments == {"prompt": "Hi", "temperature": 0.5}
    with pytest.raises(UnsupportedOptionError, match="Scripted does not honour the option 'temperature'"):
        Scripted(plain, temperature=0.5)
    with pytest.raises(
        UsageError, match="no option 'temprature'; options of what it serves: extra, max_tokens"
    ):
        Scripted(["a"], temprature=0.5)


def test_an_option_that_the_function_does_not_take_is_refused_and_not_recorded():
    backend = Scripted(plain).register()
    with pytest.raises(UnsupportedOptionError, match="does not take 'temperature'"):
        ot.run(llm.generate_text("Hi", temperature=0.5))
    assert backend.requests == []


def test_it_serves_what_it_is_told_to():
    Scripted([3], operations=["count_tokens"]).register()
    assert ot.run(llm.count_tokens("Hi")) == 3
    assert not llm.generate_text.is_configured()
    with pytest.raises(UsageError, match="there is no built-in 'embd'; there are chat, "):
        Scripted([], operations=["embd"])


def test_one_string_is_no_list_of_answers():
    with pytest.raises(UsageError, match=r"takes a list of answers, not one str: \['Hi'\]"):
        Scripted("Hi")


def test_what_answers_nothing_is_refused_with_what_does():
    for nothing in (None, 3):
        with pytest.raises(UsageError, match=r"takes a list of answers, a mapping .* not (NoneType|int): "):
            Scripted(nothing)  # type: ignore[arg-type]


def test_a_class_of_exceptions_is_raised_as_an_exception_is():
    Scripted(ConnectionResetError).register()
    with pytest.raises(ConnectionResetError):
        ask("Hi")
