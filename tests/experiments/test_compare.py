"""Are arms compared as promised: paired, interleaved, cached, with nothing dropped and nothing asked twice?"""

import asyncio
import dataclasses
import itertools
from typing import Any

import pytest

from onetwo_like import ot
from onetwo_like.backends import NGram, OpenAI, Scripted
from onetwo_like.builtins import composables as c
from onetwo_like.builtins import llm
from onetwo_like.core.request import Reply, Usage
from onetwo_like.errors import (
    BackendError,
    CacheFailedError,
    DatasetError,
    NestedRunError,
    NotBoundError,
    ReplayMiss,
    RunCancelled,
    UsageError,
)
from onetwo_like.testing import FakeClock

SUMS = [{"id": f"{a}+{b}", "input": f"{a}+{b}", "target": str(a + b)} for a in range(4) for b in range(5)]


def exact(target, prediction):
    return target == prediction


@ot.make_executable
async def answer(question):
    return await llm.generate_text(f"Q: {question}\nA:")


def solves(prompt):
    """Somebody who can add."""
    return str(eval(prompt.split()[1]))


def arms(**more):
    return {
        "wrong": Scripted(lambda prompt: "7", name="wrong"),
        "right": Scripted(solves, name="right"),
        **more,
    }


def columns(result):
    return [(row.arm, row.example, row.sample) for row in result.rows]


# What comes back


def test_the_better_arm_wins_by_the_right_amount():
    result = ot.compare(arms(), strategy=answer, examples=SUMS, metrics={"exact": exact})
    [d] = result.differences
    assert (d.metric, d.a, d.b, d.n) == ("exact", "wrong", "right", 20)
    sevens = sum(row["target"] == "7" for row in SUMS)
    assert (d.mean_a, d.mean_b, d.difference) == (sevens / 20, 1.0, 1.0 - sevens / 20)
    assert (d.wins, d.ties, d.losses, d.test) == (20 - sevens, sevens, 0, "mcnemar")
    assert result.summary.startswith("right is better than wrong in exact by ")
    assert result.complete
    assert result.stopped is None


def test_there_is_a_row_for_every_arm_example_and_sample_in_their_order():
    result = ot.compare(arms(), strategy=answer, examples=SUMS, metrics={"exact": exact}, samples=3)
    ids = [row["id"] for row in SUMS]
    assert columns(result) == list(itertools.product(("wrong", "right"), ids, range(3)))


def test_the_strategy_gets_the_input_alone_and_the_metric_what_it_names():
    seen = []

    def metric(*, example, prediction, target):
        seen.append((example.fields["hint"], prediction, target))
        return 1.0

    examples = [{"question": "1+1", "answer": 2, "hint": "even"}]
    result = ot.evaluate(lambda x: x, examples, {"m": metric}, input="question", target="answer")
    assert result.rows[0].prediction == "1+1"
    assert seen == [("even", "1+1", 2)]


def test_a_metric_may_return_details():
    result = ot.evaluate(str, [{"input": 1}], {"m": lambda prediction: (0.5, {"why": prediction})})
    assert (result.rows[0].scores, result.rows[0].details) == ({"m": 0.5}, {"m": {"why": "1"}})


def test_a_metric_over_samples_sees_all_of_them_and_counts_once():
    from onetwo_like.experiments.metrics import over_samples

    seen = []

    @over_samples
    def distinct(predictions):
        seen.append(sorted(predictions))
        return len(set(predictions))

    backend = Scripted(lambda request: str(request.sample_path), name="paths")

    async def slow(prediction):
        await asyncio.sleep(0)
        return True

    result = ot.compare(
        {"a": backend, "b": backend}, strategy=answer, examples=SUMS[:9], metrics=[slow, distinct], samples=3
    )
    assert seen == [["()", "(1,)", "(2,)"]] * 18
    assert {row.scores["distinct"] for row in result.rows} == {3.0}
    assert result.differences[1].n == 9


def test_a_yes_or_no_over_samples_is_tested_as_one_of_each_example():
    from onetwo_like.experiments.metrics import over_samples

    @over_samples
    def any_right(target, predictions):
        return target in predictions

    result = ot.compare(arms(), answer, SUMS, [any_right], samples=3)
    assert result.differences[0].test == "mcnemar"


def test_a_pairwise_metric_is_scored_once_per_pair_and_shows_shares():
    from onetwo_like.experiments.metrics import pairwise_judge

    judge = Scripted(lambda prompt: '"1"' if prompt.index("long long") < prompt.index("short") else '"2"')
    prefers = pairwise_judge("Better, 1 {{ answer_1 }} or 2 {{ answer_2 }}?", backend=judge)
    strategies = {
        "short": lambda x: f"short {x}",
        "long": lambda x: f"long long {x}",
        "same": lambda x: f"short {x}",
    }
    nobody = Scripted([])
    result = ot.compare(
        {name: (strategy, nobody) for name, strategy in strategies.items()},
        examples=[{"input": i} for i in range(10)],
        metrics={"prefers": prefers, "length": lambda prediction: len(prediction)},
    )
    found = {
        (d.a, d.b): (d.mean_a, d.mean_b, d.difference, d.wins)
        for d in result.differences
        if d.metric == "prefers"
    }
    assert found == {
        ("short", "long"): (0.0, 1.0, 1.0, 10),
        ("short", "same"): (0.5, 0.5, 0.0, 0),
        ("long", "same"): (1.0, 0.0, -1.0, 0),
    }
    assert {row.arm: row.scores["prefers"] for row in result.rows} == {
        "short": 0.25,
        "long": 1.0,
        "same": 0.25,
    }
    assert len(result.pairs) == 30
    tested = [d for d in result.differences if d.p_value is not None]
    assert {d.metric for d in tested} == {"prefers", "length"}
    assert all(
        (d.p_adjusted or 0) > (d.p_value or 0) for d in tested[:-1]
    )  # Holm's, over both kinds of metrics together


def test_a_judge_is_asked_once_about_the_same_answer_and_is_not_the_arms_cost():
    from onetwo_like.experiments.metrics import judge

    model = Scripted(lambda prompt: '"yes"', name="judge")
    same = judge("Is {{ prediction }} {{ target }}?", backend=model)
    result = ot.compare(arms(), answer, SUMS[:3], {"same": same}, samples=2, cache=ot.Cache(_memory()))
    assert {row.scores["same"] for row in result.rows} == {1.0}
    # "0+0", "0+1", "0+2" answered right or by 7: six questions, each about two samples.
    assert len(model.requests) == 6
    assert all(len(row.calls) == 1 for row in result.rows)
    assert result.scoring[0].calls == 12
    assert result.scoring[1].calls == 6


def _memory():
    from onetwo_like.middleware.store import MemoryStore

    return MemoryStore()


# Arms


def test_arms_are_backends_registries_and_pairs():
    with ot.RegistryContext():
        Scripted(solves, name="r").register()
        registry = ot.copy_registry()
    result = ot.compare(
        {"backend": Scripted(solves, name="b"), "registry": registry, "pair": (lambda x: "7", registry)},
        strategy=answer,
        examples=SUMS,
        metrics={"exact": exact},
    )
    means = {name: mean.mean for name, mean in result.means["exact"].items()}
    assert means == {"backend": 1.0, "registry": 1.0, "pair": 0.05}
    assert [arm.described for arm in result.arms] == ["Scripted(b)", "Scripted(r)", "<lambda> on Scripted(r)"]
    assert result.arms[0].fingerprint == {"provider": "scripted", "name": "b"}


def test_a_list_of_backends_is_named_by_what_they_are():
    result = ot.compare([NGram(2), NGram(5)], answer, SUMS[:2], {"exact": exact})
    assert [arm.name for arm in result.arms] == ["NGram(order=2)", "NGram(order=5)"]


def test_a_backend_arm_is_not_helped_by_what_is_registered_outside():
    with ot.RegistryContext():
        llm.embed.configure(lambda texts: [[1.0]])
        with pytest.raises(NotBoundError, match="embed"):
            ot.compare(arms(), lambda x: llm.embed([x]), SUMS[:2], {"m": lambda prediction: 1})


TEMPLATE = c.f("Q: {question}\nA:") + c.store("answer", c.generate_text())
STRATEGIES = {
    "a function of executables": lambda q: llm.generate_text(f"Q: {q}\nA:"),
    "an executable function": answer,
    "a built-in": lambda q: llm.generate_text(f"Q: {q}\nA:"),
}


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_a_strategy_is_a_function_of_the_input(strategy):
    result = ot.evaluate(strategy, SUMS, {"exact": exact}, backend=Scripted(solves))
    assert result.means["exact"].popitem()[1].mean == 1.0


def test_an_async_function_that_awaits_is_a_strategy():
    async def strategy(q):
        first, second = await ot.parallel(answer(q), answer(q))
        return first if first == second else None

    assert (
        ot.evaluate(strategy, SUMS, {"exact": exact}, backend=Scripted(solves))
        .means["exact"]["strategy"]
        .mean
        == 1.0
    )


def test_a_template_takes_the_input_by_the_name_of_the_field():
    examples = [{"question": row["input"], "target": row["target"]} for row in SUMS]
    result = ot.evaluate(
        TEMPLATE,
        examples,
        {"exact": lambda target, prediction: prediction.variables["answer"] == target},
        backend=Scripted(solves),
        input="question",
    )
    assert result.complete
    assert {row.scores["exact"] for row in result.rows} == {1.0}


def test_a_template_takes_several_fields_by_their_names():
    template = c.f("{a}+{b}")
    result = ot.evaluate(
        template, [{"a": 1, "b": 2}], {"m": lambda prediction: prediction == "1+2"}, input=["a", "b"]
    )
    assert result.rows[0].scores == {"m": 1.0}


def test_a_flow_is_a_strategy_and_its_steps_are_the_prediction():
    flow = ot.Flow(answer=ot.prompt("Q: {{ input }}\nA:"), twice=lambda answer: answer * 2)
    result = ot.evaluate(
        flow,
        SUMS[:3],
        {"exact": lambda target, prediction: prediction["twice"] == target * 2},
        backend=Scripted(solves),
    )
    assert {row.scores["exact"] for row in result.rows} == {1.0}


def test_without_a_backend_what_is_registered_answers_when_it_runs():
    e = ot.evaluation(answer, SUMS[:3], {"exact": exact})
    with ot.RegistryContext():
        Scripted(solves, name="late").register()
        result = ot.run(e)
    assert result.means["exact"]["answer"].mean == 1.0
    assert result.arms[0].described == "Scripted(late)"


def test_a_grid_of_numpy_values_is_one_of_numbers():
    import numpy

    made = ot.grid(NGram, order=numpy.arange(2, 4), temperature=numpy.linspace(0, 1, 3))
    assert list(made)[1] == "order=2 temperature=0.5"


def test_a_grid_names_every_combination():
    made = ot.grid(lambda **options: options, order=[2, 5], temperature=[0.0, 0.5])
    assert made == {
        "order=2 temperature=0.0": {"order": 2, "temperature": 0.0},
        "order=2 temperature=0.5": {"order": 2, "temperature": 0.5},
        "order=5 temperature=0.0": {"order": 5, "temperature": 0.0},
        "order=5 temperature=0.5": {"order": 5, "temperature": 0.5},
    }


# Running


def test_it_runs_at_once_but_not_inside_an_executable():
    @ot.make_executable
    async def inside():
        return ot.compare(arms(), answer, SUMS, {"exact": exact})

    with pytest.raises(NestedRunError, match=r"await ot\.comparison\(\.\.\.\)"):
        ot.run(inside())

    @ot.make_executable
    def evaluated():
        return ot.evaluate(answer, SUMS, {"exact": exact})

    with pytest.raises(NestedRunError, match=r"await ot\.evaluation\(\.\.\.\)"):
        ot.run(evaluated())


def test_as_an_executable_it_is_awaited_and_runs_any_number_of_times():
    e = ot.comparison(arms(), answer, SUMS, {"exact": exact})

    @ot.make_executable
    async def outside():
        return await e

    first, second, third = ot.run(outside()), ot.run(e), asyncio.run(_awaited(e))
    assert [columns(r) for r in (second, third)] == [columns(first)] * 2
    assert [d.difference for d in first.differences] == [d.difference for d in second.differences]


async def _awaited(e):
    return await e


def test_a_stream_tells_the_progress_of_each_arm_and_every_row():
    with ot.stream(ot.comparison(arms(), answer, SUMS, {"exact": exact}, samples=2)) as events:
        seen = list(events)
    progress = [(e.part, e.done, e.total) for e in seen if isinstance(e, ot.Progress)]
    for arm in ("wrong", "right"):
        assert [done for part, done, total in progress if part == arm] == list(range(41))
        assert {total for part, _, total in progress if part == arm} == {40}
    assert {part for part, _, _ in progress} == {"wrong", "right"}
    rows = [e.outcome.value for e in seen if isinstance(e, ot.ItemFinished)]
    assert sorted((r.arm, r.example, r.sample) for r in rows) == sorted(columns(events.result))


def test_a_trace_names_the_rows():
    result, trace = ot.run(ot.comparison(arms(), answer, SUMS[:2], {"exact": exact}), enable_tracing=True)
    paths = {span.path.split("/", 1)[1] for span in trace.walk() if span.name == "generate_text"}
    assert paths == {f"{arm}[0+{b}]/answer/generate_text" for arm in ("wrong", "right") for b in (0, 1)}
    assert result.complete


def test_the_progress_bar_adds_the_arms_up(capsys):
    ot.run(ot.comparison(arms(), answer, SUMS, {"exact": exact}), progress=True)
    last = capsys.readouterr().err.splitlines()[-1]
    assert "40/40" in last
    assert "wrong=20/20" in last


@pytest.mark.parametrize("seed", range(5))
def test_no_arm_is_ever_further_along_than_a_block(seed):
    both = Scripted(lambda prompt: "x")
    ot.compare(
        {
            "a": (lambda q: llm.generate_text(f"a {q}"), both),
            "b": (lambda q: llm.generate_text(f"b {q}"), both),
        },
        examples=SUMS,
        metrics={"exact": exact},
        samples=3,
        seed=seed,
        max_concurrency=7,
    )
    order = [(request.values[0].split()[0], request.values[0].split()[1]) for request in both.requests]
    assert len(order) == 120
    for arm in "ab":
        ahead = [
            sum(a == arm for a, _ in order[:n]) - sum(a != arm for a, _ in order[:n]) for n in range(121)
        ]
        assert max(ahead) <= 3  # the samples of one example
    examples = [example for _, example in order]
    assert [k for k, _ in itertools.groupby(examples)] == list(dict.fromkeys(examples))  # block by block
    assert list(dict.fromkeys(examples)) != [row["id"] for row in SUMS]  # in a random order
    firsts = (
        {block[0] for block in itertools.batched(order, 6)}
        if hasattr(itertools, "batched")
        else {order[i] for i in range(0, 120, 6)}
    )
    assert {arm for arm, _ in firsts} == {"a", "b"}  # and no arm always goes first


def test_the_order_is_that_of_the_seed():
    def asked(seed):
        backend = Scripted(lambda prompt: "x")
        ot.evaluate(answer, SUMS, {"exact": exact}, backend=backend, seed=seed, max_concurrency=1)
        return [request.values[0] for request in backend.requests]

    assert asked(1) == asked(1) != asked(2)


def test_at_most_max_concurrency_answers_are_under_way():
    under_way = most = 0

    async def slow(q):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        under_way -= 1
        return q

    ot.evaluate(slow, SUMS, {"exact": exact}, max_concurrency=4)
    assert most == 4


# The cache


def test_what_was_asked_by_hand_is_not_asked_again(tmp_path):
    backend = Scripted(solves, name="r")
    with ot.RegistryContext(), ot.caching(tmp_path / "c"):
        backend.register()
        ot.run(ot.parallel(*[answer(row["input"]) for row in SUMS]))
    assert len(backend.requests) == 20
    result = ot.evaluate(answer, SUMS, {"exact": exact}, backend=backend, cache=tmp_path / "c")
    assert len(backend.requests) == 20
    assert {row.cache for row in result.rows} == {"hit"}


def test_more_samples_keep_those_that_there_are(tmp_path):
    backend = Scripted(solves, name="r")
    for samples, calls in ((1, 20), (3, 60), (5, 100), (2, 100)):
        ot.evaluate(answer, SUMS, {"exact": exact}, backend=backend, cache=tmp_path / "c", samples=samples)
        assert len(backend.requests) == calls


def test_sample_k_is_that_of_repeat_in_every_schedule(tmp_path):
    backend = Scripted(lambda request: f"{request.sample_path}", name="r")
    for seed, limit in ((1, 1000), (2, 3)):
        result = ot.evaluate(
            answer, SUMS, {"exact": exact}, backend=backend, samples=3, seed=seed, max_concurrency=limit
        )
        assert {(row.sample, row.prediction) for row in result.rows} == {(0, "()"), (1, "(1,)"), (2, "(2,)")}
    with ot.RegistryContext():
        backend.register()
        assert ot.run(ot.parallel(*ot.repeat(answer("q"), 3)[1:])) == ["(1,)", "(2,)"]


def test_a_second_run_asks_nothing_and_prints_the_same(tmp_path):
    made = arms()
    first = ot.compare(made, answer, SUMS, {"exact": exact}, samples=2, cache=tmp_path / "c")
    again = ot.compare(made, answer, SUMS, {"exact": exact}, samples=2, cache=tmp_path / "c")
    assert sum(len(arm.requests) for arm in made.values()) == 80
    assert str(again) == str(first)
    assert [(arm.recorded.calls, arm.paid.calls) for arm in first.arms] == [(40, 40)] * 2
    assert [(arm.recorded.calls, arm.paid.calls) for arm in again.arms] == [(40, 0)] * 2


def test_in_replay_mode_a_miss_is_raised(tmp_path):
    ot.Cache(tmp_path / "c").close()
    with pytest.raises(ReplayMiss, match="not recorded"):
        ot.compare(arms(), answer, SUMS, {"exact": exact}, cache=ot.Cache(tmp_path / "c", mode="replay"))


def test_the_caches_of_backends_and_of_the_block_are_used_where_none_is_given(tmp_path):
    backend = Scripted(solves, name="r", cache=ot.Cache(tmp_path / "own"))
    for _ in range(2):
        ot.evaluate(answer, SUMS, {"exact": exact}, backend=backend)
    assert len(backend.requests) == 20
    for _ in range(2):
        with ot.caching(tmp_path / "block"):
            ot.evaluate(answer, SUMS, {"exact": exact}, backend=backend)
    assert len(backend.requests) == 40


# Usage


def priced(prompt):
    return Reply(
        solves(prompt), Usage(input_tokens=10, output_tokens=2, cost=0.5), duration_s=2.0, model_version="v1"
    )


def test_rows_and_arms_say_what_they_took(tmp_path):
    async def twice(q):
        await answer(q)
        return await answer(q + " ")

    result = ot.evaluate(
        twice, SUMS, {"exact": exact}, backend=Scripted(priced, name="p"), cache=tmp_path / "c"
    )
    row = result.rows[0]
    assert (row.input_tokens, row.output_tokens, row.cost, row.latency_s, row.cache) == (
        20,
        4,
        1.0,
        4.0,
        "made",
    )
    assert [(call.operation, call.prompt, call.answer, call.model_version) for call in row.calls] == [
        ("generate_text", "Q: 0+0\nA:", "0", "v1"),
        ("generate_text", "Q: 0+0 \nA:", "0", "v1"),
    ]
    [arm] = result.arms
    assert (arm.recorded.calls, arm.recorded.cost, arm.paid.cost) == (40, 20.0, 20.0)
    assert arm.latency_s == (4.0, 4.0, 4.0)


def test_an_unknown_cost_is_not_zero():
    result = ot.evaluate(answer, SUMS, {"exact": exact}, backend=Scripted(solves))
    assert result.arms[0].recorded.cost is None
    assert result.rows[0].cost is None
    assert "–" in str(result).splitlines()[3]


def test_an_answer_of_which_one_call_has_no_price_has_none():
    def half(prompt):
        return priced(prompt) if prompt.endswith(" \nA:") else solves(prompt)

    async def twice(q):
        await answer(q)
        return await answer(q + " ")

    result = ot.evaluate(twice, SUMS[:1], {"exact": exact}, backend=Scripted(half))
    assert [call.cost for call in result.rows[0].calls] == [None, 0.5]
    assert result.rows[0].cost is None
    assert result.arms[0].recorded.cost is None


def test_an_outer_usage_block_hears_of_the_calls():
    with ot.usage() as used:
        ot.evaluate(answer, SUMS, {"exact": exact}, backend=Scripted(priced))
    assert (used.recorded.calls, used.recorded.cost) == (20, 10.0)


# Failures


def failing(prompt):
    if "0+" in prompt:
        raise BackendError("the model is away")
    return solves(prompt)


def test_a_failing_answer_is_a_row_that_says_so():
    result = ot.compare(
        arms(failing=Scripted(failing)), answer, SUMS, {"exact": exact, "one": lambda prediction: 1}
    )
    failed = [row for row in result.rows if row.status != "ok"]
    assert [(row.arm, row.example) for row in failed] == [("failing", f"0+{b}") for b in range(5)]
    for row in failed:
        assert (row.status, row.error, row.prediction) == ("error", "BackendError: the model is away", None)
        assert row.scores == {"exact": None, "one": None}
        assert row.cache == "failed"
    assert [tuple(x) for x in result.excluded] == [
        ("failing", f"0+{b}", metric, "error: BackendError: the model is away")
        for b in range(5)
        for metric in ("exact", "one")
    ]
    assert {(d.a, d.b): d.n for d in result.differences if d.metric == "exact"} == {
        ("wrong", "right"): 20,
        ("wrong", "failing"): 15,
        ("right", "failing"): 15,
    }
    assert "10 scores are missing" in str(result)


def test_timeouts_and_cancellations_have_a_status_of_their_own():
    async def strategy(n):
        if n == 0:
            return await ot.make_executable(asyncio.sleep)(60).timeout(0.01)
        if n == 1:
            raise RunCancelled("enough")
        if n == 2:
            raise asyncio.CancelledError
        return n

    result = ot.evaluate(strategy, [{"input": n} for n in range(4)], {"m": lambda prediction: 1})
    assert [row.status for row in result.rows] == ["timeout", "cancelled", "cancelled", "ok"]


def test_every_missing_score_is_listed_with_its_reason():
    def moody(prediction, example):
        if example.id == "1+1":
            raise ValueError("bad mood")
        return float("nan") if example.id == "2+2" else 1.0

    result = ot.evaluate(answer, SUMS, {"exact": exact, "moody": moody}, backend=Scripted(failing), samples=2)
    missing = {
        (row.arm, row.example, m) for row in result.rows for m, score in row.scores.items() if score is None
    }
    assert {(x.arm, x.example, x.metric) for x in result.excluded} == missing
    assert len(result.excluded) == sum(score is None for row in result.rows for score in row.scores.values())
    reasons = {x.example: x.reason for x in result.excluded if x.metric == "moody"}
    assert "sample 1: " in reasons["1+1"]
    assert "ValueError: bad mood" in reasons["1+1"]
    assert "nan" in reasons["2+2"]
    assert result.means["moody"]["answer"].n == 13


def test_a_wrong_program_is_raised_at_once():
    asked = []

    def strategy(q):
        asked.append(q)
        return llm.generate_text(q, temperature=0.5)

    nobody = ot.Registry()
    with pytest.raises(NotBoundError):
        ot.evaluate(strategy, SUMS, {"exact": exact}, backend=nobody, max_concurrency=1)
    assert len(asked) == 1


def test_no_key_that_was_given_to_a_backend_stands_in_an_error():
    backend = OpenAI("gpt-4o-mini", api_key="token-abc123")

    def strategy(question):
        raise ValueError("401 for key token-abc123")

    result = ot.evaluate(strategy, SUMS[:2], exact, backend=backend)
    assert result.rows[0].error == "ValueError: 401 for key ***"
    assert "token-abc123" not in result.to_json()


def test_no_secret_of_the_environment_stands_in_an_error(monkeypatch):
    monkeypatch.setenv("SHOP_API_KEY", "very-secret-word")

    def strategy(q):
        raise ValueError("401 for key very-secret-word")

    result = ot.evaluate(strategy, SUMS[:1], {"exact": exact})
    assert "very-secret-word" not in result.to_json()
    assert result.rows[0].error == "ValueError: 401 for key ***"


def test_no_more_is_asked_once_the_cache_cannot_keep_answers(tmp_path):
    cache = ot.Cache(tmp_path / "c")
    asked = []

    def closing(prompt):
        asked.append(prompt)
        if len(asked) == 3:
            cache.close()
        return "4"

    arms = {"a": Scripted(closing, name="a"), "b": Scripted(closing, name="b")}
    with pytest.raises(CacheFailedError, match="is closed"):
        ot.compare(arms, answer, SUMS, exact, cache=cache, max_concurrency=1)
    assert len(asked) == 3


# Budgets


def test_a_spent_budget_returns_the_finished_part_marked_as_such(tmp_path):
    backend = Scripted(priced, name="p")
    made = {"a": (answer, backend), "b": (lambda q: answer(q + " "), backend)}
    budget = ot.Budget(usd=7.0)
    part = ot.compare(
        made, examples=SUMS, metrics={"exact": exact}, cache=tmp_path / "c", budget=budget, max_concurrency=1
    )
    assert not part.complete
    assert part.stopped == "the budget is spent (7 USD of 7 USD are spent, after 14 calls)"
    assert len(backend.requests) == 14
    statuses = [row.status for row in part.rows]
    assert (len(statuses), statuses.count("ok"), statuses.count("not run")) == (40, 14, 26)
    assert len(part.excluded) == 26
    assert part.differences[0].n == 7
    assert "Not complete: the budget is spent" in str(part)
    whole = ot.compare(made, examples=SUMS, metrics={"exact": exact}, cache=tmp_path / "c")
    assert whole.complete
    assert len(backend.requests) == 40


def test_all_that_was_not_run_has_one_reason():
    async def in_turn(prompt):
        await asyncio.sleep(1 + int(prompt.split()[1][0]))
        return priced(prompt)

    async def twice(question):
        await answer(question)
        return await answer(question + " ")

    budget = ot.Budget(usd=2.0)
    part = FakeClock().run(ot.evaluation(twice, SUMS, exact, backend=Scripted(in_turn), budget=budget))
    assert {row.error for row in part.rows} == {part.stopped}


def test_what_a_stopped_answer_had_paid_for_is_in_the_sums():
    async def twice(q):
        await answer(q)
        return await answer(q + " ")

    result = ot.evaluate(
        twice, SUMS, {"exact": exact}, backend=Scripted(priced), budget=ot.Budget(calls=3), max_concurrency=1
    )
    assert result.arms[0].paid.calls == 3
    assert sum(row.status == "ok" for row in result.rows) == 1


def test_a_judge_that_the_budget_stops_leaves_the_answer():
    from onetwo_like.experiments.metrics import judge

    same = judge(
        "Is {{ prediction }} {{ target }}?",
        backend=Scripted(lambda prompt: Reply('"yes"', Usage(1, 1, cost=1.0))),
    )
    result = ot.evaluate(
        answer,
        SUMS,
        {"same": same, "exact": exact},
        backend=Scripted(priced),
        budget=ot.Budget(calls=1),
        max_concurrency=1,
    )
    [stopped] = [row for row in result.rows if row.status == "ok"]
    assert stopped.scores == {"same": None, "exact": None}
    assert stopped.reasons["same"].startswith("not scored: the budget is spent")


# Typed predictions, and data


@dataclasses.dataclass(frozen=True)
class City:
    name: str
    people: float


def test_predictions_keep_their_type_and_are_plain_data_in_json():
    result = ot.evaluate(
        lambda x: City(x, float("inf")),
        [{"input": "Nice"}],
        {"m": lambda prediction: prediction.name == "Nice"},
    )
    assert result.rows[0].prediction == City("Nice", float("inf"))
    assert ot.Evaluation.from_json(result.to_json()).rows[0].prediction == {"name": "Nice", "people": "inf"}


class Unspeakable(Exception):
    """Has neither a text nor a repr."""

    def __repr__(self):
        raise RuntimeError("no repr")

    __str__ = __repr__


def nested(depth):
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("prediction", "shown"),
    [
        ({("a", "b"): 1, None: 2}, {"('a', 'b')": 1, "None": 2}),
        (10**5000, hex(10**5000)),
        ([10**5000], [hex(10**5000)]),
        (Unspeakable(), "<Unspeakable: RuntimeError>"),
        (nested(100_000), "<list: RecursionError>"),
        ("half \ud800", "half \ud800"),
    ],
    ids=["tuple keys", "large int", "large ints", "no repr", "deep", "surrogate"],
)
def test_no_prediction_keeps_a_result_from_being_stored_and_shown(prediction, shown, tmp_path):
    result = ot.evaluate(lambda x: prediction, [{"input": "Nice"}], {"m": lambda prediction: 1})
    again = ot.Evaluation.from_json(result.to_json())
    assert again == result
    assert again.rows[0].prediction == shown
    assert len(again.to_pandas()) == 1
    result.save(tmp_path / "s")
    result.report(tmp_path / "r.html")


def test_an_error_without_a_text_is_named_by_its_class():
    def fails(prediction):
        raise Unspeakable

    result = ot.evaluate(fails, SUMS[:1], {"m": fails})
    assert result.rows[0].error == "Unspeakable"
    result = ot.evaluate(str, SUMS[:1], {"m": fails})
    assert [x.reason for x in result.excluded] == ["metric 'm' failed on the example '0+0': Unspeakable"]


def test_a_metric_that_cancels_itself_marks_its_rows():
    async def gives_up(prediction):
        raise asyncio.CancelledError

    result = ot.evaluate(str, SUMS[:1], {"m": gives_up, "exact": exact})
    assert result.rows[0].reasons == {"m": "metric 'm' failed on the example '0+0': CancelledError"}
    assert result.rows[0].scores["exact"] == 0.0


def test_what_a_metric_changes_is_its_own():
    def greedy(target, prediction):
        target.append(0)
        prediction.clear()
        return len(target)

    rows = [{"input": i, "target": [i]} for i in range(3)]
    result = ot.evaluate(
        lambda i: [i, i], rows, {"greedy": greedy, "size": lambda prediction: len(prediction)}
    )
    assert [row.scores for row in result.rows] == [{"greedy": 2.0, "size": 2.0}] * 3
    assert [(row.target, row.prediction) for row in result.rows] == [([i], [i, i]) for i in range(3)]


def test_a_score_too_large_for_statistics_marks_its_row():
    scores = iter([1e301, -1.7e308, 1e299])
    result = ot.evaluate(str, SUMS[:3], {"m": lambda prediction: next(scores)})
    assert sorted(row.scores["m"] is None for row in result.rows) == [False, True, True]
    assert "it is to return a finite number" in result.excluded[0].reason


def test_an_evaluation_says_how_good_it_is():
    result = ot.evaluate(answer, SUMS, {"exact": exact}, backend=Scripted(solves))
    assert result.summary == "answer has a mean of 1.000 in exact (20 examples)."
    assert repr(result) == "<Evaluation of answer on 20 examples>"


# Mistakes, as people make them in a notebook


def yielding(question):
    yield question


def two(question, context):
    return question


MISTAKES = {
    "a list of names": (
        {"arms": ["gpt", "claude"]},
        "arms is a dict from names to backends, or a list of backends; in the list is str: 'gpt'",
    ),
    "one arm": ({"arms": {"a": Scripted([])}}, "ot.compare takes two arms or more, not 1"),
    "a backend's class": ({"arms": {"a": Scripted, "b": Scripted}}, "arm 'a' is a backend, a registry"),
    "two of one name": (
        {"arms": [Scripted([]), Scripted([])]},
        r"two arms are called 'Scripted\(\)'; give a dict",
    ),
    "no strategy": ({"strategy": None}, "arm 'wrong' has no strategy: give strategy= for all arms"),
    "a generator": ({"strategy": yielding}, "the strategy yielding yields, and so has no prediction"),
    "two parameters": (
        {"strategy": two},
        r"the strategy two\(question, context\) is called with the input alone",
    ),
    "an executable": (
        {"strategy": llm.generate_text("x")},
        "a strategy is a function of the input, a template",
    ),
    "a prompt": ({"strategy": "Q: {{ input }}"}, "a strategy is a function of the input, a template"),
    "no metrics": ({"metrics": {}}, "ot.compare needs metrics="),
    "a metric's name": (
        {"metrics": ["exact_match"]},
        "not its name 'exact_match': from onetwo_like.experiments.metrics import exact_match",
    ),
    "a column's name": ({"metrics": {"cost": exact}}, "a metric cannot be called 'cost': so is a column"),
    "a metric of other things": (
        {"metrics": {"m": lambda gold, answer, extra, more: 1}},
        "nothing fills the parameter",
    ),
    "no examples": ({"examples": None}, "ot.compare needs examples="),
    "no samples": ({"samples": 0}, r"ot.compare\(samples=...\) takes a whole number of at least 1, not 0"),
    "a price for a budget": ({"budget": 2.5}, r"ot.compare takes budget as ot.Budget\(usd=...\), not 2.5"),
    "a cache that is none": ({"cache": 3}, "ot.compare takes cache as a path or an ot.Cache"),
}


@pytest.mark.parametrize(("wrong", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_clear_sentence(wrong, said):
    given = {"arms": arms(), "strategy": answer, "examples": SUMS, "metrics": {"exact": exact}, **wrong}
    with pytest.raises(UsageError, match=said) as caught:
        ot.compare(**given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("examples", "said"),
    [
        ([], "there are no examples in it"),
        ([{"question": "1+1", "target": "2"}], "input"),
        ("nowhere.jsonl", "nowhere.jsonl"),
    ],
)
def test_examples_that_are_none_are_refused_before_anything_runs(examples, said):
    with pytest.raises(DatasetError, match=said):
        ot.compare(arms(), answer, examples, {"exact": exact})


@pytest.mark.parametrize(
    ("make", "lists", "said"),
    [
        (NGram, {"order": 2}, "a list of values for order"),
        (NGram, {"order": "25"}, "a list of values for order"),
        (NGram, {"order": []}, "the list of values for order is empty"),
        (NGram, {}, "takes lists of values by name"),
        (dict, {"x": [1, "1"]}, "two combinations are called 'x=1'"),
        (3, {"x": [1]}, "a function that makes an arm"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(make, lists, said):
    with pytest.raises(UsageError, match=said):
        ot.grid(make, **lists)
