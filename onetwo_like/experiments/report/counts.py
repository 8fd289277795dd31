"""What is counted over all rows before the report is written?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_SAMPLE = re.compile(r"sample (\d+): ")


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


def excluded(comparison: Mapping[str, Any], at_most: int) -> list[Group]:
    """Answers and examples that have no score, by (arm, metrics, reason), the most frequent first.

    Rows without an answer have none anyway, and are `failed`.
    """
    lost = {(r["arm"], r["example"], r["sample"]) for r in comparison["rows"] if r["status"] != "ok"}
    metrics: dict[tuple[str, str, str, int | None], list[str]] = {}
    for each in comparison["excluded"]:
        sample, reason = of_sample(each["reason"])
        if sample is None and comparison["samples"] == 1:
            sample = 0
        if (each["arm"], each["example"], sample) not in lost:
            key = (each["arm"] or "", reason, each["example"], sample)
            metrics.setdefault(key, []).append(each["metric"] or "all")
    groups: dict[tuple[str, ...], Group] = {}
    for (arm, reason, example, sample), of in metrics.items():
        kind = (arm, ", ".join(of), reason)
        groups.setdefault(kind, Group(kind)).add(example, sample, at_most)
    return sorted(groups.values(), key=lambda group: -group.count)


def of_sample(reason: str) -> tuple[int | None, str]:
    """Which sample a reason is about, None if it is about all, and the rest of it.

    >>> of_sample("sample 2: the judge failed"), of_sample("the judge failed")
    ((2, 'the judge failed'), (None, 'the judge failed'))
    """
    found = _SAMPLE.match(reason)
    return (int(found[1]), reason[found.end() :]) if found else (None, reason)
