"""How does the command line compare what a file defines?"""

from __future__ import annotations

import argparse
import math
import os
from pathlib import Path

from onetwo_like import ot
from onetwo_like.cli.options import check_file, check_writable
from onetwo_like.cli.plan import confirmed
from onetwo_like.cli.run import imported
from onetwo_like.errors import UsageError
from onetwo_like.experiments.defined import comparison_in
from onetwo_like.experiments.plan import planning, shown
from onetwo_like.experiments.saving import free


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "compare",
        help="compare backends or prompts on the same examples",
        description="Compares what FILE.py defines: `arms`, `strategy`, `examples` and `metrics`, as ot.compare takes\n"
        "them; also `samples`, `seed`, `input`, `target` and `id` if it defines them. The plan comes first: what\n"
        "each arm would ask, how much of it is cached, and what the rest would cost at most.",
        epilog="example:\n"
        "  onetwo-like compare capitals.py --limit 20 --cache runs/capitals --report report.html\n\n"
        "With a model behind a network, calls are made only after a yes at the terminal, or with --yes.",
    )
    parser.add_argument("file", metavar="FILE.py", help="the file that defines the comparison")
    parser.add_argument("--arms", metavar="A,B", help="only these arms, by name")
    parser.add_argument("--limit", metavar="N", type=int, help="only the first N examples")
    parser.add_argument("--samples", metavar="K", type=int, help="how often each arm answers each example")
    parser.add_argument(
        "--seed", metavar="S", type=int, help="the seed of the order of the examples and of the statistics"
    )
    parser.add_argument("--budget", metavar="USD", type=float, help="stop when so many US dollars are spent")
    parser.add_argument(
        "--cache", metavar="PATH", help="a folder where replies are recorded, and replayed from"
    )
    parser.add_argument("--save", metavar="FOLDER", help="keep the result there, for onetwo-like replay")
    parser.add_argument("--report", metavar="FILE.html", help="write the report there")
    parser.add_argument("--yes", action="store_true", help="make the calls without asking")
    parser.set_defaults(command=_compare)


def _compare(arguments: argparse.Namespace) -> int:
    path = Path(arguments.file)
    if path.suffix != ".py":
        raise UsageError(f"{path}: give a Python file that defines arms, strategy, examples and metrics")
    budget = None
    if arguments.budget is not None:
        if not (math.isfinite(arguments.budget) and arguments.budget >= 0):
            raise UsageError(f"--budget {arguments.budget}: US dollars, as in --budget 2.50")
        budget = ot.Budget(usd=arguments.budget)
    if arguments.save is not None:
        check_writable("--save", arguments.save)
        free(arguments.save)
    if arguments.report is not None:
        check_file("--report", arguments.report)
    with ot.RegistryContext():
        module = imported(path)
        experiment = comparison_in(
            vars(module),
            where=str(path),
            arms=None if arguments.arms is None else [name.strip() for name in arguments.arms.split(",")],
            limit=arguments.limit,
            samples=arguments.samples,
            seed=arguments.seed,
            cache=arguments.cache,
            budget=budget,
        )
        plans = ot.run(planning(experiment), progress=False)
        print(f"The plan\n\n{shown(plans)}\n")
        to_make = sum(plan.to_make for plan in plans if plan.remote)
        if not confirmed(to_make, yes=arguments.yes):
            return 0
        result = ot.run(experiment.executable())
    result.program = os.path.abspath(path)
    print(result)
    if arguments.save is not None:
        result.save(arguments.save)
        print(f"\nSaved in {arguments.save}; check it with: onetwo-like replay {arguments.save}")
    if arguments.report is not None:
        result.report(arguments.report)
        print(f"\nThe report is {arguments.report}")
    return 0
