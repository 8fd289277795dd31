"""Do the metrics of texts say exactly what they promise?"""

import functools

import pytest

from onetwo_like.core.content import Chunk, ChunkList, Message
from onetwo_like.errors import MetricError, UsageError
from onetwo_like.experiments.data.example import Example
from onetwo_like.experiments.metrics import (
    contains,
    exact_match,
    normalised_match,
    numeric_match,
    regex_match,
)
from onetwo_like.experiments.metrics.metric import prepared


@pytest.mark.parametrize(
    ("target", "prediction", "same"),
    [
        ("Paris", "Paris", True),
        ("Paris", " Paris\n", True),
        ("Paris ", "Paris", True),
        ("Paris", "paris", False),
        ("Paris", "Paris.", False),
        ("é", "e\u0301", False),
        (4, "4", True),
        (4, 4.0, True),
        ("4", 4, True),
        ("4.0", 4, False),
        ("4", True, False),
        ("True", True, True),
        ("", "", True),
        ("", None, False),
        ("None", None, False),
        (["a", "b"], ["a", "b"], True),
        (["a", "b"], "b ", True),
        (["a", "b"], "c", False),
        ([1, 2], "2", True),
        ({"city": "Nice"}, {"city": "Nice"}, True),
        ({"city": "Nice"}, "{'city': 'Nice'}", False),
    ],
)
def test_exact(target, prediction, same):
    assert exact_match(target, prediction) is same


@pytest.mark.parametrize(
    ("target", "prediction", "same"),
    [
        ("The U.S.", "the us!", True),
        ("U.S.", "The US", False),
        ("Straße", "STRASSE", True),
        ("北京", "「北京」。", True),
        ("Москва", "МОСКВА", True),
        ("São", "Sao", False),
        (["Paris", "Paname"], "paname", True),
        (1984, "1984.", True),
        ("?", "!", False),
        ("Paris", None, False),
        ("Paris", ChunkList(["Par", "is."]), True),
        ("Paris", Chunk("paris"), True),
        ("Paris", Message("model", "paris"), True),
    ],
)
def test_normalised(target, prediction, same):
    assert normalised_match(target, prediction) is same


def test_normalised_without_articles():
    metric = prepared("m", functools.partial(normalised_match, articles=True))
    assert metric.score(target="The U.S.", prediction="US", example=None) == (1.0, None, True)


@pytest.mark.parametrize(
    ("target", "prediction", "is_there"),
    [
        ("Paris", "It's PARIS, I think.", True),
        ("cat", "a category", False),
        ("new york", "in New\nYork!", True),
        ("北京", "首都是北京。", True),
        ("서울", "서울은 수도다", True),
        ("3", "3.5", False),
        ("5", "-5", False),
        ("5", "1,500", False),
        ("500", "1,500", False),
        ("5", "0.5", False),
        (".5", "-.5", False),
        ("3.5", "It is 3.5.", True),
        ("-3.5", "(-3.5)", True),
        ("2024", "2024-01-05", False),
        (["Lyon", "Nice"], "Nice!", True),
        ("Paris", None, False),
        ("Paris", "", False),
    ],
)
def test_contains(target, prediction, is_there):
    assert contains(target, prediction) is is_there


def test_contains_anywhere():
    assert contains("cat", "a category", words=False)
    assert not contains("cat", "a dog", words=False)


def test_regex():
    found = regex_match(r"\d{4}")
    assert found("any", "in 1984, or 2001") == (True, "2001")
    assert found("any", "never") == (False, None)
    answer = regex_match(r"(?i)answer: *(?P<answer>\w+)")
    assert answer("Paris", "Answer: Nice. No: answer: Paris") == (True, "Paris")
    assert answer("Paris", "Answer: Nice") == (False, "Nice")
    assert answer("Paris", "Paris") == (False, None)
    scored = prepared("m", answer).score(target="東京", prediction="answer: 東京", example=None)
    assert scored == (1.0, "東京", True)


@pytest.mark.parametrize("pattern", ["(", 3, None])
def test_a_malformed_pattern_is_refused_where_it_is_written(pattern):
    with pytest.raises(UsageError, match="no regular expression"):
        regex_match(pattern)


@pytest.mark.parametrize("metric", [exact_match, normalised_match, contains, numeric_match, regex_match("a")])
def test_what_is_no_text_is_an_error_and_not_a_wrong_answer(metric):
    with pytest.raises(
        MetricError, match=r"'m' failed on the example 'e1': TypeError: text is compared here"
    ):
        prepared("m", metric).score(target="1", prediction={"city": "1"}, example=Example("e1", "q", "1"))


@pytest.mark.parametrize("metric", [exact_match, normalised_match, contains, numeric_match])
def test_without_a_target_nothing_is_right_or_wrong(metric):
    with pytest.raises(MetricError, match="ValueError: the example has no target"):
        prepared("m", metric).score(target=None, prediction="a", example=Example("e1", "q"))
    with pytest.raises(MetricError, match="an empty list, which nothing can match"):
        prepared("m", metric).score(target=[], prediction="a", example=Example("e1", "q"))


def test_an_empty_target_is_not_contained_in_everything():
    with pytest.raises(ValueError, match="the target is empty"):
        contains("", "anything")
