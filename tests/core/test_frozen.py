"""Is a frozen value beyond change, and a copied one nobody else's?"""

import copy
import pickle
from collections import Counter, OrderedDict, defaultdict, deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onetwo_like.core.frozen import FrozenDict, copied, freeze

scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.binary())
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner), st.dictionaries(st.text(), inner), st.tuples(inner, inner), st.sets(st.integers())
    ),
    max_leaves=20,
)


def mutables_in(value):
    """Every list, dict, set and bytearray in the value that could be changed."""
    found = []
    if isinstance(value, list | dict | set | bytearray) and type(value) is not FrozenDict:
        found.append(value)
    if isinstance(value, dict):
        found += [m for item in value.values() for m in mutables_in(item)]
    elif isinstance(value, list | tuple | deque):
        found += [m for item in value for m in mutables_in(item)]
    return found


@settings(derandomize=True, deadline=None)
@given(values)
def test_nothing_in_a_frozen_value_can_be_changed(value):
    frozen = freeze(value)
    assert mutables_in(frozen) == []
    assert isinstance(hash(frozen), int)
    assert freeze(frozen) == frozen


@settings(derandomize=True, deadline=None)
@given(values)
def test_a_copy_is_equal_and_shares_nothing_that_can_change(value):
    own = copied(value)
    assert own == value
    assert type(own) is type(value)
    assert not {id(m) for m in mutables_in(own)} & {id(m) for m in mutables_in(value)}


def test_a_frozen_dict_equals_the_dict_it_was_made_of_and_refuses_to_change():
    frozen = freeze({"a": [1], "b": {"c": {2}}})
    assert frozen == {"a": (1,), "b": {"c": frozenset({2})}}
    changes = [
        lambda d: d.__setitem__("x", 1),
        lambda d: d.__delitem__("a"),
        lambda d: d.clear(),
        lambda d: d.pop("a"),
        lambda d: d.popitem(),
        lambda d: d.setdefault("x", 1),
        lambda d: d.update(x=1),
        lambda d: d.__ior__({"x": 1}),
    ]
    for change in changes:
        with pytest.raises(TypeError, match=r"dict\(\.\.\.\)"):
            change(frozen)
    assert dict(frozen) == frozen


def test_its_order_does_not_matter():
    assert freeze({"a": 1, "b": 2}) == freeze({"b": 2, "a": 1})
    assert hash(freeze({"a": 1, "b": 2})) == hash(freeze({"b": 2, "a": 1}))


def test_a_frozen_dict_comes_back_from_copies_and_pickles():
    frozen = freeze({"a": [1]})
    assert copy.copy(frozen) is frozen
    assert copy.deepcopy(frozen) is frozen
    assert pickle.loads(pickle.dumps(frozen)) == frozen


def test_other_kinds_of_lists_and_dicts_are_frozen_too():
    class Stops(list):
        pass

    assert freeze(Stops(["a"])) == ("a",)
    assert freeze(bytearray(b"a")) == b"a"
    assert mutables_in(freeze(OrderedDict(a=[1]))) == []


@pytest.mark.parametrize(
    "value",
    [
        OrderedDict(a=[1]),
        defaultdict(list, a=[1]),
        Counter("aab"),
        deque([[1], [2]], maxlen=2),
        bytearray(b"a"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_collections_of_the_standard_library_are_copied_with_what_they_hold(value):
    own = copied(value)
    assert own == value
    assert type(own) is type(value)
    assert own is not value
    assert not {id(m) for m in mutables_in(own)} & {id(m) for m in mutables_in(value)}
    assert getattr(own, "default_factory", None) is getattr(value, "default_factory", None)
    assert getattr(own, "maxlen", None) == getattr(value, "maxlen", None)


def test_what_cannot_change_is_shared():
    text, pair = "a" * 1000, (1, "b")
    assert copied(text) is text
    assert copied(pair) is pair
    assert freeze(text) is text
