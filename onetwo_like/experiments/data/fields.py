"""Which of a row's fields are its input, its target and its id?"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from onetwo_like.errors import DatasetError, UsageError
from onetwo_like.experiments.data.plain_values import canonical, hash_of_text
from onetwo_like.experiments.data.records import SHOWN_ROWS, Records

Fields: TypeAlias = str | Sequence[str]

_ID_CHARACTERS = 12


def inputs_of(records: Records, names: Fields) -> list[Any]:
    """What each row gives to the strategy."""
    return _values(records, names, "input")


def targets_of(records: Records, names: Fields | None, optional: bool) -> list[Any] | None:
    """What each row says the answer should be; None if there is no such field, and need not be."""
    if names is None:
        return None
    if isinstance(names, str) and optional and _is_nowhere(records, names):
        near = _nearest(names, _names(records), cutoff=0.8)
        if near not in (None, names):
            raise DatasetError(
                f"{records.name}: there is no field {names!r}. Say target={near!r}, "
                "or target=None if there are no targets"
            )
        return None
    return _values(records, names, "target")


def ids_of(records: Records, name: str | None, optional: bool) -> list[str]:
    """The id of each row as text; hashes of their content if there is no such field, and need not be."""
    if name is None or (optional and _is_nowhere(records, name)):
        contents = [_content(records, place) for place in range(len(records.rows))]
        refuse_duplicates(contents, records, None)
        return [hash_of_text(content)[:_ID_CHARACTERS] for content in contents]
    values = _column(records, name)
    _refuse_missing(records, name, [isinstance(v, str) and not v.strip() for v in values])
    wrong = next((place for place, v in enumerate(values) if isinstance(v, dict | list | bool)), None)
    if wrong is not None:
        raise DatasetError(
            f"{records.name}: an id is a text or a number, not {values[wrong]!r:.60}, "
            f"in {records.where(wrong)}"
        )
    ids = [str(value) for value in values]
    refuse_duplicates(ids, records, name)
    return ids


def refuse_duplicates(values: Sequence[str], records: Records, field: str | None) -> None:
    """Raises a DatasetError that says which rows have the same id or, without a field, the same content."""
    places: dict[str, list[int]] = {}
    for place, value in enumerate(values):
        places.setdefault(value, []).append(place)
    if len(places) == len(values):
        return
    twice = [(value, rows) for value, rows in places.items() if len(rows) > 1]
    told = [
        f"{field}={value!r:.60} in {records.where(*rows)}" if field else records.where(*rows)
        for value, rows in twice[:SHOWN_ROWS]
    ]
    if len(twice) > len(told):
        told.append(f"and {len(twice) - len(told)} more")
    what, cure = (
        ("ids occur more than once", "")
        if field
        else (
            "records occur more than once",
            ". Leave the copies out, or give each row an id and name its field with id=",
        )
    )
    raise DatasetError(f"{records.name}: {what}: {'; '.join(told)}{cure}")


def _content(records: Records, place: int) -> str:
    try:
        return canonical(records.rows[place])
    except TypeError as error:
        raise DatasetError(f"{records.name}: {records.where(place)} cannot be hashed: {error}") from error


def _values(records: Records, names: Fields, role: str) -> list[Any]:
    if isinstance(names, str):
        return _column(records, names)
    names = list(names) if isinstance(names, Iterable) else names
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise UsageError(f"{role} names a field, or a list of fields, not {names!r:.80}")
    columns = [_column(records, name) for name in names]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]


def _column(records: Records, name: str) -> list[Any]:
    fields = _names(records)
    if name not in fields:
        near = _nearest(name, fields, cutoff=0.6)
        meant = f"; did you mean {near!r}?" if near else "."
        raise DatasetError(
            f"{records.name}: there is no field {name!r}{meant} The fields are {', '.join(map(repr, fields))}"
        )
    values = [row.get(name) for row in records.rows]
    _refuse_missing(records, name, [value is None for value in values])
    return values


def _refuse_missing(records: Records, name: str, missing: Sequence[bool]) -> None:
    places = [place for place, is_missing in enumerate(missing) if is_missing]
    if places:
        raise DatasetError(f"{records.name}: {name!r} is missing or empty in {records.where(*places)}")


def _is_nowhere(records: Records, name: str) -> bool:
    return all(row.get(name) is None for row in records.rows)


def _names(records: Records) -> list[str]:
    return list(dict.fromkeys(name for row in records.rows for name in row))


def _nearest(name: str, fields: Sequence[str], cutoff: float) -> str | None:
    folded = {str(field).casefold(): field for field in fields}
    near = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=cutoff)
    return folded[near[0]] if near else None
