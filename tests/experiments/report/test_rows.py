"""Does a page hold all rows, also where texts had to be shortened?"""

import base64
import json
import random
import zlib

import pytest

from onetwo_like.experiments.report.rows import packed
from tests.experiments.made import EVIL, made


def unpacked(text):
    return json.loads(zlib.decompress(base64.b64decode(text)))


def rows_of(data):
    """The rows again, with their calls, as the page's script puts them together."""
    values, rows, calls, examples = data["values"], data["rows"], data["calls"], data["examples"]
    for i, arm in enumerate(rows["arm"]):
        example = rows["example"][i]
        yield {
            "arm": data["arms"][arm],
            "example": examples["id"][example],
            "sample": rows["sample"][i],
            "input": values[examples["input"][example]],
            "target": values[examples["target"][example]],
            **{name: values[rows[name][i]] for name in ("prediction", "status", "error", "cache")},
            **{name: rows[name][i] for name in ("input_tokens", "output_tokens", "cost", "latency_s")},
            "scores": {metric: rows["scores"][m][i] for m, metric in enumerate(data["metrics"])},
            "details": {metric: values[rows["details"][m][i]] for m, metric in enumerate(data["metrics"])},
            "calls": [
                {
                    name: values[calls[name][c]]
                    for name in ("operation", "prompt", "answer", "cache", "model_version")
                }
                | {name: calls[name][c] for name in ("input_tokens", "output_tokens", "cost", "latency_s")}
                for c, row in enumerate(calls["row"])
                if row == i
            ],
        }


def close(row):
    """The row with its measured figures as exact as the page shows them."""
    about = {
        name: pytest.approx(row[name], rel=1e-3) if row[name] is not None else None
        for name in ("cost", "latency_s")
    }
    scores = {m: None if s is None else pytest.approx(s, rel=1e-5) for m, s in row["scores"].items()}
    return {**row, **about, "scores": scores, "calls": [{**call, **about} for call in row["calls"]]}


@pytest.mark.parametrize(
    "comparison",
    [
        made(),
        made(arms=("one",), samples=1, examples=5),
        made(arms=("a", "b", "c"), metrics={"exact": True, "f1": False, "judge": False}, complete=False),
        made(planted=EVIL, failing=0.5),
        made(examples=0),
    ],
    ids=["two arms", "one arm", "three arms, not complete", "planted", "nothing"],
)
def test_every_row_can_be_read_again(comparison):
    text = packed(comparison).text
    expected = []
    for row in comparison["rows"]:
        row = close(row)
        row["details"] = dict.fromkeys(comparison["metrics"]) | row["details"]
        expected.append(row)
    assert list(rows_of(unpacked(text))) == expected


def test_values_that_are_no_text_keep_what_they_are():
    comparison = made(examples=7, samples=1, arms=("one",), failing=0)
    odd = [1, "1", True, 1.0, ["1"], {"a": [None]}, "\ud800"]
    for row, value in zip(comparison["rows"], odd, strict=True):
        row["prediction"] = value
        row["details"] = {"exact": {"of": value}}
    again = list(rows_of(unpacked(packed(comparison).text)))
    assert [(type(row["prediction"]), row["prediction"]) for row in again] == [(type(v), v) for v in odd]
    assert [row["details"]["exact"] for row in again] == [{"of": v} for v in odd]


def test_what_is_excluded_is_there_although_it_has_no_row():
    comparison = made(examples=2, samples=1)
    gone = {"arm": "bigram", "example": "never asked", "metric": "exact", "reason": "no pair"}
    comparison["excluded"] = [gone]
    data = unpacked(packed(comparison).text)
    (place,) = data["excluded"]["example"]
    assert data["examples"]["id"][place] == "never asked"
    assert [data["values"][i] for i in data["excluded"]["reason"]] == ["no pair"]


def test_a_reason_names_its_sample_and_a_pair_its_arms():
    comparison = made(examples=2, samples=2, failing=0, unscored=0)
    missing = {"arm": "five-gram", "example": "q1", "metric": "f1", "reason": "sample 1: no digit"}
    said = {"a": "bigram", "b": "five-gram", "example": "q1", "sample": 1, "score": 0.5, "details": {"x": 1}}
    data = unpacked(
        packed({**comparison, "excluded": [missing], "pairs": [{"metric": "judge", **said}]}).text
    )
    values, pairs, excluded = data["values"], data["pairs"], data["excluded"]
    assert [excluded["arm"], excluded["example"], excluded["sample"]] == [[1], [1], [1]]
    assert [values[i] for i in excluded["reason"]] == ["no digit"]
    assert [pairs[name] for name in ("a", "b", "example", "sample", "score")] == [[0], [1], [1], [1], [0.5]]
    assert [values[i] for i in (*pairs["metric"], *pairs["details"])] == ["judge", {"x": 1}]


def test_nothing_is_shortened_as_long_as_there_is_room():
    assert packed(made())[1:] == (0, len(unpacked(packed(made()).text)["values"]) - 1, None)


def test_only_the_longest_texts_are_shortened_and_all_are_counted():
    comparison = made(examples=40, samples=1, failing=0)
    chance = random.Random(0)
    for i, row in enumerate(comparison["rows"]):
        row["prediction"] = "".join(chance.choices("abcdefghij", k=20_000 if i % 2 else 100)) + " the end"
    before = packed(comparison)
    after = packed(comparison, room_bytes=len(before.text) // 3)
    assert before.shortened == 0
    assert len(after.text) <= len(before.text) // 3
    assert (after.shortened, after.texts) == (40, before.texts)
    for row, given in zip(rows_of(unpacked(after.text)), comparison["rows"], strict=True):
        shown, whole = row["prediction"], given["prediction"]
        if len(whole) < 1000:
            assert shown == whole
        else:
            head, rest = shown.split(" […")
            left, tail = rest.split(" letters left out…] ")
            assert whole.startswith(head)
            assert whole.endswith(tail)
            assert len(head) + len(tail) + int(left.replace(",", "")) == len(whole)
            assert len(head) + len(tail) == after.limit


def test_where_nothing_helps_the_rows_are_all_there():
    comparison = made()
    tight = packed(comparison, room_bytes=10)
    assert len(list(rows_of(unpacked(tight.text)))) == len(comparison["rows"])
