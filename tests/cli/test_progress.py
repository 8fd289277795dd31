"""Is progress shown to somebody at a terminal, and to nobody else?"""

import io
import sys

from onetwo_like.cli.progress import counting


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def shown(stream, monkeypatch) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    with counting(2, "cities") as advance:
        advance()
        advance()
    return str(stream.getvalue())


def test_a_pipe_gets_nothing(monkeypatch):
    assert shown(io.StringIO(), monkeypatch) == ""


def test_a_terminal_gets_the_bar_of_tqdm(monkeypatch):
    assert "| 0/2 [" in shown(Terminal(), monkeypatch)


def test_a_terminal_gets_a_line_where_tqdm_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    assert shown(Terminal(), monkeypatch) == "\r1 of 2 cities\r2 of 2 cities\r\x1b[K"
