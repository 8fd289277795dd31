"""How do files of examples become rows?"""

from __future__ import annotations

import csv
import gzip
import importlib
import io
import json
import os
import re
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from onetwo_like.errors import DatasetError, MissingExtraError
from onetwo_like.experiments.data.records import Records, in_words

_SPACE = re.compile(r"[ \t\r\n]*")
# Whichever is installed; pandas reads Parquet with a package of its own choice.
_PARQUET: tuple[tuple[str, Callable[[Any, Path], list[dict[str, Any]]]], ...] = (
    ("pyarrow.parquet", lambda parquet, path: parquet.read_table(path).to_pylist()),
    ("polars", lambda polars, path: polars.read_parquet(path).to_dicts()),
    ("pandas", lambda pandas, path: pandas.read_parquet(path).to_dict("records")),
)


def read(source: str | os.PathLike[str]) -> Records:
    """The rows of a file, and the line on which each begins.

    JSON lines (.jsonl), a JSON list of objects (.json), .csv and .tsv, in UTF-8 with or without a byte
    order mark, each also gzipped (.gz), and .parquet. What a .csv or .tsv file holds stays text: "1"
    is not guessed to be a number. Raises DatasetError, which names the line, for what cannot be read.
    """
    path = Path(source).expanduser()
    suffixes = [suffix.lower() for suffix in path.suffixes]
    zipped = suffixes[-1:] == [".gz"]
    form = suffixes[-2 if zipped else -1] if len(suffixes) > zipped else ""
    try:
        if form == ".parquet" and not zipped:
            return Records(path.name, _parquet(path))
        if form not in _TEXT_FORMS:
            known = ", ".join(_TEXT_FORMS)
            raise DatasetError(
                f"{path.name!r} is not the name of a file of examples; those end in {known} (each also .gz), .parquet"
            )
        data = gzip.decompress(path.read_bytes()) if zipped else path.read_bytes()
        return _records(path.name, data, _TEXT_FORMS[form])
    except (OSError, EOFError, zlib.error) as error:
        told = getattr(error, "strerror", None) or error
        raise DatasetError(f"{path} cannot be read: {told}") from error


def _records(name: str, data: bytes, rows_of: Callable[[str, str], Iterator[tuple[int, Any]]]) -> Records:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DatasetError(
            f"{name}, line {line}: this is not UTF-8; save the file in that encoding"
        ) from None
    lines: list[int] = []
    rows: list[Any] = []
    for line, row in rows_of(name, text):
        if not isinstance(row, dict):
            raise DatasetError(f"{name}, line {line}: {row!r:.80} is not an object with named fields")
        lines.append(line)
        rows.append(row)
    return Records(name, rows, lines)


def _json_lines(name: str, text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), 1):  # JSON may hold other separators of lines
        if line.strip():
            yield number, _parsed(name, line, number)


def _json(name: str, text: str) -> Iterator[tuple[int, Any]]:
    """The elements of one list, each with its line."""
    rows = _parsed(name, text, 1) if text.strip() else []
    if not isinstance(rows, list):
        raise DatasetError(
            f"{name}: a .json file holds one list of objects; with one per line it is a .jsonl"
        )
    decoder = json.JSONDecoder()
    line, counted, place = 1, 0, text.find("[")
    for row in rows:
        place = _after_space(text, place + 1)  # after the bracket, or the comma
        line += text.count("\n", counted, place)
        counted = place
        yield line, row
        place = _after_space(text, decoder.raw_decode(text, place)[1])


def _parsed(name: str, text: str, line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        told = f"{error.msg}, column {error.colno}"
        raise DatasetError(f"{name}, line {line + error.lineno - 1}: this is not JSON: {told}") from None
    except (ValueError, RecursionError) as error:  # a number too long, a list too deep
        raise DatasetError(f"{name}, line {line}: this cannot be read: {error}") from None


def _after_space(text: str, place: int) -> int:
    match = _SPACE.match(text, place)
    assert match is not None
    return match.end()


def _csv(name: str, text: str) -> Iterator[tuple[int, Any]]:
    return _delimited(name, text, ",")


def _tsv(name: str, text: str) -> Iterator[tuple[int, Any]]:
    return _delimited(name, text, "\t")


def _delimited(name: str, text: str, delimiter: str) -> Iterator[tuple[int, Any]]:
    """The rows below the line that names the fields; a cell in quotes may hold the delimiter and lines."""
    rows = iter(_cells(name, text, delimiter))
    line, header = next(rows, (1, []))
    twice = sorted({repr(field) for field in header if header.count(field) > 1})
    if twice:
        raise DatasetError(f"{name}, line {line}: more than one field is called {in_words(twice)}")
    for line, cells in rows:
        if len(cells) != len(header):
            raise DatasetError(
                f"{name}, line {line}: {len(cells)} cells, and {len(header)} fields: {cells!r:.80}. "
                'What holds a delimiter, a quotation mark or a line break stands in "..."'
            )
        yield line, dict(zip(header, cells, strict=True))


def _cells(name: str, text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """The rows that are not blank, each with the line on which it begins."""
    with _long_cells:  # the limit on a cell is one for the process; contexts are longer than it is
        limit = csv.field_size_limit(max(len(text), 1))
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        found: list[tuple[int, list[str]]] = []
        began = 1
        try:
            for cells in reader:
                if cells:
                    found.append((began, cells))
                began = reader.line_num + 1
        except csv.Error as error:
            raise DatasetError(f"{name}, the row that begins in line {began}: {error}") from None
        finally:
            csv.field_size_limit(limit)
    return found


def _parquet(path: Path) -> list[dict[str, Any]]:
    path.stat()  # a missing file is an OSError, whichever package reads
    for package, rows_of in _PARQUET:
        try:
            module = importlib.import_module(package)
            return rows_of(module, path)
        except ImportError:
            continue
        except OSError:
            raise
        except Exception as error:
            raise DatasetError(f"{path.name} cannot be read: {error}") from error
    raise MissingExtraError(
        'Parquet is read by pyarrow or polars, and neither is installed: pip install "onetwo-like[experiments]"'
    )


_long_cells = threading.Lock()
_TEXT_FORMS: dict[str, Callable[[str, str], Iterator[tuple[int, Any]]]] = {
    ".jsonl": _json_lines,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _tsv,
}
