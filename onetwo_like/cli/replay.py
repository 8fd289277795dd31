"""How does the command line check that a saved result can be had again?"""

from __future__ import annotations

import argparse
import sys

from onetwo_like import ot
from onetwo_like.errors import OneTwoError
from onetwo_like.experiments.replaying import difference, rerun
from onetwo_like.experiments.saving import DamagedError, saved
from onetwo_like.testing.network import only_loopback


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "replay",
        help="reproduce a saved comparison with the network off",
        description="Checks every byte that result.save(FOLDER) wrote, runs the file that defines the comparison again\n"
        "with nothing but the recorded replies (or computes the result anew from its rows, and says so), and prints\n"
        "the table. Exit code 1 if anything differs from what was saved.",
        epilog="example:\n  onetwo-like replay runs/capitals-saved",
    )
    parser.add_argument("folder", metavar="FOLDER", help="what result.save(FOLDER) wrote")
    parser.set_defaults(command=_replay)


def _replay(arguments: argparse.Namespace) -> int:
    try:
        kept = saved(arguments.folder)
    except DamagedError as error:
        return _differs(str(error))
    try:
        with ot.RegistryContext(), only_loopback():
            again = rerun(kept)
    except OneTwoError as error:
        return _differs(f"{kept.folder}: it cannot be had again: {type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001  (whatever the file does)
        return _differs(f"{kept.folder}: its file does not run again: {type(error).__name__}: {error}")
    print(again.result)
    print(f"\n{again.how}", file=sys.stderr)
    lines = difference(kept.result, again.result, kept.table.removesuffix("\n"))
    if lines:
        print("\n".join(lines), file=sys.stderr)
        return _differs(f"{kept.folder}: the result DIFFERS from the saved one")
    print("the same as the saved one", file=sys.stderr)
    return 0


def _differs(what: str) -> int:
    line = " ".join(what.split())
    print(f"onetwo-like replay: {line}", file=sys.stderr)
    return 1
