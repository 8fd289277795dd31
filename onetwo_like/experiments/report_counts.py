"""What is counted over all rows before the report is written?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Counted:
    """Of one arm: its rows by status, and what its answers took and scored."""

    rows: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    scores: dict[str, list[float]] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    first_calls: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def answered(self) -> int:
        """How many rows have an answer."""
        return self.statuses.get("ok", 0)


@dataclass
class Group:
    """Rows that are left out for one reason: how many, and the first of them as (example, sample or None)."""

    kind: tuple[str, ...]
    count: int = 0
    first: list[tuple[str, int | None]] = field(default_factory=list)

    def add(self, example: str, sample: int | None, at_most: int) -> None:
        """One more."""
        self.count += 1
        if len(self.first) < at_most:
            self.first.append((example, sample))


def counted(comparison: Mapping[str, Any]) -> dict[str, Counted]:
    """By arm, in their order."""
    metrics = comparison["metrics"]
    by_arm = {arm["name"]: Counted(scores={m: [] for m in metrics}) for arm in comparison["arms"]}
    for row in comparison["rows"]:
        arm = by_arm[row["arm"]]
        arm.rows += 1
        status, scores = row["status"], row["scores"]
        arm.statuses[status] = arm.statuses.get(status, 0) + 1
        for metric in metrics:
            score = scores.get(metric)
            if score is not None:
                arm.scores[metric].append(score)
        if status == "ok":
            if row["latency_s"] is not None:
                arm.latencies.append(row["latency_s"])
            if row["cost"] is not None:
                arm.costs.append(row["cost"])
        if not arm.first_calls and row.get("calls"):
            arm.first_calls = list(row["calls"])
    return by_arm


def failed(rows: Iterable[Mapping[str, Any]], at_most: int) -> list[Group]:
    """Rows without an answer by (arm, status, error), the most frequent first."""
    groups: dict[tuple[str, ...], Group] = {}
    for row in rows:
        if row["status"] != "ok":
            kind = (row["arm"], row["status"], row["error"] or "")
            groups.setdefault(kind, Group(kind)).add(row["example"], row["sample"], at_most)
    return sorted(groups.values(), key=lambda group: -group.count)


def excluded(rows: Iterable[Mapping[str, Any]], at_most: int) -> list[Group]:
    """Examples that the statistics leave out, by (arm, metrics, reason), the most frequent first."""
    metrics: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        key = (row["arm"] or "", row["reason"], row["example"])
        metrics.setdefault(key, []).append(row["metric"] or "all")
    groups: dict[tuple[str, ...], Group] = {}
    for (arm, reason, example), of in metrics.items():
        kind = (arm, ", ".join(of), reason)
        groups.setdefault(kind, Group(kind)).add(example, None, at_most)
    return sorted(groups.values(), key=lambda group: -group.count)
