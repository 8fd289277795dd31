"""Which calls did one answer make, and what did each take?"""

from __future__ import annotations

import contextvars
import time
from typing import Any

from onetwo_like.core.request import Handler, Reply, Request
from onetwo_like.core.usage import usage
from onetwo_like.errors import ProgramError
from onetwo_like.experiments.rows import Call, text_of

_LONGEST = 20_000  # letters of an answer that is no text, such as a list of vectors


# The calls of the row that runs here; of its own for each task, which one list for all would mix up.
_noted: contextvars.ContextVar[list[Call | None]] = contextvars.ContextVar("onetwo_like_row")


class Asked(usage):
    """The calls of each row, in the order in which they began; an outer `ot.usage` hears of them as well.

    Cheaper than a trace, which would keep every step of every row. Each prompt is kept once, however many rows
    ask it.
    """

    def __init__(self, outer: usage | None) -> None:
        super().__init__()
        self._outer = outer
        self._texts: dict[str, str] = {}
        self._handlers: dict[Handler, Handler] = {}

    def begin(self, calls: list[Call | None]) -> contextvars.Token[list[Call | None]]:
        """Notes the calls that are made here from now on in this list; None stands for one under way."""
        return _noted.set(calls)

    def end(self, token: contextvars.Token[list[Call | None]]) -> None:
        """Goes on with what was noted in before."""
        _noted.reset(token)

    def counted(self, handler: Handler, backend: str) -> Handler:
        """The handler, whose calls are noted."""
        found = self._handlers.get(handler)
        if found is None:
            found = self._handlers[handler] = self._noting(handler, backend)
        return found

    def _noting(self, handler: Handler, backend: str) -> Handler:
        async def answered(request: Request) -> Reply:
            noted = _noted.get()
            place = len(noted)
            noted.append(None)
            began = time.perf_counter()
            try:
                reply = await handler(request)
            except ProgramError:
                raise  # nobody was asked
            except Exception:
                # How long a failure took differs from run to run, and what is shown of a run must not.
                text = self._text(request.values[0])
                noted[place] = Call(request.op.name, text, None, None, None, None, None, None, "failed", None)
                raise
            value, used, took = reply.value, reply.usage, reply.duration_s
            prompt = request.values[0]
            noted[place] = Call(
                request.op.name,
                self._texts.setdefault(prompt, prompt) if prompt.__class__ is str else self._text(prompt),
                value if value.__class__ is str else text_of(value)[:_LONGEST],
                time.perf_counter() - began if took is None else took,
                *((None, None, None, None) if used is None else (used[0], used[1], used[2], used[4])),
                "hit" if reply.replayed else "made",
                reply.model_version,
            )
            if self._outer is not None:
                self._outer.add(reply, backend)
            return reply

        return answered

    def _text(self, prompt: Any) -> str:
        text = text_of(prompt)
        return self._texts.setdefault(text, text)
