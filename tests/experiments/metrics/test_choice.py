"""Is the option that an answer chooses found, and none where it is not clear?"""

import functools

import pytest

from onetwo_like.errors import MetricError
from onetwo_like.experiments.data.example import Example
from onetwo_like.experiments.metrics.choice import choice_accuracy
from onetwo_like.experiments.metrics.metric import Scored, prepared

CITIES = ["Nice", "Paris", "Lyon", "Saint-Étienne"]
COLOURS = ["red", "dark red", "2", "vitamin A"]
CHINESE = ["上海", "北京", "广州"]


def example(choices=None, **fields):
    return Example("e1", "Which?", "B", {"choices": choices, **fields} if choices else fields)


def chosen(prediction, choices=CITIES):
    details = choice_accuracy("B", prediction, example(choices))[1]
    return details.get("choice") or details["reason"]


@pytest.mark.parametrize(
    "prediction",
    [
        "B",
        "b",
        " (B) ",
        "**B**",
        "B.",
        "B) Paris",
        "(B): Paris",
        "B. Paris, because Lyon is smaller.",
        "B: Paris\n\nA and C are wrong",
        "B Paris",
        "B - Paris",
        "Paris",
        "PARIS!",
        "I would say Paris.",
        "The answer is B.",
        "The answer is (B).",
        "The answer is **Paris**.",
        "The answer is B because C is wrong.",
        "Answer: B",
        "**Answer:** B",
        "answer = B",
        '{"answer": "B"}',
        "A is wrong, so is C. Final answer: B",
        "The answer is A? No, the answer is B.",
        "The answer is:\n\nB",
        "A) Nice\nB) Paris\nC) Lyon\nAnswer: B",
        "It is not A but B.",
        "Neither A nor C: B",
        "It isn't Nice. Paris it is.",
        "It is not. Paris is.",
        "The correct answer is Paris, not Nice",
        r"\boxed{B}",
        "The final answer is definitely B",
        "Ｂ",
        "答案是B。",
        "ответ: B",
    ],
)
def test_b_is_chosen(prediction):
    assert chosen(prediction) == "B"
    assert prepared("m", choice_accuracy).score(
        target="B", prediction=prediction, example=example(CITIES)
    ) == Scored(1.0, {"choice": "B"}, True)


@pytest.mark.parametrize(
    ("prediction", "reason"),
    [
        ("B or C", "it mentions B and C"),
        ("Nice and Paris", "it mentions A and B"),
        ("B. Lyon", "it mentions B and C"),
        ("A) Nice\nB) Paris", "it mentions A and B"),
        ("The answer is B or C", "B"),
        ("", "it mentions none of the options"),
        (None, "it mentions none of the options"),
        ("I do not know", "it mentions none of the options"),
        ("A cat sat", "it mentions none of the options"),
        ("Parisian", "it mentions none of the options"),
        ("not B", "it mentions none of the options"),
        ("I don't think it is Paris", "it mentions none of the options"),
        ("Marseille", "it mentions none of the options"),
        ("E", "it mentions none of the options"),
    ],
)
def test_what_is_not_clear_is_no_choice_and_says_why(prediction, reason):
    assert chosen(prediction) == reason


@pytest.mark.parametrize(
    ("prediction", "choices", "label"),
    [
        ("it's dark red", COLOURS, "B"),
        ("The answer is red", COLOURS, "A"),
        ("dark red", COLOURS, "B"),
        ("not dark red, red", COLOURS, "A"),
        ("2", COLOURS, "C"),
        ("I take Vitamin A.", COLOURS, "D"),
        ("首都是北京。", CHINESE, "B"),
        ("Saint Étienne", CITIES, "D"),
        ("SAINT-E\u0301TIENNE", CITIES, "D"),
        ("2", {"1": "Nice", "2": "Paris"}, "2"),
        ("(2) Paris", {"1": "Nice", "2": "Paris"}, "2"),
        ("Б", {"А": "Nice", "Б": "Paris"}, "Б"),
        ("Ответ — Б", {"А": "Nice", "Б": "Paris"}, "Б"),
        ("Paris", {"label": ["A", "B"], "text": ["Nice", "Paris"]}, "B"),
        ("yes", ["no", "yes"], "B"),
        ("Yes, it is.", ["no", "yes"], "B"),
        ("15", ["5", "15"], "B"),
        ("It is 15.", ["5", "15"], "B"),
        ("-5", ["5", "-5"], "B"),
    ],
)
def test_options_of_many_kinds(prediction, choices, label):
    assert choice_accuracy(label, prediction, example(choices)) == (True, {"choice": label})


def test_an_option_that_is_the_label_of_another_is_no_clear_choice():
    assert choice_accuracy("A", "B", example(["B", "A"])) == (False, {"reason": "it mentions A and B"})


@pytest.mark.parametrize("piece", ["\n", " ", "A", "A ", "(", "answer is ", "not ", "Paris, ", "a. ", "B)\n"])
def test_a_long_text_of_one_thing_is_read_or_not(piece):
    # An expression that backtracks would not end here.
    chosen(piece * 10_000)


@pytest.mark.parametrize("target", ["B", "b", "Paris", "PARIS.", 1])
def test_the_target_is_a_label_a_text_or_a_place(target):
    assert choice_accuracy(target, "Paris", example(CITIES))[0]
    assert not choice_accuracy(target, "Nice", example(CITIES))[0]


def test_without_options_they_are_letters():
    assert choice_accuracy("C", "I take C.", example()) == (True, {"choice": "C"})
    assert choice_accuracy(2, "c)", example()) == (True, {"choice": "C"})
    assert choice_accuracy("C", "I am sure", example())[1] == {"reason": "it mentions none of the options"}


def test_the_field_of_the_options_can_be_named():
    metric = prepared("m", functools.partial(choice_accuracy, options="cities"))
    scored = metric.score(target="Nice", prediction="Nice", example=example(cities=CITIES))
    assert scored == (1.0, {"choice": "A"}, True)


@pytest.mark.parametrize(
    ("target", "choices", "says"),
    [
        (
            "Marseille",
            CITIES,
            "the target 'Marseille' is not one of the options, which are in the field 'choices'",
        ),
        (4, CITIES, "the target 4 is not one of the options"),
        (-1, CITIES, "the target -1 is not one"),
        (True, CITIES, "the target True is not one"),
        ("K", None, "'K' is not one of the options, which are A to H, since there is no field 'choices'"),
        ("B", "Nice or Paris", "options are a list, or a dict from label to text, not 'Nice or Paris'"),
        ("B", {"label": ["A"], "text": ["Nice", "Paris"]}, "2 options with 1 labels"),
    ],
)
def test_a_target_that_is_no_option_is_an_error(target, choices, says):
    with pytest.raises(MetricError, match=says):
        prepared("m", choice_accuracy).score(target=target, prediction="B", example=example(choices))
