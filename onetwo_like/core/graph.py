"""What does an executable look like before it runs?"""

from __future__ import annotations

import html as _html

from onetwo_like.core.evaluation import Held, Node, shortened


def inputs_of(node: Node) -> list[Node]:
    """The executables that a node is made of, in the order in which they were given."""
    found: list[Node] = []
    values = [*node.args, *(node.kwargs or {}).values()]
    for value in values:
        items = value if isinstance(value, tuple) else (value,)
        for item in items:
            if isinstance(item, Held):
                item = item.node
            if isinstance(item, Node):
                found.append(item)
    return found


def outline(node: Node, limit: int = 200) -> list[tuple[int, str]]:
    """(depth, call as written) of the node and all it is made of; one used twice is shown once in full."""
    lines: list[tuple[int, str]] = []
    seen: dict[Node, int] = {}
    waiting = [(0, node)]
    while waiting and len(lines) < limit:
        depth, current = waiting.pop()
        if current in seen:
            lines.append((depth, f"{current.kind.name} (see line {seen[current]})"))
            continue
        seen[current] = len(lines) + 1
        lines.append((depth, current.kind.shown(current.args, current.kwargs)))
        waiting.extend((depth + 1, child) for child in reversed(inputs_of(current)))
    if waiting:
        lines.append((0, f"... and {len(waiting)} more"))
    return lines


def html(node: Node) -> str:
    """The outline as HTML for a notebook; everything that came from a user is escaped."""
    rows = "".join(
        f'<div style="padding-left:{1.5 * depth:g}em">{_html.escape(shortened_line(line))}</div>'
        for depth, line in outline(node)
    )
    return (
        '<div style="font-family:monospace;white-space:pre-wrap">'
        f'{rows}<div style="opacity:.6">has not run: ot.run(...) or await</div></div>'
    )


def shortened_line(line: str, limit: int = 160) -> str:
    """The line, cut at the end."""
    return line if len(line) <= limit else line[: limit - 3] + "..."


__all__ = ["html", "inputs_of", "outline", "shortened"]
