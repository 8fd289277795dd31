"""How does a trace become one page that can be searched, folded and read offline?

The page holds the trace as JSON and builds what it shows with `textContent` only. What came from a
model or a user is never markup: `<`, `>` and `&` are escaped in the JSON, and the page's policy runs
no script but its own, which is named by its hash.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import json
from importlib import resources
from typing import Any

from onetwo_like.core.trace import Span
from onetwo_like.core.trace_json import plain
from onetwo_like.core.trace_text import summary, text, type_of

# In a notebook the page is shown in a frame of its own, so that nothing in it reaches the notebook.
FRAME_HEIGHT_PX = 520


def page(trace: Span) -> str:
    """The whole page."""
    script, style = _part("trace.js"), _part("trace.css")
    title = f"{trace.name or 'run'}: {', '.join(summary(trace)) or 'no calls'}"
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{_hash(script)}'"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{html.escape(title)}</title>
<style>{style}</style>
</head>
<body>
<noscript><pre>{html.escape(text(trace))}</pre></noscript>
<main id="page"></main>
<script type="application/json" id="trace">{_json(_described(trace))}</script>
<script>{script}</script>
</body>
</html>
"""


def frame(trace: Span) -> str:
    """The page in a frame, for a notebook."""
    return (
        f'<iframe sandbox="allow-scripts" style="width:100%;height:{FRAME_HEIGHT_PX}px;border:0" '
        f'title="trace" srcdoc="{html.escape(page(trace))}"></iframe>'
    )


def _described(trace: Span) -> dict[str, Any]:
    """What the page shows: the totals, and every span with the index of its parent."""
    places: dict[int, int] = {}
    spans: list[dict[str, Any]] = []
    for depth, span in trace.levels():
        places[id(span)] = len(spans)
        usage = span.usage
        described = {
            "name": span.name or "run",
            "parent": None if depth == 0 else places[id(span.parent)],
            "start": max(0.0, span.start - trace.start),
            "duration": span.duration,
            "waiting": span.waiting or None,
            "sample": "/".join(map(str, span.sample_path)) or None,
            "cache": span.cache,
            "attempts": span.attempts if span.attempts > 1 else None,
            "tokens": usage and [usage.input_tokens, usage.output_tokens],
            "cost": span.cost,
            "inputs": plain(span.inputs),
            "output": plain(span.output),
            "error": span.error and f"{type_of(span.error)}: {span.error}",
        }
        spans.append({name: value for name, value in described.items() if value is not None})
    return {"started": trace.start, "total": trace.total()._asdict(), "spans": spans}


def _json(value: Any) -> str:
    """JSON that cannot end the element it stands in."""
    written = json.dumps(value, separators=(",", ":"))  # ASCII only, so no separators of lines either
    return written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


@functools.cache
def _part(name: str) -> str:
    return resources.files("onetwo_like.core").joinpath("trace_page", name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
