"""Is a history a value, so that a longer one leaves the one before as it was?"""

import dataclasses

import pytest

from onetwo_like import ot
from onetwo_like.errors import UsageError

HELLO, HI = ot.Message("user", "Hello"), ot.Message("model", "Hi")


def test_it_has_a_length_its_messages_and_the_text_of_the_last():
    history = ot.History(system="Be kind.") + HELLO + HI
    assert len(history) == 3
    assert list(history) == [ot.Message("system", "Be kind."), HELLO, HI]
    assert history.text == "Hi"
    assert (len(ot.History()), ot.History().text) == (0, "")


def test_adding_leaves_the_old_one_unchanged():
    old = ot.History(system="Be kind.")
    said = [HELLO, HI]
    new = old + said
    assert (len(old), old.text) == (1, "Be kind.")
    assert len(new) == 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        old.messages = ()  # type: ignore[misc]
    history = ot.History(said)
    said.clear()
    assert list(history) == list(new)[1:] == [HELLO, HI]


def test_equal_messages_are_equal_histories():
    assert ot.History([HELLO]) == ot.History() + HELLO
    assert hash(ot.History([HELLO])) == hash(ot.History() + HELLO)
    assert ot.History([HELLO]) != ot.History([HI])


def test_a_new_system_prompt_takes_the_place_of_the_old_one():
    history = ot.History(ot.History([HELLO], system="Be kind.").messages, system="Be terse.")
    assert list(history) == [ot.Message("system", "Be terse."), HELLO]


def test_it_reads_as_a_conversation_and_shows_its_messages():
    history = ot.History([HELLO, HI])
    assert str(history) == "User: Hello\nModel: Hi"
    assert repr(history) == "History([Message('user', 'Hello'), Message('model', 'Hi')])"


@pytest.mark.parametrize("messages", ["Hello", HELLO, 3, ["Hello"], [None]])
def test_what_is_no_list_of_messages_is_refused(messages):
    with pytest.raises(UsageError, match=r"ot\.History takes"):
        ot.History(messages)


def test_a_system_prompt_that_is_no_content_is_refused():
    with pytest.raises(UsageError, match=r"ot\.History\(system=\.\.\.\)"):
        ot.History(system=3)  # type: ignore[arg-type]


def test_only_messages_can_be_added():
    with pytest.raises(TypeError):
        ot.History() + "Hello"  # type: ignore[operator]
    numbers = [3]
    with pytest.raises(UsageError):
        ot.History() + numbers  # type: ignore[operator]
