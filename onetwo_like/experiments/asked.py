"""Which calls did one answer make, and what did each take?"""

from __future__ import annotations

import time
from typing import Any

from onetwo_like.core.request import Handler, Reply, Request
from onetwo_like.core.usage import usage
from onetwo_like.errors import ProgramError
from onetwo_like.experiments.rows import Call, text_of

_LONGEST = 20_000  # letters of an answer that is no text, such as a list of vectors


class Asked(usage):
    """The calls of one row, in the order in which they began; an outer `ot.usage` hears of them as well.

    Cheaper than a trace of it, which would keep every step of every row. `texts` has each prompt once, however
    many rows ask it.
    """

    def __init__(self, outer: usage | None, texts: dict[str, str]) -> None:
        # Without the ledgers and the lock of a block that threads share: there may be 60,000 of these.
        self._outer = outer
        self._texts = texts
        self._noted: list[Call | None] = []

    def counted(self, handler: Handler) -> Handler:
        """The handler, whose calls are noted."""

        async def answered(request: Request) -> Reply:
            noted = self._noted
            place = len(noted)
            noted.append(None)
            began = time.perf_counter()
            try:
                reply = await handler(request)
            except ProgramError:
                raise  # nobody was asked
            except Exception:
                # How long a failure took differs from run to run, and what is shown of a run must not.
                noted[place] = Call(
                    request.op.name,
                    self._text(request.values[0]),
                    None,
                    None,
                    None,
                    None,
                    None,
                    None,
                    "failed",
                    None,
                )
                raise
            value, used, took = reply.value, reply.usage, reply.duration_s
            noted[place] = Call(
                request.op.name,
                self._text(request.values[0]),
                value if value.__class__ is str else text_of(value)[:_LONGEST],
                time.perf_counter() - began if took is None else took,
                *((None, None, None, None) if used is None else (used[0], used[1], used[2], used[4])),
                "hit" if reply.replayed else "made",
                reply.model_version,
            )
            if self._outer is not None:
                self._outer.add(reply)
            return reply

        return answered

    def _text(self, prompt: Any) -> str:
        text = prompt if prompt.__class__ is str else text_of(prompt)
        return self._texts.setdefault(text, text)

    @property
    def calls(self) -> list[Call]:
        """Those that have ended, with an answer or without one."""
        return [call for call in self._noted if call is not None]
