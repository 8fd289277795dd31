"""How many calls would a command make, and may it?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onetwo_like import ot
from onetwo_like.cli.options import Choice
from onetwo_like.core.registry import Binding
from onetwo_like.core.request import Handler, Reply, Request
from onetwo_like.middleware.disk_folder import cache_folder


@dataclass(frozen=True)
class Part:
    """The calls of one backend: how many there are, and how many of them are recorded."""

    choice: Choice
    calls: int
    recorded: int


def agreed(parts: Sequence[Part], *, yes: bool) -> bool:
    """Shows what would be called, and whether whoever sits at the terminal wants it.

    Nobody is asked who said `yes` beforehand, nor where there is nothing to call. Where there is no
    terminal, the answer is no.
    """
    remote = [part for part in parts if part.choice.remote]
    to_make = sum(part.calls - part.recorded for part in remote)
    if yes or to_make == 0:
        return True
    print("The plan, at most:")
    for part in remote:
        print(
            f"  {part.choice.written}: {part.calls - part.recorded} calls to make, {part.recorded} recorded"
        )
    return confirmed(to_make, yes=False)


def confirmed(to_make: int, *, yes: bool) -> bool:
    """Whether whoever sits at the terminal wants so many calls made; without a terminal, nobody does."""
    if yes or to_make == 0:
        return True
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print("Nothing was called. With --yes, these calls are made.")
        return False
    try:
        said_yes = input(f"Make {to_make} calls? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        said_yes = False
    if not said_yes:
        print("Nothing was called.")
    return said_yes


def recorded(programs: Sequence[ot.Executable[Any]], choice: Choice, path: str) -> int:
    """How many calls of these programs are recorded in the cache at `path`, found without making any."""
    if not cache_folder(path).exists():  # nor make it, before anybody has agreed
        return 0
    with ot.Cache(path, mode="replay") as cache:
        counting = _Counting(cache)
        programs = [ot.with_registry(program, choice.registry(counting)) for program in programs]
        ot.run(ot.parallel(*programs, on_error="keep"))
    return counting.recorded


class _NotRecorded(Exception):
    """Ends a program that is only being counted where it would make a call."""


class _Counting:
    """In the place of a cache: answers what is recorded, and counts it."""

    def __init__(self, cache: ot.Cache) -> None:
        self._cache = cache
        self.recorded = 0

    def handler_for(self, binding: Binding) -> Handler:
        """What answers from the cache, and otherwise raises _NotRecorded."""
        replayed = self._cache.handler_for(binding)

        async def answered(request: Request) -> Reply:
            if not self._cache.holds(binding, request):
                raise _NotRecorded
            self.recorded += 1
            return await replayed(request)

        return answered
