"""Which commands are there, and what becomes of their errors?

A command is a module with `add_to(commands)`, which adds a parser whose `command` is a function from the
parsed arguments to an exit code. Codes: 0 done; 1 the result is not what was promised; 2 the command or
its input is wrong, said in one line; 130 interrupted.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from typing import Never

from absl import app, flags, logging
from absl.flags import argparse_flags

from onetwo_like import __version__
from onetwo_like.cli import cache, compare, demo, draw, replay, report, run
from onetwo_like.errors import OneTwoError

_WRONG_INPUT = 2
_INTERRUPTED = 130  # 128 + SIGINT, as shells count


class Parser(argparse_flags.ArgumentParser):
    """A parser whose errors are one line, and whose options are written out."""

    def __init__(self, **settings: object) -> None:
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(allow_abbrev=False, **settings)  # type: ignore[no-untyped-call]  # absl's

    def error(self, message: str) -> Never:
        """Says what is wrong, and ends the process."""
        self.exit(_WRONG_INPUT, f"{self.prog}: {message} (--help says more)\n")


def parser() -> Parser:
    """The parser of the whole command line."""
    made = Parser(
        prog="onetwo-like",
        description="Runs programs that talk to language models, on any backend; compares and replays them.",
        epilog="example:\n  onetwo-like demo --limit 20\n\n"
        "`onetwo-like COMMAND --help` shows an example. After an error, --verbosity=1 shows where it came from.",
    )
    made.add_argument("--version", action="version", version=f"onetwo-like {__version__}")
    commands = made.add_subparsers(title="commands", metavar="COMMAND", required=True, dest="command_name")
    for module in (demo, run, compare, replay, report, draw, cache):
        module.add_to(commands)
    return made


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command that the arguments (else those of the process) name, and exits with its code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a minus sign is in few of the encodings of pipes
            stream.reconfigure(errors="backslashreplace")
    words = sys.argv if argv is None else ["onetwo-like", *argv]
    app.run(_executed, argv=words, flags_parser=_parsed)


def _parsed(words: Sequence[str]) -> argparse.Namespace:
    made = parser()
    try:
        parsed: argparse.Namespace = made.parse_args(words[1:])
    except flags.Error as error:  # absl's own options are checked by absl
        made.error(str(error))
    return parsed


def _executed(arguments: argparse.Namespace) -> int:
    try:
        code: int = arguments.command(arguments)
        sys.stdout.flush()
    except OneTwoError as error:
        logging.debug("where it came from:", exc_info=True)
        print(f"onetwo-like {arguments.command_name}: {error}", file=sys.stderr)
        return _WRONG_INPUT
    except KeyboardInterrupt:
        print("interrupted; what had been answered is in the cache, if one was given", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:  # whoever read the output, such as `head`, has seen enough
        # The flush at exit has to go somewhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code
