"""How is speed measured on a machine that is noisy: process CPU, medians of interleaved runs?"""

from __future__ import annotations

import gc
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, TypedDict


class Figure(TypedDict):
    """One measured figure; `bound` is the most it may be, `least` the least, None where there is no such bound."""

    name: str
    value: float
    bound: float | None
    unit: str
    least: float | None


def figure(name: str, value: float, bound: float | None, unit: str, *, least: float | None = None) -> Figure:
    """A figure, rounded for people."""
    return Figure(name=name, value=round(value, 3), bound=bound, unit=unit, least=least)


def cpu_s(work: Callable[[], Any]) -> float:
    """Seconds of this process's CPU, all threads, that the work took."""
    gc.collect()
    began = time.process_time()
    work()
    return time.process_time() - began


def interleaved(*works: Callable[[], Any], rounds: int = 5) -> list[float]:
    """The median CPU seconds of each, run in turn, after one warm-up of each."""
    for work in works:
        work()
    taken: list[list[float]] = [[] for _ in works]
    for _ in range(rounds):
        for times, work in zip(taken, works, strict=True):
            times.append(cpu_s(work))
    return [statistics.median(times) for times in taken]


def peak_memory_mb() -> float:
    """The most memory this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_fresh_process(code: str) -> str:
    """What a Python process of its own prints; memory and imports can only be measured there."""
    # As an installed package is: with its bytecode written down by an earlier process.
    environment = {n: v for n, v in os.environ.items() if n != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout.strip()
