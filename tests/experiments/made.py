"""What does `Comparison.to_dict()` look like, of arms whose answers are drawn from a seed?"""

import hashlib
import itertools
import random
import statistics
from typing import Any

_TEXT = """what is the capital southernmost city river mountain of in and which who mayor painter wrote largest
oldest near between north border island language currency harbour spoken before after famous song"""
WORDS = _TEXT.split()
PLACES = [
    f"{a}{b}" for a in ("Lor", "Mar", "Ven", "Tol", "Bra", "Quim") for b in ("ient", "seille", "ice", "ouse")
]
FAILURES = {
    "error": "RateLimitedError: the provider allows 60 calls a minute (request-id 17)",
    "timeout": "DeadlineError: no answer within 30 s",
}
# A model breaks out of a script or an attribute if anything in the page lets it.
EVIL = (
    """</script></title></pre></svg>--><script>document.title="pwned"</script>"""
    """<img src=x onerror='document.title="pwned"'>"'`${document.title="pwned"}\u2028]]>&amp;"""
)


def made(
    arms: tuple[str, ...] = ("bigram", "five-gram"),
    metrics: dict[str, bool] | None = None,
    examples: int = 40,
    samples: int = 3,
    seed: int = 0,
    failing: float = 0.04,
    unscored: float = 0.02,
    complete: bool = True,
    words: int = 10,
    answer_words: int = 2,
    planted: str = "",
) -> dict[str, Any]:
    """A comparison of these arms by these metrics (name: whether it is yes or no), the later ones better.

    `words` and `answer_words` are the length of an input and of an answer; `planted` stands in everything
    that a user or a model can choose.
    """
    chance = random.Random(seed)
    yes_no = {"exact": True, "f1": False} if metrics is None else metrics
    if planted:
        arms = tuple(f"{arm}{planted}" for arm in arms)
        yes_no = {f"{metric}{planted}": kind for metric, kind in yes_no.items()}
    inputs = [" ".join(chance.choices(WORDS, k=words)) + f" {i}?" for i in range(examples)]
    targets = chance.choices(PLACES, k=examples)
    rows: list[dict[str, Any]] = []
    excluded: list[dict[str, Any]] = []
    run = examples if complete else examples // 2
    for arm, example in itertools.product(range(len(arms)), range(examples)):
        own = []
        for sample in range(samples):
            failed = chance.random() < failing
            status = "not run" if example >= run else chance.choice(list(FAILURES)) if failed else "ok"
            said = " ".join([chance.choice(PLACES), *chance.choices(WORDS, k=answer_words)])
            own.append(_row(chance, arm, status, yes_no))
            own[-1] |= {
                "arm": arms[arm],
                "example": f"q{example}",
                "sample": sample,
                "input": inputs[example] + planted,
                "target": targets[example] + planted,
                "prediction": said + planted if status == "ok" else None,
                "error": FAILURES[status] + planted if status in FAILURES else None,
            }
            for call in own[-1]["calls"]:
                call["prompt"] = f"Answer in one word.\nQ: {own[-1]['input']}\nA:"
                call["answer"] = own[-1]["prediction"]
        rows += own
    for row in rows:
        if row["status"] == "ok" and yes_no and chance.random() < unscored:
            row["scores"][list(yes_no)[-1]] = None
        prefix = f"sample {row['sample']}: " if samples > 1 else ""
        for metric, score in row["scores"].items():
            if score is None:
                why = row["status"] if row["error"] is None else f"{row['status']}: {row['error']}"
                reason = prefix + (f"MetricError: no digit{planted}" if row["status"] == "ok" else why)
                excluded.append(
                    {"arm": row["arm"], "example": row["example"], "metric": metric, "reason": reason}
                )
    means = {metric: {arm: _mean(_scores(rows, metric, arm)) for arm in arms} for metric in yes_no}
    differences = [
        _difference(
            metric, a, b, _scores(rows, metric, a), _scores(rows, metric, b), yes_no[metric] and samples == 1
        )
        for metric in yes_no
        for a, b in itertools.combinations(arms, 2)
    ]
    for each in differences:
        each["said"] += planted
    return {
        "format": 1,
        "kind": "comparison" if len(arms) > 1 else "evaluation",
        "metrics": list(yes_no),
        "yes_no": yes_no,
        "samples": samples,
        "seed": seed,
        "complete": complete,
        "stopped": None if complete else "the budget of $0.01 is spent" + planted,
        "dataset": {
            "name": "capitals.jsonl" + planted,
            "hash": hashlib.sha256("".join(inputs).encode()).hexdigest(),
            "size": examples,
            "input": "question" + planted,
            "target": "answer" + planted,
        },
        "versions": {"onetwo_like": "0.2.0", "python": "3.11.2"},
        "arms": [_arm(name, [row for row in rows if row["arm"] == name], planted) for name in arms],
        "means": means,
        "differences": differences,
        "summary": f"{arms[-1]} was asked {examples} questions"
        + (f", as was {arms[0]}." if arms[1:] else "."),
        "rows": rows,
        "excluded": excluded,
    }


def _row(chance: random.Random, arm: int, status: str, yes_no: dict[str, bool]) -> dict[str, Any]:
    """What does not depend on the example."""
    answered = status == "ok"
    good = answered and chance.random() < 0.35 + 0.2 * arm
    prompt, answer = chance.randint(20, 60), chance.randint(1, 5)
    took = round(chance.lognormvariate(-1 + 0.4 * arm, 0.5), 6)
    cost = (prompt * 0.15 + answer * 0.6) * (1 + 3 * arm) / 1e6
    used = {
        "input_tokens": prompt if answered else None,
        "output_tokens": answer if answered else None,
        "cost": cost if answered else None,
        "latency_s": took if status != "not run" else None,
        "cache": None
        if status == "not run"
        else "failed"
        if not answered
        else chance.choice(["made", "hit"]),
    }
    call = {"operation": "generate_text", "prompt": "", "answer": None, "model_version": f"toy-{arm}", **used}
    return {
        "status": status,
        "scores": {
            metric: None
            if not answered
            else float(good)
            if kind
            else round(chance.betavariate(2 + good, 2), 6)
            for metric, kind in yes_no.items()
        },
        "details": {},
        "calls": [] if status == "not run" else [call],
        **used,
    }


def _scores(rows: list[dict[str, Any]], metric: str, arm: str) -> dict[str, float]:
    """The mean of each example's samples."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row["arm"] == arm and row["scores"][metric] is not None:
            found.setdefault(row["example"], []).append(row["scores"][metric])
    return {example: statistics.fmean(scores) for example, scores in found.items()}


def _mean(scores: dict[str, float]) -> dict[str, Any]:
    low, mean, high = _interval(list(scores.values()))
    return {"n": len(scores), "mean": mean, "ci_low": low, "ci_high": high}


def _interval(values: list[float]) -> tuple[float | None, float | None, float | None]:
    """A rough one: what the report draws is not computed by the report."""
    if not values:
        return None, None, None
    mean = statistics.fmean(values)
    if len(values) < 8:
        return None, mean, None
    half = 1.96 * statistics.stdev(values) / len(values) ** 0.5
    return mean - half, mean, mean + half


def _difference(
    metric: str, a: str, b: str, of_a: dict[str, float], of_b: dict[str, float], mcnemar: bool
) -> dict[str, Any]:
    both = [of_b[example] - of_a[example] for example in of_a if example in of_b]
    low, mean, high = _interval(both)
    few = low is None or high is None
    p = None if low is None or high is None else 0.0004 if low > 0 or high < 0 else 0.37
    return {
        "metric": metric,
        "a": a,
        "b": b,
        "n": len(both),
        "mean_a": statistics.fmean(of_a.values()) if of_a else None,
        "mean_b": statistics.fmean(of_b.values()) if of_b else None,
        "difference": mean,
        "ci_low": low,
        "ci_high": high,
        "bca_low": low,
        "bca_high": high,
        "p_value": p,
        "p_adjusted": None if p is None else min(1.0, 2 * p),
        "effect_size": None if few or mean is None else mean / (statistics.stdev(both) or 1.0),
        "wins": sum(d > 0 for d in both),
        "ties": sum(d == 0 for d in both),
        "losses": sum(d < 0 for d in both),
        "detectable": None if low is None or mean is None else (mean - low) * 1.43,
        "test": "" if few else "mcnemar" if mcnemar else "permutation",
        "said": f"Only {len(both)} pairs: too few for an interval or a p-value." if few else "",
    }


def _arm(name: str, rows: list[dict[str, Any]], planted: str) -> dict[str, Any]:
    answered = [row for row in rows if row["status"] == "ok"]
    times = sorted(row["latency_s"] for row in answered)
    recorded = {
        "calls": len(answered),
        "input_tokens": sum(row["input_tokens"] for row in answered),
        "output_tokens": sum(row["output_tokens"] for row in answered),
        "cached_tokens": 0,
        "cost": sum(row["cost"] for row in answered),
    }
    made_now = [row for row in answered if row["cache"] == "made"]
    return {
        "name": name,
        "described": f"NGram(order={len(name)})" + planted,
        "fingerprint": {
            "provider": "onetwo_like",
            "model": f"ngram-{len(name)}" + planted,
            "order": len(name),
        },
        "recorded": recorded,
        "paid": {
            "calls": len(made_now),
            "input_tokens": sum(row["input_tokens"] for row in made_now),
            "output_tokens": sum(row["output_tokens"] for row in made_now),
            "cached_tokens": 0,
            "cost": sum(row["cost"] for row in made_now),
        },
        "latency_s": {
            "mean": statistics.fmean(times) if times else None,
            "median": times[len(times) // 2] if times else None,
            "p95": times[int(len(times) * 0.95)] if times else None,
        },
    }
