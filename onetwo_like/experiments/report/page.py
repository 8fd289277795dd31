"""How does a comparison become one page that opens offline, from the first figure to the trace of each row?

What people read first is plain HTML, written here. The rows are packed, and a script unpacks them and shows
them with `textContent` only. What came from a model or a user is never markup, and the page's policy runs no
script but its own, which is named by its hash.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from onetwo_like.experiments.report import head
from onetwo_like.experiments.report.counts import counted
from onetwo_like.experiments.report.rows import Packed, packed
from onetwo_like.experiments.showing.figures import count
from onetwo_like.experiments.showing.picture_parts import escaped

# One script of four parts: each uses what stands above it.
_SCRIPT = ("words.js", "rows.js", "example.js", "table.js")


def write(comparison: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Writes the page of `Comparison.to_dict()` to a file; the same results give the same bytes."""
    target = Path(path).expanduser()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(comparison), encoding="utf-8", newline="\n")


def page(comparison: Mapping[str, Any]) -> str:
    """The whole page of `Comparison.to_dict()`."""
    script, style = "".join(map(_part, _SCRIPT)), _part("report.css")
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    by_arm, rows = counted(comparison), packed(comparison)
    names = " against ".join(by_arm) if len(by_arm) < 4 else f"{len(by_arm)} arms"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escaped(f"{names} on {comparison['dataset']['name']}")}</title>
<style>{style}</style>
</head>
<body>
<main>
{head.heading(comparison)}\
{_contents(comparison)}\
{head.results(comparison, by_arm)}\
{head.differences(comparison)}\
{head.pictures(comparison, by_arm)}\
{head.left_out(comparison)}\
{_examples(rows)}\
{head.provenance(comparison, by_arm)}\
</main>
<dialog id="example" aria-labelledby="example-title"></dialog>
<script type="text/plain" id="rows">{rows.text}</script>
<script>{script}</script>
</body>
</html>
"""


def _contents(comparison: Mapping[str, Any]) -> str:
    places = {
        "results": "Results",
        **({"differences": "Differences"} if comparison["differences"] else {}),
        "pictures": "Pictures",
        "left-out": "What was left out",
        "examples": "Examples",
        "run": "What was run",
    }
    links = "".join(f'<li><a href="#{place}">{title}</a></li>' for place, title in places.items())
    return f'<nav aria-label="Contents"><ul>{links}</ul></nav>\n'


def _examples(rows: Packed) -> str:
    shortened = (
        f'<p class="warning">{count(rows.shortened)} of {count(rows.texts)} texts are longer than '
        f"{count(rows.limit)} letters and are shortened here, so that this page can be opened. The full texts "
        "are in the folder that <code>.save(folder)</code> writes, and in <code>.to_json()</code>.</p>\n"
        if rows.limit is not None
        else ""
    )
    return (
        '<section id="examples" aria-labelledby="examples-title"><h2 id="examples-title">Examples</h2>\n'
        f'{shortened}<noscript><p class="note">This table needs JavaScript.</p></noscript>\n'
        '<div id="table"></div></section>\n'
    )


@functools.cache
def _part(name: str) -> str:
    return (
        resources.files("onetwo_like.experiments.report").joinpath("assets", name).read_text(encoding="utf-8")
    )


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
