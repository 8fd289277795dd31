"""Do errors in data name the rows, and a misspelt field the nearest?"""

import math
import re

import numpy
import pandas
import pytest

from onetwo_like.errors import DatasetError, UsageError
from onetwo_like.experiments.data.dataset import load


def rows(n, **fields):
    return [{"id": f"e{i}", "input": f"q{i}", "target": i, **fields} for i in range(n)]


@pytest.mark.parametrize("missing", [None, math.nan, numpy.nan, pandas.NA, pandas.NaT, "no such key"])
@pytest.mark.parametrize("field", ["input", "target", "id"])
def test_what_is_missing_is_named_with_its_rows(field, missing):
    data = rows(5)
    for place in (1, 3):
        if isinstance(missing, str):
            del data[place][field]
        else:
            data[place][field] = missing
    with pytest.raises(DatasetError, match=f"list: '{field}' is missing or empty in rows 2 and 4"):
        load(data)


@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_an_empty_id_is_missing(empty):
    data = rows(3)
    data[2]["id"] = empty
    with pytest.raises(DatasetError, match="'id' is missing or empty in row 3"):
        load(data)


@pytest.mark.parametrize("wrong", [True, ["a"], {"a": 1}])
def test_an_id_is_a_text_or_a_number(wrong):
    data = rows(3)
    data[1]["id"] = wrong
    with pytest.raises(DatasetError, match=r"an id is a text or a number, not .* in row 2"):
        load(data)


def test_of_many_rows_a_few_are_named():
    data = rows(20)
    for row in data[:12]:
        del row["input"]
    with pytest.raises(DatasetError, match=r"in rows 1, 2, 3, 4, 5 and 7 more$"):
        load(data)


def test_duplicate_ids_are_named_with_their_rows():
    data = rows(5)
    data[3]["id"] = "e0"
    data[4]["id"] = data[1]["id"] = 7
    with pytest.raises(
        DatasetError,
        match=re.escape("ids occur more than once: id='e0' in rows 1 and 4; id='7' in rows 2 and 5"),
    ):
        load(data)


def test_a_number_and_its_text_are_the_same_id():
    with pytest.raises(DatasetError, match="id='1' in rows 1 and 2"):
        load([{"id": 1, "input": "a"}, {"id": "1", "input": "b"}])


def test_without_ids_the_same_content_twice_is_an_error():
    data = [{"input": "a", "target": 1}, {"input": "b", "target": 1}, {"target": 1, "input": "a"}]
    with pytest.raises(
        DatasetError, match=r"records occur more than once: rows 1 and 3\. Leave the copies out"
    ):
        load(data)
    assert len(load([{**row, "id": n} for n, row in enumerate(data)])) == 3


def test_of_many_duplicates_a_few_are_named():
    with pytest.raises(DatasetError) as caught:
        load(rows(30) + rows(30))
    assert "id='e4' in rows 5 and 35; and 25 more" in str(caught.value)
    assert "e5" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            {"input": "qestion"},
            "no field 'qestion'; did you mean 'question'? The fields are 'question', 'Answer'",
        ),
        ({"input": "question", "target": "answer"}, "no field 'answer'; did you mean 'Answer'?"),
        ({"input": "xyz"}, "no field 'xyz'. The fields are"),
        ({"input": ["question", "ansver"]}, "no field 'ansver'; did you mean 'Answer'?"),
        ({"input": "question", "id": "uid"}, "no field 'uid'"),
        ({}, "there is no field 'input'"),
    ],
)
def test_a_misspelt_field_suggests_the_nearest(given, says):
    with pytest.raises(DatasetError, match=re.escape(says)):
        load([{"question": "a", "Answer": "b"}], **given)


def test_a_field_that_nearly_is_the_target_is_not_taken_for_no_target():
    with pytest.raises(DatasetError, match=r"no field 'target'\. Say target='Targets', or target=None"):
        load([{"input": "a", "Targets": "b"}])
    assert load([{"input": "a", "Targets": "b"}], target=None)[0].target is None


@pytest.mark.parametrize("wrong", [[], 3, [1]])
def test_input_names_fields(wrong):
    with pytest.raises(UsageError, match="input names a field, or a list of fields"):
        load(rows(2), input=wrong)
