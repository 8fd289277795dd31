"""Does any program, whatever finishes first, give what plain Python would?

A program is a random tree. It runs twice: as executables, on a clock that nobody waits for, and as what it
means, worked out one branch after the other. Both must agree on the value or the failure, on the sample path of
every call, and on the second at which it is over.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from onetwo_like import ot
from onetwo_like.builtins import llm
from onetwo_like.errors import DeadlineError
from onetwo_like.testing import FakeClock


@dataclass(eq=False)
class Tree:
    """One step of a program: its kind, the steps it is made of, and a number that the kind gives a meaning."""

    kind: str
    parts: tuple["Tree", ...] = ()
    number: int = 1
    takes_s: float = 0.0
    index: int = field(default=0, compare=False)

    def walk(self) -> Iterator["Tree"]:
        yield self
        for part in self.parts:
            yield from part.walk()

    @property
    def bound_s(self) -> float:
        """A time bound like no other sum of durations: nothing ever ends at the very deadline."""
        return self.number + 2.0 ** -(4 + self.index)

    def __repr__(self) -> str:
        inside = ", ".join([*map(repr, self.parts), f"number={self.number}", f"takes_s={self.takes_s}"])
        return f"Tree({self.kind!r}, {inside})"


def numbered(tree):
    """The tree, each of its steps with a number of its own."""
    for index, step in enumerate(tree.walk()):
        step.index = index
    return tree


durations = st.integers(0, 9).map(float)  # whole seconds, so that no sum is rounded
# A leaf fails as long as fewer attempts or samples lead to it than its number.
leaves = st.builds(Tree, st.just("leaf"), st.just(()), st.sampled_from([0, 0, 0, 1, 2, 3]), durations)
SEVERAL = ["parallel", "lazy", "async", "keep", "deadline", "arguments"]
ONE = ["map", "named", "timeout", "awaited", "returned", "shared", "sample", "retry", "retry"]


def steps_of(kind, inner):
    """Steps of a kind, made of as many others as the kind takes."""
    parts = {"fallback": st.tuples(inner, inner)} | {
        k: st.lists(inner, min_size=k != "parallel", max_size=4).map(tuple) for k in SEVERAL
    }
    return st.builds(Tree, st.just(kind), parts.get(kind, st.tuples(inner)), st.integers(1, 4))


trees = st.recursive(
    leaves,
    lambda inner: st.sampled_from([*SEVERAL, *ONE, "fallback"]).flatmap(lambda kind: steps_of(kind, inner)),
    max_leaves=25,
).map(numbered)


# As executables


class Failed(Exception):
    """The error of a leaf, which says which and on which sample path."""


@ot.make_executable
def listed(*values):
    return list(values)


@ot.make_executable
async def awaiting(e: ot.Executable):
    return await e


@ot.make_executable
def returning(e: ot.Executable):
    return e


def wrapped(value):
    return {"wrapped": value}


async def one_by_one(items):
    for item in items:
        await asyncio.sleep(0)
        yield item


class Again:
    """What can be iterated any number of times: the program may run again in a retry."""

    def __init__(self, items):
        self.items = items

    def __iter__(self):
        return iter(self.items)


class AgainAsync:
    """The same, asynchronously."""

    def __init__(self, items):
        self.items = items

    def __aiter__(self):
        return one_by_one(self.items)


def value_or_none(outcomes):
    return [outcome.value for outcome in outcomes]


def executable_of(tree: Tree) -> Any:
    parts = [executable_of(part) for part in tree.parts]
    build: dict[str, Any] = {
        "leaf": lambda: llm.generate_text(str(tree.index)),
        "parallel": lambda: ot.parallel(*parts, max_concurrency=tree.number),
        "lazy": lambda: ot.parallel(Again(parts), max_concurrency=tree.number),
        "async": lambda: ot.parallel(AgainAsync(parts), max_concurrency=tree.number),
        "keep": lambda: ot.parallel(*parts, on_error="keep").map(value_or_none),
        "deadline": lambda: ot.parallel(*parts, on_error="keep", timeout=tree.bound_s).map(value_or_none),
        "arguments": lambda: listed(*parts),
        "map": lambda: parts[0].map(wrapped),
        "named": lambda: parts[0].named("n"),
        "timeout": lambda: parts[0].timeout(tree.bound_s),
        "awaited": lambda: awaiting(parts[0]),
        "returned": lambda: returning(parts[0]),
        "shared": lambda: listed(parts[0], parts[0].map(wrapped), ot.parallel(parts[0])),
        "sample": lambda: ot.repeat(parts[0], tree.number)[-1],
        "retry": lambda: parts[0].retry(tree.number),
        "fallback": lambda: parts[0].fallback(parts[1]),
    }
    return build[tree.kind]()


def executed(tree: Tree) -> "Ending":
    """How the program ends, on a fake clock."""
    leaf_of = {str(step.index): step for step in tree.walk() if step.kind == "leaf"}

    async def answer(request):
        leaf = leaf_of[request.arguments["prompt"]]
        await asyncio.sleep(leaf.takes_s)
        said = spoken(leaf, request.sample_path)
        if len(request.sample_path) < leaf.number:
            raise Failed(said)
        return said

    clock = FakeClock()
    with ot.RegistryContext():
        llm.generate_text.configure(answer)
        try:
            value = clock.run(executable_of(tree))
        except (Failed, DeadlineError) as error:
            said = str(error) if isinstance(error, Failed) else "too late"
            return Ending(clock.time(), None, frozenset([said]))
    return Ending(clock.time(), value, frozenset())


def spoken(leaf: Tree, path: tuple[Any, ...]) -> str:
    return f"{leaf.index} {path}"


# As what it means


class Ending(NamedTuple):
    """When it was over, and the value or the failures; several if they come in the same second."""

    at_s: float
    value: Any
    failures: frozenset[str]


class Meaning:
    """What a program means when it starts at a second, on a sample path, within so many retries."""

    def __init__(self, at_s: float = 0.0, path: tuple[Any, ...] = (), retries: int = 0) -> None:
        self.at_s, self.path, self.retries = at_s, path, retries

    def of(self, tree: Tree) -> Ending:
        if tree.kind == "leaf":
            said = spoken(tree, self.path)
            failed = len(self.path) < tree.number
            return Ending(
                self.at_s + tree.takes_s, None if failed else said, frozenset([said] if failed else [])
            )
        if tree.kind in ("parallel", "lazy", "async"):
            return self.all_of(tree.parts, tree.number)
        if tree.kind == "arguments":
            return self.all_of(tree.parts, len(tree.parts))
        if tree.kind in ("keep", "deadline"):
            bound = self.at_s + (tree.bound_s if tree.kind == "deadline" else 1e9)
            endings = [self.of(part) for part in tree.parts]
            over = min(max([e.at_s for e in endings], default=self.at_s), bound)
            return Ending(over, [e.value if e.at_s < bound else None for e in endings], frozenset())
        if tree.kind == "retry":
            return self.tried(tree.parts[0], tree.number)
        if tree.kind == "sample":
            return Meaning(self.at_s, (*self.path, tree.number - 1), self.retries).of(tree.parts[0])
        first = self.of(tree.parts[0])
        if tree.kind == "fallback" and first.failures:
            return Meaning(first.at_s, self.path, self.retries).of(tree.parts[1])
        if tree.kind == "timeout" and first.at_s > self.at_s + tree.bound_s:
            return Ending(self.at_s + tree.bound_s, None, frozenset(["too late"]))
        if tree.kind == "map" and not first.failures:
            return first._replace(value=wrapped(first.value))
        if tree.kind == "shared" and not first.failures:
            return first._replace(value=[first.value, wrapped(first.value), [first.value]])
        return first

    def all_of(self, parts: tuple[Tree, ...], limit: int) -> Ending:
        """So many at once; whoever is free first takes the next; the first failure in time ends it."""
        free_at = [self.at_s] * limit
        endings = []
        for part in parts:
            free_at.sort()
            endings.append(Meaning(free_at[0], self.path, self.retries).of(part))
            free_at[0] = endings[-1].at_s
        failed = [e for e in endings if e.failures]
        if failed:
            over = min(e.at_s for e in failed)
            return Ending(over, None, frozenset().union(*[e.failures for e in failed if e.at_s == over]))
        return Ending(max([self.at_s, *free_at]), [e.value for e in endings], frozenset())

    def tried(self, part: Tree, attempts: int) -> Ending:
        """Again and again on a longer sample path, each attempt when the last has failed."""
        ending = Meaning(self.at_s, self.path, self.retries + 1).of(part)
        for attempt in range(1, attempts):
            if not ending.failures:
                break
            path = (*self.path, "inner " * self.retries + f"retry {attempt}")
            ending = Meaning(ending.at_s, path, self.retries + 1).of(part)
        return ending


@settings(derandomize=True, deadline=None, max_examples=1_000)
@given(trees)
def test_a_program_gives_what_it_means(tree):
    meant, given = Meaning().of(tree), executed(tree)
    assert given.value == meant.value
    assert given.at_s == meant.at_s
    assert given.failures <= meant.failures
    assert bool(given.failures) == bool(meant.failures)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(trees)
def test_it_gives_the_same_again_and_many_times_at_once(tree):
    e, alone = executable_of(tree), executed(tree)
    copies = Tree("keep", (tree, tree))
    assert executed(copies).value == [alone.value, alone.value]
    assert repr(e)
