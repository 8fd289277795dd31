"""How are the outcomes kept, shown as a table, and read from the table in the docs?

Needs nothing but Python's own library: the script that prints the table has no more.
"""

import datetime
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

Table: TypeAlias = dict[str, dict[str, dict[str, str]]]
"""Outcomes by server, row and backend."""
DOCS = Path(__file__).parents[3] / "docs" / "servers.md"


def record(path: Path, server: str, backend: str, row: str, outcome: str) -> None:
    """Adds what was seen, in place of what was seen before."""
    seen: Table = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    seen.setdefault(server, {}).setdefault(row, {})[backend] = outcome
    path.write_text(json.dumps(seen, ensure_ascii=False, indent=1), "utf-8")


def page(table: Table, about: Mapping[str, str]) -> str:
    """One table for each server, in Markdown."""
    today = datetime.datetime.now(datetime.UTC).date()
    lines = [f"As run on {today} with {', '.join(f'{name} {number}' for name, number in about.items())}."]
    for server, rows in table.items():
        backends = list(dict.fromkeys(backend for row in rows.values() for backend in row))
        lines += ["", f"## {server}", "", f"| | {' | '.join(backends)} |", "|---" * (len(backends) + 1) + "|"]
        lines += [
            f"| {name} | {' | '.join(row.get(backend, '') for backend in backends)} |"
            for name, row in rows.items()
        ]
    return "\n".join(lines) + "\n"


def read(text: str) -> Table:
    """The tables of such a page, whatever else is on it."""
    table: Table = {}
    server, backends = "", None
    for line in text.splitlines():
        if line.startswith("## "):
            server, backends = line.removeprefix("## "), None
        elif line.startswith("| "):
            name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
            if backends is None:
                backends = cells
            else:
                outcomes = {b: cell for b, cell in zip(backends, cells, strict=True) if cell}
                table.setdefault(server, {})[name] = outcomes
    return table
