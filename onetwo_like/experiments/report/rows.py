"""How do 60,000 rows with their traces become a few megabytes that a page can unpack?

As columns: each text is kept once and named by its place, rows name their example, calls name their row. The
JSON of it is deflated and written in base64, which no planted markup can break out of.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from onetwo_like.experiments.report.counts import of_sample

ROOM_BYTES = 9_500_000  # of a page of 10 MB; the rest is for what stands in it as plain HTML
_SHORTEST = 60  # letters that a text keeps, be there ever so many
_CALL_VALUES = ("operation", "prompt", "answer", "cache", "model_version")


class Packed(NamedTuple):
    """The rows for a page: base64 text, and how many of how many texts were shortened to which length."""

    text: str
    shortened: int
    texts: int
    limit: int | None


def packed(comparison: Mapping[str, Any], room_bytes: int = ROOM_BYTES) -> Packed:
    """All rows; where they do not fit, the longest texts are shortened until they do."""
    limit: int | None = None
    while True:
        values = _Values(limit)
        columns = _columns(comparison, values)
        written = json.dumps(columns, separators=(",", ":"), allow_nan=False)
        text = base64.b64encode(zlib.compress(written.encode(), 6)).decode()
        if len(text) <= room_bytes or limit == _SHORTEST:
            return Packed(text, values.shortened, len(values.lengths), limit if values.shortened else None)
        fitting = _limit(values.lengths, 0.9 * room_bytes / len(text))
        limit = max(_SHORTEST, fitting if limit is None else min(fitting, limit * 9 // 10))


def _limit(lengths: list[int], share: float) -> int:
    """The length to which texts are shortened so that this share of all their letters is left."""
    left = share * sum(lengths)
    ordered = sorted(lengths)
    for i, length in enumerate(ordered):
        even = left / (len(ordered) - i)
        if length > even:
            return int(even)
        left -= length
    return max(ordered, default=0)


class _Values:
    """Each text and other value once; the first is None."""

    def __init__(self, limit: int | None) -> None:
        self.kept: list[Any] = [None]
        self.lengths: list[int] = []  # as they are kept
        self.shortened = 0
        self._limit = limit
        self._places: dict[Any, int] = {}

    def place(self, value: Any) -> int:
        """Where the value is kept."""
        if value is None:
            return 0
        # 1, "1" and True are shown apart: that one is not another may be why a metric says no.
        key = value if type(value) is str else (json.dumps(value),)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(self.kept)
            self.kept.append(self._fitting(value))
        return place

    def _fitting(self, value: Any) -> Any:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        if self._limit is None or len(text) <= self._limit:
            self.lengths.append(len(text))
            return value
        self.shortened += 1
        end = self._limit // 4
        left = len(text) - self._limit
        self.lengths.append(self._limit)
        return f"{text[: self._limit - end]} […{left:,} letters left out…] {text[-end:]}"


def _columns(comparison: Mapping[str, Any], values: _Values) -> dict[str, Any]:
    arms = {arm["name"]: i for i, arm in enumerate(comparison["arms"])}
    metrics: list[str] = comparison["metrics"]
    rows, excluded, place = comparison["rows"], comparison["excluded"], values.place
    pairs = comparison.get("pairs", ())  # of judges that compare two answers
    reasons = [of_sample(each["reason"]) for each in excluded]
    places: dict[str, int] = {}
    for row in (*rows, *excluded):
        places.setdefault(row["example"], len(places))
    given: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        given.setdefault(row["example"], row)
    calls = [(i, call) for i, row in enumerate(rows) for call in row.get("calls") or ()]
    return {
        "arms": list(arms),
        "metrics": metrics,
        "yes_no": [bool(comparison["yes_no"].get(metric)) for metric in metrics],
        "examples": {
            "id": list(places),
            "input": [place(given[e]["input"]) if e in given else 0 for e in places],
            "target": [place(given[e]["target"]) if e in given else 0 for e in places],
        },
        "rows": {
            "arm": [arms[row["arm"]] for row in rows],
            "example": [places[row["example"]] for row in rows],
            "sample": [row["sample"] for row in rows],
            **{
                name: [place(row[name]) for row in rows]
                for name in ("prediction", "status", "error", "cache")
            },
            **_numbers(rows),
            "scores": [[_rounded(row["scores"].get(metric), 6) for row in rows] for metric in metrics],
            "details": [
                [place((row.get("details") or {}).get(metric)) for row in rows] for metric in metrics
            ],
        },
        "calls": {
            "row": [i for i, _ in calls],
            **{name: [place(call.get(name)) for _, call in calls] for name in _CALL_VALUES},
            **_numbers([call for _, call in calls]),
        },
        "excluded": {
            "arm": [arms.get(each["arm"]) for each in excluded],
            "example": [places[each["example"]] for each in excluded],
            "sample": [sample for sample, _ in reasons],
            "metric": [place(each["metric"]) for each in excluded],
            "reason": [place(reason) for _, reason in reasons],
        },
        "pairs": {
            "metric": [place(pair["metric"]) for pair in pairs],
            "a": [arms[pair["a"]] for pair in pairs],
            "b": [arms[pair["b"]] for pair in pairs],
            "example": [places[pair["example"]] for pair in pairs],
            "sample": [pair["sample"] for pair in pairs],
            "score": [_rounded(pair["score"], 6) for pair in pairs],
            "details": [place(pair["details"]) for pair in pairs],
        },
        "values": values.kept,  # the last, when all have been placed
    }


def _numbers(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    # Four digits are more than is shown, and the others would be noise that cannot be compressed.
    return {
        "input_tokens": [row.get("input_tokens") for row in rows],
        "output_tokens": [row.get("output_tokens") for row in rows],
        "cost": [_rounded(row.get("cost"), 4) for row in rows],
        "latency_s": [_rounded(row.get("latency_s"), 4) for row in rows],
    }


def _rounded(value: float | None, digits: int) -> float | None:
    if value is None:
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() else rounded
