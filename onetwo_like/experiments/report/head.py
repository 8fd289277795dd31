"""What does a report say before any script runs: the results, the differences, what was left out, what ran?

Every function returns HTML; whatever came from a user or a model passes through `escaped`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from onetwo_like.experiments.report.counts import Counted, Group, excluded, failed
from onetwo_like.experiments.report.parts import arm_name, cut, folded, link, note, section, small, table
from onetwo_like.experiments.showing.figures import (
    UNKNOWN,
    count,
    dollars,
    interval,
    number,
    p_value,
    seconds,
    signed,
)
from onetwo_like.experiments.showing.picture_parts import escaped
from onetwo_like.experiments.showing.pictures import cost_against_quality, forest, latency, scores

_FIRST = 12  # examples named in a group of what was left out; the table of examples has them all
_GROUPS = 20
_LETTERS = 2_000  # of a prompt or a description that stands in the page itself


def heading(comparison: Mapping[str, Any]) -> str:
    """What was compared, on what."""
    arms = [f"<code>{escaped(arm['name'])}</code>" for arm in comparison["arms"]]
    if comparison["kind"] == "evaluation":
        what, title = "Evaluation", ", ".join(arms)
    else:
        what, title = "Comparison", " against ".join(arms) if len(arms) < 4 else f"{len(arms)} arms"
    data, samples = comparison["dataset"], comparison["samples"]
    facts = [
        f"<code>{escaped(data['name'])}</code>",
        f"{count(data['size'])} examples" + (f", {samples} samples of each" if samples > 1 else ""),
        f"seed {comparison['seed']}",
    ]
    return (
        f'<header><p class="kind">{what}</p>\n<h1>{title}</h1>\n<p class="facts">{" · ".join(facts)}</p>\n'
        f'<p class="summary">{escaped(comparison["summary"])}</p>\n{_incomplete(comparison)}</header>\n'
    )


def _incomplete(comparison: Mapping[str, Any]) -> str:
    if comparison["complete"]:
        return ""
    why = comparison["stopped"] or "some calls were not made"
    return f'<p class="warning"><strong>This run is not complete:</strong> {escaped(why)}</p>\n'


def results(comparison: Mapping[str, Any], by_arm: Mapping[str, Counted]) -> str:
    """The arms with their means, what they cost and how long they took."""
    metrics = comparison["metrics"]
    columns = [
        "Arm",
        *(f"<code>{escaped(m)}</code>" for m in metrics),
        "Answered",
        "Cost",
        "Paid now",
        "Tokens in",
        "Tokens out",
        "Median latency",
        "95th percentile",
    ]
    rows = []
    for i, arm in enumerate(comparison["arms"]):
        own, recorded, took = by_arm[arm["name"]], arm["recorded"], arm["latency_s"] or {}
        cached = recorded.get("cached_tokens")
        rows.append(
            [
                arm_name(arm["name"], i),
                *(_mean(comparison["means"].get(m, {}).get(arm["name"])) for m in metrics),
                _answered(own),
                dollars(recorded["cost"]),
                dollars(arm["paid"]["cost"]),
                count(recorded["input_tokens"]) + (small(f"{count(cached)} cached") if cached else ""),
                count(recorded["output_tokens"]),
                seconds(took.get("median")),
                seconds(took.get("p95")),
            ]
        )
    meaning = (
        "Means are of the scored examples, with 95 % intervals in small figures. Cost, tokens and latency are "
        "as recorded when each call was made; <em>paid now</em> is what this run added to the bill."
    )
    return section(
        "results", "Results", table("Results by arm", columns, rows) + note(meaning + _scoring(comparison))
    )


def _scoring(comparison: Mapping[str, Any]) -> str:
    """What judges took, which is no arm's."""
    scoring = comparison.get("scoring")
    if not scoring or not scoring["recorded"]["calls"]:
        return ""
    recorded, paid = scoring["recorded"], scoring["paid"]
    return (
        f" Not in these figures: metrics made {count(recorded['calls'])} calls of their own, for "
        f"{dollars(recorded['cost'])}, of which {dollars(paid['cost'])} was paid now."
    )


def _mean(mean: Mapping[str, Any] | None) -> str:
    if mean is None or mean["mean"] is None:
        return UNKNOWN
    low, high = mean["ci_low"], mean["ci_high"]
    return number(mean["mean"]) + (small(interval(low, high)) if low is not None else small("no interval"))


def _answered(arm: Counted) -> str:
    others = [f"{count(held)} {escaped(status)}" for status, held in arm.statuses.items() if status != "ok"]
    return f"{count(arm.answered)} of {count(arm.rows)}" + "".join(small(other, "bad") for other in others)


def differences(comparison: Mapping[str, Any]) -> str:
    """The picture and the table of differences, and how to read both."""
    found: Sequence[Mapping[str, Any]] = comparison["differences"]
    if not found:
        return ""
    columns = [
        "Metric",
        "A",
        "B",
        "<i>n</i>",
        "Mean A",
        "Mean B",
        "B \N{MINUS SIGN} A",
        "95 % interval<small>bootstrap</small>",
        "<i>p</i>",
        "<i>p</i> adjusted",
        "Won / tied / lost",
        "Effect",
        "Detectable",
    ]
    rows = [
        [
            f"<code>{escaped(d['metric'])}</code>",
            f"<code>{escaped(d['a'])}</code>",
            f"<code>{escaped(d['b'])}</code>",
            count(d["n"]),
            number(d["mean_a"]),
            number(d["mean_b"]),
            f"<strong>{signed(d['difference'])}</strong>",
            interval(d["ci_low"], d["ci_high"]) + _bootstrap(d),
            p_value(d["p_value"]) + small(escaped(_TESTS.get(d["test"], d["test"]))),
            p_value(d["p_adjusted"]),
            f"{count(d['wins'])} / {count(d['ties'])} / {count(d['losses'])}",
            number(d["effect_size"]),
            number(d["detectable"]),
        ]
        for d in found
    ]
    said = [
        f"<li><code>{escaped(d['metric'])}</code>, <code>{escaped(d['b'])}</code> against "
        f"<code>{escaped(d['a'])}</code>: {escaped(d['said'])}</li>"
        for d in found
        if d["said"]
    ]
    caption = "Right of the dashed line B scores higher. A filled mark: <i>p</i> adjusted is below 0.05." + (
        " Metrics of a different size have an axis of their own." if len(comparison["metrics"]) > 1 else ""
    )
    meaning = (
        "Differences are between the arms on the same examples; <i>n</i> counts examples, and samples of one "
        "example are averaged first. B won where it scores higher. The interval is by <i>t</i>, below it the "
        "one by BCa bootstrap. <i>p</i> is of the exact McNemar or the paired permutation test, and adjusted by "
        "Holm over all pairs and metrics. Detectable is the smallest difference that this run could have "
        "detected."
    )
    body = (
        f'<div class="beside"><figure>{forest(found)}<figcaption>{caption}</figcaption></figure>\n'
        f"<div>{note(meaning)}{f'<ul class=said>{chr(10).join(said)}</ul>' if said else ''}</div></div>\n"
        + table("Differences between arms", columns, rows, words=range(3))
    )
    return section("differences", "Differences", body)


def _bootstrap(d: Mapping[str, Any]) -> str:
    return "" if d["bca_low"] is None else small(interval(d["bca_low"], d["bca_high"]))


_TESTS = {"mcnemar": "McNemar", "permutation": "permutation"}


def pictures(comparison: Mapping[str, Any], by_arm: Mapping[str, Counted]) -> str:
    """How scores are spread, what quality costs, how long answers take."""
    figures = []
    for metric in comparison["metrics"]:
        yes_no = bool(comparison["yes_no"].get(metric))
        svg = scores(
            metric,
            yes_no,
            {arm: own.scores[metric] for arm, own in by_arm.items()},
            comparison["means"].get(metric, {}),
        )
        how = "share of yes, with its interval" if yes_no else "all scores; the line is the mean"
        figures.append(_figure(svg, f"Scores by <code>{escaped(metric)}</code>: {how}."))
    svg = latency({arm: own.latencies for arm, own in by_arm.items()})
    figures.append(_figure(svg, "Latency: the middle half as a bar, 5 to 95 % as a line."))
    prices = {arm: _price_of_1000(own) for arm, own in by_arm.items()}
    priced = [price for price in prices.values() if price is not None]
    said = ""
    if not any(priced):
        said = note("No cost is drawn: " + ("every answer was free." if priced else "none is known."))
    else:
        for metric in comparison["metrics"]:
            svg = cost_against_quality(metric, prices, comparison["means"].get(metric, {}))
            figures.append(_figure(svg, f"Cost against quality by <code>{escaped(metric)}</code>."))
        unknown = [f"<code>{escaped(arm)}</code>" for arm, price in prices.items() if price is None]
        if unknown:
            said = note(f"Not in the pictures of cost, because it is not known: {', '.join(unknown)}.")
    return section("pictures", "Pictures", f'<div class="figures">{"".join(figures)}</div>\n{said}')


def _price_of_1000(arm: Counted) -> float | None:
    return 1000 * math.fsum(arm.costs) / len(arm.costs) if arm.costs else None


def _figure(svg: str, caption: str) -> str:
    return f"<figure>{svg}<figcaption>{caption}</figcaption></figure>\n" if svg else ""


def left_out(comparison: Mapping[str, Any]) -> str:
    """Which rows failed and which were excluded, and why."""
    body = ""
    lost = failed(comparison["rows"], _FIRST)
    if lost:
        body += "<h3>Rows without an answer</h3>\n"
        body += _groups(
            "Rows without an answer",
            ["Arm", "Status", "Error", "Rows", "Examples"],
            lost,
            comparison["samples"],
        ) + note("They have no score, so they count in no metric.")
    gone = excluded(comparison, _FIRST)
    if gone:
        body += "<h3>Answers without a score</h3>\n"
        columns = ["Arm", "Metrics", "Reason", "Answers", "Examples"]
        body += _groups("Answers without a score", columns, gone, comparison["samples"])
    return section(
        "left-out", "What was left out", body or note("Nothing: every row has an answer and counts.")
    )


def _groups(caption: str, columns: list[str], groups: Sequence[Group], samples: int) -> str:
    rows = []
    for group in groups[:_GROUPS]:
        arm, kind, reason = group.kind
        links = ", ".join(link(*one, samples) for one in group.first)
        more = group.count - len(group.first)
        rows.append(
            [
                f"<code>{escaped(arm)}</code>",
                f"<code>{escaped(kind)}</code>",
                f'<div class="words">{escaped(cut(reason, 400)) or UNKNOWN}</div>',
                count(group.count),
                f'<div class="words">{links}{f" and {count(more)} more" if more else ""}</div>',
            ]
        )
    rest = sum(group.count for group in groups[_GROUPS:])
    others = note(
        f"{count(rest)} more for {count(len(groups) - _GROUPS)} other reasons: all are in the table of examples."
    )
    return table(caption, columns, rows, words=(0, 1, 2, 4)) + (others if rest else "")


def provenance(comparison: Mapping[str, Any], by_arm: Mapping[str, Counted]) -> str:
    """Which data, versions, arms and prompts these results come from."""
    data = comparison["dataset"]
    facts = {
        "Dataset": escaped(data["name"]),
        "Hash": f"<code>{escaped(data['hash'])}</code>",
        "Examples": count(data["size"]),
        "Fields": f"input {_fields(data['input'])}, target {_fields(data['target'])}",
        "Samples": str(comparison["samples"]),
        "Seed": str(comparison["seed"]),
        **{name: escaped(version) for name, version in comparison["versions"].items()},
    }
    body = "".join(f"<div><dt>{escaped(name)}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    body = f'<dl class="run">{body}</dl>\n'
    for i, arm in enumerate(comparison["arms"]):
        body += (
            f"<h3>{arm_name(arm['name'], i)}</h3>\n<pre>{escaped(cut(arm['described'], _LETTERS))}</pre>\n"
        )
        if arm["fingerprint"] is not None:
            written = json.dumps(arm["fingerprint"], indent=2, ensure_ascii=False)
            body += folded("Fingerprint", [("", written)])
        calls = by_arm[arm["name"]].first_calls
        if calls:
            prompts = [
                (f"{call['operation']}, as sent", cut(str(call["prompt"]), _LETTERS)) for call in calls[:5]
            ]
            body += folded("Prompts of the first example", prompts)
    return section("run", "What was run", body)


def _fields(names: str | list[str] | None) -> str:
    """The fields that make an input or a target: one, several, or none."""
    several = [names] if isinstance(names, str) else names or []
    return ", ".join(f"<code>{escaped(name)}</code>" for name in several) or "none"
