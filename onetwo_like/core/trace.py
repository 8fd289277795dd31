"""What happened in a run, as a tree of spans?"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from onetwo_like.core.frozen import copied
from onetwo_like.core.request import Reply, SamplePath, Usage


class Span:
    """One call of an executable or a built-in: what went in, what came out, and how long it took.

    `start` is in epoch seconds, `duration` in seconds. `cache` is "hit" where the reply was
    replayed, "made" where a backend was asked, and None where no model was involved. A built-in that
    was derived has neither that nor `usage`: they are of the calls below it.
    """

    __slots__ = (
        "_began",
        "_kept",
        "_path",
        "attempts",
        "cache",
        "children",
        "duration",
        "error",
        "inputs",
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
        self, name: str, parent: Span | None, sample_path: SamplePath, inputs: Any, kept: bool
    ) -> None:
        self.name = name
        self.parent = parent
        self.sample_path = sample_path
        # A copy: a body may change the lists that it was given.
        self.inputs = copied(inputs) if kept else None
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
        return [span for _, span in self._walk()]

    def _walk(self) -> Iterator[tuple[int, Span]]:
        """(depth, span) of this span and all below it."""
        waiting = [(0, self)]
        while waiting:
            depth, span = waiting.pop()
            yield depth, span
            waiting.extend((depth + 1, child) for child in reversed(span.children))

    def __repr__(self) -> str:
        return f"<Span {self.path or 'run'}: {len(self.children)} children>"

    def __str__(self) -> str:
        lines = []
        for depth, span in self._walk():
            took = "running" if span.duration is None else f"{span.duration * 1000:.1f} ms"
            cache = f", {span.cache}" if span.cache else ""
            outcome = (
                f" -> {span.output!r:.60}"
                if span.error is None
                else f" !! {type(span.error).__name__}: {span.error}"
            )
            lines.append(f"{'  ' * depth}{span.name or 'run'} ({took}{cache}){outcome}")
        return "\n".join(lines)
