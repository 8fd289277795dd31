"""Does a judge ask what it is to ask, once, and make a score of the answer?"""

import re
from collections.abc import Awaitable
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.backends import NGram, Scripted
from onetwo_like.builtins import llm
from onetwo_like.errors import ContentRefusedError, MetricError, NotBoundError, TemplateError, UsageError
from onetwo_like.experiments.data.example import Example
from onetwo_like.experiments.metrics import judge, pairwise_judge
from onetwo_like.experiments.metrics.metric import Scored, prepared

EXAMPLE = Example("e1", "Capital of France?", "Paris", {"hint": "It is in the north."})
TEMPLATE = "{{ input }} {{ example.fields.hint }} Said {{ prediction }}, right is {{ target }}. Right?"
BETTER = "{{ input }}\n1: {{ answer_1 }}\n2: {{ answer_2 }}\nWhich is better?"


@pytest.fixture(autouse=True)
def _a_scope_in_which_nothing_is_bound():
    with ot.RegistryContext(ot.Registry()):
        yield


def awaitable(scored):
    assert isinstance(scored, Awaitable)
    return scored


@ot.make_executable
async def judged(metric, prediction="Nice"):
    return await awaitable(
        prepared("m", metric).score(target="Paris", prediction=prediction, example=EXAMPLE)
    )


@ot.make_executable
async def compared(metric, a, b):
    return await awaitable(prepared("m", metric).score(example=EXAMPLE, answer_a=a, answer_b=b))


def asked(backend):
    return [str(request.values[0][-1].content) for request in backend.requests]


def test_yes_and_no_are_a_truth_value():
    backend = Scripted(['"no"', '"yes"'])
    metric = judge(TEMPLATE, backend=backend)
    assert ot.run(judged(metric)) == Scored(0.0, {"answer": "no"}, True)
    assert ot.run(judged(metric, "Paname")) == Scored(1.0, {"answer": "yes"}, True)
    first = asked(backend)[0]
    assert first.startswith("Capital of France? It is in the north. Said Nice, right is Paris. Right?")
    assert '"yes"' in first


def test_choices_have_scores():
    metric = judge(
        "{{ prediction }}", backend=Scripted(['"half"']), choices={"good": 1, "half": 0.5, "bad": 0}
    )
    assert ot.run(judged(metric)) == Scored(0.5, {"answer": "half"})


def test_a_scale_is_a_whole_number():
    metric = judge("{{ prediction }}", backend=Scripted(["4", "I give it 5."]), scale=(1, 5))
    assert ot.run(judged(metric)) == Scored(4.0, {"answer": 4})
    assert ot.run(judged(metric, "Paris")) == Scored(5.0, {"answer": 5})


def test_a_model_that_scores_texts_selects_by_score():
    with ot.RegistryContext(ot.Registry()):
        llm.score_text.configure(lambda prompt, targets: [-len(target) for target in targets])
        registry = ot.copy_registry()
    assert ot.run(judged(judge("{{ prediction }}", backend=registry))) == Scored(0.0, {"answer": "no"}, True)


def test_the_judge_is_asked_and_not_the_arm():
    judging, arm = Scripted(['"yes"']), Scripted(AssertionError("the arm was asked"))
    arm.register()
    assert ot.run(judged(judge("{{ prediction }}", backend=judging))).value == 1.0
    assert (len(judging.requests), len(arm.requests)) == (1, 0)


def test_what_an_answer_says_is_no_template():
    backend = Scripted(['"no"'])
    ot.run(judged(judge("{{ prediction }}?", backend=backend), "{{ target }} {% raw %}"))
    assert asked(backend)[0].startswith("{{ target }} {% raw %}?")


def test_an_answer_that_is_no_choice_is_an_error_of_that_example():
    backend = Scripted(["maybe", "who knows", '"yes"'])
    metric = judge("{{ prediction }}", backend=backend)
    with pytest.raises(MetricError, match=r"metric 'm' failed on the example 'e1': ParseError: .*who knows"):
        ot.run(judged(metric))
    assert len(backend.requests) == 2  # asked again once, with what is wrong
    assert ot.run(judged(metric, "Paris")).value == 1.0


def test_a_bound_select_that_answers_something_else_is_an_error_too():
    with ot.RegistryContext(ot.Registry()):
        llm.select.configure(lambda prompt, options: "perhaps")
        registry = ot.copy_registry()
    with pytest.raises(MetricError, match="the judge said 'perhaps', which is none of yes, no"):
        ot.run(judged(judge("{{ prediction }}", backend=registry)))


def test_a_refusal_is_an_error_of_that_example():
    metric = judge("{{ prediction }}", backend=Scripted(ContentRefusedError("I cannot judge that")))
    with pytest.raises(MetricError, match="ContentRefusedError: I cannot judge that") as caught:
        ot.run(judged(metric))
    assert isinstance(caught.value.__cause__, ContentRefusedError)


def test_a_judge_that_cannot_be_asked_ends_the_run():
    with pytest.raises(NotBoundError):
        ot.run(judged(judge("{{ prediction }}", backend=ot.Registry())))


def test_judgements_are_cached_as_any_call_is(tmp_path):
    backend = Scripted(['"yes"'], name="judge")
    for _ in range(2):
        with ot.caching(tmp_path / "cache"):
            assert ot.run(judged(judge("{{ prediction }}", backend=backend))).value == 1.0
    assert len(backend.requests) == 1
    with ot.caching(tmp_path / "cache", mode="replay"):
        assert ot.run(judged(judge("{{ prediction }}", backend=backend))).value == 1.0


def test_it_stands_in_the_trace_by_its_name():
    metric = judge("{{ prediction }}", backend=Scripted(['"yes"']))
    _, trace = ot.run(metric("Paris", "Nice", EXAMPLE), enable_tracing=True)
    assert "judge" in [span.name for _, span in trace.levels()]


def prefers(city):
    """A judge that prefers answers with a city, and without one whichever comes first."""

    def answer(prompt):
        return '"2"' if city in prompt[prompt.index("2: ") :] else '"1"'

    return Scripted(answer)


@pytest.mark.parametrize(
    ("a", "b", "scored"),
    [
        ("Nice", "Paris", Scored(1.0, {"a first": "b", "b first": "b"})),
        ("Paris", "Nice", Scored(0.0, {"a first": "a", "b first": "a"})),
        ("Nice", "Lyon", Scored(0.5, {"a first": "a", "b first": "b"})),
    ],
)
def test_two_answers_are_compared_in_both_orders(a, b, scored):
    backend = prefers("Paris")
    assert ot.run(compared(pairwise_judge(BETTER, backend=backend), a, b)) == scored
    shown = sorted(prompt.split("\nWhich")[0] for prompt in asked(backend))
    assert shown == sorted([f"Capital of France?\n1: {a}\n2: {b}", f"Capital of France?\n1: {b}\n2: {a}"])


def test_a_judge_that_always_takes_the_first_or_the_second_prefers_nobody():
    for always in ('"1"', '"2"'):
        metric = pairwise_judge(BETTER, backend=Scripted(lambda prompt, said=always: said))
        assert ot.run(metric("q", "a", "b"))[0] == 0.5


def test_equal_answers_are_not_judged():
    backend = Scripted([])
    metric = pairwise_judge(BETTER, backend=backend)
    assert ot.run(metric("q", "Paris", "Paris")) == (0.5, {"same": True})
    assert backend.requests == []


def test_a_pairwise_judge_can_be_told_the_target_and_the_example():
    backend = Scripted(['"1"', '"2"'])
    template = BETTER + " {{ target }} {{ example.fields.hint }}"
    ot.run(compared(pairwise_judge(template, backend=backend), "Nice", "Lyon"))
    assert "Paris It is in the north." in asked(backend)[0]


ONE, TWO = "{{ prediction }}", "{{ answer_1 }} {{ answer_2 }}"
WRONG: list[tuple[Any, list[Any], dict[str, Any], type[Exception], str]] = [
    (
        judge,
        ["{{ answer }} {{ prediction }}"],
        {},
        TemplateError,
        "nothing fills 'answer'; the variables are pred",
    ),
    (judge, ["Right?"], {}, TemplateError, "where the answer goes, {{ prediction }}"),
    (judge, ["{{ prediction"], {}, TemplateError, "template"),
    (judge, [3], {}, UsageError, "a Jinja template, a str, not int"),
    (judge, [ONE], {"backend": 3}, UsageError, "backend= is a backend or a registry"),
    (judge, [ONE], {"choices": {"a": 1, "b": 0}, "scale": (1, 2)}, UsageError, "not both"),
    (judge, [ONE], {"choices": {"a": 1}}, UsageError, "choices are what the judge may say"),
    (judge, [ONE], {"choices": {}}, UsageError, "choices are what the judge may say"),
    (judge, [ONE], {"choices": ["a", "b"]}, UsageError, "choices are what the judge may say"),
    (
        judge,
        [ONE],
        {"choices": {"a": 1, "b": None}},
        UsageError,
        "'b' is to have a score, a number, not None",
    ),
    (judge, [ONE], {"scale": (5, 1)}, UsageError, "a scale is (lowest, highest)"),
    (judge, [ONE], {"scale": (0, 1000)}, UsageError, "at most 101 of them"),
    (judge, [ONE], {"scale": (0.0, 1.0)}, UsageError, "a scale is"),
    (judge, [ONE], {"scale": 5}, UsageError, "a scale is"),
    (pairwise_judge, ["{{ answer_1 }}"], {}, TemplateError, "where the answer goes, {{ answer_2 }}"),
    (pairwise_judge, [TWO], {"backend": None}, UsageError, "backend= is a backend or a registry"),
]


@pytest.mark.parametrize(("make", "args", "given", "error", "says"), WRONG)
def test_what_is_wrong_with_a_judge_is_said_where_it_is_written(make, args, given, error, says):
    with pytest.raises(error, match=re.escape(says)):
        make(*args, **{"backend": Scripted([]), **given})


def test_its_repr_says_what_it_asks_and_whom():
    assert repr(judge("{{ prediction }}?", backend=NGram())) == (
        f"judge('{{{{ prediction }}}}?', backend={NGram()!r}, choices={{'yes': True, 'no': False}})"
    )
    assert repr(judge("{{ prediction }}?", backend=NGram(), scale=(1, 5))).endswith("scale=(1, 5))")
    assert repr(pairwise_judge(BETTER, backend=NGram())).startswith("pairwise_judge('{{ input }}")
