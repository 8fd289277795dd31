"""How does a saved result prove itself: is it the same when its file runs again, with nothing but its bundle?"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onetwo_like.core.registry import Binding, scoped
from onetwo_like.core.request import Handler
from onetwo_like.errors import ReplayMiss
from onetwo_like.experiments.rows import failure_text
from onetwo_like.middleware.cache import Cache

if TYPE_CHECKING:
    from onetwo_like.experiments.experiment import Experiment
    from onetwo_like.experiments.places import Earlier
    from onetwo_like.experiments.result import Result
    from onetwo_like.experiments.saving import Saved

DEFINITIONS = ("arms", "examples", "metrics")


@dataclass
class Replay:
    """What experiments are answered from while a saved one runs again: its bundle, and its failures.

    `made` are the results that came of it, `missed` what the bundle lacked for one that may be the saved one.
    """

    saved: Result
    cache: Cache
    data: Path | None
    made: list[Result] = field(default_factory=list)
    missed: ReplayMiss | None = None

    def is_about(self, experiment: Experiment) -> bool:
        """Whether this is the experiment that was saved."""
        metrics = tuple([metric.name for metric in experiment.metrics])
        names = [arm.name for arm in experiment.arms]
        of = (names, metrics, experiment.dataset.hash, experiment.samples, experiment.seed)
        return of == _identity(self.saved)

    def same(self) -> Result | None:
        """The result that came of the experiment that was saved."""
        wanted = _identity(self.saved)
        alike = [made for made in self.made if _identity(made) == wanted]
        if len(alike) > 1:  # such as one for each prompt
            alike.sort(key=self.differs)
        return alike[0] if alike else None

    def differs(self, made: Result | None) -> bool:
        """Whether a result is another one than was saved."""
        return made is None or bool(difference(self.saved, made, str(self.saved)))

    def earlier_for(self, experiment: Experiment) -> Earlier | None:
        """What was saved, of which failures and what was not run are taken as they are."""
        from onetwo_like.experiments.places import Earlier

        return (
            Earlier(self.saved.rows, self.saved.pairs, self.saved.stopped)
            if self.is_about(experiment)
            else None
        )


# Of the process: the file may compare in a thread of its own, which would see no context variable.
_now: list[Replay] = []


def replaying() -> Replay | None:
    """The saved result that is running again here, if any."""
    return _now[-1] if _now else None


def examples_of(path: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """Where the examples are: while a saved result runs again, in its own copy of the file."""
    replay = replaying()
    if replay is not None and replay.data is not None and replay.data.name == Path(path).name:
        return replay.data
    return path


@dataclass(frozen=True)
class Rerun:
    """What came of it: the result, and in words how it was got."""

    result: Result
    how: str


def rerun(saved: Saved) -> Rerun:
    """Runs the file of a saved result again from its bundle; else computes the result anew from its rows.

    What the file raises before it gets to that result tells why it does not run here, such as a missing key,
    module or argument. Raises what it raises after another result came of it, and what the bundle lacks.
    """
    if saved.program is None:
        why = "no file defines it"
    elif saved.uncached:
        why = f"calls of {', '.join(saved.uncached)} are in no cache"
    else:
        made, why = _run_again(saved, saved.program)
        if made is not None:
            return Rerun(made, f"{saved.program.name} ran again, answered from the bundle")
    return Rerun(saved.result.computed_anew(), f"recomputed from the rows ({why})")


def _run_again(saved: Saved, program: Path) -> tuple[Result | None, str]:
    """What the file made of the saved result, and why if it made nothing."""
    why = f"{program.name} neither makes nor defines this comparison"
    with Cache(saved.bundle, mode="replay") as cache:
        replay = Replay(saved.result, cache, saved.data)
        _now.append(replay)
        try:
            with scoped(cache=_Recorded(cache)), _as_main(program) as module:
                if replay.same() is None and all(hasattr(module, name) for name in DEFINITIONS):
                    _compare_again(saved.result, module)
        except Exception as error:  # what the file does with the saved result is its own affair
            if replay.same() is None:
                why = f"{program.name} does not run here: {failure_text(error)}"
            elif replay.differs(replay.same()):
                raise
        finally:
            _now.pop()
    made = replay.same()
    if replay.missed is not None and replay.differs(made):
        raise replay.missed
    return made, why


class _Recorded:
    """In the place of a cache, for what the file asks beside its comparisons: no server is asked."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def handler_for(self, binding: Binding) -> Handler:
        """What answers: this process, or the bundle."""
        from onetwo_like.experiments.plan import is_local

        return binding.handler if is_local(binding) and binding.handler else self._cache.handler_for(binding)


def _identity(result: Result) -> tuple[Any, ...]:
    """What tells one experiment of a file from another."""
    about = result.about
    return [arm.name for arm in result.arms], about.metrics, about.dataset["hash"], about.samples, about.seed


def _compare_again(saved: Result, module: types.ModuleType) -> None:
    """The comparison of a file that only defines one, as the command line made it."""
    from onetwo_like.core.run import run
    from onetwo_like.experiments.defined import comparison_in

    about = saved.about
    e = comparison_in(
        vars(module),
        arms=[arm.name for arm in saved.arms],
        limit=about.dataset["size"],
        samples=about.samples,
        seed=about.seed,
    )
    run(e.executable())


@contextlib.contextmanager
def _as_main(program: Path) -> Iterator[types.ModuleType]:
    """The file, executed as a script is, with what it prints left out."""
    module = types.ModuleType("__main__")
    module.__file__ = str(program)
    before = sys.modules["__main__"], sys.argv, list(sys.path)
    sys.modules["__main__"] = module
    sys.argv = [str(program)]
    try:
        code = compile(program.read_bytes(), str(program), "exec", dont_inherit=True)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
            exec(code, vars(module))
        yield module
    finally:
        sys.modules["__main__"], sys.argv, sys.path[:] = before


def difference(saved: Result, again: Result, saved_table: str) -> list[str]:
    """The lines that tell where another run parts from the saved one; [] if it does nowhere."""
    import difflib

    table = str(again)
    if table != saved_table:
        lines = difflib.unified_diff(
            saved_table.splitlines(), table.splitlines(), "saved", "again", lineterm="", n=1
        )
        return list(lines)
    for a, b in zip(saved.rows, again.rows, strict=True):
        for name in (
            "prediction",
            "status",
            "error",
            "scores",
            "input_tokens",
            "output_tokens",
            "cost",
            "latency_s",
        ):
            x, y = a.to_dict()[name], b.to_dict()[name]
            if x != y:
                where = f"{a.arm}, example {a.example}, sample {a.sample}: {name}"
                return [f"--- saved: {where}", f"+++ again: {where}", f"-{x!r:.500}", f"+{y!r:.500}"]
    return []
