"""How does a test use a report: by which clicks, and what does the table then show?"""

import json
from typing import Any

READY = "performance.getEntriesByName('rows shown').length === 1"


def click(chrome, selector, place=0):
    chrome.js(f"document.querySelectorAll({json.dumps(selector)})[{place}].click()")


def fill(chrome, selector, value, event="input"):
    chrome.js(
        f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.value = {json.dumps(value)};"
        f" e.dispatchEvent(new Event({json.dumps(event)})); }})()"
    )


def cells(chrome):
    """What the table shows, by row."""
    return chrome.js(
        "[...document.querySelectorAll('.rows tbody tr')].map((r) => [...r.cells].map((c) => c.textContent))"
    )


def status(chrome):
    return chrome.js("document.querySelector('.status').textContent")


def lines_of(comparison):
    """(example, sample) and the row of each arm, as the table has them."""
    found: dict[tuple[str, int], dict[str, dict[str, Any]]] = {}
    for row in comparison["rows"]:
        found.setdefault((row["example"], row["sample"]), {})[row["arm"]] = row
    return found
