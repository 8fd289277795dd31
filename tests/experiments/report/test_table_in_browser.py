"""Is the table of a report searched, filtered, sorted and turned page by page?"""

import re

from tests.experiments.driving import cells, click, fill, lines_of, status
from tests.experiments.made import made
from tests.pictures.chromium import needs_chromium

pytestmark = needs_chromium


def test_every_column_sorts_both_ways(opened):
    comparison = made(failing=0.2)
    chrome = opened(comparison)
    click(chrome, ".tick input")
    heads = chrome.js(
        "[...document.querySelectorAll('.rows thead tr:last-child th')].map((h) => h.textContent)"
    )
    lines = lines_of(comparison)
    per_arm = {
        "Answer": "prediction", "Status": "status", "Tokens in": "input_tokens", "Tokens out": "output_tokens",
        "Cost": "cost", "Latency": "latency_s", "Cache": "cache",
    }  # fmt: skip

    def key(column, line):
        """What the column holds of a line; None where it has nothing."""
        rows = line.values()
        label = heads[column]
        if label == "Difference":
            a, b = (row["scores"]["exact"] for row in rows)
            return None if a is None or b is None else b - a
        if label == "exact":
            return [row["scores"]["exact"] for row in rows][column > 11]
        if label in per_arm:
            value = [row[per_arm[label]] for row in rows][column > 11]
            return float(f"{value:.4g}") if isinstance(value, float) else value  # as the page has it
        return next(iter(rows))[label.lower()]

    assert len(heads) == 4 + 2 * 8 + 1
    for column, label in enumerate(heads):
        for way in ("ascending", "descending"):
            click(chrome, ".rows thead tr:last-child button", column)
            sorts = chrome.js(
                "[...document.querySelectorAll('.rows thead tr:last-child th')].map((h) => h.ariaSort)"
            )
            assert [sorts.pop(column), set(sorts)] == [way, {"none"}]
            shown = [key(column, lines[c[0], int(c[1])]) for c in cells(chrome)]
            there = [value for value in shown if value is not None]
            if label == "Example":  # numbers in names count as such
                there = [int(value[1:]) for value in there]
            everything = [key(column, line) for line in lines.values()]
            assert len(there) == min(50, sum(value is not None for value in everything)), label
            assert shown[len(there) :] == [None] * (50 - len(there)), label
            if isinstance(there[0], str):
                there = [value.lower() for value in there]  # and a space is before all letters
            assert there == sorted(there, reverse=way == "descending"), label
    assert chrome.console == []


def test_a_search_leaves_what_says_that(opened):
    comparison = made(failing=0.2)
    for row in comparison["rows"]:
        if row["example"] == "q31":
            row["target"] = "Atlantis"
    chrome = opened(comparison)
    for wanted in ("MARSEILLE", "atlantis", "q17", "request-id", "nobody says this"):
        fill(chrome, "input[type=search]", wanted)
        expected = sum(
            any(
                wanted.lower() in str(row[name]).lower()
                for row in rows.values()
                for name in ("example", "input", "target", "prediction", "error")
            )
            for rows in lines_of(comparison).values()
        )
        assert re.search(rf"\b{expected} rows?, out of 120$", status(chrome)), wanted
        assert (len(cells(chrome)) == min(50, expected)) or expected == 0
    assert cells(chrome) == [["No row fits."]]
    fill(chrome, "input[type=search]", "")
    assert status(chrome) == "1 to 50 of 120 rows"


def test_only_rows_that_differ_that_failed_or_that_have_no_score(opened):
    comparison = made(failing=0.3, samples=1, examples=200)
    chrome = opened(comparison)
    lines = [list(rows.values()) for rows in lines_of(comparison).values()]

    def apart(metric):
        scores = [[row["scores"][metric] for row in rows] for rows in lines]
        return sum(None not in pair and pair[0] != pair[1] for pair in scores)

    def shown(name):
        fill(chrome, ".tools select", name, "change")
        return int(re.findall(r"([\d,]+) rows", status(chrome))[0].replace(",", ""))

    assert shown("apart") == apart("exact")
    assert shown("answers") == sum(a["prediction"] != b["prediction"] for a, b in lines)
    assert shown("failed") == sum(any(row["status"] != "ok" for row in rows) for rows in lines)
    assert shown("unscored") == shown("failed")  # by the first metric
    chrome.js(
        "(() => { const m = document.querySelectorAll('.tools select')[1]; m.value = 1;"
        " m.dispatchEvent(new Event('change')); })()"
    )
    without = sum(any(row["scores"]["f1"] is None for row in rows) for rows in lines)
    assert shown("unscored") == without > shown("failed")
    assert shown("apart") == apart("f1")
    assert "f1" in chrome.js("document.querySelector('.rows thead').textContent")


def test_pages_are_turned(opened):
    chrome = opened(made(examples=41))
    assert status(chrome) == "1 to 50 of 123 rows"
    assert chrome.js("document.querySelector('.pages button').disabled")
    click(chrome, ".pages button", 1)
    click(chrome, ".pages button", 1)
    assert status(chrome) == "101 to 123 of 123 rows"
    assert len(cells(chrome)) == 23
    assert chrome.js("document.querySelectorAll('.pages button')[1].disabled")
    for asked, first in (("2", "51"), ("99", "101"), ("-3", "1"), ("x", "1")):
        fill(chrome, ".pages input", asked, "change")
        assert status(chrome).startswith(f"{first} to ")


def test_a_row_that_failed_says_why(opened):
    comparison = made(samples=1, failing=1.0, examples=3)
    text = " ".join(cells(opened(comparison))[0])
    row = comparison["rows"][0]
    assert f"{row['status']}: {row['error']}" in text
