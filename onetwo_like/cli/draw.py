"""How does the command line draw a program of the user's?"""

from __future__ import annotations

import argparse
from typing import Protocol, runtime_checkable

from onetwo_like import ot
from onetwo_like.cli.run import found
from onetwo_like.errors import UsageError


@runtime_checkable
class Drawable(Protocol):
    """What has a picture: a flow, a workflow, a trace."""

    def draw(self, path: str, /) -> None:
        """Writes the picture to a file."""


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "draw",
        help="draw a flow or a workflow of yours, without running it",
        description="Writes a picture of NAME of FILE.py, which is a flow or a workflow; nothing of it is run.",
        epilog="example:\n  onetwo-like draw soundtrack.py:soundtrack soundtrack.html",
    )
    parser.add_argument("program", metavar="FILE.py:NAME", help="what to draw")
    parser.add_argument("picture", metavar="OUT", help="a .html, .svg, .mmd or .md (Mermaid) file to write")
    parser.set_defaults(command=_draw)


def _draw(arguments: argparse.Namespace) -> int:
    with ot.RegistryContext():  # the file may register backends
        target = found(arguments.program)
    if isinstance(target, type) or not isinstance(target, Drawable):
        raise UsageError(
            f"{arguments.program} is of type {type(target).__name__}; flows (ot.Flow) and workflows (ot.Workflow) "
            "can be drawn"
        )
    try:
        target.draw(arguments.picture)
    except OSError as error:
        raise UsageError(f"{arguments.picture} cannot be written: {error.strerror}") from error
    print(arguments.picture)
    return 0
