"""Which rows does a source of examples hold?"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from onetwo_like.errors import DatasetError, UsageError
from onetwo_like.experiments.data.example import Example
from onetwo_like.experiments.data.plain_values import record_of

SHOWN_ROWS = 5


class Records(NamedTuple):
    """The rows of a source, what it is called, and on which line each row of a file begins."""

    name: str
    rows: Sequence[Any]
    lines: Sequence[int] | None = None

    def where(self, *places: int) -> str:
        """How a person finds the rows at these places (from 0); a few of them.

        >>> Records("a.csv", [{}, {}, {}], lines=[2, 3, 5]).where(0, 2)
        'rows 1 (line 2) and 3 (line 5)'
        """
        shown = [
            f"{place + 1}" if self.lines is None else f"{place + 1} (line {self.lines[place]})"
            for place in places[:SHOWN_ROWS]
        ]
        more = len(places) - len(shown)
        if more:
            shown.append(f"{more} more")
        return f"row{'s' if len(places) > 1 else ''} {in_words(shown)}"


def in_words(items: Sequence[str]) -> str:
    """The items as a list in a sentence.

    >>> in_words(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([*([", ".join(items[:-1])] if len(items) > 1 else []), *items[-1:]])


def records_of(source: object) -> Records:
    """The rows of a list, an iterable, a frame, a Hugging Face dataset or a file."""
    if isinstance(source, str | os.PathLike):
        from onetwo_like.experiments.data.files import read

        return read(source)
    name = type(source).__name__
    if isinstance(source, Mapping):
        raise _not_rows(source, name)
    for method in ("to_dicts", "to_pylist"):  # polars, Arrow
        if callable(getattr(source, method, None)):
            return Records(name, getattr(source, method)())
    if hasattr(source, "iloc") and hasattr(source, "columns"):  # pandas
        return Records(name, _rows_of_pandas(source))
    if callable(getattr(source, "collect", None)):
        raise UsageError(f"{name} is lazy: give what its collect() returns")
    if not isinstance(source, Iterable):
        raise UsageError(
            "examples are a list of dicts, a frame, a dataset or the path of a file, "
            f"not {name}: {source!r:.80}"
        )
    return Records(name, list(_rows(source)))


def _rows(source: Iterable[object]) -> Iterable[Any]:
    for number, item in enumerate(source, 1):
        row = item if isinstance(item, Example) else record_of(item)
        if row is None:
            raise DatasetError(
                f"row {number} is of type {type(item).__name__}, {item!r:.80}; an example is a dict, "
                'such as {"input": ..., "target": ...}, a dataclass or a pydantic model'
            )
        yield row


def _not_rows(source: Mapping[Any, Any], name: str) -> UsageError:
    if hasattr(source, "column_names"):  # a Hugging Face DatasetDict
        return UsageError(f"{name} has the splits {in_words([repr(s) for s in source])}: give one of them")
    return UsageError(
        f"examples are a list of dicts, one for each example, not one {name}: {dict(source)!r:.80}"
    )


def _rows_of_pandas(frame: Any) -> list[dict[str, Any]]:
    if not frame.columns.is_unique:
        twice = sorted({repr(name) for name in frame.columns[frame.columns.duplicated()]})
        raise DatasetError(f"{type(frame).__name__}: more than one column is called {in_words(twice)}")
    rows: list[dict[str, Any]] = frame.to_dict("records")
    return rows
