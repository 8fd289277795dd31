"""What does a person see of one entry of a cache?"""

from __future__ import annotations

import json
from typing import Any

from onetwo_like.core.operation import operations
from onetwo_like.core.request import Reply
from onetwo_like.middleware.known_types import KnownTypes
from onetwo_like.middleware.recorded import Recorded, readable


class Entry:
    """One entry: `.key`, `.document` (the request), `.reply`, `.recorded_at` and `.history`.

    A value whose class only the program knows is shown as the JSON it is stored as.
    """

    def __init__(self, key: str, recorded: Recorded) -> None:
        self.key = key
        self.recorded = recorded

    @property
    def document(self) -> dict[str, Any]:
        """The key document: operation, arguments, fingerprint, sample path, version."""
        document: dict[str, Any] = json.loads(self.recorded.document)
        return document

    @property
    def mark(self) -> str | None:
        """ "refused", "truncated" or "unparsed"; None for a complete answer."""
        return self.recorded.mark

    @property
    def reply(self) -> Reply:
        """The reply as it was recorded; of a refusal or a parse failure, with the text that came."""
        return self._reply(self.recorded)

    @property
    def recorded_at(self) -> float | None:
        """When the call was made, in epoch seconds."""
        return self.recorded.about.get("at")

    @property
    def history(self) -> list[Reply]:
        """Earlier replies to the same request, oldest first."""
        return [self._reply(recorded) for recorded in self.recorded.earlier()]

    def _reply(self, recorded: Recorded) -> Reply:
        op = operations().get(self.document["operation"])
        types = KnownTypes(*([op.returns] if op is not None else []))
        complete = recorded._replace(
            about={n: v for n, v in recorded.about.items() if n not in ("mark", "chunks")}
        )
        value = readable(recorded, types)
        return complete._replace(value=b"jnull").read(types, True)._replace(value=value)

    def __repr__(self) -> str:
        return f"<Entry {self.key[:12]} {self.document['operation']} {self.document['arguments']!r:.60}>"
