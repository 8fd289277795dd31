"""What is in a cache, as a person reads it?"""

from __future__ import annotations

import collections
import datetime as dt
import fnmatch
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from onetwo_like.errors import CacheError, UsageError
from onetwo_like.middleware.bundle import SUFFIXES, BundleStore
from onetwo_like.middleware.codec import decode
from onetwo_like.middleware.disk_folder import DATABASE, MARKER, cache_folder
from onetwo_like.middleware.disk_store import DiskStore
from onetwo_like.middleware.entries import Entry
from onetwo_like.middleware.key import key_of
from onetwo_like.middleware.recorded import MARKS, Recorded
from onetwo_like.middleware.sources import entries_of
from onetwo_like.middleware.store import Store, write_now

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AT_ONCE = 500  # deletions per durable write


def existing(path: str | os.PathLike[str], *, read_only: bool = True) -> DiskStore | BundleStore:
    """The cache or bundle at a path; a UsageError where there is none, and none is made."""
    name = os.fspath(path)
    if name.endswith(SUFFIXES):
        if not Path(name).expanduser().is_file():
            raise UsageError(f"There is no bundle at {name}.")
        if not read_only:
            raise UsageError(f"{name} is a bundle, which is for reading; name the folder of a cache.")
        return BundleStore(name)
    folder = cache_folder(name)
    if not ((folder / MARKER).exists() or (folder / DATABASE).exists()):
        raise UsageError(f"There is no cache at {name}.")
    return DiskStore(folder, read_only=read_only)


class Filter(NamedTuple):
    """Which entries are meant: all that every field that is set agrees with.

    `model` is a model, a provider or a name, `*` standing for anything; `since` and `before` are in epoch
    seconds; `text` occurs in the request or in the reply.
    """

    model: str | None = None
    operation: str | None = None
    since: float | None = None
    before: float | None = None
    text: str | None = None

    def means(self, entry: Entry) -> bool:
        """Whether the entry is one of those."""
        at = entry.recorded_at
        return (
            (self.operation is None or entry.document["operation"] == self.operation)
            and (self.since is None or (at is not None and at >= self.since))
            and (self.before is None or (at is not None and at < self.before))
            and (self.model is None or _is_of_model(entry, self.model))
            and (self.text is None or _has_text(entry, self.text))
        )


def _is_of_model(entry: Entry, pattern: str) -> bool:
    fingerprint = entry.document["fingerprint"]
    names = [str(value) for value in fingerprint.values() if isinstance(value, str | int)]
    names += [model_of(entry), str(entry.recorded.about.get("model", ""))]
    return any(fnmatch.fnmatchcase(name, pattern) for name in names)


def _has_text(entry: Entry, text: str) -> bool:
    wanted = text.casefold()
    return (
        wanted in shown(entry.document["arguments"]).casefold() or wanted in shown(reply_of(entry)).casefold()
    )


def moment(text: str, now: float) -> float:
    """A date (2026-01-31, 2026-01-31T12:00) or an age (30m, 12h, 7d, 2w) in epoch seconds; `now` likewise."""
    age = re.fullmatch(r"(\d+)([mhdw])", text)
    if age is not None:
        return now - dt.timedelta(**{_UNITS[age[2]]: int(age[1])}).total_seconds()
    try:
        return dt.datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} is no date such as 2026-01-31, and no age such as 12h or 7d") from error


# One entry


def model_of(entry: Entry) -> str:
    """Who answered, in a word or two: "openai:gpt-4o-mini"."""
    fingerprint = dict(entry.document["fingerprint"])
    first = fingerprint.pop("provider", None) or fingerprint.pop("function", None) or "?"
    second = fingerprint.get("model") or fingerprint.get("name") or fingerprint.get("order")
    return f"{first}:{second}" if second is not None else str(first)


def reply_of(entry: Entry) -> Any:
    """The value of the reply; of a refusal, what was said."""
    value = entry.reply.value
    return entry.recorded.about.get("message") if value is None and entry.mark is not None else value


def shown(value: Any) -> str:
    """Text as it is; anything else as JSON, or as Python writes it."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        return repr(value)


def one_line(value: Any, width: int) -> str:
    """The value on one line, cut to a width."""
    text = " ".join(shown(value).split())
    return text if len(text) <= width else text[: width - 1] + "…"


def when(at: float | None) -> str:
    """Epoch seconds as a local date and time."""
    return "-" if at is None else dt.datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M")


def row(entry: Entry) -> tuple[str, str, str, str, str, str]:
    """(key, when, operation, model, request, reply) on one line."""
    arguments = entry.document["arguments"]
    first = next(iter(arguments.values()), "")
    mark = f"[{entry.mark}] " if entry.mark else ""
    return (
        entry.key[:12], when(entry.recorded_at), entry.document["operation"], one_line(model_of(entry), 30),
        one_line(first, 40), mark + one_line(reply_of(entry), 30),
    )  # fmt: skip


def described(entry: Entry) -> str:
    """The whole entry: the request field by field, the reply, what was said of it, and what came before."""
    document, about = entry.document, entry.recorded.about
    lines = [f"key          {entry.key}", f"operation    {document['operation']}"]
    lines += [f"fingerprint  {json.dumps(document['fingerprint'], ensure_ascii=False)}"]
    lines += [f"sample path  {document['sample_path']}", f"key version  {document['version']}", ""]
    for name, value in document["arguments"].items():
        lines += [f"{name}:", _indented(shown(value))]
    lines += ["", f"reply{f' ({entry.mark})' if entry.mark else ''}:", _indented(shown(reply_of(entry))), ""]
    lines += [f"recorded     {when(entry.recorded_at)}"]
    said = {"model": "model", "finish": "finished", "id": "request id", "took": "took (s)"}
    lines += [f"{label:<12} {about[name]}" for name, label in said.items() if about.get(name) is not None]
    usage = entry.reply.usage
    if usage is not None:
        parts = [f"{name} {value}" for name, value in usage._asdict().items() if value is not None]
        lines += [f"usage        {', '.join(parts) or 'not told'}"]
    for number, earlier in enumerate(entry.history, 1):
        lines += [
            "",
            f"earlier reply {number}, of {when(earlier.recorded_at)}:",
            _indented(shown(earlier.value)),
        ]
    return "\n".join(lines)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines() or [""])


def found(store: Store, prefix: str) -> Entry:
    """The entry whose key begins so; a UsageError if there is none, or several."""
    if not re.fullmatch(r"[0-9a-f]{4,64}", prefix):
        raise UsageError(f"a key is hexadecimal, of which at least 4 digits are needed, not {prefix!r:.80}")
    keys = [key for key in store.keys() if key.startswith(prefix)]  # noqa: SIM118  (a store is no mapping)
    if len(keys) != 1:
        several = f"{len(keys)} entries have keys that begin" if keys else "no entry has a key that begins"
        raise UsageError(f"{several} with {prefix}: `onetwo-like cache ls` shows the keys")
    return entry_at(store, keys[0])


def entry_at(store: Store, key: str) -> Entry:
    """The entry of a key that is there."""
    raw = store.get(key)
    if raw is None:
        raise UsageError(f"the entry {key} was deleted just now")
    return Entry(key, Recorded.unpacked(key, raw))


# All of them


class Statistics(NamedTuple):
    """What a cache holds: counts by operation, by model and by mark, tokens, US dollars, and from when to when."""

    entries: int
    operations: dict[str, int]
    models: dict[str, int]
    marks: dict[str, int]
    input_tokens: int
    output_tokens: int
    cost: float | None
    first: float | None
    last: float | None

    def __str__(self) -> str:
        lines = [
            f"entries        {self.entries:,}",
            f"recorded       {when(self.first)} to {when(self.last)}",
        ]
        lines += [f"tokens in      {self.input_tokens:,}", f"tokens out     {self.output_tokens:,}"]
        lines += [f"cost           {'not known' if self.cost is None else f'${self.cost:,.4f}'}"]
        for title, counts in [("operation", self.operations), ("model", self.models), ("marked", self.marks)]:
            lines += [f"{title:<14} {name}: {count:,}" for name, count in sorted(counts.items())]
        return "\n".join(lines)


def statistics(entries: Iterable[Entry]) -> Statistics:
    """The statistics of entries, in the memory of one."""
    operations: collections.Counter[str] = collections.Counter()
    models: collections.Counter[str] = collections.Counter()
    marks: collections.Counter[str] = collections.Counter()
    tokens_in = tokens_out = 0
    cost: float | None = None
    first = last = None
    for entry in entries:
        operations[entry.document["operation"]] += 1
        models[model_of(entry)] += 1
        if entry.mark in MARKS:
            marks[str(entry.mark)] += 1
        usage = entry.reply.usage
        if usage is not None:
            tokens_in += usage.input_tokens or 0
            tokens_out += usage.output_tokens or 0
            if usage.cost is not None:
                cost = (cost or 0.0) + usage.cost
        at = entry.recorded_at
        if at is not None:
            first, last = min(at, at if first is None else first), max(at, at if last is None else last)
    total = sum(operations.values())
    return Statistics(
        total, dict(operations), dict(models), dict(marks), tokens_in, tokens_out, cost, first, last
    )


class Differences(NamedTuple):
    """Keys that only the one or only the other has, and keys that they answer differently."""

    only_first: list[str]
    only_second: list[str]
    differing: list[str]


def differences(first: Store, second: Store) -> Differences:
    """How two caches differ, by what they answer; CacheError for a damaged entry."""
    result = Differences([], [], [])
    for key in first.keys():  # noqa: SIM118  (a store is no mapping)
        one, other = first.get(key), second.get(key)
        if other is None:
            result.only_first.append(key)
        elif one is not None and one != other and _answer(key, one) != _answer(key, other):
            result.differing.append(key)
    result.only_second.extend(key for key in second.keys() if first.get(key) is None)  # noqa: SIM118
    return result


def _answer(key: str, raw: bytes) -> tuple[bytes, str | None, str | None]:
    recorded = Recorded.unpacked(key, raw)
    return recorded.value, recorded.mark, recorded.about.get("message")


def damage(store: Store) -> Iterator[str]:
    """What is wrong with a cache, in words: with its files, and with each entry."""
    if isinstance(store, DiskStore):
        yield from store.damage()
    for key in store.keys():  # noqa: SIM118
        try:
            raw = store.get(key)
            if raw is None:
                continue
            recorded = Recorded.unpacked(key, raw)
            if key != key_of(recorded.document):
                yield f"entry {key}: it has the key of another request"
            _check_value(recorded.value)
        except CacheError as error:
            yield f"entry {key}: {error}"


def _check_value(value: bytes) -> None:
    if value[:1] == b"j":
        json.loads(value[1:])  # of a class that only the program knows
    else:
        decode(value)


def prune(store: Store, wanted: Filter) -> int:
    """Deletes the entries that the filter means, with their history; returns how many."""
    keys = [entry.key for entry in entries_of(store) if wanted.means(entry)]
    for start in range(0, len(keys), _AT_ONCE):
        write_now(store, [(key, None) for key in keys[start : start + _AT_ONCE]])
    return len(keys)
