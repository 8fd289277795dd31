"""What happened in a run, as a tree of spans?"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from onetwo_like.core.frozen import copied
from onetwo_like.core.request import Reply, SamplePath, Usage

if TYPE_CHECKING:
    from onetwo_like.core.trace_diff import TraceDiff


class Total(NamedTuple):
    """The sums over the calls of a trace.

    `made`, `replayed` and `failed` add up to `calls`. `cost` (US dollars) is what the calls cost when
    they were made, `paid` the part of it that was paid in this run; both are None if no call says.
    """

    calls: int
    made: int
    replayed: int
    failed: int
    input_tokens: int
    output_tokens: int
    cost: float | None
    paid: float | None


class Span:
    """One call of an executable or a built-in: what went in, what came out, and how long it took.

    `start` is in epoch seconds, `duration` in seconds (None while it runs); `waiting` is the part of it
    spent on a rate limit, on a place among the calls under way, or between `attempts`.
    `inputs` are by name. `cache` is "hit" where the reply was replayed, "made" where a
    backend answered, "failed" where none did, and None where no model was involved. A built-in that was derived has neither
    that nor `usage` nor `cost` (US dollars): they are of the calls below it.
    """

    __slots__ = (
        "_began",
        "_by_name",
        "_inputs",
        "_kept",
        "_path",
        "attempts",
        "cache",
        "children",
        "duration",
        "error",
        "name",
        "output",
        "parent",
        "sample_path",
        "start",
        "streamed",
        "usage",
        "waiting",
    )

    def __init__(
        self,
        name: str,
        parent: Span | None,
        sample_path: SamplePath,
        inputs: Any,
        kept: bool,
        by_name: Callable[[Any], Any] | None = None,
    ) -> None:
        self.name = name
        self.parent = parent
        self.sample_path = sample_path
        self._inputs = inputs if kept else None
        self._by_name = by_name
        self._kept = kept
        self.output: Any = None
        self.error: BaseException | None = None
        self.children: list[Span] = []
        self.usage: Usage | None = None
        self.cache: str | None = None
        self.streamed = False
        self.attempts = 1
        self.waiting = 0.0
        self.duration: float | None = None
        self._path: str | None = None
        self.start = time.time()
        self._began = time.perf_counter()
        if kept and parent is not None:
            parent.children.append(self)

    @property
    def inputs(self) -> Any:
        """The arguments by name; None for what takes none, such as the run itself."""
        if self._inputs is None or self._by_name is None:
            return self._inputs
        return self._by_name(self._inputs)

    @property
    def cost(self) -> float | None:
        """What the call cost when it was made, in US dollars; None if unknown."""
        return None if self.usage is None else self.usage.cost

    @property
    def path(self) -> str:
        """Where in the run this is, such as "parallel[2]/mayor/generate_text"; "" for the run itself."""
        if self._path is None:
            names = []
            span: Span | None = self
            while span is not None:  # not by recursion: there may be thousands above
                if span.name:
                    names.append(span.name)
                span = span.parent
            self._path = "/".join(reversed(names))
        return self._path

    def finish(self, output: Any = None, error: BaseException | None = None) -> None:
        """Ends the span with what came out of it."""
        self.duration = time.perf_counter() - self._began
        self.output = copied(output) if self._kept else None
        self.error = error

    def record(self, reply: Reply) -> None:
        """Notes what the reply of a built-in says beside its value."""
        self.usage = reply.usage
        self.cache = "hit" if reply.replayed else "made"

    def walk(self) -> list[Span]:
        """This span and all below it, parents first."""
        return [span for _, span in self.levels()]

    def levels(self) -> Iterator[tuple[int, Span]]:
        """(depth, span) of this span and all below it, parents first."""
        waiting = [(0, self)]
        while waiting:
            depth, span = waiting.pop()
            yield depth, span
            waiting.extend((depth + 1, child) for child in reversed(span.children))

    def total(self) -> Total:
        """What all calls in this span come to."""
        calls = [span for span in self.walk() if span.cache is not None]
        usages = [span.usage for span in calls if span.usage is not None]
        return Total(
            len(calls),
            sum([span.cache == "made" for span in calls]),
            sum([span.cache == "hit" for span in calls]),
            sum([span.cache == "failed" for span in calls]),
            sum([usage.input_tokens or 0 for usage in usages]),
            sum([usage.output_tokens or 0 for usage in usages]),
            _sum([span.cost for span in calls]),
            _sum([0.0 if span.cache == "hit" and span.cost is not None else span.cost for span in calls]),
        )

    def to_dict(self) -> dict[str, Any]:
        """This span and all below it as plain data, which `json.dump` takes; see `from_dict`."""
        from onetwo_like.core.trace_json import to_dict

        return to_dict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Span:
        """The trace that `to_dict` described: values as plain data, errors with their class's name.

        Raises UsageError if that is not what the data is.
        """
        from onetwo_like.core.trace_json import from_dict

        return from_dict(data)

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Writes one page that needs nothing else: the tree, a time line, a search, all prompts and answers."""
        from onetwo_like.core.trace_html import page

        # Half a surrogate pair, as some models write, has no form in UTF-8.
        with open(path, "w", encoding="utf-8", errors="xmlcharrefreplace") as file:
            file.write(page(self))

    def draw(self, path: str | os.PathLike[str]) -> None:
        """Writes a picture of the calls, numbered as they began, as .html, .svg, .mmd or .md (Mermaid)."""
        from onetwo_like.core.drawing_trace import drawing_of

        drawing_of(self).save(path)

    def mermaid(self) -> str:
        """The picture of the calls as the text of a Mermaid flowchart."""
        from onetwo_like.core.drawing_trace import drawing_of

        return drawing_of(self).mermaid()

    def _repr_html_(self) -> str:
        from onetwo_like.core.trace_html import frame

        return frame(self)

    def diff(self, other: Span) -> TraceDiff:
        """Where another run differs from this one; prints side by side, and is false if they do not differ.

        >>> from onetwo_like import ot
        >>> double = ot.make_executable(name="double")(lambda x: 2 * x)
        >>> traces = [ot.run(double(x), enable_tracing=True)[1] for x in (1, 2)]
        >>> [(parting.path, parting.what) for parting in traces[0].diff(traces[1])]
        [('', 'output'), ('double', 'inputs, output')]
        """
        from onetwo_like.core.trace_diff import TraceDiff

        return TraceDiff(self, other)

    def __repr__(self) -> str:
        return f"<Span {self.path or 'run'}: {len(self.children)} children>"

    def __str__(self) -> str:
        from onetwo_like.core.trace_text import text

        return text(self)


def _sum(costs: list[float | None]) -> float | None:
    known = [cost for cost in costs if cost is not None]
    return math.fsum(known) if known else None
