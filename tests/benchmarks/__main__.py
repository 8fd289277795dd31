"""How fast is the package on this machine? `python -m tests.benchmarks [NAME ...] [--json FILE]`.

Each `bench_NAME.py` has a `measure()` that returns its figures. Nothing is asserted: a figure out of its
bounds is printed as such, and the exit code is 0 all the same, because machines are noisy.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pathlib
import platform
import sys

from tests.benchmarks.measuring import Figure


def main() -> None:
    """Prints all figures as a table, and as JSON where asked."""
    here = pathlib.Path(__file__).parent
    known = sorted(path.stem.removeprefix("bench_") for path in here.glob("bench_*.py"))
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which, of: {', '.join(known)} (all)")
    parser.add_argument("--json", type=pathlib.Path, help="a file to write the figures to")
    given = parser.parse_args()
    unknown = set(given.names) - set(known)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    figures: list[Figure] = []
    for name in given.names or known:
        measured = importlib.import_module(f"tests.benchmarks.bench_{name}").measure()
        figures += measured
        for row in measured:
            least, most = row["least"], row["bound"]
            bound = "" if most is None else f"at most {most:g}" if least is None else f"{least:g} to {most:g}"
            missed = (most is not None and row["value"] > most) or (
                least is not None and row["value"] < least
            )
            sys.stdout.write(
                f"{name:<10} {row['name']:<64} {row['value']:>12,.3f} {row['unit']:<6} {bound}{'  MISSED' if missed else ''}\n"
            )
            sys.stdout.flush()
    if given.json is not None:
        about = {"python": platform.python_version(), "machine": platform.machine(), "figures": figures}
        given.json.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
