"""Which recorded request is nearest to one that was never recorded, and where do they differ?"""

from __future__ import annotations

import itertools
import json
import os.path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onetwo_like.middleware.sources import Sources

# Looking at more would take longer than reading the message.
_LOOK_AT = 20_000


def describe_miss(document: str, sources: Sources, described: str) -> str:
    """The message of a ReplayMiss: what was asked, the nearest recorded request, and the fields that differ."""
    wanted = json.loads(document)
    asked = f"{wanted['operation']}({', '.join(f'{n}={v!r:.80}' for n, v in wanted['arguments'].items())})"
    head = f"not recorded: {asked}, of {described}, sample path {wanted['sample_path']}."
    found = nearest(wanted, sources)
    if gap := sources.gap():
        head = f"{head} {gap}"
    if found is None:
        return (
            f"{head} The cache has no request to {wanted['operation']}. Record it first, in mode read_write."
        )
    lines = [
        f"  {field}: recorded {old!r:.200}, asked {new!r:.200}"
        for field, old, new in differences(found, wanted)
    ]
    return "\n".join([head, "The nearest recorded request differs in:", *lines])


def nearest(wanted: dict[str, Any], sources: Sources) -> dict[str, Any] | None:
    """The recorded request of the same operation with the fewest differing fields, then the most alike text."""
    best: tuple[tuple[int, float], dict[str, Any]] | None = None
    for entry in itertools.islice(sources.entries(), _LOOK_AT):
        document = entry.document
        if document["operation"] != wanted["operation"]:
            continue
        differing = differences(document, wanted)
        if best is not None and len(differing) > best[0][0]:
            continue
        rank = (len(differing), -sum([_alike(old, new) for _, old, new in differing]))
        if best is None or rank < best[0]:
            best = rank, document
    return None if best is None else best[1]


def differences(recorded: dict[str, Any], wanted: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """(field, recorded value, value asked for) of all fields that differ."""
    old, new = _fields(recorded), _fields(wanted)
    return [(name, old.get(name), new.get(name)) for name in {**old, **new} if old.get(name) != new.get(name)]


def _fields(document: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = dict(document["arguments"])
    fields |= {f"fingerprint.{name}": value for name, value in document["fingerprint"].items()}
    return fields | {"sample_path": document["sample_path"], "version": document["version"]}


def _alike(old: object, new: object) -> float:
    """From 0 to 1, by how much is the same at the beginning and at the end: cheap enough for thousands."""
    a, b = (value if isinstance(value, str) else json.dumps(value) for value in (old, new))
    shorter = min(len(a), len(b))
    head = len(os.path.commonprefix([a, b]))  # noqa: RUF071  (characters are meant)
    rest = [a[head:][::-1], b[head:][::-1]]
    tail = len(os.path.commonprefix(rest)) if head < shorter else 0  # noqa: RUF071
    return 2 * (head + tail) / max(1, len(a) + len(b))
