"""How is a list of findings also a frame and, in a notebook, a table?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from onetwo_like.errors import MissingExtraError
from onetwo_like.experiments.rows import text_of
from onetwo_like.experiments.showing.figures import UNKNOWN, number
from onetwo_like.experiments.showing.picture_parts import escaped

T = TypeVar("T")

_SHOWN = 50
_LETTERS = 500
# Of a frame: what may be unknown in all rows without being a number.
_VALUES = ("input", "target", "prediction", "prediction_a", "prediction_b", "error", "cache")


class Listed(list[T]):
    """A list with `.to_pandas()`; `columns` are the fields shown, in order."""

    def __init__(
        self, items: Iterable[T], columns: Sequence[str], fields: Callable[[T], Mapping[str, Any]]
    ) -> None:
        super().__init__(items)
        self.columns = tuple(columns)
        self._fields = fields

    def to_pandas(self) -> Any:
        """The list as a pandas DataFrame, a row each."""
        fields = [self._fields(item) for item in self]
        return frame({name: [each[name] for each in fields] for name in self.columns})

    def _repr_html_(self) -> str:
        shown = [[self._fields(item)[name] for name in self.columns] for item in self[:_SHOWN]]
        more = f"<p>and {len(self) - _SHOWN:,} more</p>" if len(self) > _SHOWN else ""
        return html_table(self.columns, shown) + more


def html_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table of values, each escaped."""
    head = "".join(f"<th>{escaped(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(_cell(value) for value in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>\n"


def _cell(value: Any) -> str:
    if value is None:
        return f"<td>{UNKNOWN}</td>"
    if isinstance(value, float):
        return f'<td style="text-align:right">{number(value)}</td>'
    if isinstance(value, int) and not isinstance(value, bool):
        return f'<td style="text-align:right">{value:,}</td>'
    text = text_of(value)
    text = text if len(text) <= _LETTERS else f"{text[:_LETTERS]} [...]"
    return f'<td style="text-align:left;white-space:pre-wrap">{escaped(text)}</td>'


def frame(columns: Mapping[str, Sequence[Any]]) -> Any:
    """A pandas DataFrame of these columns."""
    try:
        import pandas as pd
    except ImportError:
        raise MissingExtraError(
            "to_pandas needs the package 'pandas', which is not installed: pip install \"onetwo-like[experiments]\""
        ) from None
    try:
        made = pd.DataFrame(dict(columns), columns=list(columns))
    except UnicodeEncodeError:  # half a surrogate pair, which a model can answer and Arrow cannot hold
        made = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in columns.items()})
    # Of None alone, pandas makes objects, which cannot be rounded.
    unknown = [n for n, values in columns.items() if values and n not in _VALUES and set(values) == {None}]
    return made.astype(dict.fromkeys(unknown, float))
