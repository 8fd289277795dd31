"""Which examples does an experiment run on?"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import Any, overload

from onetwo_like.core.frozen import FrozenDict
from onetwo_like.errors import DatasetError, UsageError
from onetwo_like.experiments.data.example import Example
from onetwo_like.experiments.data.fields import Fields, ids_of, inputs_of, refuse_duplicates, targets_of
from onetwo_like.experiments.data.plain_values import canonical, hash_of_text, plain
from onetwo_like.experiments.data.records import Records, records_of

INPUT, TARGET, ID = "input", "target", "id"
_SHOWN_EXAMPLES = 10
_SHOWN_CHARACTERS = 300


class Dataset(Sequence[Example]):
    """Examples in order; it never changes.

    `name` is that of the file, or the class of what it was loaded from; `hash` is the SHA-256 of the
    examples, the same for the same rows in any format; `input` and `target` are the names of the fields.
    A slice is a dataset.

    >>> load([{"input": "Capital of France?", "target": "Paris"}])
    Dataset('list', 1 example, input='input', target='target', hash='...')
    """

    __slots__ = ("_digests", "_examples", "hash", "input", "name", "target")

    def __init__(
        self, examples: Iterable[Example], *, name: str, input: Fields = INPUT, target: Fields | None = TARGET
    ) -> None:
        self.name = name
        self.input = input if isinstance(input, str) else tuple(input)
        self.target = target if target is None or isinstance(target, str) else tuple(target)
        self._examples = tuple(examples)
        self._digests = tuple([_digest(example) for example in self._examples])
        self.hash = hash_of_text("\n".join(self._digests))

    def limited(self, n: int) -> Dataset:
        """The first `n` examples, or all if there are fewer."""
        if not isinstance(n, int) or isinstance(n, bool) or n < 1:
            raise UsageError(f"the limit is a number of examples of at least 1, not {n!r}")
        return self[:n]

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Dataset: ...
    def __getitem__(self, index: int | slice) -> Example | Dataset:
        if not isinstance(index, slice):
            return self._examples[index]
        part = Dataset((), name=self.name, input=self.input, target=self.target)
        part._examples, part._digests = self._examples[index], self._digests[index]
        part.hash = hash_of_text("\n".join(part._digests))
        return part

    def __len__(self) -> int:
        return len(self._examples)

    def __repr__(self) -> str:
        size = f"{len(self)} example{'' if len(self) == 1 else 's'}"
        return (
            f"Dataset({self.name!r}, {size}, input={self.input!r}, target={self.target!r}, "
            f"hash='{self.hash[:12]}...')"
        )

    def _repr_html_(self) -> str:
        """The first examples as a table."""
        rows = [_row(example) for example in self._examples[:_SHOWN_EXAMPLES]]
        more = len(self) - len(rows)
        return (
            f"<p>{html.escape(repr(self))}</p>\n<table>\n"
            "<tr><th>id</th><th>input</th><th>target</th></tr>\n"
            + "\n".join(rows)
            + "\n</table>"
            + (f"\n<p>and {more} more</p>" if more else "")
        )


def load(
    examples: object, *, input: Fields = INPUT, target: Fields | None = TARGET, id: str | None = ID
) -> Dataset:
    """The examples of a list, a frame, a Hugging Face dataset or a file, with their fields named.

    `examples` holds dicts, dataclasses or pydantic models; or it is a pandas, polars or Arrow table; or
    the path of a .jsonl, .json, .csv, .tsv (each also .gz) or .parquet file. `input` and `target` name a
    field, or several, which are then one dict. `target=None` says that there is none, `id=None` that ids
    are hashes of the records; data without a field "target" or "id" need not say so.

    Raises DatasetError, which names rows, for duplicates (of ids or, without ids, of whole records) and
    for what is missing (also None, NaN and an empty id), and for a file that cannot be read.

    >>> data = load([{"q": "1 + 1", "a": 2}, {"q": "1 + 2", "a": 3}], input="q", target="a")
    >>> data[1].input, data[1].target
    ('1 + 2', 3)
    """
    if isinstance(examples, Dataset):
        return _as_it_is(examples, input, target, id)
    records = records_of(examples)
    if not records.rows:
        raise DatasetError(f"{records.name}: there are no examples in it")
    if any(isinstance(row, Example) for row in records.rows):
        return _of_examples(records)
    records = records._replace(rows=[FrozenDict(plain(row)) for row in records.rows])
    targets = targets_of(records, target, optional=target == TARGET)
    made = map(
        Example,
        ids_of(records, id, optional=id == ID),
        inputs_of(records, input),
        targets or [None] * len(records.rows),
        records.rows,
    )
    return Dataset(made, name=records.name, input=input, target=target if targets else None)


def _as_it_is(data: Dataset, input: Fields, target: Fields | None, id: str | None) -> Dataset:
    given = (input, target, id)
    if given != (INPUT, TARGET, ID) and given[:2] != (data.input, data.target):
        raise UsageError(
            f"these examples are loaded already, with input={data.input!r} and target={data.target!r}; "
            "name other fields where they are loaded"
        )
    return data


def _of_examples(records: Records) -> Dataset:
    """Of examples that were loaded before and then, say, filtered or shuffled."""
    others = [place for place, row in enumerate(records.rows) if not isinstance(row, Example)]
    if others:
        raise DatasetError(f"{records.name}: some are loaded examples, and {records.where(*others)} not")
    refuse_duplicates([example.id for example in records.rows], records, "id")
    has_target = any(example.target is not None for example in records.rows)
    return Dataset(records.rows, name=records.name, target=TARGET if has_target else None)


def _digest(example: Example) -> str:
    try:
        content = canonical([example.id, example.input, example.target, example.fields])
    except TypeError as error:
        raise DatasetError(f"the example {example.id!r} cannot be hashed: {error}") from error
    return hash_of_text(content)


def _row(example: Example) -> str:
    cells = [html.escape(_shown(value)) for value in (example.id, example.input, example.target)]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."
