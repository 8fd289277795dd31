"""How far is a run, and how is that shown without breaking a line of anybody else's?"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self, TextIO

from onetwo_like.core.events import CallFinished, CallStarted, Progress, StepFinished
from onetwo_like.core.trace_text import dollars, type_of

# Nobody asked for a bar: it comes when the run has lasted this long.
PATIENCE_S = 2.0
# How often it is drawn: a terminal's line is replaced, in a pipe each is a line of its own.
REDRAW_S = 0.2
LINE_EVERY_S = 1.0


class Bar:
    """What a run has done so far, drawn by whoever waits for it."""

    def __init__(self, patience_s: float) -> None:
        self.done = self.started = self.ended = self.replayed = self.failed = self.tokens = 0
        self.total: int | None = None
        self.batched = False
        self._parts: dict[str, Progress] = {}  # of what goes on at once, such as the arms of a comparison
        self.cost: float | None = None
        self.next_s = patience_s
        self._shown: _Shown | None = None
        self._began = time.monotonic()

    @classmethod
    def wanted(cls, progress: bool | None) -> Bar | None:
        """A bar if one was asked for, or if nobody said and somebody looks."""
        if progress is None:
            return cls(PATIENCE_S) if _in_notebook() or _is_terminal(sys.stderr) else None
        return cls(0.0) if progress else None

    def count(self, event: object) -> None:
        """Notes an event of the run."""
        if isinstance(event, CallStarted):
            self.started += 1
        elif isinstance(event, CallFinished):
            self.ended += 1
            self.replayed += event.replayed
            self.failed += event.error is not None
            usage = event.usage
            if usage is not None:
                self.tokens += (usage.input_tokens or 0) + (usage.output_tokens or 0)
                if usage.cost is not None and not event.replayed:
                    self.cost = (self.cost or 0.0) + usage.cost
        elif isinstance(event, Progress):
            self.batched = True
            if not event.part:
                self._parts.clear()
            self._parts[event.part] = event
            totals = [part.total for part in self._parts.values()]
            self.done = sum([part.done for part in self._parts.values()])
            self.total = None if None in totals else sum([total or 0 for total in totals])

    def notes(self) -> dict[str, str]:
        """What stands behind the bar: calls under way, replayed and failed, tokens, and what was paid."""
        notes = {"running": str(self.started - self.ended)}
        notes |= {"calls": str(self.ended)} if self.batched else {}
        notes |= {"replayed": str(self.replayed)} if self.replayed else {}
        notes |= {name: f"{part.done}/{part.total}" for name, part in self._parts.items() if name}
        notes |= {"failed": str(self.failed)} if self.failed else {}
        notes |= {"tokens": str(self.tokens)} if self.tokens else {}
        notes |= {"cost": dollars(self.cost)} if self.cost is not None else {}
        return notes

    def draw(self) -> None:
        """Shows how far it is."""
        if self._shown is None:
            self._shown = _shown()
        self.next_s = self._shown.every_s
        self._shown.draw(self)

    @property
    def line(self) -> str:
        """How far it is, in one line."""
        done = self.done if self.batched else self.ended
        elapsed = time.monotonic() - self._began
        notes = ", ".join(f"{name}={value}" for name, value in self.notes().items())
        try:
            from tqdm import tqdm
        except ImportError:
            of = f"/{self.total}" if self.total is not None else ""
            return f"{done}{of} {self.unit} [{elapsed:.0f} s, {notes}]"
        return str(tqdm.format_meter(done, self.total, elapsed, unit=f" {self.unit}", postfix=notes))

    @property
    def unit(self) -> str:
        """What is counted."""
        return "items" if self.batched else "calls"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown is None and self.next_s == 0.0:
            self._shown = _shown()  # asked for, and over before anybody looked
        if self._shown is not None:
            self._shown.draw(self)
            self._shown.close()


class _Shown:
    """A way to show a bar."""

    every_s = REDRAW_S

    def draw(self, bar: Bar) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Leaves the last state where it can be read."""


class _Lines(_Shown):
    """Where a line cannot be replaced, as in a pipe: a line each time that something has changed."""

    every_s = LINE_EVERY_S

    def __init__(self) -> None:
        self._last: tuple[int, ...] = ()

    def draw(self, bar: Bar) -> None:
        state = (bar.done, bar.ended, bar.started)
        if state != self._last:
            self._last = state
            sys.stderr.write(bar.line + "\n")
            sys.stderr.flush()


class _Terminal(_Shown):
    """The last line of a terminal; whatever else is written there goes above it."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._line = ""
        self._aside = contextlib.ExitStack()
        self._aside.enter_context(_written_above(self))

    def draw(self, bar: Bar) -> None:
        self._line = bar.line
        self.show()

    def show(self) -> None:
        self._terminal.write(f"\r\x1b[2K{self._line}")
        self._terminal.flush()

    def clear(self) -> None:
        self._terminal.write("\r\x1b[2K")
        self._terminal.flush()

    def close(self) -> None:
        self._aside.close()
        self.show()
        self._terminal.write("\n")
        self._terminal.flush()


class _Notebook(_Shown):
    """tqdm's bar for notebooks."""

    def __init__(self) -> None:
        from tqdm.auto import tqdm

        self._bar: Any = tqdm(total=None)

    def draw(self, bar: Bar) -> None:
        self._bar.unit = f" {bar.unit}"
        if self._bar.total != bar.total:
            self._bar.reset(bar.total)
        self._bar.n = bar.done if bar.batched else bar.ended
        self._bar.set_postfix(bar.notes(), refresh=False)
        self._bar.refresh()

    def close(self) -> None:
        self._bar.close()


def _shown() -> _Shown:
    if _in_notebook():
        try:
            return _Notebook()
        except ImportError:  # no tqdm, or no widgets
            return _Lines()
    return _Terminal(sys.stderr) if _is_terminal(sys.stderr) else _Lines()


def _in_notebook() -> bool:
    kernel = sys.modules.get("ipykernel.iostream")
    return kernel is not None and isinstance(sys.stderr, kernel.OutStream)


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # closed, or no stream at all
        return False


class _Above:
    """A stream whose lines are written above the bar."""

    def __init__(self, stream: TextIO, bar: _Terminal) -> None:
        self._stream = stream
        self._bar = bar

    def write(self, text: str) -> int:
        self._bar.clear()
        written = self._stream.write(text)
        if text.endswith("\n"):  # within a line the bar stays away
            self._stream.flush()
            self._bar.show()
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def _written_above(bar: _Terminal) -> Iterator[None]:
    """While the block runs, what is printed or logged to the terminal is written above the bar."""
    out, err = sys.stdout, sys.stderr
    above: dict[int, Any] = {id(s): _Above(s, bar) for s in (out, err) if _is_terminal(s)}
    loggers = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    handlers = [h for logger in loggers for h in getattr(logger, "handlers", ())]
    redirected = [h for h in handlers if id(getattr(h, "stream", None)) in above]
    before = [h.stream for h in redirected]
    for handler, stream in zip(redirected, before, strict=True):
        handler.stream = above[id(stream)]
    sys.stdout, sys.stderr = above.get(id(out), out), above.get(id(err), err)
    try:
        yield
    finally:
        for handler, stream in zip(redirected, before, strict=True):
            handler.stream = stream
        sys.stdout, sys.stderr = out, err


def print_step(event: object) -> None:
    """Prints the name and the output of a step that has ended."""
    if isinstance(event, StepFinished):
        outcome = (
            f"!! {type_of(event.error)}: {event.error}" if event.error is not None else f"{event.output}"
        )
        sys.stdout.write(f"{event.step}: {outcome}\n")
