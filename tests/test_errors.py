"""Is every error in the tree that is drawn, and caught by whoever catches the built-in?"""

import builtins
import copy
import pickle
import re

import pytest

from onetwo_like import errors
from onetwo_like.errors import BackendError, OneTwoError, ParseError, ProgramError

CLASSES = {name: value for name, value in vars(errors).items() if isinstance(value, type)}


def drawn():
    """(name, name of the class above, other bases) of each line of the tree in the docstring."""
    found, above = [], ["OneTwoError"]
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"(?:    )([│ ├└─]*)(\w+) *(?:\(([\w, ]+)\))?", line)
        if match is None or match[2] not in CLASSES or match[2] == "OneTwoError":
            continue
        depth = len(match[1]) // 4
        above[depth:] = [match[2]]
        found.append(
            (
                match[2],
                above[depth - 1],
                tuple((match[3] or "").replace(" ", "").split(",")) if match[3] else (),
            )
        )
    return found


def test_the_tree_that_is_drawn_is_the_tree_that_is():
    assert {name for name, _, _ in drawn()} == CLASSES.keys() - {"OneTwoError"}
    for name, above, others in drawn():
        bases = {base.__name__ for base in CLASSES[name].__bases__}
        assert bases == {above, *others}, name


@pytest.mark.parametrize("name", CLASSES)
def test_it_comes_back_from_a_copy_and_a_pickle_with_what_it_says(name):
    error = CLASSES[name]("what, which, and what to do")
    error.__dict__.update({field: f"its {field}" for field in error.__dict__})
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(again) is type(error)
        assert (again.args, again.__dict__) == (error.args, error.__dict__)


def test_what_people_already_catch_catches_it():
    expected = {
        "NotBoundError": LookupError,
        "UnsupportedOptionError": TypeError,
        "NestedRunError": RuntimeError,
        "TemplateError": ValueError,
        "ParseError": ValueError,
        "ReplayMiss": LookupError,
        "DeadlineError": TimeoutError,
        "RunCancelled": RuntimeError,
        "UsageError": TypeError,
    }
    for name, built_in in expected.items():
        assert issubclass(CLASSES[name], built_in)
        assert issubclass(CLASSES[name], OneTwoError)
    assert not any(hasattr(builtins, name) for name in CLASSES)


def test_what_concerns_the_whole_program_is_what_is_promised():
    whole = {name for name, value in CLASSES.items() if issubclass(value, ProgramError)}
    assert whole >= {
        "NotBoundError",
        "UnsupportedOptionError",
        "NestedRunError",
        "TemplateError",
        "ReplayMiss",
    }
    assert not issubclass(BackendError, ProgramError)
    assert not issubclass(ParseError, ProgramError)


def test_a_parse_error_carries_the_reply_and_a_backend_error_who_said_it():
    assert ParseError("not JSON", reply="Sure!").reply == "Sure!"
    error = BackendError("down", provider="p", model="m", request_id="r", attempts=3)
    assert (error.provider, error.model, error.request_id, error.attempts) == ("p", "m", "r", 3)
    assert str(error) == "down"
