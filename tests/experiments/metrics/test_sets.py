"""Is set F1 what it is by definition?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onetwo_like.experiments.metrics.sets import set_f1

NAMES = st.lists(st.sampled_from(["paris", "lyon", "東京", "москва", "القاهرة", "3.5", "são paulo"]))


@given(NAMES, NAMES)
def test_it_is_f1_of_the_sets(wanted, said):
    value, details = set_f1(wanted, said)
    both, all_wanted, all_said = len({*wanted} & {*said}), len({*wanted}), len({*said})
    if not wanted and not said:
        assert value == 1.0
    elif not both:
        assert value == 0.0
    else:
        precision, recall = both / all_said, both / all_wanted
        assert (details["precision"], details["recall"]) == (precision, recall)
        assert value == pytest.approx(2 * precision * recall / (precision + recall))
    assert {*details["missing"]} == {*wanted} - {*said}
    assert {*details["extra"]} == {*said} - {*wanted}


@given(NAMES, NAMES, st.sampled_from([", ", ";", "\n", "、", "，", "؛", " | "]), st.randoms())
def test_a_text_is_the_list_of_what_it_separates(wanted, said, separator, random):
    shuffled = [*said, *said]
    random.shuffle(shuffled)
    assert set_f1(wanted, separator.join(shuffled).upper())[0] == set_f1(wanted, said)[0]
    assert set_f1(separator.join(wanted), said)[0] == set_f1(said, wanted)[0]


@pytest.mark.parametrize(
    ("prediction", "value"),
    [
        ("1. Lyon\n2. Paris", 1.0),
        ("- lyon\n* PARIS.\n", 1.0),
        ('["Paris", "Lyon"]', 1.0),
        ({"Paris", "Lyon"}, 1.0),
        (("Paris",), 2 / 3),
        ("Paris Lyon", 0.0),
        ("", 0.0),
        (None, 0.0),
    ],
)
def test_how_people_and_models_write_lists(prediction, value):
    assert set_f1(["Paris", "Lyon"], prediction)[0] == pytest.approx(value)


def test_other_separators_may_be_given():
    assert set_f1("a b", "b a", separators=" ")[0] == 1.0
    assert set_f1("a, b", "a, b", separators="")[0] == 1.0
    assert set_f1(["a, b"], "a, b", separators="]")[0] == 1.0


def test_without_a_target_there_is_no_score():
    with pytest.raises(ValueError, match="has no target"):
        set_f1(None, "a")
    with pytest.raises(TypeError, match="text is compared here"):
        set_f1(["a"], [{"a": 1}])
