"""Are frames and datasets of other libraries read as the rows they are?"""

import datetime
import decimal
import enum
import uuid
import warnings

import numpy
import pandas
import pytest

from onetwo_like.errors import DatasetError, UsageError
from onetwo_like.experiments.data.dataset import load

ROWS = [
    {"id": 1, "input": "Größe?", "target": 1.5, "tags": ["a", "b"], "ok": True},
    {"id": 2, "input": "東京", "target": -2.0, "tags": [], "ok": False},
]


class HuggingFaceShaped:
    """What a `datasets.Dataset` is to who only reads it."""

    def __init__(self, rows):
        self._rows = rows
        self.column_names = list(rows[0])
        self.features = dict.fromkeys(rows[0])

    def __iter__(self):
        return iter(self._rows)

    def __len__(self):
        return len(self._rows)

    def to_dict(self):
        raise AssertionError("columns, not rows")


class SplitsShaped(dict[str, HuggingFaceShaped]):
    """What a `datasets.DatasetDict` is."""

    @property
    def column_names(self):
        return {name: split.column_names for name, split in self.items()}


def test_a_pandas_frame_is_its_rows():
    data = load(pandas.DataFrame(ROWS))
    assert data.name == "DataFrame"
    assert data.hash == load(ROWS).hash
    assert [type(value) for value in data[0].fields.values()] == [int, str, float, list, bool]


def test_numpys_values_become_pythons_and_missing_ones_none():
    frame = pandas.DataFrame(
        {
            "input": ["a", "b"],
            "whole": numpy.array([1, 2], dtype=numpy.int8),
            "real": numpy.array([0.5, numpy.nan], dtype=numpy.float32),
            "nullable": pandas.array([1, None], dtype="Int64"),
            "text": pandas.array(["x", None], dtype="string"),
            "when": pandas.to_datetime(["2026-11-28", None]),
            "array": [numpy.array([1, 2]), numpy.array([[0.5], [numpy.nan]])],
            "mixed": [numpy.str_("s"), numpy.bool_(True)],
        }
    )
    first, second = [dict(e.fields) for e in load(frame)]
    assert first == {
        "input": "a",
        "whole": 1,
        "real": 0.5,
        "nullable": 1,
        "text": "x",
        "when": datetime.datetime(2026, 11, 28),
        "array": [1, 2],
        "mixed": "s",
    }
    assert second == {
        "input": "b",
        "whole": 2,
        "real": None,
        "nullable": None,
        "text": None,
        "when": None,
        "array": [[0.5], [None]],
        "mixed": True,
    }
    plain = {int, float, str, bool, list, datetime.datetime, type(None)}
    assert {type(value) for row in (first, second) for value in row.values()} <= plain


def test_two_columns_of_one_name_are_refused():
    frame = pandas.DataFrame([["a", "b", "c"]], columns=["input", "x", "x"])
    with pytest.raises(DatasetError, match="more than one column is called 'x'"):
        load(frame)


def test_an_empty_frame_has_no_examples():
    with pytest.raises(DatasetError, match="DataFrame: there are no examples"):
        load(pandas.DataFrame({"input": []}))


def test_what_is_shaped_like_a_hugging_face_dataset_is_its_rows():
    data = load(HuggingFaceShaped(ROWS))
    assert (data.name, data.hash) == ("HuggingFaceShaped", load(ROWS).hash)


def test_of_several_splits_one_is_to_be_given():
    splits = SplitsShaped(train=HuggingFaceShaped(ROWS), test=HuggingFaceShaped(ROWS))
    with pytest.raises(UsageError, match="has the splits 'train' and 'test': give one of them"):
        load(splits)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"input": ["a"], "target": ["b"]}, "a list of dicts, one for each example, not one dict"),
        (3, "not int: 3"),
        (None, "not NoneType: None"),
    ],
)
def test_what_holds_no_rows_is_refused(source, says):
    with pytest.raises(UsageError, match=says):
        load(source)


@pytest.mark.parametrize("row", ["a text", ("a", "b"), 3, None, ["a"]])
def test_what_is_no_record_is_named_with_its_row(row):
    with pytest.raises(DatasetError, match="row 2 is of type"):
        load([{"input": "a"}, row])


def test_other_values_of_the_standard_library_have_a_hash():
    class Colour(enum.Enum):
        RED = "red"

    values = [
        datetime.date(2026, 11, 28),
        datetime.datetime(2026, 11, 28),
        datetime.time(12),
        datetime.timedelta(seconds=1),
        decimal.Decimal("1.0"),
        decimal.Decimal("1.00"),
        uuid.UUID(int=1),
        b"bytes",
        {"a", "b"},
        Colour.RED,
        -0.5,
        1e300,
        float("inf"),
    ]
    assert len({load([{"input": value}]).hash for value in values}) == len(values)
    assert load([{"input": Colour.RED}])[0].input == "red"
    assert load([{"input": {"b", "a"}}])[0].input == ["a", "b"]


def test_a_polars_frame_is_its_rows():
    import polars

    data = load(polars.DataFrame(ROWS))
    assert (data.name, data.hash) == ("DataFrame", load(ROWS).hash)
    with pytest.raises(UsageError, match=r"LazyFrame is lazy: give what its collect\(\) returns"):
        load(polars.DataFrame(ROWS).lazy())


def test_an_arrow_table_is_its_rows():
    import pyarrow

    data = load(pyarrow.Table.from_pylist(ROWS))
    assert (data.name, data.hash) == ("Table", load(ROWS).hash)


def test_a_hugging_face_dataset_is_its_rows():
    # Heavy for what it tests, so not in the dev extra; `.ci/run` installs it for this.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it warns of when it is imported is not ours
        datasets = pytest.importorskip("datasets")
    table = datasets.Dataset.from_list(ROWS)
    assert (load(table).name, load(table).hash) == ("Dataset", load(ROWS).hash)
    assert load(table.with_format("numpy")).hash == load(ROWS).hash
    with pytest.raises(UsageError, match="DatasetDict has the splits 'train'"):
        load(datasets.DatasetDict(train=table))
