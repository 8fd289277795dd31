"""Does an outcome say how one of many runs ended, and give its value or its error?"""

import dataclasses

import pytest

from onetwo_like import ot


def test_one_with_a_value_unwraps_to_it():
    outcome = ot.Outcome("ok", 42)
    assert (outcome.status, outcome.ok, outcome.value, outcome.error) == ("ok", True, 42, None)
    assert outcome.unwrap() == 42


@pytest.mark.parametrize("value", [None, 0, "", []])
def test_a_value_may_be_anything(value):
    assert ot.Outcome("ok", value).unwrap() == value


def test_an_error_that_is_a_value_is_no_failure():
    error = ValueError("the value")
    assert ot.Outcome("ok", error).unwrap() is error


@pytest.mark.parametrize("status", ["error", "timeout", "cancelled"])
def test_any_other_raises_its_error_as_the_same_object(status):
    error = KeyError("x")
    outcome: ot.Outcome[int] = ot.Outcome(status, None, error)
    assert not outcome.ok
    with pytest.raises(KeyError) as raised:
        outcome.unwrap()
    assert raised.value is error


def test_it_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        ot.Outcome("ok", 1).status = "error"  # type: ignore[misc]


def test_two_that_say_the_same_are_equal():
    assert ot.Outcome("ok", 1) == ot.Outcome("ok", 1) != ot.Outcome("ok", 2)
