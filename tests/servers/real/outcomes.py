"""How are the outcomes kept, and shown as a table?

Needs nothing but Python's own library: the script that prints the table has no more.
"""

import datetime
import json
from collections.abc import Mapping
from pathlib import Path


def record(path: Path, server: str, backend: str, operation: str, outcome: str) -> None:
    """Adds what was seen, in place of what was seen before."""
    seen = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    seen.setdefault(server, {}).setdefault(operation, {})[backend] = outcome
    path.write_text(json.dumps(seen, ensure_ascii=False, indent=1), "utf-8")


def page(path: Path, about: Mapping[str, str]) -> str:
    """One table for each server, in Markdown."""
    seen = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    today = datetime.datetime.now(datetime.UTC).date()
    lines = [f"As run on {today} with {', '.join(f'{name} {number}' for name, number in about.items())}."]
    for server, rows in seen.items():
        backends = list(dict.fromkeys(backend for row in rows.values() for backend in row))
        lines += ["", f"## {server}", "", f"| | {' | '.join(backends)} |", "|---" * (len(backends) + 1) + "|"]
        lines += [
            f"| {name} | {' | '.join(row.get(backend, '') for backend in backends)} |"
            for name, row in rows.items()
        ]
    return "\n".join(lines) + "\n"
