"""Is an edge refused if the types cannot fit, and only then?"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypedDict, TypeVar

import pytest

from onetwo_like import ot
from onetwo_like.errors import FlowError


class Dog:
    pass


class Puppy(Dog):
    pass


class Row(TypedDict):
    a: int


class Barks(Protocol):
    def bark(self) -> None: ...


T = TypeVar("T")


def edge(made, taken):
    """A flow with an edge from a step that returns `made` to one that takes `taken`."""

    def source():
        raise AssertionError

    def target(source):
        raise AssertionError

    source.__annotations__ = {"return": made}
    target.__annotations__ = {"source": taken}
    return ot.Flow(source=source, target=target)


class TestTypes:
    @pytest.mark.parametrize(
        ("made", "taken"),
        [
            (int, int),
            (Puppy, Dog),
            (int, int | str),
            (int | str, int | str | None),
            (int, float),
            (Any, int),
            (int, Any),
            (Dog, object),
            (list[int], list[int]),
            (list[int], list),
            (list, list[int]),
            (dict[str, int], Mapping[str, float]),
            (Literal["a"], Literal["a", "b"]),
            (Literal["a"], str),
            (None, int | None),
            (dict, Row),
            (Puppy, Barks),
            (int, T),
            (ot.Executable[int], int),
            (str, "not to be resolved"),
        ],
    )
    def test_these_fit(self, made, taken):
        edge(made, taken)

    @pytest.mark.parametrize(
        ("made", "taken"),
        [
            (int, str),
            (Dog, Puppy),
            (int | str, int),
            (None, int),
            (float, int),
            (list[str], list[int]),
            (list[int], dict),
            (Literal["c"], Literal["a", "b"]),
            (str, Literal["a"]),
            (ot.Executable[int], str),
        ],
    )
    def test_these_do_not(self, made, taken):
        with pytest.raises(FlowError, match=r"source -> target: target takes .* as source, and source gives"):
            edge(made, taken)

    def test_what_is_not_annotated_always_fits(self):
        ot.Flow(a=lambda: 1, b=lambda a: a)

    def test_constants_and_overriding_values_are_checked(self):
        def shout(text: str) -> str:
            return text.upper()

        with pytest.raises(FlowError, match="shout takes str as text"):
            ot.Flow(text=3, shout=shout)
        with pytest.raises(FlowError, match="shout takes str as text"):
            ot.Flow(text="x", shout=shout).override(text=3)

    def test_elements_are_checked_and_lists_of_results_too(self):
        def length(word: str = ot.each("words")) -> int:
            return len(word)

        def numbers() -> list[int]:
            return [1]

        def words() -> list[str]:
            return ["a"]

        def text() -> str:
            return "a"

        def joined(lengths: list[str]) -> str:
            return "".join(lengths)

        with pytest.raises(FlowError, match="length takes elements of str as word, and words gives list"):
            ot.Flow(words=numbers, length=length)
        with pytest.raises(FlowError, match="takes the elements of a list"):
            ot.Flow(words=text, length=length)
        with pytest.raises(FlowError, match="joined takes list"):
            ot.Flow(words=words, lengths=length, joined=joined)
        ot.Flow(words=words, lengths=length, total=lambda lengths: sum(lengths))

    def test_edges_into_nested_flows_are_checked(self):
        def number(text: str) -> int:
            return int(text)

        def three() -> int:
            return 3

        with pytest.raises(FlowError, match="text -> inner: inner takes str as text"):
            ot.Flow(text=three, inner=ot.Flow(number=number))
