"""How large is the report of 60,000 rows, and how long until a browser shows it?"""

from __future__ import annotations

import pathlib
import statistics
import tempfile
import time

from onetwo_like.experiments.report.page import write
from tests.benchmarks.measuring import Figure, cpu_s, figure
from tests.experiments.made import made
from tests.pictures.browser import Browser, browser
from tests.pictures.chromium import CHROMIUM

READY = "performance.getEntriesByName('rows shown').length === 1"
SORT = "document.querySelectorAll('.rows thead tr:last-child button')[2].click()"
SEARCH = """(() => {
    const search = document.querySelector("input[type=search]");
    search.value = "marseille";
    search.dispatchEvent(new Event("input"));
})()"""


def measure() -> list[Figure]:
    """2 arms x 10,000 examples x 3 samples: an input of 150 letters, an answer of 130, one call each."""
    comparison = made(examples=10_000, samples=3, words=24, answer_words=20)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "report.html"
        built = statistics.median(cpu_s(lambda: write(comparison, path)) for _ in range(3))
        size = path.stat().st_size / 1e6
        figures = [
            figure("report of 60,000 rows: size", size, 10.0, "MB"),
            figure("report of 60,000 rows: to write it", built, None, "s"),
        ]
        if CHROMIUM is None:
            return figures  # there is nothing here to open it with
        with browser(pathlib.Path(folder)) as chrome:
            opened = [_opened_s(chrome, path) for _ in range(5)]
            return [
                *figures,
                # The first also pays for the browser's own start.
                figure("report of 60,000 rows: open in Chromium, at first", opened[0], 3.0, "s"),
                figure(
                    "report of 60,000 rows: open in Chromium, median of 5",
                    statistics.median(opened),
                    3.0,
                    "s",
                ),
                figure(
                    "report of 60,000 rows: to sort them by their input", _took_s(chrome, SORT), None, "s"
                ),
                figure("report of 60,000 rows: to search them", _took_s(chrome, SEARCH), None, "s"),
            ]


def _opened_s(chrome: Browser, path: pathlib.Path) -> float:
    began = time.perf_counter()
    chrome.open(path.as_uri())
    chrome.until(READY)
    return time.perf_counter() - began


def _took_s(chrome: Browser, act: str) -> float:
    """The act and the layout that follows it."""
    took: float = chrome.js(
        f"(() => {{ const began = performance.now(); {act}; document.body.offsetHeight;"
        " return (performance.now() - began) / 1000; })()"
    )
    return took
