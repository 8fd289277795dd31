"""Are files of examples read as they are written, and what is wrong in them named by its line?"""

import csv
import gzip
import json
import re
import sys

import pandas
import pytest

from onetwo_like.errors import DatasetError, MissingExtraError
from onetwo_like.experiments.data.dataset import load

ROWS = [
    {"id": "1", "input": 'a "quoted", text\nof two lines', "target": "x"},
    {"id": "2", "input": "Größe 東京 \u2028 مرحبا", "target": ""},
    {"id": "3", "input": "  spaces\t", "target": "=1+1"},
]


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def as_csv(rows, delimiter=",", lineterminator="\n"):
    import io

    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter, lineterminator=lineterminator)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


TEXTS = {
    "data.csv": as_csv(ROWS),
    "windows.csv": "\ufeff" + as_csv(ROWS, lineterminator="\r\n"),
    "data.tsv": as_csv(ROWS, "\t"),
    "data.jsonl": "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS),
    "windows.jsonl": "\ufeff" + "\r\n\r\n".join(json.dumps(row) for row in ROWS) + "\r\n",
    "data.json": json.dumps(ROWS, ensure_ascii=False),
    "DATA.JSON": "\ufeff" + json.dumps(ROWS, indent=4),
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("zipped", [False, True])
def test_every_format_holds_the_same_examples(tmp_path, name, zipped):
    path = write(tmp_path / name, TEXTS[name])
    if zipped:
        path = tmp_path / f"{name}.gz"
        path.write_bytes(gzip.compress(TEXTS[name].encode()))
    for given in (path, str(path)):
        data = load(given)
        assert [dict(e.fields) for e in data] == ROWS
        assert data.hash == load(ROWS).hash
        assert data.name == path.name


def test_typed_values_of_json_are_the_same_as_pythons(tmp_path):
    rows = [{"input": 1, "target": [1.5, None, True, {"a": "b"}]}, {"input": "1", "target": -0.0}]
    path = write(tmp_path / "a.jsonl", "\n".join(json.dumps(row) for row in rows))
    assert load(path).hash == load(rows).hash


def test_what_csv_holds_stays_text(tmp_path):
    data = load(write(tmp_path / "a.csv", "input,target,flag\n1,2.50,true\n,NA,\n"))
    assert [dict(e.fields) for e in data] == [
        {"input": "1", "target": "2.50", "flag": "true"},
        {"input": "", "target": "NA", "flag": ""},
    ]


def test_the_line_breaks_in_a_cell_stay_as_they_are(tmp_path):
    data = load(write(tmp_path / "a.csv", 'input\r\n"a\r\nb\rc\nd"\r\n'))
    assert data[0].input == "a\r\nb\rc\nd"


def test_half_a_character_of_json_has_a_hash(tmp_path):
    data = load(write(tmp_path / "a.jsonl", '{"input": "\\ud83d"}'))
    assert data.hash == load([{"input": "\ud83d"}]).hash


def test_nan_in_json_is_missing(tmp_path):
    with pytest.raises(DatasetError, match=r"a\.jsonl: 'target' is missing or empty in row 2 \(line 2\)"):
        load(write(tmp_path / "a.jsonl", '{"input": 1, "target": 2}\n{"input": 1, "target": NaN}\n'))


MISSING = [
    ("a.jsonl", '{"input": 1}\n\n{"x": 1}\n{"input": 2}\n{"x": 2}', "rows 2 (line 3) and 4 (line 5)"),
    (
        "a.json",
        '[\n  {"input": 1},\n  {"x": "\\n"}, {"input":\n 2}\n , {"x": 2}\n]',
        "rows 2 (line 3) and 4 (line 5)",
    ),
    ("a.json", '[{"input": [1, 2]},\n\n\n{"x": "]\\u2028"}]', "row 2 (line 4)"),
]


@pytest.mark.parametrize(("name", "text", "where"), MISSING)
def test_a_row_is_named_with_its_line(tmp_path, name, text, where):
    with pytest.raises(DatasetError, match=re.escape(f"{name}: 'input' is missing or empty in {where}")):
        load(write(tmp_path / name, text))


def test_a_row_of_csv_is_named_with_the_line_where_it_begins(tmp_path):
    text = 'id,input\n\n1,"two\nlines"\n2,b\n1,c\n'
    with pytest.raises(DatasetError, match=re.escape("id='1' in rows 1 (line 3) and 3 (line 6)")):
        load(write(tmp_path / "a.csv", text))


WRONG = [
    ("a.jsonl", '{"input": 1}\n{"input": 1', "a.jsonl, line 2: this is not JSON: Expecting ',' delimiter, column 12"),
    ("a.jsonl", '{"input": 1}\n[1]', "a.jsonl, line 2: [1] is not an object with named fields"),
    ("a.jsonl", '{"input": ' + "9" * 5000 + "}", "a.jsonl, line 1: this cannot be read"),
    ("a.jsonl", "[" * 100_000, "a.jsonl, line 1: this cannot be read"),
    ("a.json", '[{"input": 1},\n {"input" 1}]', "a.json, line 2: this is not JSON"),
    ("a.json", '[{"input": 1}\n,]', "a.json, line 2: this is not JSON"),
    ("a.json", '[{"input": 1}]\n[]', "a.json, line 2: this is not JSON: Extra data"),
    ("a.json", '[{"input": 1},\n2]', "a.json, line 2: 2 is not an object with named fields"),
    ("a.json", '{"data": []}', "a.json: a .json file holds one list of objects"),
    ("a.json", '{"input": 1}\n{"input": 2}', "a.json, line 2: this is not JSON: Extra data"),
    ("a.csv", "input,target\na,b\nc\n", "a.csv, line 3: 1 cells, and 2 fields: ['c']"),
    ("a.csv", "input,target\na,b,c\n", "a.csv, line 2: 3 cells, and 2 fields: ['a', 'b', 'c']"),
    ("a.csv", 'input,target\na,b\n"c,d\ne,f\n', "a.csv, the row that begins in line 3: unexpected end of data"),
    ("a.csv", 'input,target\n"a" b,c\n', "a.csv, the row that begins in line 2: ',' expected after '\"'"),
    ("a.csv", "input,x,x\na,b,c\n", "a.csv, line 1: more than one field is called 'x'"),
    ("a.csv", "question;answer\na;b\n", "no field 'input'. The fields are 'question;answer'"),
    ("a.csv", "", "a.csv: there are no examples in it"),
    ("a.csv", "\ufeff", "a.csv: there are no examples in it"),
    ("a.csv", "input,target\n\n", "a.csv: there are no examples in it"),
    ("a.tsv", "", "a.tsv: there are no examples in it"),
    ("a.jsonl", "", "a.jsonl: there are no examples in it"),
    ("a.jsonl", "\n \r\n", "a.jsonl: there are no examples in it"),
    ("a.json", "", "a.json: there are no examples in it"),
    ("a.json", "[]", "a.json: there are no examples in it"),
    ("a.txt", "x", "'a.txt' is not the name of a file of examples; those end in .jsonl, .json, .csv, .tsv"),
    ("a", "x", "'a' is not the name of a file of examples"),
    ("a.gz", "x", "'a.gz' is not the name of a file of examples"),
    ("a.parquet.gz", "x", "'a.parquet.gz' is not the name of a file of examples"),
    ("a.csv.gz", "x", "a.csv.gz cannot be read"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "says"), WRONG)
def test_what_is_wrong_in_a_file_is_said_with_its_line(tmp_path, name, text, says):
    with pytest.raises(DatasetError, match=re.escape(says)):
        load(write(tmp_path / name, text))


def test_another_encoding_is_said_with_its_line(tmp_path):
    with pytest.raises(DatasetError, match=r"a\.csv, line 2: this is not UTF-8"):
        load(write(tmp_path / "a.csv", "input\nGröße\n", "latin-1"))
    with pytest.raises(DatasetError, match=r"a\.csv, line 1: this is not UTF-8"):
        load(write(tmp_path / "a.csv", "input\na\n", "utf-16"))


def test_a_file_that_is_not_there_and_a_folder_are_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"a\.csv cannot be read: No such file"):
        load(tmp_path / "a.csv")
    with pytest.raises(DatasetError, match="No such file"):
        load(tmp_path / "a.parquet")
    (tmp_path / "b.csv").mkdir()
    with pytest.raises(DatasetError, match=r"b\.csv cannot be read: Is a directory"):
        load(tmp_path / "b.csv")


def test_half_a_gzipped_file_is_refused(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"input\na\n" * 100)[:-12])
    with pytest.raises(DatasetError, match=r"a\.csv\.gz cannot be read"):
        load(path)


def test_a_long_cell_is_read_and_the_limit_of_the_process_left_as_it_was(tmp_path):
    limit = csv.field_size_limit()
    data = load(write(tmp_path / "a.csv", f"input\n{'x' * (2 * limit)}\n"))
    assert len(data[0].input) == 2 * limit
    assert csv.field_size_limit() == limit


@pytest.fixture
def without_readers(monkeypatch):
    for package in ("pyarrow.parquet", "polars", "pandas"):
        monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.usefixtures("without_readers")
def test_parquet_without_a_package_that_reads_it_names_the_extra(tmp_path):
    with pytest.raises(MissingExtraError, match=r'pip install "onetwo-like\[experiments\]"'):
        load(write(tmp_path / "a.parquet", "PAR1"))


@pytest.mark.parametrize("reader", ["pyarrow.parquet", "polars"])
def test_parquet_is_read_by_whichever_package_is_there(tmp_path, monkeypatch, reader):
    rows = [{"input": "Größe", "target": 1, "x": 1.5}, {"input": "b", "target": 2, "x": None}]
    pandas.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    for package in ("pyarrow.parquet", "pyarrow", "polars"):
        if not reader.startswith(package):
            monkeypatch.setitem(sys.modules, package, None)
    data = load(tmp_path / "a.parquet")
    assert data.hash == load(rows).hash
    with pytest.raises(DatasetError, match=r"b\.parquet cannot be read"):
        load(write(tmp_path / "b.parquet", "not this"))
