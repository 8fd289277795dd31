"""What is known of one answer: the example, the prediction, its scores, and the calls that it took?"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from onetwo_like.core.content import Chunk, ChunkList, Message
from onetwo_like.experiments.data.plain_values import canonical, plain

RowStatus: TypeAlias = Literal["ok", "error", "timeout", "cancelled", "not run"]
CacheState: TypeAlias = Literal["hit", "made", "mixed", "failed"]


class Call(NamedTuple):
    """One call of a model: what was asked and answered, as text, and what that took when it was made.

    `cache` is "hit" where it was replayed, "made" where a backend answered, and "failed" where none did.
    """

    operation: str
    prompt: str
    answer: str | None
    latency_s: float | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    cost: float | None
    cache: str
    model_version: str | None


class Row(NamedTuple):
    """One arm's answer to one example in one sample.

    `example` is its id. `scores` has every metric, with None for a missing score, and then `reasons` says why;
    `details` are what metrics returned beside a score. Tokens, `cost` (US dollars) and `latency_s` are sums over
    the calls as they were recorded, None where unknown. `cache` is what the calls have in common.
    """

    arm: str
    example: str
    sample: int
    input: Any
    target: Any
    prediction: Any
    status: RowStatus
    error: str | None
    scores: dict[str, float | None]
    details: dict[str, Any]
    reasons: dict[str, str]
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None
    latency_s: float | None
    cache: CacheState | None
    calls: tuple[Call, ...]

    def to_dict(self) -> dict[str, Any]:
        """The row as plain data."""
        given = dict(zip(self._fields, self, strict=True))
        for name in ("input", "target", "prediction"):
            given[name] = data_of(given[name])
        given["scores"] = dict(self.scores)
        given["details"] = {name: data_of(said) for name, said in self.details.items()}
        given["reasons"] = dict(self.reasons)
        given["calls"] = [dict(zip(_CALL_FIELDS, call, strict=True)) for call in self.calls]
        return given

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Row:
        """The row that `to_dict` described, with values as plain data."""
        given = dict(data)
        given["calls"] = tuple([Call(**call) for call in data["calls"]])
        return cls(**given)


_CALL_FIELDS = Call._fields
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")  # in a repr: another one in each process
_MOST_BITS = 10_000  # of an int that Python writes in decimal: it refuses 4,300 digits


def row(
    key: tuple[str, str, int],
    given: Any,
    target: Any,
    prediction: Any = None,
    status: RowStatus = "ok",
    error: str | None = None,
    calls: Sequence[Call] = (),
) -> Row:
    """A row without scores, with the sums over its calls."""
    if len(calls) == 1:  # most have one
        [call] = calls
        sums: tuple[Any, ...] = (call.input_tokens, call.output_tokens, call.cost, call.latency_s, call.cache)
    else:
        states = {call.cache for call in calls}
        sums = (
            _sum_of([call.input_tokens for call in calls]),
            _sum_of([call.output_tokens for call in calls]),
            _all_of([call.cost for call in calls if call.cache != "failed"]),
            _seconds([call.latency_s for call in calls]),
            states.pop() if len(states) == 1 else "mixed" if states else None,
        )
    fields: Any = (*key, given, target, prediction, status, error, {}, {}, {}, *sums, tuple(calls))
    return Row._make(fields)


def _sum_of(numbers: Iterable[Any]) -> Any:
    """The sum of those that are known."""
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None


def _seconds(times: Iterable[float | None]) -> float | None:
    """The sum, to the same bit in whichever order the calls were made."""
    known = [seconds for seconds in times if seconds is not None]
    return math.fsum(known) if known else None


def _all_of(costs: Sequence[float | None]) -> float | None:
    """The sum, if all are known: an unknown cost is not 0."""
    if not costs or None in costs:
        return None
    return math.fsum([cost for cost in costs if cost is not None])


class Sums:
    """Calls added up: `calls`, `input_tokens`, `output_tokens`, `cached_tokens`, and `cost` in US dollars.

    Tokens of which nobody told are not in the sums; `cost` is None as soon as one call's is unknown.
    """

    def __init__(self, calls: Iterable[Call] = ()) -> None:
        self.calls = self.input_tokens = self.output_tokens = self.cached_tokens = 0
        costs = []
        for call in calls:
            self.calls += 1
            self.input_tokens += call.input_tokens or 0
            self.output_tokens += call.output_tokens or 0
            self.cached_tokens += call.cached_tokens or 0
            costs.append(call.cost)
        known = [cost for cost in costs if cost is not None]
        self.cost = math.fsum(known) if len(known) == len(costs) else None

    def __repr__(self) -> str:
        return f"Sums({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sums) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]


def recorded(calls: Iterable[Call]) -> Sums:
    """What the calls used when they were made; those that failed are left out, because nobody says what they cost."""
    return Sums([call for call in calls if call.cache != "failed"])


def paid(calls: Iterable[Call]) -> Sums:
    """What was paid for now."""
    return Sums([call for call in calls if call.cache == "made"])


# Values as text and as plain data


def text_of(value: Any) -> str:
    """A prompt or an answer as a person reads it."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, ChunkList):
        return str(value)
    if isinstance(value, tuple) and value and all(isinstance(each, Message) for each in value):
        return "\n".join(f"{message.role}: {message.content}" for message in value)
    data = data_of(value)
    return data if isinstance(data, str) else canonical(data)


def failure_text(error: BaseException) -> str:
    """What went wrong, by its class."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  (of a class that has no text)
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def data_of(value: Any) -> Any:
    """The value as what JSON holds: records as dicts, and what has no form as its repr, or its type.

    >>> data_of((1, float("inf"), {2: b"x"}))
    [1, 'inf', {'2': "b'x'"}]
    """
    kind = value.__class__
    if value is None or kind is str or kind is bool:
        return value
    if kind is float:
        return value if math.isfinite(value) else repr(value)
    try:
        return _json(plain(value))
    except Exception as error:  # noqa: BLE001  (one answer that holds itself does not lose the others)
        return f"<{kind.__qualname__}: {type(error).__name__}>"


def _json(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= _MOST_BITS else hex(value)
    if isinstance(value, str | ChunkList):
        return str(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(value)
    if isinstance(value, Mapping):
        return {n if isinstance(n, str) else repr(n): _json(item) for n, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, Message):
        return {"role": value.role, "content": _json(value.content)}
    if isinstance(value, Chunk):
        return str(value.content) if isinstance(value.content, str) else repr(value)
    return _ADDRESS.sub("", repr(value))
