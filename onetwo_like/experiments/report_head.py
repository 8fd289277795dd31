"""What does a report say before any script runs: the results, the differences, what was left out, what ran?

Every function returns HTML; whatever came from a user or a model passes through `escaped`.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from onetwo_like.experiments.figures import (
    UNKNOWN,
    count,
    dollars,
    interval,
    number,
    p_value,
    seconds,
    signed,
)
from onetwo_like.experiments.picture_parts import COLOURS, escaped
from onetwo_like.experiments.pictures import cost_against_quality, forest, latency, scores
from onetwo_like.experiments.report_counts import Counted, Group, excluded, failed

_FIRST = 12  # examples named in a group of what was left out; the table of examples has them all
_GROUPS = 40
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
                _arm(arm["name"], i),
                *(_mean(comparison["means"].get(m, {}).get(arm["name"])) for m in metrics),
                _answered(own),
                dollars(recorded["cost"]),
                dollars(arm["paid"]["cost"]),
                count(recorded["input_tokens"]) + (_small(f"{count(cached)} cached") if cached else ""),
                count(recorded["output_tokens"]),
                seconds(took.get("median")),
                seconds(took.get("p95")),
            ]
        )
    note = (
        "Means are of the scored examples, with 95 % intervals in small figures. Cost, tokens and latency are "
        "as recorded when each call was made; <em>paid now</em> is what this run added to the bill."
    )
    return _section("results", "Results", table("Results by arm", columns, rows) + _note(note))


def _mean(mean: Mapping[str, Any] | None) -> str:
    if mean is None or mean["mean"] is None:
        return UNKNOWN
    low, high = mean["ci_low"], mean["ci_high"]
    return number(mean["mean"]) + (_small(interval(low, high)) if low is not None else _small("no interval"))


def _answered(arm: Counted) -> str:
    others = [f"{count(held)} {escaped(status)}" for status, held in arm.statuses.items() if status != "ok"]
    return f"{count(arm.answered)} of {count(arm.rows)}" + "".join(_small(other, "bad") for other in others)


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
            interval(d["ci_low"], d["ci_high"]) + _small(interval(d["bca_low"], d["bca_high"])),
            p_value(d["p_value"]) + _small(escaped(_TESTS.get(d["test"], d["test"]))),
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
    note = (
        "Differences are between the arms on the same examples; <i>n</i> counts examples, and samples of one "
        "example are averaged first. B won where it scores higher. The interval is by <i>t</i>, below it the "
        "one by BCa bootstrap. <i>p</i> is of the exact McNemar or the paired permutation test, and adjusted by "
        "Holm over all pairs and metrics. Detectable is the smallest difference that this run could have "
        "detected."
    )
    body = (
        f'<div class="beside"><figure>{forest(found)}<figcaption>{caption}</figcaption></figure>\n'
        f"<div>{_note(note)}{f'<ul class=said>{chr(10).join(said)}</ul>' if said else ''}</div></div>\n"
        + table("Differences between arms", columns, rows, words=range(3))
    )
    return _section("differences", "Differences", body)


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
    prices = {arm: 1000 * sum(own.costs) / len(own.costs) for arm, own in by_arm.items() if own.costs}
    if any(prices.values()):
        for metric in comparison["metrics"]:
            means = comparison["means"].get(metric, {})
            points = {arm: (price, means.get(arm) or {"mean": None}) for arm, price in prices.items()}
            svg = cost_against_quality(metric, points)
            figures.append(_figure(svg, f"Cost against quality by <code>{escaped(metric)}</code>."))
        priceless = [arm for arm in by_arm if arm not in prices]
    else:
        priceless = []
    said = ""
    if not any(prices.values()):
        said = _note("No cost is drawn: " + ("every answer was free." if prices else "none is known."))
    elif priceless:
        names = ", ".join(f"<code>{escaped(arm)}</code>" for arm in priceless)
        said = _note(f"Not in the pictures of cost, because it is not known: {names}.")
    return _section("pictures", "Pictures", f'<div class="figures">{"".join(figures)}</div>\n{said}')


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
        )
    gone = excluded(comparison["excluded"], _FIRST)
    if gone:
        body += "<h3>Excluded from the statistics</h3>\n"
        columns = ["Arm", "Metrics", "Reason", "Examples", "Which"]
        body += _groups("Excluded from the statistics", columns, gone, comparison["samples"])
    return _section(
        "left-out", "What was left out", body or _note("Nothing: every row has an answer and counts.")
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
                f'<div class="words">{escaped(_cut(reason, 400)) or UNKNOWN}</div>',
                count(group.count),
                f'<div class="words">{links}{f" and {count(more)} more" if more else ""}</div>',
            ]
        )
    rest = sum(group.count for group in groups[_GROUPS:])
    note = _note(
        f"{count(rest)} more for {count(len(groups) - _GROUPS)} other reasons: all are in the table of examples."
    )
    return table(caption, columns, rows, words=(0, 1, 2, 4)) + (note if rest else "")


def provenance(comparison: Mapping[str, Any], by_arm: Mapping[str, Counted]) -> str:
    """Which data, versions, arms and prompts these results come from."""
    data = comparison["dataset"]
    facts = {
        "Dataset": escaped(data["name"]),
        "Hash": f"<code>{escaped(data['hash'])}</code>",
        "Examples": count(data["size"]),
        "Fields": f"input <code>{escaped(data['input'])}</code>, target <code>{escaped(data['target'])}</code>",
        "Samples": str(comparison["samples"]),
        "Seed": str(comparison["seed"]),
        **{name: escaped(version) for name, version in comparison["versions"].items()},
    }
    body = "".join(f"<div><dt>{escaped(name)}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    body = f'<dl class="run">{body}</dl>\n'
    for i, arm in enumerate(comparison["arms"]):
        body += f"<h3>{_arm(arm['name'], i)}</h3>\n<pre>{escaped(_cut(arm['described'], _LETTERS))}</pre>\n"
        if arm["fingerprint"] is not None:
            written = json.dumps(arm["fingerprint"], indent=2, ensure_ascii=False)
            body += _folded("Fingerprint", [("", written)])
        calls = by_arm[arm["name"]].first_calls
        if calls:
            prompts = [
                (f"{call['operation']}, as sent", _cut(str(call["prompt"]), _LETTERS)) for call in calls[:5]
            ]
            body += _folded("Prompts of the first example", prompts)
    return _section("run", "What was run", body)


def _folded(title: str, texts: Iterable[tuple[str, str]]) -> str:
    inside = "".join(
        (f"<p>{escaped(label)}</p>" if label else "") + f"<pre>{escaped(text)}</pre>" for label, text in texts
    )
    return f"<details><summary>{title}</summary>{inside}</details>\n"


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[:letters]} […{len(text) - letters:,} letters more]"


def link(example: str, sample: int | None, samples: int) -> str:
    """A link that opens the example in the page."""
    route = urlencode({"example": example, "sample": sample or 0}, errors="replace")
    label = example if sample is None or samples == 1 else f"{example}/{sample}"
    return f'<a href="#{escaped(route)}">{escaped(label)}</a>'


def table(
    caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]], words: Container[int] = (0,)
) -> str:
    """A table that scrolls inside itself; the columns counted in `words` hold words, the others figures."""
    head = "".join(
        f'<th scope="col"{"" if i in words else " class=figure"}>{column}</th>'
        for i, column in enumerate(columns)
    )
    body = ""
    for row in rows:
        cells = (f"<td{'' if i in words else ' class=figure'}>{cell}</td>" for i, cell in enumerate(row) if i)
        body += f'<tr><th scope="row">{row[0]}</th>{"".join(cells)}</tr>\n'
    return (
        f'<div class="scroll" role="region" aria-label="{caption}" tabindex="0"><table>'
        f"<caption>{caption}</caption><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>\n"
    )


def _arm(arm: str, place: int) -> str:
    return f'<span class="arm arm-{place % COLOURS}"><code>{escaped(arm)}</code></span>'


def _small(text: str, kind: str = "") -> str:
    return f"<small{f' class={kind}' if kind else ''}>{text}</small>"


def _note(text: str) -> str:
    return f'<p class="note">{text}</p>\n'


def _section(place: str, title: str, body: str) -> str:
    return f'<section id="{place}" aria-labelledby="{place}-title"><h2 id="{place}-title">{title}</h2>\n{body}</section>\n'
