"""How does the command line make a report of a saved result?"""

from __future__ import annotations

import argparse
import sys

from onetwo_like.cli.options import check_file
from onetwo_like.experiments.saving import DamagedError, saved


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "report",
        help="write the report of a saved comparison",
        description="Writes the page of a comparison that result.save(FOLDER) kept: one file that opens offline.",
        epilog="example:\n  onetwo-like report runs/capitals-saved capitals.html",
    )
    parser.add_argument("folder", metavar="FOLDER", help="what result.save(FOLDER) wrote")
    parser.add_argument(
        "out", metavar="OUT.html", nargs="?", help="where to write it (default: FOLDER's name with .html)"
    )
    parser.set_defaults(command=_report)


def _report(arguments: argparse.Namespace) -> int:
    try:
        kept = saved(arguments.folder)
    except DamagedError as error:
        print(f"onetwo-like report: {error}", file=sys.stderr)
        return 1
    out = arguments.out or f"{kept.folder.name}.html"
    check_file("OUT", out)
    kept.result.report(out)
    print(out)
    return 0
