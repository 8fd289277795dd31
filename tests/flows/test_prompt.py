"""Does a prompt step ask what it says, with values as text, and refuse mistakes where they are written?"""

import pytest

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.errors import FlowError, TemplateError, UnsupportedOptionError, UsageError
from onetwo_like.testing import Scripted


def asked(flow, answers=("answer",) * 10, **inputs):
    """The value of a flow's call on a scripted backend, and the arguments of what that was asked."""
    backend = Scripted(answers)
    with ot.RegistryContext():
        backend.register()
        value = ot.run(flow(**inputs))
    return value, [(request.operation, request.arguments) for request in backend.requests]


def test_without_a_system_prompt_or_history_it_continues_text():
    value, requests = asked(
        ot.Flow(title=ot.prompt("A title about {{ topic }}:", max_tokens=9)), topic="sharks"
    )
    assert value == {"title": "answer"}
    assert requests == [("generate_text", {"prompt": "A title about sharks:", "max_tokens": 9})]


def test_variables_are_edges_and_inputs():
    flow = ot.Flow(
        title=ot.prompt("About {{ topic }}"),
        song=ot.prompt(
            "For {{ title|upper }}{% for name in cast %} {{ name }}{% endfor %}{% set own = 1 %}{{ own }}"
        ),
        cast=["Ann", "Bob"],
    )
    assert flow.inputs == ("topic",)
    assert flow.edges == [("topic", "title"), ("title", "song"), ("cast", "song")]
    _, requests = asked(flow, ["Jaws", "la"], topic="sharks")
    assert requests[1] == ("generate_text", {"prompt": "For JAWS Ann Bob1"})


def test_with_a_system_prompt_it_is_a_chat_whose_value_is_text():
    value, requests = asked(
        ot.Flow(review=ot.prompt("Review {{ song }}", system="You are {{ tone }}.", temperature=0)),
        song="la",
        tone="kind",
    )
    assert value == {"review": "answer"}
    messages = (ot.Message("system", "You are kind."), ot.Message("user", "Review la"))
    assert requests == [("chat", {"messages": messages, "temperature": 0.0})]


def test_a_history_is_taken_and_a_longer_one_given():
    start = ot.History(system="Be kind.")
    flow = ot.Flow(
        first=ot.prompt("I am {{ name }}.", history="start"),
        second=ot.prompt("Who am I?", history="first"),
        said=lambda second: second.text,
    )
    value, requests = asked(flow, ["Hello Ann.", "You are Ann."], start=start, name="Ann")
    assert len(start) == 1
    assert [len(value["first"]), len(value["second"])] == [3, 5]
    assert [message.text for message in value["second"]] == [
        "Be kind.",
        "I am Ann.",
        "Hello Ann.",
        "Who am I?",
        "You are Ann.",
    ]
    assert value["said"] == "You are Ann."
    assert requests[1] == ("chat", {"messages": value["second"].messages[:-1]})


def test_one_history_may_go_two_ways():
    flow = ot.Flow(
        left=ot.prompt("Left?", history="start"),
        right=ot.prompt("Right?", history="start", system="Be brief."),
    )
    value, _ = asked(flow, start=ot.History(system="Be kind."))
    assert [m.text for m in value["left"]] == ["Be kind.", "Left?", "answer"]
    assert [m.text for m in value["right"]] == ["Be brief.", "Right?", "answer"]


def test_a_template_reads_the_last_message_of_a_history():
    flow = ot.Flow(
        talk=ot.prompt("Hello", history="start"),
        quote=ot.prompt("They said {{ talk.text }} after {{ talk.messages|length }}"),
    )
    _, requests = asked(flow, ["Hi", "x"], start=ot.History())
    assert requests[1] == ("generate_text", {"prompt": "They said Hi after 2"})


def test_what_a_variable_holds_is_never_evaluated():
    evil = "{{ 7 * 7 }} {% for x in y %} {{ generate_text() }}"
    _, requests = asked(
        ot.Flow(a=ot.prompt("{{ x }}"), b=ot.prompt("{{ a }}", system="{{ a }}")),
        ["{{ 8 * 8 }}", "b"],
        x=evil,
    )
    assert requests[0] == ("generate_text", {"prompt": evil})
    assert [m.text for m in requests[1][1]["messages"]] == ["{{ 8 * 8 }}", "{{ 8 * 8 }}"]
    assert len(requests) == 2


def test_a_template_reaches_data_only():
    class Open:
        secret = "key"

    with pytest.raises(TemplateError, match="cannot read 'secret'"):
        asked(ot.Flow(a=ot.prompt("{{ x.secret }}")), x=Open())


def test_roles_and_images_reach_the_model():
    image = ot.Chunk(b"...", "image/png")
    flow = ot.Flow(
        seen=ot.prompt('{% role "user" %}What is this? {{ picture }}{% endrole %}', system="Look."),
        picture=image,
    )
    _, requests = asked(flow)
    [_, message] = requests[0][1]["messages"]
    assert message.role == "user"
    assert [chunk.mime_type for chunk in message.content] == [None, "image/png"]


def test_a_keyword_maps_over_a_list():
    flow = ot.Flow(summary=ot.prompt("{{ n }}: {{ chunk }}", chunk=ot.each("chunks"), max_tokens=3))
    assert flow.inputs == ("n", "chunks")
    value, requests = asked(flow, {"1: a": "A", "1: b": "B"}, n=1, chunks=["a", "b"])
    assert value == {"summary": ["A", "B"]}
    assert [r[1]["prompt"] for r in requests] == ["1: a", "1: b"]


def test_histories_can_be_mapped_over():
    flow = ot.Flow(answers=ot.prompt("And you?", history="talk", talk=ot.each("talks")))
    value, _ = asked(flow, talks=[ot.History(system="A"), ot.History(system="B")])
    assert [answer.messages[0].text for answer in value["answers"]] == ["A", "B"]


def test_a_variable_called_like_a_built_in_is_still_a_variable():
    flow = ot.Flow(select=lambda x: f"selected {x}", a=ot.prompt("{{ select }}"))
    _, requests = asked(flow, x=1)
    assert requests == [("generate_text", {"prompt": "selected 1"})]


def test_what_a_template_stores_is_no_input():
    flow = ot.Flow(a=ot.prompt('{{ store("twice", x ~ x) }} and {{ twice }}'))
    assert flow.inputs == ("x",)
    _, requests = asked(flow, x="ab")
    assert requests[0][1] == {"prompt": "abab and abab"}


def test_a_malformed_template_is_refused_where_it_is_written():
    with pytest.raises(TemplateError, match="line 2"):
        ot.prompt("fine\n{{ x")
    with pytest.raises(TemplateError, match="line 1"):
        ot.prompt("fine", system="{% if %}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_token": 3}, "no option 'max_token'"),
        ({"max_tokens": 0}, "takes a number of at least 1"),
        ({"temperature": "hot"}, "temperature"),
        ({"topic": "sharks"}, r"'topic' is a variable of the template.*ot\.Flow\(topic=\.\.\.\)"),
        ({"subject": ot.each("subjects")}, "no variable 'subject' to map over; it has topic"),
        ({"history": 3}, "takes history as the name"),
        ({"history": "two words"}, "takes history as the name"),
        ({"system": 3}, "takes system= as a str"),
        ({"max_tokens": llm.count_tokens("x")}, "max_tokens"),
        ({"include_details": True}, "no option 'include_details'"),
    ],
)
def test_a_wrong_option_is_refused_where_it_is_written(options, message):
    with pytest.raises(UsageError, match=message):
        ot.prompt("About {{ topic }}", **options)


def test_a_template_that_is_no_text_is_refused():
    with pytest.raises(UsageError, match="takes the template as a str"):
        ot.prompt(3)  # type: ignore[arg-type]


def test_what_is_no_history_is_refused():
    with pytest.raises(FlowError, match=r"start is to be a history, ot\.History\(\.\.\.\), and not str"):
        asked(ot.Flow(a=ot.prompt("Hi", history="start")), start="Hello")

    def start() -> str:
        return "Hello"

    with pytest.raises(FlowError, match="a takes History as start, and start gives str"):
        ot.Flow(start=start, a=ot.prompt("Hi", history="start"))


def test_the_value_is_text_or_a_history_where_types_are_checked():
    def count(answer: int) -> int:
        return answer

    for step, made in ((ot.prompt("x"), "str"), (ot.prompt("x", history="h"), "History")):
        with pytest.raises(FlowError, match=f"answer gives {made}"):
            ot.Flow(answer=step, count=count)


def test_what_the_backend_cannot_honour_is_an_error_before_any_call():
    flow = ot.Flow(a=ot.prompt("x", max_tokens=3))
    with ot.RegistryContext():
        llm.generate_text.configure(lambda prompt: prompt)
        with pytest.raises(UnsupportedOptionError, match="max_tokens"):
            ot.run(flow())


def test_a_step_shows_its_template():
    assert repr(ot.prompt("About {{ topic }}")) == "ot.prompt('About {{ topic }}')"
