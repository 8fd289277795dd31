"""Which colours and fonts has a drawing, by day and by night?

Every rule is below the drawing's own class, because a notebook shows many things on one page.
"""

from __future__ import annotations

_LIGHT = (
    "--line:#7b8494;--soft:#5c6575;--ink:#1b2130;"
    "--step:#eaf1fd;--step-line:#3f74c9;--input:#f4f4f6;--input-line:#8a8f9c;"
    "--event:#fdf3df;--event-line:#c08a1e;--flow:#f8f9fc;--flow-line:#9aa6c0;"
    "--start:#e3f5e8;--start-line:#3a9656;--stop:#f1e9fb;--stop-line:#8157bd;"
    "--failed:#fde8e8;--failed-line:#c93f3f"
)
_DARK = (
    "--line:#8b94a5;--soft:#a9b2c3;--ink:#e8ecf4;"
    "--step:#1b2b47;--step-line:#5f93e6;--input:#2a2d34;--input-line:#8a8f9c;"
    "--event:#3a2f17;--event-line:#d3a03c;--flow:#1d2129;--flow-line:#5a6580;"
    "--start:#173322;--start-line:#4fb36f;--stop:#2c2140;--stop-line:#a480de;"
    "--failed:#431d1f;--failed-line:#e06363"
)
_KINDS = "".join(
    f".onetwo-drawing .{kind}>rect,.onetwo-drawing .{kind}>g>rect{{fill:var(--{look});stroke:var(--{look}-line)}}\n"
    for kind, look in (
        ("step", "step"),
        ("input", "input"),
        ("constant", "input"),
        ("event", "event"),
        ("flow", "flow"),
        ("start", "start"),
        ("stop", "stop"),
        ("failed", "failed"),  # the last, so that it wins
    )
)
STYLE = f"""\
.onetwo-drawing{{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;{_LIGHT}}}
@media(prefers-color-scheme:dark){{.onetwo-drawing{{{_DARK}}}}}
.onetwo-drawing rect{{stroke-width:1.4}}
.onetwo-drawing text{{font-size:13px;fill:var(--ink);text-anchor:middle}}
.onetwo-drawing text.d{{font-size:11px;fill:var(--soft)}}
.onetwo-drawing .edge{{fill:none;stroke:var(--line);stroke-width:1.4}}
.onetwo-drawing .head{{fill:var(--line)}}
{_KINDS}\
.onetwo-drawing .input>rect,.onetwo-drawing .hit>rect{{stroke-dasharray:5 3}}
"""
